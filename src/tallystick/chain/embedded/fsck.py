"""Proving a whole chain file: every block executed again from genesis, every stored byte accounted for.

    1  the file is a sound SQLite database of this format
    2  the genesis parameters give block 0
    3  every header hashes to its name, has its number, follows its parent and obeys the rules between parent and child
    4  every transaction is signed by its sender, and could be in its block
    5  executing it with another implementation gives the stored receipts, roots, bloom, gas and state
    6  every node of the resulting state is in the file
    7  the transaction index names every transaction's place, and nothing else
    8  every stored node and contract hashes to its key, those of no block included

It changes nothing. A fault does not stop it: what can still be checked is. Replaying stops at the first block that
cannot be executed or comes out differently, since nothing after it can be predicted. It cannot know whether the end of
the chain was cut off: compare the head with one that was seen elsewhere.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tallystick.chain.embedded.codec import encode, integer
from tallystick.chain.embedded.file import check_header, formats
from tallystick.chain.embedded.genesis import Genesis
from tallystick.chain.embedded.header import Header, next_base_fee
from tallystick.chain.embedded.replay import Replay, Replayed
from tallystick.chain.embedded.sqlite import connect, sqlite_errors
from tallystick.chain.embedded.trie import Node, decode, lookup
from tallystick.core.digest import keccak
from tallystick.core.errors import InvalidInput, TallystickError, VerificationFailed
from tallystick.core.limits import FSCK_FINDINGS_MAX

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: `check` is the number of the check above, `where` the block, row or key at fault."""

    check: int
    code: str
    where: str
    message: str
    expected: str = ""
    got: str = ""

    def __str__(self) -> str:
        compared = f": expected {self.expected}, got {self.got}" if self.expected or self.got else ""
        return f"[{self.check}] {self.where}: {self.message}{compared}"


@dataclass
class FsckReport:
    """What was checked and what was found wrong; `replayed` counts the blocks that were executed and agreed."""

    path: Path
    blocks: int = 0
    replayed: int = 0
    transactions: int = 0
    values: int = 0
    faults: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.faults == 0

    def add(self, finding: Finding) -> None:
        """Note a fault; past FSCK_FINDINGS_MAX only count it."""
        self.faults += 1
        if len(self.findings) < FSCK_FINDINGS_MAX:
            self.findings.append(finding)


def fsck(path: str | Path, progress: Progress | None = None) -> FsckReport:
    """Return what is wrong with the chain file at `path`.

    progress  called with (blocks done, blocks in all)
    raises    InvalidInput "chain.missing", Broken "chain.storage" when the disk cannot be read
    """
    path = Path(path)
    if not path.is_file():
        raise InvalidInput("chain.missing", f"there is no chain file at {path}")
    report = FsckReport(path)
    try:
        with sqlite_errors(path), contextlib.closing(connect(path, read_only=True)) as db:
            db.execute("BEGIN")  # one view of the file, whoever writes meanwhile
            _Check(db, report, progress).run()
    except VerificationFailed as error:
        report.add(_finding(1, "file", error))
    return report


