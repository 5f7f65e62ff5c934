"""Opening a log for writing: find what is durable, prove that nothing was lost, make doubtful bytes certain.

1. Start from the watermark if the level files agree with it, else from nothing.
2. Replay the write-ahead log from there: checksums, order, hashes.
3. Refuse if the log is shorter than what was published, signed or marked, or if its root at the last signed size is
   another one. A log never rolls back by itself.
4. Drop a torn frame at the very end; it was never acknowledged.
5. Rewrite what the last segment holds beyond the watermark into a new segment and sync it: after a failed sync the
   page cache may show bytes that the disk lacks.
6. Cut bodies back to the entries they belong to.
7. Write a new watermark, so the next opening starts here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tallystick.core import merkle
from tallystick.core.checkpoint import Checkpoint
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.core.limits import TILE_WIDTH
from tallystick.inference.log import journal
from tallystick.inference.log.files import Files, replace_file, sync_all
from tallystick.inference.log.frames import FRAME_HEADER_BYTES, SEGMENT_HEADER_BYTES, decode_items
from tallystick.inference.log.levels import OFFSETS, LevelFiles, Tree
from tallystick.inference.log.marks import Identity, Watermark, published_size
from tallystick.inference.log.reader import BODIES_FOLDER, BODY_OFFSETS, ENTRIES_FOLDER
from tallystick.inference.log.wal import (
    BODY_PREFIX_BYTES,
    ENTRY_PREFIX_BYTES,
    Position,
    Scan,
    ScannedFrame,
    WalWriter,
    offset_marks,
    segment_path,
)


@dataclass(frozen=True)
class Recovered:
    """What opening found and did."""

    tree: Tree
    replayed: int  # entries read again since the watermark
    torn_bytes: int  # dropped from the end: never acknowledged
    rewritten: int  # entries copied to a new segment because their durability was in doubt


@dataclass
class Parts:
    """The parts of a log that recovery sets up."""

    files: Files
    folder: Path
    identity: Identity
    entries: WalWriter
    bodies: WalWriter | None
    levels: LevelFiles

    def close(self) -> None:
        """Close the files."""
        self.entries.close()
        if self.bodies is not None:
            self.bodies.close()
        self.levels.close()


def recover(parts: Parts, last_signed: bytes | None) -> Recovered:
    """Bring the log's files into one certain state and its writers to where they go on.

    raises  VerificationFailed "log.corrupt", "log.short", "log.rollback"; Broken "log.sync"
    """
    mark = Watermark.read(parts.folder)
    tree, start = _from_watermark(parts, mark)
    bodies_from = mark if start is not None else None
    replay = _Replay(parts, tree, journal.parse_head(last_signed) if last_signed is not None else None)
    scan = Scan(parts.folder / ENTRIES_FOLDER, parts.identity.digest, start, tree.size)
    for frame in scan:
        replay.take(frame)
    _check_length(replay.tree.size, max(published_size(parts.folder), mark.size if mark else 0), scan.torn)
    replay.check_signed()
    size, replayed = replay.tree.size, replay.tree.size - tree.size
    clean = mark is not None and mark.clean and replayed == 0 and start is not None and scan.torn is None
    torn = _torn_bytes(parts.folder / ENTRIES_FOLDER, scan)
    place = (mark.size, mark.entries) if mark else None
    rewritten = 0 if clean else _settle(parts, parts.entries, ENTRIES_FOLDER, scan, place, size)
    if clean and scan.end is not None:
        parts.entries.resume(scan.end)
    if parts.bodies is not None:
        _recover_bodies(parts, parts.bodies, mark, bodies_from, size, clean)
    if not clean:
        at = (parts.entries.position, parts.bodies.position if parts.bodies else Position(0, 0))
        write_watermark(parts, replay.tree, False, at)
    return Recovered(replay.tree, replayed, torn, rewritten)


def write_watermark(parts: Parts, tree: Tree, clean: bool, at: tuple[Position, Position]) -> None:
    """Make the level files durable and say so: the next opening replays from here.

    raises  OSError when nothing has changed, Broken "log.sync"
    """
    parts.levels.sync()
    mark = Watermark(tree.size, tree.root(), *at, clean)
    replace_file(parts.files, parts.folder / "watermark", (mark.to_bytes(),))


class _Replay:
    """Rebuilds the tree and its files from frames, noting the root at the last signed size on the way."""

    def __init__(self, parts: Parts, tree: Tree, signed: Checkpoint | None) -> None:
        self._parts = parts
        self._signed = signed
        self.tree = tree
        self._root = b""
        if signed is not None and signed.size <= tree.size:
            self._root = (tree if signed.size == tree.size else parts.levels.load(signed.size)).root()

    def take(self, frame: ScannedFrame) -> None:
        """Add a frame's entries."""
        items = _items(frame, ENTRY_PREFIX_BYTES)
        leaves = merkle.leaf_hashes(items)
        if self._signed is not None and self.tree.size < self._signed.size <= frame.header.end:
            upto = self._signed.size - self.tree.size
            self._grow(leaves[:upto])
            self._root = self.tree.root()
            leaves = leaves[upto:]
        self._grow(leaves)
        _mark(self._parts.levels, OFFSETS, frame, items, ENTRY_PREFIX_BYTES)

    def check_signed(self) -> None:
        """Return if the log still is what its last checkpoint says; raise VerificationFailed "log.rollback"."""
        signed = self._signed
        if signed is None:
            return
        origin = self._parts.identity.origin
        if signed.origin != origin:
            raise VerificationFailed("log.rollback", "journal is another log's", expected=origin, got=signed.origin)
        if signed.size > self.tree.size:
            raise VerificationFailed(
                "log.rollback", "log is shorter than a checkpoint it signed", expected=signed.size, got=self.tree.size
            )
        if self._root != signed.root:
            message = f"log differs from the checkpoint it signed at size {signed.size}"
            raise VerificationFailed("log.rollback", message, expected=signed.root.hex(), got=self._root.hex())

    def _grow(self, leaves: list[bytes]) -> None:
        growth = self.tree.grow(leaves)
        self._parts.levels.write(growth)
        self.tree = growth.tree


