"""The index's file: made, opened, asked and translated into our errors. What is written in it, and how, is ledger.py.

Connections live for one operation, so the file can be shared by any number of threads and processes. WAL with
synchronous=NORMAL: a power cut may lose the newest blocks, never half of one; they are read from the chain again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tallystick.core.errors import Broken, InvalidInput, TallystickError, Unavailable, VerificationFailed
from tallystick.core.limits import INDEX_BUSY_S, INDEX_VALUE_BYTES_MAX
from tallystick.index.ledger import Ledger, State, transaction
from tallystick.index.projection import Projections
from tallystick.index.schema import APPLICATION_ID, SCHEMA, VERSION, apply_schema, drop_everything
from tallystick.store.write_ahead import turn_on_write_ahead

Parameters = Sequence[object] | Mapping[str, object]

REBUILD_HINT: Final = "remove the file, or rebuild it: everything in it is read from the chain again"


class Database:
    """The file at `path`, holding what `projections` want from `first_block` on."""

    def __init__(self, path: Path, projections: Projections, first_block: int) -> None:
        self.path = path
        self._projections = projections
        self._fingerprint = projections.fingerprint(VERSION, first_block)

    def prepare(self) -> bool:
        """Make the file if there is none, and empty it if it was built by other projections; return whether it was.

        raises  VerificationFailed "index.damaged"; InvalidInput "index.not_ours" for a file that is something else;
                Broken "index.schema" when a projection's schema breaks the rules
        """
        with self._connected("rwc") as connection:
            application, version = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in _MARKS)
            empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
            if not empty and application != APPLICATION_ID:
                raise InvalidInput("index.not_ours", f"{self.path} is not an index", hint="name another file")
            stale = empty or version != VERSION or not Ledger(connection, self._fingerprint).is_current()
            if empty:
                turn_on_write_ahead(connection, INDEX_BUSY_S)
        if stale:
            self._remake(unless_current=True)
        return stale and not empty

    def reset(self) -> None:
        """Leave nothing but the empty tables; in one transaction, so that a crash leaves the old index or this."""
        self._remake(unless_current=False)

    def state(self) -> State:
        """Return what the file says of itself, read at one moment."""
        with self.reading() as connection:
            return Ledger(connection, self._fingerprint).state()

    @contextmanager
    def writing(self) -> Iterator[Ledger]:
        """Lend the ledger in the file, for one sync."""
        with self._connected("rw") as connection:
            yield Ledger(connection, self._fingerprint)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection that can only read and sees one moment; inside this floor."""
        with self._connected("ro") as connection, transaction(connection, "DEFERRED"):
            yield connection

    def query(self, sql: str, parameters: Parameters, rows_max: int, steps_max: int) -> list[dict[str, object]]:
        """Return the rows of one statement that can only read; see `Index.query`."""
        with self._connected("ro") as connection:
            connection.set_authorizer(_only_reading)
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, INDEX_VALUE_BYTES_MAX)
            connection.set_progress_handler(lambda: 1, steps_max)
            try:
                cursor = connection.execute(sql, parameters)
                names = [column[0] for column in cursor.description or ()]
                found = [dict(zip(names, row, strict=True)) for row in cursor.fetchmany(rows_max + 1)]
            except (sqlite3.Error, sqlite3.Warning, OverflowError, ValueError) as error:
                if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF not in _FAULTS_OF_QUERIES:
                    raise
                raise _query_error(error) from None
        if len(found) > rows_max:
            raise InvalidInput(
                "index.query_rows", "the answer has too many rows", expected=f"≤ {rows_max}", hint="use LIMIT"
            )
        return found

    def _remake(self, *, unless_current: bool) -> None:
        with self._connected("rw") as connection:
            connection.execute("PRAGMA foreign_keys = OFF")  # dropping must not cascade row by row
            with transaction(connection):
                made = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'index_meta'").fetchone()
                if unless_current and made and Ledger(connection, self._fingerprint).is_current():
                    return  # another process was faster
                drop_everything(connection)
                for statement in SCHEMA:
                    connection.execute(statement)
                for projection in self._projections.all:
                    apply_schema(connection, projection.name, projection.schema)
                connection.execute("INSERT INTO index_meta VALUES ('fingerprint', ?)", (self._fingerprint,))
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {VERSION}")

    @contextmanager
    def _connected(self, mode: str) -> Iterator[sqlite3.Connection]:
        try:
            connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=INDEX_BUSY_S
            )
            try:
                connection.execute("PRAGMA foreign_keys = ON")
                connection.execute("PRAGMA synchronous = NORMAL")
                yield connection
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def _translated(self, error: sqlite3.Error) -> TallystickError:
        code = getattr(error, "sqlite_errorcode", -1) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT):
            # ERROR and CONSTRAINT: our own statements fit our own tables, unless somebody changed the file
            return VerificationFailed("index.damaged", f"{self.path} is damaged: {error}", hint=REBUILD_HINT)
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return Unavailable("index.busy", f"{self.path} is held by another process", hint="try again")
        if code == sqlite3.SQLITE_FULL:
            return Unavailable("files.full", f"cannot write {self.path}: {error}", hint="free some space and try again")
        if code == sqlite3.SQLITE_CANTOPEN and self.path.parent.is_dir() and not self.path.exists():
            return Unavailable("index.missing", f"{self.path} was removed", hint="open the index again and sync it")
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
            return InvalidInput("files.forbidden", f"cannot open {self.path}: {error}", hint="check the folder's mode")
        return Broken("index.io", f"{self.path}: {error}", hint="check the disk before trying again")


_MARKS: Final = ("application_id", "user_version")
_FAULTS_OF_QUERIES: Final = {
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_AUTH,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_TOOBIG,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_RANGE,
}
_READING: Final = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}


def _only_reading(action: int, *_: object) -> int:
    return sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY


def _query_error(error: Exception) -> InvalidInput:
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
        return InvalidInput("index.query_slow", "the query takes too long", hint="narrow it, or use an indexed column")
    return InvalidInput(
        "index.query", f"the query is refused: {error}", hint="one SELECT over the index's tables and views"
    )
