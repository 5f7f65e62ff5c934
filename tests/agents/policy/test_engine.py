"""The engine by itself: buckets keep their bound however time passes, and every refusal has its one cause."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.agents.policy.document import Rates
from tallystick.agents.policy.engine.buckets import Bucket, Refused
from tallystick.agents.policy.engine.decide import CALL_FAILED, Action, decide
from tallystick.agents.policy.engine.items import Item, Slot, decide_item, pay_gas, refusal_of
from tallystick.agents.policy.engine.state import Counter, State, opening_state
from tallystick.agents.policy.nouns import NATIVE, UNLIMITED, Level, Scope, Standing
from tallystick.core.authorization import Authorization
from tests.agents.policy import policies
from tests.agents.policy.policies import AT, transfer, whole

USD, SHOP, AGENT, HELPER = policies.USD, policies.SHOP, policies.AGENT, policies.HELPER
HOUR_S, DAY_S = 3_600, 86_400
PAY = Action(AGENT, USD, 0, transfer(SHOP, 10**6))


def state(**changes: Any) -> State:
    """Return the account of the whole policy as it was just sealed."""
    return replace(opening_state(whole(), AT), **changes)


class TestBuckets:
    """No window gives more than cap and refill; counting often takes less than a unit each time, and never gives."""

    numbers = st.integers(0, 10**6)
    rates = st.builds(Rates, numbers, numbers, st.integers(1, 10**5))
    steps = st.lists(st.tuples(st.integers(0, 10**5), numbers), max_size=30)

    @given(rates, steps)
    def test_no_window_gives_more_than_its_bound(self, rates: Rates, steps: list[tuple[int, int]]) -> None:
        bucket, at, taken = Bucket.full(rates, 0), 0, []
        for pause, wanted in steps:
            at += pause
            try:
                bucket = bucket.debited(wanted, at)
                taken.append((at, wanted))
            except Refused:
                most = bucket.counted(at).balance
                bucket = bucket.debited(most, at)
                taken.append((at, most))
        for first, (begin, _) in enumerate(taken):
            for last in range(first, len(taken)):
                spent = sum(amount for _, amount in taken[first : last + 1])
                assert spent <= rates.cap + rates.refill * (taken[last][0] - begin) // rates.period_s

    @given(rates, st.integers(0, 10**6), st.lists(st.integers(0, 10**4), max_size=20))
    def test_each_count_costs_less_than_one_unit(self, rates: Rates, spent: int, pauses: list[int]) -> None:
        often = once = replace(Bucket.full(rates, 0), balance=max(rates.cap - spent, 0))
        at = 0
        for pause in pauses:
            at += pause
            often = often.counted(at)
        assert once.counted(at).balance - len(pauses) <= often.balance <= once.counted(at).balance

    @given(rates, st.lists(st.tuples(st.integers(0, 10**5), numbers, st.booleans()), max_size=20))
    def test_gas_that_is_taken_without_counting_keeps_the_bound_too(
        self, rates: Rates, steps: list[tuple[int, int, bool]]
    ) -> None:
        bucket, at, taken = Bucket.full(rates, 0), 0, []
        for pause, wanted, is_counting in steps:
            at += pause
            try:
                bucket = bucket.debited(wanted, at if is_counting else None)
                taken.append((at, wanted))
            except Refused:
                continue
        for first, (begin, _) in enumerate(taken):
            for last in range(first, len(taken)):
                spent = sum(amount for _, amount in taken[first : last + 1])
                assert spent <= rates.cap + rates.refill * (taken[last][0] - begin) // rates.period_s

    def test_a_bucket_that_was_full_for_long_is_not_full_twice(self) -> None:
        long = Bucket.full(Rates(100, 100, DAY_S), 0).debited(100, None)  # gas, after days in which nobody counted
        assert long.counted(5 * DAY_S).balance == 0
        assert long.counted(5 * DAY_S).counted(6 * DAY_S).balance == 100

    def test_a_rate_of_whole_units_a_second_loses_nothing(self) -> None:
        bucket = replace(Bucket.full(Rates(10**9, 6, 3), 0), balance=0)
        for at in range(1, 100):
            bucket = bucket.counted(at)
        assert bucket.balance == 198

    def test_a_lifetime_cap_ends_a_bucket_and_an_unlimited_one_counts_nothing(self) -> None:
        bucket = Bucket.full(Rates(10, 10, 1, 15), 0).debited(10, 0)
        with pytest.raises(Refused, match="lifetime spent"):
            bucket.debited(6, 10)
        assert bucket.debited(5, 10).spent == 15
        assert Bucket.full(Rates(10, 10, 1, UNLIMITED), 0).debited(10, 0).spent == 0

    def test_other_rates_keep_what_is_there_up_to_the_new_cap(self) -> None:
        bucket = Bucket.full(Rates(100, 0, 1), 0).debited(30, 0)
        assert bucket.with_rates(Rates(200, 0, 1), 5).balance == 70
        assert bucket.with_rates(Rates(50, 0, 1), 5).balance == 50


# What is tried, under which change of the state, and why it is refused: one cause each.
REFUSALS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("roles: frozen", {}, {"frozen_until": AT + 1}),
    ("sessions: not live", {"session": SHOP}, {}),
    ("sessions: not live", {}, {"epoch": 1}),
    ("sessions: not sealed", {}, {"is_sealed": False}),
    ("sessions: owner is silent", {}, {"heartbeat": AT - 31 * DAY_S}),
    ("calls: target denied", {"target": policies.address(99)}, {}),
    ("rules: no rule", {"target": SHOP}, {}),
    ("rules: no rule", {"data": b"\x01\x02\x03\x04"}, {}),
    ("rules: malformed call", {"data": b"\xa9\x05\x9c"}, {}),
    ("rules: malformed call", {"data": bytes(4)}, {}),
    ("rules: malformed call", {"data": PAY.data + b"\x00"}, {}),
    ("rules: malformed call", {"data": PAY.data[:4] + b"\x01" + PAY.data[5:]}, {}),
    ("rules: level too low", {"target": policies.VAULT, "data": bytes.fromhex("6e553f65") + bytes(64)}, {}),
    ("rules: over the cap", {"data": transfer(SHOP, 25 * 10**6 + 1)}, {}),
    ("rules: over the value cap", {"amount": 1}, {}),
    ("rules: over the value cap", {"target": policies.PROVIDER, "amount": 10**16 + 1, "data": b""}, {}),
    ("payees: denied", {"data": transfer(policies.STRANGER, 1)}, {}),
    ("payees: not allowed", {"data": transfer(AGENT, 1)}, {}),
    ("payees: not allowed", {}, {"payees": {SHOP: (Standing.ALLOWED, AT - 1)}}),
    ("buckets: no bucket", {}, {"buckets": {}}),
    (CALL_FAILED, {"succeeds": False}, {}),
]


@pytest.mark.parametrize(("reason", "action", "change"), REFUSALS)
def test_a_refusal_has_its_cause_and_without_it_the_act_passes(
    reason: str, action: dict[str, Any], change: dict[str, Any]
) -> None:
    assert decide(state(), PAY, AT).is_allowed
    verdict = decide(state(**change), replace(PAY, **action), AT)
    assert (verdict.is_allowed, verdict.reason) == (False, reason)


class TestCounting:
    """Refusals and operations are counted, and enough of them lower the level."""

    BAD = replace(PAY, data=transfer(AGENT, 1))

    def test_refusals_lower_a_session_and_the_next_act_reverts(self) -> None:
        now = state()
        for count in (1, 2, 3):
            verdict = decide(now, self.BAD, AT)
            now = verdict.state
            assert now.sessions[AGENT].denials.count == count
        assert now.sessions[AGENT].level is Level.PROPOSE
        assert decide(now, PAY, AT).reverts

    def test_refusals_in_another_window_begin_anew_and_the_targets_own_are_not_counted(self) -> None:
        now = decide(state(), self.BAD, AT).state
        assert decide(now, self.BAD, AT + HOUR_S).state.sessions[AGENT].denials == Counter(1, AT + HOUR_S)
        assert decide(now, replace(PAY, succeeds=False), AT).state.sessions[AGENT].denials.count == 1

    def test_one_operation_too_many_lowers_the_level(self) -> None:
        session = state().sessions[AGENT]
        busy = state().with_session(replace(session, operations=Counter(100, AT)))
        verdict = decide(busy, PAY, AT)
        assert (verdict.reason, verdict.reverts) == ("sessions: too many operations", False)
        assert verdict.state.sessions[AGENT].level is Level.PROPOSE
        assert decide(busy, PAY, AT + HOUR_S).is_allowed

    def test_a_refusal_spends_nothing(self) -> None:
        many = replace(PAY, data=transfer(policies.PROVIDER, 25 * 10**6))
        now = decide(state(), many, AT).state
        refused = decide(now, many, AT)
        assert refused.reason == "buckets: over budget"
        assert refused.state.buckets == now.buckets
        assert decide(now, many, AT + DAY_S).is_allowed


class TestNewcomersAndItems:
    """What lies beyond a session's own budget."""

    def test_a_newcomer_waits_and_is_paid_from_the_newcomers_bucket(self) -> None:
        known = state(newcomers={policies.address(88): AT + DAY_S})
        pay = Action(HELPER, USD, 0, transfer(policies.address(88), 4 * 10**6))
        assert decide(known, pay, AT).reason == "payees: cooling off"
        verdict = decide(known, pay, AT + DAY_S)
        assert verdict.is_allowed
        assert verdict.state.buckets[Scope.NEWCOMERS, NATIVE, USD].balance == 10**6
        assert decide(known, replace(pay, session=AGENT), AT + DAY_S).reason == "payees: not allowed"

    @pytest.mark.parametrize(
        ("changes", "after_s", "reason"),
        [
            ({"approvals": 1}, HOUR_S, ""),
            ({"approvals": 1}, HOUR_S - 1, "queue: too early"),
            ({"approvals": 1}, 3 * DAY_S, "queue: expired"),
            ({"approvals": 1, "is_open": False}, HOUR_S, "queue: not open"),
            ({"approvals": 1, "max_debit": 1}, HOUR_S, "calls: beyond the item"),
            ({}, HOUR_S, "queue: not approved"),
            ({"is_supervised": True}, DAY_S, "queue: not approved"),
        ],
    )
    def test_an_item_passes_when_approved_and_due(self, changes: dict[str, Any], after_s: int, reason: str) -> None:
        big = replace(PAY, data=transfer(policies.address(88), 90 * 10**6))
        item = replace(Item(big, USD, 90 * 10**6, AT, AT + 2 * DAY_S), **changes)
        verdict = decide_item(state(), item, AT + after_s)
        assert verdict.reason == reason
        assert verdict.state.buckets == state().buckets

    def test_an_optimistic_item_still_pays_from_its_buckets(self) -> None:
        item = Item(
            Action(HELPER, USD, 0, transfer(SHOP, 20 * 10**6)), USD, 20 * 10**6, AT, AT + 2 * DAY_S, is_supervised=True
        )
        verdict = decide_item(state(), item, AT + DAY_S)
        assert verdict.is_allowed
        assert verdict.state.buckets[Scope.SESSION, HELPER, USD].balance == 0
        assert decide_item(verdict.state, item, AT + DAY_S).reason == "buckets: over budget"


