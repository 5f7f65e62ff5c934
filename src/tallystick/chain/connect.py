"""From what a user types to a `Node`: an http(s) URL, or the file of an embedded chain.

The two providers are imported only when asked for: each costs a second, and most commands need one of them.
"""

from __future__ import annotations

from pathlib import Path

from tallystick.chain.node import Node
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import RPC_TIMEOUT_S


def connect(target: str | Path, *, timeout_s: float = RPC_TIMEOUT_S, read_only: bool = False) -> Node:
    """Return a `Node` for an http(s) URL or for the path of an embedded chain, which `embedded.create` has made.

    timeout_s  for one HTTP request; the embedded chain waits for nobody but other writers
    read_only  opens an existing embedded chain without the right to write it; meaningless for a URL
    raises     InvalidInput "connect.target" for another kind of URL; whatever opening the chain file raises

    Nothing is sent yet: a node that is down shows with the first question.
    """
    text = str(target)
    if text.startswith(("http://", "https://")):
        from tallystick.chain.http_provider import HttpProvider

        return Node(HttpProvider(text, timeout_s=timeout_s))
    if "://" in text:
        raise InvalidInput(
            "connect.target",
            "cannot speak to this kind of node",
            expected="http://…, https://… or a path",
            got=text.split("://", 1)[0] + "://…",
        )
    from tallystick.chain.embedded import EmbeddedProvider

    return Node(EmbeddedProvider(Path(target), read_only=read_only))
