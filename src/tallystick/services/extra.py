"""The packages of the extra `agents`: named as missing in words where they are not installed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tallystick.core.errors import InvalidInput


@contextlib.contextmanager
def agents_extra() -> Iterator[None]:
    """Import within this; raises InvalidInput "agents.extra" when a package of the extra is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("tallystick"):
            raise
        raise InvalidInput(
            "agents.extra", f"{error.name} is not installed", hint='pip install "tallystick[agents]"'
        ) from None
