"""Reading members of parsed JSON from outside: each read checks the type, so no `KeyError` ever leaves a parser."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection
from difflib import get_close_matches
from typing import Any, Final, TypeVar, cast

from tallystick.core.digest import parse_hex32
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import SAFE_INTEGER_MAX

T = TypeVar("T")

_NAME_CHARS_MAX: Final = 64  # of an unknown member for which a known one is looked for: longer is no slip of the pen


def members(value: object, what: str, required: Collection[str], optional: Collection[str] = ()) -> dict[str, Any]:
    """Return `value` if it is an object with all of `required` and nothing beyond `optional`.

    raises  InvalidInput "document.type", "document.missing" or "document.unknown", which names what was meant perhaps
    """
    found = typed(value, dict, what)
    missing = sorted(set(required) - set(found))
    unknown = sorted(set(found) - set(required) - set(optional))
    if missing:
        raise InvalidInput("document.missing", f"{what} lacks members", expected=", ".join(missing))
    if unknown:
        near = get_close_matches(unknown[0], (*required, *optional), 1) if len(unknown[0]) <= _NAME_CHARS_MAX else []
        raise InvalidInput(
            "document.unknown", f"{what} has unknown members", got=ascii(unknown)[:120],
            hint=f"did you mean {near[0]}?" if near else "",
        )  # fmt: skip
    return cast("dict[str, Any]", found)


def typed(value: object, kind: type[T], what: str) -> T:
    """Return `value` if it is exactly of `kind` (so True is no integer); raise InvalidInput "document.type"."""
    if type(value) is not kind:
        raise InvalidInput(
            "document.type", f"{what} has the wrong type", expected=kind.__name__, got=type(value).__name__
        )
    return value


def text(value: object, what: str, longest: int = 4_096) -> str:
    """Return `value` if it is a string of at most `longest` characters."""
    found = typed(value, str, what)
    if len(found) > longest:
        raise InvalidInput("document.length", f"{what} is too long", expected=f"≤ {longest}", got=len(found))
    return found


def integer(value: object, what: str, least: int = 0, most: int = SAFE_INTEGER_MAX) -> int:
    """Return `value` if it is an integer within [least, most]."""
    found = typed(value, int, what)
    if not least <= found <= most:
        raise InvalidInput("document.range", f"{what} is out of range", expected=f"{least} to {most}", got=found)
    return found


def listed(value: object, what: str, most: int) -> list[Any]:
    """Return `value` if it is a list of at most `most` items."""
    found: list[Any] = typed(value, list, what)
    if len(found) > most:
        raise InvalidInput("document.length", f"{what} has too many items", expected=f"≤ {most}", got=len(found))
    return found


def digest(value: object, what: str) -> bytes:
    """Return the 32 bytes that `value` writes in lower-case hex."""
    found = parse_hex32(value, what)
    if value != found.hex():
        raise InvalidInput("digest.hex", f"{what} has a prefix", expected="bare hex", got=str(value)[:80])
    return found


def hexed(value: object, what: str, longest: int = 4_096) -> bytes:
    """Return the bytes that `value` writes in lower-case hex, at most `longest` of them."""
    found = text(value, what, 2 * longest)
    try:
        data = bytes.fromhex(found)
    except ValueError:
        data = None
    if data is None or data.hex() != found:
        raise InvalidInput("document.hex", f"{what} is not lower-case hex", got=ascii(found)[:80])
    return data


def unbase64(value: object, what: str, longest: int) -> bytes:
    """Return the bytes that `value` writes in standard, padded, canonical base64, at most `longest` of them."""
    found = text(value, what, 4 * (longest // 3 + 1))
    try:
        data = base64.b64decode(found, validate=True)
    except (binascii.Error, ValueError):
        data = None
    if data is None or base64.b64encode(data).decode() != found:
        raise InvalidInput("document.base64", f"{what} is not canonical base64", got=ascii(found)[:80])
    if len(data) > longest:  # the bound on the text above is rounded up to whole groups of four
        raise InvalidInput("document.length", f"{what} is too long", expected=f"≤ {longest}", got=len(data))
    return data


def decimal(value: object, what: str, most: int = 2**256 - 1) -> int:
    """Return the integer that `value` writes in plain decimal, at most `most`: how large integers travel."""
    found = text(value, what, 78)
    if not found.isascii() or not found.isdigit() or (found != "0" and found[0] == "0") or int(found) > most:
        raise InvalidInput("document.decimal", f"{what} is not a plain decimal number", got=ascii(found))
    return int(found)
