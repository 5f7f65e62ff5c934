"""Roots and proofs from tiles, wherever the tiles come from: a log's level files or a folder of static files.

A tile is expanded once into the eight rows above its hashes and kept, so a further proof through it costs a lookup.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from tallystick.core import merkle
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.core.limits import LOG_TILE_CACHE, TILE_WIDTH, TREE_SIZE_MAX
from tallystick.inference.log.tiles import TileName

_HASH = 32

ReadTile = Callable[[TileName], bytes]


class Proofs:
    """Proofs about trees whose tiles `read_tile` returns; nothing is trusted beyond what the caller then verifies."""

    def __init__(self, read_tile: ReadTile) -> None:
        self._read_tile = read_tile
        self._cache: OrderedDict[TileName, list[list[bytes]]] = OrderedDict()

    def root(self, size: int) -> bytes:
        """Return the root of the first `size` entries."""
        return self._range(0, size, size) if size else merkle.EMPTY_ROOT

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Return the audit path of entry `index` in the tree of `size`, sibling first.

        raises  InvalidInput "merkle.index"
        """
        if not 0 <= index < size <= TREE_SIZE_MAX:
            raise InvalidInput("merkle.index", "no such entry", expected=f"0 ≤ index < {size}", got=index)
        return [self._range(start, end, size) for start, end in merkle.inclusion_ranges(index, size)]

    def consistency(self, old_size: int, new_size: int) -> list[bytes]:
        """Return the proof that the tree of `new_size` extends the tree of `old_size`.

        raises  InvalidInput "merkle.size"
        """
        if not 0 <= old_size <= new_size <= TREE_SIZE_MAX:
            raise InvalidInput("merkle.size", "no such older tree", expected=f"0 ≤ size ≤ {new_size}", got=old_size)
        if old_size in (0, new_size):
            return []
        ranges = merkle.consistency_ranges(old_size, new_size)
        return [self._range(start, end, new_size) for start, end in ranges]

    def _range(self, start: int, end: int, size: int) -> bytes:
        """Return the root of entries [start, end), perfect or the ragged right edge, in the tree of `size`."""
        nodes, at = [], start
        while at < end:
            height = (end - at).bit_length() - 1
            if at:
                height = min(height, (at & -at).bit_length() - 1)
            nodes.append(self._perfect(at >> height, height, size))
            at += 1 << height
        value = nodes.pop()
        while nodes:
            value = merkle.node_hash(nodes.pop(), value)
        return value

    def _perfect(self, number: int, height: int, size: int) -> bytes:
        """Return the root of the perfect subtree of 2**height entries that starts at entry number << height."""
        level, row = divmod(height, 8)
        tile, place = divmod(number << row, TILE_WIDTH)
        count = size >> 8 * level
        width = min(TILE_WIDTH, count - tile * TILE_WIDTH)
        return self._expanded(TileName(level, tile, width))[row][place >> row]

    def _expanded(self, name: TileName) -> list[list[bytes]]:
        rows = self._cache.get(name)
        if rows is not None:
            self._cache.move_to_end(name)
            return rows
        data = self._read_tile(name)
        if len(data) != name.width * _HASH:
            raise VerificationFailed(
                "log.tile", f"{name.path} has the wrong length", expected=name.width * _HASH, got=len(data)
            )
        rows = [[data[at : at + _HASH] for at in range(0, len(data), _HASH)]]
        while len(rows[-1]) > 1:
            rows.append(merkle.parents(rows[-1]))
        self._cache[name] = rows
        if len(self._cache) > LOG_TILE_CACHE:
            self._cache.popitem(last=False)
        return rows
