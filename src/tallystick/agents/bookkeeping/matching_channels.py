"""Payment channels in the ledger: what went in and out of them, and what vouchers promise and nobody has claimed.

A deposit is still the payer's, so it is no spend; the payee's claim is. On the payee's side a claim is income when it
is made, and what was charged and not claimed is pending. A contract sends what many claims bring in one transfer, so
events and transfers are held against each other by transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tallystick.agents.bookkeeping.facts import Held, OnChannel
from tallystick.agents.bookkeeping.lines import Kind, Line, Purse, State
from tallystick.agents.bookkeeping.matching import Matching
from tallystick.agents.channels.payee_book import Account
from tallystick.agents.channels.payer_book import Channel
from tallystick.chain.bindings.payment_channels import Claimed, Closed, Opened, Refunded, ToppedUp
from tallystick.chain.coin import NATIVE

PAYING, PAID = "channels paying", "channels paid"


@dataclass(frozen=True)
class _Flow:
    """What one event moves of one account: `is_held` where that is in the channel and in no balance."""

    account: str
    party: str
    amount: int
    is_out: bool
    kind: Kind
    is_held: bool


def _flows(one: OnChannel) -> Iterator[_Flow]:
    event = one.event
    payer, payee = event.payer, event.payee
    if isinstance(event, Opened | ToppedUp):
        yield _Flow(payer, payee, event.amount, True, Kind.DEPOSIT, False)
    elif isinstance(event, Refunded):
        yield _Flow(payee, payer, event.amount, True, Kind.REFUND, False)
        yield _Flow(payer, payee, event.amount, False, Kind.REFUND, True)
    elif isinstance(event, Claimed):
        yield _Flow(payee, payer, event.amount, False, Kind.CLAIM, False)
        yield _Flow(payer, payee, event.amount, True, Kind.CLAIM, True)
    elif isinstance(event, Closed) and event.returned:
        yield _Flow(payer, payee, event.returned, False, Kind.RETURN, False)


class ChannelMatching:
    """Lines of channels; takes the transfers that belong to them out of a matching."""

    def __init__(self, matching: Matching) -> None:
        self._matching = matching
        self._facts = matching.facts
        self._books = matching.books
        self._known = {one.id for one in self._books.paying}
        self._served = {one.id for one in self._books.paid}

    def moved(self) -> Iterator[Line]:
        """Yield what went in and out, with whether a book knows the channel and the token's transfers agree."""
        agreed = self._agreed()
        for one in self._facts.channels:
            for flow in _flows(one):
                if flow.account in self._facts.accounts:
                    key = (one.transaction, one.contract, flow.account, flow.is_out)
                    yield self._line(one, flow, flow.is_held or one.coin == NATIVE or key in agreed)

    def pending(self) -> Iterator[Line]:
        """Yield what is promised on vouchers, and what the books say that the chain contradicts, both as of now.

        Books of channels remember no past, so a ledger that ends earlier has none of it.
        """
        if not self._facts.is_now:
            return
        for channel in self._books.paying:
            if channel.terms.payer in self._facts.accounts and channel.deposit:
                yield from self._paying(channel)
        for account in self._books.paid:
            if account.terms.payee in self._facts.accounts:
                yield from self._paid(account)

    # --- parts

    def _agreed(self) -> set[tuple[bytes, str, str, bool]]:
        """Take the transfers of each transaction between a contract and an account that its events add up to."""
        sums: dict[tuple[bytes, str, str, bool], int] = defaultdict(int)
        for one in self._facts.channels:
            for flow in _flows(one):
                if not flow.is_held and one.coin != NATIVE and flow.account in self._facts.accounts:
                    sums[one.transaction, one.contract, flow.account, flow.is_out] += flow.amount
        agreed = set()
        for key, amount in sums.items():
            rows = self._matching.of(key[0])
            found = [each for each in rows if (each.transaction, each.party, each.account, each.is_out) == key]
            if sum(each.amount for each in found) == amount:
                agreed.add(key)
                for moved in found:
                    self._matching.take(moved)
        return agreed

    def _line(self, one: OnChannel, flow: _Flow, is_agreed: bool) -> Line:
        is_payer = flow.account == one.event.payer
        is_booked = one.event.channel_id in (self._known if is_payer else self._served)
        state, reason = State.RECONCILED, ""
        if not is_agreed:
            state, reason = State.DISPUTED, "the contract's events and the token's transfers do not agree"
        elif not is_booked:
            state, reason = State.UNBOOKED, "no book here knows the channel"
        return Line(
            at=self._facts.times[one.block], block=one.block, log=one.log, transaction=one.transaction,
            account=flow.account, party=flow.party, token=one.coin, amount=flow.amount, is_out=flow.is_out,
            kind=flow.kind, state=state, purse=Purse.CHANNEL if flow.is_held else Purse.BALANCE,
            book="" if not is_booked else PAYING if is_payer else PAID,
            reference=one.event.channel_id.hex(), reason=reason,
            is_internal=flow.party in self._facts.accounts and flow.kind in (Kind.CLAIM, Kind.REFUND),
        )  # fmt: skip

    def _paying(self, one: Channel) -> Iterator[Line]:
        held, payee = self._facts.held.get(one.id), one.terms.payee
        if held is None:
            words = "the chain has no such channel"
            yield self._entry(one.id, one.terms.payer, payee, "", one.deposit, True, State.MISSING, PAYING, words)
            return
        if held.claimed > one.highest:
            words = f"the payee claimed {held.claimed}, the highest voucher in the book is of {one.highest}"
            amount = held.claimed - one.highest
            yield self._of(held, one.id, payee, amount, True, State.DISPUTED, PAYING, words)
        elif held.claimed > one.spent + one.pending:
            words = f"the payee claimed {held.claimed}, its receipts say {one.spent}"
            amount = held.claimed - one.spent - one.pending
            yield self._of(held, one.id, payee, amount, True, State.DISPUTED, PAYING, words)
        open_ = 0 if held.is_closed else min(one.highest, held.deposit) - held.claimed
        if open_ > 0:
            words = f"on vouchers that are not claimed; receipts say {one.spent} in all"
            yield self._of(held, one.id, payee, open_, True, State.PENDING, PAYING, words)

    def _paid(self, one: Account) -> Iterator[Line]:
        held, payee = self._facts.held.get(one.id), one.terms.payee
        if held is None:
            if one.spent:
                words = "the chain has no such channel"
                yield self._entry(one.id, payee, one.terms.payer, "", one.spent, False, State.MISSING, PAID, words)
            return
        if held.claimed > one.spent:
            words = f"{held.claimed} was claimed, {one.spent} was charged"
            amount = held.claimed - one.spent
            yield self._of(held, one.id, payee, amount, False, State.DISPUTED, PAID, words)
        elif one.claimed > held.claimed:
            words = f"the book says that {one.claimed} was claimed, the chain says {held.claimed}"
            amount = one.claimed - held.claimed
            yield self._of(held, one.id, payee, amount, False, State.MISSING, PAID, words)
        owed = min(one.spent, one.highest, held.deposit) - held.claimed
        if owed > 0 and held.is_closed:
            words = "charged, and the channel was closed without it"
            yield self._of(held, one.id, payee, owed, False, State.MISSING, PAID, words)
        elif owed > 0:
            words = "charged and not claimed: `tally agent channel settle`"
            yield self._of(held, one.id, payee, owed, False, State.PENDING, PAID, words)

    def _of(
        self, held: Held, channel: bytes, payee: str, amount: int, is_out: bool, state: State, book: str, words: str
    ) -> Line:
        account, party = (held.payer, payee) if is_out else (payee, held.payer)
        return self._entry(channel, account, party, held.coin, amount, is_out, state, book, words)

    def _entry(
        self, channel: bytes, account: str, party: str, token: str, amount: int, is_out: bool, state: State, book: str,
        words: str,
    ) -> Line:  # fmt: skip
        return Line(
            self._facts.last_at, 0, -1, b"", account, party, token, amount, is_out, Kind.CLAIM, state, Purse.NOWHERE,
            book, channel.hex(), words, party in self._facts.accounts,
        )  # fmt: skip


def native_flows(channels: Sequence[OnChannel]) -> Iterator[tuple[bytes, str, str, bool, int]]:
    """Yield what channels in the native coin moved of balances: transaction, contract, account, whether out, amount."""
    for one in channels:
        for flow in _flows(one):
            if one.coin == NATIVE and not flow.is_held:
                yield one.transaction, one.contract, flow.account, flow.is_out, flow.amount
