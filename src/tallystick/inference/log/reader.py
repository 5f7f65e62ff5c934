"""Reading a log, from any process and without a lock: entries, tiles, bundles and proofs, up to the durable size.

Reads go to the level files and the write-ahead log by `pread`. Every entry is compared with its leaf hash as it is
read, so a damaged byte is refused where it is met, by index.
"""

from __future__ import annotations

import bisect
import os
import threading
import time
from collections import OrderedDict
from pathlib import Path

from tallystick.core import merkle
from tallystick.core.errors import InvalidInput, Unavailable, VerificationFailed
from tallystick.core.limits import (
    LOG_BATCH_ENTRIES_MAX,
    LOG_OPEN_SEGMENTS_MAX,
    LOG_READ_PAUSE_S,
    LOG_READ_TRIES_MAX,
    TILE_WIDTH,
)
from tallystick.inference.log import journal
from tallystick.inference.log.files import file_system, read_exactly
from tallystick.inference.log.frames import FRAME_HEADER_BYTES, SEGMENT_HEADER_BYTES, FrameHeader, encode_items
from tallystick.inference.log.levels import MARK_BYTES, OFFSETS, level_name, unpack_mark
from tallystick.inference.log.marks import Identity, read_size
from tallystick.inference.log.proofs import Proofs
from tallystick.inference.log.tiles import TileName
from tallystick.inference.log.wal import BODY_PREFIX_BYTES, ENTRY_PREFIX_BYTES, list_segments, segment_path

ENTRIES_FOLDER = "wal"
BODIES_FOLDER = "bodies"
BODY_OFFSETS = "body-offsets"

_HASH = 32


