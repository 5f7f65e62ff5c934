"""The outside of a kernel: what it answers to, how it checks its input, how it returns and how it refuses.

IModel.vyi says the same for people. The packed input is checked in one go: the offset and length that an ABI encoder
writes, enough calldata, and declared ranges where they are narrower than the field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tallystick.core.digest import keccak
from tallystick.lithic.evm.assembler import Assembler, Label
from tallystick.lithic.integer.intervals import Interval
from tallystick.lithic.integer.model import Input
from tallystick.lithic.lanes.packing import WORD_BITS
from tallystick.lithic.lanes.source import Place, Source

PAYLOAD = 4 + 32 + 32  # where the bytes of predict(bytes) begin in calldata

BAD_INPUT = b"kernel: malformed input"
OUT_OF_RANGE = b"kernel: input out of range"
NO_PART = b"kernel: a part is missing"


@dataclass(frozen=True)
class Refusals:
    """Where to jump to refuse."""

    malformed: Label
    out_of_range: Label
    no_part: Label


def selector(signature: str) -> int:
    """Return a function's four bytes as a number."""
    return int.from_bytes(keccak(signature.encode())[:4])


def packed(declared: Input) -> Source:
    """Return where the fields of the packed input are in the calldata of predict(bytes)."""
    places, ranges = [], []
    for number, field in enumerate(declared.fields):
        bit = number * declared.bits
        word, inside = divmod(bit, WORD_BITS)
        places.append(Place(PAYLOAD + 32 * word, WORD_BITS - inside - declared.bits, declared.bits))
        ranges.append(Interval(field.low, field.high))
    return Source("calldata", tuple(places), tuple(ranges))


def emit_entry(asm: Assembler, declared: Input, others: Label, refusals: Refusals) -> None:
    """Go on for predict(bytes) with a well-formed input; else jump to `others` or refuse."""
    asm.push(0)
    asm.op("CALLDATALOAD")
    asm.push(224)
    asm.op("SHR")
    asm.push(selector("predict(bytes)"))
    asm.op("XOR")
    asm.jump_if(others)
    for place, wanted in ((4, 32), (36, declared.size_bytes)):
        asm.push(place)
        asm.op("CALLDATALOAD")
        asm.push(wanted)
        asm.op("XOR")
    asm.op("OR")
    asm.push(PAYLOAD + declared.size_bytes)
    asm.op("CALLDATASIZE", "LT", "OR", "CALLVALUE", "OR")  # ether that came along would stay here for ever
    asm.jump_if(refusals.malformed)
    _emit_ranges(asm, declared, refusals)


def _emit_ranges(asm: Assembler, declared: Input, refusals: Refusals) -> None:
    """Refuse unless every field is in its declared range, all even fields of a word at once, then all odd ones.

    With a spare bit above each field, 2**bits + high - x keeps that bit exactly when x ≤ high, and 2**bits + x - low
    exactly when x ≥ low.
    """
    source, bits = packed(declared), declared.bits
    for parity in (0, 1):
        words: dict[int, list[tuple[int, int, int]]] = {}
        for place, field in zip(source.places, declared.fields, strict=True):
            if place.offset // bits % 2 == parity:
                words.setdefault(place.address, []).append((place.offset - parity * bits, field.low, field.high))
        for address, fields in words.items():
            _emit_word(asm, address, parity * bits, bits, fields, refusals.out_of_range)


def _emit_word(
    asm: Assembler, address: int, shift: int, bits: int, fields: Sequence[tuple[int, int, int]], refuse: Label
) -> None:
    limit = (1 << bits) - 1
    has_high = any(high < limit for _, _, high in fields)
    has_low = any(low > 0 for _, low, _ in fields)
    spare = sum(1 << offset + bits for offset, _, _ in fields)
    for wanted, constant, names in (
        (has_high, spare + sum(high << offset for offset, _, high in fields), ("SUB",)),
        (has_low, spare - sum(low << offset for offset, low, _ in fields), ("ADD",)),
    ):
        if not wanted:
            continue
        asm.push(address)
        asm.op("CALLDATALOAD")
        asm.shift_right(shift)
        asm.push(sum(limit << offset for offset, _, _ in fields))
        asm.op("AND")
        asm.push(constant)
        asm.op(*names)
        asm.op("NOT")
        asm.push(spare)
        asm.op("AND")
        asm.jump_if(refuse)


def emit_return(asm: Assembler, target: int, count: int) -> None:
    """Return int256[] of the `count` words that stand from `target` + 64 on."""
    asm.push(32)
    asm.store(target)
    asm.push(count)
    asm.store(target + 32)
    asm.push(64 + 32 * count, target)
    asm.op("RETURN")


def emit_views(asm: Assembler, views: Mapping[str, Sequence[int]], refusals: Refusals) -> None:
    """Answer each view with its words; refuse any other call, and ether."""
    asm.op("CALLVALUE")
    asm.jump_if(refusals.malformed)
    for signature, answer in views.items():
        after = asm.new_label("view")
        asm.push(0)
        asm.op("CALLDATALOAD")
        asm.push(224)
        asm.op("SHR")
        asm.push(selector(signature))
        asm.op("XOR")
        asm.jump_if(after)
        for number, word in enumerate(answer):
            asm.push(word)
            asm.store(32 * number)
        asm.push(32 * len(answer), 0)
        asm.op("RETURN")
        asm.place(after)
    asm.push(0, 0)
    asm.op("REVERT")
    for label, reason in (
        (refusals.malformed, BAD_INPUT),
        (refusals.out_of_range, OUT_OF_RANGE),
        (refusals.no_part, NO_PART),
    ):
        asm.place(label)
        _emit_reason(asm, reason)


def _emit_reason(asm: Assembler, reason: bytes) -> None:
    """Revert with Error(string)."""
    asm.push(selector("Error(string)") << 224)
    asm.store(0)
    asm.push(32)
    asm.store(4)
    asm.push(len(reason))
    asm.store(36)
    asm.push(int.from_bytes(reason.ljust(32, b"\0")))
    asm.store(68)
    asm.push(100, 0)
    asm.op("REVERT")
