"""The ledger: every amount that came, went, or is promised, each held against the chain, and what they add up to.

`reconcile` asks nobody; it is given what the books say and what the chain has. Two laws hold whatever these are: each
account's opening balance and its lines make its closing balance, and of each token the change of what is held, in
balances and in channels, is income less spend, fees and what is silent. Where book and chain disagree there is a line
that says so, with its reason; with none of these the ledger is reconciled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from tallystick.agents.bookkeeping.books import Books
from tallystick.agents.bookkeeping.facts import Facts
from tallystick.agents.bookkeeping.lines import Kind, Line, Period, Sheet, State, Totals
from tallystick.agents.bookkeeping.matching import Matching
from tallystick.agents.bookkeeping.matching_channels import ChannelMatching
from tallystick.agents.bookkeeping.matching_coin import coin_lines, count_gaps, movements_of, silent_line
from tallystick.agents.bookkeeping.matching_invoices import Bill, match_invoices
from tallystick.chain.coin import NATIVE


@dataclass(frozen=True)
class Ledger:
    """What accounts received, spent and are promised between two blocks.

    lines   what moved in chain order, and then what did not
    notes   in words what does not fit and is no line: gaps too
    """

    chain_id: int
    first: int
    last: int
    accounts: tuple[str, ...]
    lines: tuple[Line, ...]
    sheets: tuple[Sheet, ...]
    totals: tuple[Totals, ...]
    bills: tuple[Bill, ...]
    notes: tuple[str, ...] = ()

    @property
    def gaps(self) -> tuple[Line, ...]:
        """The lines in which book and chain disagree."""
        return tuple(one for one in self.lines if one.is_gap)

    @property
    def is_reconciled(self) -> bool:
        """Whether book and chain agree on everything."""
        return not self.gaps and not self.notes and not any(one.is_gap for one in self.bills)

    def to_dict(self) -> dict[str, object]:
        """Return the ledger as JSON members, amounts in smallest units."""
        return {
            "accounts": list(self.accounts), "chain_id": self.chain_id, "first": self.first, "last": self.last,
            "invoices": [one.to_dict() for one in self.bills], "lines": [one.to_dict() for one in self.lines],
            "notes": list(self.notes), "reconciled": self.is_reconciled,
            "sheets": [one.to_dict() for one in self.sheets], "totals": [one.to_dict() for one in self.totals],
            "unreconciled": len(self.gaps),
        }  # fmt: skip


def reconcile(facts: Facts, books: Books, period: Period, notes: Iterable[str] = ()) -> Ledger:
    """Return the ledger of what the books say and the chain has.

    notes  what else does not fit, as an audit of a policy account found it
    """
    matching = Matching(facts, books, period)
    channels = ChannelMatching(matching)
    lines = [*matching.payments(), *channels.moved(), *matching.refunds()]
    lines += [*matching.acts(), *matching.own(), *matching.rest(), *coin_lines(facts, books, period)]
    lines, bills = match_invoices(facts, books, lines)
    sheets = tuple(_sheets(facts, lines))
    lines += [silent_line(facts, one.account, one.token, one.silent) for one in sheets if one.silent]
    lines += [one for one in channels.pending() if period.has(one.at)]
    ordered = tuple(sorted(lines, key=_place))
    return Ledger(
        facts.chain_id, facts.first, facts.last, tuple(sorted(facts.accounts)), ordered, sheets,
        tuple(_totals(facts, ordered)), bills, (*notes, *count_gaps(facts, books)),
    )  # fmt: skip


def _place(one: Line) -> tuple[object, ...]:
    return not one.has_moved, one.block, one.log, one.at, one.is_out, one.account, one.reference


def _sheets(facts: Facts, lines: Sequence[Line]) -> Iterator[Sheet]:
    for (account, token), (opening, closing) in sorted(facts.balances.items()):
        came, went = movements_of(lines, account, token)
        if opening or closing or came or went:
            yield Sheet(token, opening, came, went, closing, account)


def _totals(facts: Facts, lines: Sequence[Line]) -> Iterator[Totals]:
    for token in sorted({NATIVE, *facts.tokens, *(one.token for one in lines)}):
        balances = [pair for (_, coin), pair in facts.balances.items() if coin == token]
        held = [one for one in facts.held.values() if one.coin == token and one.payer in facts.accounts]
        found = Totals(
            token,
            opening=sum(opening for opening, _ in balances),
            closing=sum(closing for _, closing in balances),
            channels_opening=sum(one.opening for one in held),
            channels_closing=sum(one.closing for one in held),
        )
        mine = [one for one in lines if one.token == token]
        found = _pending(found, [one for one in mine if not one.has_moved])
        found = _moved(found, [one for one in mine if one.has_moved])
        if any(value for name, value in vars(found).items() if name != "token"):
            yield found


def _pending(found: Totals, lines: Sequence[Line]) -> Totals:
    waiting = [one for one in lines if one.state is State.PENDING]
    return replace(
        found,
        pending_in=sum(one.amount for one in waiting if not one.is_out),
        pending_out=sum(one.amount for one in waiting if one.is_out and one.kind is not Kind.REFUND),
        owed=sum(one.amount for one in waiting if one.is_out and one.kind is Kind.REFUND),
    )


def _moved(found: Totals, lines: Sequence[Line]) -> Totals:
    """Return the totals with what moved.

    What only changed its place, to a channel or among these accounts, is neither income nor spend.
    """

    def signed(kind: Kind, sign: int) -> int:
        return sign * sum(one.amount if one.is_out else -one.amount for one in lines if one.kind is kind)

    plain = [
        one for one in lines
        if not one.is_internal and one.kind not in (Kind.FEE, Kind.SILENT, Kind.DEPOSIT, Kind.RETURN)
    ]  # fmt: skip
    return replace(
        found,
        income=sum(one.amount for one in plain if not one.is_out),
        spend=sum(one.amount for one in plain if one.is_out),
        fees=signed(Kind.FEE, 1),
        silent=signed(Kind.SILENT, -1),
        deposited=signed(Kind.DEPOSIT, 1),
        returned=signed(Kind.RETURN, -1),
    )
