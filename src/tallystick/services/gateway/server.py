"""A gateway as a running server: `serve` blocks until it is told to stop; SIGTERM is enough.

It binds a loopback address unless more is meant, answers only for host names that it knows, and before it returns it
has answered what it took and signed the last checkpoint. Closing the log is its owner's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from tallystick.services.gateway.app import Deployment, Gateway
from tallystick.services.gateway.heads import Anchorer, Cadence, Heads
from tallystick.services.gateway.standing import Standing
from tallystick.services.http1 import Bounds
from tallystick.services.listener import LOOPBACK_HOSTS, Listener, Stop, check_loopback, serve_forever

if TYPE_CHECKING:
    from tallystick.services.gateway.till import Till


def serve(
    deployment: Deployment,
    host: str = "127.0.0.1",
    port: int = 8080,
    *,
    on_ready: Callable[[str, int], None],
    hosts: Iterable[str] = (),
    is_public_meant: bool = False,
    anchorer: Anchorer | None = None,
    cadence: Cadence | None = None,
    bounds: Bounds | None = None,
    stop: Stop | None = None,
    till: Till | None = None,
) -> None:
    """Serve until `stop` is asked, or SIGTERM or SIGINT where this is the main thread.

    port      0 for any free one
    on_ready  called with host and real port once clients can connect
    hosts     host names to answer for, beside the loopback's own
    anchorer  puts checkpoints on chain; without it they are only signed
    till      sells the predictions; without it they are free
    raises    InvalidInput "listener.public", Unavailable "listener.port"; Broken when the log stopped
    """
    check_loopback(host, is_public_meant=is_public_meant)
    cadence = cadence or Cadence()
    heads = Heads(deployment.log, anchorer, cadence)
    standing = Standing(deployment.recheck, cadence.recheck_s)
    gateway = Gateway(deployment, heads, standing, lambda: listener.connections, till)
    own = f"[{host}]" if ":" in host else host
    listener = Listener(gateway.handle, hosts={*LOOPBACK_HOSTS, own, *hosts}, bounds=bounds)
    serve_forever(listener, host, port, on_ready=on_ready, stop=stop or Stop(), beside=gateway.run)
