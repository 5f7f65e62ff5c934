"""Two policies compared: every difference as one change, in words, as a raise or a lowering.

A lowering takes power from somebody and is made at once. A raise gives power and must be announced. The contract
decides which is which; the rules here are its own. Some changes take power and the contract still knows them as raises,
because it sees only that something is allowed (a rule's smaller cap, a session's shorter life): those say what to take
away meanwhile. Lowerings come first; within each half, roles, budgets, payees and rules come before sessions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from tallystick.agents.policy.change import setters, words
from tallystick.agents.policy.change.setters import Setter
from tallystick.agents.policy.document import Payee, Policy, Rates, Rule, Session
from tallystick.agents.policy.engine.state import Place
from tallystick.agents.policy.nouns import AMOUNT_MAX, NATIVE, NOBODY, UNLIMITED, Role, Scope, Standing


@dataclass(frozen=True)
class Change:
    """One difference.

    part       the part of the file
    words      what changes, as a sentence
    is_raise   whether it must be announced
    first      what has to be made just before: a session ends before its key is granted anew
    meanwhile  of a raise that only takes power: what takes it at once, until the raise is due
    """

    part: str
    words: str
    is_raise: bool
    setter: Setter
    first: Setter | None = None
    meanwhile: Setter | None = None

    def to_dict(self) -> dict[str, object]:
        """Return the change as JSON members."""
        return {
            "part": self.part,
            "words": self.words,
            "direction": "raise" if self.is_raise else "lowering",
            "gives_power": self.is_raise and self.meanwhile is None,
            "call": self.setter.to_dict(),
        }


def diff(
    now: Policy,
    wanted: Policy,
    *,
    stale: frozenset[str] = frozenset(),
    buckets: Mapping[Place, Rates] | None = None,
) -> tuple[Change, ...]:
    """Return all that turns `now` into `wanted`, lowerings first.

    stale    keys that still have a session of an epoch before: they act no more, and are revoked to be granted anew
    buckets  every bucket that the account keeps, also of keys that have no session any more; those of `now` if None
    """
    found = [
        *_delays(now, wanted),
        *_roles(now, wanted),
        *_queue(now, wanted),
        *_newcomers(now, wanted),
        *_buckets(now, wanted, now.buckets() if buckets is None else buckets),
        *_payees(now, wanted),
        *_rules(now, wanted),
        *_sessions(now, wanted, stale),
        *_tokens(now, wanted),
        *_owner(now, wanted),
    ]
    return tuple(sorted(found, key=lambda one: one.is_raise))


def _delays(now: Policy, wanted: Policy) -> Iterator[Change]:
    old, new = now.terms, wanted.terms
    if old != new:
        is_raise = new.raise_delay_s < old.raise_delay_s or new.unfreeze_delay_s < old.unfreeze_delay_s
        yield Change("terms", words.delays(old, new), is_raise, setters.set_delays(new))


def _roles(now: Policy, wanted: Policy) -> Iterator[Change]:
    both = ((Role.GUARDIAN, now.guardians, wanted.guardians), (Role.APPROVER, now.approvers, wanted.approvers))
    changes = [(False, role, key) for role, old, new in both for key in old if key not in new]
    changes += [(True, role, key) for role, old, new in both for key in new if key not in old]
    for is_held, role, key in changes:  # who leaves a role leaves it before anybody takes one
        name = (wanted if is_held else now).name_of(key)
        yield Change("roles", words.role(name, role, is_held), True, setters.set_role(key, role, is_held))


def _queue(now: Policy, wanted: Policy) -> Iterator[Change]:
    if now.queue != wanted.queue:
        yield Change("queue", words.queue(now.queue, wanted.queue), True, setters.set_queue(wanted.queue))


def _newcomers(now: Policy, wanted: Policy) -> Iterator[Change]:
    old, new = replace(now.newcomers, budgets={}), replace(wanted.newcomers, budgets={})
    if old != new:
        is_raise = not setters.ends_newcomers(new)
        yield Change("newcomers", words.newcomers(old, new), is_raise, setters.set_newcomers(new))


# --- budgets


def _buckets(now: Policy, wanted: Policy, old: Mapping[Place, Rates]) -> Iterator[Change]:
    new = wanted.buckets()
    allowed = [one.address for one in wanted.payees if one.standing is Standing.ALLOWED]
    holders = {NOBODY, *(one.key for one in wanted.sessions), *allowed}
    gone = [place for place in old if place not in new and place[1] in holders]  # others' buckets bound nobody
    for place in (*new, *gone):
        before = old.get(place)
        after = new.get(place) or _nothing(place, before)
        if before == after or (is_nothing(place, after) and (before is None or is_nothing(place, before))):
            continue
        # A payee without a bucket is not bounded by one, so its first bucket can only take.
        is_raise = not after.is_within(before) if before else place[0] is not Scope.COUNTERPARTY
        text = words.bucket(place, before, None if is_nothing(place, after) else after, now, wanted)
        yield Change(_part_of(place, now, wanted), text, is_raise, setters.set_bucket(place, after))


def is_nothing(place: Place, rates: Rates) -> bool:
    """Whether a bucket is as if there were none; the contract keeps every bucket it has seen."""
    if place[0] is Scope.COUNTERPARTY:
        return rates.cap == AMOUNT_MAX and rates.refill == AMOUNT_MAX and rates.lifetime == UNLIMITED
    return rates.cap == 0 and rates.refill == 0


def _nothing(place: Place, before: Rates | None) -> Rates:
    period_s = before.period_s if before else 1
    if place[0] is Scope.COUNTERPARTY:
        return Rates(AMOUNT_MAX, AMOUNT_MAX, 1)
    return Rates(0, 0, period_s, before.lifetime if before else UNLIMITED)


def _part_of(place: Place, now: Policy, wanted: Policy) -> str:
    scope, holder, token = place
    name = (wanted if token in {one.address for one in wanted.tokens} else now).token(token).name
    if scope is Scope.ACCOUNT:
        return f"tokens.{name}"
    if scope is Scope.NEWCOMERS:
        return f"newcomers.budgets.{name}"
    kind = "sessions" if scope is Scope.SESSION else "payees"
    return f"{kind}.{words.named(holder, wanted, now)}.budgets.{name}"


def _tokens(now: Policy, wanted: Policy) -> Iterator[Change]:
    """Yield the tokens that the wanted policy does not know at all: they are watched no more, last of all."""
    known = {one.address for one in wanted.tokens}
    for token in now.tokens:
        if token.address not in known and token.address != NATIVE:
            yield Change(f"tokens.{token.name}", words.forgotten(token), True, setters.forget_token(token.address))


# --- payees and rules


def _payees(now: Policy, wanted: Policy) -> Iterator[Change]:
    old = {one.address: one for one in now.payees}
    new = {one.address: one for one in wanted.payees}
    for address in (*new, *(one for one in old if one not in new)):
        name = words.named(address, wanted, now)
        before, after = old.get(address), new.get(address)
        was, until = _standing(before)
        standing, expires = _standing(after)
        if (was, until) == (standing, expires):
            continue
        if standing is Standing.ALLOWED:
            is_raise = was is not Standing.ALLOWED or expires > until
        else:
            is_raise = standing is Standing.UNKNOWN and was is Standing.DENIED
        text = words.payee(name, was, until, standing, expires)
        yield Change(f"payees.{name}", text, is_raise, setters.set_payee(address, standing, expires))


def _standing(payee: Payee | None) -> tuple[Standing, int]:
    """Return what counts of a payee: an end means nothing to who is denied or unknown."""
    if payee is None:
        return Standing.UNKNOWN, 0
    return payee.standing, payee.expires if payee.standing is Standing.ALLOWED else 0


def _rules(now: Policy, wanted: Policy) -> Iterator[Change]:
    old = {one.place: one for one in now.rules}
    new = {one.place: one for one in wanted.rules}
    for place, rule in old.items():
        if place not in new:
            text = words.rule_dropped(rule, now)
            yield Change(f"rules.{rule.name}", text, False, setters.drop_rule(rule))
    for place, rule in new.items():
        before = old.get(place)
        if before is None or before.to_dict() != rule.to_dict():
            text = words.rule(before, rule, wanted)
            meanwhile = setters.drop_rule(rule) if before is not None and is_tighter_rule(rule, before) else None
            yield Change(f"rules.{rule.name}", text, True, setters.set_rule(rule), meanwhile=meanwhile)


def is_tighter_rule(rule: Rule, before: Rule) -> bool:
    """Whether a rule lets nothing pass that the one before did not."""
    same = (rule.token, rule.payee_word, rule.amount_word, rule.pulls)
    return (
        same == (before.token, before.payee_word, before.amount_word, before.pulls)
        and rule.call_cap <= before.call_cap
        and rule.value_cap <= before.value_cap
        and rule.min_level >= before.min_level
        and all(
            any(one.word == other.word and other.low <= one.low and one.high <= other.high for one in rule.constraints)
            for other in before.constraints
        )
    )


# --- sessions and the owner


def _sessions(now: Policy, wanted: Policy, stale: frozenset[str]) -> Iterator[Change]:
    old = {one.key: one for one in now.sessions}
    new = {one.key: one for one in wanted.sessions}
    for key in (*old, *sorted(stale)):
        if key not in new:
            name = words.named(key, now, wanted)
            yield Change(f"sessions.{name}", words.session_ended(name), False, setters.revoke_session(key))
    for key, session in new.items():
        part, before = f"sessions.{session.name}", old.get(key)
        if before is None:
            first = setters.revoke_session(key) if key in stale else None
            yield Change(part, words.session_granted(session), True, setters.grant_session(session), first)
        elif replace(before, level=session.level).to_dict() != session.to_dict():
            text = words.session_changed(before, session)
            first = setters.revoke_session(key)
            meanwhile = first if is_tighter_session(session, before) else None
            yield Change(part, text, True, setters.grant_session(session), first, meanwhile)
        elif before.level != session.level:
            text = words.level(session.name, before.level, session.level)
            yield Change(part, text, session.level > before.level, setters.set_level(key, session.level))


def is_tighter_session(session: Session, before: Session) -> bool:
    """Whether a session may do nothing that it might not before."""
    return (
        session.level <= before.level
        and session.valid_after >= before.valid_after
        and session.valid_until <= before.valid_until
        and session.operations <= before.operations
        and session.operations_s >= before.operations_s
        and _at_most(session.denials, before.denials)
        and (session.denials == 0 or session.denials_s >= before.denials_s)
        and _at_most(session.heartbeat_s, before.heartbeat_s)
        and (session.slots == before.slots or session.slots.count == 0)
    )


def _at_most(new: int, old: int) -> bool:
    """Whether a limit of which 0 means none is not looser."""
    return old == 0 or 0 < new <= old


def _owner(now: Policy, wanted: Policy) -> Iterator[Change]:
    if now.owner != wanted.owner and wanted.owner != NOBODY:
        heir = wanted.name_of(wanted.owner)
        yield Change("account.owner", words.owner(heir), True, setters.offer_ownership(wanted.owner))
