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
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallystick.core import merkle
from tallystick.core.checkpoint import Checkpoint, sign_checkpoint
from tallystick.core.errors import Broken, InvalidInput, TallystickError, Unavailable
from tallystick.core.limits import (
    LOG_RETRY_S,
    LOG_SEGMENT_BYTES,
    LOG_WATERMARK_BYTES,
    LOG_WATERMARK_ENTRIES,
)
from tallystick.inference.log.files import FULL, VOLATILE, Files, file_system, replace_file, sync_folder
from tallystick.inference.log.frames import FRAME_HEADER_BYTES
from tallystick.inference.log.intake import Intake
from tallystick.inference.log.journal import Journal, parse_head
from tallystick.inference.log.levels import OFFSETS, LevelFiles, Tree
from tallystick.inference.log.marks import DurableSize, Identity, Lock
from tallystick.inference.log.pending import Batch
from tallystick.inference.log.reader import BODIES_FOLDER, BODY_OFFSETS, ENTRIES_FOLDER, LogReader
from tallystick.inference.log.recovery import Parts, Recovered, recover, write_watermark
from tallystick.inference.log.wal import (
    BODY_PREFIX_BYTES,
    ENTRY_PREFIX_BYTES,
    Position,
    WalWriter,
    offset_marks,
)


