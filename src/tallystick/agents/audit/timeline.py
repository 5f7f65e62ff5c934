"""What happened, line by line, for people: when, who, what; each line from one event of the chain."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tallystick.agents.audit.evidence import Evidence, place_of
from tallystick.agents.audit.findings import ACTS, Link, Movement, Place, Tie
from tallystick.agents.policy.document import Policy
from tallystick.agents.policy.durations import format_duration, say_time
from tallystick.agents.policy.nouns import NATIVE, Cause, Level, LinkKind, Role
from tallystick.chain.bindings import policy_account, policy_changes, policy_queue, policy_rules

_UNNAMED_CHARS: Final = 6  # of an address at either end, where it has no name


@dataclass(frozen=True)
class Entry:
    """One line.

    seq     the link that it tells of; 0: it is no act
    is_ok   False for what was refused, stopped or taken back
    """

    place: Place
    at: int
    who: str
    words: str
    seq: int = 0
    is_ok: bool = True

    def to_dict(self) -> dict[str, object]:
        """Return the line as JSON members."""
        return {
            "at": self.at,
            "block": self.place[0],
            "is_ok": self.is_ok,
            "seq": self.seq,
            "who": self.who,
            "words": self.words,
        }

    def say(self) -> str:
        """Return the line as people read it."""
        number = f" [{self.seq}]" if self.seq else ""
        return f"{say_time(self.at)}{number} {self.who}: {self.words}"


@dataclass(frozen=True)
class Names:
    """What addresses and amounts are called: by a policy where it knows them."""

    policy: Policy | None
    own: dict[str, str]

    def name(self, address: str) -> str:
        """Return what an address is called; a shortened address where it has no name."""
        known = self.policy.name_of(address) if self.policy else address
        if known != address:
            return known
        return self.own.get(address, f"{address[: _UNNAMED_CHARS + 2]}…{address[-_UNNAMED_CHARS:]}")

    def amount(self, token: str, units: int) -> str:
        """Return an amount of a token as people read it."""
        return self._said(token, units) or f"{units:,} of {self.name(token)}"

    def more(self, token: str, units: int) -> str:
        """Return a second amount of a token, whose name has just been told."""
        return self._said(token, units) or f"{units:,}"

    def _said(self, token: str, units: int) -> str:
        known = self.policy is not None and token in {one.address for one in self.policy.tokens}
        return self.policy.token(token).say(units) if self.policy and known else ""


def names_of(evidence: Evidence, policy: Policy | None) -> Names:
    """Return the names that the account's own offices give, behind those of a policy."""
    own = {NATIVE: "native coin", evidence.account: "the account", evidence.entry_point: "the EntryPoint"}
    sessions = 0
    for _, event in evidence.events:
        if isinstance(event, policy_account.SessionGranted | policy_account.SessionRotated):
            key = getattr(event, "successor", event.session)
            sessions += key not in own
            own.setdefault(key, f"session {sessions}")
        elif isinstance(event, policy_account.OwnerChanged):
            own[event.owner] = "owner"
        elif isinstance(event, policy_account.RoleSet):
            own.setdefault(event.account, f"{Role(event.role).name.lower()} {event.account[:6]}")
    return Names(policy, own)


def timeline(evidence: Evidence, movements: tuple[Movement, ...], names: Names) -> tuple[Entry, ...]:
    """Return every line, in chain order."""
    links = {link.place: link for link in evidence.links}
    paid: dict[int, list[Movement]] = defaultdict(list)
    for one in movements:
        if one.is_out and one.tie is Tie.LINK:
            paid[one.seq].append(one)
    found: list[Entry] = []
    for log, event in evidence.events:
        place, at = place_of(log), evidence.times[log.block_number]
        link = links.get(place)
        if link is not None:
            found += _of_link(link, names, paid[link.event.seq])
            continue
        say = _SAYINGS.get(type(event))
        if say is not None:
            who, words, is_ok = say(event, names)
            found.append(Entry(place, at, who, words, is_ok=is_ok))
    found += [
        Entry(one.place, one.at, names.name(one.session or evidence.account), _paid(one, names))
        for one in movements
        if one.tie is Tie.AUTHORIZATION
    ]
    found += [
        Entry(one.place, one.at, names.name(one.party), f"sent {names.amount(one.token, one.amount)}")
        for one in movements
        if one.tie is Tie.RECEIVED and one.token != NATIVE
    ]
    found += [
        Entry(one.place, one.at, "nobody named", f"took {names.amount(one.token, one.amount)}", is_ok=False)
        for one in movements
        if one.tie is Tie.NONE and one.amount
    ]
    return tuple(sorted(found, key=lambda one: one.place))


def _paid(one: Movement, names: Names) -> str:
    slot = int.from_bytes(one.nonce[28:], "big")
    how = f"by an authorization, slot {slot}" if one.session else "by an authorization that the owner approved"
    return f"paid {names.amount(one.token, one.amount)} to {names.name(one.party)} {how}"


