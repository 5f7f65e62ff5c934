"""One HTTP/1.1 connection: bounded in bytes and in time, strict in form, and without a word about our insides.

llhttp (through httptools) parses; this file counts and keeps order. It exists beside uvicorn for two reasons, both
measured: uvicorn's httptools protocol bounds neither the bytes of a head nor the time a client may take to send one,
and going through ASGI costs a third of the requests per second that one core can answer (11,300 for 16,500). It
refuses TLS, upgrades, trailers' meaning and absolute request targets; a proxy in front does those. `listener.py` opens
the port.
"""

from __future__ import annotations

import asyncio
import http
import logging
import re
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Final

import httptools
import orjson

from tallystick.core.limits import (
    HTTP_ANSWER_S,
    HTTP_BODIES_BYTES_MAX,
    HTTP_BODY_BYTES_MAX,
    HTTP_BODY_S,
    HTTP_CONNECTIONS_MAX,
    HTTP_HEAD_BYTES_MAX,
    HTTP_HEAD_S,
    HTTP_HEADERS_MAX,
    HTTP_IDLE_S,
    HTTP_LINGER_S,
    HTTP_PIPELINE_MAX,
    HTTP_WRITE_S,
)

JSON: Final = b"application/json"
RETRY_SOON: Final = b"retry-after: 1\r\n"

_SINGLE = frozenset({b"host", b"content-length", b"content-type", b"transfer-encoding"})  # twice means two readings
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in http.HTTPStatus}
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?")
_HOSTS_SEEN_MAX = 64  # a name with each of its ports is one; more would be an attack on memory
_NEVER = float("inf")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request. `path` is as sent, percent signs and all; header names are in lower case."""

    method: str
    path: str
    query: str
    headers: dict[bytes, bytes]
    body: bytes
    is_last: bool  # the connection closes after the answer


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. `headers` are lines ending in CRLF, beyond content type and length."""

    status: int
    body: bytes = b""
    content_type: bytes = JSON
    headers: bytes = b""


Handler = Callable[[Request], Response | Coroutine[Any, Any, Response]]


def error_response(status: int, message: str, headers: bytes = b"") -> Response:
    """Return `{"error": message}`, the one shape of every refusal."""
    return Response(status, orjson.dumps({"error": message}), JSON, headers)


