"""The tree on disk: `level0`, `level1`, … hold raw 32-byte hashes, and `offsets` the place of every 256th entry.

All of it is a cache of the write-ahead log: written without syncing, replayed from a watermark after a crash, and
overwritten in place with the same bytes, so a reader in another process is never shown less than it was. Memory is
the right edge of the tree: at most 255 hashes a level.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tallystick.core import merkle
from tallystick.core.limits import TILE_WIDTH
from tallystick.inference.log.files import Files, read_exactly, sync_all, write_all

OFFSETS = "offsets"

_HASH = 32
_MARK = struct.Struct(">QQ")

MARK_BYTES = _MARK.size


def level_name(level: int) -> str:
    """Return the file name of a level."""
    return f"level{level}"


def pack_mark(frame_offset: int, item_offset: int) -> bytes:
    """Return the offset index record of one block: where its frame starts and where its first item does."""
    return _MARK.pack(frame_offset, item_offset)


def unpack_mark(data: bytes) -> tuple[int, int]:
    """Read an offset index record."""
    frame_offset, item_offset = _MARK.unpack(data)
    return frame_offset, item_offset


@dataclass(frozen=True)
class Growth:
    """What adding some leaves changes: new hashes to write at each level, and the tree afterwards."""

    writes: tuple[tuple[int, int, bytes], ...]  # level, index of the first new hash, hashes
    tree: Tree


@dataclass(frozen=True)
class Tree:
    """A tree of `size` by its right edge: per level, the hashes of its last, partial tile. Never changed in place."""

    size: int = 0
    edges: tuple[list[bytes], ...] = ()

    def grow(self, leaves: list[bytes]) -> Growth:
        """Return what adding `leaves` changes; until it is on the disk the batch may yet fail."""
        writes, edges = [], []
        new, level = leaves, 0
        while new or level < len(self.edges):
            joined = self.edges[level] + new if level < len(self.edges) else new
            if new:
                writes.append((level, self.size >> 8 * level, b"".join(new)))
            whole = len(joined) // TILE_WIDTH
            new = [_fold(joined[n * TILE_WIDTH : (n + 1) * TILE_WIDTH]) for n in range(whole)]
            edges.append(joined[whole * TILE_WIDTH :])
            level += 1
        return Growth(tuple(writes), Tree(self.size + len(leaves), tuple(edges)))

    def root(self) -> bytes:
        """Return the root of the whole tree."""
        ragged: list[bytes] = []
        for edge in self.edges:
            if edge or ragged:
                ragged = [merkle.root(edge + ragged)]
        return ragged[0] if ragged else merkle.EMPTY_ROOT


class LevelFiles:
    """Writes the level files and the offset index. One writer; `OSError` of a write leaves as it came."""

    def __init__(self, files: Files, folder: Path) -> None:
        self._files = files
        self._folder = folder
        self._fds: dict[str, int] = {}

    def write(self, growth: Growth) -> None:
        """Write a plan's new hashes; readers do not look past the published size, so nobody sees them yet."""
        for level, index, hashes in growth.writes:
            write_all(self._files, self._fd(level_name(level)), hashes, index * _HASH)

    def mark(self, name: str, marks: Sequence[tuple[int, int]], frame_offset: int) -> None:
        """Write records of the offset index `name` for blocks that start in the frame at `frame_offset`."""
        if marks:
            data = b"".join(pack_mark(frame_offset, offset) for _, offset in marks)
            write_all(self._files, self._fd(name), data, marks[0][0] * MARK_BYTES)

    def marks(self, name: str) -> int:
        """Return how many records the offset index `name` has."""
        return os.fstat(self._fd(name)).st_size // MARK_BYTES

    def load(self, size: int) -> Tree:
        """Return the tree of `size` from what the files hold, or an empty one when they hold too little."""
        edges: list[list[bytes]] = []
        while count := size >> 8 * len(edges):
            level = len(edges)
            start = count - count % TILE_WIDTH
            data = read_exactly(self._fd(level_name(level)), (count - start) * _HASH, start * _HASH)
            if len(data) != (count - start) * _HASH:
                return Tree()
            edges.append([data[at : at + _HASH] for at in range(0, len(data), _HASH)])
        return Tree(size, tuple(edges))

    def sync(self) -> None:
        """Make all of it durable."""
        for fd in list(self._fds.values()):
            sync_all(self._files, fd)

    def close(self) -> None:
        """Close the files."""
        for fd in self._fds.values():
            os.close(fd)
        self._fds.clear()

    def _fd(self, name: str) -> int:
        fd = self._fds.get(name)
        if fd is None:
            fd = self._fds[name] = self._files.open(self._folder / name, os.O_RDWR | os.O_CREAT)
        return fd


def _fold(tile: list[bytes]) -> bytes:
    """Return the one hash above a full tile."""
    while len(tile) > 1:
        tile = merkle.parents(tile)
    return tile[0]
