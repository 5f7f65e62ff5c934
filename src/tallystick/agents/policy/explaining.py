"""What a policy means, in plain words: what each agent may do today, what it has left, who can stop it, what waits.

With the account's live state the words are about now: what is left in each budget, how many operations and refusals are
counted, whether it is frozen. Without it they are about the policy alone, every budget full.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tallystick.agents.policy.change import words
from tallystick.agents.policy.document import Budgets, Policy, Rule, Session
from tallystick.agents.policy.durations import format_duration, say_time
from tallystick.agents.policy.engine.buckets import Refused
from tallystick.agents.policy.engine.state import SessionState, State, opening_state
from tallystick.agents.policy.nouns import NEVER, NOBODY, Level, Scope, Standing

_LEVELS = {
    Level.OBSERVE: "may do nothing",
    Level.PROPOSE: "may only propose: nothing happens unless others let it pass",
    Level.BOUNDED: "may act alone towards allowed payees, within its budgets",
    Level.SUPERVISED: "may act alone towards allowed payees and newcomers, within its budgets",
    Level.AUTONOMOUS: "may pay anybody who is not denied, within its budgets",
}


@dataclass(frozen=True)
class Section:
    """A heading and its sentences."""

    title: str
    lines: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Return the section as JSON members."""
        return {"title": self.title, "lines": list(self.lines)}


def explain(policy: Policy, at: int, state: State | None = None, waiting: tuple[str, ...] = ()) -> tuple[Section, ...]:
    """Return what the policy lets each agent do at the instant `at`.

    state    the account as it is; None: just sealed with this policy
    waiting  sentences about what was announced or proposed and waits
    """
    live = opening_state(policy, at) if state is None else state
    sections = [Section("The account", tuple(_account(policy, live, at)))]
    sections += [Section(one.name, tuple(_session(policy, one, live, at))) for one in policy.sessions]
    sections.append(Section("Who can stop it", tuple(_stoppers(policy))))
    if waiting:
        sections.append(Section("What waits", waiting))
    return tuple(sections)


def _account(policy: Policy, state: State, at: int) -> Iterator[str]:
    if not state.is_sealed:
        yield "it is not sealed: the owner changes everything at once and no session can act"
    if state.frozen_until > at:
        yield f"it is frozen until {say_time(state.frozen_until)}: nothing but the owner's sweep leaves"
    for token in policy.tokens:
        if token.budget:
            left = _left(state, Scope.ACCOUNT, NOBODY, token.address, at)
            yield f"all sessions together spend {words.say_rates(token.budget, token)}; {token.say(left)} are left"
    allowed = [one for one in policy.payees if one.standing is Standing.ALLOWED and one.expires >= at]
    for payee in allowed:
        until = "" if payee.expires == NEVER else f" until {say_time(payee.expires)}"
        yield f"{payee.name} may be paid{until}{_bounded(policy, state, payee.budgets, payee.address, at)}"
    denied = [one.name for one in policy.payees if one.standing is Standing.DENIED]
    if denied:
        yield f"never paid, whoever approves: {', '.join(denied)}"
    yield f"what gives anybody more power waits {format_duration(policy.terms.raise_delay_s)}; what takes it does not"


def _bounded(policy: Policy, state: State, budgets: Budgets, holder: str, at: int) -> str:
    parts = [
        f"{words.say_rates(rates, policy.token(token))}, "
        f"{policy.token(token).say(_left(state, Scope.COUNTERPARTY, holder, token, at))} left"
        for token, rates in budgets.items()
    ]
    return f", at most {'; '.join(parts)}" if parts else ""


def spendable(state: State, session: str, token: str, at: int) -> int:
    """Return how much of a token a session's and the account's bucket let out at this instant, in smallest units.

    Rules, payees and their own budgets may let out less, never more.
    """
    places = ((Scope.SESSION, session), (Scope.ACCOUNT, NOBODY))
    return min(_left(state, scope, holder, token, at) for scope, holder in places)


def _left(state: State, scope: Scope, holder: str, token: str, at: int) -> int:
    bucket = state.buckets.get((scope, holder, token))
    if bucket is None:
        return 0
    return min(bucket.counted(at).balance, max(bucket.rates.lifetime - bucket.spent, 0))