class _Refused(Exception):
    """The request being read gets this answer, and the connection ends."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


_INTERNAL = error_response(500, "internal error")


@dataclass
class Bounds:
    """What one listener allows; the defaults are those of core/limits.py, tests tighten them."""

    head_bytes: int = HTTP_HEAD_BYTES_MAX
    headers: int = HTTP_HEADERS_MAX
    body_bytes: int = HTTP_BODY_BYTES_MAX
    bodies_bytes: int = HTTP_BODIES_BYTES_MAX
    connections: int = HTTP_CONNECTIONS_MAX
    pipeline: int = HTTP_PIPELINE_MAX
    head_s: float = HTTP_HEAD_S
    body_s: float = HTTP_BODY_S
    idle_s: float = HTTP_IDLE_S
    answer_s: float = HTTP_ANSWER_S
    write_s: float = HTTP_WRITE_S


@dataclass
class Shared:
    """What the connections of one listener share."""

    handler: Handler
    bounds: Bounds
    hosts: frozenset[bytes] | None  # host names that may be asked for, without port; None allows all
    connections: set[Connection] = field(default_factory=set)
    bodies_bytes: int = 0  # of requests that are being read or answered
    is_draining: bool = False
    date: bytes = b""
    hosts_seen: set[bytes] = field(default_factory=set)  # Host values that were found right, to be quick

    def sweep(self, now: float) -> None:
        """Set the Date header and end what is overdue."""
        self.date = b"date: " + formatdate(usegmt=True).encode() + b"\r\n"
        for connection in list(self.connections):
            connection.check_deadlines(now)

    def drain(self) -> None:
        """From now on every connection ends after the answers it owes."""
        self.is_draining = True
        for connection in list(self.connections):
            connection.drain()


class Connection(asyncio.Protocol):
    """One client. Requests are answered in order, one at a time.

    Three deadlines, each infinite while it does not apply: for the client to send (`_read_by`), for us to answer
    (`_answer_by`), for the client to take the answer (`_write_by`).
    """

    def __init__(self, shared: Shared, loop: asyncio.AbstractEventLoop) -> None:
        self._shared = shared
        self._loop = loop
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._read_by = loop.time() + shared.bounds.head_s  # whoever connects has something to say
        self._answer_by = _NEVER
        self._write_by = _NEVER
        self._queue: deque[Request | Response] = deque()  # a Response is a refusal: the last there is
        self._task: asyncio.Task[Response] | None = None
        self._is_open = True  # neither lost nor about to be closed
        self._is_reading = True
        self._has_ended = False  # the client closed its sending side
        # --- the message being read
        self._in_head = False
        self._in_body = False
        self._head_bytes = 0
        self._chunk_bytes = 0
        self._chunk_completed = False
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._held_bytes = 0

    # --- called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._shared.connections.add(self)
        if len(self._shared.connections) > self._shared.bounds.connections or self._shared.is_draining:
            self._refuse(error_response(503, "too many connections", RETRY_SOON))

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_open = self._is_reading = False
        self._shared.connections.discard(self)
        self._hold(-self._held_bytes)
        self._queue.clear()

    def eof_received(self) -> bool:
        """Stay open while answers are due: some clients close their sending side first."""
        self._is_reading = False
        self._has_ended = True
        self._read_by = _NEVER
        return self._is_open and (self._task is not None or bool(self._queue))

    def data_received(self, data: bytes) -> None:
        if not self._is_reading:
            return
        if not self._in_head and not self._in_body:
            self._read_by = self._loop.time() + self._shared.bounds.head_s
        self._chunk_bytes = len(data)
        self._chunk_completed = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._is_reading = False  # the request was answered as it is; what follows is another protocol
        except httptools.HttpParserError as error:
            refused = error.__context__  # what one of the callbacks below raised
            self._refuse(refused.response if isinstance(refused, _Refused) else error_response(400, "not HTTP/1.1"))
        else:
            if self._in_head:
                self._head_bytes += len(data)
                if self._head_bytes > self._shared.bounds.head_bytes:
                    self._refuse(error_response(431, "request head is too large"))

    def pause_writing(self) -> None:
        self._write_by = self._loop.time() + self._shared.bounds.write_s

    def resume_writing(self) -> None:
        self._write_by = _NEVER
        self._next()

    # --- called by the parser, which hands on what they raise

    def on_message_begin(self) -> None:
        if len(self._queue) >= self._shared.bounds.pipeline:
            raise _Refused(error_response(400, "too many requests before reading an answer"))
        self._in_head = True
        # Bytes before this message in the same chunk are not its own; the next chunk starts the count.
        self._head_bytes = -self._chunk_bytes if self._chunk_completed else 0
        self._url = b""
        self._headers = {}
        self._body = []
        self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        headers = self._headers
        if name in headers:
            if name in _SINGLE:
                raise _Refused(error_response(400, f"header {name.decode('latin-1')} came twice"))
            value = headers[name] + b", " + value
        elif len(headers) >= self._shared.bounds.headers:
            raise _Refused(error_response(431, "too many headers"))
        headers[name] = value

    def on_headers_complete(self) -> None:
        headers, bounds = self._headers, self._shared.bounds
        if self._chunk_bytes > bounds.head_bytes:
            size = len(self._url) + sum(len(name) + len(value) + 4 for name, value in headers.items())
            if size > bounds.head_bytes:
                raise _Refused(error_response(431, "request head is too large"))
        self._check_host(headers.get(b"host"))
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > bounds.body_bytes:
            raise _Refused(error_response(413, f"body is larger than {bounds.body_bytes} bytes"))
        if self._parser.should_upgrade() and (int(length) or b"transfer-encoding" in headers):
            raise _Refused(error_response(501, "upgrades are not supported"))  # llhttp would not read the body
        self._in_head, self._in_body = False, True
        self._read_by = self._loop.time() + bounds.body_s
        if headers.get(b"expect", b"").lower() == b"100-continue" and self._task is None and not self._queue:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        bounds = self._shared.bounds
        self._body.append(body)
        self._body_bytes += len(body)
        self._hold(len(body))
        if self._body_bytes > bounds.body_bytes:
            raise _Refused(error_response(413, f"body is larger than {bounds.body_bytes} bytes"))
        if self._shared.bodies_bytes > bounds.bodies_bytes:
            raise _Refused(error_response(503, "too many large requests at once", RETRY_SOON))

    def on_message_complete(self) -> None:
        self._in_body = False
        self._body_bytes = 0
        self._chunk_completed = True
        self._read_by = _NEVER
        if not self._url.startswith(b"/") or self._url.startswith(b"//"):
            raise _Refused(error_response(400, "request target is not an absolute path"))
        path, _, query = self._url.decode("latin-1").partition("?")
        method = self._parser.get_method().decode("ascii")
        is_last = self._parser.should_upgrade() or not self._parser.should_keep_alive()
        self._queue.append(Request(method, path, query, self._headers, b"".join(self._body), is_last))
        self._next()

    def _check_host(self, host: bytes | None) -> None:
        """Refuse a request that was meant for another server: a page elsewhere whose name was pointed at us."""
        shared = self._shared
        if shared.hosts is None or host in shared.hosts_seen:
            return
        if host is None:
            raise _Refused(error_response(400, "request has no Host"))
        name = _HOST.fullmatch(host)
        if name is None or name[1].lower() not in shared.hosts:
            raise _Refused(error_response(421, "this server does not answer for that host"))
        if len(shared.hosts_seen) < _HOSTS_SEEN_MAX:
            shared.hosts_seen.add(host)

    # --- answering

    def _next(self) -> None:
        """Answer what is queued, until one answer must be waited for or the client takes no bytes."""
        while self._queue and self._task is None and self._write_by == _NEVER and self._is_open:
            request = self._queue.popleft()
            if isinstance(request, Response):
                self._write(request, is_last=True, has_body=True)
                return
            answer = self._ask(request)
            if isinstance(answer, Response):
                self._finish(answer, request)
                continue
            self._answer_by = self._loop.time() + self._shared.bounds.answer_s
            self._task = self._loop.create_task(answer)
            self._task.add_done_callback(lambda task, request=request: self._answered(task, request))  # type: ignore[misc]

    def _ask(self, request: Request) -> Response | Coroutine[Any, Any, Response]:
        try:
            return self._shared.handler(request)
        except Exception:  # noqa: BLE001  whatever it was, the client learns only that it was
            _log.exception("a request failed")
            return _INTERNAL

    def _answered(self, task: asyncio.Task[Response], request: Request) -> None:
        self._task = None
        self._answer_by = _NEVER
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            _log.error("a request failed", exc_info=error)
        if self._is_open:
            self._finish(_INTERNAL if error is not None else task.result(), request)
            self._next()

    def _finish(self, response: Response, request: Request) -> None:
        self._hold(-len(request.body))
        is_last = request.is_last or self._shared.is_draining or not (self._is_reading or self._queue)
        self._write(response, is_last=is_last, has_body=request.method != "HEAD")

    def _write(self, response: Response, *, is_last: bool, has_body: bool) -> None:
        """Send an answer. The last one closes our side, and what the client still sends is read and dropped for a
        moment: closing at once would reset the connection and could take the answer with it."""
        head = b"content-type: %b\r\ncontent-length: %d\r\n" % (response.content_type, len(response.body))
        end = b"connection: close\r\n\r\n" if is_last else b"\r\n"
        body = response.body if has_body else b""
        parts = (_STATUS_LINES[response.status], self._shared.date, head, response.headers, end, body)
        self._transport.write(b"".join(parts))
        if not is_last:
            if not self._in_head and not self._in_body and not self._queue:
                self._read_by = self._loop.time() + self._shared.bounds.idle_s
            return
        self._is_open = self._is_reading = False
        if self._has_ended:
            self._transport.close()
        else:
            self._read_by = self._loop.time() + HTTP_LINGER_S
            self._transport.write_eof()

    def _refuse(self, response: Response) -> None:
        """Read no further; send this after the answers that are due."""
        self._is_reading = self._in_head = self._in_body = False
        self._read_by = _NEVER
        self._body = []
        self._hold(-self._body_bytes)
        self._queue.append(response)
        self._next()

    def _hold(self, count: int) -> None:
        self._held_bytes += count
        self._shared.bodies_bytes += count

    # --- called by the listener

    def check_deadlines(self, now: float) -> None:
        """End the connection if its client or its answer is overdue."""
        if now > self._write_by:
            self._transport.abort()
        elif now > self._answer_by:
            self._answer_by = _NEVER
            self._queue.clear()
            self._write(error_response(503, "no answer in time", RETRY_SOON), is_last=True, has_body=True)
        elif now > self._read_by:
            if self._in_head or self._in_body:
                self._refuse(error_response(408, "request was not sent in time"))
            else:
                self._transport.abort()

    def drain(self) -> None:
        """Close after the answers that are due; a request that is still being read counts as due."""
        if self._task is None and not self._queue and not self._in_head and not self._in_body:
            self._transport.close()

    def abort(self) -> None:
        """Close now."""
        self._transport.abort()
