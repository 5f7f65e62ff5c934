"""JSON that describes an architecture, made canonical: volatile keys dropped, floats written out.

A configuration is read by anyone's library and saved again by a newer one, with another version in it. The keys that
then move without the architecture moving are dropped by the fixed list below; a change of the list is a new version of
the root. `training` is dropped from our own files alone: a foreign model may well compute with what is called so.
Floats and large integers become `{"$number": "…"}`, so that no two configurations share a form.
"""

from __future__ import annotations

import json
from typing import Any, Final

from tallystick.core import canonical
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import CONFIG_NUMBER_DIGITS_MAX, MODEL_CONFIG_BYTES_MAX, SAFE_INTEGER_MAX

NUMBER = "$number"
SKLEARN_KIND = "tallystick/sklearn/v1"  # our own configuration, canonical already

# Files that describe an architecture, in any folder: Hugging Face, PEFT adapters, and what `sklearn.py` writes.
CONFIG_NAMES: Final = frozenset({"adapter_config.json", "architecture.json", "config.json"})

# tallystick/architecture/v1: who saved it, where and with what.
VOLATILE_KEYS: Final = frozenset(
    {
        "_commit_hash",
        "_diffusers_version",
        "_name_or_path",
        "base_model_name_or_path",
        "created_at",
        "diffusers_version",
        "library_version",
        "peft_version",
        "saved_at",
        "sklearn_version",
        "timestamp",
        "torch_version",
        "transformers_version",
    }
)
_OWN_VOLATILE_KEYS: Final = VOLATILE_KEYS | {"training"}  # and how it was trained


def read_config(data: bytes, what: str) -> Any:
    """Return the canonical form of a configuration file: JSON with no floats, without the volatile keys.

    raises  InvalidInput "config.size", "config.json", "config.duplicate", "config.number", "config.reserved"
    """
    if len(data) > MODEL_CONFIG_BYTES_MAX:
        raise InvalidInput(
            "config.size", f"{what} is too large", expected=f"≤ {MODEL_CONFIG_BYTES_MAX} bytes", got=len(data)
        )
    own = _own(data)
    return _without(parse_json(data, what), VOLATILE_KEYS) if own is None else _without(own, _OWN_VOLATILE_KEYS)


def parse_json(data: bytes, what: str) -> Any:
    """Return the value of JSON from outside, with floats and unsafe integers as `{"$number": "…"}`; errors as above."""
    canonical.check_nesting(data, what)
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_float=_float,
            parse_int=_integer,
            parse_constant=_constant,
        )
    except (ValueError, RecursionError) as error:
        raise InvalidInput("config.json", f"{what} is not UTF-8 JSON", got=str(error)[:120]) from None
    except InvalidInput as error:
        raise InvalidInput(error.code, f"{what}: {error.message}", got=error.got) from None
    canonical.encode(value)
    return value


def number(value: float | int) -> Any:
    """Return how a number stands in a canonical configuration: integers as they are, the rest written out.

    A float is written as the shortest decimal that reads back; infinities and NaN by name.
    """
    if isinstance(value, int) and abs(value) <= SAFE_INTEGER_MAX:
        return value
    return {NUMBER: repr(value)}


def _without(value: Any, keys: frozenset[str]) -> Any:
    """Return `value` without the members of these keys, at every level."""
    if isinstance(value, dict):
        return {key: _without(item, keys) for key, item in value.items() if key not in keys}
    if isinstance(value, list):
        return [_without(item, keys) for item in value]
    return value


def _own(data: bytes) -> Any:
    """Return a document that sklearn.py wrote, or None; there alone `$number` may stand in the file itself."""
    if SKLEARN_KIND.encode() not in data:
        return None
    try:
        found = canonical.decode(data)
    except InvalidInput:
        return None
    return found if isinstance(found, dict) and found.get("kind") == SKLEARN_KIND else None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise InvalidInput("config.duplicate", "an object has a duplicate key")
    if NUMBER in members:
        raise InvalidInput("config.reserved", f"the key {NUMBER} is reserved")
    return members


def _float(text: str) -> Any:
    _check_digits(text)
    return number(float(text))


def _integer(text: str) -> Any:
    _check_digits(text)
    return number(int(text))


def _constant(text: str) -> Any:
    return {NUMBER: {"Infinity": "inf", "-Infinity": "-inf"}.get(text, "nan")}


def _check_digits(text: str) -> None:
    if len(text) > CONFIG_NUMBER_DIGITS_MAX:
        raise InvalidInput("config.number", "a number is too long", got=f"{len(text)} digits")
