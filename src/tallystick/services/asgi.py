"""An ASGI application as a running server: uvicorn under this house's rules for ports, sizes, deadlines and stopping.

uvicorn bounds neither the bytes of a body nor the time a client takes to send one, so `Bounded` does, for every
application alike. It does not bound the head of a request either: beyond loopback a proxy in front does.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import Awaitable, Callable, Collection, Iterator, MutableMapping
from typing import TYPE_CHECKING, Any

from tallystick.core.canonical import check_nesting
from tallystick.core.errors import InvalidInput, Unavailable
from tallystick.core.limits import (
    ASGI_BODY_BYTES_MAX,
    HTTP_BACKLOG,
    HTTP_BODY_S,
    HTTP_CONNECTIONS_MAX,
    HTTP_DRAIN_S,
    HTTP_IDLE_S,
)
from tallystick.services.extra import agents_extra
from tallystick.services.listener import Stop, asked_by_signals, check_loopback

if TYPE_CHECKING:
    import uvicorn

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
_PORT = re.compile(rb":[0-9]{1,5}$")
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class Bounded:
    """An application whose request bodies are bounded in bytes, 413 beyond, and in the time that they take, 408.

    depth_max  levels of JSON, 400 beyond: what reads it beneath may recurse as deep, which ends the process
    """

    def __init__(
        self, inner: Application, body_bytes_max: int = ASGI_BODY_BYTES_MAX, depth_max: int | None = None
    ) -> None:
        self._inner = inner
        self._most = body_bytes_max
        self._depth_max = depth_max

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        try:
            body = await self._read(scope, receive)
        except InvalidInput as refused:
            await _refuse(send, 413 if refused.code == "http.body" else 400, refused.code)
            return
        except TimeoutError:
            await _refuse(send, 408, "http.slow_body")
            return
        given = [body]

        async def replay() -> Message:
            return {"type": "http.request", "body": given.pop(), "more_body": False} if given else await receive()

        await self._inner(scope, replay, send)

    async def _read(self, scope: MutableMapping[str, Any], receive: Receive) -> bytes:
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length[:20]) > self._most:
            raise _too_large(self._most)
        parts, size = [], 0
        async with asyncio.timeout(HTTP_BODY_S):
            while True:
                message = await receive()
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > self._most:
                    raise _too_large(self._most)
                if not message.get("more_body", False):
                    break
        body = b"".join(parts)
        if self._depth_max is not None:
            check_nesting(body, "request", self._depth_max)
        return body


class HostsOnly:
    """An application that answers only for host names it knows, 421 for others: no page elsewhere rebinds one to us."""

    def __init__(self, inner: Application, hosts: Collection[str]) -> None:
        self._inner = inner
        self._hosts = frozenset(host.lower().encode() for host in hosts)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            named = [value for name, value in scope["headers"] if name == b"host"]
            if len(named) != 1 or _PORT.sub(b"", named[0]).lower() not in self._hosts:
                await _refuse(send, 421, "http.host")
                return
        await self._inner(scope, receive, send)


def serve_asgi(
    application: Application,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    on_ready: Callable[[str, int], None],
    is_public_meant: bool = False,
    stop: Stop | None = None,
    body_bytes_max: int = ASGI_BODY_BYTES_MAX,
    depth_max: int | None = None,
) -> None:
    """Serve until `stop` is asked, or SIGTERM or SIGINT where this is the main thread; answers under way finish.

    port      0 for any free one
    on_ready  called with host and real port once clients can connect
    raises    InvalidInput "listener.public", "agents.extra"; Unavailable "listener.port"
    """
    check_loopback(host, is_public_meant=is_public_meant)
    with agents_extra():
        import uvicorn
    listening = _bind(host, port)
    bound: int = listening.getsockname()[1]
    asked = stop or Stop()
    config = uvicorn.Config(
        Bounded(application, body_bytes_max, depth_max), log_config=None, access_log=False, lifespan="on", ws="none",
        http="httptools", server_header=False, limit_concurrency=HTTP_CONNECTIONS_MAX,
        timeout_keep_alive=int(HTTP_IDLE_S), timeout_graceful_shutdown=int(HTTP_DRAIN_S),
    )  # fmt: skip

    async def run() -> None:
        server = _server(config, lambda: on_ready(host, bound))
        with asked_by_signals(asked):
            serving = asyncio.ensure_future(server.serve(sockets=[listening]))
            waiting = asyncio.ensure_future(asked.wait())
            await asyncio.wait((serving, waiting), return_when=asyncio.FIRST_COMPLETED)
            server.should_exit = True
            waiting.cancel()
            await serving

    with contextlib.closing(listening):
        asyncio.run(run())


def _server(config: uvicorn.Config, on_ready: Callable[[], None]) -> uvicorn.Server:
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            on_ready()

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:  # ours are; uvicorn would raise them again at its end
            yield

    return Server(config)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(HTTP_BACKLOG)
    except OSError as error:
        made.close()
        raise Unavailable(
            "listener.port", f"cannot listen on {host} port {port}: {error.strerror}", hint="choose another port"
        ) from None
    return made


def _too_large(most: int) -> InvalidInput:
    return InvalidInput("http.body", "the request is too large", expected=f"≤ {most} bytes")


async def _refuse(send: Send, status: int, code: str) -> None:
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"error":"%s"}' % code.encode()})
