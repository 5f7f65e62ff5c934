"""A price on any ASGI application, streams included.

    app = Paywall(app, cashier, prices, origin="https://shop.example")

Money moves after the work (`Flow.AFTER`): the answer is held until the payment is settled, and what fails, by a status
of 400 or more or by an exception, costs nothing. Or before it (`Flow.BEFORE`): the answer streams as it is made, since
it is paid; what fails then is owed back. WebSockets to what has a price are refused: there is no header to pay by.

The operation is named by `origin`, what the world calls this server, and not by the request's Host, which the client
writes and proxies change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from tallystick.agents.payments.cashier import Accepted, Cashier
from tallystick.agents.payments.operation import Operation
from tallystick.agents.payments.outcomes import Settled
from tallystick.agents.payments.terms import Flow, Terms
from tallystick.agents.payments.wire import PAYMENT_HEADER
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import HTTP_BODY_BYTES_MAX, PAYMENT_ANSWER_BYTES_MAX, PAYWALL_THREADS
from tallystick.services.paywall.gate import CACHING, Sold, enter, failed, leave, settled_headers
from tallystick.services.paywall.joined import entry_leaf

T = TypeVar("T")
Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Prices = Callable[[str, str], Terms | None]

_HEADER: Final = PAYMENT_HEADER.lower().encode()
_FAILED: Final = 400


class Paywall:
    """An ASGI application in front of another.

    prices  the terms of a method and a path, None where it is free
    origin  scheme, host and port under which clients know this server
    """

    def __init__(self, app: Application, cashier: Cashier, prices: Prices, *, origin: str) -> None:
        Operation.of_http("GET", origin)
        self._app = app
        self._cashier = cashier
        self._prices = prices
        self._origin = origin.rstrip("/")
        self._threads = ThreadPoolExecutor(PAYWALL_THREADS, "paywall")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection of ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        terms = self._prices(scope.get("method", "GET"), scope["path"])
        if terms is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "there is no way to pay here"})
        else:
            await self._sell(terms, scope, receive, send)

    def close(self) -> None:
        """Wait for payments in work."""
        self._threads.shutdown()

    # --- one request

    async def _sell(self, terms: Terms, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read(receive)
        headers = [value for name, value in scope["headers"] if name == _HEADER]
        if body is None or len(headers) > 1:
            told = b'{"error":"the body is too large"}' if body is None else b'{"error":"two payments came at once"}'
            await _write(send, Sold(413 if body is None else 400, told))
            return
        try:
            operation = Operation.of_http(scope["method"], self._origin + _target(scope), body)
        except InvalidInput as error:
            await _write(send, Sold(400, f'{{"error":"{error.code}"}}'.encode()))
            return
        header = headers[0].decode("latin-1") if headers else None
        got = await self._work(lambda: enter(self._cashier, header, terms, operation))
        if isinstance(got, Sold):
            await _write(send, got)
        elif got.flow is Flow.AFTER:
            await self._after(got, terms, operation, scope, body, send)
        else:
            await self._before(got, scope, body, receive, send)

    async def _after(
        self, claim: Accepted, terms: Terms, operation: Operation, scope: Scope, body: bytes, send: Send
    ) -> None:
        """Work, settle, answer."""
        held = _Held()
        try:
            await self._app(scope, _replay(body), held.send)
        except BaseException as error:
            why = f"the work failed: {type(error).__name__}"
            await self._work(lambda: self._cashier.release(claim, why))
            raise
        if held.status >= _FAILED or held.is_too_large or not held.is_whole:
            why = "its answer is too large to be held" if held.is_too_large else f"the work ended with {held.status}"
            await self._work(lambda: self._cashier.release(claim, why))
            if held.is_too_large or not held.is_whole:
                none = b'{"error":"the work has no answer that can be sold"}'
                await _write(send, Sold(500, none, headers=failed(terms)))
            else:
                await held.write(send, failed(terms))
            return
        sold = held.sold()
        entry = entry_leaf(sold.body)
        outcome = await self._work(lambda: self._cashier.settle(claim, sold.to_bytes(), body=sold.body, entry=entry))
        await _write(send, leave(outcome, sold, terms, operation))

    async def _before(self, claim: Accepted, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        """Answer as the work goes on: it is paid."""
        assert isinstance(claim.settled, Settled)
        passing = _Passing(send, settled_headers(claim.settled))
        try:
            await self._app(scope, _replay(body, receive), passing.send)
        except BaseException as error:
            why = f"the work failed: {type(error).__name__}"
            await self._work(lambda: self._cashier.release(claim, why))
            raise
        if passing.copy.status >= _FAILED or not passing.copy.is_whole:
            why = f"the work ended with {passing.copy.status}"
            await self._work(lambda: self._cashier.release(claim, why))
            return
        sold = None if passing.copy.is_too_large else passing.copy.sold()
        kept = None if sold is None else sold.to_bytes()
        digest_of = None if sold is None else sold.body
        await self._work(lambda: self._cashier.settle(claim, kept, body=digest_of))

    async def _work(self, ask: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, ask)


@dataclass
class _Held:
    """An answer that is kept back, up to a size."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    is_whole: bool = False

    @property
    def is_too_large(self) -> bool:
        return self.size > PAYMENT_ANSWER_BYTES_MAX

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            part = message.get("body", b"")
            self.size += len(part)
            if not self.is_too_large:
                self.parts.append(part)
            self.is_whole = self.is_whole or not message.get("more_body", False)

    def sold(self) -> Sold:
        told = {name.decode("latin-1"): value.decode("latin-1") for name, value in self.headers}
        kind = next((value for name, value in told.items() if name.lower() == "content-type"), "application/json")
        rest = {name: value for name, value in told.items() if name.lower() not in ("content-type", "content-length")}
        return Sold(self.status, b"".join(self.parts), kind, rest)

    async def write(self, send: Send, told: dict[str, str]) -> None:
        """Hand on what was kept back, as it came but for some headers more."""
        headers = [*self.headers, *_encoded(told)]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"".join(self.parts)})


