"""The loop of a node: step, collect, pause; an unreachable chain is waited for, a stop is obeyed between steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from tallystick.core.errors import Rejected, Unavailable
from tallystick.core.limits import NODE_COLLECT_S, NODE_POLL_S
from tallystick.lithic.committee.provider import Done


class Deed(Protocol):
    """One thing that a step did, or would not do: for the operator to read."""

    @property
    def deed(self) -> str: ...

    @property
    def request_id(self) -> bytes: ...

    @property
    def detail(self) -> str: ...


class Worker(Protocol):
    """What is at work: a provider that answers, a watcher that refutes."""

    def step(self) -> Sequence[Deed]:
        """Do what is due now; return what was done. Raises Unavailable when the chain does not answer."""
        ...

    def collect(self) -> int:
        """Take the coins that wait, if any; return how many. Raises Rejected when the coin is not paid out."""
        ...


Report = Callable[[Deed], None]


def run_node(
    worker: Worker,
    *,
    report: Report,
    clock: Callable[[], float],
    stop: threading.Event | None = None,
    poll_s: float = NODE_POLL_S,
) -> None:
    """Serve until `stop` is set, or SIGTERM or SIGINT where this is the main thread.

    report  told what each step did; a deed is told again only when the one before for that request was another
    clock   seconds; for when to collect what was earned
    """
    stop = stop or threading.Event()
    told: dict[bytes, tuple[str, str]] = {}
    collect_at = clock()
    with _signals(stop):
        while not stop.is_set():
            try:
                for done in worker.step():
                    if told.get(done.request_id) != (done.deed, done.detail):
                        told[done.request_id] = (done.deed, done.detail)
                        report(done)
                    if done.deed == "over":
                        del told[done.request_id]
                if clock() >= collect_at:
                    collect_at = clock() + NODE_COLLECT_S
                    _collect(worker, report)
            except Unavailable as error:
                report(Done("waiting", b"", f"{error.code}: {error}"))
            stop.wait(poll_s)


def _collect(worker: Worker, report: Report) -> None:
    """Take what was earned; a token that does not pay now is no reason to miss a deadline."""
    try:
        if collected := worker.collect():
            report(Done("collect", b"", str(collected)))
    except Rejected as error:
        report(Done("not collected", b"", f"{error.code}: {error}"))


@contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
