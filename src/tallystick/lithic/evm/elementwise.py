"""Steps that go number by number: numbers in memory words of their own, in and out."""

from __future__ import annotations

from collections.abc import Iterator

from tallystick.lithic.evm.assembler import Assembler
from tallystick.lithic.evm.extract import words
from tallystick.lithic.integer.intervals import Interval, Intervals
from tallystick.lithic.integer.model import MaxPool, OneHot, Relu, Shift, Squares, Step, Table, Vector
from tallystick.lithic.lanes.source import Source


def emit_elementwise(asm: Assembler, step: Step, x: Source, ranges: Intervals, target: int) -> Source:
    """Store what the step makes of `x`, whole memory words, in such words from `target` on; return them."""
    at = target
    if isinstance(step, Table):
        at = _store_table(asm, step.values, target + 32 * len(ranges))
    for number, _ in enumerate(_emit_each(asm, step, x, at)):
        asm.store(target + 32 * number)
    return words(target, Source("memory", (), ranges))


def scratch_bytes(step: Step) -> int:
    """Return how much memory a step uses beyond its results."""
    return len(_table_bytes(step.values)) if isinstance(step, Table) else 0


def _emit_each(asm: Assembler, step: Step, x: Source, table: int) -> Iterator[None]:
    """Leave one result after the other on the stack; the caller takes each before it asks for the next."""
    places = [place.address for place in x.places]
    match step:
        case Relu(shift, cap):
            for address, interval in zip(places, x.ranges, strict=True):
                asm.load(address)
                _emit_relu(asm, interval, shift, cap)
                yield
        case Shift(shift):
            for address in places:
                asm.load(address)
                _emit_shift(asm, shift)
                yield
        case Table(shift, low, values):
            for address, interval in zip(places, x.ranges, strict=True):
                asm.load(address)
                _emit_shift(asm, shift)
                _emit_clamped(asm, Interval(interval.low >> shift, interval.high >> shift), low, low + len(values) - 1)
                _emit_entry(asm, values, low, table)
                yield
        case Squares():
            for address in places:
                asm.load(address)
                yield
            for address in places:
                asm.load(address)
                asm.op("DUP1", "MUL")
                yield
        case OneHot(columns):
            for address, column in zip(places, columns, strict=True):
                for category in column if column is not None else (None,):
                    asm.load(address)
                    if category is not None:
                        asm.push(category)
                        asm.op("EQ")
                    yield
        case MaxPool(groups):
            for group in groups:
                asm.load(places[group[0]])
                for index in group[1:]:
                    asm.load(places[index])
                    _emit_greater(asm)
                yield


def _emit_relu(asm: Assembler, interval: Interval, shift: int, cap: int | None) -> None:
    if interval.low < 0:
        asm.op("DUP1")
        asm.push(0)
        asm.op("SLT", "MUL")  # 0 < z
    _emit_shift(asm, shift)
    if cap is not None and max(interval.high, 0) >> shift > cap:
        asm.push(cap)
        _emit_lesser(asm)


def _emit_shift(asm: Assembler, shift: int) -> None:
    if shift:
        asm.push(shift)
        asm.op("SAR")


def _emit_clamped(asm: Assembler, interval: Interval, low: int, high: int) -> None:
    if interval.low < low:
        asm.push(low)
        _emit_greater(asm)
    if interval.high > high:
        asm.push(high)
        _emit_lesser(asm)


def _emit_greater(asm: Assembler) -> None:
    """Replace two numbers on the stack by the greater: b + (a - b) · [b < a]."""
    asm.op("DUP2", "DUP2", "SLT")  # b < a, with b on top
    _emit_choice(asm)


def _emit_lesser(asm: Assembler) -> None:
    """Replace two numbers on the stack by the lesser: b + (a - b) · [b > a]."""
    asm.op("DUP2", "DUP2", "SGT")
    _emit_choice(asm)


def _emit_choice(asm: Assembler) -> None:
    """Replace [flag, b, a] by a if the flag is one, by b if it is zero: b xor (a xor b) · flag."""
    asm.op("SWAP2", "DUP2", "XOR", "SWAP1", "SWAP2", "MUL", "XOR")


def _emit_entry(asm: Assembler, values: Vector, low: int, table: int) -> None:
    """Replace the index on the stack by its value: the end of a word that is loaded from before it."""
    width = _entry_bytes(values)
    if width > 1:
        asm.push(width)
        asm.op("MUL")
    asm.push(table - low * width + width - 32)
    asm.op("ADD", "MLOAD")
    asm.push((1 << 8 * width) - 1)
    asm.op("AND")
    if min(values):
        asm.push(min(values))
        asm.op("ADD")


def _store_table(asm: Assembler, values: Vector, target: int) -> int:
    """Store the table from `target` on; return `target`."""
    data = _table_bytes(values)
    for at in range(0, len(data), 32):
        asm.push(int.from_bytes(data[at : at + 32]))
        asm.store(target + at)
    return target


def _table_bytes(values: Vector) -> bytes:
    """Return each value above the least, in as few bytes as hold all of them, padded to whole words."""
    width = _entry_bytes(values)
    data = b"".join((value - min(values)).to_bytes(width) for value in values)
    return data + bytes(-len(data) % 32)


def _entry_bytes(values: Vector) -> int:
    return max((max(values) - min(values)).bit_length() + 7, 8) // 8