class _Passing:
    """An answer that passes, with headers more, and a copy of it up to a size."""

    def __init__(self, send: Send, headers: dict[str, str]) -> None:
        self._send = send
        self._headers = _encoded(headers)
        self.copy = _Held()

    async def send(self, message: Message) -> None:
        await self.copy.send(message)
        if message["type"] == "http.response.start":
            own = [pair for pair in message.get("headers", ()) if pair[0].lower() != CACHING.encode()]
            message = {**message, "headers": [*own, *self._headers]}
        await self._send(message)


async def _read(receive: Receive) -> bytes | None:
    """Return the request's body, None where it is too large."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(parts)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > HTTP_BODY_BYTES_MAX:
            return None
        if not message.get("more_body", False):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive | None = None) -> Receive:
    """Return a `receive` that gives the body once, and then what the connection says, or that it is over."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        if waiting:
            return waiting.pop()
        if receive is not None:
            return await receive()
        await asyncio.Event().wait()
        raise AssertionError("never set")

    return replay


def _target(scope: Scope) -> str:
    path: bytes = scope.get("raw_path") or scope["path"].encode("utf-8")
    query: bytes = scope.get("query_string", b"")
    return (path + (b"?" + query if query else b"")).decode("latin-1")


async def _write(send: Send, sold: Sold) -> None:
    headers = {"content-type": sold.content_type, "content-length": str(len(sold.body)), **sold.headers}
    await send({"type": "http.response.start", "status": sold.status, "headers": _encoded(headers)})
    await send({"type": "http.response.body", "body": sold.body})


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


def by_path(prices: Iterable[tuple[str, str, Terms]]) -> Prices:
    """Return the prices of some methods and paths, each named in full; `*` stands for every method but OPTIONS.

    Browsers ask with OPTIONS whether they may ask, and cannot pay for that.
    """
    table = {(method, path): terms for method, path, terms in prices}
    return lambda method, path: table.get((method, path)) or (table.get(("*", path)) if method != "OPTIONS" else None)
