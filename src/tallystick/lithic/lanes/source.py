"""Where the inputs of a dense step lie: in which words, and at which bits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from tallystick.lithic.integer.intervals import Interval


@dataclass(frozen=True)
class Place:
    """A number in the 32-byte word at `address`, from bit `offset` (0 is the lowest) on; `bits` 256 is a whole word."""

    address: int
    offset: int
    bits: int


@dataclass(frozen=True)
class Source:
    """Numbers and their places. Numbers of fewer than 256 bits are unsigned.

    kind    what the addresses are of
    places  one for each number, in order
    ranges  what each number can be
    """

    kind: Literal["calldata", "memory"]
    places: tuple[Place, ...]
    ranges: tuple[Interval, ...]

    def rebased(self, start: int) -> Source:
        """Return the same numbers seen by a contract that is called with what lies from `start` on."""
        moved = tuple(replace(place, address=place.address - start) for place in self.places)
        return Source("calldata", moved, self.ranges)

    @property
    def span(self) -> tuple[int, int]:
        """The first byte of the first word, and the byte after the last."""
        addresses = [place.address for place in self.places]
        return min(addresses), max(addresses) + 32