class LogReader:
    """Reads the log in `folder`; safe beside its writer and in many threads. Close it, or use it in `with`."""

    def __init__(self, folder: Path) -> None:
        """Open the log for reading.

        raises  InvalidInput "log.none" when the folder holds no log
        """
        self.folder = folder
        self.identity = Identity.read(folder)
        self._fds = _Descriptors(folder)
        self._entries = _Items(self._fds, ENTRIES_FOLDER, OFFSETS, ENTRY_PREFIX_BYTES)
        self._bodies = _Items(self._fds, BODIES_FOLDER, BODY_OFFSETS, BODY_PREFIX_BYTES)
        self._proofs = Proofs(self._read_tile)
        self._lock = threading.Lock()

    @property
    def origin(self) -> str:
        """The log's origin, which is also the name of its key."""
        return self.identity.origin

    @property
    def size(self) -> int:
        """How many entries are durable."""
        return read_size(self._fds.get("size"))

    def checkpoint(self) -> bytes | None:
        """Return the latest signed checkpoint, a C2SP note; None before the first."""
        try:
            return (self.folder / journal.LATEST).read_bytes()
        except FileNotFoundError:
            return None

    def checkpoints(self) -> list[bytes]:
        """Return every checkpoint the log ever signed, oldest first."""
        return list(journal.read_journal(self.folder))

    def stats(self) -> dict[str, int | str]:
        """Return figures about the log: how much is durable, how much is signed, and what lies on the disk."""
        note = self.checkpoint()
        segments = [segment_path(self.folder / ENTRIES_FOLDER, n) for n in list_segments(self.folder / ENTRIES_FOLDER)]
        return {
            "origin": self.origin,
            "size": self.size,
            "signed_size": journal.parse_head(note).size if note else 0,
            "segments": len(segments),
            "wal_bytes": sum(path.stat().st_size for path in segments),
            "file_system": file_system(self.folder),
        }

    def entry(self, index: int) -> bytes:
        """Return one entry.

        raises  InvalidInput "log.index", VerificationFailed "log.entry" when it is not what was logged
        """
        return self.entries(index, index + 1)[0]

    def entries(self, start: int, end: int) -> list[bytes]:
        """Return entries start … end - 1, each compared with its leaf hash; at most 4,096 at a time.

        raises  InvalidInput "log.index", VerificationFailed "log.entry" naming the first that differs
        """
        self._check_range(start, end)
        items = self._entries.read(start, end)
        hashes = read_exactly(self._fds.get(level_name(0)), (end - start) * _HASH, start * _HASH)
        if b"".join(merkle.leaf_hashes(items)) != hashes:
            for number, item in enumerate(items):
                leaf, kept = merkle.leaf_hash(item), hashes[number * _HASH : (number + 1) * _HASH]
                tile = TileName(0, (start + number) // TILE_WIDTH).path
                if leaf != kept:
                    raise VerificationFailed(
                        "log.entry",
                        f"entry {start + number} is not the one that was logged, or {tile} is damaged",
                        expected=kept.hex(),
                        got=leaf.hex(),
                        hint="run fsck: it rebuilds the tree from the write-ahead log",
                    )
        return items

    def bodies(self, start: int, end: int) -> list[bytes]:
        """Return what was kept beside entries start … end - 1; the caller compares it with the entries' commitments.

        raises  InvalidInput "log.no_bodies" when this log keeps none, "log.index"
        """
        if not self.identity.bodies:
            raise InvalidInput("log.no_bodies", "this log keeps no bodies")
        self._check_range(start, end)
        return self._bodies.read(start, end)

    def tile(self, level: int, n: int, width: int = TILE_WIDTH) -> bytes:
        """Return the hashes of a tile, `width` times 32 bytes.

        raises  InvalidInput "log.no_tile" when the tree does not reach so far
        """
        reach = self.size >> 8 * level if 0 <= level < 8 else 0
        if not 1 <= width <= TILE_WIDTH or n < 0 or n * TILE_WIDTH + width > reach:
            raise InvalidInput("log.no_tile", "no such tile yet", expected=f"{reach} hashes at level {level}", got=n)
        return self._read_tile(TileName(level, n, width))

    def bundle(self, n: int, width: int = TILE_WIDTH) -> bytes:
        """Return entries 256n … 256n + width - 1 as a C2SP entry bundle.

        raises  InvalidInput "log.index", VerificationFailed "log.entry"
        """
        if not 1 <= width <= TILE_WIDTH:
            raise InvalidInput("log.no_tile", "no bundle has this width", expected="1 to 256", got=width)
        return encode_items(self.entries(n * TILE_WIDTH, n * TILE_WIDTH + width), ENTRY_PREFIX_BYTES)

    def root(self, size: int) -> bytes:
        """Return the root of the first `size` entries."""
        self._check_size(size)
        with self._lock:
            return self._proofs.root(size)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Return the audit path of entry `index` in the tree of `size`, sibling first.

        raises  InvalidInput "log.beyond", "merkle.index"
        """
        self._check_size(size)
        with self._lock:
            return self._proofs.inclusion(index, size)

    def consistency(self, old_size: int, new_size: int) -> list[bytes]:
        """Return the proof that the tree of `new_size` extends that of `old_size`.

        raises  InvalidInput "log.beyond", "merkle.size"
        """
        self._check_size(new_size)
        with self._lock:
            return self._proofs.consistency(old_size, new_size)

    def leaf_hash(self, index: int) -> bytes:
        """Return the leaf hash kept for entry `index`."""
        self._check_range(index, index + 1)
        return read_exactly(self._fds.get(level_name(0)), _HASH, index * _HASH)

    def close(self) -> None:
        """Close all files."""
        self._fds.close()

    def __enter__(self) -> LogReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read_tile(self, name: TileName) -> bytes:
        start = name.n * TILE_WIDTH * _HASH
        return read_exactly(self._fds.get(level_name(name.level)), name.width * _HASH, start)

    def _check_size(self, size: int) -> None:
        if not 0 <= size <= self.size:
            raise InvalidInput("log.beyond", "the log is not that long", expected=f"≤ {self.size}", got=size)

    def _check_range(self, start: int, end: int) -> None:
        if not 0 <= start < end <= self.size or end - start > LOG_BATCH_ENTRIES_MAX:
            raise InvalidInput(
                "log.index",
                "no such entries",
                expected=f"0 ≤ start < end ≤ {self.size}, at most {LOG_BATCH_ENTRIES_MAX} at a time",
                got=f"{start} to {end}",
            )


class _Descriptors:
    """Open files of one log folder, by name; the least recently used WAL files are closed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._kept: dict[str, int] = {}
        self._segments: OrderedDict[tuple[str, int], int] = OrderedDict()

    def get(self, name: str) -> int:
        """Return the descriptor of a file directly in the folder."""
        fd = self._kept.get(name)
        if fd is None:
            with self._lock:
                fd = self._kept.get(name)
                if fd is None:
                    fd = self._kept[name] = _open(self.folder / name)
        return fd

    def pread(self, kind: str, segment: int, length: int, offset: int) -> bytes:
        """Read from a segment; the lock keeps it open meanwhile."""
        with self._lock:
            fd = self._segments.get((kind, segment))
            if fd is None:
                fd = self._segments[kind, segment] = _open(segment_path(self.folder / kind, segment))
                if len(self._segments) > LOG_OPEN_SEGMENTS_MAX:
                    os.close(self._segments.popitem(last=False)[1])
            self._segments.move_to_end((kind, segment))
            return read_exactly(fd, length, offset)

    def forget(self) -> None:
        """Close all segments: a new writer may have replaced some."""
        with self._lock:
            while self._segments:
                os.close(self._segments.popitem()[1])

    def close(self) -> None:
        self.forget()
        with self._lock:
            while self._kept:
                os.close(self._kept.popitem()[1])


class _Items:
    """Items of one kind by index, found through the offset index."""

    def __init__(self, fds: _Descriptors, kind: str, offsets: str, prefix_bytes: int) -> None:
        self._fds = fds
        self._kind = kind
        self._offsets = offsets
        self._prefix_bytes = prefix_bytes
        self._segments: list[int] = []

    def read(self, start: int, end: int) -> list[bytes]:
        """Return items start … end - 1, which the caller knows to be durable.

        raises  VerificationFailed "log.frame" when the file does not hold them
        """
        for tries in range(LOG_READ_TRIES_MAX):
            try:
                return self._read(start, end)
            except (VerificationFailed, Unavailable):
                # A writer may have begun a segment since we listed them, or be moving the tail to a new one.
                self._segments = []
                self._fds.forget()
                if tries:
                    time.sleep(LOG_READ_PAUSE_S)
        return self._read(start, end)

    def _read(self, start: int, end: int) -> list[bytes]:
        block = start // TILE_WIDTH
        index = block * TILE_WIDTH
        items: list[bytes] = []
        segment, frame_offset, offset = self._locate(block)
        while True:
            frame = self._frame(segment, frame_offset, index)
            frame_end = frame_offset + FRAME_HEADER_BYTES + frame.length
            upto = min(end, frame.end)
            items += self._walk(segment, offset, frame_end, index, upto, max(index, min(start, upto)))
            index = upto
            if index == end:
                return items
            following = self._segment_of(index)
            frame_offset = frame_end
            if following != segment:
                segment, frame_offset = following, SEGMENT_HEADER_BYTES
            offset = frame_offset + FRAME_HEADER_BYTES

    def _walk(self, segment: int, offset: int, frame_end: int, index: int, upto: int, first: int) -> list[bytes]:
        """Return items first … upto - 1 of a frame in which item `index` stands at `offset`."""
        stop = frame_end
        beyond = -(-upto // TILE_WIDTH)
        if self._has_mark(beyond) and (found := self._locate(beyond))[0] == segment and offset < found[2] < frame_end:
            stop = found[2]  # no need to read the whole frame
        skip, count = first - index, upto - first
        items = self._split(self._fds.pread(self._kind, segment, stop - offset, offset), skip, count)
        if items is None and stop != frame_end:  # the mark was one of a batch that failed to be written
            items = self._split(self._fds.pread(self._kind, segment, frame_end - offset, offset), skip, count)
        if items is None:
            raise self._lost(segment, offset, index)
        return items

    def _split(self, data: bytes, skip: int, count: int) -> list[bytes] | None:
        width, items, at = self._prefix_bytes, [], 0
        for _ in range(skip):
            at += width + int.from_bytes(data[at : at + width], "big")
        for _ in range(count):
            body = at + width
            at = body + int.from_bytes(data[at:body], "big")
            items.append(data[body:at])
        return items if at <= len(data) else None

    def _frame(self, segment: int, offset: int, index: int) -> FrameHeader:
        try:
            frame = FrameHeader.from_bytes(self._fds.pread(self._kind, segment, FRAME_HEADER_BYTES, offset))
        except InvalidInput:
            raise self._lost(segment, offset, index) from None
        if not frame.first <= index < frame.end:
            raise self._lost(segment, offset, index)
        return frame

    def _has_mark(self, block: int) -> bool:
        return os.fstat(self._fds.get(self._offsets)).st_size >= (block + 1) * MARK_BYTES

    def _locate(self, block: int) -> tuple[int, int, int]:
        """Return segment, frame offset and item offset of the first item of a block."""
        data = read_exactly(self._fds.get(self._offsets), MARK_BYTES, block * MARK_BYTES)
        if len(data) != MARK_BYTES:
            raise VerificationFailed("log.offsets", "the offset index is cut short", got=block)
        return (self._segment_of(block * TILE_WIDTH), *unpack_mark(data))

    def _segment_of(self, index: int) -> int:
        if not self._segments:
            self._segments = list_segments(self._fds.folder / self._kind)
        place = bisect.bisect_right(self._segments, index)
        if place == 0:
            raise VerificationFailed("log.frame", f"no segment holds item {index}")
        return self._segments[place - 1]

    def _lost(self, segment: int, offset: int, index: int) -> VerificationFailed:
        name = segment_path(Path(self._kind), segment)
        return VerificationFailed("log.frame", f"{name} does not hold item {index} at byte {offset}")


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise Unavailable("log.file", f"{path.name} is not there yet", hint="the log has no entries yet") from None
