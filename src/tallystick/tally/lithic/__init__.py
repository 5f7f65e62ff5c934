"""The desk of the room `lithic` in an open workspace: kernels on this workspace's chain, and answers that are assured.

kernels     deploy kernels, tie them to versions, ask them
places      where the contracts of a coin are: OptimisticModel and Committee, one of each for every coin
optimistic  answers under bond: ask, claim, watch, refute, settle
committee   answers of named providers: register, offer, ask, settle, collect
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tallystick.tally.lithic.kernels import Kernels

if TYPE_CHECKING:
    from tallystick.tally.workspace import Tally

__all__ = ["Kernels", "open_desk"]


def open_desk(tally: Tally) -> Kernels:
    """Return the desk of `lithic` in this workspace."""
    return Kernels(tally)
