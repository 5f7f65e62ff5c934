"""Clones of ERC-1167: whose code a contract runs. Every policy account is one."""

from __future__ import annotations

from typing import Final

from tallystick.core.ids import parse_address

# ERC-1167: the whole code of a clone, but for the 20 bytes between these
_BEFORE: Final = bytes.fromhex("363d3d373d3d3d363d73")
_AFTER: Final = bytes.fromhex("5af43d82803e903d91602b57fd5bf3")
_BYTES: Final = len(_BEFORE) + 20 + len(_AFTER)


def original_of(code: bytes) -> str | None:
    """Return the address whose code a contract with this code runs; None where it is no clone."""
    if len(code) != _BYTES or not code.startswith(_BEFORE) or not code.endswith(_AFTER):
        return None
    return parse_address(f"0x{code[len(_BEFORE) : -len(_AFTER)].hex()}")
