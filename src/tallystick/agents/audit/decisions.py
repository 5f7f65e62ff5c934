"""Who decided: every act by a session in office, every item proposed, approved and run as its queue demands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from tallystick.agents.audit.evidence import Evidence, place_of
from tallystick.agents.audit.findings import ACTS, Area, Finding, Link, Place
from tallystick.agents.audit.offices import Offices
from tallystick.agents.policy.nouns import NATIVE, Level, LinkKind
from tallystick.chain.bindings.policy_queue import Approved, ItemRun, Proposed, Vetoed
from tallystick.core.digest import keccak


@dataclass(frozen=True)
class Item:
    """What a session asked for, who let it pass or took it out, and the link by which it ran; 0: it did not."""

    id: bytes
    proposed: Proposed
    approvers: tuple[str, ...] = ()
    is_approved: bool = False
    seq: int = 0
    vetoed_by: str = ""

    def to_dict(self) -> dict[str, object]:
        """Return the item as JSON members."""
        item = self.proposed.item
        return {
            "approvers": list(self.approvers),
            "data_hash": keccak(item.data).hex(),
            "id": self.id.hex(),
            "intent_hash": item.intent_hash.hex(),
            "is_approved": self.is_approved,
            "max_debit": str(item.max_debit),
            "seq": self.seq,
            "session": item.session,
            "target": item.target,
            "token": item.token,
            "vetoed_by": self.vetoed_by,
        }


@dataclass
class _Book:
    """Everything about items, by their ids; `standing`: level and epoch in which each was proposed."""

    proposed: dict[bytes, Proposed] = field(default_factory=dict)
    standing: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    vetoed: dict[bytes, str] = field(default_factory=dict)
    approvers: dict[bytes, list[str]] = field(default_factory=lambda: defaultdict(list))
    run: dict[bytes, tuple[Place, ItemRun]] = field(default_factory=dict)
    links: dict[bytes, int] = field(default_factory=dict)


def read_items(evidence: Evidence) -> tuple[tuple[Item, ...], tuple[Finding, ...]]:
    """Return the items of the account's queue, and what is wrong with how they ran."""
    book, findings = _Book(), list[Finding]()
    offices = Offices(evidence.events)
    running: dict[bytes, bytes] = {}  # by transaction: the item that began to run and has no link yet
    links = {link.place: link for link in evidence.links if link.kind is LinkKind.QUEUE_ITEM}
    for log, event in evidence.events:
        offices.move_to(place_of(log))
        link = links.get(place_of(log))
        if link is not None:
            findings += _check_item_link(link, book, running.pop(log.transaction_hash, b""))
        elif isinstance(event, Proposed):
            book.proposed[event.id] = event
            book.standing[event.id] = (offices.level_of(event.session), offices.epoch)
        elif isinstance(event, Vetoed):
            book.vetoed[event.id] = event.by
        elif isinstance(event, Approved):
            findings += _check_approval(event, offices, book, log.transaction_hash)
        elif isinstance(event, ItemRun):
            running[log.transaction_hash] = event.id
            name, mined_in = f"item {event.id.hex()[:8]}…", log.transaction_hash
            findings += [
                Finding(Area.ITEMS, f"items.{code}", f"{name} {words}", transaction=mined_in)
                for code, words in _faults_of_run(event, offices, book, evidence.times[log.block_number])
            ]
            book.run[event.id] = (place_of(log), event)
    findings += [
        Finding(Area.ITEMS, "items.no_link", f"item {one.hex()[:8]}… ran and no link records it")
        for one in book.run
        if one not in book.links
    ]
    return tuple(_items(book)), tuple(findings)


def check_offices(evidence: Evidence) -> Iterator[Finding]:
    """Yield the acts of keys that had no say when they acted."""
    offices = Offices(evidence.events)
    for link in evidence.links:
        offices.move_to(link.place)
        session = link.event.session
        if link.kind not in ACTS and link.kind is not LinkKind.GAS:
            continue
        if session not in offices.sessions:
            words = f"link {link.event.seq} is an act of {session}, which was no session then"
            yield Finding(Area.OFFICES, "offices.nobody", words, link.event.seq, link.transaction)
        elif offices.session_at(session, link.at) is None and link.kind is not LinkKind.GAS:
            words = f"link {link.event.seq} is an act of {session}, whose session was over, not begun, or frozen"
            yield Finding(Area.OFFICES, "offices.over", words, link.event.seq, link.transaction)


def _check_item_link(link: Link, book: _Book, id_: bytes) -> Iterator[Finding]:
    seq, proposed = link.event.seq, book.proposed.get(id_)
    if proposed is None:
        yield Finding(Area.ITEMS, "items.unknown", f"link {seq} is of an item that nobody proposed", seq)
        return
    book.links[id_] = seq
    item, event = proposed.item, link.event
    asked = (item.session, item.target, keccak(item.data), item.intent_hash)
    if asked != (event.session, event.target, event.data_hash, event.intent_hash):
        yield Finding(Area.ITEMS, "items.other", f"link {seq} did something else than its item", seq, link.transaction)
    most = item.max_debit if event.token == item.token and item.token != NATIVE else item.amount
    if event.amount > most:
        words = f"link {seq} spent {event.amount} of {event.token}, and its item was of {most}"
        yield Finding(Area.ITEMS, "items.more", words, seq, link.transaction)


def _check_approval(event: Approved, offices: Offices, book: _Book, transaction: bytes) -> Iterator[Finding]:
    if event.approver not in offices.approvers():
        words = f"{event.approver} let item {event.id.hex()[:8]}… pass, and was no approver"
        yield Finding(Area.ITEMS, "items.approver", words, transaction=transaction)
    book.approvers[event.id].append(event.approver)


def _faults_of_run(event: ItemRun, offices: Offices, book: _Book, at: int) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the run of an item: code and words."""
    if event.id in book.run:
        yield "twice", "ran a second time"
    if event.id in book.vetoed:
        yield "vetoed", f"ran although {book.vetoed[event.id]} had taken it out"
    count = len(offices.approvers() & {*book.approvers[event.id]})  # who is no longer one does not count
    threshold = offices.queue.threshold
    if event.is_approved and (not threshold or count < threshold):
        yield "approvals", f"ran as approved with {count} approvals of {threshold}"
    proposed = book.proposed.get(event.id)
    if proposed is None:
        return  # its link says so
    item, terms = proposed.item, offices.queue
    level, epoch = book.standing[event.id]
    if not event.is_approved and min(level, offices.level_of(item.session)) < Level.SUPERVISED:
        yield "level", "ran without approvals, and its session was not at level supervised all the while"
    if epoch != offices.epoch:
        yield "epoch", f"is of epoch {epoch} and ran in epoch {offices.epoch}"
    delay_s = terms.queue_delay_s if event.is_approved else terms.veto_delay_s
    if not item.proposed_at + delay_s <= at <= item.expires or not (event.is_approved or delay_s):
        yield "time", f"ran {at - item.proposed_at} s after it was proposed, not in its time"


def _items(book: _Book) -> Iterator[Item]:
    for id_, proposed in book.proposed.items():
        is_approved = id_ in book.run and book.run[id_][1].is_approved
        approvers, seq = tuple(book.approvers[id_]), book.links.get(id_, 0)
        yield Item(id_, proposed, approvers, is_approved, seq, book.vetoed.get(id_, ""))
