"""What `append` gives back: the promise of an index, kept or broken for a whole batch at once.

A hundred thousand of these are made each second, so a `Pending` is a batch and an offset, and a batch wakes each
event loop once, however many tasks of that loop wait. Cancelling a waiting task takes effect when the batch resolves,
a few milliseconds later: an entry that was taken cannot be taken back.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable, Generator, Sequence
from contextvars import Context
from typing import Any

from tallystick.core.errors import TallystickError, Unavailable

_running_loop = asyncio.get_running_loop

_Callback = Callable[["_LoopWaiters"], object]


class Batch:
    """Entries that become durable together, as one frame. After `done`: `first` and `leaves`, or `error`."""

    __slots__ = (
        "_event",
        "_lock",
        "_waiters",
        "bodies",
        "bytes",
        "done",
        "entries",
        "error",
        "first",
        "leaves",
        "shared",
        "waiting_first",
    )

    def __init__(self) -> None:
        self.entries: list[bytes] = []
        self.bodies: list[bytes] = []
        self.bytes = 0
        self.first = -1
        self.leaves: Sequence[bytes] = ()
        self.done = False
        self.error: TallystickError | None = None
        self.shared: dict[object, object] = {}  # what users of the batch compute once, such as its signed promise
        self._lock = threading.Lock()
        self._event: threading.Event | None = None
        self._waiters: dict[asyncio.AbstractEventLoop, _LoopWaiters] = {}
        self.waiting_first: _LoopWaiters | None = None  # of the first loop to wait: nearly always the only one

    def resolve(self, first: int, leaves: Sequence[bytes]) -> None:
        """Wake all who wait: entry k of the batch is durable at index first + k."""
        self.first, self.leaves = first, leaves
        self._finish()

    def fail(self, error: TallystickError) -> None:
        """Wake all who wait with an error: none of the entries is in the log."""
        self.error = error
        self._finish()

    def wait(self, timeout_s: float | None) -> None:
        """Return when the batch is resolved.

        raises  Unavailable "log.timeout" when that takes longer than `timeout_s` seconds
        """
        with self._lock:
            if self.done:
                return
            if self._event is None:
                self._event = threading.Event()
        if not self._event.wait(timeout_s):
            raise Unavailable("log.timeout", "entry is not durable yet", expected=f"within {timeout_s} s")

    def check(self) -> None:
        """Raise the batch's error, if any: a fresh one for each who asks, since tracebacks grow."""
        if self.error is not None:
            error = self.error
            raise type(error)(
                error.code, error.message, expected=error.expected, got=error.got, hint=error.hint
            ) from error.__cause__

    def waiters(self) -> _LoopWaiters | None:
        """Return what a task of the running event loop waits on; None when there is nothing to wait for."""
        loop = _running_loop()
        found = self._waiters.get(loop)
        if found is None:
            with self._lock:
                if self.done:
                    return None
                found = self._waiters[loop] = _LoopWaiters(loop)
                self.waiting_first = self.waiting_first or found
        return found

    def _finish(self) -> None:
        self.entries, self.bodies = [], []
        with self._lock:
            self.done = True
            event, waiters = self._event, list(self._waiters.values())
        if event is not None:
            event.set()
        for waiter in waiters:
            waiter.wake_soon()


class Pending:
    """One appended entry. `result()` or `await` gives its index once it is durable; never before."""

    __slots__ = ("_offset", "batch")

    def __init__(self, batch: Batch, offset: int) -> None:
        self.batch = batch
        self._offset = offset

    def result(self, timeout_s: float | None = None) -> int:
        """Return the entry's index in the log once it is durable.

        raises  Unavailable "log.full", "log.closed" or "log.timeout"; Broken "log.sync" and the like
        """
        batch = self.batch
        if not batch.done:
            batch.wait(timeout_s)
        if batch.error is not None:
            batch.check()
        return batch.first + self._offset

    def __await__(self) -> Generator[Any, None, int]:
        batch = self.batch
        if not batch.done:
            waiters = batch.waiting_first
            if waiters is None or waiters.loop is not _running_loop():
                waiters = batch.waiters()
            if waiters is not None:
                waiters._asyncio_future_blocking = True
                yield waiters
        if batch.error is not None:
            batch.check()
        return batch.first + self._offset

    @property
    def done(self) -> bool:
        """Whether `result()` would return or raise at once."""
        return self.batch.done

    @property
    def offset(self) -> int:
        """The entry's place in its batch."""
        return self._offset

    @property
    def index(self) -> int:
        """The entry's index in the log; waits for it as `result()` does."""
        return self.result()

    @property
    def leaf_hash(self) -> bytes:
        """The entry's leaf hash; waits as `result()` does."""
        self.result()
        return self.batch.leaves[self._offset]


class _LoopWaiters:
    """The future that all tasks of one event loop share for one batch, in the protocol that asyncio's tasks speak."""

    __slots__ = ("_asyncio_future_blocking", "_callbacks", "_contexts", "get_loop", "loop")

    result = int  # called by each task as it wakes: any callable that does not raise, and this one is C

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.get_loop = weakref.ref(loop)  # called by each task as it waits; a reference is the one that is C
        self._callbacks: list[_Callback] = []
        self._contexts: list[Context | None] = []  # one per callback; pairs would cost the garbage collector
        self._asyncio_future_blocking = False

    def add_done_callback(self, callback: _Callback, *, context: Context | None = None) -> None:
        self._callbacks.append(callback)
        self._contexts.append(context)

    def cancel(self, msg: object = None) -> bool:
        """Refuse: others wait too. The cancelled task ends when the batch resolves."""
        return False

    def wake_soon(self) -> None:
        """Let the loop run all callbacks in one step; called from the log's writer thread."""
        try:
            self.loop.call_soon_threadsafe(self._wake)
        except RuntimeError:  # the loop was closed: nobody waits any more
            self._callbacks.clear()

    def _wake(self) -> None:
        callbacks, contexts = self._callbacks, self._contexts
        self._callbacks, self._contexts = [], []
        woken = 0
        try:
            for callback, context in zip(callbacks, contexts, strict=True):
                woken += 1
                if context is None:
                    callback(self)
                else:
                    context.run(callback, self)
        finally:
            if woken < len(callbacks):  # a task was interrupted: the others must still be woken
                self._callbacks += callbacks[woken:]
                self._contexts += contexts[woken:]
                self.loop.call_soon(self._wake)
