"""What the chain itself says of a payment: whether its nonce is spent, and by which transfer.

A facilitator's word is not needed where a node can be asked. A spent nonce alone proves nothing: the payer may have
cancelled it. Money moved where the token's logs show, in one transaction, that the nonce was used and that this amount
went from this payer to this payee.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from tallystick.agents.payments.outcomes import Claimable, Settled
from tallystick.chain.bindings.token import AuthorizationUsed, Token, Transfer
from tallystick.chain.calls import Log
from tallystick.chain.node import Node
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address
from tallystick.core.limits import SETTLED_LOOK_BACK_BLOCKS


def has_transfer(logs: Sequence[Log], asset: str, key: Claimable) -> bool:
    """Whether logs of one transaction show that the payment was made by its authorization.

    A transaction may bring several authorizations of one payer, so that one transfer must not count for two. Where uses
    and transfers of the payer take turns each use has its neighbour; otherwise there must be as many such transfers as
    uses, or none counts.
    """
    told = [one for one in map(_told, (log for log in logs if log.address == asset)) if _of(one) == key.payer]
    uses = [one for one in told if isinstance(one, AuthorizationUsed)]
    moves = [one for one in told if isinstance(one, Transfer)]
    if not any(use.nonce == key.nonce for use in uses):
        return False
    good = [(move.receiver, move.amount) == (key.payee, key.amount) for move in moves]
    takes_turns = len(uses) == len(moves) and all(type(one) is not type(two) for one, two in pairwise(told))
    if takes_turns:
        return any(use.nonce == key.nonce and paid for use, paid in zip(uses, good, strict=True))
    return sum(good) >= len(uses)


def _told(log: Log) -> AuthorizationUsed | Transfer | None:
    topic = log.topics[0] if log.topics else b""
    try:
        if topic == AuthorizationUsed.topic:
            return AuthorizationUsed.decode(log)
        return Transfer.decode(log) if topic == Transfer.topic else None
    except InvalidInput:
        return None  # a token may log what it likes


def _of(told: AuthorizationUsed | Transfer | None) -> str:
    if told is None:
        return ""
    return told.authorizer if isinstance(told, AuthorizationUsed) else told.sender


def is_spent(node: Node, key: Claimable) -> bool:
    """Whether the payment's nonce is used or cancelled; raises Unavailable, InvalidInput, Rejected."""
    return Token(node, parse_address(key.asset)).authorization_state(key.payer, key.nonce)


def find_recent(node: Node, key: Claimable) -> Settled | None:
    """Return the settlement of a payment whoever brought it, looked for as far back as payments live; None for none.

    raises  Unavailable, InvalidInput "rpc.…", Rejected
    """
    if not is_spent(node, key):
        return None
    return find_transfer(node, key, max(0, node.block_number() - SETTLED_LOOK_BACK_BLOCKS))


def find_transfer(node: Node, key: Claimable, from_block: int) -> Settled | None:
    """Return the settlement of a payment as the chain has it from a block on; None where there is none.

    raises  Unavailable, InvalidInput "rpc.…"
    """
    asset = parse_address(key.asset)
    payer = bytes(12) + bytes.fromhex(key.payer[2:])
    for log in node.logs(asset, (AuthorizationUsed.topic, payer, key.nonce), from_block=from_block):
        receipt = node.receipt(log.transaction_hash)
        if receipt is not None and receipt.succeeded and has_transfer(receipt.logs, asset, key):
            return Settled(key.network, key.payer, key.amount, "0x" + log.transaction_hash.hex())
    return None
