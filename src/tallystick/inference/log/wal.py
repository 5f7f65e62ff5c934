"""The write-ahead log: segment files of checksummed frames, the only thing in a log that nothing else can rebuild.

A frame is one batch, written once and synced once before any of its items is acknowledged; a failed write leaves the
file cut back to its last good frame. `Scan` reads segments in order and tells the one tolerable fault, a torn frame
at the very end, from every other. A segment may be superseded from some index on by the next one (that is how a tail
of doubtful durability is rewritten), so a segment ends where the next begins.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tallystick.core.errors import Broken, InvalidInput, VerificationFailed
from tallystick.core.limits import TILE_WIDTH
from tallystick.inference.log.files import Files, read_exactly, replace_file, sync_data, write_all
from tallystick.inference.log.frames import (
    FRAME_HEADER_BYTES,
    FRAME_MAGIC,
    PAYLOAD_BYTES_MAX,
    SEGMENT_HEADER_BYTES,
    FrameHeader,
    SegmentHeader,
    encode_frame,
)

ENTRY_PREFIX_BYTES = 2  # C2SP: an entry's length is a u16
BODY_PREFIX_BYTES = 4

_SUFFIX = ".wal"


@dataclass(frozen=True)
class Position:
    """A place in the log's files: the segment that starts at index `segment`, and a byte offset in it."""

    segment: int
    offset: int


@dataclass(frozen=True)
class ScannedFrame:
    """One good frame and where it stands."""

    position: Position
    header: FrameHeader
    payload: bytes

    @property
    def after(self) -> Position:
        """Where the next frame would start."""
        return Position(self.position.segment, self.position.offset + FRAME_HEADER_BYTES + self.header.length)


def segment_path(folder: Path, first: int) -> Path:
    """Return the path of the segment whose first item has index `first`."""
    return folder / f"{first:020d}{_SUFFIX}"


def list_segments(folder: Path) -> list[int]:
    """Return the first indices of the segments in `folder`, ascending; [] where there is no folder."""
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    return sorted(
        int(name[:20]) for name in names if name.endswith(_SUFFIX) and name[:20].isdigit() and len(name) == 24
    )


class Scan:
    """Iterates over the frames from a position on; afterwards `end` is where good frames end and `torn` what follows.

    raises  VerificationFailed "log.corrupt" at the first fault that is not a torn tail, naming segment and offset
    """

    def __init__(
        self,
        folder: Path,
        origin_digest: bytes,
        start: Position | None = None,
        index: int = 0,
        limit: int | None = None,
        *,
        only_one: bool = False,
    ) -> None:
        """Scan from `start`, where item `index` stands, up to item `limit`, or all there is; or one segment of it."""
        self._limit = limit
        self._only_one = only_one
        self._folder = folder
        self._origin_digest = origin_digest
        self._segments = list_segments(folder)
        if start is not None:
            if start.segment not in self._segments:
                raise VerificationFailed("log.corrupt", f"segment {start.segment} is missing", expected=start.segment)
            self._segments = [first for first in self._segments if first >= start.segment]
        self._start = start
        self.index = index
        self.end = start
        self.torn: InvalidInput | None = None

    def __iter__(self) -> Iterator[ScannedFrame]:
        for number, first in enumerate(self._segments):
            following = self._segments[number + 1] if number + 1 < len(self._segments) else None
            offset = self._start.offset if number == 0 and self._start is not None else SEGMENT_HEADER_BYTES
            yield from self._segment(first, offset, following)
            if self._only_one:
                return

    def _segment(self, first: int, offset: int, following: int | None) -> Iterator[ScannedFrame]:
        path = segment_path(self._folder, first)
        with path.open("rb", buffering=2**20) as file:
            header = self._header(path, file.read(SEGMENT_HEADER_BYTES), first, offset)
            size = os.fstat(file.fileno()).st_size
            if offset > size:
                raise _corrupt(path, offset, f"file ends at byte {size}")
            file.seek(offset)
            self.end = Position(first, offset)
            while self.index != following and self.index != self._limit:
                head = file.read(FRAME_HEADER_BYTES)
                if not head and following is None:
                    return
                try:
                    frame = FrameHeader.from_bytes(head)
                    payload = file.read(frame.length)
                    frame.check(payload, header.seed)
                except InvalidInput as fault:
                    later = _later_frame(file.fileno(), self.end.offset + 1, size, header.seed)
                    if following is not None or later is not None:
                        raise _corrupt(path, self.end.offset, str(fault)) from None
                    self.torn = fault
                    return
                if frame.first != self.index or (following is not None and frame.end > following):
                    raise _corrupt(path, self.end.offset, f"frame starts at {frame.first}, wanted {self.index}")
                scanned = ScannedFrame(self.end, frame, payload)
                self.index = frame.end
                self.end = scanned.after
                yield scanned

    def _header(self, path: Path, data: bytes, first: int, offset: int) -> SegmentHeader:
        try:
            header = SegmentHeader.from_bytes(data)
        except InvalidInput as fault:
            raise _corrupt(path, 0, str(fault)) from None
        if header.first != first or (offset == SEGMENT_HEADER_BYTES and first != self.index):
            raise _corrupt(path, 0, f"segment starts at {header.first}, wanted {self.index}")
        if header.origin_digest != self._origin_digest:
            raise _corrupt(path, 0, "segment belongs to another log")
        return header


