"""An account's history decided again under another policy.

Every session of the policy lives from the beginning, buckets begin full, and each act changes what the next one finds,
as it would have. Whether a target lets a call pass is taken from what it did; of a call that never reached its target
it is assumed. Freezes and epochs of the past are left out: the question is what the policy says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from tallystick.agents.policy.document import Policy
from tallystick.agents.policy.durations import say_time
from tallystick.agents.policy.engine.decide import CALL_FAILED, Action, Verdict, decide
from tallystick.agents.policy.engine.items import Item, decide_item, pay_gas, refusal_of
from tallystick.agents.policy.engine.state import State, opening_state
from tallystick.agents.policy.nouns import Level, LinkKind
from tallystick.agents.policy.replay.past import Act, Beat, History, Paid, Past, Seen


@dataclass(frozen=True)
class Replayed:
    """One event of the past and what the policy says to it.

    seq     its link in the audit chain; 0 for an authorization, which has none
    words   what it was
    was     whether it was done, and `was_reason` why not
    is_now  whether the policy lets it pass, and `reason` why not
    """

    seq: int
    at: int
    words: str
    was: bool
    was_reason: str
    is_now: bool
    reason: str

    def to_dict(self) -> dict[str, object]:
        """Return the event as JSON members."""
        return dict(vars(self))


@dataclass(frozen=True)
class Simulation:
    """All acts decided again, what could not be, and the account as the policy would have left it."""

    replayed: tuple[Replayed, ...]
    gaps: tuple[str, ...]
    state: State

    @property
    def done(self) -> int:
        """How many of the acts were done."""
        return sum(one.was for one in self.replayed)

    @property
    def refused_now(self) -> tuple[Replayed, ...]:
        """What was done and would have been refused."""
        return tuple(one for one in self.replayed if one.was and not one.is_now)

    @property
    def passing_now(self) -> tuple[Replayed, ...]:
        """What was refused and would pass."""
        return tuple(one for one in self.replayed if one.is_now and not one.was)

    def to_dict(self) -> dict[str, object]:
        """Return the simulation as JSON members."""
        return {
            "acts": len(self.replayed),
            "done": self.done,
            "refused": len(self.replayed) - self.done,
            "refused_now": [one.to_dict() for one in self.refused_now],
            "passing_now": [one.to_dict() for one in self.passing_now],
            "gaps": list(self.gaps),
        }


def simulate(policy: Policy, history: History, keys: Mapping[str, str] | None = None) -> Simulation:
    """Return what the policy says to a history.

    keys  session keys of the past and whose session of the policy each stands for, where keys were rotated since
    """
    begin = min((one.at for one in history.events), default=0)
    state = opening_state(policy, begin)
    found: list[Replayed] = []
    gaps = list(history.gaps)
    for event in history.events:
        renamed = _renamed(event, keys or {})
        if isinstance(renamed, Act) and renamed.data is None and renamed.kind is not LinkKind.GAS:
            gaps.append(f"link {renamed.seq}: its calldata could not be found")
            continue
        state, replayed = _decided(state, policy, renamed)
        found += replayed
    return Simulation(tuple(found), tuple(gaps), state)


def _renamed(event: Past, keys: Mapping[str, str]) -> Past:
    return replace(event, session=keys.get(event.session, event.session)) if isinstance(event, Act) else event


def _decided(state: State, policy: Policy, event: Past) -> tuple[State, tuple[Replayed, ...]]:
    if isinstance(event, Beat):
        return replace(state, heartbeat=event.at), ()
    if isinstance(event, Seen):
        return replace(state, newcomers={event.payee: event.usable_at, **state.newcomers}), ()
    if isinstance(event, Paid):
        return state, (_paid(state, policy, event),)
    verdict = _verdict(state, event)
    words = _words(policy, event)
    return verdict.state, (
        Replayed(event.seq, event.at, words, event.is_done, event.reason, verdict.is_allowed, verdict.reason),
    )


def _verdict(state: State, act: Act) -> Verdict:
    if act.kind is LinkKind.GAS:
        return pay_gas(state, act.session, act.spent)
    action = Action(
        act.session,
        act.target,
        act.amount,
        act.data or b"",
        act.reason != CALL_FAILED,
        act.spent if act.is_done else None,
    )
    if act.kind is not LinkKind.QUEUE_ITEM:
        return decide(state, action, act.at)
    known = state.sessions.get(act.session)
    is_supervised = known is not None and known.level >= Level.SUPERVISED
    proposed_at = act.at - act.waited_s
    item = Item(action, act.token, act.spent, proposed_at, act.at, act.approvals, is_supervised)
    return decide_item(state, item, act.at)


def _paid(state: State, policy: Policy, paid: Paid) -> Replayed:
    signed, token = paid.authorization, policy.token(paid.token)
    # When an authorization was to end is not on chain any more; the account saw to it when it was used.
    reason = refusal_of(state, paid.token, replace(signed, valid_before=paid.at), paid.at)
    words = f"an authorization paid {token.say(signed.amount)} to {policy.name_of(signed.payee)}"
    return Replayed(0, paid.at, words, True, "", not reason, reason)


def _words(policy: Policy, act: Act) -> str:
    kind = act.kind.name.lower().replace("_", " ")
    spent = f", {policy.token(act.token).say(act.spent)}" if act.spent else ""
    return f"{kind} by {policy.name_of(act.session)} to {policy.name_of(act.target)}{spent}"


def lines(simulation: Simulation) -> Iterator[str]:
    """Yield the simulation in sentences: what changes, then what could not be told."""
    count, done = len(simulation.replayed), simulation.done
    yield f"{count} acts: {done} were done, {count - done} refused"
    for one in simulation.refused_now:
        yield f"{say_time(one.at)}: would be refused ({one.reason}): {one.words}"
    for one in simulation.passing_now:
        yield f"{say_time(one.at)}: would pass (was {one.was_reason}): {one.words}"
    yield from simulation.gaps
