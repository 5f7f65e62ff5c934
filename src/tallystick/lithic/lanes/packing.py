"""The plan of a dense step: which inputs go into one multiplication, and which outputs share a word.

Inputs x_0 … x_{p-1} at distance S in a word are one polynomial Σ_j x_j · 2**(jS); the weights of u outputs to those
inputs are another, Σ_j Σ_k w_kj · 2**((p-1-j)S + kL). In their product, lane k of block p-1 is Σ_j x_j · w_kj: p · u
multiply-accumulates in one MUL. Products are summed modulo 2**256 on a start word that puts 2**(L-1) into every lane up
to block p-1, so that each lane is 2**(L-1) plus its sum, needs no sign and borrows from none, if every sum is within
[-2**(L-1), 2**(L-1)): `proof` shows that it is. With p = 1 this is the packing of docs/lithic/kernels.md, section 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tallystick.core.errors import InvalidInput
from tallystick.lithic.integer.intervals import Interval, Intervals, dot
from tallystick.lithic.integer.model import Dense
from tallystick.lithic.lanes.source import Place, Source

WORD_BITS = 256
WORD_GAS = 40  # about what a word of outputs costs beside its products: start, store, activation
_INPUTS_MAX = 16  # of one multiplication: more would make lanes of garbage as wide as those of use


@dataclass(frozen=True)
class InputSet:
    """Inputs that are taken out of one word together: input `indices[j]` stands `j * stride` bits above `place`."""

    place: Place
    indices: tuple[int, ...]


@dataclass(frozen=True)
class Packing:
    """A plan. Output k of the step is lane k % lanes of word k // lanes.

    lane_bits  L: the width of a lane
    lanes      u: outputs in a word
    blocks     p: inputs of one multiplication, at most
    stride     S: bits between those inputs; at least u · L
    sets       every input once
    """

    lane_bits: int
    lanes: int
    blocks: int
    stride: int
    sets: tuple[InputSet, ...]

    @property
    def base(self) -> int:
        """The lowest bit of lane 0: the start of block p-1."""
        return (self.blocks - 1) * self.stride

    @property
    def half(self) -> int:
        """What is added to every sum: 2**(L-1)."""
        return 1 << (self.lane_bits - 1)

    def groups(self, outputs: int) -> int:
        """Return how many words hold so many outputs."""
        return -(-outputs // self.lanes)

    def weight_word(self, step: Dense, inputs: InputSet, group: int) -> int:
        """Return the word that the inputs of a set are multiplied with, for one word of outputs."""
        rows = step.weights[group * self.lanes : (group + 1) * self.lanes]
        total = 0
        for j, index in enumerate(inputs.indices):
            for k, row in enumerate(rows):
                total += row[index] << ((self.blocks - 1 - j) * self.stride + k * self.lane_bits)
        return total % (1 << WORD_BITS)

    def start_word(self, step: Dense, group: int) -> int:
        """Return the word that products are added to: 2**(L-1) in each lane up to block p-1, and there the bias."""
        biases = step.bias[group * self.lanes : (group + 1) * self.lanes]
        total = 0
        for block in range(self.blocks):
            for k, bias in enumerate(biases):
                value = self.half + (bias if block == self.blocks - 1 else 0)
                total += value << (block * self.stride + k * self.lane_bits)
        return total % (1 << WORD_BITS)

    def sums(self, step: Dense, ranges: Intervals) -> Iterator[tuple[int, int, Interval]]:
        """Yield (output, block, interval) of every sum that a lane up to block p-1 must hold.

        The last block's sums are the step's outputs, bias included; those below are garbage that must not overflow.
        """
        for output, row in enumerate(step.weights):
            for block in range(self.blocks - 1):
                yield output, block, self._garbage(row, block, ranges)
            yield output, self.blocks - 1, dot(row, ranges, step.bias[output])

    def _garbage(self, row: tuple[int, ...], block: int, ranges: Intervals) -> Interval:
        """Return what the lane of one output in a lower block sums to: inputs met by the weights of later ones."""
        low = high = 0
        ahead = self.blocks - 1 - block
        for inputs in self.sets:
            for j, index in enumerate(inputs.indices[:-ahead]):
                part = ranges[index].scaled(row[inputs.indices[j + ahead]])
                low, high = low + part.low, high + part.high
        return Interval(low, high)


def bits_of(interval: Interval) -> int:
    """Return the width of the narrowest signed lane that holds every number of the interval."""
    return 1 + max(max(interval.high, 0).bit_length(), max(-interval.low - 1, 0).bit_length())


def plan(step: Dense, source: Source) -> Packing:
    """Return the packing that costs the least gas.

    raises  InvalidInput "kernel.overflow" when an output does not fit a word of 256 bits
    """
    best = single(step, source)
    least, spacing = best.lane_bits, _spacing(source)
    if spacing:
        for blocks in range(2, min(_INPUTS_MAX, WORD_BITS // spacing) + 1):
            best = _with_blocks(step, source, least, blocks, spacing, cost(step, best)) or best
    return best


def single(step: Dense, source: Source) -> Packing:
    """Return the packing of one input a multiplication, which every source allows; raises as `plan`."""
    lane_bits = max(bits_of(dot(row, source.ranges, bias)) for row, bias in zip(step.weights, step.bias, strict=True))
    if lane_bits > WORD_BITS:
        raise InvalidInput("kernel.overflow", "an output needs more than a word", expected="≤ 256 bits", got=lane_bits)
    sets = tuple(InputSet(place, (index,)) for index, place in enumerate(source.places))
    return Packing(lane_bits, min(WORD_BITS // lane_bits, len(step.weights)), 1, WORD_BITS, sets)


def cost(step: Dense, packing: Packing) -> int:
    """Return about how much gas the step takes: what choosing a plan needs, not what anybody is charged."""
    groups = packing.groups(len(step.weights))
    return len(packing.sets) * ((12 if groups == 1 else 17) + 15 * groups) + WORD_GAS * groups


def _with_blocks(step: Dense, source: Source, least: int, blocks: int, spacing: int, bound: int) -> Packing | None:
    """Return the packing of `blocks` inputs a multiplication, if there is one that costs less than `bound`.

    Garbage may ask for wider lanes than the `least` that outputs need.
    """
    lane_bits = least
    for _ in range(4):
        lanes = min(WORD_BITS // blocks // lane_bits, len(step.weights))
        while lanes and (blocks - 1) * _stride(lanes * lane_bits, spacing) + lanes * lane_bits > WORD_BITS:
            lanes -= 1
        if not lanes:
            return None
        stride = _stride(lanes * lane_bits, spacing)
        packing = Packing(lane_bits, lanes, blocks, stride, tuple(_sets(source, blocks, stride)))
        if cost(step, packing) >= bound:
            return None
        wanted = max(bits_of(interval) for _, _, interval in packing.sums(step, source.ranges))
        if wanted <= lane_bits:
            return packing
        lane_bits = wanted
    return None


def _stride(bits: int, spacing: int) -> int:
    """Return the least multiple of the distance of inputs that leaves room for so many bits."""
    return -(-bits // spacing) * spacing


def _spacing(source: Source) -> int:
    """Return the distance of numbers in a word where it is the same everywhere, else 0."""
    found = set()
    for before, place in zip(source.places, source.places[1:], strict=False):
        if place.bits == WORD_BITS:
            return 0
        if before.address == place.address:
            found.add(abs(place.offset - before.offset))
    return found.pop() if len(found) == 1 else 0


def _sets(source: Source, blocks: int, stride: int) -> Iterator[InputSet]:
    """Yield sets of at most `blocks` numbers of one word, `stride` bits apart, each number in one set."""
    words: dict[int, dict[int, int]] = {}
    for index, place in enumerate(source.places):
        words.setdefault(place.address, {})[place.offset] = index
    for offsets in words.values():
        left = dict(sorted(offsets.items()))
        while left:
            first = next(iter(left))
            members: list[int] = []
            while len(members) < blocks and (offset := first + stride * len(members)) in left:
                members.append(left.pop(offset))
            yield InputSet(source.places[members[0]], tuple(members))
