"""Each transfer with the one entry of a book that it belongs to, and each entry with the one transfer that proves it.

Payments come first: a payment is its authorization and its transfer in one transaction, so nothing else can be taken
for it. Then refunds, what a policy account's audit ties to its acts, and what the workspace's own transactions did. No
transfer serves two entries, so an entry that is listed twice is found to have nothing of its own. What is left over is
named: a transfer that no book knows, an entry that the chain does not have.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tallystick.agents.audit.findings import Tie
from tallystick.agents.bookkeeping.books import Books, Sent
from tallystick.agents.bookkeeping.facts import Facts, Moved, read_transaction
from tallystick.agents.bookkeeping.lines import Kind, Line, Named, Period, Purse, State
from tallystick.agents.payments.claims import CLAIMED, SETTLED, SETTLING, Claim
from tallystick.agents.payments.outcomes import Claimable
from tallystick.agents.payments.purse_book import RELEASED, Booked
from tallystick.agents.payments.transfers import has_transfer
from tallystick.agents.payments.wire import EXACT

PURSE, CLAIMS, OUTBOX, WALLET = "purse", "claims", "outbox", "wallet"
_UNNAMED: Named = {"book": "", "reference": ""}
_NOBODY = "0x" + "00" * 20


class Matching:
    """The transfers that no entry has taken yet. Methods return lines and take what they used."""

    def __init__(self, facts: Facts, books: Books, period: Period) -> None:
        self.facts = facts
        self.books = books
        self.period = period
        self._left: dict[bytes, list[Moved]] = defaultdict(list)
        for one in facts.moves:
            self._left[one.transaction].append(one)
        self._spent = {name: transaction for transaction, names in facts.used.items() for name in names}
        self._own: dict[bytes, Sent] = {
            one.receipt.transaction_hash: one for one in books.sent if one.receipt is not None
        }

    def take(self, wanted: Moved) -> bool:
        """Take a transfer; False where it is taken."""
        rows = self._left[wanted.transaction]
        if wanted not in rows:
            return False
        rows.remove(wanted)
        return True

    def of(self, transaction: bytes) -> list[Moved]:
        """Return the transfers of a transaction that nothing has taken."""
        return list(self._left.get(transaction, ()))

    def left(self) -> list[Moved]:
        """Return the transfers that nothing has taken, in chain order."""
        found = [one for rows in self._left.values() for one in rows]
        return sorted(found, key=lambda one: (one.block, one.log, one.is_out))

    def line(
        self, one: Moved, kind: Kind, named: Named | None = None, reason: str = "", state: State = State.RECONCILED
    ) -> Line:
        """Return the line of a transfer."""
        return Line(
            at=self.facts.times[one.block], block=one.block, log=one.log, transaction=one.transaction,
            account=one.account, party=one.party, token=one.token, amount=one.amount, is_out=one.is_out, kind=kind,
            state=state, reason=reason, is_internal=one.party in self.facts.accounts, **(named or _UNNAMED),
        )  # fmt: skip

    # --- payments

    def payments(self) -> Iterator[Line]:
        """Yield the lines of everything that was bought and sold by `exact`."""
        for bought in self.books.bought:
            if bought.payer in self.facts.accounts and bought.requirements.scheme == EXACT:
                yield from self._bought(bought)
        for sold in self.books.sold:
            if sold.key.payee in self.facts.accounts and sold.requirements.scheme == EXACT:
                yield from self._sold(sold)

    def _bought(self, one: Booked) -> Iterator[Line]:
        named: Named = {"book": PURSE, "reference": one.id}
        found = self._payment(one.claim, is_out=True)
        if found is not None:
            state, reason = State.RECONCILED, one.resource
            if one.state == RELEASED:
                state, reason = State.DISPUTED, f"the book says that it was released: {one.note}".rstrip(": ")
            elif one.is_undecided:
                reason = "the purse has not heard of it: `tally agent payments reconcile`"
            yield self.line(found, Kind.PAYMENT, named, reason, state)
        elif one.is_undecided:
            is_over = one.valid_before and one.valid_before <= self.facts.last_at
            words = "its time is over: `tally agent payments reconcile` gives it up" if is_over else one.note
            yield from self._entry(one.claim, one.made_s, State.PENDING, True, named, words or one.state)
        elif one.state != RELEASED:
            transaction = "" if one.settlement is None else one.settlement.transaction
            yield from self._absent(one.claim, one.made_s, transaction, True, named)

    def _sold(self, one: Claim) -> Iterator[Line]:
        named: Named = {"book": CLAIMS, "reference": str(one.id)}
        found = self._payment(one.key, is_out=False)
        if found is not None:
            state, reason = State.RECONCILED, ""
            if one.state == SETTLING:
                reason = "the cashier has not heard of it yet"
            elif one.state != SETTLED:
                state, reason = State.DISPUTED, f"the book says that it was {one.state}: {one.reason}".rstrip(": ")
            yield self.line(found, Kind.PAYMENT, named, reason, state)
        elif one.state in (CLAIMED, SETTLING):
            yield from self._entry(one.key, one.claimed_s, State.PENDING, False, named, one.reason or one.state)
        elif one.state == SETTLED:
            transaction = str(one.settlement.get("transaction", ""))
            yield from self._absent(one.key, one.claimed_s, transaction, False, named)

    def _payment(self, key: Claimable, *, is_out: bool) -> Moved | None:
        """Take the transfer of a payment: in the transaction in which its authorization was used."""
        if key.network != self.facts.network:
            return None
        transaction = self._spent.get((key.asset, key.payer, key.nonce))
        ends = (key.payer, key.payee) if is_out else (key.payee, key.payer)
        for one in self.of(transaction) if transaction is not None else ():
            told = (one.account, one.party, one.token, one.amount, one.is_out)
            if told == (*ends, key.asset, key.amount, is_out) and self.take(one):
                return one
        return None

    def _entry(
        self, key: Claimable, at: float, state: State, is_out: bool, named: Named, reason: str
    ) -> Iterator[Line]:
        """Yield the line of an entry that the chain has nothing of, if it is of the period."""
        ends = (key.payer, key.payee) if is_out else (key.payee, key.payer)
        if self.period.has(at):
            yield Line(
                int(at), 0, -1, b"", *ends, key.asset, key.amount, is_out, Kind.PAYMENT, state, Purse.NOWHERE,
                reason=reason, is_internal=ends[1] in self.facts.accounts, **named,
            )  # fmt: skip

    def _absent(self, key: Claimable, at: float, transaction: str, is_out: bool, named: Named) -> Iterator[Line]:
        """Yield the line of an entry that is settled by the book, and not in these blocks by the chain.

        One that the chain has in other blocks is another period's, and no line of this one.
        """
        if key.network != self.facts.network:
            reason = f"it is on {key.network}, the ledger on {self.facts.network}"
            yield from self._entry(key, at, State.MISSING, is_out, named, reason)
            return
        receipt = self.facts.receipts.get(read_transaction(transaction))
        if receipt is None:
            reason = f"the chain has no transaction {transaction or 'of it'}"
        elif not (receipt.succeeded and has_transfer(receipt.logs, key.asset, key)):
            reason = f"transaction {transaction} does not have this payment"
        elif not self.facts.has_block(receipt.block_number):
            return
        else:
            reason = f"its transfer in {transaction} belongs to another entry"
        yield from self._entry(key, at, State.MISSING, is_out, named, reason)

    # --- refunds

    def refunds(self) -> Iterator[Line]:
        """Yield what was given back of what was sold, and what is owed."""
        for one in self.books.sold:
            if not one.refund or one.key.payee not in self.facts.accounts:
                continue
            named: Named = {"book": CLAIMS, "reference": str(one.id)}
            if not one.refunded:
                yield from self._owed(one, State.PENDING, f"owed: {one.refund}")
                continue
            transaction = read_transaction(one.refunded)
            found = self._transfer(transaction, one.key.asset, one.key.payer, one.key.amount)
            if found is not None:
                yield self.line(found, Kind.REFUND, named, one.refund)
                continue
            receipt = self.facts.receipts.get(transaction)
            if receipt is None or self.facts.has_block(receipt.block_number):
                yield from self._owed(one, State.MISSING, f"the chain has no refund in {one.refunded}")

    def _owed(self, one: Claim, state: State, reason: str) -> Iterator[Line]:
        key = one.key
        if self.period.has(one.claimed_s):
            yield Line(
                int(one.claimed_s), 0, -1, b"", key.payee, key.payer, key.asset, key.amount, True, Kind.REFUND, state,
                Purse.NOWHERE, CLAIMS, str(one.id), reason, key.payer in self.facts.accounts,
            )  # fmt: skip

    def _transfer(self, transaction: bytes, token: str, party: str, amount: int) -> Moved | None:
        for one in self.of(transaction):
            if (one.token, one.party, one.amount, one.is_out) == (token, party, amount, True) and self.take(one):
                return one
        return None

    # --- acts of policy accounts, and this workspace's own transactions

    def acts(self) -> Iterator[Line]:
        """Yield what the audits of policy accounts tie to an act of a session or the owner."""
        for account, rows in self.books.acts.items():
            ties = {(one.place, one.is_out, one.token): one for one in rows if one.tie is Tie.LINK}
            for moved in self.left():
                tie = ties.get(((moved.block, moved.log), moved.is_out, moved.token))
                if moved.account == account and tie is not None and self.take(moved):
                    yield self.line(moved, Kind.ACT, {"book": WALLET, "reference": f"link {tie.seq}"})

    def own(self) -> Iterator[Line]:
        """Yield what this workspace's transactions moved of their sender's, other than by authorization.

        An authorization is a payment, whoever brings it; one that the purse does not know is not excused by that.
        """
        for one in self.left():
            sent = self._own.get(one.transaction)
            if sent is None or not self._is_of(sent, one):
                continue
            if self.take(one):
                yield self.line(one, Kind.SENT, {"book": OUTBOX, "reference": sent.key})

    def _is_of(self, sent: Sent, one: Moved) -> bool:
        payer = one.account if one.is_out else one.party
        used = {(token, who) for token, who, _ in self.facts.used.get(one.transaction, ())}
        if (one.token, payer) in used:
            return False
        return sent.sender in (one.account, one.party) and (one.is_out or payer in self.books.own | {_NOBODY})

    def rest(self) -> Iterator[Line]:
        """Yield what no book knows."""
        for one in self.left():
            if not self.take(one):
                continue
            authorized = any((token, who) == (one.token, one.account) for token, who, _ in
                             self.facts.used.get(one.transaction, ()))  # fmt: skip
            if one.is_out:
                reason = "an authorization that the purse does not know" if authorized else "no book knows why"
                yield self.line(one, Kind.UNEXPLAINED, None, reason, State.UNBOOKED)
            elif one.party in self.books.own:
                yield self.line(one, Kind.RECEIVED, None, "of this workspace's own")
            else:
                yield self.line(one, Kind.RECEIVED, None, "no book expects it", State.UNBOOKED)