def _session(policy: Policy, session: Session, state: State, at: int) -> Iterator[str]:
    known = state.sessions.get(session.key)
    if known is None:
        yield "it has no session yet: it can do nothing"
        return
    if known.level is not session.level:
        yield f"it is at level {known.level.name.lower()}, below {session.level.name.lower()}: it was lowered"
    try:
        state.gate(session.key, Level.OBSERVE, at)
    except Refused as refusal:
        yield f"it can do nothing now ({refusal}); its time is {_window(session)}"
        return
    if state.is_owner_silent(known, at) and known.level > Level.PROPOSE:
        yield f"its owner is silent since {say_time(state.heartbeat)}: it falls to propose when it next acts"
        known = replace(known, level=Level.PROPOSE)
    yield f"at level {known.level.name.lower()} it {_LEVELS[known.level]}; {_window(session)}"
    if known.level >= Level.BOUNDED:
        yield from _alone(policy, session, known, state, at)
    if known.level >= Level.PROPOSE:
        yield _proposing(known.level, state)


def _window(session: Session) -> str:
    until = f"until {say_time(session.valid_until)}"
    return f"from {say_time(session.valid_after)} {until}" if session.valid_after else until


def _proposing(level: Level, state: State) -> str:
    """Return what becomes of what it may not do alone."""
    beyond = "beyond that " if level >= Level.BOUNDED else ""
    if not state.queue.open_max:
        return f"{beyond}it can do nothing: there is no queue to propose to"
    return f"{beyond}it proposes; items pass {words.say_queue(state.queue)}"


def _alone(policy: Policy, session: Session, known: SessionState, state: State, at: int) -> Iterator[str]:
    rules = [one for one in policy.rules if one.min_level <= known.level]
    if not rules:
        yield "no rule lets it call anything"
    for rule in rules:
        whom = " to the payee that the call names" if rule.payee_word >= 0 else ""
        yield f"it may {words.say_rule(rule, policy)}{whom}{_bars(policy, session, rule, state)}"
    for address, rates in session.budgets.items():
        token, left = policy.token(address), _left(state, Scope.SESSION, session.key, address, at)
        now = spendable(state, session.key, address, at)
        fewer = "" if now == left else f", of which all sessions together have spent all but {token.say(now)}"
        yield f"it spends {words.say_rates(rates, token)}; {token.say(left)} are left{fewer}"
    if known.level is Level.SUPERVISED:
        yield from _newcomers(policy, state, at)
    slots = session.slots
    if slots.count:
        token = policy.token(slots.token)
        yield (
            f"it may sign {slots.count} authorizations of at most {token.say(slots.cap)} each "
            f"{format_duration(slots.period_s)}, which no budget counts"
        )
    yield from _counters(session, known, state, at)


def _bars(policy: Policy, session: Session, rule: Rule, state: State) -> str:
    """Return what else bounds a call: words of it that are prescribed, and a coin of which there is no budget."""
    count = len(rule.constraints)
    held = f", if {count} of its words {'is' if count == 1 else 'are'} as prescribed" if count else ""
    if not (rule.call_cap or rule.value_cap):
        return held
    places = ((Scope.SESSION, session.key, rule.token), (Scope.ACCOUNT, NOBODY, rule.token))
    if all(place in state.buckets for place in places):
        return held
    return f"{held}; but it moves none, for want of a budget of {policy.token(rule.token).name}"


def _newcomers(policy: Policy, state: State, at: int) -> Iterator[str]:
    for address in policy.newcomers.budgets:
        token, left = policy.token(address), _left(state, Scope.NEWCOMERS, NOBODY, address, at)
        wait = format_duration(policy.newcomers.cooling_off_s)
        yield f"newcomers are paid {wait} after their introduction, {token.say(left)} are left for all of them"


def _counters(session: Session, known: SessionState, state: State, at: int) -> Iterator[str]:
    done = known.operations.within(session.operations_s, at)
    yield (
        f"{session.operations} operations in {format_duration(session.operations_s)}, {done} are made; "
        "one more lowers it to propose"
    )
    if session.denials:
        refused = known.denials.within(session.denials_s, at)
        yield (
            f"{session.denials} refusals in {format_duration(session.denials_s)} lower it to propose; "
            f"{refused} are counted"
        )
    if session.heartbeat_s:
        ends = state.heartbeat + session.heartbeat_s
        yield f"it falls to propose when the owner is silent; the owner must speak by {say_time(ends)}"


def _stoppers(policy: Policy) -> Iterator[str]:
    names = [policy.name_of(key) for key in policy.guardians]
    if names:
        yield f"any one of {', '.join(names)} at once, by a freeze of up to 7 days that kills every session for good"
    yield f"the owner {policy.name_of(policy.owner)}, at once; its sweep works even frozen"
    for session in policy.sessions:
        yield f"{session.name} itself may give up its level or its session"
    if policy.queue.threshold:
        approvers = ", ".join(policy.name_of(key) for key in policy.approvers)
        yield f"items in the queue: vetoed by any of the above and by {approvers}"