class TestAuthorizationsAndGas:
    """What no call shows."""

    @pytest.mark.parametrize(
        ("slot", "edit", "reason"),
        [
            ({}, {}, ""),
            ({"index": 10}, {}, "slots: no such slot"),
            ({"period": AT // DAY_S - 1}, {}, "slots: another period"),
            ({"session": HELPER}, {}, "slots: none of this token"),
            ({"session": SHOP}, {}, "slots: unknown session"),
            ({}, {"amount": 500_001}, "slots: over the cap"),
            ({}, {"valid_before": AT + DAY_S + 1}, "slots: valid too long"),
            ({}, {"payee": SHOP}, "slots: payee has a bucket"),
        ],
    )
    def test_an_authorization_stands_within_its_slot(
        self, slot: dict[str, Any], edit: dict[str, Any], reason: str
    ) -> None:
        nonce = replace(Slot(AGENT, AT // DAY_S, 0), **slot).nonce()
        assert Slot.of_nonce(nonce).nonce() == nonce
        signed = Authorization(policies.address(99), policies.PROVIDER, 500_000, 0, AT + 60, nonce)
        assert refusal_of(state(), USD, replace(signed, **edit), AT) == reason

    def test_gas_is_taken_from_what_was_counted(self) -> None:
        paid = pay_gas(state(), AGENT, 2 * 10**16)
        assert paid.is_allowed
        assert pay_gas(paid.state, AGENT, 1).reason == "buckets: over budget"
        assert pay_gas(state(), HELPER, 1).reason == "buckets: no bucket"
