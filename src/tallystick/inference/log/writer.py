"""The log itself: entries go in from any thread or task, and each comes back as a durable index.

One thread does all the writing. It takes what has gathered, at most 4,096 entries, hashes it, writes one frame, asks
for one `fdatasync`, and only then tells anyone an index. A full disk refuses new entries until there is room again; a
failed sync stops the log for good, because what is on the disk is then unknown. Read `recovery` for how it starts.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallystick.core import merkle
from tallystick.core.checkpoint import Checkpoint, sign_checkpoint
from tallystick.core.errors import Broken, InvalidInput, TallystickError, Unavailable
from tallystick.core.limits import (
    ENTRY_BYTES_MAX,
    LOG_BATCH_BYTES_MAX,
    LOG_BATCH_ENTRIES_MAX,
    LOG_BODY_BYTES_MAX,
    LOG_LINGER_S,
    LOG_QUEUE_BATCHES_MAX,
    LOG_RETRY_S,
    LOG_SEGMENT_BYTES,
    LOG_WATERMARK_ENTRIES,
)
from tallystick.inference.log.files import FULL, VOLATILE, Files, file_system, replace_file, sync_folder
from tallystick.inference.log.frames import FRAME_HEADER_BYTES
from tallystick.inference.log.journal import Journal, parse_head
from tallystick.inference.log.levels import OFFSETS, LevelFiles, Tree
from tallystick.inference.log.marks import DurableSize, Identity, Lock
from tallystick.inference.log.pending import Batch, Pending
from tallystick.inference.log.reader import BODIES_FOLDER, BODY_OFFSETS, ENTRIES_FOLDER, LogReader
from tallystick.inference.log.recovery import Parts, Recovered, recover, write_watermark
from tallystick.inference.log.wal import (
    BODY_PREFIX_BYTES,
    ENTRY_PREFIX_BYTES,
    Position,
    WalWriter,
    list_segments,
    offset_marks,
)

_WRITING, _IDLE, _LINGERING = range(3)  # what the writer thread waits for

_LAST_OFFSET = LOG_BATCH_ENTRIES_MAX - 1
_SMALL_BYTES = LOG_BATCH_BYTES_MAX // LOG_BATCH_ENTRIES_MAX  # a batch of such entries is bounded by their number alone

_SEALED_BY_MANY = 3  # batches that one `append_many` may fill: two by count, one more by bytes

_BUSY_ENTRIES = 64  # a batch this large means many producers: waiting for more then saves syncs and costs no one


class Log:
    """A durable, append-only Merkle log with one writer. Use `Log.open`; close it, or use it in `with`.

    reader     reads entries, tiles and proofs, up to the durable size
    recovered  what opening found
    keeps_bodies  whether bodies are kept beside the entries
    """

    def __init__(
        self, parts: Parts, lock: Lock, journal: Journal, recovered: Recovered, key: Ed25519PrivateKey | None
    ) -> None:
        self._parts = parts
        self._file_lock = lock
        self._journal = journal
        self._key = key
        self._tree = recovered.tree  # durable; replaced, never changed
        self._marked = recovered.tree.size
        self._marking: threading.Thread | None = None
        self.recovered = recovered
        self._durable = DurableSize(parts.files, parts.folder)
        self._durable.publish(self._tree.size)
        self.reader = LogReader(parts.folder)
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._signing = threading.Lock()
        self._open = Batch()
        self._opened_s = 0.0
        self._sealed: deque[Batch] = deque()
        self._writing: Batch | None = None
        self._waiting = _WRITING
        self.keeps_bodies = parts.bodies is not None
        self._mark_fault: Broken | None = None
        self._closing = False
        self._refusal: TallystickError | None = None
        self._retry_s = 0.0  # when a full disk may be tried again; 0 while the refusal is final or there is none
        self._thread = threading.Thread(target=self._run, name=f"log {parts.identity.origin}", daemon=True)
        self._thread.start()

    @classmethod
    def open(
        cls,
        folder: Path,
        origin: str | None = None,
        *,
        key: Ed25519PrivateKey | None = None,
        bodies: bool = False,
        volatile: bool = False,
        segment_bytes: int = LOG_SEGMENT_BYTES,
        files: Files | None = None,
    ) -> Log:
        """Open the log in `folder` for writing, creating it when `origin` is given and there is none.

        origin    schema-less URL that names the log and its key, such as `example.com/log`
        key       Ed25519 key that signs checkpoints; without it `checkpoint()` refuses
        bodies    for a new log: keep bodies beside the entries
        volatile  for a new log: accept a file system in memory, where nothing survives a power cut
        raises    InvalidInput "log.none", "log.origin", "log.volatile"; Unavailable "log.locked";
                  VerificationFailed "log.corrupt", "log.short", "log.rollback", "journal.damaged"; Broken "log.sync"
        """
        files = files or Files()
        if origin is not None:
            Checkpoint(origin, 0, merkle.EMPTY_ROOT)
            folder.mkdir(parents=True, exist_ok=True)
        elif not folder.is_dir():
            raise InvalidInput("log.none", f"no log in {folder}", hint="create one with its origin")
        lock = Lock(files, folder)
        try:
            identity = _identify(files, folder, origin, bodies, volatile)
            parts = _parts(files, folder, identity, lock.epoch, segment_bytes)
            journal = Journal(files, folder)
            return cls(parts, lock, journal, recover(parts, journal.last), key)
        except OSError as error:
            lock.release()
            raise Broken("log.open", f"the log in {folder} cannot be opened", got=str(error)) from error
        except BaseException:
            lock.release()
            raise

    @property
    def origin(self) -> str:
        """The log's origin."""
        return self._parts.identity.origin

    @property
    def size(self) -> int:
        """How many entries are durable."""
        return self._tree.size

    def append(self, entry: bytes, body: bytes = b"") -> Pending:
        """Take an entry; the result is its index once it is durable. Never blocks.

        body    kept beside the entry, outside the tree, in a log made with `bodies`
        raises  InvalidInput "log.entry", "log.body"; Unavailable "log.busy", "log.full", "log.closed"; Broken
        """
        if type(entry) is not bytes or len(entry) > ENTRY_BYTES_MAX:
            raise _bad_entry(entry)
        if body:
            self._check_body(body)
        with self._lock:
            if self._refusal is not None:
                self._refuse()
            # The next lines are `_put`, written out: a call costs as much as all of them.
            batch = self._open
            entries = batch.entries
            offset = len(entries)
            entries.append(entry)
            if not 0 < offset < _LAST_OFFSET or len(entry) > _SMALL_BYTES or self.keeps_bodies:
                self._advance(batch, offset, entry, body)
        return Pending(batch, offset)

    def append_many(self, entries: Sequence[bytes]) -> list[Pending]:
        """Take up to 4,096 entries at once, all of them or none; they get consecutive indices.

        raises  as `append` does
        """
        if len(entries) > LOG_BATCH_ENTRIES_MAX or sum(map(len, entries)) > LOG_BATCH_BYTES_MAX:
            raise InvalidInput(
                "log.entry", "too much at once", expected=f"{LOG_BATCH_ENTRIES_MAX} entries", got=len(entries)
            )
        for entry in entries:
            if type(entry) is not bytes or len(entry) > ENTRY_BYTES_MAX:
                raise _bad_entry(entry)
        with self._lock:
            if self._refusal is not None:
                self._refuse()
            if len(self._sealed) + _SEALED_BY_MANY > LOG_QUEUE_BATCHES_MAX:
                raise _busy()
            return [self._put(entry, b"") for entry in entries]

    def checkpoint(self) -> bytes:
        """Return a signed checkpoint of the durable log, kept in the journal before anyone sees it.

        Nothing is signed anew while nothing has changed.

        raises  InvalidInput "log.key" without a key; Unavailable "log.full"; Broken
        """
        key = self._key
        if key is None:
            raise InvalidInput("log.key", "the log was opened without a signing key")
        with self._signing:
            tree = self._tree
            head = Checkpoint(self.origin, tree.size, tree.root())
            note = sign_checkpoint(head, key).to_bytes()
            last = self._journal.last
            if last == note:
                return note
            if last is not None:
                _check_extends(parse_head(last), head, self.reader)
            self._check_writable()
            try:
                self._journal.append(note)
            except OSError as error:
                raise Broken("log.journal", "the checkpoint journal cannot be written", got=str(error)) from error
            return note

    def stats(self) -> dict[str, int | str]:
        """Return figures about the log: sizes, files, the file system and how often data was synced."""
        folder = self._parts.folder
        segments = [folder / ENTRIES_FOLDER / f"{first:020d}.wal" for first in list_segments(folder / ENTRIES_FOLDER)]
        return {
            "origin": self.origin,
            "size": self.size,
            "signed_size": parse_head(self._journal.last).size if self._journal.last else 0,
            "epoch": self._file_lock.epoch,
            "segments": len(segments),
            "wal_bytes": sum(path.stat().st_size for path in segments),
            "file_system": file_system(folder),
            "data_syncs": self._parts.files.syncs,
        }

    def close(self) -> None:
        """Finish what was taken, note a clean end, and give the lock back."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            self._arrived.notify()
        self._thread.join()
        if self._marking is not None:
            self._marking.join()
        try:
            if not isinstance(self._refusal, Broken):
                write_watermark(self._parts, self._tree, True, self._places())
        except OSError as error:
            if error.errno not in FULL:
                raise Broken("log.watermark", "the watermark cannot be written", got=str(error)) from error
        finally:
            self._release()

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _put(self, entry: bytes, body: bytes) -> Pending:
        batch = self._open
        offset = len(batch.entries)
        batch.entries.append(entry)
        self._advance(batch, offset, entry, body)
        return Pending(batch, offset)

    def _advance(self, batch: Batch, offset: int, entry: bytes, body: bytes) -> None:
        """Count what was put into the open batch, seal it when full, wake the writer if it sleeps. Holds the lock."""
        if self.keeps_bodies:
            batch.bodies.append(body)
            batch.bytes += len(body)
        if len(entry) > _SMALL_BYTES:
            batch.bytes += len(entry)
        if offset == 0:
            self._opened_s = time.monotonic()
            if self._waiting == _IDLE:
                self._arrived.notify()
        if offset >= _LAST_OFFSET or batch.bytes >= LOG_BATCH_BYTES_MAX:
            self._seal(batch)

    def _seal(self, batch: Batch) -> None:
        self._sealed.append(batch)
        self._open = Batch()
        if len(self._sealed) >= LOG_QUEUE_BATCHES_MAX and self._refusal is None:
            self._refusal = _busy()
        if self._waiting == _LINGERING:
            self._arrived.notify()

    def _check_body(self, body: bytes) -> None:
        if not self.keeps_bodies:
            raise InvalidInput("log.body", "this log keeps no bodies")
        if type(body) is not bytes or len(body) > LOG_BODY_BYTES_MAX:
            raise InvalidInput("log.body", "body is too large", expected=f"≤ {LOG_BODY_BYTES_MAX}", got=len(body))

    def _refuse(self) -> None:
        """Raise the refusal, unless a full disk may be tried again. Holds the lock."""
        refusal = self._refusal
        if self._closing:
            refusal = Unavailable("log.closed", "the log is closed")
        elif self._retry_s and time.monotonic() >= self._retry_s:
            self._refusal, self._retry_s = None, 0.0
            return
        if refusal is not None:
            raise type(refusal)(refusal.code, refusal.message, got=refusal.got, hint=refusal.hint)

    def _check_writable(self) -> None:
        if isinstance(self._refusal, Broken) or self._closing:
            with self._lock:
                self._refuse()

    def _run(self) -> None:
        busy = False
        try:
            while (batch := self._take(busy)) is not None:
                busy = len(batch.entries) >= _BUSY_ENTRIES
                self._writing = batch
                self._commit(batch)
        except Broken as error:
            self._stop(error)
        except BaseException as error:  # noqa: BLE001  whatever it is, nobody may wait for ever
            broken = Broken("log.writer", "the log's writer failed", got=repr(error)[:200])
            broken.__cause__ = error
            self._stop(broken)

    def _take(self, busy: bool) -> Batch | None:
        """Return the next batch: at once when one is full, else when entries have come, lingering if many come."""
        with self._lock:
            while True:
                if self._mark_fault is not None:
                    raise self._mark_fault
                if self._sealed:
                    batch = self._sealed.popleft()
                    if self._refusal is not None and self._refusal.code == "log.busy":
                        self._refusal = None
                    return batch
                if self._open.entries:
                    left_s = self._opened_s + LOG_LINGER_S - time.monotonic() if busy and not self._closing else 0
                    if left_s <= 0:
                        batch, self._open = self._open, Batch()
                        return batch
                    self._wait(_LINGERING, left_s)
                elif self._closing:
                    return None
                else:
                    self._wait(_IDLE, None)

    def _wait(self, waiting: int, seconds: float | None) -> None:
        self._waiting = waiting
        self._arrived.wait(seconds)
        self._waiting = _WRITING

    def _commit(self, batch: Batch) -> None:
        """Make one batch durable, then tell its waiters; or refuse it whole when the disk is full."""
        parts, first = self._parts, self._tree.size
        leaves = merkle.leaf_hashes(batch.entries)
        growth = self._tree.grow(leaves)
        try:
            parts.levels.write(growth)
            if parts.bodies is not None:
                at = parts.bodies.append(first, batch.bodies)
                self._index(BODY_OFFSETS, first, batch.bodies, BODY_PREFIX_BYTES, at)
            at = parts.entries.append(first, batch.entries)
            self._index(OFFSETS, first, batch.entries, ENTRY_PREFIX_BYTES, at)
        except OSError as error:
            self._write_failed(batch, error)
            return
        if parts.bodies is not None:
            parts.bodies.sync()
        parts.entries.sync()
        self._tree = growth.tree
        self._publish()
        batch.resolve(first, leaves)
        if self._tree.size - self._marked >= LOG_WATERMARK_ENTRIES:
            self._mark_soon()

    def _index(self, name: str, first: int, items: Sequence[bytes], prefix_bytes: int, at: Position) -> None:
        marks = offset_marks(first, items, prefix_bytes, at.offset + FRAME_HEADER_BYTES)
        self._parts.levels.mark(name, marks, at.offset)

    def _publish(self) -> None:
        try:
            self._durable.publish(self._tree.size)
        except OSError as error:
            raise Broken("log.size", "the durable size cannot be published", got=str(error)) from error

    def _write_failed(self, batch: Batch, error: OSError) -> None:
        """Cut the files back to their last good frame; refuse this batch and all that wait behind it."""
        if error.errno not in FULL:
            raise Broken("log.write", "the log cannot be written", got=str(error)) from error
        try:
            for wal in (self._parts.bodies, self._parts.entries):
                if wal is not None:
                    wal.cut_back()
        except OSError as again:
            raise Broken("log.write", "a failed write cannot be undone", got=str(again)) from again
        full = Unavailable(
            "log.full", "no space left for the log", got=os.strerror(error.errno or errno.ENOSPC), hint="retry later"
        )
        self._fail_all(batch, full, time.monotonic() + LOG_RETRY_S)

    def _fail_all(self, batch: Batch | None, error: TallystickError, retry_s: float) -> None:
        with self._lock:
            self._refusal, self._retry_s = error, retry_s
            failed = [batch] if batch is not None else []
            failed += [*self._sealed, self._open]
            self._sealed.clear()
            self._open = Batch()
        for each in failed:
            if not each.done:
                each.fail(error)

    def _stop(self, error: Broken) -> None:
        self._fail_all(self._writing, error, 0.0)

    def _mark_soon(self) -> None:
        """Write a watermark beside the hot path; one at a time."""
        if self._marking is not None and self._marking.is_alive():
            return
        self._marked = self._tree.size
        work = (self._tree, self._places())
        self._marking = threading.Thread(target=self._mark, args=work, name="log watermark", daemon=True)
        self._marking.start()

    def _mark(self, tree: Tree, places: tuple[Position, Position]) -> None:
        try:
            write_watermark(self._parts, tree, False, places)
        except OSError as error:
            if error.errno not in FULL:
                self._mark_failed(Broken("log.watermark", "the watermark cannot be written", got=str(error)))
        except Broken as error:
            self._mark_failed(error)

    def _mark_failed(self, fault: Broken) -> None:
        """Let the writer stop with this fault; it alone resolves batches."""
        with self._lock:
            self._mark_fault = fault
            self._arrived.notify()

    def _places(self) -> tuple[Position, Position]:
        bodies = self._parts.bodies
        return self._parts.entries.position, bodies.position if bodies is not None else Position(0, 0)

    def _release(self) -> None:
        self.reader.close()
        self._durable.close()
        self._journal.close()
        self._parts.entries.close()
        if self._parts.bodies is not None:
            self._parts.bodies.close()
        self._parts.levels.close()
        self._file_lock.release()


def _identify(files: Files, folder: Path, origin: str | None, bodies: bool, volatile: bool) -> Identity:
    """Return the log's identity, writing it for a new log."""
    path = folder / "log.json"
    if path.exists() or origin is None:
        identity = Identity.read(folder)
        if origin is not None and origin != identity.origin:
            raise InvalidInput("log.origin", "the folder holds another log", expected=origin, got=identity.origin)
    else:
        identity = Identity(origin, bodies, volatile)
    kind = file_system(folder)
    if kind in VOLATILE and not identity.volatile:
        raise InvalidInput(
            "log.volatile", f"{folder} is in memory, so nothing there is durable", got=kind, hint="choose a disk"
        )
    if not path.exists():
        for name in (ENTRIES_FOLDER, BODIES_FOLDER) if bodies else (ENTRIES_FOLDER,):
            (folder / name).mkdir(exist_ok=True)
        replace_file(files, path, (identity.to_bytes(),))
        sync_folder(files, folder.parent)
    return identity


