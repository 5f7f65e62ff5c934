"""Takes numbers out of packed words: the instructions that push one number, or several at a distance, on the stack."""

from __future__ import annotations

from tallystick.lithic.evm.assembler import Assembler
from tallystick.lithic.lanes.packing import WORD_BITS, InputSet
from tallystick.lithic.lanes.source import Place, Source


def emit_number(asm: Assembler, kind: str, place: Place) -> None:
    """Push one number. 12 gas where it ends on a byte: a load from where it is the top of a word, and a shift."""
    if place.bits == WORD_BITS:
        _load(asm, kind, place.address)
        return
    above = WORD_BITS - place.offset - place.bits
    if above % 8 == 0:
        _load(asm, kind, place.address + above // 8)
        asm.push(WORD_BITS - place.bits)
        asm.op("SHR")
        return
    _load(asm, kind, place.address)
    asm.shift_right(place.offset)
    asm.push((1 << place.bits) - 1)
    asm.op("AND")


def emit_set(asm: Assembler, kind: str, inputs: InputSet, stride: int) -> None:
    """Push the numbers of a set as one polynomial: the first at bit 0, the others `stride` bits apart."""
    place = inputs.place
    if len(inputs.indices) == 1:
        emit_number(asm, kind, place)
        return
    address, shift = place.address, place.offset
    if shift % 8 == 0 and address >= shift // 8:
        address, shift = address - shift // 8, 0  # what comes before is masked out
    _load(asm, kind, address)
    asm.shift_right(shift)
    asm.push(sum((1 << place.bits) - 1 << j * stride for j in range(len(inputs.indices))))
    asm.op("AND")


def emit_unpacked(asm: Assembler, source: Source, target: int) -> Source:
    """Store each number in a memory word of its own, from `target` on; return where they are now."""
    for number, place in enumerate(source.places):
        emit_number(asm, source.kind, place)
        asm.store(target + 32 * number)
    return words(target, source)


def words(target: int, source: Source) -> Source:
    """Return numbers as whole memory words from `target` on, with the ranges of `source`."""
    places = tuple(Place(target + 32 * number, 0, WORD_BITS) for number in range(len(source.ranges)))
    return Source("memory", places, source.ranges)


def _load(asm: Assembler, kind: str, address: int) -> None:
    if kind == "memory":
        asm.load(address)
    else:
        asm.push(address)
        asm.op("CALLDATALOAD")
