"""A book: one small SQLite file that remembers what the chain does not know yet, for a room that may not forget it.

Its owner brings the tables; the book brings what every such file needs: made once by whoever comes first, changes that
are on the disk when they return, any number of threads and processes, and an error that says whose fault it is. It is
never rebuilt: what is in it is nowhere else.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tallystick.core.errors import Broken, InvalidInput, TallystickError, Unavailable, VerificationFailed
from tallystick.core.limits import BOOK_CHECK_BYTES_MAX, SQLITE_BUSY_S
from tallystick.store.files import make_folder
from tallystick.store.write_ahead import turn_on_write_ahead

_TROUBLE = (sqlite3.Error, UnicodeDecodeError)


@dataclass(frozen=True)
class Form:
    """What a kind of book looks like.

    name     what people call it
    mark     SQLite's application id, so that another program's file is not taken for one
    tables   the statements that make an empty one
    """

    name: str
    mark: int
    tables: tuple[str, ...]


class Page:
    """An open transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[dict[str, Any]]:
        """Return the rows of a query, each by the names of its columns."""
        return [dict(row) for row in self._db.execute(sql, values)]

    def change(self, sql: str, values: Sequence[object] = ()) -> int:
        """Return how many rows a statement changed."""
        return self._db.execute(sql, values).rowcount


class Book:
    """The book at `path`, made if absent, in a folder that only its user can read.

    raises  InvalidInput "book.file" for a file that is something else; VerificationFailed "book.damaged";
            Unavailable "book.busy", "book.full"; Broken "book.disk"; so does every transaction
    """

    def __init__(self, path: Path, form: Form) -> None:
        self.path = path
        self._form = form
        self._lock = threading.RLock()
        make_folder(path.parent, mode=0o700)
        try:
            self._db = sqlite3.connect(path, timeout=SQLITE_BUSY_S, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise self._told(error) from error
        self._db.row_factory = sqlite3.Row
        try:
            self._prepare()
        except BaseException as error:
            self._db.close()
            if isinstance(error, _TROUBLE):
                raise self._told(error) from error
            raise

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def changing(self, *, durable: bool = True) -> Iterator[Page]:
        """Lend a transaction: all of its changes are on the disk when the block ends, or none is made.

        durable  False spares the disk a flush: other processes see the changes at once, a power cut may undo them, and
                 the next durable transaction of anybody makes them last
        """
        with self._transaction("IMMEDIATE", "FULL" if durable else "NORMAL") as page:
            yield page

    @contextmanager
    def reading(self) -> Iterator[Page]:
        """Lend a transaction that sees one moment."""
        with self._transaction("DEFERRED") as page:
            yield page

    @contextmanager
    def _transaction(self, kind: str, flush: str = "FULL") -> Iterator[Page]:
        with self._lock:
            try:
                self._db.execute(f"PRAGMA synchronous = {flush}")
                self._db.execute(f"BEGIN {kind}")
                try:
                    yield Page(self._db)
                except BaseException:
                    self._db.execute("ROLLBACK")
                    raise
                self._db.execute("COMMIT")
            except _TROUBLE as error:
                raise self._told(error) from error

    def _prepare(self) -> None:
        turn_on_write_ahead(self._db, SQLITE_BUSY_S)
        if self.path.stat().st_size <= BOOK_CHECK_BYTES_MAX:
            verdict = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise self._damaged(str(verdict))
        with self.changing() as page:
            mark = page.rows("PRAGMA application_id")[0]["application_id"]
            is_empty = not page.rows("SELECT 1 FROM sqlite_master LIMIT 1")
            if is_empty and mark in (0, self._form.mark):
                for statement in self._form.tables:
                    page.change(statement)
                page.change(f"PRAGMA application_id = {self._form.mark}")
            elif mark != self._form.mark:
                raise InvalidInput("book.file", f"{self.path} is no {self._form.name}", got=f"mark {mark:#x}")

    def _damaged(self, verdict: str) -> VerificationFailed:
        return VerificationFailed(
            "book.damaged", f"the {self._form.name} {self.path} is damaged", got=verdict[:120],
            hint="restore the file from a backup; nothing in it can be made again",
        )  # fmt: skip

    def _told(self, error: Exception) -> TallystickError:
        name = str(getattr(error, "sqlite_errorname", type(error).__name__))
        if isinstance(error, UnicodeDecodeError) or "decode to UTF-8" in str(error) or name.startswith("SQLITE_CORRU"):
            return self._damaged(str(error))
        if name == "SQLITE_NOTADB":
            return InvalidInput("book.file", f"{self.path} is no {self._form.name}", got="not an SQLite database")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return Unavailable("book.busy", f"{self.path} is being written by another process", hint="try again")
        if name.startswith("SQLITE_FULL"):
            return Unavailable("book.full", f"no room to write {self.path}", hint="free some space and try again")
        return Broken("book.disk", f"cannot read or write {self.path}", got=f"{name}: {error}")
