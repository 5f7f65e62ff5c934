"""A program that sends calls through one outbox from several processes at once; run by test_outbox_nodes.py.

    sending.py PATH TARGET SECRET RECEIVER KEY,KEY,… KEY,KEY,…

Each list of keys gets a process of its own, forked after the imports so that those are paid once.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import tallystick.chain.embedded  # noqa: F401  what `connect` would import in every child
from tallystick.chain.accounts import Account
from tallystick.chain.calls import Call
from tallystick.chain.connect import connect
from tallystick.chain.outbox import Outbox


def send(path: str, target: str, secret: str, receiver: str, keys: list[str]) -> None:
    """Send one wei for each key and wait for all of them."""
    with connect(target) as node, Outbox(Path(path), node, Account(bytes.fromhex(secret))) as box:
        rows = [box.send(Call(receiver, b"", 1), key=key) for key in keys]
        for row in rows:
            box.wait(row, 60.0)


def main() -> None:
    """Fork a sender for each list, and fail if one fails."""
    path, target, secret, receiver, *shares = sys.argv[1:]
    children = []
    for share in shares:
        child = os.fork()
        if child == 0:
            send(path, target, secret, receiver, share.split(","))
            os._exit(0)
        children.append(child)
    sys.exit(sum(os.waitpid(child, 0)[1] != 0 for child in children))


if __name__ == "__main__":
    main()
