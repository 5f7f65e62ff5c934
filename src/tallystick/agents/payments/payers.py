"""A key that pays by the scheme `exact`, with what its own address holds.

It signs what it is told, so its limits are its purse's alone; `slots.py` has the payer whose limits are on chain.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Final

from tallystick.agents.payments.operation import BINDING, Operation, bound_nonce
from tallystick.agents.payments.outcomes import Candidate, Signed
from tallystick.agents.payments.paying_tokens import PayingTokens, signed_payment
from tallystick.agents.payments.wire import Requirements
from tallystick.chain.accounts import Account
from tallystick.chain.node import Node
from tallystick.core.authorization import Authorization
from tallystick.core.ids import parse_address
from tallystick.core.limits import PAYMENT_TIMEOUT_S_MAX


class KeyPayer:
    """A key that pays with what its own address holds; raises as `Node`."""

    def __init__(self, node: Node, account: Account) -> None:
        self._node = node
        self._account = account
        self._tokens = PayingTokens(node)
        self.address: Final = account.address

    def refusal(self, requirements: Requirements, now_s: int) -> str:
        """Return why it cannot pay like this, in words; empty where it can."""
        refused = self._tokens.refusal(requirements)
        if refused:
            return refused
        if self._node.code(self.address):
            return f"{self.address} has code (EIP-7702): tokens and sellers take it for an account, not for a key"
        return self._tokens.poverty(requirements, self.address)

    def candidates(self, requirements: Requirements, operation: Operation, now_s: int) -> Iterable[Candidate]:
        """Yield nonces that commit to the operation, so that the payment cannot be said to be for another."""
        while True:
            salt = secrets.token_bytes(32)
            told = {"operation": "0x" + operation.hash().hex(), "salt": "0x" + salt.hex()}
            yield Candidate(bound_nonce(operation, salt), {BINDING: {"info": told}})

    def sign(self, requirements: Requirements, candidate: Candidate, now_s: int) -> Signed:
        """Return the signed payment."""
        authorization = Authorization(
            payer=self.address,
            payee=parse_address(requirements.pay_to),
            amount=requirements.amount,
            valid_after=0,
            valid_before=now_s + min(requirements.timeout_s, PAYMENT_TIMEOUT_S_MAX),
            nonce=candidate.nonce,
        )
        signature = self._account.sign_digest(authorization.digest(self._tokens.domain(requirements)))
        return signed_payment(authorization, signature, requirements)
