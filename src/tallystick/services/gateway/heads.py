"""Signing and anchoring while the gateway serves: a checkpoint every second while entries come, an anchor every minute.

Both run in threads and fail alone. A full disk or an absent chain is shown in the status and tried again; only a log
that cannot vouch for itself any more (`Broken`) ends the server.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tallystick.core.checkpoint import Checkpoint
from tallystick.core.errors import Broken, TallystickError
from tallystick.core.limits import ANCHOR_INTERVAL_S, CHECKPOINT_INTERVAL_S, RECHECK_INTERVAL_S
from tallystick.core.note import SignedNote
from tallystick.inference.log import Log

_log = logging.getLogger(__name__)

Anchorer = Callable[[bytes], Mapping[str, str | int]]
"""Puts a signed checkpoint on chain and says what to show for it, such as the transaction's hash. Called in a thread,
one call at a time; any error is shown and the next interval tries again."""


@dataclass(frozen=True)
class Cadence:
    """Seconds between two checkpoints, and between two anchors, while there is something new; and between two looks at
    whether the version may still be served."""

    checkpoint_s: float = CHECKPOINT_INTERVAL_S
    anchor_s: float = ANCHOR_INTERVAL_S
    recheck_s: float = RECHECK_INTERVAL_S


@dataclass
class Head:
    """The latest of one kind: its size, when it came (milliseconds since 1970), what is known of it, what failed."""

    size: int = -1
    time_ms: int = 0
    facts: Mapping[str, str | int] = field(default_factory=dict)
    error: str = ""

    def to_dict(self) -> dict[str, object] | None:
        """Return what to show; None when nothing happened yet."""
        if self.size < 0 and not self.error:
            return None
        shown: dict[str, object] = {"size": self.size, "time_ms": self.time_ms, **self.facts} if self.size >= 0 else {}
        return {**shown, "error": self.error} if self.error else shown


class Heads:
    """Keeps the log's head signed and, with an anchorer, on chain."""

    def __init__(self, log: Log, anchorer: Anchorer | None, cadence: Cadence) -> None:
        self._log = log
        self._anchorer = anchorer
        self._cadence = cadence
        self._note = b""
        self.signed = Head()
        self.anchored = Head()
        # One thread each: a slow chain must not hold up checkpoints.
        self._signing = ThreadPoolExecutor(1, "checkpoint")
        self._anchoring = ThreadPoolExecutor(1, "anchor")

    async def run(self) -> None:
        """Sign and anchor until cancelled.

        raises  Broken when the log can sign no more
        """
        anchoring = asyncio.create_task(self._anchor_for_ever())
        try:
            while True:
                await self.sign()
                await asyncio.sleep(self._cadence.checkpoint_s)
        finally:
            anchoring.cancel()

    async def sign(self) -> None:
        """Sign what is durable, if anything is new."""
        if self._log.size == self.signed.size:
            return
        loop = asyncio.get_running_loop()
        try:
            note = await loop.run_in_executor(self._signing, self._log.checkpoint)
        except Broken:
            raise
        except TallystickError as error:
            self.signed.error = str(error)
            _log.warning("checkpoint failed: %s", error)
            return
        self._note = note
        self.signed = Head(Checkpoint.parse(SignedNote.from_bytes(note).text).size, _now_ms())

    async def finish(self) -> None:
        """Sign the last checkpoint and wait for an anchor under way; the log is not used afterwards.

        raises  Broken when the log can sign no more
        """
        try:
            await self.sign()
        finally:
            loop = asyncio.get_running_loop()
            for threads in (self._signing, self._anchoring):
                await loop.run_in_executor(None, threads.shutdown)

    async def _anchor_for_ever(self) -> None:
        loop, anchorer = asyncio.get_running_loop(), self._anchorer
        while anchorer is not None:
            await asyncio.sleep(self._cadence.anchor_s)
            note, size = self._note, self.signed.size
            if size <= self.anchored.size or size < 1:
                continue
            try:
                facts = await loop.run_in_executor(self._anchoring, anchorer, note)
            except TallystickError as error:
                self.anchored.error = f"{error.code}: {error}"
            except Exception as error:  # noqa: BLE001  an anchorer of any make must not end the serving
                self.anchored.error = type(error).__name__
                _log.error("anchor failed", exc_info=error)
            else:
                self.anchored = Head(size, _now_ms(), facts)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
