"""Where producers leave entries and the writer takes them: batches, back-pressure, and the refusals.

An open batch fills while the one before it is being written. It is sealed at 4,096 entries; sixteen sealed batches
mean that the disk is behind, and further entries are refused until it has caught up.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence

from tallystick.core.errors import Broken, InvalidInput, TallystickError, Unavailable
from tallystick.core.limits import (
    ENTRY_BYTES_MAX,
    LOG_BATCH_BYTES_MAX,
    LOG_BATCH_ENTRIES_MAX,
    LOG_BODY_BYTES_MAX,
    LOG_LINGER_S,
    LOG_QUEUE_BATCHES_MAX,
)
from tallystick.inference.log.pending import Batch, Pending

_LAST_OFFSET = LOG_BATCH_ENTRIES_MAX - 1

_SMALL_BYTES = LOG_BATCH_BYTES_MAX // LOG_BATCH_ENTRIES_MAX  # a batch of such entries is bounded by their number alone

_SEALED_BY_MANY = 3  # batches that one `append_many` may fill: two by count, one more by bytes


class Intake:
    """Takes entries from any thread or task and hands batches to one writer thread."""

    def __init__(self, keeps_bodies: bool) -> None:
        self._keeps_bodies = keeps_bodies
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._open = Batch()
        self._opened_s = 0.0
        self._sealed: deque[Batch] = deque()
        self._is_waiting = False  # the writer sleeps until `_enough` entries have come
        self._enough = 1
        self._slow_from = 0  # the offset in the open batch from which an entry needs `_put`
        self._taken = 0  # entries in the batch taken last
        self._is_closing = False
        self._refusal: TallystickError | None = None
        self._retry_s: float | None = None  # when a refusal that is not for good may be tried again
        self._fault: Broken | None = None

    def append(self, entry: bytes, body: bytes = b"") -> Pending:
        """Take an entry; the result is its index once it is durable. Never blocks.

        body    kept beside the entry, outside the tree, in a log made with `bodies`
        raises  InvalidInput "log.entry_size", "log.body"; Unavailable "log.busy", "log.full", "log.closed"; Broken
        """
        if type(entry) is not bytes or len(entry) > _SMALL_BYTES or body:
            self._check(entry, body)
        with self._lock:
            # As short as it can be: a hundred thousand times a second, on the thread that everyone waits for.
            batch = self._open
            entries = batch.entries
            offset = len(entries)
            if offset >= self._slow_from or len(entry) > _SMALL_BYTES:
                return self._put(entry, body)
            entries.append(entry)
        return Pending(batch, offset)

    def append_many(self, entries: Sequence[bytes]) -> list[Pending]:
        """Take up to 4,096 entries at once, all of them or none; they get consecutive indices.

        raises  as `append` does
        """
        if len(entries) > LOG_BATCH_ENTRIES_MAX or sum(map(len, entries)) > LOG_BATCH_BYTES_MAX:
            raise InvalidInput(
                "log.entry_size", "too much at once", expected=f"{LOG_BATCH_ENTRIES_MAX} entries", got=len(entries)
            )
        for entry in entries:
            self._check(entry, b"")
        with self._lock:
            if len(self._sealed) + _SEALED_BY_MANY > LOG_QUEUE_BATCHES_MAX:
                raise _busy()
            self._refuse()
            return [self._put(entry, b"") for entry in entries]

    def take(self) -> Batch | None:
        """Return the next batch, waiting for entries; None when closed and empty. For the writer alone.

        Producers that waited for the last batch tend to come back together, so this waits for as many as then, for at
        most two milliseconds: fewer syncs, and a lone producer waits for nobody.

        raises  Broken when `stop_writer` was called
        """
        with self._lock:
            while True:
                if self._fault is not None:
                    raise self._fault
                if self._sealed:
                    return self._taking(self._sealed.popleft())
                if self._open.entries:
                    left_s = self._opened_s + LOG_LINGER_S - time.monotonic()
                    if len(self._open.entries) >= self._taken or left_s <= 0 or self._is_closing:
                        return self._taking(self._renew())
                    self._sleep(self._taken, left_s)
                elif self._is_closing:
                    return None
                else:
                    self._sleep(1, None)

    def refuse(self, error: TallystickError, retry_s: float | None = None) -> list[Batch]:
        """Refuse entries from now on, for good or until `retry_s` on the monotonic clock; return what was waiting."""
        with self._lock:
            self._refusal, self._retry_s = error, retry_s
            waiting = [*self._sealed, self._renew()]
            self._sealed.clear()
            return waiting

    def stop_writer(self, fault: Broken) -> None:
        """Let the writer stop with this fault at its next `take`; it alone resolves batches."""
        with self._lock:
            self._fault = fault
            self._arrived.notify()

    def close(self) -> bool:
        """Refuse entries from now on and let the writer finish; return False if it was closed before."""
        with self._lock:
            if self._is_closing:
                return False
            self._is_closing = True
            if self._refusal is None or self._retry_s is not None:
                self._refusal, self._retry_s = Unavailable("log.closed", "the log is closed"), None
                self._set_slow()
            self._arrived.notify()
            return True

    def check_open(self) -> None:
        """Raise the refusal that is for good, if there is one."""
        with self._lock:
            if self._fault is not None:
                raise self._fault
            if self._refusal is not None and self._retry_s is None:
                self._refuse()

    @property
    def is_broken(self) -> bool:
        """Whether the log has stopped for good."""
        return isinstance(self._refusal, Broken)

    def _put(self, entry: bytes, body: bytes) -> Pending:
        """Take an entry with all that may have to be done besides: refuse, count, seal, wake. Holds the lock."""
        self._refuse()
        batch = self._open
        offset = len(batch.entries)
        batch.entries.append(entry)
        if self._keeps_bodies:
            batch.bodies.append(body)
            batch.bytes += len(body)
        if len(entry) > _SMALL_BYTES:
            batch.bytes += len(entry)
        if offset == 0:
            self._opened_s = time.monotonic()
        is_full = offset >= _LAST_OFFSET or batch.bytes >= LOG_BATCH_BYTES_MAX
        if is_full:
            self._sealed.append(self._renew())
            if len(self._sealed) >= LOG_QUEUE_BATCHES_MAX and self._refusal is None:
                self._refusal, self._retry_s = _busy(), 0.0
        if self._is_waiting and (is_full or offset + 1 >= self._enough):
            self._is_waiting = False
            self._arrived.notify()
        self._set_slow()
        return Pending(batch, offset)

    def _sleep(self, enough: int, seconds: float | None) -> None:
        self._is_waiting, self._enough = True, enough
        self._set_slow()
        self._arrived.wait(seconds)
        self._is_waiting = False
        self._set_slow()

    def _set_slow(self) -> None:
        """Say from which offset on `_put` must see each entry: the first, the last, or one that is waited for."""
        if self._keeps_bodies or self._refusal is not None or not self._open.entries:
            self._slow_from = 0
        else:
            self._slow_from = self._enough - 1 if self._is_waiting else _LAST_OFFSET

    def _renew(self) -> Batch:
        """Return the open batch and open another."""
        batch, self._open = self._open, Batch()
        self._slow_from = 0
        return batch

    def _taking(self, batch: Batch) -> Batch:
        self._taken = len(batch.entries)
        return batch

    def _refuse(self) -> None:
        """Raise the refusal, if there is one and it is not time to try again. Holds the lock."""
        refusal = self._refusal
        if refusal is None:
            return
        crowded = len(self._sealed) >= LOG_QUEUE_BATCHES_MAX
        if self._retry_s is not None and not crowded and time.monotonic() >= self._retry_s:
            self._refusal = self._retry_s = None
            return
        raise type(refusal)(refusal.code, refusal.message, got=refusal.got, hint=refusal.hint) from refusal.__cause__

    def _check(self, entry: object, body: object) -> None:
        if type(entry) is not bytes or len(entry) > ENTRY_BYTES_MAX:
            got = f"{len(entry)} bytes" if isinstance(entry, bytes) else type(entry).__name__
            raise InvalidInput(
                "log.entry_size", "not a log entry", expected=f"at most {ENTRY_BYTES_MAX} bytes", got=got
            )
        if body and not self._keeps_bodies:
            raise InvalidInput("log.body", "this log keeps no bodies", hint="create it with bodies")
        if type(body) is not bytes or len(body) > LOG_BODY_BYTES_MAX:
            got = f"{len(body)} bytes" if isinstance(body, bytes) else type(body).__name__
            raise InvalidInput("log.body", "not a body", expected=f"at most {LOG_BODY_BYTES_MAX} bytes", got=got)


def _busy() -> Unavailable:
    return Unavailable("log.busy", "too many entries wait for the disk", hint="slow down and retry")