def _of_link(link: Link, names: Names, moved: Sequence[Movement]) -> Iterator[Entry]:
    event, kind = link.event, link.kind
    if kind not in ACTS and kind not in (LinkKind.GAS, LinkKind.OWNER_CALL, LinkKind.SWEEP):
        return  # the event before it says more
    paid = ", ".join(f"{names.amount(one.token, one.amount)} to {names.name(one.party)}" for one in moved)
    who = names.name(event.session) if kind in ACTS or kind is LinkKind.GAS else "owner"
    target = names.name(event.target)
    if not event.result:
        words = f"was refused a {_KINDS[kind]} to {target}: {link.reason or 'no reason given'}"
    elif kind is LinkKind.GAS:
        words = f"set aside {names.amount(event.token, event.amount)} for gas"
    elif kind is LinkKind.SWEEP:
        words = f"swept {names.amount(event.token, event.amount)} to {target}"
    else:
        words = f"paid {paid} by a {_KINDS[kind]}" if paid else f"made a {_KINDS[kind]} to {target}"
    yield Entry(link.place, link.at, who, words, event.seq, event.result)


_KINDS: Final = {
    LinkKind.CALL: "call", LinkKind.SIGNED_CALL: "signed call", LinkKind.USER_OPERATION: "user operation",
    LinkKind.DELEGATION: "delegation", LinkKind.QUEUE_ITEM: "queue item", LinkKind.OWNER_CALL: "call of its own",
}  # fmt: skip

_Saying = Callable[[Any, Names], tuple[str, str, bool]]


def _bucket(event: policy_account.BucketSet, names: Names) -> tuple[str, str, bool]:
    scope = ("", "the account", "", "", "newcomers")[event.scope] or names.name(event.holder)
    cap, period = names.amount(event.token, event.cap), format_duration(event.period_s)
    return "owner", f"let {scope} spend {cap}, then {names.more(event.token, event.refill)} each {period}", True


def _rule(event: policy_rules.RuleSet, names: Names) -> tuple[str, str, bool]:
    verb = "allowed" if event.rule.is_allowed else "took away"
    return "owner", f"{verb} calls of 0x{event.selector.hex()} at {names.name(event.target)}", True


def _level(event: policy_account.LevelSet, names: Names) -> tuple[str, str, bool]:
    level, cause = Level(event.level).name.lower(), Cause(event.cause).name.lower()
    return names.name(event.session), f"is at level {level} ({cause})", event.level >= event.previous


def _granted(event: policy_account.SessionGranted, names: Names) -> tuple[str, str, bool]:
    level = Level(event.terms.level).name.lower()
    return "owner", f"granted {names.name(event.session)} a session of level {level}", True


def _asked(event: policy_queue.Proposed, names: Names) -> tuple[str, str, bool]:
    most = names.amount(event.item.token, event.item.max_debit)
    return names.name(event.session), f"asked to call {names.name(event.item.target)} for at most {most}", True


_STANDINGS: Final = ("forgot", "allowed", "denied")
_SAYINGS: Final[dict[type, _Saying]] = {
    policy_account.Received: lambda e, n: (n.name(e.sender), f"sent {n.amount(NATIVE, e.amount)}", True),
    policy_account.OwnerChanged: lambda e, n: (n.name(e.owner), "became the owner", True),
    policy_account.RoleSet: lambda e, n: (
        "owner", f"{'made' if e.is_held else 'no longer has'} {n.name(e.account)} {Role(e.role).name.lower()}", True,
    ),
    policy_account.Sealed: lambda _, __: ("owner", "sealed the account", True),
    policy_account.SessionGranted: _granted,
    policy_account.SessionRevoked: lambda e, n: (n.name(e.by), f"ended the session of {n.name(e.session)}", False),
    policy_account.SessionRotated: lambda e, n: (
        "owner", f"put {n.name(e.successor)} in the place of {n.name(e.session)}", True,
    ),
    policy_account.LevelSet: _level,
    policy_account.BucketSet: _bucket,
    policy_account.Frozen: lambda e, n: (
        n.name(e.by), f"froze the account until {say_time(e.until)}, epoch {e.epoch}", False,
    ),
    policy_account.FreezeMoved: lambda e, _: ("owner", f"moved the end of the freeze to {say_time(e.until)}", True),
    policy_account.EpochBumped: lambda e, _: ("owner", f"began epoch {e.epoch}", False),
    policy_account.DigestApproved: lambda e, _: ("owner", f"approved digest {e.digest.hex()[:8]}…", True),
    policy_account.Heartbeat: lambda _, __: ("owner", "gave a heartbeat", True),
    policy_rules.RuleSet: _rule,
    policy_rules.PayeeSet: lambda e, n: ("owner", f"{_STANDINGS[e.standing]} payee {n.name(e.payee)}", True),
    policy_queue.Proposed: _asked,
    policy_queue.Approved: lambda e, n: (n.name(e.approver), f"approved item {e.id.hex()[:8]}…", True),
    policy_queue.Vetoed: lambda e, n: (n.name(e.by), f"took item {e.id.hex()[:8]}… out", False),
    policy_changes.ChangeScheduled: lambda e, _: ("owner", f"announced a change for {say_time(e.due)}", True),
    policy_changes.DismissalScheduled: lambda e, n: (
        "owner", f"dismissed guardian {n.name(e.guardian)}, at the latest for {say_time(e.due)}", True,
    ),
    policy_changes.ChangeApplied: lambda _, __: ("anybody", "had an announced change made", True),
    policy_changes.ChangeCancelled: lambda e, n: (n.name(e.by), "took an announced change back", False),
}  # fmt: skip
