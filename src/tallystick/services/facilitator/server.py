"""A facilitator as a running server: `serve` blocks until it is told to stop; SIGTERM is enough.

Any number of them may run on one workspace: the outbox's file decides who sends what.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from tallystick.core.errors import InvalidInput
from tallystick.core.limits import FACILITATOR_ANSWER_S, FACILITATOR_TOKEN_CHARS_MIN
from tallystick.services.facilitator.app import FacilitatorDoor, Offer
from tallystick.services.http1 import Bounds
from tallystick.services.listener import LOOPBACK_HOSTS, Listener, Stop, check_loopback, serve_forever


def serve(
    offers: Collection[Offer],
    host: str = "127.0.0.1",
    port: int = 8402,
    *,
    on_ready: Callable[[str, int], None],
    hosts: Iterable[str] = (),
    tokens: Collection[str] = (),
    is_public_meant: bool = False,
    stop: Stop | None = None,
) -> None:
    """Serve until `stop` is asked, or SIGTERM or SIGINT where this is the main thread.

    port      0 for any free one
    on_ready  called with host and real port once clients can connect
    hosts     host names to answer for, beside the loopback's own
    tokens    of clients that may ask for /verify and /settle; none: anybody may
    raises    InvalidInput "listener.public", "facilitator.token"; Unavailable "listener.port"
    """
    check_loopback(host, is_public_meant=is_public_meant)
    if any(len(token) < FACILITATOR_TOKEN_CHARS_MIN or not token.isascii() for token in tokens):
        raise InvalidInput(
            "facilitator.token", "a client's token is too short",
            expected=f"at least {FACILITATOR_TOKEN_CHARS_MIN} ASCII characters",
            hint="`openssl rand -hex 32` writes a good one",
        )  # fmt: skip
    own = f"[{host}]" if ":" in host else host
    door = FacilitatorDoor(offers, tokens)
    bounds = Bounds(answer_s=FACILITATOR_ANSWER_S)
    listener = Listener(door.handle, hosts={*LOOPBACK_HOSTS, own, *hosts}, bounds=bounds)
    try:
        serve_forever(listener, host, port, on_ready=on_ready, stop=stop or Stop())
    finally:
        door.close()
