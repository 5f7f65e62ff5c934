"""C2SP tlog-tiles: how tiles and entry bundles are named and what widths they have.

Tile n of level l holds, at i, the root of entries [(256n+i)·256^l, (256n+i+1)·256^l). Entries travel in bundles of
256, each entry after its u16 length.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tallystick.core.limits import TILE_WIDTH

LEVELS_MAX = 8  # 256**8 = 2**64 leaves, beyond any tree size


@dataclass(frozen=True, order=True)
class TileName:
    """A tile or, at level -1, an entry bundle. `width` is 1 to 256; below 256 it is partial."""

    level: int
    n: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """The resource's path under the log's prefix, such as `tile/0/x001/067.p/17`."""
        kind = "entries" if self.level < 0 else str(self.level)
        digits = f"{self.n:d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        number = "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
        partial = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{kind}/{number}{partial}"

    @property
    def full(self) -> TileName:
        """The full tile of the same place."""
        return TileName(self.level, self.n)


def bundle_name(n: int, width: int = TILE_WIDTH) -> TileName:
    """Return the name of the bundle of entries 256n … 256n + width - 1."""
    return TileName(-1, n, width)


def tiles_of(size: int, since: int = 0) -> Iterator[TileName]:
    """Yield the tiles and bundles of a tree of `size` that a tree of `since` lacked, bundles first, low to high."""
    for level in range(-1, LEVELS_MAX):
        span = TILE_WIDTH ** max(level, 0)
        count, before = size // span, since // span
        if count == before:
            continue
        for n in range(before // TILE_WIDTH, -(-count // TILE_WIDTH)):
            yield TileName(level, n, min(TILE_WIDTH, count - n * TILE_WIDTH))