def _from_watermark(parts: Parts, mark: Watermark | None) -> tuple[Tree, Position | None]:
    if mark is None:
        return Tree(), None
    tree = parts.levels.load(mark.size)
    indices = (OFFSETS, BODY_OFFSETS) if parts.identity.bodies else (OFFSETS,)
    indexed = all(parts.levels.marks(name) >= -(-mark.size // TILE_WIDTH) for name in indices)
    if not indexed or tree.size != mark.size or tree.root() != mark.root:
        return Tree(), None  # the caches are damaged; the write-ahead log is the truth
    return tree, mark.entries


def _check_length(size: int, wanted: int, torn: InvalidInput | None) -> None:
    if size < wanted:
        raise VerificationFailed(
            "log.short",
            f"acknowledged entries are missing{f': {torn}' if torn else ''}",
            expected=f"at least {wanted} entries",
            got=size,
            hint="restore the last segment from a copy; a log never rolls back by itself",
        )


def _torn_bytes(folder: Path, scan: Scan) -> int:
    if scan.torn is None or scan.end is None:
        return 0
    return segment_path(folder, scan.end.segment).stat().st_size - scan.end.offset


def _recover_bodies(
    parts: Parts, writer: WalWriter, mark: Watermark | None, start: Watermark | None, size: int, clean: bool
) -> None:
    """Bring the bodies to exactly `size`: they are synced before their entries, so they can only be ahead."""
    folder = parts.folder / BODIES_FOLDER
    scan = Scan(folder, parts.identity.digest, start.bodies if start else None, start.size if start else 0, size)
    for frame in scan:
        _mark(parts.levels, BODY_OFFSETS, frame, _items(frame, BODY_PREFIX_BYTES), BODY_PREFIX_BYTES)
    if scan.index != size:
        raise VerificationFailed(
            "log.short", "bodies of acknowledged entries are missing", expected=size, got=scan.index
        )
    if clean and scan.end is not None:
        writer.resume(scan.end)
    else:
        _settle(parts, writer, BODIES_FOLDER, scan, (mark.size, mark.bodies) if mark else None, size)


def _settle(
    parts: Parts, writer: WalWriter, kind: str, scan: Scan, mark: tuple[int, Position] | None, size: int
) -> int:
    """Put the writer behind the last good frame with everything before it durable; return the items rewritten."""
    end = scan.end
    if end is None:
        writer.start(size)
        return 0
    first, certain = end.segment, Position(end.segment, SEGMENT_HEADER_BYTES)
    if mark is not None and mark[1].segment == end.segment:
        first, certain = mark
    if certain != end:
        writer.start(first, _tail(parts, kind, first, certain, size))
        _remark(parts, kind, writer, first, size)
    if first != certain.segment or certain == end:
        _truncate(parts.files, segment_path(parts.folder / kind, certain.segment), certain.offset)
    if certain == end:
        writer.resume(end)
    return size - first


def _tail(parts: Parts, kind: str, first: int, certain: Position, size: int) -> Iterator[ScannedFrame]:
    yield from Scan(parts.folder / kind, parts.identity.digest, certain, first, size)


def _remark(parts: Parts, kind: str, writer: WalWriter, first: int, size: int) -> None:
    """Write the offset index anew for a rewritten segment."""
    name, prefix = (OFFSETS, ENTRY_PREFIX_BYTES) if kind == ENTRIES_FOLDER else (BODY_OFFSETS, BODY_PREFIX_BYTES)
    start = Position(writer.position.segment, SEGMENT_HEADER_BYTES)
    for frame in Scan(parts.folder / kind, parts.identity.digest, start, first, size):
        _mark(parts.levels, name, frame, _items(frame, prefix), prefix)


def _items(frame: ScannedFrame, prefix_bytes: int) -> list[bytes]:
    try:
        return decode_items(frame.payload, frame.header.count, prefix_bytes)
    except InvalidInput as error:
        at = frame.position
        raise VerificationFailed("log.corrupt", f"segment {at.segment} at byte {at.offset}: {error}") from None


def _mark(levels: LevelFiles, name: str, frame: ScannedFrame, items: list[bytes], prefix_bytes: int) -> None:
    at = frame.position.offset
    levels.mark(name, offset_marks(frame.header.first, items, prefix_bytes, at + FRAME_HEADER_BYTES), at)


def _truncate(files: Files, path: Path, size: int) -> None:
    """Cut a segment, durably."""
    fd = files.open(path, os.O_RDWR)
    try:
        if os.fstat(fd).st_size != size:
            files.truncate(fd, size)
            sync_all(files, fd)
    finally:
        os.close(fd)
