"""What the tests of this folder ask: how a call was refused, how many rows a table has."""

from __future__ import annotations

import pytest

from tallystick.core.errors import TallystickError
from tallystick.index import Index


def refusal(call, *arguments, **named) -> TallystickError:
    """Return the error of ours that the call raises; fail if it does not."""
    with pytest.raises(TallystickError) as refused:
        call(*arguments, **named)
    return refused.value


def count(index: Index, table: str) -> int:
    """Return how many rows there are."""
    return index.query(f"SELECT count(*) AS n FROM {table}")[0]["n"]
