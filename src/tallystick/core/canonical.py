"""The one encoding of everything signed: RFC 8785 (JSON Canonicalization Scheme) without floating point.

Floats are refused because two languages may print one differently; integers beyond ±(2**53 - 1) because other tools
round them. Write either as a decimal string. `decode` accepts only bytes that `encode` would write, so a document has
one spelling and its digest is a name.
"""

from __future__ import annotations

import json
import re
from typing import TypeAlias, cast

import orjson
import rfc8785

from tallystick.core.errors import InvalidInput
from tallystick.core.limits import CANONICAL_BYTES_MAX, CANONICAL_DEPTH_MAX, SAFE_INTEGER_MAX

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"

# One token per string (an unterminated one runs to the end, so no byte is scanned twice) and one per bracket.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[][{}]', re.DOTALL)


def encode(value: object) -> bytes:
    """Return the canonical bytes of `value`: null, booleans, integers, strings, lists and string-keyed dictionaries.

    raises  InvalidInput "canonical.float", "canonical.integer", "canonical.type", "canonical.key", "canonical.text",
            "canonical.depth" or "canonical.size"
    source  RFC 8785; `orjson` writes the same bytes when every key is ASCII, the `rfc8785` package writes the rest
    """
    ascii_keys = _check(value, CANONICAL_DEPTH_MAX)
    data = orjson.dumps(value, option=orjson.OPT_SORT_KEYS) if ascii_keys else rfc8785.dumps(cast(Json, value))
    _check_size(data, "document")
    return data


def decode(data: bytes, what: str = "document") -> Json:
    """Return the value that the canonical bytes `data` encode.

    raises  InvalidInput as `encode` does, "canonical.json" when it is not UTF-8 JSON, and "canonical.form" when the
            same value has another spelling: spaces, unsorted or duplicate keys, other escapes
    """
    _check_size(data, what)
    try:
        value = cast(Json, orjson.loads(data))
        if encode(value) == data:
            return value
    except (orjson.JSONDecodeError, InvalidInput):
        pass  # `parse` names the reason; orjson is three times as fast but sees neither duplicates nor large integers
    parse(data, what)
    raise InvalidInput(
        "canonical.form",
        f"{what} is JSON but not in canonical form",
        hint="sort the keys, drop white space and duplicates; RFC 8785 says how",
    )


def parse(data: bytes, what: str = "document") -> Json:
    """Return the value of JSON from outside that need not be canonical; duplicates and floats are still refused.

    raises  InvalidInput "canonical.size", "canonical.json", "canonical.duplicate", "canonical.float" and those of
            `encode`
    """
    _check_size(data, what)
    check_nesting(data, what)
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_unique, parse_float=_no_float, parse_constant=_no_float
        )
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            "canonical.json", f"{what} is not UTF-8 JSON", expected="a text in JSON, as UTF-8", got=str(error)[:120]
        ) from None
    _check(value, CANONICAL_DEPTH_MAX)
    return cast(Json, value)


def check_nesting(data: bytes, what: str = "document", deepest: int = CANONICAL_DEPTH_MAX) -> None:
    """Return if JSON text nests no deeper than `deepest`; to be called before any `json.loads` of bytes from outside.

    Python's own parser recurses as deep as `sys.setrecursionlimit` lets it, and libraries under us raise that limit
    beyond what the C stack holds: a hundred kilobytes of brackets would kill the process.

    raises  InvalidInput "canonical.depth"
    """
    if data.count(b"[") + data.count(b"{") <= deepest:
        return
    depth = 0
    for match in _TOKEN.finditer(data):
        token = data[match.start()]
        if token in b"[{":
            depth += 1
            if depth > deepest:
                raise InvalidInput("canonical.depth", f"{what} is nested too deeply", expected=f"≤ {deepest}")
        elif token in b"]}":
            depth -= 1


def _check_size(data: bytes, what: str) -> None:
    if len(data) > CANONICAL_BYTES_MAX:
        raise InvalidInput(
            "canonical.size", f"{what} is too large", expected=f"at most {CANONICAL_BYTES_MAX} bytes", got=len(data)
        )


def _check(value: object, depth: int) -> bool:
    """Refuse what cannot be signed; return whether every key is ASCII."""
    kind = type(value)
    if kind is str:
        _check_text(cast(str, value))
        return True
    if kind is int:
        if not -SAFE_INTEGER_MAX <= cast(int, value) <= SAFE_INTEGER_MAX:
            raise InvalidInput(
                "canonical.integer",
                "integer is outside ±(2**53 - 1)",
                got=str(value)[:40] if cast(int, value).bit_length() < 1024 else "a huge integer",
                hint="write it as a decimal string",
            )
        return True
    if value is None or kind is bool:
        return True
    if depth == 0:
        raise InvalidInput("canonical.depth", "document is nested too deeply", expected=f"≤ {CANONICAL_DEPTH_MAX}")
    if kind is dict:
        return _check_members(cast("dict[object, object]", value), depth)
    if kind is list or kind is tuple:
        ascii_keys = True
        for item in cast("list[object]", value):
            ascii_keys &= _check(item, depth - 1)
        return ascii_keys
    if kind is float:
        raise InvalidInput("canonical.float", "floats cannot be signed", got=value, hint="write a decimal string")
    raise InvalidInput("canonical.type", "value has no canonical form", got=kind.__name__)


def _check_members(members: dict[object, object], depth: int) -> bool:
    ascii_keys = True
    for key, item in members.items():
        if type(key) is not str:
            raise InvalidInput("canonical.key", "object keys must be strings", got=type(key).__name__)
        if not key.isascii():
            _check_text(key)
            ascii_keys = False
        ascii_keys &= _check(item, depth - 1)
    return ascii_keys


def _check_text(text: str) -> None:
    if text.isascii():
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidInput("canonical.text", "string holds a lone surrogate", got=ascii(text)[:80]) from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise InvalidInput("canonical.duplicate", "object has a duplicate key")
    return members


def _no_float(text: str) -> object:
    raise InvalidInput("canonical.float", "floats cannot be signed", got=text[:40], hint="write a decimal string")
