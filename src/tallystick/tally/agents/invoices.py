"""Invoices of this workspace: those that it issues, and those that it receives and pays.

The book lies in the workspace's folder `payments`. An invoice is paid like everything else that is bought: by the
purse, within its limits, written down before it leaves; this workspace's account brings the payment to the token and
pays the gas. Whom a seller's invoices are paid to is remembered, and a changed address is not paid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tallystick.agents.bookkeeping.facts import find_block
from tallystick.agents.bookkeeping.invoice import Invoice, Item, SignedInvoice, Stretch, sign_invoice
from tallystick.agents.bookkeeping.invoice_book import Filed, InvoiceBook, Side
from tallystick.agents.bookkeeping.invoice_checks import Payment, check_invoice, find_payment
from tallystick.agents.bookkeeping.invoice_paying import InvoicePayer, challenge_of, operation_of, origin_of
from tallystick.agents.payments.outcomes import Payer, Refused, Settled, Unknown
from tallystick.agents.payments.payers import KeyPayer
from tallystick.agents.payments.purse import Limits, Purse
from tallystick.agents.payments.purse_book import SETTLED, Booked
from tallystick.agents.payments.slots import SlotPayer
from tallystick.agents.payments.wire import EXACT
from tallystick.chain.coin import Coin, read_coin
from tallystick.core.checks import Report
from tallystick.core.digest import parse_hex32
from tallystick.core.errors import InvalidInput, Rejected, Unavailable
from tallystick.core.ids import parse_address
from tallystick.core.limits import INVOICE_PAY_WAIT_S, LEDGER_ROWS_MAX
from tallystick.tally.agents import senders

if TYPE_CHECKING:
    from tallystick.tally.workspace import Tally


@dataclass(frozen=True)
class Bill:
    """What is to be billed, before it has a number.

    lines    what, and how much of the token in smallest units, each perhaps with the operation that was sold
    due_s    seconds from now until it is to be paid
    channel  the id of a payment channel of the buyer, where it is paid by a claim
    """

    buyer: str
    token: str
    lines: tuple[Item, ...]
    due_s: int
    period: tuple[int, int] | None = None
    channel: bytes | None = None


@dataclass(frozen=True)
class Paying:
    """What came of paying an invoice: the purse's payment, and the transaction that moved the money."""

    booked: Booked
    transaction: str