class Log:
    """A durable, append-only Merkle log with one writer. Use `Log.open`; close it, or use it in `with`.

    append        takes an entry and returns its `Pending`; see `Intake.append`
    append_many   takes many at once; see `Intake.append_many`
    reader        reads entries, tiles and proofs, up to the durable size
    recovered     what opening found
    keeps_bodies  whether bodies are kept beside the entries
    """

    def __init__(
        self,
        parts: Parts,
        epoch: int,
        journal: Journal,
        recovered: Recovered,
        durable: DurableSize,
        key: Ed25519PrivateKey | None,
        held: ExitStack,
    ) -> None:
        self._parts = parts
        self._epoch = epoch
        self._journal = journal
        self._durable = durable
        self._key = key
        self._held = held  # files and lock, to be closed in the end
        self._tree = recovered.tree  # durable; replaced, never changed
        self._marked, self._marked_bytes = recovered.tree.size, 0
        self._marking: threading.Thread | None = None
        self._signing = threading.Lock()
        self.recovered = recovered
        self.keeps_bodies = parts.bodies is not None
        self.reader = LogReader(parts.folder)
        held.callback(self.reader.close)
        self._intake = Intake(self.keeps_bodies)
        self.append = self._intake.append  # bound, not wrapped: one call less for each of a hundred thousand a second
        self.append_many = self._intake.append_many
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
        elif not folder.is_dir():
            raise InvalidInput("log.none", f"no log in {folder}", hint="create one with its origin")
        with ExitStack() as held:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                lock = Lock(files, folder)
                held.callback(lock.release)
                identity = _identify(files, folder, origin, bodies, volatile)
                parts = _parts(files, folder, identity, lock.epoch, segment_bytes)
                held.callback(parts.close)
                journal = Journal(files, folder)
                held.callback(journal.close)
                recovered = recover(parts, journal.last)
                durable = DurableSize(files, folder, recovered.tree.size)
                held.callback(durable.close)
            except OSError as error:
                raise Broken("log.open", f"the log in {folder} cannot be opened", got=str(error)) from error
            return cls(parts, lock.epoch, journal, recovered, durable, key, held.pop_all())

    @property
    def origin(self) -> str:
        """The log's origin."""
        return self._parts.identity.origin

    @property
    def size(self) -> int:
        """How many entries are durable."""
        return self._tree.size

    def checkpoint(self) -> bytes:
        """Return a signed checkpoint of the durable log, kept in the journal before anyone sees it.

        Nothing is kept anew while nothing has changed.

        raises  InvalidInput "log.no_key" without a key; Unavailable "log.full"; Broken, which stops the log
        """
        key = self._key
        if key is None:
            raise InvalidInput("log.no_key", "the log was opened without a signing key")
        with self._signing:
            self._intake.check_open()
            tree = self._tree
            head = Checkpoint(self.origin, tree.size, tree.root())
            try:
                return self._keep(head, sign_checkpoint(head, key).to_bytes())
            except Broken as error:
                self._intake.stop_writer(error)
                raise

    def stats(self) -> dict[str, int | str]:
        """Return figures about the log and its writer: those of `LogReader.stats`, how many writers there have been
        and how often data was synced."""
        return {**self.reader.stats(), "epoch": self._epoch, "data_syncs": self._parts.files.syncs}

    def close(self) -> None:
        """Finish what was taken, note a clean end, and give the lock back."""
        if not self._intake.close():
            return
        self._thread.join()
        if self._marking is not None:
            self._marking.join()
        try:
            if not self._intake.is_broken:
                write_watermark(self._parts, self._tree, True, self._places())
        except OSError as error:
            if error.errno not in FULL:
                raise Broken("log.watermark", "the watermark cannot be written", got=str(error)) from error
        finally:
            self._held.close()

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _keep(self, head: Checkpoint, note: bytes) -> bytes:
        """Write a signed head down and publish it, unless that was done; return it."""
        journal = self._journal
        try:
            if journal.last == note:
                journal.publish()
            else:
                if journal.last is not None:
                    _check_extends(parse_head(journal.last), head, self.reader)
                journal.append(note)
        except OSError as error:
            raise Broken("log.journal", "the checkpoint journal cannot be written", got=str(error)) from error
        return note

    def _run(self) -> None:
        batch = None
        try:
            while (batch := self._intake.take()) is not None:
                self._commit(batch)
        except Broken as error:
            self._fail(batch, error)
        except BaseException as error:  # noqa: BLE001  whatever it is, nobody may wait for ever
            broken = Broken("log.writer", "the log's writer failed", got=repr(error)[:200])
            broken.__cause__ = error
            self._fail(batch, broken)

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
        self._durable.publish(self._tree.size)
        batch.resolve(first, leaves)
        unmarked = self._tree.size - self._marked
        if unmarked >= LOG_WATERMARK_ENTRIES or self._kept_bytes() - self._marked_bytes >= LOG_WATERMARK_BYTES:
            self._mark_soon()

    def _index(self, name: str, first: int, items: Sequence[bytes], prefix_bytes: int, at: Position) -> None:
        marks = offset_marks(first, items, prefix_bytes, at.offset + FRAME_HEADER_BYTES)
        self._parts.levels.mark(name, marks, at.offset)

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
        self._fail(batch, full, time.monotonic() + LOG_RETRY_S)

    def _fail(self, batch: Batch | None, error: TallystickError, retry_s: float | None = None) -> None:
        """Refuse entries from now on, and all that wait: none of them is in the log."""
        waiting = self._intake.refuse(error, retry_s)
        for each in waiting if batch is None else [batch, *waiting]:
            if not each.done:
                each.fail(error)

    def _mark_soon(self) -> None:
        """Write a watermark beside the hot path; one at a time."""
        if self._marking is not None and self._marking.is_alive():
            return
        self._marked, self._marked_bytes = self._tree.size, self._kept_bytes()
        work = (self._tree, self._places())
        self._marking = threading.Thread(target=self._mark, args=work, name="log watermark", daemon=True)
        self._marking.start()

    def _mark(self, tree: Tree, places: tuple[Position, Position]) -> None:
        try:
            write_watermark(self._parts, tree, False, places)
        except OSError as error:
            if error.errno not in FULL:
                self._intake.stop_writer(Broken("log.watermark", "the watermark cannot be written", got=str(error)))
        except Broken as error:
            self._intake.stop_writer(error)

    def _kept_bytes(self) -> int:
        bodies = self._parts.bodies
        return self._parts.entries.kept_bytes + (bodies.kept_bytes if bodies is not None else 0)

    def _places(self) -> tuple[Position, Position]:
        bodies = self._parts.bodies
        return self._parts.entries.position, bodies.position if bodies is not None else Position(0, 0)


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
