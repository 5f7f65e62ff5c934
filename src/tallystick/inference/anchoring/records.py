"""The anchor journal: what was about to be sent, what was mined, and in which block, durable before each step.

`anchors` in the log's folder holds one canonical JSON document per change of state, framed as the checkpoint journal
is. `anchors/<n>.json` beside the exported tiles tells others where on chain to look; nothing in it is to be trusted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from tallystick.core import canonical, documents
from tallystick.core.errors import Broken, InvalidInput, VerificationFailed
from tallystick.core.limits import NOTE_BYTES_MAX, TREE_SIZE_MAX
from tallystick.inference.log.files import Files, sync_all, sync_data, sync_folder, write_all
from tallystick.inference.log.journal import MAGIC, decode_records, encode_record

ANCHORS = "anchors"
KIND = "tallystick/anchor/v1"

_JOURNALED = ("attempt", "key", "state")
_PUBLISHED = (
    "block",
    "block_hash",
    "chain_id",
    "checkpoint",
    "contract",
    "kind",
    "log_id",
    "number",
    "old_size",
    "root",
    "size",
    "transaction",
)


class AnchorState(StrEnum):
    """How far an anchor has come. `LOST` was mined and a reorganisation undid it; the outbox sends it again."""

    INTENT = "intent"
    MINED = "mined"
    FINAL = "final"
    LOST = "lost"
    REFUSED = "refused"
    DROPPED = "dropped"  # the process died before anything was sent


IN_FLIGHT = frozenset({AnchorState.INTENT, AnchorState.LOST})
STANDING = frozenset({AnchorState.MINED, AnchorState.FINAL})


@dataclass(frozen=True)
class AnchorRecord:
    """One anchor of one log.

    number       which anchor of the log it is on chain, from 0
    attempt      counts what was tried, from 0; part of the idempotency key
    key          the outbox's idempotency key
    checkpoint   the signed note whose (size, root) is anchored
    transaction  hash, with block number and block hash once mined; else empty and 0
    """

    number: int
    attempt: int
    state: AnchorState
    key: str
    chain_id: int
    contract: str
    log_id: int
    old_size: int
    size: int
    root: bytes
    checkpoint: bytes
    transaction: bytes = b""
    block: int = 0
    block_hash: bytes = b""

    def moved(self, state: AnchorState) -> AnchorRecord:
        """Return the record in another state."""
        return replace(self, state=state)

    def mined_in(self, transaction: bytes, block: int, block_hash: bytes) -> AnchorRecord:
        """Return the record as mined there."""
        return replace(self, state=AnchorState.MINED, transaction=transaction, block=block, block_hash=block_hash)

    def to_file(self) -> bytes:
        """Return the content of `anchors/<number>.json`."""
        return canonical.encode(self._published())

    def to_bytes(self) -> bytes:
        """Return the journal's document."""
        extra = {"attempt": self.attempt, "key": self.key, "state": self.state.value}
        return canonical.encode({**self._published(), **extra})

    @classmethod
    def from_bytes(cls, data: bytes) -> AnchorRecord:
        """Read the journal's document; raise InvalidInput when malformed."""
        found = documents.members(canonical.decode(data, "anchor"), "anchor", (*_PUBLISHED, *_JOURNALED))
        state = documents.text(found["state"], "state", 16)
        if state not in AnchorState.__members__.values():
            raise InvalidInput("anchor.state", "unknown state", got=ascii(state))
        attempt = documents.integer(found["attempt"], "attempt")
        key = documents.text(found["key"], "key")
        return _read(found, attempt, AnchorState(state), key)

    def _published(self) -> dict[str, object]:
        return {
            "block": self.block,
            "block_hash": self.block_hash.hex(),
            "chain_id": self.chain_id,
            "checkpoint": self.checkpoint.decode("utf-8"),
            "contract": self.contract,
            "kind": KIND,
            "log_id": str(self.log_id),
            "number": self.number,
            "old_size": self.old_size,
            "root": self.root.hex(),
            "size": self.size,
            "transaction": self.transaction.hex(),
        }


