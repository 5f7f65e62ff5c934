"""A clock that tests turn by hand: waiting takes no time, and it may run backwards."""

from __future__ import annotations

from collections.abc import Callable


class FakeClock:
    """Seconds since 1970 and since the start; `while_waiting` runs at each pause, as the world does."""

    def __init__(self, while_waiting: Callable[[], None] | None = None) -> None:
        self.wall_s = 1_700_000_000.0
        self.steady_s = 0.0
        self.while_waiting = while_waiting

    def now_s(self) -> float:
        """Return seconds since 1970."""
        return self.wall_s

    def monotonic_s(self) -> float:
        """Return seconds since the start."""
        return self.steady_s

    def pause(self, seconds: float) -> None:
        """Let so many seconds pass at once."""
        self.turn(seconds)
        if self.while_waiting is not None:
            self.while_waiting()

    def turn(self, seconds: float) -> None:
        """Move both clocks on; a negative span moves the wall clock back alone."""
        self.wall_s += seconds
        self.steady_s += max(seconds, 0.0)
