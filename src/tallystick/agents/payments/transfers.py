"""What the chain itself says of a payment: whether its nonce is spent, and by which transfer.

A facilitator's word is not needed where a node can be asked. A spent nonce alone proves nothing: the payer may have
cancelled it. Money moved where the token's logs show, in one transaction, that the nonce was used and that this amount
went from this payer to this payee.
"""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.agents.payments.outcomes import Claimable, Settled
from tallystick.chain.bindings.token import AuthorizationUsed, Token, Transfer
from tallystick.chain.calls import Log
from tallystick.chain.node import Node
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address


def has_transfer(logs: Sequence[Log], asset: str, key: Claimable) -> bool:
    """Whether logs of one transaction show that the payment was made by its authorization."""
    used = moved = False
    for log in logs:
        if log.address != asset or not log.topics:
            continue
        try:
            if log.topics[0] == AuthorizationUsed.topic:
                spent = AuthorizationUsed.decode(log)
                used |= (spent.authorizer, spent.nonce) == (key.payer, key.nonce)
            elif log.topics[0] == Transfer.topic:
                one = Transfer.decode(log)
                moved |= (one.sender, one.receiver, one.amount) == (key.payer, key.payee, key.amount)
        except InvalidInput:
            continue  # a token may log what it likes
    return used and moved


def is_spent(node: Node, key: Claimable) -> bool:
    """Whether the payment's nonce is used or cancelled; raises Unavailable, InvalidInput, Rejected."""
    return Token(node, parse_address(key.asset)).authorization_state(key.payer, key.nonce)


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