def read_anchor_file(data: bytes) -> AnchorRecord:
    """Read an exported `anchors/<n>.json`; nothing in it is verified.

    raises  InvalidInput when malformed
    """
    found = documents.members(canonical.decode(data, "anchor file"), "anchor file", _PUBLISHED)
    return _read(found, 0, AnchorState.MINED, "")


def read_anchors(folder: Path) -> list[AnchorRecord]:
    """Return the latest record of each attempt in a log's anchor journal, oldest first; [] where there is none.

    raises  VerificationFailed "anchor.journal"
    """
    latest: dict[int, AnchorRecord] = {}
    try:
        for record in _records(folder):
            latest[record.attempt] = record
    except FileNotFoundError:
        return []
    return [latest[attempt] for attempt in sorted(latest)]


class AnchorJournal:
    """Appends to the anchor journal; one writer at a time, see `Anchorer`."""

    def __init__(self, files: Files, folder: Path) -> None:
        self._files = files
        self._folder = folder

    def append(self, record: AnchorRecord) -> AnchorRecord:
        """Keep a record, durably, and return it.

        raises  Broken "anchor.write" or "log.sync"
        """
        path = self._folder / ANCHORS
        is_new = not path.exists()
        try:
            fd = self._files.open(path, os.O_RDWR | os.O_CREAT)
            try:
                good = _good_bytes(path)
                if os.fstat(fd).st_size != good:  # a record that was being written when the process died
                    self._files.truncate(fd, good)
                    sync_all(self._files, fd)
                write_all(self._files, fd, encode_record(record.to_bytes()), good)
                sync_data(self._files, fd)
            finally:
                os.close(fd)
        except OSError as error:
            raise Broken("anchor.write", "the anchor journal cannot be written", got=str(error)) from error
        if is_new:
            sync_folder(self._files, self._folder)
        return record


def _records(folder: Path) -> Iterator[AnchorRecord]:
    with (folder / ANCHORS).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        good = _good_bytes(folder / ANCHORS)
        for after, document in decode_records(file):
            try:
                yield AnchorRecord.from_bytes(document)
            except InvalidInput as error:
                raise VerificationFailed("anchor.journal", f"the anchor journal is damaged: {error}") from None
            if after == good and good != size:
                return


def _good_bytes(path: Path) -> int:
    """Return where the good records end.

    raises  VerificationFailed "anchor.journal" when another record follows the first fault: only the last may be torn
    """
    good = 0
    with path.open("rb") as file:
        try:
            for after, _ in decode_records(file):
                good = after
        except InvalidInput as fault:
            file.seek(good + 1)
            if MAGIC in file.read():
                raise VerificationFailed("anchor.journal", f"the anchor journal is damaged: {fault}") from None
    return good


def _read(found: dict[str, object], attempt: int, state: AnchorState, key: str) -> AnchorRecord:
    if found["kind"] != KIND:
        raise InvalidInput("anchor.kind", "not an anchor", expected=KIND, got=str(found["kind"])[:80])
    return AnchorRecord(
        documents.integer(found["number"], "number"),
        attempt,
        state,
        key,
        documents.integer(found["chain_id"], "chain_id"),
        documents.text(found["contract"], "contract", 42),
        documents.decimal(found["log_id"], "log_id"),
        documents.integer(found["old_size"], "old_size", 0, TREE_SIZE_MAX),
        documents.integer(found["size"], "size", 0, TREE_SIZE_MAX),
        documents.digest(found["root"], "root"),
        documents.text(found["checkpoint"], "checkpoint", NOTE_BYTES_MAX).encode("utf-8"),
        documents.hexed(found["transaction"], "transaction", 32),
        documents.integer(found["block"], "block"),
        documents.hexed(found["block_hash"], "block_hash", 32),
    )
