"""System calls that fail when told to: the seam `Files` with faults, and one that leaves syncing out.

Its faults are the kernel's: `test_log_faults.py` holds it to real ones (a file size limit, a full file system, and
errors injected into system calls).
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tallystick.inference.log import Files


class Unsynced(Files):
    """Real calls without the waiting: for tests that open a log hundreds of times and never pull the plug."""

    def fdatasync(self, fd: int) -> None:
        self.syncs += 1

    def fsync(self, fd: int) -> None:
        pass


Fault = Callable[[str, int], "str | None"]
"""Given the name and number of a call, names what goes wrong: EIO, ENOSPC, short, none, or None for nothing."""


class FaultyFiles(Unsynced):
    """Lets `fault` decide about each call; `calls` are those made so far, in order."""

    def __init__(self, fault: Fault | None = None) -> None:
        super().__init__()
        self.fault = fault
        self.calls: list[str] = []
        self.counts: Counter[str] = Counter()

    def _decide(self, name: str) -> str | None:
        number = len(self.calls)
        self.calls.append(name)
        self.counts[name] += 1
        wrong = self.fault(name, number) if self.fault is not None else None
        if wrong in ("EIO", "ENOSPC", "EMFILE"):
            raise OSError(getattr(errno, wrong), os.strerror(getattr(errno, wrong)))
        return wrong

    def open(self, path: Path, flags: int) -> int:
        self._decide("open")
        return super().open(path, flags)

    def pwrite(self, fd: int, data: bytes | memoryview, offset: int) -> int:
        if self._decide("pwrite") == "short" and len(data) > 1:
            return super().pwrite(fd, memoryview(data)[: len(data) // 2], offset)
        return super().pwrite(fd, data, offset)

    def fdatasync(self, fd: int) -> None:
        self._decide("fdatasync")
        super().fdatasync(fd)

    def fsync(self, fd: int) -> None:
        self._decide("fsync")
        super().fsync(fd)

    def truncate(self, fd: int, size: int) -> None:
        self._decide("truncate")
        super().truncate(fd, size)

    def rename(self, source: Path, target: Path) -> None:
        self._decide("rename")
        super().rename(source, target)
