"""SQLite's write-ahead log, switched on by several processes at once.

SQLite waits for other connections in every statement but this one: two that turn a new file's log on together
would each have to wait for the other, so one of them is told SQLITE_BUSY at once, whatever its timeout
(https://sqlite.org/rescode.html#busy). The other needs milliseconds, so the refused one tries again.
"""

from __future__ import annotations

import sqlite3
import time

from tallystick.core.limits import LOCK_POLL_S


def turn_on_write_ahead(db: sqlite3.Connection, wait_s: float) -> None:
    """Return when the file of `db` has a write-ahead log, having waited at most about `wait_s` for others.

    raises  sqlite3.OperationalError when somebody held the file all that time; any sqlite3.Error of the file
    """
    deadline = time.monotonic() + wait_s
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL").fetchall()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
        time.sleep(LOCK_POLL_S)