class Invoices:
    """The invoices of a workspace; close it with the workspace."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    @cached_property
    def book(self) -> InvoiceBook:
        """What was issued and received."""
        return InvoiceBook(self._tally.workspace.payments_path / "invoices.db")

    def close(self) -> None:
        """Close the book if it was opened."""
        part = self.__dict__.pop("book", None)
        if part is not None:
            part.close()

    def coin_of(self, one: Invoice) -> Coin:
        """Return the coin that an invoice is in."""
        return read_coin(self._tally.node, one.asset)

    # --- selling

    def issue(
        self, bill: Bill, *, seller: str = senders.OWN, pay_to: str | None = None, number: str | None = None
    ) -> SignedInvoice:
        """Return an invoice, signed by a key of this workspace and in its book.

        pay_to  where it is to be paid, the seller's own address if left out
        number  the seller's next one if left out
        raises  InvalidInput "invoice.…"; "invoice.channel" for a channel that is another's, or has nothing to bill
        """
        account, payments = senders.account_of(self._tally, seller), self._tally.agents.payments
        where = account.address if pay_to is None else senders.address_of(self._tally, pay_to)
        now_s, network = int(payments.clock()), f"eip155:{self._tally.node.chain_id}"
        amount = sum(one.amount for one in bill.lines)
        stretch = None if bill.channel is None else self._stretch(bill, where, amount)

        def make(chosen: str) -> SignedInvoice:
            invoice = Invoice(
                network=network, seller=account.address, number=chosen, buyer=bill.buyer, pay_to=where,
                asset=bill.token, amount=amount, issued_at=now_s, due=now_s + bill.due_s, lines=bill.lines,
                period=bill.period, channel=stretch,
            )  # fmt: skip
            return sign_invoice(invoice, account)

        return self.book.issue(network, account.address, number, make, now_s)

    def _stretch(self, bill: Bill, pay_to: str, amount: int) -> Stretch:
        """Return the part of a channel that comes after what was claimed and billed, of so much."""
        channels = self._tally.agents.channels
        assert bill.channel is not None
        known, contract = channels.account(bill.channel), channels.contract(bill.token)
        if (known.terms.payer, known.terms.payee) != (bill.buyer, pay_to):
            raise InvalidInput(
                "invoice.channel", "the channel is between others", expected=f"{bill.buyer} pays {pay_to}",
                got=f"{known.terms.payer} pays {known.terms.payee}",
            )  # fmt: skip
        billed = [
            one.signed.invoice.channel.after
            for one in self.book.all(LEDGER_ROWS_MAX)
            if one.side is Side.ISSUED and one.signed.invoice.channel and one.signed.invoice.channel.id == bill.channel
        ]
        after = max([known.claimed, *billed]) + amount
        if after > known.spent:
            raise InvalidInput(
                "invoice.channel", "more is billed than was charged over the channel",
                expected=f"≤ {known.spent - after + amount}", got=amount,
            )  # fmt: skip
        return Stretch(contract.address, bill.channel, after)

    # --- buying

    def check(self, signed: SignedInvoice, *, seller: str | None = None, buyer: str | None = None) -> Report:
        """Return the checks of an invoice from outside; an expected seller or buyer is a key or an address."""
        expected = [None if one is None else senders.address_of(self._tally, one) for one in (seller, buyer)]
        now_s = int(self._tally.agents.payments.clock())
        return check_invoice(signed, self._tally.node, seller=expected[0], buyer=expected[1], now_s=now_s)

    def payment_of(self, signed: SignedInvoice) -> Payment | None:
        """Return what paid an invoice, as the chain shows it; the books say where to look."""
        one = signed.invoice
        known = [row for row in self.book.find(one.hash().hex()) if row.paid_by]
        first = find_block(self._tally.node, one.issued_at)
        return find_payment(self._tally.node, one, first, known[0].paid_by if known else "")

    def pay(
        self,
        signed: SignedInvoice,
        most: str,
        *,
        seller: str,
        wallet: str | None = None,
        session: str = senders.OWN,
        told: Callable[[str], None] | None = None,
    ) -> Paying:
        """Return the payment of an invoice, settled; the same one for an invoice that is paid already.

        most    the most that is paid, a decimal amount of the invoice's token
        seller  whose invoice is meant, by key or address: anybody can sign an invoice of their own
        raises  VerificationFailed "report.failed" for an invoice that is not good; InvalidInput "invoice.buyer",
                "invoice.number_used", "invoice.channel" for one that a claim pays; Rejected "payment.…"; Unavailable
                "invoice.unsettled" where nobody knows yet: pay again, and the same payment is repeated
        """
        one, node = signed.invoice, self._tally.node
        check_invoice(signed, node, seller=senders.address_of(self._tally, seller)).require()
        if one.channel is not None:
            raise InvalidInput(
                "invoice.channel", "it is paid by the seller's claim on the channel", hint="nothing is to be done"
            )
        coin, payments = self.coin_of(one), self._tally.agents.payments
        payer = self._payer(one, wallet, session)
        purse = Purse(
            payments.book, {EXACT: payer}, Limits({coin.address: coin.parse(most, "limit")}), node, payments.clock,
            told=told,
        )  # fmt: skip
        lock = self._tally.workspace.lock(f"invoice-{one.hash().hex()}", "an invoice", wait_s=INVOICE_PAY_WAIT_S)
        with lock:
            self.book.receive(signed, payments.clock())
            return self._pay(signed, purse)

    def _payer(self, one: Invoice, wallet: str | None, session: str) -> Payer:
        key = senders.account_of(self._tally, session)
        payer: Payer = InvoicePayer(KeyPayer(self._tally.node, key), one)
        if wallet is not None:
            found = self._tally.agents.wallet(wallet)
            payer = SlotPayer(self._tally.node, found.address, key)
            if not found.contracts.account.session_of(key.address).slots:
                raise InvalidInput(
                    "invoice.slots", "the session has no slots: it cannot sign payments",
                    hint=f"pay {one.pay_to} by `tally agent pay`, then `tally agent invoice paid {one.number} 0x…`",
                )  # fmt: skip
        if payer.address != one.buyer:
            raise InvalidInput(
                "invoice.buyer", "the invoice bills another", expected=one.buyer, got=payer.address,
                hint="name the wallet or the key that is billed, with --wallet and --session",
            )  # fmt: skip
        return payer

    def _pay(self, signed: SignedInvoice, purse: Purse) -> Paying:
        payments, operation = self._tally.agents.payments, operation_of(signed)
        for known in payments.book.of_operation(operation.hash()):
            if known.state == SETTLED:
                return self._paid(signed, known)
        if purse.undecided(operation) is None:
            self._refuse_paid(signed)
        booked = purse.pay(challenge_of(self._tally.node, signed), operation, origin_of(signed.invoice))
        assert booked.payment is not None
        scheme = payments.scheme([signed.invoice.asset], [signed.invoice.pay_to])
        outcome = scheme.settle(booked.payment, booked.requirements)
        if isinstance(outcome, Settled | Refused):
            told = outcome.to_settlement(booked.network) if isinstance(outcome, Refused) else outcome.to_settlement()
            booked = purse.learn(booked, told)
        if booked.state == SETTLED:
            return self._paid(signed, booked)
        if isinstance(outcome, Unknown) or booked.is_undecided:
            raise Unavailable(
                "invoice.unsettled", "nobody knows yet whether it is paid", got=outcome_words(outcome),
                hint="pay it again: the same payment is repeated, never a second one",
            )  # fmt: skip
        raise Rejected("payment.refused", "the payment was not settled", got=outcome_words(outcome))

    def _refuse_paid(self, signed: SignedInvoice) -> None:
        """Raise InvalidInput "invoice.paid" where the chain shows a payment that this purse's book does not know."""
        found = self.payment_of(signed)
        if found is not None:
            raise InvalidInput(
                "invoice.paid", "the invoice is paid, and not by this purse", got="0x" + found.transaction.hex(),
                hint="`tally agent ledger` shows by whom",
            )  # fmt: skip

    def _paid(self, signed: SignedInvoice, booked: Booked) -> Paying:
        transaction = "" if booked.settlement is None else booked.settlement.transaction
        self.book.record_paid(Side.RECEIVED, signed.invoice.hash(), transaction)
        return Paying(booked, transaction)

    # --- both

    def note_paid(self, number: str, transaction: str) -> tuple[Filed, Payment]:
        """Record which transaction paid an invoice, once the chain shows that it did; return both.

        number  or the hash; where several sellers use the number, the invoice that the transaction pays is meant
        raises  InvalidInput "invoice.unknown"; "invoice.not_paid" where the chain shows no such transfer, or where it
                paid another invoice
        """
        name = "0x" + parse_hex32(transaction, "transaction").hex()
        known = self.book.find(number)
        if not known:
            raise unknown(number)
        paying = [one for one in self.book.all(LEDGER_ROWS_MAX) if one.paid_by == name]
        for one in known:
            found = find_payment(self._tally.node, one.signed.invoice, self._tally.node.block_number(), name)
            is_taken = any(other.side is one.side and other.signed != one.signed for other in paying)
            if found is not None and not is_taken and one.paid_by in ("", name):
                self.book.record_paid(one.side, one.signed.invoice.hash(), name)
                return one, found
        raise InvalidInput("invoice.not_paid", "the transaction does not pay this invoice", got=name)


