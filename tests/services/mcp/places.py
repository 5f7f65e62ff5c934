"""What tests of the protocol begin with: a workspace with a wallet, servers in threads, clients that end."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

from mcp import Client
from mcp.server.lowlevel import Server

from tallystick.services.abilities.ability import Powers
from tallystick.services.asgi import Application
from tallystick.services.bench import Bench
from tallystick.services.listener import Stop
from tallystick.services.mcp.server import Desk
from tallystick.services.mcp.serving import PATH, serve_http
from tests.cli.agent_kit import open_tally

T = TypeVar("T")
WALLET = Powers(wallet="bot", session="bot")


@contextlib.contextmanager
def desk_of(path: Path, powers: Powers = WALLET, **more: Any) -> Iterator[Desk]:
    """The desk of the workspace at `path`."""
    bench = Bench(lambda: open_tally(path))
    try:
        yield Desk(bench, powers, hidden=str(path), **more)
    finally:
        bench.close()


@contextlib.contextmanager
def served(application: Application) -> Iterator[str]:
    """The URL of an application that a thread serves."""
    ready, stop, ports = threading.Event(), Stop(), list[int]()

    def on_ready(host: str, port: int) -> None:
        ports.append(port)
        ready.set()

    thread = threading.Thread(
        target=serve_http, args=(application, "127.0.0.1", 0), kwargs={"on_ready": on_ready, "stop": stop}
    )
    thread.start()
    try:
        assert ready.wait(30)
        yield f"http://127.0.0.1:{ports[0]}{PATH}"
    finally:
        stop.ask()
        thread.join(30)
        assert not thread.is_alive()


def asked(server: Server[Any] | str, question: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
    """Return what a client of the SDK finds out from a server, in this process or at a URL."""

    async def run() -> T:
        async with Client(server) as client:
            return await question(client)

    try:
        return asyncio.run(run())
    except BaseExceptionGroup as group:  # of the client's tasks; there is one fault in it
        fault: BaseException = group
        while isinstance(fault, BaseExceptionGroup):
            fault = fault.exceptions[0]
        raise fault from None


def called(server: Server[Any] | str, name: str, arguments: dict[str, Any], **more: Any) -> Any:
    """Return the result of one call."""
    return asked(server, lambda client: client.call_tool(name, arguments, **more))
