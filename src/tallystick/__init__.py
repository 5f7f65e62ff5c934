"""Tallystick: the open stack for AI that anyone can check.

    import tallystick

    with tallystick.open(".tally") as tally:
        model_id = tally.models.register("tumour")

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tallystick.store.keys import PassphrasePort
    from tallystick.tally import Tally

__all__ = ["open"]


def open(path: str | Path, passphrase: PassphrasePort | None = None) -> Tally:
    """Open the workspace at `path`, as `tally init` made it.

    passphrase  called with a key's name when a key needs one; without it only development keys open
    raises      InvalidInput "workspace.missing"
    """
    from tallystick.core.errors import InvalidInput
    from tallystick.tally import Tally

    def nobody(name: str) -> str:
        raise InvalidInput("keys.passphrase", f"key {name!r} needs a passphrase", hint="hand `open` a passphrase port")

    return Tally.open(Path(path), passphrase or nobody)
