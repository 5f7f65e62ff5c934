"""What an outbox may spend, how long it waits, and by which clock."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Protocol

from tallystick.chain.fees import FeeBudget
from tallystick.core.limits import OUTBOX_BUMP_AFTER_S, OUTBOX_REBROADCAST_AFTER_S


@dataclass(frozen=True)
class Patience:
    """How long to wait before offering more and before sending the same bytes again, in seconds."""

    bump_after_s: float = OUTBOX_BUMP_AFTER_S
    rebroadcast_after_s: float = OUTBOX_REBROADCAST_AFTER_S


@dataclass(frozen=True)
class OutboxPolicy:
    """What an outbox may spend and how long it waits.

    final_depth  blocks on top of a block that make it final; None follows the node's "finalized" tag, and counts 64
                 blocks where the node has none
    """

    budget: FeeBudget = field(default_factory=FeeBudget)
    patience: Patience = field(default_factory=Patience)
    final_depth: int | None = None


class Clock(Protocol):
    """Time as the outbox needs it; tests bring their own."""

    def now_s(self) -> float:
        """Return seconds since 1970, for records and patience."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds since some moment, never going back, for deadlines."""
        ...

    def pause(self, seconds: float) -> None:
        """Return after so many seconds."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_s(self) -> float:
        """Return seconds since 1970."""
        return time.time()

    def monotonic_s(self) -> float:
        """Return seconds since some moment, never going back."""
        return time.monotonic()

    def pause(self, seconds: float) -> None:
        """Return after so many seconds."""
        time.sleep(seconds)
