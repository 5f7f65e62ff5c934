"""Locks between processes: one holder at a time, who can be named, and who cannot forget to let go.

`flock` is released by the kernel when its holder dies, so there are no stale locks to break. It does not reach across
machines on every network file system; a workspace belongs on a local disk.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from pathlib import Path
from types import TracebackType

from tallystick.core.errors import Broken, Unavailable
from tallystick.core.limits import LOCK_HOLDER_BYTES_MAX, LOCK_POLL_S
from tallystick.store.files import machine_error, make_folder


class FileLock:
    """An exclusive lock on `path`, also between threads: take it with `with`, or `acquire` and `release`.

    path    a file of its own, made if absent and never removed (removing it would let two holders in)
    what    what the lock guards, for the message to whoever has to wait
    wait_s  how long to wait for another holder before giving up
    """

    def __init__(self, path: Path, what: str, *, wait_s: float = 0.0) -> None:
        self._path = path
        self._what = what
        self._wait_s = wait_s
        self._handle: int | None = None

    def acquire(self) -> None:
        """Hold the lock.

        raises  Unavailable "lock.held", naming the process that holds it; InvalidInput "files.forbidden";
                Broken "lock.twice" if this object holds it already
        """
        if self._handle is not None:
            raise Broken("lock.twice", f"{self._what} is already locked by this object")
        make_folder(self._path.parent)
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise machine_error(error, f"cannot open lock {self._path}") from error
        try:
            self._wait_for(handle)
            holder = json.dumps({"pid": os.getpid(), "program": Path(sys.argv[0]).name[:64] if sys.argv else ""})
            os.ftruncate(handle, 0)
            os.pwrite(handle, holder.encode(), 0)
        except OSError as error:
            os.close(handle)
            raise machine_error(error, f"cannot lock {self._path}") from error
        except BaseException:
            os.close(handle)
            raise
        self._handle = handle

    def release(self) -> None:
        """Let the next holder in; does nothing when not held."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _wait_for(self, handle: int) -> None:
        deadline = time.monotonic() + self._wait_s
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise Unavailable(
                        "lock.held",
                        f"{self._what} is in use by {_holder(handle)}",
                        hint="wait for it to end, or stop it",
                    ) from None
            time.sleep(LOCK_POLL_S)

    def __enter__(self) -> FileLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _holder(handle: int) -> str:
    """Say who wrote the lock file last; the text is a courtesy, the kernel's lock is what counts."""
    try:
        found = json.loads(os.pread(handle, LOCK_HOLDER_BYTES_MAX, 0))
        return f"process {int(found['pid'])} ({ascii(found['program'])[1:-1]})"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "another process"
