"""Reads code back into the names of its instructions."""

from __future__ import annotations

from collections.abc import Iterator

from eth.vm.forks.prague.opcodes import PRAGUE_OPCODES


def opcodes(code: bytes) -> Iterator[str]:
    """Yield the name of each instruction, "UNKNOWN" for what is none; operands of pushes are passed over."""
    at = 0
    while at < len(code):
        found = PRAGUE_OPCODES.get(code[at])
        yield "UNKNOWN" if found is None else found.mnemonic
        at += 1 + max(0, code[at] - 0x5F if 0x60 <= code[at] <= 0x7F else 0)
