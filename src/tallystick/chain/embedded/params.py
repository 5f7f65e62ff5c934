"""Reading JSON-RPC parameters: every malformed one becomes error -32602, in the words of a real node."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tallystick.chain.embedded.fault import INVALID_PARAMS, RpcFault

_QUANTITY: Final = re.compile(r"0x(?:0|[1-9a-fA-F][0-9a-fA-F]*)\Z")
_DATA: Final = re.compile(r"0x(?:[0-9a-fA-F]{2})*\Z")
_TAGS: Final = ("latest", "pending", "safe", "finalized", "earliest")


@dataclass(frozen=True, slots=True)
class BlockId:
    """A block as a request names it: exactly one of the three is set."""

    tag: str | None = None
    number: int | None = None
    hash: bytes | None = None


LATEST: Final = BlockId(tag="latest")


class Params:
    """The positional parameters of one request."""

    def __init__(self, values: Sequence[Any], most: int) -> None:
        if len(values) > most:
            raise invalid(f"too many arguments, want at most {most}")
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def value(self, index: int) -> Any:
        """Return a required parameter."""
        if index >= len(self._values) or self._values[index] is None:
            raise invalid(f"missing value for required argument {index}")
        return self._values[index]

    def optional(self, index: int) -> Any:
        """Return a parameter, or None when absent or null."""
        return self._values[index] if index < len(self._values) else None

    def address(self, index: int) -> bytes:
        """Return a required 20-byte parameter."""
        return data(self.value(index), f"argument {index}", size=20)

    def hash(self, index: int) -> bytes:
        """Return a required 32-byte parameter."""
        return data(self.value(index), f"argument {index}", size=32)

    def quantity(self, index: int, bits: int = 64) -> int:
        """Return a required number."""
        return quantity(self.value(index), f"argument {index}", bits)

    def flag(self, index: int) -> bool:
        """Return an optional boolean, False when absent."""
        value = self.optional(index)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise invalid(f"invalid argument {index}: not a boolean")
        return value

    def block(self, index: int) -> BlockId:
        """Return an optional block, the latest when absent."""
        value = self.optional(index)
        return LATEST if value is None else block_id(value, f"argument {index}")


def invalid(message: str) -> RpcFault:
    """Return error -32602."""
    return RpcFault(INVALID_PARAMS, message, place="rpc.params")


def quantity(value: object, what: str, bits: int = 256) -> int:
    """Return a hex number with no leading zeros, at most `bits` long."""
    if not isinstance(value, str) or not _QUANTITY.match(value):
        raise invalid(f"invalid {what}: not a 0x-prefixed hex number without leading zeros")
    if (len(value) - 2) * 4 > bits + 3 or (number := int(value, 16)) >> bits:
        raise invalid(f"invalid {what}: hex number > {bits} bits")
    return number


def data(value: object, what: str, *, size: int | None = None) -> bytes:
    """Return 0x-prefixed bytes, of one size if `size` is given."""
    if not isinstance(value, str) or not _DATA.match(value):
        raise invalid(f"invalid {what}: not 0x-prefixed hex bytes")
    if size is not None and len(value) != 2 + 2 * size:
        raise invalid(f"invalid {what}: hex string has length {len(value) - 2}, want {2 * size}")
    return bytes.fromhex(value[2:])


def block_id(value: object, what: str) -> BlockId:
    """Return a tag, a number, a hash, or EIP-1898's object with either."""
    if isinstance(value, dict):
        if (
            set(value) - {"blockNumber", "blockHash", "requireCanonical"}
            or len(value.keys() - {"requireCanonical"}) != 1
        ):
            raise invalid(f"invalid {what}: want exactly one of blockNumber and blockHash")
        if "blockHash" in value:
            return BlockId(hash=data(value["blockHash"], what, size=32))
        return block_id(value["blockNumber"], what)
    if value in _TAGS:
        return BlockId(tag=str(value))
    if isinstance(value, str) and len(value) == 66:
        return BlockId(hash=data(value, what, size=32))
    return BlockId(number=quantity(value, what, 63))


def storage_slot(value: object, what: str) -> int:
    """Return a storage slot, written as a number or as up to 32 bytes."""
    if not isinstance(value, str) or not re.match(r"0x[0-9a-fA-F]{1,64}\Z", value):
        raise invalid(f"invalid {what}: not a hex storage key of at most 32 bytes")
    return int(value, 16)


def hex_of(value: bytes | int) -> str:
    """Return bytes as data, an integer as a quantity."""
    return "0x" + value.hex() if isinstance(value, bytes) else hex(value)
