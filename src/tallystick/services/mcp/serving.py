"""A server at work: over standard input and output for the process that started it, or over HTTP.

Over HTTP each request stands alone: no session is kept for a client, so none can be guessed, stolen or piled up.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, Final

from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http import EventStore
from mcp.server.transport_security import TransportSecuritySettings

from tallystick.core.errors import InvalidInput
from tallystick.core.limits import ASGI_BODY_BYTES_MAX, ASGI_DEPTH_MAX, MCP_TOKEN_CHARS_MIN
from tallystick.services.asgi import Application, Receive, Send, serve_asgi
from tallystick.services.listener import LOOPBACK_HOSTS, Stop

PATH: Final = "/mcp"


class Guarded:
    """An application for those who name a secret token: `Authorization: Bearer …`; 401 for others."""

    def __init__(self, inner: Application, token: str) -> None:
        if len(token) < MCP_TOKEN_CHARS_MIN or not token.isascii() or not token.isprintable() or " " in token:
            raise InvalidInput(
                "mcp.token", "not a token", expected=f"≥ {MCP_TOKEN_CHARS_MIN} printable ASCII characters",
                got=f"{len(token)} characters", hint="make one: python -c 'import secrets; print(secrets.token_hex())'",
            )  # fmt: skip
        self._inner = inner
        self._wanted = b"Bearer " + token.encode()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            sent = [value for name, value in scope["headers"] if name == b"authorization"]
            if len(sent) != 1 or not hmac.compare_digest(sent[0], self._wanted):
                headers = [(b"www-authenticate", b"Bearer"), (b"content-type", b"application/json")]
                await send({"type": "http.response.start", "status": 401, "headers": headers})
                await send({"type": "http.response.body", "body": b'{"error":"mcp.unauthorized"}'})
                return
        await self._inner(scope, receive, send)


def build_app(
    server: Server[Any], *, token: str = "", hosts: Iterable[str] = (), events: EventStore | None = None
) -> Application:
    """Return the application that speaks for a server at /mcp.

    token   what callers must know; "" lets everybody in who reaches the port
    hosts   host names to answer for, beside the loopback's own: a page elsewhere cannot rebind a name to us
    events  keeps what a server says on its own, for sessions; without it each request stands alone
    raises  InvalidInput "mcp.token"
    """
    known = sorted({*LOOPBACK_HOSTS, *hosts})
    named = [*known, *(f"{host}:*" for host in known)]
    security = TransportSecuritySettings(
        allowed_hosts=named,
        allowed_origins=[f"{scheme}://{host}" for scheme in ("http", "https") for host in named],
    )
    made: Application = server.streamable_http_app(
        streamable_http_path=PATH, json_response=events is None, stateless_http=events is None,
        event_store=events,        max_request_body_size=ASGI_BODY_BYTES_MAX, transport_security=security,
    )  # fmt: skip
    return Guarded(made, token) if token else made


def serve_http(
    application: Application,
    host: str,
    port: int,
    *,
    on_ready: Callable[[str, int], None],
    is_public_meant: bool = False,
    stop: Stop | None = None,
) -> None:
    """Serve until told to stop; raises as `serve_asgi`."""
    serve_asgi(application, host, port, on_ready=on_ready, is_public_meant=is_public_meant, stop=stop,
               depth_max=ASGI_DEPTH_MAX)  # fmt: skip


def serve_stdio(server: Server[Any]) -> None:
    """Serve the process at the other end of standard input and output until it closes them."""

    async def run() -> None:
        async with stdio_server() as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())

    asyncio.run(run())
