"""Members of JSON files that strangers publish, read one by one: bounded, and unknown members are left alone.

Such files are not canonical and may hold numbers with a point in places that are none of our business, so they are read
by Python's own parser; a duplicate key is refused, since two readers would see two files.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tallystick.core import canonical, documents
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import REGISTRATION_BYTES_MAX, REGISTRATION_DEPTH_MAX, REGISTRATION_LIST_MAX

T = TypeVar("T")


def load_object(data: bytes, what: str) -> dict[str, Any]:
    """Return the members of a JSON object from outside.

    raises  InvalidInput "agent_file.size", "agent_file.json", "agent_file.duplicate", "canonical.depth",
            "document.type"
    """
    if len(data) > REGISTRATION_BYTES_MAX:
        raise InvalidInput(
            "agent_file.size", f"{what} is too large", expected=f"≤ {REGISTRATION_BYTES_MAX} bytes", got=len(data)
        )
    canonical.check_nesting(data, what, REGISTRATION_DEPTH_MAX)
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("agent_file.json", f"{what} is not UTF-8 JSON", got=ascii(str(error))[:120]) from None
    found: dict[str, Any] = documents.typed(value, dict, what)
    return found


def text_of(found: Mapping[str, Any], name: str, longest: int, default: str | None = None) -> str:
    """Return a text member; without a default it must be there.

    raises  InvalidInput "agent_file.missing", "agent_file.text", those of `core.documents`
    """
    if name not in found or (found[name] is None and default is not None):
        if default is None:
            raise InvalidInput("agent_file.missing", f"there is no {name}")
        return default
    text = documents.text(found[name], name, longest)
    if not text.isprintable() and any(ord(letter) < 32 or 0xD800 <= ord(letter) < 0xE000 for letter in text):
        raise InvalidInput("agent_file.text", f"{name} holds control characters", got=ascii(text)[:80])
    return text


def flag_of(found: Mapping[str, Any], name: str, default: bool) -> bool:
    """Return a boolean member; raises InvalidInput "document.type"."""
    return documents.typed(found.get(name, default), bool, name)


def list_of(found: Mapping[str, Any], name: str, read: Callable[[Any], T]) -> tuple[T, ...]:
    """Return what `read` makes of each item of a list; one that is absent is empty."""
    return tuple(read(item) for item in documents.listed(found.get(name, []), name, REGISTRATION_LIST_MAX))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise InvalidInput("agent_file.duplicate", "an object has a duplicate key")
    return members
