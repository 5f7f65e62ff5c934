"""C2SP tlog-tiles: how tiles and entry bundles are named and what widths they have.

Tile n of level l holds, at i, the root of entries [(256n+i)·256^l, (256n+i+1)·256^l). Entries travel in bundles of
256, each entry after its u16 length.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tallystick.core.limits import TILE_WIDTH

LEVELS_MAX = 8  # 256**8 = 2**64 leaves, beyond any tree size

BUNDLE_LEVEL = -1
BODIES_LEVEL = -2


class TileName(NamedTuple):
    """A tile; at level -1 an entry bundle, at -2 a bundle of bodies. `width` is 1 to 256; below 256 it is partial."""

    level: int
    n: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """The resource's path under the log's prefix, such as `tile/0/x001/067.p/17`."""
        digits = f"{self.n:d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        number = "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
        partial = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"{self._kind}/{number}{partial}"

    @property
    def full(self) -> TileName:
        """The full tile of the same place."""
        return TileName(self.level, self.n)

    @property
    def _kind(self) -> str:
        if self.level == BODIES_LEVEL:
            return "bodies"  # ours, not C2SP's: it lies beside `tile`, where no tlog reader looks
        return "tile/entries" if self.level == BUNDLE_LEVEL else f"tile/{self.level}"


def tile_at(level: int, n: int, size: int) -> TileName:
    """Return the tile or bundle n of a level as a tree of `size` has it, full or partial.

    Requires that it has it: n · 256 below the number of hashes at that level.
    """
    return TileName(level, n, min(TILE_WIDTH, (size >> 8 * max(level, 0)) - n * TILE_WIDTH))


def tiles_of(size: int, since: int = 0, *, bodies: bool = False) -> Iterator[TileName]:
    """Yield the tiles and bundles of a tree of `size` that a tree of `since` lacked, bundles first, low to high."""
    for level in range(BODIES_LEVEL if bodies else BUNDLE_LEVEL, LEVELS_MAX):
        count, before = size >> 8 * max(level, 0), since >> 8 * max(level, 0)
        if count > before:
            for n in range(before // TILE_WIDTH, -(-count // TILE_WIDTH)):
                yield tile_at(level, n, size)
