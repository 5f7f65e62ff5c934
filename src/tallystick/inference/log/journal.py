"""The checkpoint journal: every checkpoint this log ever signed, durable before anyone sees it.

`checkpoints` is appended to and synced first; then `checkpoint`, the latest, is replaced in one step. A torn record at
the end of the journal was never published and is dropped. Nothing can rebuild this file: it is what stops a log from
signing two histories.

    record  "TSJ1" ‖ u32 note bytes ‖ u32 crc32c of both and the note ‖ the signed note
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import google_crc32c as crc32c

from tallystick.core.checkpoint import Checkpoint
from tallystick.core.errors import InvalidInput, Unavailable, VerificationFailed
from tallystick.core.limits import LOG_RESERVE_BYTES, NOTE_BYTES_MAX
from tallystick.core.note import SignedNote
from tallystick.inference.log.files import FULL, Files, replace_file, sync_all, sync_data, write_all

JOURNAL = "checkpoints"
LATEST = "checkpoint"
RESERVE = "reserve"

MAGIC = b"TSJ1"

_RECORD = struct.Struct(">4sII")


def encode_record(note: bytes) -> bytes:
    """Return one journal record."""
    head = _RECORD.pack(MAGIC, len(note), 0)[:8]
    crc: int = crc32c.extend(crc32c.value(head), note)
    return head + crc.to_bytes(4, "big") + note


def decode_records(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield (offset after it, signed note) of each record.

    raises  InvalidInput "journal.record" at the first that is cut short or fails its checksum
    """
    at = 0
    while head := stream.read(_RECORD.size):
        if len(head) < _RECORD.size:
            raise InvalidInput("journal.record", f"record at byte {at} is cut short")
        magic, length, crc = _RECORD.unpack(head)
        if magic != MAGIC or length > NOTE_BYTES_MAX:
            raise InvalidInput("journal.record", f"no record at byte {at}", expected=MAGIC.hex(), got=magic.hex())
        note = stream.read(length)
        if len(note) != length or crc32c.extend(crc32c.value(head[:8]), note) != crc:
            raise InvalidInput("journal.record", f"record at byte {at} is cut short or fails its checksum")
        at += _RECORD.size + length
        yield at, note


def read_journal(folder: Path) -> Iterator[bytes]:
    """Yield every signed checkpoint, oldest first; a torn last record, never published, is left out.

    raises  VerificationFailed "journal.damaged" in the end when it lacks the published checkpoint
    """
    latest = _latest(folder)  # looked at first: the writer may sign another while we read
    is_found, fault = latest is None, ""
    try:
        with (folder / JOURNAL).open("rb") as file:
            try:
                for _, note in decode_records(file):
                    is_found = is_found or note == latest
                    yield note
            except InvalidInput as error:
                fault = f": {error}"
    except FileNotFoundError:
        pass
    if not is_found:
        raise VerificationFailed(
            "journal.damaged",
            f"the checkpoint journal lacks the published checkpoint{fault}",
            hint="restore it from a copy; without it this log could sign two histories",
        )


@lru_cache(maxsize=64)
def parse_head(note: bytes) -> Checkpoint:
    """Return the checkpoint in a signed note, its signature unchecked."""
    return Checkpoint.parse(SignedNote.from_bytes(note).text)


class Journal:
    """Appends to the journal. One writer."""

    def __init__(self, files: Files, folder: Path) -> None:
        """Open the journal, cutting off a torn last record.

        raises  VerificationFailed "journal.damaged"
        """
        self._files = files
        self._folder = folder
        self.last: bytes | None = None
        for note in read_journal(folder):
            self.last = note
        self._fd = files.open(folder / JOURNAL, os.O_RDWR | os.O_CREAT)
        try:
            self._offset = self._drop_torn()
            self._reserve()
            self.publish()  # a crash may have come between the two steps
        except BaseException:
            self.close()
            raise

    def append(self, note: bytes) -> None:
        """Keep a signed checkpoint, durably, and make it the latest.

        raises  Unavailable "log.full" with nothing kept, or with all but `publish` done; OSError; Broken "log.sync"
        """
        record = encode_record(note)
        try:
            write_all(self._files, self._fd, record, self._offset)
        except OSError as error:
            if error.errno not in FULL:
                raise
            self._release_reserve()
            try:
                write_all(self._files, self._fd, record, self._offset)
            except OSError as again:
                self._files.truncate(self._fd, self._offset)
                raise Unavailable("log.full", "no space for the checkpoint journal", got=str(again)) from again
        sync_data(self._files, self._fd)
        self._offset += len(record)
        self.last = note
        self.publish()

    def publish(self) -> None:
        """Let the published checkpoint be the last one that was kept, if it is not; errors as `append`."""
        if self.last is not None and self.last != _latest(self._folder):
            self._replace_latest(self.last)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def _drop_torn(self) -> int:
        """Cut a torn last record off; return where the next one goes."""
        good = 0
        with (self._folder / JOURNAL).open("rb") as file, contextlib.suppress(InvalidInput):
            for after, _ in decode_records(file):
                good = after
        if os.fstat(self._fd).st_size != good:
            self._files.truncate(self._fd, good)
            sync_all(self._files, self._fd)
        return good

    def _replace_latest(self, note: bytes) -> None:
        try:
            replace_file(self._files, self._folder / LATEST, (note,))
        except OSError as error:
            if error.errno not in FULL:
                raise
            self._release_reserve()
            try:
                replace_file(self._files, self._folder / LATEST, (note,))
            except OSError as again:
                raise Unavailable("log.full", "the checkpoint is kept but not published", got=str(again)) from again

    def _reserve(self) -> None:
        """Hold some space back, as far as the disk lets us; without it the journal still works."""
        path = self._folder / RESERVE
        if path.exists() and path.stat().st_size == LOG_RESERVE_BYTES:
            return
        fd = self._files.open(path, os.O_RDWR | os.O_CREAT)
        try:
            write_all(self._files, fd, bytes(LOG_RESERVE_BYTES), 0)
        except OSError as error:
            if error.errno not in FULL:
                raise
            self._files.truncate(fd, 0)
        finally:
            os.close(fd)

    def _release_reserve(self) -> None:
        fd = self._files.open(self._folder / RESERVE, os.O_RDWR | os.O_CREAT)
        try:
            self._files.truncate(fd, 0)
        finally:
            os.close(fd)


def _latest(folder: Path) -> bytes | None:
    try:
        return (folder / LATEST).read_bytes()
    except FileNotFoundError:
        return None
