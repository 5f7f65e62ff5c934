"""The native coin in the ledger: gas, what went along with transactions, and what a balance says beyond them.

The coin has no events. Of a key the outbox knows every transaction, and what each cost is in its receipt; so what left
a key's balance for none of them is found, as the sum in a period. What comes to a key comes silently. Of a policy
account the audit knows every movement.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from tallystick.agents.audit.findings import Movement, Tie
from tallystick.agents.bookkeeping.books import Books, Sent
from tallystick.agents.bookkeeping.facts import Facts
from tallystick.agents.bookkeeping.lines import Kind, Line, Named, Period, Purse, State
from tallystick.agents.bookkeeping.matching import OUTBOX, WALLET
from tallystick.agents.bookkeeping.matching_channels import native_flows
from tallystick.chain.coin import NATIVE
from tallystick.chain.facts import TxReceipt

Flows: TypeAlias = Counter[tuple[object, ...]]  # by transaction, contract, account and direction
_KINDS = {Tie.GAS: Kind.FEE, Tie.LINK: Kind.ACT, Tie.RECEIVED: Kind.RECEIVED, Tie.SILENT: Kind.SILENT}


def coin_lines(facts: Facts, books: Books, period: Period) -> Iterator[Line]:
    """Yield the lines of the native coin, but for channels' and what is silent."""
    flows: Flows = Counter()
    for *key, amount in native_flows(facts.channels):
        flows[tuple(key)] += amount
    for sent in books.sent:
        if sent.sender in facts.accounts:
            yield from _of_key(facts, books, sent, period, flows)
    for account, rows in books.acts.items():
        for one in rows:
            if one.token == NATIVE and account in facts.accounts and facts.has_block(one.place[0]):
                yield from _of_wallet(facts, books, account, one, flows)


def silent_line(facts: Facts, account: str, token: str, amount: int) -> Line:
    """Return the line of what a balance changed by without an event; below zero it went."""
    is_out, is_coin = amount < 0, token == NATIVE
    reason = "no transaction of the outbox took it" if is_coin else "no transfer says so"
    if not is_out:
        reason = "the native coin comes without an event" if is_coin else reason
    state = State.UNBOOKED if is_coin else State.DISPUTED
    return Line(
        facts.last_at, facts.last, -1, b"", account, "", token, abs(amount), is_out, Kind.SILENT, state, reason=reason
    )


def count_gaps(facts: Facts, books: Books) -> Iterator[str]:
    """Yield in words the keys of which the chain has transactions that no outbox has: their gas is in no line."""
    known = Counter(
        one.sender for one in books.sent if (found := _mined(facts, one)) and facts.has_block(found.block_number)
    )
    for account, (before, after) in sorted(facts.counts.items()):
        missing = after - before - known[account]
        if account in books.own and missing > 0:
            yield f"{missing} transactions of {account} are not in this workspace's outbox; their gas is in no line"


def _mined(facts: Facts, sent: Sent) -> TxReceipt | None:
    """Return the receipt of a transaction as the chain has it now, which after a reorg may be none."""
    return None if sent.receipt is None else facts.receipts.get(sent.receipt.transaction_hash)


def _is_followed(facts: Facts, books: Books, party: str) -> bool:
    """Whether the ledger has lines of the native coin that comes to another account: a key, or one that is audited."""
    return party in facts.accounts and (party not in facts.code or party in books.acts)


def _other_side(facts: Facts, line: Line) -> Iterator[Line]:
    """Yield what comes to a key of this ledger from another account of it; of what else comes to keys nobody knows."""
    if line.is_internal and line.is_out and line.party not in facts.code:
        yield replace(line, account=line.party, party=line.account, is_out=False)


def _is_channels(flows: Flows, key: tuple[object, ...], amount: int) -> bool:
    """Whether lines of channels tell of an amount; it is taken."""
    if not 0 < amount <= flows[key]:
        return False
    flows[key] -= amount
    return True


def _of_key(facts: Facts, books: Books, sent: Sent, period: Period, flows: Flows) -> Iterator[Line]:
    named: Named = {"book": OUTBOX, "reference": sent.key}
    if sent.receipt is None:
        if period.has(sent.changed_s):
            yield _nowhere(sent, sent.cost_most, State.PENDING, "on its way; at most", named)
        return
    receipt = _mined(facts, sent)
    if receipt is None:
        if period.has(sent.changed_s):
            cost = sent.receipt.gas_used * sent.receipt.effective_gas_price
            yield _nowhere(sent, cost, State.MISSING, "the chain has no such transaction any more", named)
        return
    if not facts.has_block(receipt.block_number):
        return
    party = sent.to or receipt.contract_address or ""
    place = (facts.times[receipt.block_number], receipt.block_number, -1, receipt.transaction_hash, sent.sender)
    cost = receipt.gas_used * receipt.effective_gas_price
    yield Line(*place, "", NATIVE, cost, True, Kind.FEE, State.RECONCILED, **named)
    if not sent.value or _is_channels(flows, (receipt.transaction_hash, party, sent.sender, True), sent.value):
        return
    is_internal = _is_followed(facts, books, party)
    line = Line(*place, party, NATIVE, sent.value, True, Kind.SENT, State.RECONCILED, is_internal=is_internal, **named)
    yield line
    yield from _other_side(facts, line)


def _nowhere(sent: Sent, cost: int, state: State, reason: str, named: Named) -> Line:
    return Line(
        int(sent.changed_s), 0, -1, b"", sent.sender, "", NATIVE, cost, True, Kind.FEE, state, Purse.NOWHERE,
        reason=reason, **named,
    )  # fmt: skip


def _of_wallet(facts: Facts, books: Books, account: str, one: Movement, flows: Flows) -> Iterator[Line]:
    if _is_channels(flows, (one.transaction, one.party, account, one.is_out), one.amount):
        return
    kind, state, reason = _KINDS.get(one.tie, Kind.UNEXPLAINED), State.RECONCILED, ""
    if one.tie in (Tie.NONE, Tie.SILENT) or (one.tie is Tie.RECEIVED and one.party not in books.own):
        state, reason = State.UNBOOKED, "no book knows why"
    line = Line(
        one.at, one.place[0], one.place[1], one.transaction, account, one.party, NATIVE, one.amount, one.is_out, kind,
        state, book="" if reason else WALLET, reference=f"link {one.seq}" if one.seq else "", reason=reason,
        is_internal=_is_followed(facts, books, one.party) and kind is not Kind.FEE,
    )  # fmt: skip
    yield line
    yield from _other_side(facts, line)


def movements_of(lines: Sequence[Line], account: str, token: str) -> tuple[int, int]:
    """Return what came to a balance and what went from it, by its lines."""
    mine = [one for one in lines if (one.account, one.token, one.purse) == (account, token, Purse.BALANCE)]
    came = sum(one.amount for one in mine if not one.is_out)
    return came, sum(one.amount for one in mine if one.is_out)
