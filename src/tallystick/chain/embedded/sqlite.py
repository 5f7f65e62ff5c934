"""SQLite as the ledger uses it: how a connection is set up, and whose fault each of its errors is."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

from tallystick.core.errors import Broken, InvalidInput, TallystickError, Unavailable, VerificationFailed
from tallystick.core.limits import LEDGER_LOCK_WAIT_S, LEDGER_WAL_PAGES
from tallystick.store.write_ahead import turn_on_write_ahead

# primary result codes, https://sqlite.org/rescode.html
_BUSY: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_MISMATCH}


def connect(path: Path, *, read_only: bool, create: bool = False) -> sqlite3.Connection:
    """Return a connection in autocommit mode whose commits are durable (WAL, `synchronous=FULL`).

    A file in a folder that cannot be written is opened as immutable, if nobody left a write-ahead log beside it: SQLite
    keeps its reader marks in a file of their own, which it could not make there.
    """
    if not read_only:
        return _open(path, "mode=rwc" if create else "mode=rw", _log_ahead)
    try:
        return _open(path, "mode=ro", _look)
    except sqlite3.OperationalError as error:
        is_locked_out = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
        if not is_locked_out or path.with_name(path.name + "-wal").exists():
            raise
        return _open(path, "mode=ro&immutable=1", _look)


def _log_ahead(db: sqlite3.Connection) -> None:
    turn_on_write_ahead(db, LEDGER_LOCK_WAIT_S)


def _look(db: sqlite3.Connection) -> None:
    db.execute("SELECT count(*) FROM sqlite_master").fetchall()


def _open(path: Path, mode: str, first: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
    """Return a connection that has done `first`, which finds out whether the file can be used at all."""
    db = sqlite3.connect(
        f"file:{quote(str(path))}?{mode}",
        uri=True,
        timeout=LEDGER_LOCK_WAIT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    db.text_factory = (
        bytearray  # nothing stored is text unless a flipped bit made it so; then it must not pass as bytes
    )
    try:
        first(db)
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA wal_autocheckpoint = {LEDGER_WAL_PAGES}")
    except BaseException:
        db.close()
        raise
    return db


@contextlib.contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Raise what SQLite raises as an error of ours.

    raises  Unavailable "chain.locked", VerificationFailed "chain.file", InvalidInput "chain.read_only",
            Broken "chain.storage"
    """
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise _translate(path, error) from error


def _translate(path: Path, error: sqlite3.Error | UnicodeDecodeError) -> TallystickError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if isinstance(error, UnicodeDecodeError):
        code = sqlite3.SQLITE_CORRUPT  # SQLite complains, and quotes what it complains about
    text = f"{path}: {error}"
    if code in _BUSY:
        return Unavailable("chain.locked", "another process holds the chain file", got=text, hint="try again")
    if code in _DAMAGED:
        return VerificationFailed(
            "chain.file",
            "the chain file is damaged",
            got=text,
            hint="`tally chain fsck` lists every fault it can reach",
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH):
        return InvalidInput("chain.read_only", "the chain file cannot be opened for this", got=text)
    return Broken("chain.storage", "the chain file could not be read or written", got=text)
