"""A port and its connections: opened, kept within their deadlines, and closed without losing an answer.

`Listener` lives on an event loop; `serve_forever` gives it one of its own, in the calling thread. Stopping has an
order: no new connections, answers under way finish, then `closing` runs (for a gateway: the last checkpoint).
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
import threading
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from tallystick.core.errors import InvalidInput, Unavailable
from tallystick.core.limits import HTTP_BACKLOG, HTTP_DRAIN_S, HTTP_SWEEP_S
from tallystick.services.http1 import Bounds, Connection, Handler, Shared

_ACCEPT_ROUNDS = 4  # of the loop; asyncio takes two from accepting to `connection_made`

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Listener:
    """One port. Start it, then `stop()`; both on the same event loop."""

    def __init__(self, handler: Handler, *, hosts: Iterable[str] | None, bounds: Bounds | None = None) -> None:
        """
        handler  answers requests, on the event loop
        hosts    host names that clients may ask for, as in the Host header without a port; None allows every one
        """
        allowed = None if hosts is None else frozenset(host.lower().encode() for host in hosts)
        self._shared = Shared(handler, bounds or Bounds(), allowed)
        self._server: asyncio.Server
        self._sweeper: asyncio.Task[None]

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._shared.connections)

    async def start(self, host: str, port: int) -> int:
        """Listen and return the port, which is the one asked for unless that was 0.

        raises  Unavailable "listener.port" when the address cannot be used
        """
        loop = asyncio.get_running_loop()
        self._shared.sweep(loop.time())
        try:
            self._server = await loop.create_server(
                lambda: Connection(self._shared, loop), host, port, backlog=HTTP_BACKLOG
            )
        except OSError as error:
            raise Unavailable(
                "listener.port", f"cannot listen on {host} port {port}: {error.strerror}", hint="choose another port"
            ) from None
        self._sweeper = loop.create_task(self._sweep())
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self, drain_s: float = HTTP_DRAIN_S) -> None:
        """Close the port; return when every answer due is sent, or after `drain_s` seconds."""
        loop = asyncio.get_running_loop()
        # What was accepted a moment ago must become a connection first: once its server is closed, asyncio can neither
        # make one of it nor close it.
        for socket in self._server.sockets:
            loop.remove_reader(socket.fileno())
        for _ in range(_ACCEPT_ROUNDS):
            await asyncio.sleep(0)
        self._server.close()
        self._shared.drain()
        until = loop.time() + drain_s
        while self._shared.connections and loop.time() < until:
            await asyncio.sleep(0.01)
        for connection in list(self._shared.connections):
            connection.abort()
        while self._shared.connections:  # an aborted connection is closed by the loop's next rounds
            await asyncio.sleep(0)
        self._sweeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._sweeper

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(HTTP_SWEEP_S)
            self._shared.sweep(loop.time())


def check_loopback(host: str, *, is_public_meant: bool) -> None:
    """Return if `host` is a loopback address, or listening elsewhere is meant.

    raises  InvalidInput "listener.public" otherwise
    """
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host).is_loopback:
            return
    if host != "localhost" and not is_public_meant:
        raise InvalidInput(
            "listener.public",
            "this address can be reached from other machines",
            expected="a loopback address",
            got=host[:80],
            hint="say that it is meant, and put a proxy with TLS in front",
        )


class Stop:
    """Asks a running server to stop, from any thread or from a signal handler."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = False
        self._wake: Callable[[], Any] | None = None

    def ask(self) -> None:
        """Ask; asking again changes nothing."""
        with self._lock:
            self._asked = True
            if self._wake is not None:
                self._wake()

    async def wait(self) -> None:
        """Return once somebody asked."""
        event, loop = asyncio.Event(), asyncio.get_running_loop()
        with self._lock:
            if self._asked:
                return
            self._wake = lambda: loop.call_soon_threadsafe(event.set)
        try:
            await event.wait()
        finally:
            with self._lock:
                self._wake = None


def serve_forever(
    listener: Listener,
    host: str,
    port: int,
    *,
    on_ready: Callable[[str, int], None],
    stop: Stop,
    beside: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Listen in this thread until `stop` is asked, or SIGTERM or SIGINT where this is the main thread.

    on_ready  called with host and real port once clients can connect
    beside    runs on the same event loop all the while and is cancelled after the last answer; should it end with an
              error, the server stops and the error is raised here
    """

    async def run() -> None:
        with asked_by_signals(stop):
            bound = await listener.start(host, port)
            tasks = [asyncio.ensure_future(stop.wait())]
            if beside is not None:
                tasks.append(asyncio.ensure_future(beside()))
            on_ready(host, bound)
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await listener.stop()
                for task in tasks:
                    task.cancel()
                results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, asyncio.CancelledError):
                raise result

    asyncio.run(run())


@contextlib.contextmanager
def asked_by_signals(stop: Stop) -> Any:
    """Ask `stop` on SIGTERM and SIGINT while the context lasts, where this thread may handle signals."""
    loop = asyncio.get_running_loop()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.ask)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
