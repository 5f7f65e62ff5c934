"""A small market on one ledger: a token, a seller with a cashier, a payer with a purse, a facilitator with gas.

Accounts of the ledger: 0 made the token, 1 pays, 2 sells, 3 is a stranger. Another one brings the payments.
"""

from __future__ import annotations

from pathlib import Path

from eth_abi.abi import encode

from tallystick.agents.payments.cashier import Cashier
from tallystick.agents.payments.claims import Claims
from tallystick.agents.payments.failures import Failures
from tallystick.agents.payments.operation import Operation
from tallystick.agents.payments.payers import KeyPayer
from tallystick.agents.payments.purse import Limits, Purse
from tallystick.agents.payments.purse_book import PurseBook
from tallystick.agents.payments.settling import ExactScheme
from tallystick.agents.payments.terms import Flow, Price, Terms
from tallystick.agents.payments.verifying import Allowed
from tallystick.chain.accounts import Account
from tallystick.chain.bindings.token import Token
from tallystick.chain.calls import Call
from tallystick.chain.outbox import Outbox
from tallystick.contracts import artifact
from tests.contracts.conftest import Ledger

ORIGIN = "http://shop.test"
CENT = 10_000


class Market:
    """Everything that a payment needs; books lie in `folder`."""

    def __init__(self, ledger: Ledger, folder: Path) -> None:
        self.ledger, self.node, self.folder = ledger, ledger.node, folder
        self.maker, self.payer, self.seller, self.stranger = ledger.accounts[:4]
        bringer = Account(b"\x63" * 32)
        self.bringer = bringer.address
        if ledger.node.balance(self.bringer) < 10**20:
            ledger.send(Call(self.bringer, b"", 10**21), self.maker)
        made = encode(["string", "string", "uint8", "uint256", "address"], ["Dollar", "USD", 6, 10**15, self.maker])
        self.token = Token(ledger.node, ledger.deploy(artifact("Token").bytecode + made))
        self.give(self.payer, 10**9)
        self.clock_s = 0.0
        self.outbox = Outbox(folder / "outbox.db", ledger.node, bringer)
        self.failures = Failures(folder / "failures.db")
        self.claims = Claims(folder / "claims.db")
        self.book = PurseBook(folder / "purse.db")

    def close(self) -> None:
        """Close the books; the ledger stays."""
        for one in (self.outbox, self.failures, self.claims, self.book):
            one.close()

    def clock(self) -> float:
        """The time of the next block, and what a test has added."""
        return self.ledger.time + self.clock_s

    def give(self, account: str, amount: int) -> None:
        """Let an account have more of the token."""
        self.ledger.send(self.token.transfer(account, amount), self.maker)

    def balance(self, account: str) -> int:
        """Return what an account has of the token."""
        return self.token.balance_of(account)

    # --- the seller

    def scheme(self, **changes) -> ExactScheme:
        """Return a scheme that settles on the ledger."""
        allowed = changes.pop("allowed", Allowed(frozenset({self.token.address})))
        return ExactScheme(changes.pop("outbox", self.outbox), allowed, self.failures, self.clock, **changes)

    def cashier(self, scheme=None, **changes) -> Cashier:
        """Return a cashier on the seller's book."""
        return Cashier(self.claims, {"exact": scheme or self.scheme(is_claimed=True)}, self.clock, **changes)

    def terms(self, amount: int = CENT, flow: Flow = Flow.AFTER, **changes) -> Terms:
        """Return what the seller asks."""
        pay_to = changes.pop("pay_to", self.seller)
        return Terms((Price.of_token(self.node, self.token.address, amount, pay_to),), flow, **changes)

    # --- the payer

    def purse(self, each: int = 10 * CENT, daily: int | None = None, payer=None, told=None) -> Purse:
        """Return the payer's purse."""
        payer = payer or KeyPayer(self.node, Account(self.ledger.secrets[self.payer]))
        limits = Limits({self.token.address: each}, {} if daily is None else {self.token.address: daily})
        return Purse(self.book, {"exact": payer}, limits, self.node, self.clock, told=told)


def operation(path: str = "/v2/answer", body: bytes = b"question", method: str = "POST") -> Operation:
    """Return a request at the seller's."""
    return Operation.of_http(method, f"{ORIGIN}{path}", body)
