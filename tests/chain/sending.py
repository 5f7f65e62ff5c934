"""A program that sends calls through an outbox: PATH TARGET SECRET RECEIVER KEY…; run by test_outbox_nodes.py."""

from __future__ import annotations

import sys
from pathlib import Path

from tallystick.chain.accounts import Account
from tallystick.chain.calls import Call
from tallystick.chain.connect import connect
from tallystick.chain.outbox import Outbox


def main() -> None:
    """Send one wei for each key and wait for all of them."""
    path, target, secret, receiver, *keys = sys.argv[1:]
    with connect(target) as node, Outbox(Path(path), node, Account(bytes.fromhex(secret))) as box:
        rows = [box.send(Call(receiver, b"", 1), key=key) for key in keys]
        for row in rows:
            box.wait(row, 60.0)


if __name__ == "__main__":
    main()
