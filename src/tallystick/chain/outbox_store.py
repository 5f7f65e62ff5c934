"""The outbox's own SQLite file: rows, their attempts, the nonce counters, and every change of state.

The file is the authority on what this account has signed and is never rebuilt; it holds signed transactions but no
key. Each method is one SQL transaction; what a signature depends on is durable when it returns, what the chain will
tell again (sent, mined, final) is durable with the next such write. No rule lives here except those that SQL itself
keeps: keys unique per chain, nonces unique per chain and sender, a state left only from the state it was read in.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from tallystick.chain.accounts import SignedTransaction
from tallystick.chain.calls import Call
from tallystick.chain.facts import TxReceipt
from tallystick.chain.fees import Fees
from tallystick.chain.outbox_rows import (
    CANCELLED,
    DRAFTED,
    FAILED,
    REPLACED,
    SENT,
    SIGNED,
    Change,
    Row,
    digest_of,
    read_attempt,
    read_row,
    seal_of,
    write_arguments,
    write_receipt,
)
from tallystick.chain.outbox_schema import (
    APPLICATION_ID,
    SCHEMA_VERSION,
    SQLITE_TROUBLE,
    create_tables,
    damaged,
    disk_error,
    tables_of,
)
from tallystick.core.errors import Broken, InvalidInput, TallystickError, Unavailable
from tallystick.core.limits import OUTBOX_CHECK_BYTES_MAX, SQLITE_BUSY_S
from tallystick.store.write_ahead import turn_on_write_ahead


class OutboxStore:
    """The outbox file at `path`, created if absent; safe among threads and processes.

    raises  InvalidInput "outbox.file" for a file that is something else; VerificationFailed "outbox.damaged" for one
            that SQLite's own check finds damaged (files beyond 16 MiB are checked row by row as they are read);
            Broken "outbox.disk" when the disk fails
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = sqlite3.connect(path, timeout=SQLITE_BUSY_S, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise disk_error(error, path) from error
        self._db.row_factory = sqlite3.Row
        try:
            self._prepare()
        except BaseException as error:
            self._db.close()
            if isinstance(error, SQLITE_TROUBLE):
                raise disk_error(error, path) from error
            raise

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def bind_chain(self, chain_id: int, genesis: bytes) -> None:
        """Return if rows of this chain id were made on the chain with this first block, or none were made yet.

        raises  InvalidInput "outbox.other_chain"
        """
        with self._transaction() as db:
            db.execute("INSERT OR IGNORE INTO chains VALUES (?, ?)", (chain_id, genesis))
            known = db.execute("SELECT genesis FROM chains WHERE chain_id = ?", (chain_id,)).fetchone()[0]
        if known != genesis:
            raise InvalidInput(
                "outbox.other_chain",
                f"this outbox was used on another chain with id {chain_id}",
                expected="0x" + known.hex(),
                got="0x" + genesis.hex(),
                hint="the chain was started afresh; use a new workspace, or move the outbox file away",
            )

    def draft(self, chain_id: int, sender: str, key: str, call: Call, gas: int | None, now_s: float) -> Row:
        """Return the row under `key`, made now or earlier; one that failed and was never executed is drafted anew.

        raises  InvalidInput "outbox.key_reused" when the key stands for another call or sender
        """
        digest = digest_of(chain_id, sender, key, call)
        with self._transaction() as db:
            found = self._read("chain_id = ? AND key = ?", (chain_id, key))
            if not found:
                cursor = db.execute(
                    "INSERT INTO rows (chain_id, sender, key, call_digest, target, value, data, contract, function,"
                    " arguments, gas, state, changed_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'drafted', ?)",
                    (chain_id, sender, key, digest, call.to, str(call.value), call.data, call.contract, call.function,
                     write_arguments(call.arguments), gas, now_s),
                )  # fmt: skip
                row_id = int(cursor.lastrowid or 0)
                self._note(row_id, DRAFTED, "asked for", now_s)
            else:
                row = found[0]
                row_id = row.id
                if row.call_digest != digest:
                    raise InvalidInput(
                        "outbox.key_reused",
                        f"the idempotency key {key!r} stands for another call",
                        expected="0x" + row.call_digest.hex(),
                        got="0x" + digest.hex(),
                        hint="use a new key for a new call",
                    )
                if row.state == FAILED and (not row.attempts or row.error_code == CANCELLED):
                    self._move(row, DRAFTED, "asked for again", now_s, nonce=None)
                    db.execute("UPDATE rows SET gas = ? WHERE id = ?", (gas, row_id))
        return self.row(row_id)

    def sign(
        self,
        row: Row,
        nonce: int,
        signed: SignedTransaction,
        gas: int,
        fees: Fees,
        why: str,
        now_s: float,
        *,
        is_cancel: bool = False,
    ) -> Row:
        """Record the signed bytes as the row's next attempt, before they go anywhere.

        nonce      from `take_nonce`; for a better offer or a cancellation the row's own
        is_cancel  the bytes are not the row's call, but a transfer of nothing in its place
        raises     Unavailable "outbox.moved" when another process changed the row meanwhile

        Called inside `together`, so that nonce, counter and bytes are one SQL transaction.
        """
        number = len(row.attempts)
        self._db.execute(
            "INSERT INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
            (row.id, number, nonce, signed.hash, signed.raw, gas, str(fees.cap), str(fees.tip), fees.is_legacy,
             is_cancel, seal_of(row.id, number, nonce, signed.hash, gas, fees, is_cancel), now_s),
        )  # fmt: skip
        if not self._move(row, SIGNED, why, now_s, nonce=nonce):
            raise Unavailable("outbox.moved", f"row {row.id} was changed by another process", hint="try again")
        return self.row(row.id)

    @contextmanager
    def together(self, *, durable: bool = True) -> Iterator[None]:
        """Make every change within the block one SQL transaction: all of them, or none.

        durable  False spares the disk a flush where a power cut costs only another look at the chain
        """
        with self._transaction(durable=durable):
            yield

    def take_nonce(self, chain_id: int, sender: str, floor: int) -> int:
        """Return the next nonce of the sender and move its counter on; only inside `together`.

        floor  the sender's nonce in the newest block: where counting starts, and where it resumes if the key was
               used elsewhere
        """
        known = self._db.execute(
            "SELECT next_nonce FROM senders WHERE chain_id = ? AND sender = ?", (chain_id, sender)
        ).fetchone()
        nonce = floor if known is None else max(floor, int(known[0]))
        self._db.execute("INSERT OR REPLACE INTO senders VALUES (?, ?, ?)", (chain_id, sender, nonce + 1))
        return nonce

    def is_taken(self, chain_id: int, sender: str, nonce: int) -> bool:
        """Return whether a row of the sender has this nonce."""
        with self._transaction(write=False) as db:
            statement = "SELECT 1 FROM rows WHERE chain_id = ? AND sender = ? AND nonce = ?"
            return db.execute(statement, (chain_id, sender, nonce)).fetchone() is not None

    def record_sent(self, outcomes: Sequence[tuple[Row, str | None, bool]], now_s: float) -> None:
        """Record what came of handing rows' current attempts to the node: (row, objection or None, accepted)."""
        with self._transaction(durable=False) as db:
            for row, answer, accepted in outcomes:
                attempt = row.current
                if attempt is None:
                    raise Broken("outbox.no_attempt", f"row {row.id} was sent without an attempt")
                db.execute(
                    "UPDATE attempts SET sent_s = ?, answer = ? WHERE row_id = ? AND number = ?",
                    (now_s, answer, row.id, attempt.number),
                )
                if accepted and row.state in (SIGNED, REPLACED):
                    self._move(row, SENT, "the node has it", now_s, nonce=row.nonce)

    def move(
        self,
        row: Row,
        state: str,
        why: str,
        now_s: float,
        *,
        receipt: TxReceipt | None = None,
        error: TallystickError | None = None,
        frees_nonce: bool = False,
    ) -> Row:
        """Change the state of a row; nothing happens when another process changed it first. Returns what it is now.

        receipt      replaces the row's receipt, as the receipt of a row that is not in the chain is none
        frees_nonce  forget the row's nonce, which another transaction has for good
        """
        with self._transaction():
            self._move(row, state, why, now_s, receipt=receipt, error=error, nonce=None if frees_nonce else row.nonce)
        return self.row(row.id)

    def row(self, row_id: int) -> Row:
        """Return a row by its number; raise InvalidInput "outbox.no_row"."""
        return _only(self._read("id = ?", (row_id,)), f"number {row_id}")

    def row_of_key(self, chain_id: int, key: str) -> Row:
        """Return a row by its idempotency key; raise InvalidInput "outbox.no_row"."""
        return _only(self._read("chain_id = ? AND key = ?", (chain_id, key)), f"key {key!r}")

    def rows(self, chain_id: int, sender: str, states: Sequence[str], limit: int, *, newest: bool = False) -> list[Row]:
        """Return rows of one sender in these states: by nonce, then by age; or with `newest` the youngest first."""
        order = "id DESC" if newest else "nonce IS NULL, nonce, id"
        marks = ", ".join("?" * len(states))
        return self._read(
            f"chain_id = ? AND sender = ? AND state IN ({marks}) ORDER BY {order} LIMIT ?",
            (chain_id, sender, *states, limit),
        )

    def count(self, chain_id: int, sender: str, states: Sequence[str]) -> int:
        """Return how many rows of one sender are in these states."""
        marks = ", ".join("?" * len(states))
        with self._transaction(write=False) as db:
            statement = f"SELECT count(*) FROM rows WHERE chain_id = ? AND sender = ? AND state IN ({marks})"  # noqa: S608
            return int(db.execute(statement, (chain_id, sender, *states)).fetchone()[0])

    def changes(self, row_id: int) -> list[Change]:
        """Return every change of state of a row, oldest first."""
        with self._transaction(write=False) as db:
            found = db.execute("SELECT row_id, at_s, state, why FROM changes WHERE row_id = ? ORDER BY id", (row_id,))
            return [Change(*record) for record in found]

    def _prepare(self) -> None:
        turn_on_write_ahead(self._db, SQLITE_BUSY_S)
        self._db.execute("PRAGMA foreign_keys = ON")
        with self._transaction() as db:
            mark, version, tables = (
                db.execute(question).fetchone()[0]
                for question in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
            )
            if (mark, version, tables) == (0, 0, 0):
                create_tables(db)
                db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            elif (mark, version) != (APPLICATION_ID, SCHEMA_VERSION):
                raise InvalidInput(
                    "outbox.file",
                    f"{self.path} is not an outbox that this version reads",
                    expected=f"version {SCHEMA_VERSION}",
                    got=f"version {version}" if mark == APPLICATION_ID else "another program's database",
                )
            with closing(sqlite3.connect(":memory:")) as blank:
                create_tables(blank)
                if tables_of(db) != tables_of(blank):
                    raise damaged(self.path, "its tables are not an outbox's")
            if self.path.stat().st_size <= OUTBOX_CHECK_BYTES_MAX:
                verdict = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
                if verdict != "ok":
                    raise damaged(self.path, verdict)

    def _read(self, where: str, parameters: Sequence[object]) -> list[Row]:
        with self._transaction(write=False) as db:
            records = db.execute(f"SELECT * FROM rows WHERE {where}", parameters).fetchall()  # noqa: S608  our own text
            attempts = "SELECT * FROM attempts WHERE row_id = ? ORDER BY number"
            return [
                read_row(record, [read_attempt(one) for one in db.execute(attempts, (record["id"],))])
                for record in records
            ]

    @contextmanager
    def _transaction(self, *, write: bool = True, durable: bool = True) -> Iterator[sqlite3.Connection]:
        with self._lock:
            nested = self._db.in_transaction
            try:
                if not nested:
                    if write:
                        self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                    self._db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                yield self._db
                if not nested:
                    self._db.execute("COMMIT")
            except BaseException as error:
                if not nested and self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                if isinstance(error, SQLITE_TROUBLE):
                    raise disk_error(error, self.path) from error
                raise

    def _move(
        self,
        row: Row,
        state: str,
        why: str,
        now_s: float,
        *,
        nonce: int | None,
        receipt: TxReceipt | None = None,
        error: TallystickError | None = None,
    ) -> bool:
        changed = self._db.execute(
            "UPDATE rows SET state = ?, nonce = ?, receipt = ?, error_code = ?, error_message = ?, changed_s = ?"
            " WHERE id = ? AND state = ? AND nonce IS ?",
            (
                state,
                nonce,
                write_receipt(receipt),
                None if error is None else error.code,
                None if error is None else str(error),
                now_s,
                row.id,
                row.state,
                row.nonce,
            ),
        ).rowcount
        if changed:
            self._note(row.id, state, why, now_s)
        return bool(changed)

    def _note(self, row_id: int, state: str, why: str, now_s: float) -> None:
        self._db.execute(
            "INSERT INTO changes (row_id, at_s, state, why) VALUES (?, ?, ?, ?)", (row_id, now_s, state, why)
        )


def _only(rows: list[Row], what: str) -> Row:
    if not rows:
        raise InvalidInput("outbox.no_row", f"the outbox has no row of {what}")
    return rows[0]
