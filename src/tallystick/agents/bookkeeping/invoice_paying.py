"""An invoice as something that a purse pays: within its limits, crash-safe, and once.

The purse takes it for an operation, so while the outcome of a payment is not known the same payment is repeated. A key
pays with the invoice's own nonces, which the token takes once each; a policy account's nonces are its slots, and there
the purse's book, asked under one lock, is what keeps an invoice from being paid twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tallystick.agents.bookkeeping.invoice import Invoice, SignedInvoice
from tallystick.agents.payments.operation import Operation
from tallystick.agents.payments.outcomes import Candidate, Payer, Signed
from tallystick.agents.payments.terms import Price, Terms
from tallystick.agents.payments.wire import Challenge, Requirements
from tallystick.chain.node import Node

METHOD: Final = "invoice"


def operation_of(signed: SignedInvoice) -> Operation:
    """Return what a payment of this invoice is for, whoever signed the copy: its seller, number and contents."""
    one = signed.invoice
    return Operation.of(METHOD, f"invoice://{one.seller}/{one.number}", one.hash())


def origin_of(one: Invoice) -> str:
    """Return under which name a purse remembers whom this seller's invoices are paid to."""
    return f"invoice://{one.seller}"


def challenge_of(node: Node, signed: SignedInvoice) -> Challenge:
    """Return the invoice as a demand that a purse weighs.

    raises  as `Price.of_token`, for a token that takes no authorizations
    """
    one = signed.invoice
    price = Price.of_token(node, one.asset, one.amount, one.pay_to)
    return Terms((price,), description=f"invoice {one.number}").challenge(operation_of(signed))


class InvoicePayer:
    """A payer whose nonces are free to choose, paying with those of one invoice."""

    def __init__(self, payer: Payer, invoice: Invoice) -> None:
        self._payer = payer
        self._invoice = invoice

    @property
    def address(self) -> str:
        """Whose money it is."""
        return self._payer.address

    def refusal(self, requirements: Requirements, now_s: int) -> str:
        """Return why it cannot pay like this; empty where it can."""
        return self._payer.refusal(requirements, now_s)

    def candidates(self, requirements: Requirements, operation: Operation, now_s: int) -> Iterable[Candidate]:
        """Yield the invoice's nonces."""
        return [Candidate(nonce) for nonce in self._invoice.nonces()]

    def sign(self, requirements: Requirements, candidate: Candidate, now_s: int) -> Signed:
        """Return the signed payment."""
        return self._payer.sign(requirements, candidate, now_s)
