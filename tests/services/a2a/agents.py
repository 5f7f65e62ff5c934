"""A registered agent that tests begin with: its workspace, its key, its card, its server in a thread."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from a2a.auth.user import User
from a2a.server.context import ServerCallContext
from a2a.types import AgentCard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallystick.agents.identity.reference import AgentRef
from tallystick.agents.identity.registration import Registration, Service
from tallystick.services.a2a.card import RPC_PATH, WELL_KNOWN, build_card, sign_card
from tallystick.services.a2a.executor import Worker
from tallystick.services.a2a.requests import Wanted
from tallystick.services.a2a.serving import Agent, serve
from tallystick.services.abilities import ABILITIES
from tallystick.services.abilities.ability import Powers
from tallystick.services.asgi import serve_asgi
from tallystick.services.bench import Bench
from tallystick.services.listener import Stop
from tests.cli.agent_kit import open_tally

KEY = "a2a"


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@dataclass
class Registered:
    """An agent of the registry of the workspace at `path`, which is reached at `url`."""

    path: Path
    port: int
    agent: AgentRef
    file: Registration
    key: Ed25519PrivateKey
    more: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def make(cls, path: Path) -> Registered:
        """Register an agent whose A2A service is at a free port, and put its key on chain."""
        port = free_port()
        file = Registration("oracle", "asks chains", services=(Service("A2A", f"http://127.0.0.1:{port}{WELL_KNOWN}"),))
        with open_tally(path) as tally:
            tally.agents.deploy_contracts()
            published = tally.agents.identities.register(file)
            key = tally.signer(KEY)
            tally.agents.identities.rotate_key(published.agent, key.public_key().public_bytes_raw())
        return cls(path, port, published.agent, file, key)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def card(self, *, is_paid: bool = False) -> AgentCard:
        """Return its card, signed."""
        made = build_card(self.file, self.agent, self.url, "1", ABILITIES[:5], is_paid=is_paid)
        return sign_card(made, self.agent, self.key)

    def terms(self) -> Any:
        """Return which keys signed for it."""
        with open_tally(self.path) as tally:
            return tally.agents.identities.key_terms(self.agent)

    @contextlib.contextmanager
    def served(
        self, powers: Powers | None = None, till: Any = None, card: AgentCard | None = None, abilities: Any = ABILITIES,
        **options: Any,
    ) -> Iterator[str]:  # fmt: skip
        """Serve it from a thread, its tasks in a book beside the workspace; give its URL."""
        bench = Bench(lambda: open_tally(self.path))
        worker = Worker(bench, powers or Powers(), abilities, till=till, hidden=str(self.path))
        made = Agent(
            worker, card or self.card(is_paid=worker.is_paid), self.agent, self.key, self.path / "tasks.db", **options
        )
        self.more["interrupted"] = made.interrupted
        ready, stop = threading.Event(), Stop()
        thread = threading.Thread(
            target=serve, args=(made, "127.0.0.1", self.port),
            kwargs={"on_ready": lambda host, port: ready.set(), "stop": stop},
        )  # fmt: skip
        thread.start()
        try:
            assert ready.wait(30)
            yield self.url
        finally:
            stop.ask()
            thread.join(30)
            assert not thread.is_alive()
            made.close()
            bench.close()


@contextlib.contextmanager
def serving(application: Any, port: int) -> Iterator[str]:
    """Serve any application from a thread; give its URL."""
    ready, stop = threading.Event(), Stop()
    thread = threading.Thread(
        target=serve_asgi, args=(application, "127.0.0.1", port),
        kwargs={"on_ready": lambda host, bound: ready.set(), "stop": stop},
    )  # fmt: skip
    thread.start()
    try:
        assert ready.wait(30)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop.ask()
        thread.join(30)


def named(name: str) -> ServerCallContext:
    """Return the context of a request by a caller of this name."""

    class Caller(User):
        is_authenticated = True
        user_name = name

    return ServerCallContext(user=Caller())


def message_of(wanted: Wanted, metadata: Any = None, task: str = "", context: str = "") -> dict[str, Any]:
    """Return a message as JSON."""
    part = {"data": {"skill": wanted.skill, "arguments": dict(wanted.arguments)}}
    made = {"messageId": uuid.uuid4().hex, "role": "ROLE_USER", "parts": [part]}
    more = (("metadata", metadata), ("taskId", task), ("contextId", context))
    return made | {name: value for name, value in more if value}


def rpc(url: str, method: str, params: Any, **headers: str) -> Any:
    """Return what a call came to, as JSON."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    return post(url, body, **headers)[1]


def post(url: str, body: bytes, **headers: str) -> tuple[int, Any]:
    """Return status and JSON of a request that the standard library sends."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
    try:
        sent = {"Content-Type": "application/json", "A2A-Version": "1.0"} | headers
        connection.request("POST", RPC_PATH, body, sent)
        response = connection.getresponse()
        return response.status, json.loads(response.read() or b"{}")
    finally:
        connection.close()
