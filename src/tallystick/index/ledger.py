"""What is written in the index's file: one SQLite transaction per block, and everything in it under the block's hash.

    chain_blocks    blocks that hold a log we want                                      facts
    chain_logs      those logs                                  cascades from blocks    facts
    <projection>_…  what the projections made of them           cascades from blocks    facts
    index_cursor    the block up to which all this is complete                          one row, or none at first
    index_trail     blocks passed lately, to find the way back after a reorganisation   bookkeeping
    index_finality  the newest block that we were told is final                         one row, or none
    index_meta      which chain, which projections                                      bookkeeping

Every change names the cursor it was computed from and is refused if another process has moved it meanwhile, so several
may follow the chain at once and none waits for another longer than a block takes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tallystick.chain.calls import Log
from tallystick.core.errors import Broken, Unavailable, VerificationFailed
from tallystick.index.projection import Row
from tallystick.index.schema import quoted
from tallystick.index.source import Header, Place


class Moved(Exception):
    """The chain or another process moved between reading and writing; look again. Never seen outside this floor."""


@dataclass(frozen=True)
class BlockFacts:
    """One block, the logs in it that are wanted, and what the projections made of them."""

    block: Header
    logs: tuple[Log, ...] = ()
    rows: tuple[tuple[Log, Row], ...] = ()

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place(self.block.number, self.block.hash)


@dataclass(frozen=True)
class State:
    """What the file says of itself: the chain it is of, how far it is complete, and what it was told is final."""

    chain: str | None
    cursor: Place | None
    finality: Place | None


class Ledger:
    """The facts in one open file.

    fingerprint  of the projections that this process has; a file of others is never written to
    """

    def __init__(self, connection: sqlite3.Connection, fingerprint: str) -> None:
        self._connection = connection
        self._fingerprint = fingerprint
        self._insertions: dict[tuple[str, tuple[str, ...]], str] = {}

    # --- reading

    def is_current(self) -> bool:
        """Return whether the file was made for these projections."""
        found = self._connection.execute("SELECT value FROM index_meta WHERE key = 'fingerprint'").fetchone()
        return bool(found == (self._fingerprint,))

    def state(self) -> State:
        """Return what the file says of itself."""
        chain = self._connection.execute("SELECT value FROM index_meta WHERE key = 'chain'").fetchone()
        return State(None if chain is None else chain[0], self._single("index_cursor"), self._single("index_finality"))

    def known_places(self, below: Place) -> list[Place]:
        """Return the blocks below `below` that the file remembers, newest first."""
        sql = """SELECT number, hash FROM chain_blocks WHERE number < ?1
                 UNION SELECT number, hash FROM index_trail WHERE number < ?1 ORDER BY number DESC"""
        return [Place(*row) for row in self._connection.execute(sql, (below.number,))]

    # --- writing, a block at a time

    def claim(self, chain: str) -> None:
        """Bind an empty index to a chain.

        raises  VerificationFailed "index.chain" if it is of another chain already
        """
        with self._changing():
            self._connection.execute("INSERT INTO index_meta VALUES ('chain', ?) ON CONFLICT DO NOTHING", (chain,))
            found = self.state().chain
        if found != chain:
            raise VerificationFailed(
                "index.chain", "the index is of another chain", expected=found, got=chain, hint="name another index"
            )

    def append(self, base: Place | None, facts: BlockFacts, *, mark: bool) -> None:
        """Add one block after the cursor `base` and move the cursor to it: all of it, or nothing.

        mark    remember the block in the trail even if it holds no log
        raises  Moved when the cursor is not `base` any more; Broken "index.reducer" when a row does not fit its table
        """
        place = facts.place
        with self._changing():
            self._check_cursor(base)
            if facts.logs:
                block = facts.block
                values = (place.hash, place.number, block.parent_hash, block.timestamp)
                self._connection.execute("INSERT INTO chain_blocks VALUES (?, ?, ?, ?)", values)
                self._connection.executemany(
                    "INSERT INTO chain_logs VALUES (?, ?, ?, ?, ?, ?, ?)", map(_log_values, facts.logs)
                )
                self._insert(facts.rows)
            if mark:
                self._connection.execute("INSERT INTO index_trail VALUES (?, ?)", (place.number, place.hash))
            self._set_single("index_cursor", place)

    def settle(self, base: Place | None, ancestor: Place | None, finality: Place | None, settled: int) -> None:
        """Undo all blocks above `ancestor`, record what is final, and forget the trail below `settled`.

        raises  Moved when the cursor is not `base` any more
        """
        above = -1 if ancestor is None else ancestor.number
        with self._changing():
            self._check_cursor(base)
            self._connection.execute("DELETE FROM chain_blocks WHERE number > ?", (above,))
            self._connection.execute("DELETE FROM index_trail WHERE number > ?", (above,))
            self._connection.execute(
                "DELETE FROM index_trail WHERE number < (SELECT max(number) FROM index_trail WHERE number <= ?)",
                (settled,),
            )
            self._set_single("index_cursor", ancestor)
            if finality is not None:
                self._set_single("index_finality", finality)

    # --- inside

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with transaction(self._connection):
            if not self.is_current():
                raise Unavailable("index.replaced", "another process rebuilt the index for other projections")
            yield

    def _check_cursor(self, base: Place | None) -> None:
        if self._single("index_cursor") != base:
            raise Moved

    def _single(self, table: str) -> Place | None:
        row = self._connection.execute(f"SELECT number, hash FROM {table}").fetchone()  # noqa: S608 - names of ours
        return None if row is None else Place(*row)

    def _set_single(self, table: str, place: Place | None) -> None:
        if self._single(table) == place:
            return  # an idle sync writes nothing
        self._connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of ours
        if place is not None:
            values = (place.number, place.hash)
            self._connection.execute(f"INSERT INTO {table} VALUES (0, ?, ?)", values)  # noqa: S608 - names of ours

    def _insert(self, rows: Iterable[tuple[Log, Row]]) -> None:
        for log, row in rows:
            values = {"block_hash": log.block_hash, "block_number": log.block_number, "log_index": log.log_index}
            values |= row.values
            try:
                self._connection.execute(self._insertion(row.table, tuple(values)), tuple(values.values()))
            except (sqlite3.IntegrityError, sqlite3.OperationalError) as error:
                if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_ERROR):
                    raise  # a full disk, not the row
                raise Broken("index.reducer", f"a row does not fit {row.table}: {error}", got=row) from error

    def _insertion(self, table: str, columns: tuple[str, ...]) -> str:
        if (table, columns) not in self._insertions:
            names = ", ".join(quoted(column) for column in columns)
            holes = ", ".join("?" * len(columns))
            self._insertions[table, columns] = f"INSERT INTO {quoted(table)} ({names}) VALUES ({holes})"  # noqa: S608
        return self._insertions[table, columns]


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """Run the block in one transaction: committed at its end, rolled back if it raises."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _log_values(log: Log) -> tuple[object, ...]:
    place = (log.block_hash, log.log_index, log.transaction_hash, log.transaction_index)
    return (*place, log.address, b"".join(log.topics), log.data)
