"""The alphabet of JSON-RPC, read strictly: quantities, byte strings, hashes, addresses, lists and objects.

Whatever a node sends is outside bytes. Every reader here returns exactly the type it names or raises
InvalidInput "rpc.answer" saying which field was wrong; no `KeyError` or `TypeError` can leave this file.
Read `facts.py` next: blocks, transactions, receipts and proofs in these letters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TypeVar

from tallystick.chain.calls import BlockId
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import checksum_address

T = TypeVar("T")

_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}\Z")
_DATA = re.compile(r"0x(?:[0-9a-fA-F]{2})*\Z")
_TAGS = frozenset({"latest", "safe", "finalized", "earliest", "pending"})


def bad_answer(what: str, expected: str, got: object) -> InvalidInput:
    """Build the one error for an answer that is not what the protocol promises."""
    return InvalidInput(
        "rpc.answer",
        f"the node's answer is malformed: {what}",
        expected=expected,
        got=repr(got)[:80],
        hint="check that the address is an Ethereum JSON-RPC endpoint",
    )


def read_object(value: object, what: str) -> Mapping[str, object]:
    """Return `value` if it is a JSON object with string names."""
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise bad_answer(what, "an object", value)
    return value


def read_list(value: object, what: str, read: Callable[[object, str], T]) -> tuple[T, ...]:
    """Return the items of a JSON list, each read by `read`."""
    if not isinstance(value, list | tuple):
        raise bad_answer(what, "a list", value)
    return tuple(read(item, f"{what}[{i}]") for i, item in enumerate(value))


def read_quantity(value: object, what: str) -> int:
    """Return a non-negative integer below 2**256 written as 0x and hex digits."""
    if not isinstance(value, str) or not _QUANTITY.match(value):
        raise bad_answer(what, "a hex quantity", value)
    return int(value, 16)


def read_data(value: object, what: str) -> bytes:
    """Return the bytes written as 0x and pairs of hex digits."""
    if not isinstance(value, str) or not _DATA.match(value):
        raise bad_answer(what, "hex data", value)
    return bytes.fromhex(value[2:])


def read_fixed(size: int) -> Callable[[object, str], bytes]:
    """Return a reader of exactly `size` bytes."""

    def read(value: object, what: str) -> bytes:
        raw = read_data(value, what)
        if len(raw) != size:
            raise bad_answer(what, f"{size} bytes", value)
        return raw

    return read


read_hash = read_fixed(32)
_read_20 = read_fixed(20)


def read_address(value: object, what: str) -> str:
    """Return the checksum spelling of an address; the node's own spelling of case carries no information."""
    return _checksum(_read_20(value, what))


def read_flag(value: object, what: str) -> bool:
    """Return a quantity that is 0 or 1 as a truth."""
    number = read_quantity(value, what)
    if number > 1:
        raise bad_answer(what, "0x0 or 0x1", value)
    return number == 1


def read_text(value: object, what: str) -> str:
    """Return a printable string of at most 256 characters."""
    if not isinstance(value, str) or len(value) > 256 or not value.isprintable():
        raise bad_answer(what, "a short printable string", value)
    return value


def optional(read: Callable[[object, str], T]) -> Callable[[object, str], T | None]:
    """Return a reader to which null, or an absent field, is None."""
    return lambda value, what: None if value is None else read(value, what)


def write_quantity(number: int) -> str:
    """Return `number` as a hex quantity, without leading zeros."""
    if number < 0:
        raise InvalidInput("rpc.quantity", "a quantity cannot be negative", got=number)
    return hex(number)


def write_data(data: bytes) -> str:
    """Return `data` as 0x and hex digits."""
    return "0x" + data.hex()


def write_hash(value: bytes) -> str:
    """Return a 32-byte hash as 0x and 64 hex digits.

    raises  InvalidInput "rpc.hash"
    """
    if not isinstance(value, bytes) or len(value) != 32:
        raise InvalidInput("rpc.hash", "not a hash", expected="32 bytes", got=repr(value)[:80])
    return write_data(value)


def write_block(at: BlockId) -> str | dict[str, str]:
    """Return a block as JSON-RPC names it: a quantity, a tag, or (for 32 bytes) an EIP-1898 object.

    raises  InvalidInput "rpc.block"
    """
    if isinstance(at, bool):
        pass
    elif isinstance(at, int) and at >= 0:
        return hex(at)
    elif isinstance(at, bytes) and len(at) == 32:
        return {"blockHash": write_data(at)}
    elif isinstance(at, str) and at in _TAGS:
        return at
    raise InvalidInput(
        "rpc.block",
        "not a block",
        expected="a number, 32 bytes, or one of " + ", ".join(sorted(_TAGS)),
        got=repr(at)[:80],
    )


@lru_cache(maxsize=4_096)  # few distinct addresses emit many logs, and a checksum is a Keccak each
def _checksum(raw: bytes) -> str:
    return checksum_address(raw)
