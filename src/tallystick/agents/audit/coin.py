"""Every movement of the native coin, and what the EntryPoint keeps of the account.

The coin has no transfer events: what came in is `Received` or went along with an owner's call, what went out is in the
links. The balance of every block with an event, and of the one before it, must be what these make of it. An operation's
gas is paid from the deposit at the EntryPoint; what the account adds to it is what the EntryPoint's own events say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tallystick.agents.audit.evidence import CARRIED_OUT, DEPOSITED, WITHDRAWN, Evidence, place_of
from tallystick.agents.audit.findings import ACTS, Area, Finding, Link, Movement, Place, Sheet, Tie
from tallystick.agents.policy.nouns import NATIVE, LinkKind
from tallystick.chain.bindings.policy_account import ActionLogged, Received
from tallystick.chain.calls import Log


@dataclass
class Deposit:
    """The account's deposit at the EntryPoint, followed event by event.

    paid  what each gas link added to it, by the link's place; missing where the EntryPoint does not say
    """

    opening: int = 0
    came_in: int = 0
    cost: int = 0
    closing: int = 0
    paid: dict[Place, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, str]:
        """Return it as JSON members, amounts in decimal."""
        return {
            "opening": str(self.opening), "came_in": str(self.came_in), "cost": str(self.cost),
            "closing": str(self.closing),
        }  # fmt: skip


def follow_deposit(evidence: Evidence) -> Deposit | None:
    """Return the deposit; None where the EntryPoint is no contract and so keeps none."""
    if evidence.deposit is None:
        return None
    opening, closing = evidence.deposit
    found = Deposit(opening=opening, closing=closing)
    links = {link.place: link for link in evidence.links if link.kind is LinkKind.GAS}
    reserved: dict[bytes, int] = {}  # of operations that are accepted and not yet carried out: their greatest cost
    held, waiting, gas = opening, 0, None  # waiting: what will be reserved once the account has paid its part
    for log in evidence.logs:
        link = links.get(place_of(log))
        if link is None and log.address != evidence.entry_point:
            continue
        if link is None and log.topics[0] == DEPOSITED:
            paid = int.from_bytes(log.data[:32], "big") - held
            held, found.came_in = held + paid, found.came_in + paid
            if gas is not None and gas.transaction == log.transaction_hash:
                found.paid[gas.place] = paid
        held, waiting, gas = held - waiting, 0, None
        if link is not None:
            waiting, gas = link.event.amount, link
            reserved[link.event.data_hash], found.paid[link.place] = waiting, 0
        elif log.topics[0] == WITHDRAWN:
            amount = int.from_bytes(log.data[32:64], "big")
            held, found.cost = held - amount, found.cost + amount
        elif log.topics[0] == CARRIED_OUT and log.topics[1] in reserved:  # another's was paid for by a sponsor
            cost = int.from_bytes(log.data[64:96], "big")
            held, found.cost = held + reserved.pop(log.topics[1]) - cost, found.cost + cost
    return found


def coin_movements(evidence: Evidence, deposit: Deposit | None) -> tuple[tuple[Movement, ...], Sheet]:
    """Return what moved of the native coin, in chain order, and its account."""
    said: dict[int, list[Movement]] = defaultdict(list)
    links = {link.place: link for link in evidence.links}
    for log in evidence.logs:
        link = links.get(place_of(log))
        if link is not None and link.event.result:
            said[log.block_number] += _of_link(evidence, link, log, deposit)
        elif log.address == evidence.account and log.topics[0] == Received.topic:
            event = Received.decode(log)
            said[log.block_number].append(_move(evidence, log, event.sender, event.amount, False, Tie.RECEIVED))
    found: list[Movement] = []
    running = evidence.coin[evidence.opening_block]
    for block, balance in sorted(evidence.coin.items()):
        if block == evidence.opening_block:
            continue
        moves = said.get(block, [])
        running += sum(-one.amount if one.is_out else one.amount for one in moves)
        if balance > running:
            moves = [*moves, _silent(evidence, block, balance - running, is_out=False)]
        elif balance < running:
            moves = [*moves, _lost(evidence, links, block, running - balance, deposit)]
        running = balance
        found += moves
    came, went = (sum(one.amount for one in found if one.is_out is way) for way in (False, True))
    return tuple(found), Sheet(NATIVE, evidence.coin[evidence.opening_block], came, went, evidence.coin[evidence.last])


def check_coin(movements: Sequence[Movement]) -> Iterator[Finding]:
    """Yield coin that left and belongs to nothing, and, once for all, coin that came without an event."""
    for one in movements:
        if one.is_out and one.tie is Tie.NONE:
            words = f"{one.amount} wei went out up to block {one.place[0]}, and no link says why"
            yield Finding(Area.COIN, "coin.unrecorded", words, transaction=one.transaction)
    silent = [one for one in movements if one.tie is Tie.SILENT]
    if silent:
        when = f"up to block {silent[0].place[0]}" if len(silent) == 1 else f"at {len(silent)} times"
        words = f"{sum(one.amount for one in silent)} wei came in {when} without an event, as anybody can make it come"
        yield Finding(Area.COIN, "coin.silent", words, is_gap=False)


def check_deposit(deposit: Deposit | None) -> Iterator[Finding]:
    """Yield what the EntryPoint keeps otherwise than its events make it."""
    if deposit is None:
        return
    expected = deposit.opening + deposit.came_in - deposit.cost
    if expected != deposit.closing:
        words = f"the EntryPoint keeps {deposit.closing} wei of the account, and its events make it {expected}"
        yield Finding(Area.DEPOSIT, "deposit.balance", words)


def _of_link(evidence: Evidence, link: Link, log: Log, deposit: Deposit | None) -> Iterator[Movement]:
    event, session = link.event, link.event.session
    sent = evidence.transactions.get(link.transaction)
    if link.kind is LinkKind.OWNER_CALL and sent is not None and sent.to == evidence.account and sent.value:
        yield _move(evidence, log, sent.sender, sent.value, False, Tie.LINK, event.seq)
    if link.kind is LinkKind.GAS:
        paid = deposit.paid.get(link.place, 0) if deposit else 0
        if paid:
            yield _move(evidence, log, event.target, paid, True, Tie.GAS, event.seq, session)
    elif link.moves and event.token == NATIVE and event.amount:
        by = session if event.kind in ACTS else ""
        yield _move(evidence, log, event.target, event.amount, True, Tie.LINK, event.seq, by)


def _lost(
    evidence: Evidence, links: Mapping[Place, Link], block: int, amount: int, deposit: Deposit | None
) -> Movement:
    """Return what a block's balance lacks: an EntryPoint's that says nothing, if its gas links allow as much."""
    gas = [one for one in links.values() if one.place[0] == block and one.kind is LinkKind.GAS]
    if deposit is None and gas and amount <= sum(one.event.amount for one in gas):
        last: ActionLogged = gas[-1].event
        return Movement(
            NATIVE, amount, True, last.target, gas[-1].place, gas[-1].transaction, gas[-1].at, Tie.GAS, last.seq,
            last.session,
        )  # fmt: skip
    return _silent(evidence, block, amount, is_out=True)


def _silent(evidence: Evidence, block: int, amount: int, *, is_out: bool) -> Movement:
    tie = Tie.NONE if is_out else Tie.SILENT
    return Movement(NATIVE, amount, is_out, "", (block, -1), b"", evidence.time_of(block), tie)


def _move(
    evidence: Evidence, log: Log, party: str, amount: int, is_out: bool, tie: Tie, seq: int = 0, session: str = ""
) -> Movement:
    at, place = evidence.times[log.block_number], place_of(log)
    return Movement(NATIVE, amount, is_out, party, place, log.transaction_hash, at, tie, seq, session)
