"""Reading a log from static files alone, trusting nothing but a checkpoint whose signature was checked before.

A tile is believed when it folds to the hash that the tile above it holds, and the tiles of the right edge when they
fold to the checkpoint's root; an entry is believed when its leaf hash stands in a believed tile. `audit` reads
everything and names each file and entry that is wrong.
"""

from __future__ import annotations

from functools import lru_cache

from tallystick.core import merkle
from tallystick.core.checkpoint import Checkpoint
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.core.limits import ENTRY_BYTES_MAX, NOTE_BYTES_MAX, TILE_WIDTH
from tallystick.inference.log.frames import decode_items, split_items
from tallystick.inference.log.proofs import Proofs
from tallystick.inference.log.tiles import BODIES_LEVEL, BUNDLE_LEVEL, TileName, tile_at
from tallystick.inference.log.wal import BODY_PREFIX_BYTES, ENTRY_PREFIX_BYTES
from tallystick.store.blobs import BlobStore

_HASH = 32
_BUNDLE_BYTES_MAX = TILE_WIDTH * (ENTRY_PREFIX_BYTES + ENTRY_BYTES_MAX)
_BODIES_BYTES_MAX = 2**28  # what a blob store holds under one name

_TILES_KEPT = 512  # believed tiles held in memory: 4 MiB


def read_checkpoint(blobs: BlobStore, prefix: str) -> bytes:
    """Return the signed checkpoint that the files of a log speak for; nothing is checked yet."""
    return blobs.read_named(f"{prefix}/checkpoint", NOTE_BYTES_MAX)


