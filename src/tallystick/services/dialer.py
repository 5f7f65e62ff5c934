"""Many requests to one HTTP server over a few kept connections, each with a deadline and an answer of bounded size.

Plain HTTP/1.1 by httptools over asyncio, or TLS with the system's certificates. It follows no redirects and reads no
cookies or proxies.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import httptools

from tallystick.core.errors import InvalidInput, Unavailable
from tallystick.core.limits import DIAL_ANSWER_BYTES_MAX, DIAL_ANSWER_S, DIAL_CONNECT_S


@dataclass(frozen=True)
class Place:
    """Where a server is: parsed from `http(s)://host[:port][/prefix]`."""

    host: str
    port: int
    is_tls: bool
    prefix: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a URL.

        raises  InvalidInput "dialer.url"
        """
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            parts, port = urlsplit(""), 0
        is_odd = parts.query or parts.fragment or parts.username or not url.isascii() or any(c <= " " for c in url)
        if parts.scheme not in ("http", "https") or not parts.hostname or is_odd:
            raise InvalidInput("dialer.url", "not the URL of a server", expected="http(s)://host[:port]")
        return cls(parts.hostname, port, parts.scheme == "https", parts.path.rstrip("/"))

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's answer."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Line:
    """A connection to one place that is opened when first needed, and anew when it was lost. Use it in `async with`."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._wire: Wire | None = None

    async def ask(self, method: str, path: str, headers: Iterable[str] = (), body: bytes = b"") -> Reply:
        """Return the answer to one request; never sent twice. One at a time.

        raises  Unavailable "dialer.connect", "dialer.lost", "dialer.timeout"; InvalidInput "dialer.answer" for no HTTP,
                or too much of it
        """
        if self._wire is None or not self._wire.is_open:
            await self.close()
            self._wire = await Wire.open(self._place)
        return await self._wire.ask(method, path, headers, body)

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._wire is not None:
            await self._wire.close()
            self._wire = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class Wire(asyncio.Protocol):
    """One connection; one request at a time. `open` it, `ask` as often as it `is_open`, `close` it."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._transport: asyncio.Transport | None = None
        self._closed = asyncio.get_running_loop().create_future()
        self._answer: asyncio.Future[Reply] | None = None
        self._parser: httptools.HttpResponseParser
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._size = 0

    @classmethod
    async def open(cls, place: Place) -> Self:
        """Return a connection to `place`.

        raises  Unavailable "dialer.connect"
        """
        loop = asyncio.get_running_loop()
        context = ssl.create_default_context() if place.is_tls else None
        wire = cls(place)
        try:
            async with asyncio.timeout(DIAL_CONNECT_S):
                await loop.create_connection(lambda: wire, place.host, place.port, ssl=context)
        except (OSError, TimeoutError) as error:
            raise Unavailable("dialer.connect", f"cannot reach {place.authority}", got=str(error)[:120]) from None
        return wire

    @property
    def is_open(self) -> bool:
        """Whether another request can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, method: str, path: str, headers: Iterable[str] = (), body: bytes = b"") -> Reply:
        """Return the answer to one request; errors as `Line.ask`."""
        assert self._answer is None, "one request at a time"
        if self._transport is None:
            raise _lost(self._place)
        loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._headers, self._body, self._size = {}, [], 0
        self._answer = loop.create_future()
        lines = [f"{method} {self._place.prefix}{path} HTTP/1.1", f"Host: {self._place.authority}", *headers]
        lines += [f"Content-Length: {len(body)}", "", ""]
        self._transport.write("\r\n".join(lines).encode("ascii") + body)
        timer = loop.call_later(DIAL_ANSWER_S, self._fail, _late(self._place))
        try:
            return await self._answer
        finally:
            timer.cancel()
            self._answer = None

    async def close(self) -> None:
        """Close the connection and return when it is closed."""
        if self._transport is not None:
            self._transport.abort()
            await self._closed

    # --- called by the transport and the parser

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(_lost(self._place))
        self._transport = None
        if not self._closed.done():
            self._closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        if self._answer is None or self._size > DIAL_ANSWER_BYTES_MAX:
            self._fail(InvalidInput("dialer.answer", "answer is too large or was not asked for", got=self._size))
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(InvalidInput("dialer.answer", f"{self._place.authority} does not speak HTTP/1.1"))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # 100 Continue and the like come before the answer
            self._headers, self._body = {}, []
            return
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Reply(status, self._headers, b"".join(self._body)))
        if not self._parser.should_keep_alive():
            self._hang_up()

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        self._hang_up()

    def _hang_up(self) -> None:
        if self._transport is not None:
            self._transport.close()


def _lost(place: Place) -> Unavailable:
    return Unavailable("dialer.lost", f"{place.authority} closed the connection before it answered")


def _late(place: Place) -> Unavailable:
    return Unavailable("dialer.timeout", f"{place.authority} did not answer", expected=f"within {DIAL_ANSWER_S} s")
