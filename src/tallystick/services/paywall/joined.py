"""Which entry of a log an answer's inference receipt names: what a payment receipt is joined with it by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from tallystick.core.canonical import check_nesting
from tallystick.core.errors import InvalidInput
from tallystick.core.merkle import leaf_hash

_PATH = ("parameters", "tallystick_receipt", "entry")


def entry_leaf(body: bytes) -> bytes | None:
    """Return the leaf hash of the entry that a prediction's receipt names; None for an answer without one."""
    if b'"tallystick_receipt"' not in body:
        return None
    try:
        check_nesting(body)
        found: Any = orjson.loads(body)
        for name in _PATH:
            found = found.get(name) if isinstance(found, Mapping) else None
        return leaf_hash(bytes.fromhex(found)) if isinstance(found, str) else None
    except (orjson.JSONDecodeError, InvalidInput, ValueError):
        return None
