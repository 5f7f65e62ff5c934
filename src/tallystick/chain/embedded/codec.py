"""RLP (Yellow Paper, appendix B): byte strings and lists of them, written and read strictly.

The `rlp` package says the same in several times the time, most of it finding out what it was given; `fsck` reads with
that.
"""

from __future__ import annotations

from typing import Any, TypeAlias

Item: TypeAlias = "bytes | list[Any] | tuple[Any, ...]"

_DEPTH_MAX = 16  # an access list in a transaction is four deep; more is an attack on recursion


def encode(item: Item) -> bytes:
    """Return the RLP of a byte string, or of a list of such and such lists."""
    if isinstance(item, bytes):
        size = len(item)
        if size == 1 and item[0] < 0x80:
            return item
        return bytes((0x80 + size,)) + item if size < 56 else head(0x80, size) + item
    body = b"".join(map(encode, item))
    return head(0xC0, len(body)) + body


def head(base: int, size: int) -> bytes:
    """Return the prefix of a string (0x80) or list (0xC0) of `size` bytes."""
    if size < 56:
        return bytes((base + size,))
    length = integer(size)
    return bytes((base + 55 + len(length),)) + length


def integer(value: int) -> bytes:
    """Return a number as RLP wants it: big-endian, no leading zeros, zero as nothing."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def decode(encoded: bytes) -> Any:
    """Return the bytes or nested lists that `encoded` is the one RLP of.

    raises  ValueError when it is none: cut short, too long, a length that is not minimal, nested too deeply
    """
    item, end = _read(encoded, 0, len(encoded), _DEPTH_MAX)
    if end != len(encoded):
        raise ValueError("bytes follow the end")
    return item


def _read(data: bytes, start: int, limit: int, depth: int) -> tuple[Any, int]:
    """Return (item at `start`, where it ends); nothing at or past `limit` belongs to it."""
    if start >= limit:
        raise ValueError("cut short")
    first = data[start]
    if first < 0x80:
        return data[start : start + 1], start + 1
    if first < 0xC0:
        begin, end = _extent(data, start, first - 0x80, limit)
        if end - begin == 1 and data[begin] < 0x80:
            raise ValueError("one small byte written as a string")
        return data[begin:end], end
    begin, end = _extent(data, start, first - 0xC0, limit)
    if depth == 0:
        raise ValueError("nested too deeply")
    items: list[Any] = []
    while begin < end:
        item, begin = _read(data, begin, end, depth - 1)
        items.append(item)
    return items, end


def _extent(data: bytes, start: int, size: int, limit: int) -> tuple[int, int]:
    """Return where the payload begins and ends; `size` is what the first byte says beyond its kind."""
    begin = start + 1
    if size > 55:
        width = size - 55
        begin += width
        if begin > limit or data[start + 1] == 0:
            raise ValueError("a length is not minimal, or is cut short")
        size = int.from_bytes(data[start + 1 : begin], "big")
        if size < 56:
            raise ValueError("a length is not minimal")
    if begin + size > limit:
        raise ValueError("cut short")
    return begin, begin + size