def outcome_words(outcome: Settled | Refused | Unknown) -> str:
    """Return why a payment is not settled, in words."""
    return "" if isinstance(outcome, Settled) else f"{outcome.reason}: {outcome.message}"


def unknown(name: str) -> InvalidInput:
    """Return the error for an invoice that is not in the book."""
    return InvalidInput(
        "invoice.unknown", f"no invoice has the number {ascii(name)[:80]}",
        hint="`tally agent invoice show` lists those of this workspace",
    )  # fmt: skip


def read_lines(coin: Coin, texts: Sequence[str]) -> tuple[Item, ...]:
    """Return the lines of an invoice as a user writes them: `WHAT=AMOUNT`, a decimal amount of the token.

    raises  InvalidInput "invoice.line", "invoice.text", "amount.…"
    """
    found = []
    for text in texts:
        what, separator, amount = text.rpartition("=")
        if not separator:
            raise InvalidInput("invoice.line", "not a line", expected="WHAT=AMOUNT", got=ascii(text)[:80])
        found.append(Item(what.strip(), coin.parse(amount.strip(), "line")))
    return tuple(found)


def buyer_of(tally: Tally, which: str) -> str:
    """Return who is billed: an address, a wallet of this workspace by name, or one of its keys."""
    if which.startswith("0x"):
        return parse_address(which)
    try:
        return tally.agents.wallet(which).address
    except InvalidInput as error:
        if error.code not in ("agent.wallet", "deployments.absent"):
            raise
        return senders.address_of(tally, which)
