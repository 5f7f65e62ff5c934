"""A full check of a log's folder: everything is derived again from the write-ahead log and compared.

Reads only, needs no lock, and may run beside the writer: it looks at what was durable when it started. Each fault is
a failed check that names the file and the place in it.

 1  the identity can be read
 2  every segment and frame is whole and in order, up to the size that was published, signed or marked
 3  the level files hold the hashes that the entries lead to
 4  the offset index points at every 256th entry
 5  every checkpoint ever signed has the root that the entries lead to, and is signed if keys are given
 6  the watermark, if there is one, is true
 7  bodies, where kept, are as many as the entries
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from tallystick.core import merkle
from tallystick.core.checkpoint import Checkpoint, open_checkpoint
from tallystick.core.checks import Check, Report
from tallystick.core.errors import TallystickError
from tallystick.core.limits import LOG_FAULTS_MAX
from tallystick.core.note import VerifierKey
from tallystick.inference.log import journal
from tallystick.inference.log.files import read_exactly
from tallystick.inference.log.frames import FRAME_HEADER_BYTES, SEGMENT_HEADER_BYTES, decode_items
from tallystick.inference.log.levels import MARK_BYTES, OFFSETS, Tree, level_name, pack_mark
from tallystick.inference.log.marks import Identity, Watermark, load_size
from tallystick.inference.log.reader import BODIES_FOLDER, BODY_OFFSETS, ENTRIES_FOLDER
from tallystick.inference.log.wal import (
    BODY_PREFIX_BYTES,
    ENTRY_PREFIX_BYTES,
    Position,
    Scan,
    ScannedFrame,
    list_segments,
    offset_marks,
    segment_path,
)

_HASH = 32


def fsck(folder: Path, keys: Iterable[VerifierKey] = ()) -> Report:
    """Return the checks of the log in `folder`, one for each fault, or one for each step that held.

    keys  those that may have signed its checkpoints; without any, signatures are not looked at
    """
    return Report.of(_checks(folder, tuple(keys)))


def _checks(folder: Path, keys: tuple[VerifierKey, ...]) -> Iterator[Check]:
    try:
        identity = Identity.read(folder)
    except TallystickError as error:
        yield Check.failed("1 identity", error)
        return
    yield Check("1 identity", True, identity.origin)
    size = 0
    try:
        size = load_size(folder)
    except TallystickError as error:
        yield Check.failed("2 size", error)
    mark = Watermark.read(folder)
    heads, fault = _heads(folder)
    if fault is not None:
        yield fault
    size = max([size, *(head.size for head, _ in heads), mark.size if mark else 0])  # each was durable when it was said
    work = _Entries(folder, identity, size, sorted({h.size for h, _ in heads} | ({mark.size} if mark else set())))
    yield from work.run()
    yield from _check_heads(identity, heads, work.roots, keys)
    if mark is not None:
        yield Check.equal("6 watermark", mark.root, work.roots.get(mark.size), f"watermark at {mark.size}")
    if identity.bodies:
        yield from _Frames(folder, identity, BODIES_FOLDER, size).run()


def _heads(folder: Path) -> tuple[list[tuple[Checkpoint, bytes]], Check | None]:
    heads: list[tuple[Checkpoint, bytes]] = []
    try:
        for note in journal.read_journal(folder):
            heads.append((journal.parse_head(note), note))
    except TallystickError as error:
        return heads, Check.failed("5 checkpoints", error)
    return heads, None


def _check_heads(
    identity: Identity, heads: list[tuple[Checkpoint, bytes]], roots: dict[int, bytes], keys: tuple[VerifierKey, ...]
) -> Iterator[Check]:
    good = 0
    for head, note in heads:
        name = f"5 checkpoint at {head.size}"
        if head.origin != identity.origin or roots.get(head.size) != head.root:
            got = roots[head.size].hex() if head.size in roots else "fewer entries"
            yield Check(name, False, f"the journal's checkpoint of {head.origin}", head.root.hex(), got)
            continue
        try:
            if keys:
                open_checkpoint(note, keys)
        except TallystickError as error:
            yield Check.failed(name, error)
            continue
        good += 1
    if good == len(heads):
        signed = "are signed and lead" if keys else "lead"
        yield Check("5 checkpoints", True, f"{good} checkpoints {signed} to the same roots as the entries")


class _Frames:
    """Walks over the frames of one kind, segment by segment, so that one damaged segment does not hide the next."""

    name = "7 bodies"

    def __init__(self, folder: Path, identity: Identity, kind: str, size: int) -> None:
        self._folder = folder
        self._kind = kind
        self._origin_digest = identity.digest
        self._size = size
        self._prefix_bytes = ENTRY_PREFIX_BYTES if kind == ENTRIES_FOLDER else BODY_PREFIX_BYTES
        self._offsets = OFFSETS if kind == ENTRIES_FOLDER else BODY_OFFSETS
        self._faults: list[Check] = []
        self._items = 0
        self._fds: dict[str, int] = {}

    def run(self) -> Iterator[Check]:
        """Yield the checks of this kind."""
        segments = list_segments(self._folder / self._kind)
        if segments[:1] != [0]:
            self._fault(self.name, "the first segment is missing", "0", str(segments[:1]))
        for number, first in enumerate(segments):
            end = segments[number + 1] if number + 1 < len(segments) else self._size
            self._segment(first, min(end, self._size))
        while self._fds:
            os.close(self._fds.popitem()[1])
        yield from self._faults
        if not self._faults:
            yield Check(self.name, True, f"{len(segments)} segments hold {self._items} whole items in order")

    def _segment(self, first: int, end: int) -> None:
        scan = Scan(
            self._folder / self._kind,
            self._origin_digest,
            Position(first, SEGMENT_HEADER_BYTES),
            first,
            end,
            only_one=True,
        )
        try:
            for frame in scan:
                self._frame(frame)
        except TallystickError as error:
            self._faults.append(Check.failed(self.name, error))
            return
        if scan.index < end:
            file = segment_path(self._folder / self._kind, first).name
            self._fault(self.name, f"segment {file} ends too early: {scan.torn or ''}", str(end), str(scan.index))

    def _frame(self, frame: ScannedFrame) -> list[bytes]:
        items = decode_items(frame.payload, frame.header.count, self._prefix_bytes)
        at = frame.position.offset
        for block, offset in offset_marks(frame.header.first, items, self._prefix_bytes, at + FRAME_HEADER_BYTES):
            got = self._read(self._offsets, MARK_BYTES, block * MARK_BYTES)
            if got != pack_mark(at, offset):
                self._fault("4 offsets", f"{self._offsets}: record {block} is wrong", f"{at}, {offset}", got.hex())
        self._items += len(items)
        return items

    def _read(self, name: str, length: int, offset: int) -> bytes:
        if name not in self._fds:
            try:
                self._fds[name] = os.open(self._folder / name, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return b""
        return read_exactly(self._fds[name], length, offset)

    def _fault(self, name: str, detail: str, expected: str, got: str) -> None:
        if len(self._faults) < LOG_FAULTS_MAX:
            self._faults.append(Check(name, False, detail, expected, got))


class _Entries(_Frames):
    """The frames of entries, from which the tree is derived and compared with the level files."""

    name = "2 frames"

    def __init__(self, folder: Path, identity: Identity, size: int, sizes: list[int]) -> None:
        super().__init__(folder, identity, ENTRIES_FOLDER, size)
        self._tree = Tree()
        self._wanted = sizes[::-1]
        self.roots: dict[int, bytes] = {}
        self._note_roots([])

    def run(self) -> Iterator[Check]:
        """Yield the checks of frames and levels."""
        yield from super().run()
        if self._tree.size == self._size and not any(fault.name == "3 levels" for fault in self._faults):
            yield Check("3 levels", True, f"the level files hold the tree of {self._size} entries")

    def _frame(self, frame: ScannedFrame) -> list[bytes]:
        items = super()._frame(frame)
        if frame.header.first != self._tree.size:  # what a damaged segment held is unknown: so is the tree after it
            return items
        leaves = merkle.leaf_hashes(items)
        self._note_roots(leaves)
        growth = self._tree.grow(leaves)
        for level, start, hashes in growth.writes:
            got = self._read(level_name(level), len(hashes), start * _HASH)
            for place in range(0, len(hashes), _HASH) if got != hashes else ():
                expected, kept = hashes[place : place + _HASH].hex(), got[place : place + _HASH].hex()
                if expected != kept:
                    detail = f"{level_name(level)}: hash {start + place // _HASH} is not what the entries lead to"
                    self._fault("3 levels", detail, expected, kept)
        self._tree = growth.tree
        return items

    def _note_roots(self, leaves: list[bytes]) -> None:
        while self._wanted and self._wanted[-1] <= self._tree.size + len(leaves):
            size = self._wanted.pop()
            self.roots[size] = self._tree.grow(leaves[: size - self._tree.size]).tree.root()
