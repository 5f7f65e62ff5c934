"""An agent at work: its card at the well-known place, its tasks behind JSON-RPC over HTTP, both bounded."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from a2a.auth.user import User
from a2a.server.context import ServerCallContext
from a2a.server.request_handlers import DefaultRequestHandlerV2
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.routes.common import ServerCallContextBuilder
from a2a.types import AgentCard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.applications import Starlette
from starlette.requests import Request

from tallystick.agents.identity.reference import AgentRef
from tallystick.core.limits import A2A_WAIT_S, ASGI_DEPTH_MAX
from tallystick.services.a2a.card import RPC_PATH, WELL_KNOWN
from tallystick.services.a2a.executor import Worker
from tallystick.services.a2a.push import Places, Pusher
from tallystick.services.a2a.tasks import PushBook, TaskBook
from tallystick.services.asgi import Application, HostsOnly, serve_asgi
from tallystick.services.listener import LOOPBACK_HOSTS, Stop


class _Named(User):
    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def is_authenticated(self) -> bool:
        return bool(self._name)

    @property
    def user_name(self) -> str:
        return self._name


@dataclass(frozen=True)
class Callers(ServerCallContextBuilder):
    """Who a caller is: named by the secret that it shows, or nobody. Tasks belong to whoever asked for them.

    secrets  by the caller's name
    """

    secrets: dict[str, str] = field(default_factory=dict)

    def build(self, request: Request) -> ServerCallContext:
        """Return the context of a request."""
        shown = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
        matches = [name for name, secret in self.secrets.items() if hmac.compare_digest(shown, secret.encode())]
        from a2a.extensions.common import HTTP_EXTENSION_HEADER, get_requested_extensions

        asked = get_requested_extensions(request.headers.getlist(HTTP_EXTENSION_HEADER))
        state = {"headers": dict(request.headers)}
        return ServerCallContext(user=_Named(matches[0] if matches else ""), state=state, requested_extensions=asked)


class Agent:
    """One agent: its worker, its tasks in the book at `path`. Close it when it ends."""

    def __init__(
        self,
        worker: Worker,
        card: AgentCard,
        agent: AgentRef,
        key: Ed25519PrivateKey,
        path: Path,
        *,
        push_hosts: Collection[str] = (),
        secrets: dict[str, str] | None = None,
        hosts: Collection[str] = (),
    ) -> None:
        """
        push_hosts  hosts that may be told of tasks though they are not public
        secrets     of callers, by their names
        hosts       host names to answer for, beside the loopback's own
        """
        self.tasks = TaskBook(path)
        self.interrupted = self.tasks.recover()
        pushes, places = PushBook(self.tasks), Places(frozenset(host.lower() for host in push_hosts))
        handler = DefaultRequestHandlerV2(
            worker, self.tasks, card, push_config_store=pushes, push_sender=Pusher(pushes, places, agent, key),
            push_url_validator=places.accepts, interrupted_task_timeout=A2A_WAIT_S,
        )  # fmt: skip
        routes = [
            *create_agent_card_routes(card, card_url=WELL_KNOWN),
            *create_jsonrpc_routes(handler, RPC_PATH, context_builder=Callers(secrets or {})),
        ]
        self.application: Application = HostsOnly(Starlette(routes=routes), {*LOOPBACK_HOSTS, *hosts})

    def close(self) -> None:
        """Close the book."""
        self.tasks.close()


def serve(
    agent: Agent,
    host: str,
    port: int,
    *,
    on_ready: Callable[[str, int], None],
    is_public_meant: bool = False,
    stop: Stop | None = None,
) -> None:
    """Serve until told to stop; raises as `serve_asgi`."""
    serve_asgi(agent.application, host, port, on_ready=on_ready, is_public_meant=is_public_meant, stop=stop,
               depth_max=ASGI_DEPTH_MAX)  # fmt: skip
