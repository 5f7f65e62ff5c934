"""Coins on a development node: anvil, hardhat or geth in its development mode hold accounts that pay for anyone."""

from __future__ import annotations

import time

from tallystick.chain.node import Node
from tallystick.chain.wire import read_address, read_hash, read_list
from tallystick.core.errors import Unavailable
from tallystick.core.limits import OUTBOX_POLL_S_MAX, OUTBOX_WAIT_S


def fund_from_unlocked(node: Node, address: str, wei: int) -> None:
    """Return once `address` has at least `wei`, sent by an account that the node itself signs for.

    raises  Unavailable "funding.none" where the node has no such account, as public nodes have none;
            "funding.waiting" when the transfer is not mined in time
    """
    if node.balance(address) >= wei:
        return
    accounts = node.request("eth_accounts", [], lambda value, what: read_list(value, what, read_address))
    payer = next((account for account in accounts if node.balance(account) > 2 * wei), None)
    if payer is None:
        raise Unavailable(
            "funding.none",
            f"{address} has too few coins and the node has no account that could send some",
            expected=f"≥ {wei} wei",
            got=node.balance(address),
            hint="send it some, then try again",
        )
    transfer = {"from": payer, "to": address, "value": hex(wei)}
    node.request("eth_sendTransaction", [transfer], read_hash)
    deadline = time.monotonic() + OUTBOX_WAIT_S
    while node.balance(address) < wei:
        if time.monotonic() > deadline:
            raise Unavailable("funding.waiting", "the transfer is sent and not mined yet", hint="try again soon")
        time.sleep(OUTBOX_POLL_S_MAX)
