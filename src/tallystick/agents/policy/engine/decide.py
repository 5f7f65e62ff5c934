"""May a session do this now? The account's answer, its reason, and what the account knows afterwards.

Mirrors `agents/account/calls.vy`. A session without a say is turned away and nothing is kept. What the policy refuses
is counted, and enough of it lowers the session's level. What the target refuses is kept and not counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tallystick.agents.policy.engine.buckets import Bucket, Refused
from tallystick.agents.policy.engine.calldata import Passes, Reading, read_call
from tallystick.agents.policy.engine.state import Place, SessionState, State
from tallystick.agents.policy.nouns import NATIVE, NOBODY, Level, Scope

CALL_FAILED = "calls: call failed"  # the one refusal of `perform` that is the target's, and not counted


@dataclass(frozen=True)
class Action:
    """A call that a session makes.

    succeeds  whether the target lets it pass
    spent     what the target takes of an allowance, where the rule `pulls`; None: all of it
    """

    session: str
    target: str
    amount: int = 0
    data: bytes = b""
    succeeds: bool = True
    spent: int | None = None


@dataclass(frozen=True)
class Verdict:
    """What the account says.

    reason   the contract's; "" when it is allowed
    reverts  whether the transaction fails as a whole, so that nothing is kept
    state    the account afterwards
    """

    is_allowed: bool
    reason: str
    reverts: bool
    state: State
    payee: str = NOBODY
    token: str = NATIVE
    spent: int = 0


def decide(state: State, action: Action, at: int) -> Verdict:
    """Return what the account says to an act at the instant `at`."""
    try:
        session = state.gate(action.session, Level.BOUNDED, at)
    except Refused as refusal:
        return Verdict(False, str(refusal), True, state)
    reason, session = _count(state, session, at)
    counted = state.with_session(session)
    if reason:
        return Verdict(False, reason, False, counted)
    try:
        reading, spent, buckets = perform(counted, session.level, action, at)
    except Refused as refusal:
        reason = str(refusal)
        is_counted = reason not in ("", CALL_FAILED)
        return Verdict(False, reason, False, counted.with_session(_denied(session, at)) if is_counted else counted)
    return Verdict(True, "", False, replace(counted, buckets=buckets), reading.payee, reading.token, spent)


def perform(
    state: State,
    level: Level,
    action: Action,
    at: int,
    passes: Passes = Passes.WITHIN,
    item: tuple[str, int] | None = None,
) -> tuple[Reading, int, dict[Place, Bucket]]:
    """Return what the call means, what it spends, and the buckets afterwards.

    item    the token of an item of the queue and the most it may spend of it
    raises  Refused
    """
    if action.target in state.own:
        raise Refused("calls: target denied")
    reading = read_call(state, level, action.target, action.amount, action.data, at, passes)
    debit = reading.debit
    if item is not None and debit and reading.token != NATIVE and (reading.token != item[0] or debit > item[1]):
        raise Refused("calls: beyond the item")
    is_charged = passes is not Passes.APPROVED and debit != 0
    buckets = dict(state.buckets)
    if not reading.pulls and is_charged:
        _charge(buckets, action.session, reading, debit, at)
    if not action.succeeds:
        raise Refused(CALL_FAILED)
    if reading.pulls:
        debit = debit if action.spent is None else action.spent
        if debit > reading.debit:
            raise Refused("calls: moved more")
        if is_charged:
            _charge(buckets, action.session, reading, debit, at)
    return reading, debit, buckets


def _charge(buckets: dict[Place, Bucket], session: str, reading: Reading, amount: int, at: int) -> None:
    token = reading.token
    places: list[Place] = [(Scope.SESSION, session, token), (Scope.ACCOUNT, NOBODY, token)]
    if (Scope.COUNTERPARTY, reading.payee, token) in buckets:
        places.append((Scope.COUNTERPARTY, reading.payee, token))
    if reading.is_newcomer:
        places.append((Scope.NEWCOMERS, NOBODY, token))
    for place in places:
        if place not in buckets:
            raise Refused("buckets: no bucket")
        buckets[place] = buckets[place].debited(amount, at)


def _count(state: State, session: SessionState, at: int) -> tuple[str, SessionState]:
    """Count an operation; return why it may not be, with the session's level lowered, or nothing."""
    terms = session.terms
    if state.is_owner_silent(session, at):
        return "sessions: owner is silent", replace(session, level=Level.PROPOSE)
    counted = session.operations.one_more(terms.operations_s, at)
    if counted.count > terms.operations:
        return "sessions: too many operations", replace(session, level=Level.PROPOSE)
    return "", replace(session, operations=counted)


def _denied(session: SessionState, at: int) -> SessionState:
    denials = session.denials.one_more(session.terms.denials_s, at)
    is_lowered = session.terms.denials != 0 and denials.count >= session.terms.denials
    return replace(session, denials=denials, level=Level.PROPOSE if is_lowered else session.level)
