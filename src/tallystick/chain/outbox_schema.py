"""The outbox file as SQLite sees it: its tables, and whose fault each of SQLite's complaints is."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tallystick.core.errors import Broken, InvalidInput, TallystickError, Unavailable, VerificationFailed

APPLICATION_ID = 0x7A11_0B0C  # "tally outbox", so that another program's file is not taken for one
SCHEMA_VERSION = 2

# Where a damaged file makes SQLite quote it in an error message, Python fails to decode the message.
SQLITE_TROUBLE = (sqlite3.Error, UnicodeDecodeError)

_SCHEMA = """
CREATE TABLE chains (chain_id INTEGER PRIMARY KEY, genesis BLOB NOT NULL) STRICT;
CREATE TABLE senders (
  chain_id INTEGER NOT NULL, sender TEXT NOT NULL, next_nonce INTEGER NOT NULL,
  PRIMARY KEY (chain_id, sender)
) STRICT, WITHOUT ROWID;
CREATE TABLE rows (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  chain_id INTEGER NOT NULL, sender TEXT NOT NULL, key TEXT NOT NULL, call_digest BLOB NOT NULL,
  target TEXT, value TEXT NOT NULL, data BLOB NOT NULL, contract TEXT NOT NULL, function TEXT NOT NULL,
  arguments TEXT NOT NULL, gas INTEGER,
  state TEXT NOT NULL CHECK (state IN ('drafted', 'signed', 'sent', 'mined', 'final', 'replaced', 'failed')),
  nonce INTEGER, receipt BLOB, error_code TEXT, error_message TEXT, changed_s REAL NOT NULL,
  UNIQUE (chain_id, key), UNIQUE (chain_id, sender, nonce),
  CHECK ((nonce IS NOT NULL) OR state IN ('drafted', 'failed')),
  CHECK ((receipt IS NOT NULL) OR state NOT IN ('mined', 'final'))
) STRICT;
CREATE INDEX rows_open ON rows (chain_id, sender, state) WHERE state NOT IN ('final', 'failed');
CREATE TABLE attempts (
  row_id INTEGER NOT NULL REFERENCES rows (id), number INTEGER NOT NULL, nonce INTEGER NOT NULL,
  hash BLOB NOT NULL UNIQUE, raw BLOB NOT NULL, gas INTEGER NOT NULL, cap TEXT NOT NULL, tip TEXT NOT NULL,
  is_legacy INTEGER NOT NULL, is_cancel INTEGER NOT NULL, seal BLOB NOT NULL,
  signed_s REAL NOT NULL, sent_s REAL, answer TEXT,
  PRIMARY KEY (row_id, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE changes (
  id INTEGER PRIMARY KEY AUTOINCREMENT, row_id INTEGER NOT NULL REFERENCES rows (id),
  at_s REAL NOT NULL, state TEXT NOT NULL, why TEXT NOT NULL
) STRICT;
"""


def create_tables(db: sqlite3.Connection) -> None:
    """Make the tables of an empty outbox."""
    for statement in _SCHEMA.split(";"):
        db.execute(statement)


def tables_of(db: sqlite3.Connection) -> list[str]:
    """Return what SQLite was told of each table and index, sorted."""
    # sqlite_sequence is SQLite's own and comes with AUTOINCREMENT.
    return sorted(str(sql) for (sql,) in db.execute("SELECT sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"))


def damaged(path: Path, verdict: str) -> VerificationFailed:
    """Build the error for a file that is not as it was written."""
    return VerificationFailed(
        "outbox.damaged",
        f"the outbox {path} is damaged",
        got=verdict[:120],
        hint="restore the file from a backup; do not send its calls again before you know what was mined",
    )


def disk_error(error: Exception, path: Path) -> TallystickError:
    """Build the error for what SQLite complained of, or failed to say."""
    name = str(getattr(error, "sqlite_errorname", type(error).__name__))
    if isinstance(error, UnicodeDecodeError) or "decode to UTF-8" in str(error):
        return damaged(path, "text that is not UTF-8")
    if name == "SQLITE_NOTADB":
        return InvalidInput("outbox.file", f"{path} is not an outbox", got="not an SQLite database")
    if name.startswith("SQLITE_CORRUPT"):
        return damaged(path, str(error))
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Unavailable("outbox.busy", f"{path} is being written by another process", hint="try again")
    if name.startswith("SQLITE_FULL"):
        return Unavailable("outbox.disk_full", f"no room to write {path}", hint="free some space and try again")
    return Broken("outbox.disk", f"cannot read or write {path}", got=f"{name}: {error}")
