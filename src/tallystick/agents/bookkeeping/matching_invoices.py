"""Each invoice with what paid it, and each payment with at most one invoice.

What names the invoice comes first: an authorization with one of its nonces, the purse's payment for it, the transaction
that the book of invoices names, a claim that brings its channel to where it says. Whatever is left and is of the right
amount between the right two pays the invoice that was due first, as bookkeepers have always applied payments.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from tallystick.agents.bookkeeping.books import Books
from tallystick.agents.bookkeeping.facts import Facts, read_transaction
from tallystick.agents.bookkeeping.invoice import Invoice
from tallystick.agents.bookkeeping.invoice_book import Filed, Side
from tallystick.agents.bookkeeping.invoice_checks import has_payment
from tallystick.agents.bookkeeping.invoice_paying import operation_of
from tallystick.agents.bookkeeping.lines import Kind, Line, Purse, State
from tallystick.agents.bookkeeping.matching import CLAIMS, PURSE
from tallystick.chain.bindings.payment_channels import Claimed

INVOICES = "invoices"


class Standing(Enum):
    """How an invoice stands."""

    OPEN = "open"
    OVERDUE = "overdue"
    PAID = "paid"
    ELSEWHERE = "of another chain"
    DISPUTED = "disputed"


@dataclass(frozen=True)
class Bill:
    """An invoice in the ledger, with what paid it."""

    filed: Filed
    standing: Standing
    transaction: bytes = b""
    words: str = ""

    @property
    def is_gap(self) -> bool:
        """Whether the book of invoices says what the chain does not."""
        return self.standing is Standing.DISPUTED

    def to_dict(self) -> dict[str, object]:
        """Return the invoice's place in the ledger as JSON members."""
        one = self.filed.signed.invoice
        return {
            "amount": str(one.amount), "asset": one.asset, "buyer": one.buyer, "due": one.due,
            "hash": one.hash().hex(), "number": one.number, "pay_to": one.pay_to, "seller": one.seller,
            "side": self.filed.side.value, "standing": self.standing.value, "transaction": self.transaction.hex(),
            "words": self.words,
        }  # fmt: skip


def match_invoices(facts: Facts, books: Books, lines: Sequence[Line]) -> tuple[list[Line], tuple[Bill, ...]]:
    """Return the lines with the invoices that they pay, and every invoice of these accounts as it stands."""
    found = _Invoices(facts, books, lines)
    mine = [one for one in books.invoices if _account(one) in facts.accounts]
    ordered = sorted(mine, key=lambda one: (one.signed.invoice.due, one.signed.invoice.number))
    paid = {id(one): place for one in ordered if (place := found.named(one)) is not None}
    for one in ordered:
        if id(one) not in paid and (place := found.oldest(one)) is not None:
            paid[id(one)] = place
    bills = tuple(found.bill(one, paid.get(id(one))) for one in ordered)
    return found.lines, bills


def _account(one: Filed) -> str:
    """Return whose money an invoice is about: who is paid what was issued, who pays what came in."""
    invoice = one.signed.invoice
    return invoice.pay_to if one.side is Side.ISSUED else invoice.buyer


