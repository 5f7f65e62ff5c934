"""Who of the processes that share a book is alive: each holds a lock that its end, whatever ends it, lets go of.

What a dead process had in hand may be taken over at once; what a living one has may not, however long it takes. No
clock decides that.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from tallystick.core.errors import Unavailable
from tallystick.store.locks import FileLock


class Holder:
    """This process, among those that share the book at `path`, until `close` or its end."""

    def __init__(self, path: Path) -> None:
        self._folder = path.with_name(path.name + ".holders")
        self.name = secrets.token_hex(8)  # never used again, so a lock's file may be removed once its holder is dead
        self._lock = FileLock(self._folder / self.name, "a name among the holders of a book")
        self._lock.acquire()

    def close(self) -> None:
        """Let go: what is still in hand may be taken over."""
        self._lock.release()
        (self._folder / self.name).unlink(missing_ok=True)

    def is_alive(self, name: str) -> bool:
        """Whether the holder of this name is alive."""
        if name == self.name:
            return True
        path = self._folder / name
        if not path.exists():
            return False
        lock = FileLock(path, "a name among the holders of a book")
        try:
            lock.acquire()
        except Unavailable:
            return True
        path.unlink(missing_ok=True)
        lock.release()
        return False