def _parts(files: Files, folder: Path, identity: Identity, epoch: int, segment_bytes: int) -> Parts:
    entries = WalWriter(files, folder / ENTRIES_FOLDER, identity.digest, epoch, ENTRY_PREFIX_BYTES, segment_bytes)
    bodies = None
    if identity.bodies:
        bodies = WalWriter(files, folder / BODIES_FOLDER, identity.digest, epoch, BODY_PREFIX_BYTES, segment_bytes)
    return Parts(files, folder, identity, entries, bodies, LevelFiles(files, folder))


def _check_extends(last: Checkpoint, head: Checkpoint, reader: LogReader) -> None:
    """Return if `head` may be signed after `last`; two inconsistent checkpoints are never signed.

    raises  Broken "log.fork"
    """
    got = head.root if last.size == head.size else (reader.root(last.size) if last.size < head.size else b"")
    if got != last.root:
        raise Broken(
            "log.fork",
            f"the log no longer extends its checkpoint of {last.size}",
            expected=last.root.hex(),
            got=got.hex(),
        )


def _busy() -> Unavailable:
    return Unavailable("log.busy", "too many entries wait for the disk", hint="slow down and retry")


def _bad_entry(entry: object) -> InvalidInput:
    got = f"{len(entry)} bytes" if isinstance(entry, bytes) else type(entry).__name__
    return InvalidInput("log.entry", "not a log entry", expected=f"at most {ENTRY_BYTES_MAX} bytes", got=got)
