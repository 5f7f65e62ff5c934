"""What a ledger is made of: lines, each with its state, and what they add up to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypedDict

from tallystick.agents.audit.findings import Sheet as TokenSheet
from tallystick.core.errors import InvalidInput


class Kind(Enum):
    """What a line is."""

    PAYMENT = "payment"  # by x402
    INVOICE = "invoice"  # of an invoice, by no payment in the other books
    ACT = "act"  # of a session or of the owner of a policy account
    SENT = "sent"  # by a transaction of this workspace
    REFUND = "refund"
    DEPOSIT = "deposit"  # into a payment channel
    CLAIM = "claim"  # out of a payment channel, to its payee
    RETURN = "return"  # out of a payment channel, back to its payer
    FEE = "fee"  # gas
    RECEIVED = "received"  # from somebody, for nothing that a book knows
    SILENT = "silent"  # a balance changed, and no event says so
    UNEXPLAINED = "unexplained"  # went out, and no book knows why


class State(Enum):
    """How a line stands between book and chain."""

    RECONCILED = "reconciled"  # both say the same
    PENDING = "pending"  # promised, signed or owed; the chain has nothing of it yet
    UNBOOKED = "on chain only"
    MISSING = "in the book only"
    DISPUTED = "disputed"  # book and chain contradict each other


class Purse(Enum):
    """Where the money of a line is."""

    BALANCE = "balance"  # of the account
    CHANNEL = "channel"  # in a channel that the account has paid into
    NOWHERE = "nowhere"  # it has not moved


class Named(TypedDict):
    """Which book knows a line, and under which name."""

    book: str
    reference: str


@dataclass(frozen=True)
class Line:
    """One amount that came in or goes out, of one account.

    at         seconds since 1970: of the block, or of the book's entry where there is none
    block, log where on chain, 0 where it is not; `log` is -1 for what no log tells of
    party      from whom or to whom
    book       which book knows it, "" for none
    reference  its name there: a payment's id, a channel, a transaction's key, an invoice's number
    reason     why it is not reconciled, or what is worth knowing; "" for nothing
    is_internal  the other side is an account of the same ledger, so it is neither income nor spend
    """

    at: int
    block: int
    log: int
    transaction: bytes
    account: str
    party: str
    token: str
    amount: int
    is_out: bool
    kind: Kind
    state: State
    purse: Purse = Purse.BALANCE
    book: str = ""
    reference: str = ""
    reason: str = ""
    is_internal: bool = False

    @property
    def is_gap(self) -> bool:
        """Whether book and chain do not agree on it.

        What came in and is in no book is none: anybody can send anybody a coin, and that must not be an alarm.
        """
        return self.state in (State.MISSING, State.DISPUTED) or (self.state is State.UNBOOKED and self.is_out)

    @property
    def has_moved(self) -> bool:
        """Whether the chain shows it."""
        return self.purse is not Purse.NOWHERE

    def to_dict(self) -> dict[str, object]:
        """Return the line as JSON members, the amount in smallest units."""
        return {
            "account": self.account, "amount": str(self.amount), "at": self.at, "block": self.block or None,
            "book": self.book, "direction": "out" if self.is_out else "in", "internal": self.is_internal,
            "kind": self.kind.value, "log": None if self.log < 0 else self.log, "party": self.party,
            "purse": self.purse.value, "reason": self.reason, "reference": self.reference, "state": self.state.value,
            "token": self.token, "transaction": self.transaction.hex(),
        }  # fmt: skip


@dataclass(frozen=True)
class Sheet(TokenSheet):
    """One account's balance of one token, in the period."""

    account: str

    def to_dict(self) -> dict[str, str]:
        """Return the sheet as JSON members, amounts in decimal."""
        return {"account": self.account, **super().to_dict()}


@dataclass(frozen=True)
class Totals:
    """What the accounts of a ledger had of one token and what became of it, in smallest units.

    opening, closing      balances, and what lies in channels that they paid into
    income, spend         with others; `fees` is gas, and not in `spend`
    silent                what changed without an event; below zero where it went
    deposited, returned   to and from channels: neither income nor spend
    pending_in            sold and not settled, charged over channels and not claimed
    pending_out           reserved or signed, or on vouchers that the payee has not claimed
    owed                  refunds that are due to payers
    """

    token: str
    opening: int = 0
    closing: int = 0
    channels_opening: int = 0
    channels_closing: int = 0
    income: int = 0
    spend: int = 0
    fees: int = 0
    silent: int = 0
    deposited: int = 0
    returned: int = 0
    pending_in: int = 0
    pending_out: int = 0
    owed: int = 0

    @property
    def difference(self) -> int:
        """What the sums are off by, which is nothing where every unit is accounted for."""
        had, have = self.opening + self.channels_opening, self.closing + self.channels_closing
        return have - had - (self.income - self.spend - self.fees + self.silent)

    def to_dict(self) -> dict[str, object]:
        """Return the totals as JSON members, amounts in decimal."""
        names = (
            "opening", "closing", "channels_opening", "channels_closing", "income", "spend", "fees", "silent",
            "deposited", "returned", "pending_in", "pending_out", "owed", "difference",
        )  # fmt: skip
        return {"token": self.token, **{name: str(getattr(self, name)) for name in names}}


@dataclass(frozen=True)
class Period:
    """From when to when, in seconds since 1970: `begin` is in it, `end` is not; None where it has no such end."""

    begin: int | None = None
    end: int | None = None

    def __post_init__(self) -> None:
        """Raise InvalidInput "ledger.period" for a period that ends before it begins."""
        if self.begin is not None and self.end is not None and self.begin >= self.end:
            raise InvalidInput("ledger.period", "the period ends before it begins", expected=f"> {self.begin}",
                               got=self.end, hint="--from is in the period, --to is not")  # fmt: skip

    def has(self, at: float) -> bool:
        """Whether a time is in it."""
        return (self.begin is None or at >= self.begin) and (self.end is None or at < self.end)
