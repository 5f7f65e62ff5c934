"""The small files beside a log: who it is, who may write, what is durable, and from where to replay.

log.json   the log's identity, written once
lock       held with flock by the one writer
epoch      how many writers there have been; each take-over adds one
size       the durable size, for readers in other processes; never ahead of the disk, may lag after a power cut
watermark  a place up to which the level files are durable, so that opening need not replay from the start
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import struct
from dataclasses import dataclass
from pathlib import Path

import google_crc32c as crc32c

from tallystick.core import canonical, documents
from tallystick.core.checkpoint import Checkpoint
from tallystick.core.digest import sha256
from tallystick.core.errors import Broken, InvalidInput, Unavailable, VerificationFailed
from tallystick.core.limits import NOTE_NAME_BYTES_MAX
from tallystick.core.merkle import EMPTY_ROOT
from tallystick.inference.log.files import Files, read_exactly, replace_file, write_all
from tallystick.inference.log.wal import Position

IDENTITY_KIND = "tallystick/log/v1"

_EPOCH = struct.Struct(">4sQI")
_SIZE = struct.Struct(">QI")
_WATERMARK = struct.Struct(">4sQ32sQQQQ?I")


@dataclass(frozen=True)
class Identity:
    """What a log is: its origin (a schema-less URL, also its key's name), and whether bodies are kept beside it."""

    origin: str
    bodies: bool
    volatile: bool

    @property
    def digest(self) -> bytes:
        """SHA-256 of the origin: the log's name in paths, and what ties segments to it."""
        return sha256(self.origin.encode())

    def to_bytes(self) -> bytes:
        """Return the canonical JSON form."""
        return canonical.encode(
            {"bodies": self.bodies, "kind": IDENTITY_KIND, "origin": self.origin, "volatile": self.volatile}
        )

    @classmethod
    def read(cls, folder: Path) -> Identity:
        """Read `log.json`.

        raises  InvalidInput "log.none" when the folder holds no log, "log.identity" when the file is not one of ours
        """
        try:
            data = (folder / "log.json").read_bytes()
        except FileNotFoundError:
            raise InvalidInput("log.none", f"no log in {folder}", hint="create one with its origin") from None
        found = documents.members(
            canonical.decode(data, "log.json"), "log.json", ("bodies", "kind", "origin", "volatile")
        )
        if found["kind"] != IDENTITY_KIND:
            raise InvalidInput("log.identity", "not a log of this form", expected=IDENTITY_KIND, got=str(found["kind"]))
        origin = documents.text(found["origin"], "origin", NOTE_NAME_BYTES_MAX)
        Checkpoint(origin, 0, EMPTY_ROOT)
        return cls(
            origin,
            documents.typed(found["bodies"], bool, "bodies"),
            documents.typed(found["volatile"], bool, "volatile"),
        )


@dataclass(frozen=True)
class Watermark:
    """The tree of `size` is in the level files, durably; the next frames stand at `entries` and `bodies`.

    `clean` says that the writer stopped in order with nothing written beyond.
    """

    size: int
    root: bytes
    entries: Position
    bodies: Position
    clean: bool

    def to_bytes(self) -> bytes:
        """Return the 81 bytes of the file."""
        places = (self.entries.segment, self.entries.offset, self.bodies.segment, self.bodies.offset)
        head = _WATERMARK.pack(b"TSM1", self.size, self.root, *places, self.clean, 0)[:-4]
        return head + int(crc32c.value(head)).to_bytes(4, "big")

    @classmethod
    def read(cls, folder: Path) -> Watermark | None:
        """Return the watermark, or None where there is none that can be used: then everything is replayed."""
        try:
            data = (folder / "watermark").read_bytes()
        except FileNotFoundError:
            return None
        if len(data) != _WATERMARK.size or crc32c.value(data[:-4]) != int.from_bytes(data[-4:], "big"):
            return None
        magic, size, root, segment, offset, body_segment, body_offset, clean, _ = _WATERMARK.unpack(data)
        if magic != b"TSM1":
            return None
        return cls(size, root, Position(segment, offset), Position(body_segment, body_offset), clean)


class Lock:
    """The exclusive right to write a log, until `release` or the end of the process."""

    def __init__(self, files: Files, folder: Path) -> None:
        """Take the lock and count the take-over, or raise Unavailable "log.locked"."""
        self._fd = files.open(folder / "lock", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise Unavailable(
                "log.locked", f"another process writes the log in {folder}", hint="stop it first; a log has one writer"
            ) from None
        try:
            self.epoch = _next_epoch(files, folder / "epoch")
        except BaseException:
            os.close(self._fd)
            raise

    def release(self) -> None:
        """Give the lock back."""
        os.close(self._fd)


class DurableSize:
    """Publishes the durable size to readers in other processes, through shared memory: no system call a batch."""

    def __init__(self, files: Files, folder: Path, size: int) -> None:
        """Publish `size` and keep the file mapped; its one page is written now, so that it cannot lack room later."""
        fd = files.open(folder / "size", os.O_RDWR | os.O_CREAT)
        try:
            write_all(files, fd, _packed_size(size), 0)
            self._map = mmap.mmap(fd, _SIZE.size)
        finally:
            os.close(fd)

    def publish(self, size: int) -> None:
        """Let readers see the first `size` entries; only after they are durable."""
        self._map[:] = _packed_size(size)

    def close(self) -> None:
        """Unmap the file."""
        self._map.close()


def read_size(fd: int) -> int:
    """Return the published durable size; 0 when nothing was published.

    raises  VerificationFailed "log.size" when the file is damaged
    """
    for _ in range(3):  # a reader may, in theory, meet a write half done
        data = read_exactly(fd, _SIZE.size, 0)
        if not data:
            return 0
        if len(data) == _SIZE.size and crc32c.value(data[:8]) == int.from_bytes(data[8:], "big"):
            return int.from_bytes(data[:8], "big")
    raise VerificationFailed(
        "log.size", "the file `size` is damaged", got=data.hex(), hint="open the log to rebuild it"
    )


def load_size(folder: Path) -> int:
    """Return the durable size that a writer published.

    raises  VerificationFailed "log.size" when the file is missing or damaged, as a power cut may leave it
    """
    try:
        fd = os.open(folder / "size", os.O_RDONLY)
    except FileNotFoundError:
        raise VerificationFailed("log.size", "the file `size` is missing", hint="open the log to rebuild it") from None
    try:
        return read_size(fd)
    finally:
        os.close(fd)


def published_size(folder: Path) -> int:
    """Return the durable size a former writer published; 0 where it left none, or a damaged one after a power cut."""
    with contextlib.suppress(VerificationFailed):
        return load_size(folder)
    return 0


def _packed_size(size: int) -> bytes:
    head = size.to_bytes(8, "big")
    return head + int(crc32c.value(head)).to_bytes(4, "big")


def _next_epoch(files: Files, path: Path) -> int:
    epoch = 0
    with contextlib.suppress(FileNotFoundError):
        data = path.read_bytes()
        if len(data) != _EPOCH.size or crc32c.value(data[:12]) != int.from_bytes(data[12:], "big"):
            raise VerificationFailed("log.epoch", "the file `epoch` is damaged", got=data.hex()[:64])
        epoch = _EPOCH.unpack(data)[1]
    head = _EPOCH.pack(b"TSE1", epoch + 1, 0)[:12]
    try:
        replace_file(files, path, (head, crc32c.value(head).to_bytes(4, "big")))
    except OSError as error:
        raise Broken("log.take_over", "the take-over cannot be recorded", got=str(error)) from error
    return int(epoch + 1)
