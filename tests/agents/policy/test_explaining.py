"""What an explanation says may be spent is what the account lets out, at every level, and no unit more."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.agents.policy.document import Policy, Queue
from tallystick.agents.policy.engine.decide import Action, decide
from tallystick.agents.policy.engine.state import State, opening_state
from tallystick.agents.policy.explaining import explain, spendable
from tallystick.agents.policy.nouns import NOBODY, Level, Scope
from tests.agents.policy.policies import AGENT, AT, PROVIDER, USD, transfer, whole

UNIT = 10**6
CAP = 25 * UNIT  # of one call, by the rule


def _at_level(level: Level) -> Policy:
    policy = whole()
    agent, helper = policy.sessions
    return replace(policy, sessions=(replace(agent, level=level, denials=0), helper))


def _pay(state: State, amount: int, at: int) -> tuple[bool, State]:
    verdict = decide(state, Action(AGENT, USD, 0, transfer(PROVIDER, amount)), at)
    return verdict.is_allowed, verdict.state


def _told(policy: Policy, state: State, at: int) -> str:
    (section,) = [one for one in explain(policy, at, state) if one.title == "agent"]
    return "\n".join(section.lines)


@settings(max_examples=60)
@given(
    level=st.sampled_from(Level),
    account=st.integers(0, 100 * UNIT),
    session=st.integers(0, 30 * UNIT),
    later_s=st.integers(0, 3 * 86_400),
)
def test_what_is_told_may_be_spent_and_nothing_beyond_it(
    level: Level, account: int, session: int, later_s: int
) -> None:
    policy, at = _at_level(level), AT + later_s
    state = opening_state(policy, AT)
    buckets = dict(state.buckets)
    for place, balance in (((Scope.ACCOUNT, NOBODY, USD), account), ((Scope.SESSION, AGENT, USD), session)):
        buckets[place] = replace(buckets[place], balance=balance)
    state = replace(state, buckets=buckets)
    words, left = _told(policy, state, at), spendable(state, AGENT, USD, at)
    may_pay = "it may call transfer(address,uint256) of USD" in words
    assert may_pay == (level >= Level.BOUNDED)
    if not may_pay:
        assert not _pay(state, 1, at)[0]
        return
    assert policy.token(USD).say(left) in words
    while left:
        amount = min(left, CAP)
        is_allowed, state = _pay(state, amount, at)
        assert is_allowed
        left -= amount
    assert not _pay(state, 1, at)[0]


def test_a_session_whose_owner_is_silent_is_told_to_propose_as_the_account_has_it() -> None:
    policy = _at_level(Level.BOUNDED)
    state, late = opening_state(policy, AT), AT + 30 * 86_400 + 1
    assert "at level bounded" in _told(policy, state, late - 1)
    words = _told(policy, state, late)
    assert "its owner is silent since" in words
    assert "may only propose" in words
    assert not _pay(state, 1, late)[0]
    assert _pay(state, 1, late - 1)[0]


def test_a_call_of_a_coin_without_a_budget_is_told_to_move_none() -> None:
    policy = _at_level(Level.BOUNDED)
    agent, helper = policy.sessions
    poor = replace(policy, sessions=(replace(agent, budgets={}), helper))
    state = opening_state(poor, AT)
    assert "but it moves none, for want of a budget of USD" in _told(poor, state, AT)
    assert not _pay(state, 1, AT)[0]
    assert "moves none" not in _told(policy, opening_state(policy, AT), AT)


def test_what_a_call_must_hold_is_told() -> None:
    policy = _at_level(Level.SUPERVISED)
    words = _told(policy, opening_state(policy, AT), AT)
    assert "taking at most 10 USD each, if 1 of its words is as prescribed" in words


def test_what_it_may_not_do_alone_is_said_with_what_becomes_of_it() -> None:
    policy = _at_level(Level.BOUNDED)
    assert "beyond that it proposes; items pass with" in _told(policy, opening_state(policy, AT), AT)
    bare = replace(policy, queue=Queue())
    assert "beyond that it can do nothing: there is no queue" in _told(bare, opening_state(bare, AT), AT)


def test_a_session_without_a_beginning_is_told_without_one() -> None:
    policy = _at_level(Level.BOUNDED)
    agent, helper = policy.sessions
    for valid_after, said in ((0, "budgets; until "), (AT - 1, "budgets; from ")):
        timed = replace(policy, sessions=(replace(agent, valid_after=valid_after), helper))
        assert said in _told(timed, opening_state(timed, AT), AT)
