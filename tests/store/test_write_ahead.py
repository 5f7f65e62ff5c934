"""SQLite's write-ahead log, switched on by several processes and threads at once."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tallystick.store.write_ahead import turn_on_write_ahead

OPENERS = 4
FILES = 60


def test_many_may_open_a_new_file_at_the_same_moment(tmp_path: Path) -> None:
    """Invariant: whoever opens a new file together with others gets it, in WAL mode. (Without the second try, one in
    ten of these files refuses somebody, although every connection has a timeout.)"""
    together = threading.Barrier(OPENERS)

    def open_all(_: int) -> set[str]:
        modes = set()
        for number in range(FILES):
            together.wait()
            with closing(sqlite3.connect(tmp_path / f"{number}.db", timeout=30.0, isolation_level=None)) as db:
                turn_on_write_ahead(db, 30.0)
                db.execute("CREATE TABLE IF NOT EXISTS t (a)")
                modes.add(db.execute("PRAGMA journal_mode").fetchone()[0])
        return modes

    with ThreadPoolExecutor(OPENERS) as pool:
        assert list(pool.map(open_all, range(OPENERS))) == [{"wal"}] * OPENERS


def test_a_file_that_is_held_for_good_is_refused(tmp_path: Path) -> None:
    with (
        closing(sqlite3.connect(tmp_path / "held.db", isolation_level=None)) as holder,
        closing(sqlite3.connect(tmp_path / "held.db", timeout=0.0, isolation_level=None)) as db,
    ):
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            turn_on_write_ahead(db, 0.05)


def test_a_file_that_is_no_database_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_bytes(b"this is a text, and long enough to be looked at as a header" * 20)
    with closing(sqlite3.connect(tmp_path / "text.db")) as db, pytest.raises(sqlite3.DatabaseError, match="not a"):
        turn_on_write_ahead(db, 3600.0)
