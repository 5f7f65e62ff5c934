"""How often somebody may ask: a token bucket each, for a bounded number of names."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from tallystick.core.limits import RATES_KEPT_MAX


class Rates:
    """So many a second of each name, and so many at once; in this process's memory alone."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float]) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # what is left, and when that was

    def take(self, name: str) -> bool:
        """Return whether this name may ask now; if so, that counts."""
        now_s = self._clock()
        left, since_s = self._left.pop(name, (self._burst, now_s))
        left = min(self._burst, left + (now_s - since_s) * self._per_second)
        is_allowed = left >= 1
        self._left[name] = (left - 1 if is_allowed else left, now_s)
        if len(self._left) > RATES_KEPT_MAX:
            self._left.popitem(last=False)
        return is_allowed
