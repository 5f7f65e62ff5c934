"""The chain file: one SQLite database that holds trie nodes, code, headers and a transaction index.

Every trie node and contract is stored under its Keccak-256 and checked against it when read; a header is checked
against its stored hash, its number and both neighbours. Nothing is cached here but what was checked. SQLite runs in WAL
mode with `synchronous=FULL`: what `write` committed survives a crash. Read `ledger` next for what is written, `fsck`
for what reading cannot prove.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from lru import LRU

from tallystick.chain.embedded.header import Header
from tallystick.chain.embedded.sqlite import connect, sqlite_errors
from tallystick.chain.embedded.trie import Node, decode
from tallystick.core.digest import keccak
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.core.limits import LEDGER_BLOCK_CACHE, LEDGER_NODE_CACHE

APPLICATION_ID: Final = 0x74616C79  # "taly", in the SQLite header
FORMAT: Final = 1  # PRAGMA user_version

_SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE node (hash BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE block (number INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, header BLOB NOT NULL);
CREATE TABLE tx (hash BLOB PRIMARY KEY, block INTEGER NOT NULL, position INTEGER NOT NULL) WITHOUT ROWID;
"""


class ChainFile:
    """An open chain file. Reads come from any thread; one `write` at a time, in one process at a time."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open an existing chain file.

        raises  InvalidInput "chain.missing"; VerificationFailed "chain.file" when it is no chain file of this format
        """
        if not path.is_file():
            raise InvalidInput("chain.missing", f"there is no chain file at {path}", hint="create one first")
        self.path = path
        self.read_only = read_only
        self._lock = threading.Lock()
        self._nodes: LRU[bytes, Node] = LRU(LEDGER_NODE_CACHE)
        self._headers: LRU[int, tuple[bytes, Header]] = LRU(LEDGER_BLOCK_CACHE)
        with contextlib.ExitStack() as undo, sqlite_errors(path):
            self._reader = connect(path, read_only=True)
            undo.callback(self._reader.close)
            self._check_format()
            # A connection of its own, so that no reader of this process sees a block before it is durable.
            self._writer = None if read_only else connect(path, read_only=False)
            undo.pop_all()
        self._close = weakref.finalize(self, _close, self._reader, self._writer)

    def _check_format(self) -> None:
        for what, expected, got in formats(self._reader):
            if got != expected:
                raise VerificationFailed(
                    "chain.file",
                    f"{self.path} is not a chain file of this format: wrong {what}",
                    expected=expected,
                    got=got,
                    hint="it may be damaged, or another program's",
                )

    def close(self) -> None:
        """Close the database; later calls fail. Dropping the object does the same."""
        with self._lock:
            self._close()

    # ---- reading

    def meta(self, key: str) -> bytes:
        """Return the value that the creator stored under `key`."""
        row = self._one("SELECT value FROM meta WHERE key = ?", key)
        if row is None or not isinstance(row[0], bytes):
            raise VerificationFailed("chain.meta", f"chain file has no {key}", got=str(self.path))
        return row[0]

    def node(self, digest: bytes) -> Node:
        """Return the trie node with this hash, decoded.

        raises  VerificationFailed "chain.node" when it is missing or its bytes hash to something else
        """
        cached = self._nodes.get(digest)
        if cached is None:
            cached = decode(self.value(digest))
            self._nodes[digest] = cached
        return cached

    def value(self, digest: bytes) -> bytes:
        """Return the bytes (a node or a contract's code) whose Keccak-256 is `digest`; raises as `node` does."""
        row = self._one("SELECT value FROM node WHERE hash = ?", digest)
        if row is None:
            raise VerificationFailed("chain.node", "a stored value is missing", expected=digest.hex(), got="no row")
        value = row[0]
        if not isinstance(value, bytes) or (got := keccak(value)) != digest:
            raise VerificationFailed(
                "chain.node",
                "a stored value does not match its hash",
                expected=digest.hex(),
                got=got.hex() if isinstance(value, bytes) else type(value).__name__,
                hint="the chain file is damaged; `tally chain fsck` lists every fault",
            )
        return value

    def head(self) -> int:
        """Return the newest block number, whichever process wrote it.

        raises  VerificationFailed "chain.head" when the newest row is not the one that was recorded last: a damaged
                page can hide rows
        """
        row = self._one("SELECT (SELECT value FROM meta WHERE key = 'head'), max(number) FROM block")
        recorded, newest = (None, None) if row is None else row
        if newest is None or not isinstance(recorded, bytes) or recorded[:8] != newest.to_bytes(8, "big"):
            raise VerificationFailed(
                "chain.head",
                "the newest block is not the one that was written last",
                expected=recorded.hex() if isinstance(recorded, bytes) else recorded,
                got=newest,
            )
        found = self.block(newest)
        if found is None or found[0] != recorded[8:]:
            raise VerificationFailed("chain.head", f"block {newest} is not the one that was written last")
        return int(newest)

    def block(self, number: int) -> tuple[bytes, Header] | None:
        """Return (hash, header) of a block, or None past the head.

        raises  VerificationFailed "chain.header" when it contradicts its hash, its number or a neighbour
        """
        cached = self._headers.get(number)
        if cached is not None:
            return cached
        if not 0 <= number < 2**63:
            return None
        rows = {
            row[0]: row[1:]
            for row in self._all(
                "SELECT number, hash, header FROM block WHERE number BETWEEN ? AND ?", number - 1, number + 1
            )
        }
        if number not in rows:
            if number <= int.from_bytes(self.meta("head")[:8], "big"):
                raise VerificationFailed("chain.header", f"block {number} is missing")
            return None
        digest, header = check_header(number, *rows[number])
        if number and (number - 1 not in rows or rows[number - 1][0] != header.parent_hash):
            raise VerificationFailed(
                "chain.header", f"block {number} does not follow block {number - 1}", expected=header.parent_hash.hex()
            )
        if number + 1 in rows and check_header(number + 1, *rows[number + 1])[1].parent_hash != digest:
            raise VerificationFailed("chain.header", f"block {number + 1} does not follow block {number}")
        self._headers[number] = (digest, header)
        return digest, header

    def number_of(self, block_hash: bytes) -> int | None:
        """Return the number of the block with this hash, or None."""
        row = self._one("SELECT number FROM block WHERE hash = ?", block_hash)
        return None if row is None else int(row[0])

    def place_of(self, tx_hash: bytes) -> tuple[int, int] | None:
        """Return (block, position) where the index says this transaction is; the caller checks what stands there.

        raises  VerificationFailed "chain.tx_index" when it says nothing sensible
        """
        row = self._one("SELECT block, position FROM tx WHERE hash = ?", tx_hash)
        if row is None:
            return None
        block, position = row
        if not isinstance(block, int) or not isinstance(position, int) or position < 0:
            raise VerificationFailed("chain.tx_index", "transaction index is wrong", expected=tx_hash.hex(), got=row)
        return block, position

    def transaction_count(self) -> int:
        """Return how many transactions the index lists."""
        row = self._one("SELECT count(*) FROM tx")
        return 0 if row is None else int(row[0])

    def headers(self, first: int, last: int) -> list[tuple[int, bytes, bytes]]:
        """Return (number, hash, encoded header) of a range, unchecked: pass each to `check_header`."""
        return list(
            self._all(
                "SELECT number, hash, header FROM block WHERE number BETWEEN ? AND ? ORDER BY number", first, last
            )
        )

    # ---- writing

    @contextlib.contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Hold SQLite's write lock; on a clean exit everything put meanwhile is durable, otherwise nothing is kept.

        raises  Unavailable "chain.locked" when another process keeps the lock, Broken "chain.storage" when the disk
                refuses, InvalidInput "chain.read_only"
        """
        if self._writer is None:
            raise InvalidInput("chain.read_only", "chain file was opened for reading only")
        with sqlite_errors(self.path):
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._writer.execute("ROLLBACK")
                raise

    def remember(self, digest: bytes, header: Header, nodes: dict[bytes, tuple[bytes, Node]]) -> None:
        """Keep a block and the nodes of its state, just committed, in the caches."""
        self._headers[header.number] = (digest, header)
        for name, (_, node) in nodes.items():
            self._nodes[name] = node

    # ---- SQLite

    def _one(self, sql: str, *values: object) -> tuple[Any, ...] | None:
        with sqlite_errors(self.path), self._lock:
            return self._reader.execute(sql, values).fetchone()  # type: ignore[no-any-return]

    def _all(self, sql: str, *values: object) -> list[tuple[int, bytes, bytes]]:
        with sqlite_errors(self.path), self._lock:
            return self._reader.execute(sql, values).fetchall()


def _close(*connections: sqlite3.Connection | None) -> None:
    for connection in connections:
        if connection is not None:
            connection.close()


def formats(db: sqlite3.Connection) -> list[tuple[str, object, object]]:
    """Return (what, expected, got) of everything that says how the file is to be read.

    The schema is part of it: SQLite obeys what its text says, so one flipped bit there gives other types and tables.
    """
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    rows = db.execute("SELECT CAST(sql AS BLOB) FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid").fetchall()
    schema = b";\n".join(row[0] for row in rows) + b";"
    return [
        ("application_id", APPLICATION_ID, application),
        ("user_version", FORMAT, version),
        ("schema", _SCHEMA.strip().encode(), schema),
    ]


def create_file(path: Path, meta: dict[str, bytes], nodes: Iterable[tuple[bytes, bytes]], genesis: Header) -> None:
    """Make a chain file that holds its genesis block, or leave nothing that would open as one.

    raises  InvalidInput "chain.exists"
    """
    with sqlite_errors(path), contextlib.closing(connect(path, read_only=False, create=True)) as db:
        db.execute("BEGIN EXCLUSIVE")
        if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise InvalidInput(
                "chain.exists", f"there is a database at {path} already", hint="open it, or move it away"
            )
        for statement in _SCHEMA.strip().split(";\n"):
            db.execute(statement)
        db.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        put_nodes(db, nodes)
        put_block(db, genesis, [])
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {FORMAT}")
        db.execute("COMMIT")


def put_nodes(db: sqlite3.Connection, nodes: Iterable[tuple[bytes, bytes]]) -> None:
    """Store values under their hashes; those that are there already stay."""
    db.executemany("INSERT OR IGNORE INTO node VALUES (?, ?)", nodes)


def put_block(db: sqlite3.Connection, header: Header, tx_hashes: list[bytes]) -> bytes:
    """Store a header and the places of its transactions; return the block hash."""
    encoded = header.encode()
    digest = keccak(encoded)
    number = header.number
    db.execute("INSERT INTO block VALUES (?, ?, ?)", (number, digest, encoded))
    db.executemany("INSERT INTO tx VALUES (?, ?, ?)", [(tx, number, index) for index, tx in enumerate(tx_hashes)])
    db.execute("INSERT OR REPLACE INTO meta VALUES ('head', ?)", (number.to_bytes(8, "big") + digest,))
    return digest


def check_header(number: int, digest: object, encoded: object) -> tuple[bytes, Header]:
    """Return (hash, header) of a stored row, or say what contradicts what.

    raises  VerificationFailed "chain.header"
    """
    if not isinstance(digest, bytes) or not isinstance(encoded, bytes):
        raise VerificationFailed("chain.header", f"block {number} is not stored as bytes")
    if (got := keccak(encoded)) != digest:
        raise VerificationFailed(
            "chain.header", f"header of block {number} does not match its hash", expected=digest.hex(), got=got.hex()
        )
    header = Header.decode(encoded)
    if header.number != number:
        raise VerificationFailed(
            "chain.header", "a header stands at another number", expected=number, got=header.number
        )
    return digest, header
