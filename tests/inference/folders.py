"""Log folders as tests make and break them."""

from __future__ import annotations

import shutil
from pathlib import Path

from tallystick.inference.log import Log
from tests.inference.conftest import KEY, ORIGIN
from tests.inference.faulty import Unsynced

BATCHES = [[b"a%d-%d" % (n, k) for k in range(n)] for n in (1, 3, 2)]
ENTRIES = [entry for batch in BATCHES for entry in batch]


def opened(folder: Path, **options: object) -> Log:
    """Open or create the log in `folder`, without waiting for the disk."""
    return Log.open(folder, ORIGIN, key=KEY, volatile=True, files=Unsynced(), **options)  # type: ignore[arg-type]


def crash(folder: Path, copy: Path) -> Path:
    """Return a copy of the folder as a killed process leaves it."""
    shutil.copytree(folder, copy)
    return copy


def only_segment(folder: Path) -> Path:
    """Return the one segment of a short log."""
    (path,) = (folder / "wal").iterdir()
    return path
