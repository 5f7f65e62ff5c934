"""Tallystick: the open stack for AI that anyone can check.

    import tallystick

    with tallystick.create(".tally") as tally:  # afterwards: tallystick.open(".tally")
        model_id = tally.models.register("tumour")

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tallystick.store.keys import PassphrasePort
    from tallystick.tally import Tally

__all__ = ["create", "open"]


def create(path: str | Path) -> Tally:
    """Make a workspace at `path` on an embedded chain of its own, with the contracts on it, and open it.

    For another chain, `tally init --chain URL` makes the workspace and `open` opens it.

    raises  InvalidInput "workspace.exists"
    """
    from tallystick.tally import Tally

    tally = Tally.create(Path(path), _nobody)
    tally.deploy()
    return tally


def open(path: str | Path, passphrase: PassphrasePort | None = None) -> Tally:
    """Open the workspace at `path`, as `tally init` made it.

    passphrase  called with a key's name when a key needs one; without it only development keys open
    raises      InvalidInput "workspace.missing"
    """
    from tallystick.tally import Tally

    return Tally.open(Path(path), passphrase or _nobody)


def _nobody(name: str) -> str:
    from tallystick.core.errors import InvalidInput

    raise InvalidInput("keys.passphrase", f"key {name!r} needs a passphrase", hint="hand `open` a passphrase port")
