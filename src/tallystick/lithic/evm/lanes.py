"""What is done to all lanes of a word at once, and how they are taken apart."""

from __future__ import annotations

from dataclasses import dataclass

from tallystick.lithic.evm.assembler import Assembler
from tallystick.lithic.integer.intervals import Intervals
from tallystick.lithic.integer.model import Relu
from tallystick.lithic.lanes.packing import WORD_BITS
from tallystick.lithic.lanes.source import Place, Source


@dataclass(frozen=True)
class LaneWords:
    """Signed numbers in lanes of memory words: number k is in word k // lanes, as 2**(lane_bits - 1) more than it is.

    base    the lowest bit of lane 0 in each word; what is below and above the lanes is anything
    ranges  what each number can be
    """

    address: int
    lane_bits: int
    lanes: int
    base: int
    ranges: Intervals

    @property
    def words(self) -> int:
        """How many memory words there are."""
        return -(-len(self.ranges) // self.lanes)

    @property
    def ones(self) -> int:
        """A word with the lowest bit of each lane set, lane 0 at bit 0."""
        return sum(1 << k * self.lane_bits for k in range(self.lanes))


def emit_relu(asm: Assembler, numbers: LaneWords, step: Relu, ranges: Intervals) -> Source:
    """Replace each word by its lanes' max(z, 0), capped; the shift costs nothing, as it only moves the places.

    A lane's top bit says z ≥ 0. Those bits, moved down to the bottom and multiplied by 2**(L-1) - 1, are the mask of
    the lanes to keep.
    """
    width, below = numbers.lane_bits, (1 << (numbers.lane_bits - 1)) - 1
    for word in range(numbers.words):
        asm.load(numbers.address + 32 * word)
        asm.op("DUP1")
        _keep_bit(asm, numbers.base + width - 1, numbers.ones)
        asm.push(below)
        asm.op("MUL", "SWAP1")
        asm.shift_right(numbers.base)
        asm.op("AND")
        if step.cap is not None:
            _emit_cap(asm, numbers, (step.cap << step.shift) + (1 << step.shift) - 1)
        asm.store(numbers.address + 32 * word)
    shift = min(step.shift, width - 1)
    bits = max(width - 1 - step.shift, 1)
    return Source(
        "memory",
        tuple(
            Place(numbers.address + 32 * (k // numbers.lanes), k % numbers.lanes * width + shift, bits)
            for k in range(len(ranges))
        ),
        ranges,
    )


def _emit_cap(asm: Assembler, numbers: LaneWords, cap: int) -> None:
    """Replace each lane v of the word on the stack by min(v, cap), where v has no top bit.

    2**(L-1) + cap - v has the top bit exactly when v ≤ cap; lanes above the cap are replaced by it.
    """
    width, top = numbers.lane_bits, 1 << (numbers.lane_bits - 1)
    if cap >= top - 1:
        return
    asm.op("DUP1")
    asm.push((top + cap) * numbers.ones)
    asm.op("SUB")
    _keep_bit(asm, width - 1, numbers.ones)
    asm.op("DUP1")
    asm.push(numbers.ones)
    asm.op("SUB")
    asm.push(cap)
    asm.op("MUL", "SWAP2", "SWAP1")
    asm.push(top - 1)
    asm.op("MUL", "AND", "OR")


def emit_signed(asm: Assembler, numbers: LaneWords, target: int) -> Source:
    """Store each number, signed, in a memory word of its own from `target` on."""
    width, half = numbers.lane_bits, 1 << (numbers.lane_bits - 1)
    for k in range(len(numbers.ranges)):
        offset = numbers.base + k % numbers.lanes * width
        asm.push(half)
        asm.load(numbers.address + 32 * (k // numbers.lanes))
        asm.shift_right(offset)
        if offset + width < WORD_BITS:
            asm.push((1 << width) - 1)
            asm.op("AND")
        asm.op("SUB")
        asm.store(target + 32 * k)
    places = tuple(Place(target + 32 * k, 0, WORD_BITS) for k in range(len(numbers.ranges)))
    return Source("memory", places, numbers.ranges)


def _keep_bit(asm: Assembler, bit: int, ones: int) -> None:
    """Replace the word on the stack by one bit of each lane, moved down to the lane's lowest."""
    asm.shift_right(bit)
    asm.push(ones)
    asm.op("AND")