class _Invoices:
    """The lines, of which each pays at most one invoice."""

    def __init__(self, facts: Facts, books: Books, lines: Sequence[Line]) -> None:
        self.lines = list(lines)
        self._facts = facts
        self._operations = {one.id: one.operation for one in books.bought}
        self._taken: set[int] = set()
        self._places: dict[tuple[str, str, str, int, bool], list[int]] = defaultdict(list)
        for place, line in enumerate(self.lines):
            if line.purse is Purse.BALANCE:
                key = (line.account, line.party, line.token, line.amount, line.is_out)
                self._places[key].append(place)
        self._stretches: dict[bytes, list[tuple[int, int, str]]] = defaultdict(list)

    def named(self, one: Filed) -> int | None:
        """Return the place of the line that names the invoice, taken; others that name it too are disputed."""
        invoice = one.signed.invoice
        nonces, paid_by = set(invoice.nonces()), read_transaction(one.paid_by)
        operation = operation_of(one.signed).hash()
        found: int | None = None
        for place in self._candidates(one):
            line = self.lines[place]
            used = {
                nonce for token, who, nonce in self._facts.used.get(line.transaction, ())
                if (token, who) == (invoice.asset, invoice.buyer)
            }  # fmt: skip
            is_bought = line.book == PURSE and self._operations.get(line.reference) == operation
            if not (used & nonces or is_bought or line.transaction == paid_by):
                continue
            if found is None:
                found = self._take(place, invoice)
            elif used & nonces or is_bought:
                self._taken.add(place)
                words = f"invoice {invoice.number} was paid before"
                self.lines[place] = replace(line, state=State.DISPUTED, reason=words)
        return found

    def oldest(self, one: Filed) -> int | None:
        """Return the place of the first line that may pay the invoice and belongs to no other purchase, taken."""
        invoice = one.signed.invoice
        for place in self._candidates(one):
            line = self.lines[place]
            if line.at >= invoice.issued_at and line.book not in (PURSE, CLAIMS):
                return self._take(place, invoice)
        return None

    def bill(self, one: Filed, place: int | None) -> Bill:
        """Return how an invoice stands, given the line that paid it."""
        invoice = one.signed.invoice
        if invoice.network != self._facts.network:
            return Bill(one, Standing.ELSEWHERE, words=invoice.network)
        if place is not None:
            return Bill(one, Standing.PAID, self.lines[place].transaction)
        if invoice.channel is not None:
            return self._channel(one)
        if one.paid_by:
            receipt = self._facts.receipts.get(read_transaction(one.paid_by))
            if receipt is not None and has_payment(receipt, invoice):
                is_here = self._facts.has_block(receipt.block_number)
                words = "its transfer pays another invoice" if is_here else ""
                standing = Standing.DISPUTED if is_here else Standing.PAID
                return Bill(one, standing, receipt.transaction_hash, words)
            return Bill(one, Standing.DISPUTED, words=f"the chain has no payment of it in {one.paid_by}")
        return self._unpaid(one)

    # --- parts

    def _candidates(self, one: Filed) -> Iterator[int]:
        invoice = one.signed.invoice
        if invoice.channel is None and invoice.network == self._facts.network:
            ends = (invoice.buyer, invoice.pay_to)
            is_out = one.side is Side.RECEIVED
            key = (*(ends if is_out else ends[::-1]), invoice.asset, invoice.amount, is_out)
            yield from (place for place in self._places[key] if place not in self._taken)

    def _take(self, place: int, invoice: Invoice) -> int:
        self._taken.add(place)
        line, said = self.lines[place], f"invoice {invoice.number}"
        if line.state is State.UNBOOKED:
            self.lines[place] = replace(
                line, kind=Kind.INVOICE, state=State.RECONCILED, book=INVOICES, reference=invoice.number, reason=""
            )
        else:
            self.lines[place] = replace(line, reason=f"{said}; {line.reason}" if line.reason else said)
        return place

    def _channel(self, one: Filed) -> Bill:
        invoice = one.signed.invoice
        stretch = invoice.channel
        assert stretch is not None
        before = stretch.after - invoice.amount
        same = self._stretches[stretch.id]
        for begin, end, number in same:
            if before < end and begin < stretch.after:
                return Bill(one, Standing.DISPUTED, words=f"bills what invoice {number} bills of the channel")
        same.append((before, stretch.after, invoice.number))
        for seen in self._facts.channels:
            event = seen.event
            if not isinstance(event, Claimed) or event.channel_id != stretch.id or seen.contract != stretch.contract:
                continue
            if event.total >= stretch.after and (event.payer, event.payee) == (invoice.buyer, invoice.pay_to):
                return Bill(one, Standing.PAID, seen.transaction)
        held = self._facts.held.get(stretch.id)
        if held is not None and held.payer == invoice.buyer and held.claimed >= stretch.after:
            return Bill(one, Standing.PAID, words="claimed before this period")
        return self._unpaid(one)

    def _unpaid(self, one: Filed) -> Bill:
        is_late = one.signed.invoice.due < self._facts.last_at
        return Bill(one, Standing.OVERDUE if is_late else Standing.OPEN)
