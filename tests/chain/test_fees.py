"""Fees: what is offered first, what is offered next, and what is never offered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.chain.fees import FeeBudget, Fees, bumped_fees, first_fees
from tallystick.core.errors import Unavailable

GWEI = 10**9
PRICES = st.integers(0, 10_000 * GWEI)
BASES = st.none() | PRICES


def test_the_first_cap_is_twice_the_base_fee_and_the_tip() -> None:
    assert first_fees(10 * GWEI, 2 * GWEI, FeeBudget()) == Fees(22 * GWEI, 2 * GWEI)


def test_a_chain_without_base_fee_gets_one_price() -> None:
    assert first_fees(None, 3 * GWEI, FeeBudget()) == Fees(3 * GWEI, 3 * GWEI, is_legacy=True)


@pytest.mark.parametrize("base_fee", [501 * GWEI, None])
def test_a_chain_dearer_than_the_budget_has_to_wait(base_fee: int | None) -> None:
    with pytest.raises(Unavailable, match="budget"):
        first_fees(base_fee, 501 * GWEI, FeeBudget())


@given(base_fee=BASES, tip=PRICES, cap_max=PRICES, tip_max=PRICES)
def test_no_first_offer_exceeds_the_budget_or_undercuts_the_base_fee(
    base_fee: int | None, tip: int, cap_max: int, tip_max: int
) -> None:
    try:
        fees = first_fees(base_fee, tip, FeeBudget(cap_max, tip_max))
    except Unavailable:
        assert max(base_fee or 0, tip if base_fee is None else 0) > cap_max
        return
    assert fees.tip <= fees.cap <= cap_max
    assert fees.is_legacy or fees.tip <= tip_max
    assert fees.cap >= (base_fee or 0)


@given(first_base=BASES, later_base=PRICES, tip=PRICES, later_tip=PRICES, cap_max=PRICES, tip_max=PRICES)
def test_a_better_offer_is_an_eighth_better_on_both_prices_and_within_the_budget(
    first_base: int | None, later_base: int, tip: int, later_tip: int, cap_max: int, tip_max: int
) -> None:
    budget = FeeBudget(cap_max, tip_max)
    try:
        last = first_fees(first_base, tip, budget)
    except Unavailable:
        return
    better = bumped_fees(last, None if first_base is None else later_base, later_tip, budget)
    if better is None:
        assert 9 * last.cap > 8 * (cap_max - 1) or 9 * last.tip > 8 * (tip_max - 1)
        return
    assert 8 * better.cap >= 9 * last.cap
    assert 8 * better.tip >= 9 * last.tip
    assert better.cap > last.cap
    assert better.tip > last.tip
    assert better.tip <= better.cap <= cap_max
    assert better.is_legacy == last.is_legacy
    assert better.is_legacy or better.tip <= tip_max
