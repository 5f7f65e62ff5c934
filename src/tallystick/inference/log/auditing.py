"""A full audit of a log from its static files: every entry and every tile, against one signed checkpoint.

The tree is derived anew from the entries and compared with every published tile. Where they differ, the tile is right
if it leads to the signed root, and the entry is right if it lets the tree reach it; so a flipped byte is named by file
and entry, not merely noticed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tallystick.core import merkle
from tallystick.core.errors import TallystickError, Unavailable
from tallystick.core.limits import LOG_FAULTS_MAX, TILE_WIDTH
from tallystick.inference.log.frames import split_items
from tallystick.inference.log.levels import Tree
from tallystick.inference.log.static import TileReader, first_difference, split_hashes
from tallystick.inference.log.tiles import BUNDLE_LEVEL, TileName, tile_at
from tallystick.inference.log.wal import ENTRY_PREFIX_BYTES

_HASH = 32

Visit = Callable[[int, Sequence[bytes | None]], None]


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: the file that is at fault, the entry where there is one, and what was compared."""

    file: str
    detail: str
    expected: str = ""
    got: str = ""
    entry: int | None = None


@dataclass(frozen=True)
class Audit:
    """What an audit found. `roots` holds the derived root at each size that was asked for, as far as entries reach."""

    size: int
    root: bytes
    roots: dict[int, bytes]
    faults: tuple[Fault, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


def audit(reader: TileReader, sizes: Iterable[int] = (), visit: Visit | None = None) -> Audit:
    """Read every file of the log that `reader.head` speaks for, and name all that is wrong, up to a hundred faults.

    sizes   where to note the derived root too
    visit   called with (index of the first, entries) of each bundle, None for entries that disagree with their tile
    raises  Unavailable when the store cannot be reached at all
    """
    work = _Work(reader, sizes, visit)
    for n in range(-(-reader.size // TILE_WIDTH)):
        work.take(n)
    return work.verdict()


@dataclass(frozen=True)
class _Difference:
    """A published tile that differs from the derived one, first at `place`; `believed` if it leads to the root."""

    name: TileName
    place: int
    derived: str
    published: str
    believed: bool


class _Work:
    def __init__(self, reader: TileReader, sizes: Iterable[int], visit: Visit | None) -> None:
        self._reader = reader
        self._visit = visit
        self._wanted = sorted({size for size in sizes if 0 <= size <= reader.size}, reverse=True)
        self._tree = Tree()
        self._roots: dict[int, bytes] = {}
        self._faults: list[Fault] = []
        self._differences: list[_Difference] = []
        self._tiles: dict[int, tuple[TileName, bytes]] = {}  # per level, the published tile being compared

    def take(self, n: int) -> None:
        """Compare bundle n, and every tile that it completes or touches."""
        name = tile_at(BUNDLE_LEVEL, n, self._reader.size)
        items = self._items(name)
        leaves = merkle.leaf_hashes(items)
        if self._visit is not None:
            self._visit(n * TILE_WIDTH, self._agreed(name, items, leaves))
        while self._wanted and self._wanted[-1] <= n * TILE_WIDTH + name.width:
            size = self._wanted.pop()
            self._roots[size] = self._tree.grow(leaves[: size - n * TILE_WIDTH]).tree.root()
        growth = self._tree.grow(leaves)
        for level, start, hashes in growth.writes:
            self._compare(level, start, hashes)
        self._tree = growth.tree

    def verdict(self) -> Audit:
        """Decide which side of each difference is wrong."""
        root = self._tree.root()
        reaches = root == self._reader.head.root and self._tree.size == self._reader.size
        for found in self._differences:
            path = self._path(found.name)
            if found.believed and not reaches:
                if found.name.level == 0:
                    self._fault_entry(found)
            else:
                hint = "" if reaches else "; neither leads to the signed root"
                detail = f"{path} differs from the entries at hash {found.place}{hint}"
                self._add(Fault(path, detail, found.derived, found.published))
        if not reaches and not self._faults:
            detail = "entries and tiles agree with each other and not with the signed checkpoint"
            self._add(Fault(self._prefixed("checkpoint"), detail, self._reader.head.root.hex(), root.hex()))
        return Audit(self._tree.size, root, self._roots, tuple(self._faults))

    def _items(self, name: TileName) -> list[bytes]:
        """Return as many entries as the bundle should have, standing in with empty ones for what cannot be read."""
        fault = ""
        try:
            items, fault = split_items(self._reader.read(name), name.width, ENTRY_PREFIX_BYTES)
        except TallystickError as error:
            items = []
            self._add(self._unreadable(name, error))
        if fault and len(items) == name.width:
            self._add(Fault(self._path(name), f"{self._path(name)}: {fault}"))
        return items + [b""] * (name.width - len(items))

    def _agreed(self, name: TileName, items: list[bytes], leaves: list[bytes]) -> Sequence[bytes | None]:
        """Return the entries, None in place of those that disagree with the published tile: they are faults already."""
        published = self._published(TileName(0, name.n, name.width))
        if published is None or b"".join(leaves) == published:
            return items
        kept = split_hashes(published) + [b""] * len(leaves)
        return [item if leaf == hash_ else None for item, leaf, hash_ in zip(items, leaves, kept, strict=False)]

    def _compare(self, level: int, start: int, hashes: bytes) -> None:
        name = tile_at(level, start // TILE_WIDTH, self._reader.size)
        published = self._published(name)
        if published is None:
            return
        place = start % TILE_WIDTH
        part = published[place * _HASH : place * _HASH + len(hashes)]
        wrong = first_difference([hashes[at : at + _HASH] for at in range(0, len(hashes), _HASH)], part)
        if wrong is not None and len(self._differences) < LOG_FAULTS_MAX:
            kept, derived = (data[wrong * _HASH : (wrong + 1) * _HASH].hex() for data in (part, hashes))
            believed = self._reader.believes(name)
            self._differences.append(_Difference(name, place + wrong, derived, kept, believed))

    def _published(self, name: TileName) -> bytes | None:
        known = self._tiles.get(name.level)
        if known is not None and known[0] == name:
            return known[1] or None
        try:
            data = self._reader.read(name)
        except TallystickError as error:
            data = b""
            self._add(self._unreadable(name, error))
        if data and len(data) != name.width * _HASH:
            detail = f"{self._path(name)} has the wrong length"
            self._add(Fault(self._path(name), detail, str(name.width * _HASH), str(len(data))))
        self._tiles[name.level] = (name, data)
        return data or None

    def _fault_entry(self, found: _Difference) -> None:
        bundle = tile_at(BUNDLE_LEVEL, found.name.n, self._reader.size)
        index = found.name.n * TILE_WIDTH + found.place
        detail = f"{self._path(bundle)} is damaged at entry {index}: it is not what was logged"
        self._add(Fault(self._path(bundle), detail, found.published, found.derived, index))

    def _unreadable(self, name: TileName, error: TallystickError) -> Fault:
        if isinstance(error, Unavailable) and error.code != "blobs.missing":
            raise error
        missing = "is missing" if isinstance(error, Unavailable) else f"cannot be read: {error}"
        return Fault(self._path(name), f"{self._path(name)} {missing}")

    def _add(self, fault: Fault) -> None:
        if len(self._faults) < LOG_FAULTS_MAX:
            self._faults.append(fault)

    def _path(self, name: TileName) -> str:
        return self._prefixed(name.path)

    def _prefixed(self, path: str) -> str:
        return f"{self._reader.prefix}/{path}"
