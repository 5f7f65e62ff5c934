"""Payments of this workspace: a cashier that sells, a purse that buys, and what brings payments to their token.

The books lie in the workspace's folder `payments` and are shared by every process that has the workspace open. Gas for
settlements is this workspace's account's; a payer needs none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tallystick.agents.intents import Payment
from tallystick.agents.payments.cashier import Cashier
from tallystick.agents.payments.claims import Claim, Claims
from tallystick.agents.payments.failures import Failures
from tallystick.agents.payments.operation import Operation
from tallystick.agents.payments.outcomes import Payer, Scheme
from tallystick.agents.payments.payers import KeyPayer
from tallystick.agents.payments.purse import Limits, Purse
from tallystick.agents.payments.purse_book import PurseBook
from tallystick.agents.payments.settling import ExactScheme
from tallystick.agents.payments.slots import SlotPayer
from tallystick.agents.payments.terms import Flow, Price, Terms
from tallystick.agents.payments.verifying import Allowed, Verifier
from tallystick.agents.payments.wire import EXACT, Requirements, write_text
from tallystick.agents.payments.witnessed import Settler, WitnessedScheme
from tallystick.chain.bindings.token import Token
from tallystick.chain.coin import read_coin
from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address
from tallystick.core.limits import CHAIN_CLOCK_S, INTENT_TEXT_CHARS_MAX, SETTLE_WAIT_S
from tallystick.tally.agents import senders
from tallystick.tally.agents.reasons import Reasons

if TYPE_CHECKING:
    from tallystick.tally.agents.wallet import Wallet
    from tallystick.tally.workspace import Tally


class Payments:
    """The payments of a workspace; close it with the workspace."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._ahead_s, self._ask_at_s = 0.0, 0.0  # of the chain's clock

    @property
    def folder(self) -> Path:
        """Where the books lie."""
        return self._tally.workspace.payments_path

    @cached_property
    def claims(self) -> Claims:
        """What was sold: the seller's book."""
        return Claims(self.folder / "claims.db")

    @cached_property
    def book(self) -> PurseBook:
        """What was bought: the payer's book."""
        return PurseBook(self.folder / "purse.db")

    @cached_property
    def failures(self) -> Failures:
        """Whose settlements failed."""
        return Failures(self.folder / "failures.db")

    def clock(self) -> float:
        """Seconds since 1970, by the later of this machine's clock and the chain's, by which payments are valid.

        How far the chain is ahead, as some development chains are, is asked every few seconds.
        """
        if time.monotonic() >= self._ask_at_s:
            self._ahead_s = max(0.0, senders.now_s(self._tally) - time.time())
            self._ask_at_s = time.monotonic() + CHAIN_CLOCK_S
        return time.time() + self._ahead_s

    # --- selling

    def scheme(
        self,
        tokens: Sequence[str],
        payees: Sequence[str] | None = None,
        *,
        wait_s: float = SETTLE_WAIT_S,
        is_claimed: bool = True,
    ) -> ExactScheme:
        """Return the scheme `exact` settled by this workspace's account, in these tokens, for these payees or all.

        is_claimed  for a cashier; a facilitator, whom anybody may ask, is none
        """
        allowed = _allowed(tokens, payees)
        return ExactScheme(self._tally.outbox, allowed, self.failures, self.clock, wait_s=wait_s, is_claimed=is_claimed)

    def witnessed(
        self, settler: Settler, tokens: Sequence[str], payees: Sequence[str] | None = None
    ) -> WitnessedScheme:
        """Return the scheme `exact` settled by somebody else, with this workspace's chain as the witness."""
        node = self._tally.node
        verifier = Verifier(node, _allowed(tokens, payees), self.clock, self._tally.account.address)
        return WitnessedScheme(settler, verifier, node, self.clock)

    def cashier(self, scheme: Scheme, seller: str = senders.OWN) -> Cashier:
        """Return who takes payments of a scheme; a key of this workspace signs the receipts."""
        account = senders.account_of(self._tally, seller)
        return Cashier(self.claims, {scheme.name: scheme}, self.clock, seller=account)

    def terms(self, amount: str, token: str, pay_to: str, flow: Flow = Flow.AFTER, description: str = "") -> Terms:
        """Return what one call costs: a decimal amount of a token, to a key of this workspace or an address.

        raises  InvalidInput "amount.…", "token.unsigned", "payment.price"; VerificationFailed "token.domain"
        """
        coin = read_coin(self._tally.node, token)
        units = coin.parse(amount, "price")
        price = Price.of_token(self._tally.node, coin.address, units, senders.address_of(self._tally, pay_to))
        return Terms((price,), flow, description=description)

    def refund(self, claim: Claim) -> str:
        """Send back what a claim owes to its payer, from this workspace's account, once; return the transaction.

        raises  InvalidInput "payment.no_refund" where nothing is owed; Rejected with the token's reason
        """
        if not claim.refund or claim.refunded:
            raise InvalidInput(
                "payment.no_refund", "nothing is owed for this payment", got=claim.refunded or "no reason"
            )
        key = claim.key
        call = Token(self._tally.node, parse_address(key.asset)).transfer(key.payer, key.amount)
        receipt = self._tally.outbox.send_and_wait(call, key=f"refund {key.asset} {key.payer} {key.nonce.hex()}")
        transaction = "0x" + receipt.transaction_hash.hex()
        self.claims.refund(claim, transaction)
        return transaction

    # --- buying

    def purse(
        self,
        tokens: Sequence[str],
        each: str,
        daily: str | None = None,
        *,
        wallet: str | None = None,
        session: str = senders.OWN,
        why: Reasons | None = None,
        told: Callable[[str], None] | None = None,
    ) -> Purse:
        """Return a purse that pays at most `each` of a token for one call, and `daily` in a day.

        wallet   a policy account, by name or address, whose session the key `session` has; None: the key pays itself
        why      for the intent records of a wallet's payments; which request each is for is added to it
        told     hears warnings in words
        raises   InvalidInput "amount.…", "agent.wallet", "payment.tokens" where no token is named
        """
        if not tokens:
            raise InvalidInput("payment.tokens", "no token is named to pay in", hint="name one with --token")
        node = self._tally.node
        coins = [read_coin(node, one) for one in tokens]
        limits = Limits(
            {coin.address: coin.parse(each, "limit") for coin in coins},
            {} if daily is None else {coin.address: coin.parse(daily, "daily limit") for coin in coins},
        )
        key = senders.account_of(self._tally, session)
        if wallet is None:
            payer: Payer = KeyPayer(node, key)
            return Purse(self.book, {EXACT: payer}, limits, node, self.clock, told=told)
        found = self._tally.agents.wallet(wallet)
        payer = SlotPayer(node, found.address, key)
        record = self._recorder(found, session, why or Reasons("this workspace", "a payment for one request"))
        return Purse(self.book, {EXACT: payer}, limits, node, self.clock, told=told, record=record)

    def _recorder(self, wallet: Wallet, session: str, why: Reasons) -> Callable[[Requirements, Operation, bytes], None]:
        """Return what writes the intent record of a payment: an authorization leaves none on chain but its nonce."""

        def record(one: Requirements, operation: Operation, nonce: bytes) -> None:
            asset = parse_address(one.asset)
            purpose = f"{why.purpose}: {operation.method} {operation.resource}"[:INTENT_TEXT_CHARS_MAX]
            told = replace(why, purpose=purpose, quote=why.quote or sha256(write_text(one.raw).encode()))
            intents = self._tally.agents.intents
            paid = Payment(parse_address(one.pay_to), asset, one.amount)
            intents.keep_for(intents.find(wallet.acting.record(session, told, paid)), asset, nonce)

        return record

    def close(self) -> None:
        """Close the books that were opened."""
        for name in ("claims", "book", "failures"):
            part = self.__dict__.pop(name, None)
            if part is not None:
                part.close()


def _allowed(tokens: Sequence[str], payees: Sequence[str] | None) -> Allowed:
    return Allowed(
        frozenset(map(parse_address, tokens)), None if payees is None else frozenset(map(parse_address, payees))
    )
