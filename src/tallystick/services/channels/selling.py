"""Sell what another HTTP server does, over channels: it stands in front, takes the payment, and hands the request on.

What the server behind charges it may say in the header `tally-cost`, in smallest units and at most the price; without
it the price is charged. It sees no payment, and whoever can reach it pays nothing: let it listen where only this one
can.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from tallystick.agents.channels.payee import Payee
from tallystick.core.errors import InvalidInput, Unavailable
from tallystick.core.limits import CHANNEL_LINES_MAX
from tallystick.services.channels.server import ChannelServer, Offering, Sold
from tallystick.services.dialer import Line, Place
from tallystick.services.http1 import Request, Response, error_response
from tallystick.services.listener import Listener, Stop, serve_forever

COST: Final = b"tally-cost"
_HANDED_ON: Final = (b"accept", b"authorization", b"content-type")


class Upstream:
    """The server behind, over at most so many connections; lives on one event loop."""

    def __init__(self, url: str, price: int, *, lines: int = CHANNEL_LINES_MAX) -> None:
        place = Place.parse(url)
        self._price = price
        self._free: list[Line] = [Line(place) for _ in range(lines)]
        self._gate = asyncio.Semaphore(lines)

    async def work(self, request: Request) -> Sold:
        """Return what the server behind answers, and what it says that it cost."""
        target = f"{request.path}?{request.query}" if request.query else request.path
        headers = [
            f"{name.decode('ascii')}: {request.headers[name].decode('latin-1')}"
            for name in _HANDED_ON
            if name in request.headers and request.headers[name].isascii()
        ]
        async with self._gate:
            line = self._free.pop()
            try:
                reply = await line.ask(request.method, target, headers, request.body)
            except (Unavailable, InvalidInput):
                return Sold(error_response(502, "the server behind did not answer; nothing was charged"), 0)
            finally:
                self._free.append(line)
        kind = reply.headers.get(b"content-type", b"application/octet-stream")
        return Sold(Response(reply.status, reply.body, kind), self._cost(reply.headers.get(COST)))

    async def close(self) -> None:
        """Close the connections."""
        for line in self._free:
            await line.close()

    def _cost(self, told: bytes | None) -> int:
        return min(int(told), self._price) if told is not None and told.isdigit() and len(told) < 40 else self._price


def sell(
    payee: Payee,
    upstream: str,
    *,
    price: int,
    network: str,
    coin: str,
    contract: str,
    host: str,
    port: int,
    origin: str = "",
    on_ready: Callable[[str, int], None],
    stop: Stop,
) -> None:
    """Serve until stopped: each request costs at most `price`.

    origin  how clients address this server, `https://name`, where a proxy stands in front; else host and port
    raises  Unavailable "listener.port"; InvalidInput "dialer.url"
    """
    made: list[tuple[ChannelServer, Upstream]] = []

    async def handle(request: Request) -> Response:
        return await made[0][0].handle(request)

    def ready(bound_host: str, bound_port: int) -> None:
        behind = Upstream(upstream, price)
        where = origin or f"http://{bound_host}:{bound_port}"
        offering = Offering(where, network, coin, contract, lambda _: price, behind.work)
        made.append((ChannelServer(payee, offering), behind))
        on_ready(bound_host, bound_port)

    async def close_at_the_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            for server, behind in made:
                await behind.close()
                server.close()

    Place.parse(upstream)  # a wrong URL is told before anybody connects
    listener = Listener(handle, hosts=None)
    serve_forever(listener, host, port, on_ready=ready, stop=stop, beside=close_at_the_end)
