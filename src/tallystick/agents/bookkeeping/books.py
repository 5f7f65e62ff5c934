"""What this workspace wrote down, from all of its books, as values: what was bought, sold, sent, and over channels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tallystick.agents.audit.findings import Movement
from tallystick.agents.bookkeeping.invoice_book import Filed
from tallystick.agents.channels.payee_book import Account
from tallystick.agents.channels.payer_book import Channel
from tallystick.agents.payments.claims import Claim
from tallystick.agents.payments.purse_book import Booked
from tallystick.chain.facts import TxReceipt
from tallystick.chain.outbox_rows import FINAL, MINED, UNMINED, Row


@dataclass(frozen=True)
class Sent:
    """One transaction that left through the outbox.

    value      of the native coin that went along, where it was mined and did not revert
    receipt    as the outbox has it; None while it is not mined
    cost_most  what it can cost in gas, while it is not mined
    """

    sender: str
    key: str
    to: str | None
    value: int
    receipt: TxReceipt | None
    cost_most: int
    changed_s: float

    @classmethod
    def of(cls, row: Row) -> Sent | None:
        """Return the transaction of a row of the outbox; None where none left."""
        told = row.receipt
        if told is not None:
            mined = next((one for one in row.attempts if one.hash == told.transaction_hash), None)
            is_whole = told.succeeded and mined is not None and not mined.is_cancel
            value = row.call.value if is_whole else 0
            return cls(row.sender, row.key, row.call.to, value, told, 0, row.changed_s)
        newest = row.current
        if row.state not in UNMINED or newest is None:
            return None
        return cls(row.sender, row.key, row.call.to, 0, None, newest.gas * newest.fees.cap, row.changed_s)


MINED_STATES = (MINED, FINAL, "failed")


@dataclass(frozen=True)
class Books:
    """Everything that a ledger reads of a workspace.

    own       every account of the workspace, whether this ledger is about it or not
    paying    channels that this workspace pays over; `paid` those that it is paid over
    contract  where each channel of `paid` is on chain; missing for one that is nowhere
    acts      by policy account: what its audit says of each movement
    """

    own: frozenset[str] = frozenset()
    bought: tuple[Booked, ...] = ()
    sold: tuple[Claim, ...] = ()
    sent: tuple[Sent, ...] = ()
    paying: tuple[Channel, ...] = ()
    paid: tuple[Account, ...] = ()
    contract: Mapping[bytes, str] = field(default_factory=dict)
    acts: Mapping[str, tuple[Movement, ...]] = field(default_factory=dict)
    invoices: tuple[Filed, ...] = ()

    def accounts(self) -> frozenset[str]:
        """Return every account whose money the books are about."""
        named = [*self.own, *(one.payer for one in self.bought), *(one.key.payee for one in self.sold)]
        named += [one.terms.payer for one in self.paying] + [one.terms.payee for one in self.paid]
        return frozenset(named)

    def tokens(self) -> frozenset[str]:
        """Return every token that the books are about; coins of channels are the chain's to tell."""
        named = [one.asset for one in self.bought] + [one.key.asset for one in self.sold]
        return frozenset(named + [one.signed.invoice.asset for one in self.invoices])

    def payers(self) -> frozenset[str]:
        """Return whose authorizations may have brought money here."""
        return frozenset([one.key.payer for one in self.sold] + [one.signed.invoice.buyer for one in self.invoices])


def sent_of(rows: Iterable[Row]) -> tuple[Sent, ...]:
    """Return the transactions of an outbox's rows."""
    return tuple(one for one in map(Sent.of, rows) if one is not None)
