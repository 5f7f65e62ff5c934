"""The index's own tables, and the rules that a projection's tables must keep so that a reorganisation is a delete."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final

from tallystick.core.errors import Broken

APPLICATION_ID: Final = 0x54_53_49_58  # "TSIX", so that no other program's file is taken for an index
VERSION: Final = 1  # raised with any change below; an older file is then built anew

SCHEMA: Final = (
    "CREATE TABLE index_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    """CREATE TABLE index_cursor (
        id INTEGER PRIMARY KEY CHECK (id = 0), number INTEGER NOT NULL, hash BLOB NOT NULL
    ) STRICT""",
    """CREATE TABLE index_finality (
        id INTEGER PRIMARY KEY CHECK (id = 0), number INTEGER NOT NULL, hash BLOB NOT NULL
    ) STRICT""",
    "CREATE TABLE index_trail (number INTEGER PRIMARY KEY, hash BLOB NOT NULL) STRICT",
    """CREATE TABLE chain_blocks (
        hash BLOB PRIMARY KEY,
        number INTEGER NOT NULL UNIQUE,
        parent_hash BLOB NOT NULL,
        time INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE chain_logs (
        block_hash BLOB NOT NULL REFERENCES chain_blocks (hash) ON DELETE CASCADE,
        log_index INTEGER NOT NULL,
        transaction_hash BLOB NOT NULL,
        transaction_index INTEGER NOT NULL,
        address TEXT NOT NULL,
        topics BLOB NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (block_hash, log_index)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX chain_logs_address ON chain_logs (address)",
)

RESERVED: Final = ("chain", "index", "sqlite")  # names that no projection may have
FACTS: Final = ("chain_blocks", "chain_logs")
_PLACE: Final = ("block_hash", "block_number", "log_index")


def apply_schema(connection: sqlite3.Connection, name: str, script: str) -> None:
    """Create the tables, indexes and views of one projection, inside the caller's transaction.

    raises  Broken "index.schema" unless each bears the projection's name and each table hangs from its block by cascade

    An index on `block_hash` is added to each table, since a cascade without one would scan it.
    """
    before = set(_objects(connection))
    try:
        for statement in _statements(script):
            connection.execute(statement)
        for kind, made in sorted(set(_objects(connection)) - before):
            if kind not in ("table", "view", "index") or not (made == name or made.startswith(f"{name}_")):
                raise Broken("index.schema", f"{kind} {made} bears another name", expected=f"{name} or {name}_…")
            if kind == "table":
                _check_table(connection, made)
            elif kind == "view":
                connection.execute(f"SELECT * FROM {quoted(made)} LIMIT 0")  # noqa: S608 - a broken view shows now
    except sqlite3.Error as error:
        raise Broken("index.schema", f"the schema of projection {name} is no SQL: {error}") from error


def projected_tables(connection: sqlite3.Connection) -> list[str]:
    """Return the projections' tables, by name."""
    tables = (name for kind, name in _objects(connection) if kind == "table")
    return sorted(name for name in tables if name.split("_")[0] not in RESERVED)


def drop_everything(connection: sqlite3.Connection) -> None:
    """Leave an empty file; foreign keys must be off."""
    for kind in ("view", "table"):
        for _, name in [found for found in _objects(connection) if found[0] == kind]:
            connection.execute(f"DROP {kind} {quoted(name)}")


def quoted(name: str) -> str:
    """Return `name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _objects(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    sql = "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    return [(str(kind), str(name)) for kind, name in connection.execute(sql)]


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script one by one; sqlite3's own executescript would commit the transaction first."""
    statement = ""
    for piece in script.split(";"):
        statement += piece
        if sqlite3.complete_statement(f"{statement};") and statement.strip():
            yield statement
            statement = ""
        else:
            statement += ";"
    if statement.strip(" \n\t;"):
        raise Broken("index.schema", "the schema ends within a statement", got=statement[:80])


def _check_table(connection: sqlite3.Connection, table: str) -> None:
    columns = {row[1]: row[3] for row in connection.execute(f"PRAGMA table_info({quoted(table)})")}
    if not all(columns.get(column) == 1 for column in _PLACE):
        raise Broken("index.schema", f"table {table} lacks its place", expected=f"{', '.join(_PLACE)}, each NOT NULL")
    keys = connection.execute(f"PRAGMA foreign_key_list({quoted(table)})").fetchall()
    if [(key[2], key[3], key[4], key[6]) for key in keys] != [("chain_blocks", "block_hash", "hash", "CASCADE")]:
        raise Broken(
            "index.schema",
            f"table {table} does not hang from its block alone",
            expected="block_hash BLOB NOT NULL REFERENCES chain_blocks (hash) ON DELETE CASCADE",
        )
    connection.execute(f"CREATE INDEX {quoted(table + '_by_block')} ON {quoted(table)} (block_hash)")