class TileReader:
    """The log of `head`, a checkpoint whose signature the caller checked, read from files under `prefix`.

    Every method raises Unavailable "blobs.missing" where a file lacks, VerificationFailed naming the file otherwise.
    """

    def __init__(self, blobs: BlobStore, prefix: str, head: Checkpoint) -> None:
        self._blobs = blobs
        self.prefix = prefix
        self.head = head
        self._believed = lru_cache(maxsize=_TILES_KEPT)(self._believe)
        self._proofs = Proofs(self._believed)
        self._edge: dict[int, bytes] | None = None

    @property
    def size(self) -> int:
        """How many entries the checkpoint speaks for."""
        return self.head.size

    def entries(self, start: int, end: int) -> list[bytes]:
        """Return entries start … end - 1, each verified against the checkpoint.

        raises  InvalidInput "log.index"; VerificationFailed "log.entry"
        """
        if not 0 <= start < end <= self.size:
            raise InvalidInput("log.index", "no such entries", expected=f"0 ≤ start < end ≤ {self.size}", got=start)
        found: list[bytes] = []
        for n in range(start // TILE_WIDTH, -(-end // TILE_WIDTH)):
            found += self.bundle(n)
        first = start - start % TILE_WIDTH
        return found[start - first : end - first]

    def entry(self, index: int) -> bytes:
        """Return one entry, verified against the checkpoint."""
        return self.entries(index, index + 1)[0]

    def bundle(self, n: int) -> list[bytes]:
        """Return the entries of bundle n, verified against the checkpoint."""
        name = tile_at(BUNDLE_LEVEL, n, self.size)
        hashes = self._believed(TileName(0, n, name.width))
        items, fault = split_items(self.read(name), name.width, ENTRY_PREFIX_BYTES)
        wrong = first_difference(merkle.leaf_hashes(items), hashes)
        if wrong is not None or fault:
            at = wrong if wrong is not None else name.width
            raise VerificationFailed(
                "log.entry",
                f"{self.prefix}/{name.path} is damaged at entry {n * TILE_WIDTH + at}",
                expected=hashes[at * _HASH : (at + 1) * _HASH].hex() or f"{name.width} entries and no more",
                got=merkle.leaf_hash(items[at]).hex() if at < len(items) else fault,
            )
        return items

    def bodies(self, n: int) -> list[bytes]:
        """Return what was kept beside the entries of bundle n; the entries' commitments say whether it is right.

        raises  Unavailable "blobs.missing"; VerificationFailed "log.bodies"
        """
        name = tile_at(BODIES_LEVEL, n, self.size)
        try:
            return decode_items(self.read(name), name.width, BODY_PREFIX_BYTES, f"{self.prefix}/{name.path}")
        except InvalidInput as error:
            raise VerificationFailed("log.bodies", error.message, expected=error.expected, got=error.got) from None

    def inclusion(self, index: int) -> list[bytes]:
        """Return the audit path of entry `index` in the checkpoint's tree; raise InvalidInput "merkle.index"."""
        return self._proofs.inclusion(index, self.size)

    def consistency(self, old_size: int) -> list[bytes]:
        """Return the proof that the checkpoint's tree extends that of `old_size`; raise InvalidInput "merkle.size"."""
        return self._proofs.consistency(old_size, self.size)

    def root(self, size: int) -> bytes:
        """Return the root of the first `size` entries, from believed tiles."""
        if not 0 <= size <= self.size:
            raise InvalidInput("log.beyond", "the checkpoint is not that long", expected=f"≤ {self.size}", got=size)
        return self._proofs.root(size)

    def read(self, name: TileName) -> bytes:
        """Return a tile or bundle unverified, cut from the full one where the partial one was pruned."""
        limit = _BUNDLE_BYTES_MAX if name.level == BUNDLE_LEVEL else TILE_WIDTH * _HASH
        if name.level == BODIES_LEVEL:
            limit = _BODIES_BYTES_MAX
        path = f"{self.prefix}/{name.path}"
        if name.width < TILE_WIDTH and not self._blobs.has_named(path):
            full = f"{self.prefix}/{name.full.path}"
            if self._blobs.has_named(full):
                return _cut(self._blobs.read_named(full, limit), name)
        return self._blobs.read_named(path, limit)

    def believes(self, name: TileName) -> bool:
        """Return whether a tile as published leads to the checkpoint's root."""
        try:
            self._believed(name)
        except VerificationFailed:
            return False
        return True

    def _believe(self, name: TileName) -> bytes:
        """Return a tile that leads to the checkpoint's root, or raise VerificationFailed "log.tile"."""
        edge = self._right_edge()
        if name.n == (self.size >> 8 * name.level) // TILE_WIDTH:
            return edge[name.level][: name.width * _HASH]
        data = self.read(name.full)
        above = TileName(name.level + 1, name.n // TILE_WIDTH)
        parent = self._believed(tile_at(above.level, above.n, self.size))
        place = name.n % TILE_WIDTH
        expected, got = parent[place * _HASH : (place + 1) * _HASH], tile_root(data)
        if got != expected:
            raise VerificationFailed(
                "log.tile",
                f"{self.prefix}/{name.path} does not fold to hash {place} of {above.path}",
                expected=expected.hex(),
                got=got.hex(),
            )
        return data[: name.width * _HASH]

    def _right_edge(self) -> dict[int, bytes]:
        """Return the partial tile of each level; together they fold to the checkpoint's root, or none is believed."""
        if self._edge is None:
            edge: dict[int, bytes] = {}
            ragged: list[bytes] = []
            level = 0
            while count := self.size >> 8 * level:
                edge[level] = b""
                if count % TILE_WIDTH:
                    name = tile_at(level, count // TILE_WIDTH, self.size)
                    edge[level] = self.read(name)
                    if len(edge[level]) != name.width * _HASH:
                        raise _wrong_length(f"{self.prefix}/{name.path}", name.width * _HASH, len(edge[level]))
                if edge[level] or ragged:
                    ragged = [merkle.root(split_hashes(edge[level]) + ragged)]
                level += 1
            got = ragged[0] if ragged else merkle.EMPTY_ROOT
            if got != self.head.root:
                raise VerificationFailed(
                    "log.root",
                    f"the tiles of {self.prefix} at the right edge do not fold to the checkpoint's root",
                    expected=self.head.root.hex(),
                    got=got.hex(),
                )
            self._edge = edge
        return self._edge


def split_hashes(data: bytes) -> list[bytes]:
    """Return the hashes of a tile."""
    return [data[at : at + _HASH] for at in range(0, len(data), _HASH)]


def tile_root(data: bytes) -> bytes:
    """Return the one hash that a full tile folds to; of a tile of another length, the root of what it holds."""
    return merkle.root(split_hashes(data))


def first_difference(leaves: list[bytes], hashes: bytes) -> int | None:
    """Return the first place where leaf hashes differ from a tile's, or None."""
    if b"".join(leaves) == hashes:
        return None
    wanted = split_hashes(hashes)
    for place, (leaf, kept) in enumerate(zip(leaves, wanted, strict=False)):
        if leaf != kept:
            return place
    return min(len(leaves), len(wanted))


def _cut(data: bytes, name: TileName) -> bytes:
    if name.level >= 0:
        return data[: name.width * _HASH]
    prefix = ENTRY_PREFIX_BYTES if name.level == BUNDLE_LEVEL else BODY_PREFIX_BYTES
    at = 0
    for _ in range(name.width):
        at += prefix + int.from_bytes(data[at : at + prefix], "big")
    return data[:at]


def _wrong_length(path: str, expected: int, got: int) -> VerificationFailed:
    return VerificationFailed("log.tile", f"{path} has the wrong length", expected=expected, got=got)
