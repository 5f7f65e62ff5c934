"""Putting signed checkpoints on chain, one at a time, so that a crash or a reorganisation costs nothing but time.

1. Settle what was sent before: wait for it, notice that it was undone, or learn that it never left.
2. Read the anchored (size, root) at a block that will stay, and build the consistency proof from there.
3. Check again, against the log's files, that the checkpoint is one we journaled, that the entries hash to it, and that
   it extends what is anchored: a wrong size on chain could never be corrected.
4. Write down what is about to be sent, send it through the outbox, write down where it was mined.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Literal

from tallystick.chain.bindings.log_anchor import LogAnchor
from tallystick.chain.calls import BlockId, Call
from tallystick.chain.outbox import Outbox
from tallystick.chain.outbox_rows import FINAL, MINED, Row
from tallystick.core import merkle
from tallystick.core.checkpoint import Checkpoint
from tallystick.core.errors import InvalidInput, Rejected, Unavailable, VerificationFailed
from tallystick.core.limits import LOG_BATCH_ENTRIES_MAX, OUTBOX_WAIT_S
from tallystick.inference.anchoring.history import read_chain
from tallystick.inference.anchoring.records import (
    IN_FLIGHT,
    STANDING,
    AnchorJournal,
    AnchorRecord,
    AnchorState,
    read_anchors,
)
from tallystick.inference.log.exporting import log_prefix
from tallystick.inference.log.files import Files
from tallystick.inference.log.journal import parse_head
from tallystick.inference.log.reader import LogReader
from tallystick.store.blobs import BlobStore

Settle = Literal["final", "mined"]


class Anchorer:
    """Anchors one log on one contract. Safe in many threads and processes: one anchors, the others wait or are told.

    reader   the log; its writer may be running elsewhere
    outbox   sends from the log's owner or its anchorer
    settle   "final": build on the state at a finalized block and wait until what was sent before is final.
             "mined": build on the newest state; for chains without finality, or by the operator's choice
    blobs    where to publish `anchors/<n>.json`, if anywhere
    """

    def __init__(
        self,
        reader: LogReader,
        outbox: Outbox,
        contract: str,
        log_id: int,
        *,
        settle: Settle = "final",
        blobs: BlobStore | None = None,
        timeout_s: float = OUTBOX_WAIT_S,
        files: Files | None = None,
    ) -> None:
        self._reader = reader
        self._outbox = outbox
        self._node = outbox.node
        self._contract = LogAnchor(outbox.node, contract)
        self._address = contract
        self._log_id = log_id
        self._settle_at = settle
        self._blobs = blobs
        self._timeout_s = timeout_s
        self._files = files or Files()
        self._journal = AnchorJournal(self._files, reader.folder)
        self._thread_lock = threading.Lock()

    def __call__(self, checkpoint: bytes) -> Mapping[str, str | int]:
        """Anchor a checkpoint and return what to show for it."""
        record = self.anchor(checkpoint)
        if record is None:
            return {"log_id": self._log_id, "size": parse_head(checkpoint).size, "state": "anchored by another"}
        return {
            "chain_id": record.chain_id,
            "contract": record.contract,
            "log_id": record.log_id,
            "size": record.size,
            "state": record.state.value,
            "transaction": record.transaction.hex(),
            "block": record.block,
        }

    def anchor(self, checkpoint: bytes | None = None) -> AnchorRecord | None:
        """Make a signed checkpoint, by default the latest, the log's anchored state; None if another account did.

        raises  Unavailable "anchor.unsettled", "outbox.waiting", "anchor.locked" and those of the node: call again;
                Rejected with the contract's reason; InvalidInput "anchor.unsigned", "anchor.empty",
                "anchor.unjournaled";
                VerificationFailed "anchor.behind", "anchor.fork", "anchor.root" when log and chain contradict
        """
        with self._locked():
            self._settle()
            note = checkpoint if checkpoint is not None else self._reader.checkpoint()
            if note is None:
                raise InvalidInput("anchor.unsigned", "the log has no checkpoint yet", hint="sign one first")
            self._check_journaled(note)
            head = parse_head(note)
            if head.size == 0:
                raise InvalidInput("anchor.empty", "an empty log cannot be anchored", hint="append an entry first")
            old_size, old_root = self._base()
            if head.size == old_size and head.root == old_root:
                standing = [record for record in self.records() if record.state in STANDING]
                return standing[-1] if standing and standing[-1].size == head.size else None
            return self._send(self._prepare(note, head, old_size, old_root))

    def settle(self) -> None:
        """Bring the journal up to what the chain says now; raise Unavailable while that is undecided."""
        with self._locked():
            self._settle()

    def records(self) -> list[AnchorRecord]:
        """Return the latest record of each attempt, oldest first."""
        return read_anchors(self._reader.folder)

    def publish(self, blobs: BlobStore) -> int:
        """Write `anchors/<n>.json` for every anchor that stands; return how many."""
        standing = [record for record in self.records() if record.state in STANDING]
        for record in standing:
            _publish(blobs, self._reader.origin, record)
        return len(standing)

    # --- what was sent before

    def _settle(self) -> None:
        records = self.records()
        if not records or records[-1].state not in (*IN_FLIGHT, AnchorState.MINED):
            return
        record = records[-1]
        row = self._row(record)
        if row is None:
            self._journal.append(record.moved(AnchorState.DROPPED))
            return
        if record.state is AnchorState.MINED:
            self._outbox.work()
            row = self._outbox.row(record.key)
            if row.receipt is not None and row.state in (MINED, FINAL) and row.receipt.block_hash == record.block_hash:
                if row.state == FINAL:
                    self._journal.append(record.moved(AnchorState.FINAL))
                return
            record = self._journal.append(record.moved(AnchorState.LOST))
        with suppress(Rejected):  # written down; a new attempt starts from what is anchored now
            self._await(record, row)

    def _row(self, record: AnchorRecord) -> Row | None:
        try:
            return self._outbox.row(record.key)
        except InvalidInput as error:
            if error.code != "outbox.no_row":
                raise
            return None

    def _await(self, record: AnchorRecord, row: Row) -> AnchorRecord:
        """Wait until the row is mined, and write down where; a refusal is written down and raised."""
        try:
            receipt = self._outbox.wait(row, self._timeout_s)
        except Rejected:
            self._journal.append(record.moved(AnchorState.REFUSED))
            raise
        mined = record.mined_in(receipt.transaction_hash, receipt.block_number, receipt.block_hash)
        mined = self._journal.append(mined)
        if self._blobs is not None:
            _publish(self._blobs, self._reader.origin, mined)
        return mined

    # --- what is to be sent

    def _base(self) -> tuple[int, bytes]:
        """Return the anchored (size, root) to build on.

        raises  Unavailable "anchor.unsettled" while a later anchor is not final yet
        """
        newest = self._contract.latest(self._log_id)[:2]
        final = self._node.finalized() if self._settle_at == "final" else None
        if final is None:
            return newest
        at: BlockId = final.hash
        settled = self._contract.latest(self._log_id, at=at)[:2]
        if settled != newest:
            raise Unavailable(
                "anchor.unsettled",
                "the last anchor is not final yet",
                expected=f"size {newest[0]} at a final block",
                got=settled[0],
                hint="try again later",
            )
        return settled

    def _check_journaled(self, note: bytes) -> None:
        if note != self._reader.checkpoint() and note not in self._reader.checkpoints():
            raise InvalidInput("anchor.unjournaled", "the log did not sign this checkpoint")

    def _prepare(self, note: bytes, head: Checkpoint, old_size: int, old_root: bytes) -> tuple[AnchorRecord, Call]:
        """Return what to write down and what to send, after checking both against the log's own files."""
        if head.size <= old_size:
            code = "anchor.fork" if head.size == old_size else "anchor.behind"
            message = "the chain has another root at this size" if code == "anchor.fork" else "the chain is ahead"
            raise VerificationFailed(code, message, expected=f"{old_size} {old_root.hex()}", got=head.body)
        proof = self._reader.consistency(old_size, head.size)
        if old_size:
            merkle.verify_consistency(old_size, head.size, old_root, head.root, proof)
        self._check_entries(old_size, head)
        records = self.records()
        attempt = len(records)
        key = f"anchor {self._address} {self._log_id} {old_size}-{head.size} {attempt}"
        record = AnchorRecord(
            self._number(records, old_size),
            attempt,
            AnchorState.INTENT,
            key,
            self._node.chain_id,
            self._address,
            self._log_id,
            old_size,
            head.size,
            head.root,
            note,
        )
        return record, self._contract.anchor(self._log_id, head.size, head.root, proof)

    def _number(self, records: list[AnchorRecord], old_size: int) -> int:
        """Return which anchor of the log the next one is: after our own last one, or, where others anchored too, after
        all that the chain has."""
        standing = [record for record in records if record.state in STANDING]
        if standing and standing[-1].size == old_size:
            return standing[-1].number + 1
        return len(read_chain(self._node, self._address, self._log_id).anchors) if old_size else 0

    def _check_entries(self, old_size: int, head: Checkpoint) -> None:
        """Return if the entries since the last anchor, read from the write-ahead log, lead to the checkpoint's root."""
        for start in range(old_size, head.size, LOG_BATCH_ENTRIES_MAX):
            self._reader.entries(start, min(head.size, start + LOG_BATCH_ENTRIES_MAX))
        got = self._reader.root(head.size)
        if got != head.root:
            raise VerificationFailed(
                "anchor.root", "the log is not what its checkpoint says", expected=head.root.hex(), got=got.hex()
            )

    def _send(self, prepared: tuple[AnchorRecord, Call]) -> AnchorRecord:
        record, call = prepared
        self._journal.append(record)
        return self._await(record, self._outbox.send(call, key=record.key))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._thread_lock:
            fd = self._files.open(self._reader.folder / "anchor.lock", os.O_RDWR | os.O_CREAT)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield
            except BlockingIOError:
                raise Unavailable("anchor.locked", "another process is anchoring this log") from None
            finally:
                os.close(fd)


def _publish(blobs: BlobStore, origin: str, record: AnchorRecord) -> None:
    blobs.write_named(f"{log_prefix(origin)}/anchors/{record.number}.json", record.to_file())
