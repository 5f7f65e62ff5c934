"""Whether two index files hold the same facts, told table by table down to the first row that differs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import zip_longest

from tallystick.core.checks import Check
from tallystick.core.errors import VerificationFailed
from tallystick.index.database import Database
from tallystick.index.schema import FACTS, projected_tables, quoted


def compare(index: Database, fresh: Database) -> Iterator[Check]:
    """Yield the checks that `index` is sound and says the same as `fresh`, which must be complete to the same block."""
    try:
        with index.reading() as ours, fresh.reading() as right:
            yield Check.equal("1. the file is sound", "ok", _first(ours, "PRAGMA integrity_check"))
            yield Check.equal("2. every row hangs from its block", "", _first(ours, "PRAGMA foreign_key_check"))
            yield Check.equal("3. the cursor is on the chain", _cursor(right), _cursor(ours))
            tables = [*FACTS, *projected_tables(right)]
            yield Check.equal("4. the tables are those of the projections", tables, [*FACTS, *projected_tables(ours)])
            for number, table in enumerate(tables, 5):
                yield _same_rows(f"{number}. the rows of {table}", table, right, ours)
    except VerificationFailed as error:
        yield Check.failed("the file can be read", error)


def _same_rows(name: str, table: str, right: sqlite3.Connection, ours: sqlite3.Connection) -> Check:
    count = 0
    for expected, got in zip_longest(_rows(right, table), _rows(ours, table)):
        if expected != got:
            return Check(name, False, f"row {count} differs", _shown(expected), _shown(got))
        count += 1
    return Check(name, True, f"{count} rows", str(count), str(count))


def _rows(connection: sqlite3.Connection, table: str) -> Iterator[tuple[object, ...]]:
    """Yield the rows of a table ordered by all their columns: insertion order must not matter."""
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({quoted(table)})")]
    order = ", ".join(map(quoted, columns))
    yield from connection.execute(f"SELECT {order} FROM {quoted(table)} ORDER BY {order}")  # noqa: S608 - quoted names


def _first(connection: sqlite3.Connection, sql: str) -> str:
    row = connection.execute(sql).fetchone()
    return "" if row is None else " ".join(map(str, row))


def _cursor(connection: sqlite3.Connection) -> str:
    row = connection.execute("SELECT number, hash FROM index_cursor").fetchone()
    return "none" if row is None else f"block {row[0]} 0x{bytes(row[1]).hex()}"


def _shown(row: tuple[object, ...] | None) -> str:
    if row is None:
        return "no row"
    return " ".join(value.hex() if isinstance(value, bytes) else repr(value) for value in row)[:400]
