"""JSON schemas of what tools take and give. One schema is shown to callers and enforced on them, so the two agree."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import orjson
from jsonschema import Draft202012Validator

from tallystick.core.canonical import check_nesting
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import MCP_ARGUMENTS_BYTES_MAX, MCP_DEPTH_MAX, MCP_SHAPES_KEPT

Shape = dict[str, Any]

_END = r"(?![\s\S])"  # of a text, in the dialects of Python and of JavaScript alike: Python's $ lets a line's end pass
ADDRESS: Final[Shape] = {"type": "string", "pattern": f"^0x[0-9a-fA-F]{{40}}{_END}"}
HEX: Final[Shape] = {"type": "string", "pattern": f"^(0x)?[0-9a-f]*{_END}"}


def text(about: str = "", longest: int = 256, **more: Any) -> Shape:
    """Return the schema of a text."""
    return {"type": "string", "maxLength": longest, **_described(about), **more}


def amount(about: str) -> Shape:
    """Return the schema of an amount of a coin: digits and at most one point, as people write it."""
    return text(about, 96, pattern=f"^(0|[1-9][0-9]*)([.][0-9]+)?{_END}")


def whole(about: str = "", least: int = 0, most: int = 2**53 - 1, **more: Any) -> Shape:
    """Return the schema of an integer."""
    return {"type": "integer", "minimum": least, "maximum": most, **_described(about), **more}


def flag(about: str = "", **more: Any) -> Shape:
    """Return the schema of a truth value."""
    return {"type": "boolean", **_described(about), **more}


def many(item: Shape, about: str = "", most: int = 1_000) -> Shape:
    """Return the schema of a list."""
    return {"type": "array", "items": item, "maxItems": most, **_described(about)}


def anything(about: str) -> Shape:
    """Return the schema of an object whose members are told elsewhere."""
    return {"type": "object", **_described(about)}


def record(members: Mapping[str, Shape], *, optional: tuple[str, ...] = (), is_open: bool = False) -> Shape:
    """Return the schema of an object: these members, all but the optional ones required; others only where open."""
    required = [name for name in members if name not in optional]
    return {
        "type": "object", "properties": dict(members), "required": required, "additionalProperties": is_open,
    }  # fmt: skip


def check_arguments(shape: Shape, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call with defaults filled in, if they have the shape.

    raises  InvalidInput "ability.arguments", "ability.arguments_size", "canonical.depth"
    """
    try:
        data = orjson.dumps(arguments)
    except TypeError as error:  # an integer beyond 64 bits, or a text that is not Unicode
        raise InvalidInput("ability.arguments", "arguments are no JSON that can be read", got=str(error)[:80]) from None
    if len(data) > MCP_ARGUMENTS_BYTES_MAX:
        raise InvalidInput(
            "ability.arguments_size", "arguments are too large", expected=f"≤ {MCP_ARGUMENTS_BYTES_MAX}", got=len(data)
        )
    check_nesting(data, "arguments", MCP_DEPTH_MAX)
    defaults = {name: one["default"] for name, one in shape["properties"].items() if "default" in one}
    given = {**defaults, **arguments}
    fault = next(_validator(orjson.dumps(shape)).iter_errors(given), None)
    if fault is not None:
        place = "/".join(map(str, fault.absolute_path)) or "arguments"
        raise InvalidInput(
            "ability.arguments",
            f"{place[:80]}: {ascii(fault.message)[1:200]}",
            hint="the listing tells what it takes",
        )
    return given


@lru_cache(MCP_SHAPES_KEPT)
def _validator(shape: bytes) -> Draft202012Validator:
    return Draft202012Validator(orjson.loads(shape))


def _described(about: str) -> dict[str, str]:
    return {"description": about} if about else {}