class _Check:
    def __init__(self, db: sqlite3.Connection, report: FsckReport, progress: Progress | None) -> None:
        self._db = db
        self._report = report
        self._progress = progress or _silent

    def run(self) -> None:
        if not self._check_file():
            return  # what the rows mean is not known
        with self._noting(2, "genesis"):
            genesis = self._check_genesis()
            self._check_blocks(genesis)
        self._check_index()
        self._check_values()

    # ---- 1, 2

    def _check_file(self) -> bool:
        """Check what SQLite can; whether the file can be read as a chain."""
        good = True
        for what, expected, got in formats(self._db):
            if got != expected:
                self._report.add(Finding(1, "fsck.format", "file", f"wrong {what}", _short(expected), _short(got)))
                good = False
        for (line,) in self._rows("PRAGMA integrity_check(100)"):
            if line != b"ok":
                self._report.add(Finding(1, "fsck.sqlite", "file", line.decode(errors="replace")[:200]))
        return good

    def _check_genesis(self) -> Genesis:
        row = self._db.execute("SELECT value FROM meta WHERE key = 'genesis'").fetchone()
        if row is None or not isinstance(row[0], bytes):
            raise VerificationFailed("chain.genesis", "genesis parameters are missing")
        return Genesis.from_bytes(row[0])

    # ---- 3 to 6

    def _check_blocks(self, genesis: Genesis) -> None:
        replay: Replay | None = Replay(genesis)
        (total,) = self._db.execute("SELECT count(*) FROM block").fetchone()
        parent: tuple[bytes, Header] | None = None
        expected_number = 0
        for number, digest, encoded in self._rows("SELECT number, hash, header FROM block ORDER BY number"):
            where = f"block {number}"
            self._progress(self._report.blocks, total)
            self._report.blocks += 1
            if number != expected_number:
                gap = f"blocks {expected_number} to {number - 1} are missing"
                self._report.add(Finding(3, "fsck.gap", where, gap))
                parent = replay = None
            expected_number = number + 1
            block: tuple[bytes, Header] | None = None
            agreed = False
            with self._noting(3, where):
                block = check_header(number, digest, encoded)
                if number == 0:
                    agreed = self._check_first(genesis, block[1], replay)
                else:
                    self._check_link(genesis, parent, block[1])
                    agreed = replay is not None and self._check_body(replay, block[1])
            parent = block
            if agreed and block is not None and replay is not None:
                replay.follow(block[0])
                self._report.replayed += 1
                continue
            if replay is not None:
                message = "executing it again failed or disagreed: blocks from here on are not replayed"
                self._report.add(Finding(5, "fsck.stopped", where, message))
            replay = None
        self._check_head(parent)
        self._progress(total, total)

    def _check_head(self, last: tuple[bytes, Header] | None) -> None:
        row = self._db.execute("SELECT value FROM meta WHERE key = 'head'").fetchone()
        expected = None if last is None else last[1].number.to_bytes(8, "big") + last[0]
        if row is None or not isinstance(row[0], bytes) or row[0] != expected:
            _differ(3, self._report, "file", "record of the newest block", expected, None if row is None else row[0])

    def _check_first(self, genesis: Genesis, header: Header, replay: Replay | None) -> bool:
        if replay is None:
            return False
        expected = genesis.header(replay.state_root)
        if expected != header:
            _differ(2, self._report, "block 0", "header", expected.hash, header.hash)
            return False
        self._check_stored(0, replay.take_new())
        return True

    def _check_link(self, genesis: Genesis, parent: tuple[bytes, Header] | None, header: Header) -> None:
        """Check what a header owes to its parent; one finding for each field that is wrong."""
        if parent is None:
            return
        before = parent[1]
        expected = {
            "parent_hash": parent[0],
            "coinbase": genesis.coinbase,
            "gas_limit": genesis.gas_limit,
            "base_fee": next_base_fee(before),
            "mix_hash": keccak(parent[0]),
            "difficulty": 0,
            "extra_data": b"",
            "uncles_hash": before.uncles_hash,
            "withdrawals_root": before.withdrawals_root,
            "requests_hash": before.requests_hash,
            "beacon_root": before.beacon_root,
            "nonce": before.nonce,
            "blob_gas_used": 0,
            "excess_blob_gas": 0,
        }
        for name, value in expected.items():
            if getattr(header, name) != value:
                _differ(3, self._report, f"block {header.number}", name, value, getattr(header, name))
        if header.timestamp < before.timestamp:
            _differ(3, self._report, f"block {header.number}", "timestamp", f"≥ {before.timestamp}", header.timestamp)

    def _check_body(self, replay: Replay, header: Header) -> bool:
        """Execute a block again; whether it came out as stored."""
        where = f"block {header.number}"
        raws = self._list(header.transaction_root)
        stored = self._list(header.receipt_root)
        self._report.transactions += len(raws)
        try:
            done = replay.execute(header, raws)
        except VerificationFailed as error:
            self._report.add(_finding(4, where, error))
            return False
        agreed = self._compare(where, header, stored, done)
        for position, raw in enumerate(raws):
            self._check_place(keccak(raw), header.number, position)
        self._check_stored(header.number, done.new_values)
        return agreed

    def _compare(self, where: str, header: Header, stored: list[bytes], done: Replayed) -> bool:
        pairs: list[tuple[str, object, object]] = [
            ("transaction_root", done.transaction_root, header.transaction_root),
            ("receipt_root", done.receipt_root, header.receipt_root),
            ("state_root", done.state_root, header.state_root),
            ("bloom", done.bloom, int.from_bytes(header.bloom, "big")),
            ("gas_used", done.gas_used, header.gas_used),
        ]
        pairs += [
            (f"receipt {index}", expected, got)
            for index, (expected, got) in enumerate(zip(done.receipts, stored, strict=False))
        ]
        for what, expected, got in pairs:
            if expected != got:
                _differ(5, self._report, where, what, expected, got)
        return all(expected == got for _, expected, got in pairs)

    def _check_stored(self, number: int, values: dict[bytes, bytes]) -> None:
        """Check that what executing a block adds to the state is in the file, as executed."""
        for digest, value in values.items():
            row = self._db.execute("SELECT value FROM node WHERE hash = ?", (digest,)).fetchone()
            if row is None or row[0] != value:
                message = "state after this block needs a value that is " + ("missing" if row is None else "damaged")
                self._report.add(Finding(6, "fsck.state", f"block {number}", message, digest.hex()))

    # ---- 7, 8

    def _check_place(self, tx_hash: bytes, number: int, position: int) -> None:
        row = self._db.execute("SELECT block, position FROM tx WHERE hash = ?", (tx_hash,)).fetchone()
        if row != (number, position):
            _differ(
                7, self._report, f"transaction {tx_hash.hex()}", "index entry", (number, position), row or "no entry"
            )

    def _check_index(self) -> None:
        """Check the index from its own side: each entry must name a transaction that is there."""
        if self._report.replayed == self._report.blocks:
            (entries,) = self._db.execute("SELECT count(*) FROM tx").fetchone()
            if entries != self._report.transactions:
                _differ(7, self._report, "index", "number of entries", self._report.transactions, entries)
            return
        for tx_hash, number, position in self._rows("SELECT hash, block, position FROM tx"):
            with self._noting(7, f"transaction {_short(tx_hash)}"):
                row = self._db.execute("SELECT hash, header FROM block WHERE number = ?", (number,)).fetchone()
                if row is None or not isinstance(position, int) or position < 0:
                    raise VerificationFailed("fsck.index", "index points nowhere", got=_short((number, position)))
                root = check_header(number, *row)[1].transaction_root
                if keccak(lookup(self._node, root, encode(integer(position)))) != tx_hash:
                    raise VerificationFailed("fsck.index", "index points at something else", got=f"block {number}")

    def _check_values(self) -> None:
        for digest, value in self._rows("SELECT hash, value FROM node"):
            self._report.values += 1
            good = isinstance(digest, bytes) and isinstance(value, bytes)
            got = keccak(value) if good else b""
            if got != digest:
                name = digest.hex() if isinstance(digest, bytes) else repr(digest)[:80]
                message = "stored value does not match its hash"
                self._report.add(Finding(8, "fsck.value", f"value {name}", message, name, got.hex()))

    # ---- reading

    def _rows(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """Yield rows until SQLite finds damage, which becomes a finding."""
        try:
            yield from self._db.execute(sql)
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            self._report.add(Finding(1, "fsck.sqlite", "file", f"reading stopped: {error}"[:200]))

    def _list(self, root: bytes) -> list[bytes]:
        values: list[bytes] = []
        while value := lookup(self._node, root, encode(integer(len(values)))):
            values.append(value)
        return values

    def _node(self, digest: bytes) -> Node:
        row = self._db.execute("SELECT value FROM node WHERE hash = ?", (digest,)).fetchone()
        if row is None or not isinstance(row[0], bytes):
            raise VerificationFailed("chain.node", "a stored value is missing", expected=digest.hex())
        if keccak(row[0]) != digest:
            raise VerificationFailed(
                "chain.node", "a stored value does not match its hash", expected=digest.hex(), got=keccak(row[0]).hex()
            )
        return decode(row[0])

    @contextlib.contextmanager
    def _noting(self, check: int, where: str) -> Iterator[None]:
        """Turn what is raised inside into a finding."""
        try:
            yield
        except TallystickError as error:
            self._report.add(_finding(check, where, error))
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            self._report.add(Finding(1, "fsck.sqlite", where, f"could not be read: {error}"[:200]))


def _finding(check: int, where: str, error: TallystickError) -> Finding:
    return Finding(check, error.code, where, error.message, _short(error.expected), _short(error.got))


def _differ(check: int, report: FsckReport, where: str, what: str, expected: object, got: object) -> None:
    report.add(Finding(check, "fsck.differs", where, f"{what} is wrong", _short(expected), _short(got)))


def _short(value: object) -> str:
    if value is None:
        return ""
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= 160 else f"{text[:157]}..."


def _silent(done: int, total: int) -> None:
    """Nobody watches."""
