"""Verbs of a workspace behind an asynchronous service: run in a few threads, each with the workspace open for itself.

A `Tally` belongs to one verb at a time. A verb that was begun ends, whoever went away meanwhile: what it sent is sent,
and its books are kept.
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tallystick.core.errors import TallystickError, Unavailable
from tallystick.core.limits import BENCH_QUEUE_MAX, BENCH_THREADS
from tallystick.tally import Tally

T = TypeVar("T")


class Bench:
    """Runs verbs on workspaces that `opener` opens, at most `threads` at once. Close it when the service ends."""

    def __init__(self, opener: Callable[[], Tally], threads: int = BENCH_THREADS) -> None:
        self._opener = opener
        self._threads = ThreadPoolExecutor(threads, "bench")
        self._free: queue.SimpleQueue[Tally] = queue.SimpleQueue()
        self._waiting = 0

    async def run(self, verb: Callable[[Tally], T]) -> T:
        """Return what the verb returns; raises what it raises, and Unavailable "bench.busy" when too many wait."""
        if self._waiting >= BENCH_QUEUE_MAX:
            raise Unavailable("bench.busy", "too many requests wait", expected=f"< {BENCH_QUEUE_MAX}")
        self._waiting += 1
        job = asyncio.get_running_loop().run_in_executor(self._threads, self._do, verb)
        job.add_done_callback(self._left)
        return await asyncio.shield(job)

    def close(self) -> None:
        """Let running verbs end, and close the workspaces."""
        self._threads.shutdown(wait=True)
        while not self._free.empty():
            self._free.get_nowait().close()

    def _do(self, verb: Callable[[Tally], T]) -> T:
        try:
            tally = self._free.get_nowait()
        except queue.Empty:
            tally = self._opener()
        is_whole = False
        try:
            found = verb(tally)
            is_whole = True
            return found
        except TallystickError:
            is_whole = True
            raise
        finally:
            if is_whole:
                self._free.put(tally)
            else:
                tally.close()  # a bug of ours went through it: nothing it keeps open is trusted again

    def _left(self, job: asyncio.Future[T]) -> None:
        self._waiting -= 1
        if not job.cancelled():
            job.exception()  # looked at, also where the asker is gone
