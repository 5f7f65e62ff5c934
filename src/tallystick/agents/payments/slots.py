"""A session of a policy account that pays by the scheme `exact`, through its slots.

Its nonces name session, period and slot, and the account says yes (ERC-1271) to no more slots than were granted, of no
more than their cap, to payees that the policy allows. The token takes each nonce once. So whatever the session's host
does, what leaves in a period is bounded on chain, and a freeze ends every signature that is not mined yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from eth_abi.abi import encode

from tallystick.agents.payments.operation import Operation
from tallystick.agents.payments.outcomes import Candidate, Signed
from tallystick.agents.payments.paying_tokens import PayingTokens, signed_payment
from tallystick.agents.payments.wire import Requirements
from tallystick.agents.policy.nouns import Level
from tallystick.agents.policy.slots import slot_period
from tallystick.chain.accounts import Account
from tallystick.chain.bindings.policy_account import PolicyAccount, Session
from tallystick.chain.bindings.policy_rules import PolicyRules
from tallystick.chain.node import Node
from tallystick.core.authorization import Authorization, split_signature
from tallystick.core.errors import Rejected
from tallystick.core.ids import parse_address
from tallystick.core.limits import PAYMENT_TIMEOUT_S_MAX, SLOT_LIFE_S_MIN

_MAGIC: Final = bytes.fromhex("1626ba7e")  # ERC-1271
_SLOT_TYPES: Final = ("address", "address", "uint256", "uint256", "uint256", "bytes32", "bytes32", "bytes32", "uint256")


class SlotPayer:
    """A session of a policy account that pays through its slots.

    wallet   the policy account's address
    account  the session's key
    """

    def __init__(self, node: Node, wallet: str, account: Account) -> None:
        self._node = node
        self._key = account
        self._tokens = PayingTokens(node)
        self._account = PolicyAccount(node, wallet)
        self._rules = PolicyRules(node, self._account.rules())
        self.address: Final = self._account.address
        self.session: Final = account.address

    def refusal(self, requirements: Requirements, now_s: int) -> str:
        """Return why the account would not pay like this, in words; empty where it would."""
        refused = self._tokens.refusal(requirements)
        if refused:
            return refused
        terms, coin = self._terms(), self._tokens.coin(requirements)
        if isinstance(terms, str):
            return terms
        if not terms.slots:
            return f"the session {self.session} has no slots: it cannot sign payments"
        if terms.slot_token != coin.address:
            return f"the session's slots are in {terms.slot_token}, asked for is {coin.address}"
        if requirements.amount > terms.slot_cap:
            cap = coin.named(terms.slot_cap)
            return f"asked for {coin.named(requirements.amount)}, the policy lets one payment be at most {cap}"
        payee = parse_address(requirements.pay_to)
        if not self._rules.is_payee(self.address, payee):
            return f"the policy does not let {payee} be paid"
        if max(_periods(terms, now_s), key=lambda one: one.ends).ends - now_s < SLOT_LIFE_S_MIN:
            return "the slots' period ends in a moment; wait for the next"
        return self._tokens.poverty(requirements, self.address)

    def candidates(self, requirements: Requirements, operation: Operation, now_s: int) -> Iterator[Candidate]:
        """Yield the nonces of this period's slots, those first whose period lasts longer."""
        terms = self._terms()
        if isinstance(terms, str):
            return
        for one in sorted(_periods(terms, now_s), key=lambda one: -one.ends):
            if one.ends - now_s < SLOT_LIFE_S_MIN:
                continue
            for slot in range(one.first, terms.slots, 2):
                yield Candidate(slot_nonce(self.session, one.index, slot))

    def sign(self, requirements: Requirements, candidate: Candidate, now_s: int) -> Signed:
        """Return the signed payment; raises Rejected "payment.policy" where the account does not say yes to it."""
        terms = self._terms()
        if isinstance(terms, str):
            raise Rejected("payment.policy", terms)
        slot = int.from_bytes(candidate.nonce[28:], "big")
        ends = next(one.ends for one in _periods(terms, now_s) if one.first == slot & 1)
        life_s = min(requirements.timeout_s, PAYMENT_TIMEOUT_S_MAX)
        authorization = Authorization(
            payer=self.address,
            payee=parse_address(requirements.pay_to),
            amount=requirements.amount,
            valid_after=0,
            valid_before=min(now_s + life_s, ends, terms.valid_until),
            nonce=candidate.nonce,
        )
        digest = authorization.digest(self._tokens.domain(requirements))
        signature = _slot_signature(authorization, parse_address(requirements.asset), self._key.sign_digest(digest))
        answer = self._account.is_valid_signature(digest, signature, at="pending")
        if answer[:4] != _MAGIC:
            raise Rejected(
                "payment.policy", "the account does not say yes to this payment", got="0x" + answer[:4].hex(),
                hint="`tally agent policy explain` says what it lets the session do",
            )  # fmt: skip
        return signed_payment(authorization, signature, requirements)

    def _terms(self) -> Session | str:
        """Return what the session was granted, or why it has no say."""
        try:
            level = self._account.live_level(self.session, at="pending")
        except Rejected as error:
            return f"the session {self.session} has no say: {error.code}"
        if level < Level.BOUNDED:
            return f"the session {self.session} is of level {level}: it may only propose"
        return self._account.session_of(self.session)


@dataclass(frozen=True)
class _Period:
    """The present period of even slots (first 0) or odd ones (first 1), which change in the middle of each other."""

    first: int
    index: int
    ends: int


def _periods(terms: Session, now_s: int) -> tuple[_Period, _Period]:
    length = terms.slot_period_s
    even, odd = (slot_period(first, length, now_s) for first in (0, 1))
    return _Period(0, even, (even + 1) * length), _Period(1, odd, (odd + 1) * length - length // 2)


def slot_nonce(session: str, period: int, slot: int) -> bytes:
    """Return the nonce of a session's slot in a period: session (160 bits) ‖ period (64) ‖ slot (32)."""
    return bytes.fromhex(session[2:]) + period.to_bytes(8, "big") + slot.to_bytes(4, "big")


def _slot_signature(one: Authorization, token: str, signature: bytes) -> bytes:
    v, r, s = split_signature(signature)
    values = (token, one.payee, one.amount, one.valid_after, one.valid_before, one.nonce, r, s, v)
    return encode(_SLOT_TYPES, values)