class WalWriter:
    """Appends frames to the last segment. One writer, one thread; `OSError` of a write leaves as it came."""

    def __init__(
        self, files: Files, folder: Path, origin_digest: bytes, epoch: int, prefix_bytes: int, segment_bytes: int
    ) -> None:
        self._files = files
        self._folder = folder
        self._origin_digest = origin_digest
        self._epoch = epoch
        self._prefix_bytes = prefix_bytes
        self._segment_bytes = segment_bytes
        self._fd = -1
        self._seed = 0
        self._written = 0  # bytes of the frame that is written and not kept yet
        self.kept_bytes = 0  # of frames, by this writer
        self.position = Position(0, 0)  # where the next frame goes; everything before it is durable

    def start(self, first: int, frames: Iterable[ScannedFrame] = ()) -> None:
        """Begin a new segment at index `first` with these frames in it, durably and in one step.

        raises  OSError when nothing has changed, Broken when that is not known
        """
        header = SegmentHeader(first, self._epoch, self._origin_digest, os.urandom(8))
        chunks = (frame.header.sealed(frame.payload, header.seed) for frame in frames)
        path = segment_path(self._folder, first)
        size = replace_file(self._files, path, itertools.chain((header.to_bytes(),), chunks))
        try:
            self.resume(Position(first, size))
        except OSError as error:  # the new segment supersedes the old from here on, so there is no way back
            raise Broken("log.segment", "a segment was made but cannot be opened", got=str(error)) from error

    def resume(self, position: Position) -> None:
        """Go on in an existing segment whose last good frame ends at `position`."""
        fd = self._files.open(segment_path(self._folder, position.segment), os.O_RDWR)
        self.close()
        self._fd = fd
        self._seed = SegmentHeader.from_bytes(read_exactly(fd, SEGMENT_HEADER_BYTES, 0)).seed
        self.position = position

    def append(self, first: int, items: Sequence[bytes]) -> Position:
        """Write one frame without syncing it; return where it starts. Then `sync` keeps it or `cut_back` drops it.

        raises  OSError of a write
        """
        if self.position.offset >= self._segment_bytes:
            self.start(first)
        frame = encode_frame(first, items, self._prefix_bytes, self._seed)
        write_all(self._files, self._fd, frame, self.position.offset)
        self._written = len(frame)
        return self.position

    def cut_back(self) -> None:
        """Remove what was written and not kept: the file again ends at its last good frame."""
        self._written = 0
        self._files.truncate(self._fd, self.position.offset)

    def sync(self) -> None:
        """Make what was written durable, and keep it.

        raises  Broken "log.sync"
        """
        sync_data(self._files, self._fd)
        self.position = Position(self.position.segment, self.position.offset + self._written)
        self.kept_bytes += self._written
        self._written = 0

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def offset_marks(first: int, items: Sequence[bytes], prefix_bytes: int, payload_offset: int) -> list[tuple[int, int]]:
    """Return (block, byte offset) for each item of a frame whose index is a multiple of 256; block = index // 256."""
    skip = -first % TILE_WIDTH
    marks = []
    offset, counted = payload_offset, 0
    for number in range(skip, len(items), TILE_WIDTH):
        offset += sum(map(len, items[counted:number])) + prefix_bytes * (number - counted)
        counted = number
        marks.append(((first + number) // TILE_WIDTH, offset))
    return marks


def _later_frame(fd: int, offset: int, size: int, seed: int) -> int | None:
    """Return the offset of a good frame at or after `offset`: then what came before it had been acknowledged.

    One write is under way at a time, so more bytes than one frame can hold are no torn write either.
    """
    if offset >= size:
        return None
    if size - offset > FRAME_HEADER_BYTES + PAYLOAD_BYTES_MAX:
        return offset
    rest = read_exactly(fd, size - offset, offset)
    at = rest.find(FRAME_MAGIC)
    while at >= 0:
        with contextlib.suppress(InvalidInput):
            body = at + FRAME_HEADER_BYTES
            frame = FrameHeader.from_bytes(rest[at:body])
            frame.check(rest[body : body + frame.length], seed)
            return offset + at
        at = rest.find(FRAME_MAGIC, at + 1)
    return None


def _corrupt(path: Path, offset: int, detail: str) -> VerificationFailed:
    return VerificationFailed(
        "log.corrupt",
        f"segment {path.name} is damaged at byte {offset}: {detail}",
        hint="restore this file from a copy; a log never drops acknowledged entries by itself",
    )
