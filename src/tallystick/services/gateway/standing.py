"""Whether the version may still be served: asked again every minute, so that a revocation takes effect.

A chain that does not answer changes nothing: what was found last still counts, and the status says since when.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tallystick.core.errors import Rejected, TallystickError, VerificationFailed

_log = logging.getLogger(__name__)

Recheck = Callable[[], None]
"""Returns if the version may still be served, else raises Rejected or VerificationFailed. Called in a thread of its
own; any other error is shown and the next interval tries again."""


class Standing:
    """What is known of the version's standing; `refusal` says why it must not be served, None if it may be."""

    def __init__(self, recheck: Recheck | None, interval_s: float) -> None:
        self._recheck = recheck
        self._interval_s = interval_s
        self._thread = ThreadPoolExecutor(1, "recheck")
        self._checked_ms = _now_ms()
        self._error = ""
        self.refusal: TallystickError | None = None

    async def run(self) -> None:
        """Ask again until cancelled."""
        while self._recheck is not None:
            await asyncio.sleep(self._interval_s)
            await self._ask(self._recheck)

    def to_dict(self) -> dict[str, object]:
        """Return what to show."""
        shown: dict[str, object] = {"checked_ms": self._checked_ms}
        if self.refusal is not None:
            shown["refused"] = self.refusal.code
        return {**shown, "error": self._error} if self._error else shown

    async def _ask(self, recheck: Recheck) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, recheck)
        except (Rejected, VerificationFailed) as error:
            if self.refusal is None:
                _log.warning("the version is served no more: %s", error)
            self.refusal, self._error, self._checked_ms = error, "", _now_ms()
        except Exception as error:  # noqa: BLE001  an absent chain of any make must not end the serving
            self._error = f"{error.code}: {error}" if isinstance(error, TallystickError) else type(error).__name__
        else:
            self.refusal, self._error, self._checked_ms = None, "", _now_ms()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
