"""Many small requests become one blocking call: whoever asks while a call runs goes along with the next.

That is how a thousand durable writes a second need a hundred commits: nobody waits longer than for the commit under way
and its own. One call runs at a time, in a thread of its own, so that the event loop goes on meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Given = TypeVar("Given")


class Batches(Generic[Asked, Given]):
    """Answers `do` by `run`, which gets many at once and answers each in its place; lives on one event loop.

    run   called in `pool`'s thread; what it raises, all of its batch get
    most  how many go into one call
    """

    def __init__(self, run: Callable[[Sequence[Asked]], Sequence[Given]], most: int, pool: ThreadPoolExecutor) -> None:
        self._run = run
        self._most = most
        self._pool = pool
        self._waiting: deque[tuple[Asked, asyncio.Future[Given]]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def do(self, asked: Asked) -> Given:
        """Return the answer to one of many."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Given] = loop.create_future()
        self._waiting.append((asked, future))
        if self._task is None:
            self._task = loop.create_task(self._work())
        return await future

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
            try:
                given = await loop.run_in_executor(self._pool, self._run, [asked for asked, _ in batch])
            except Exception as error:  # noqa: BLE001  whoever asked gets it
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), one in zip(batch, given, strict=True):
                if not future.done():
                    future.set_result(one)
        self._task = None
