"""Scores: the greatest flow against every cut, the bound on what an attacker adds, and the attacks with their yield."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.agents.scoring import attacks
from tallystick.agents.scoring.attacks import honest_world, outcomes
from tallystick.agents.scoring.baseline import naive_average, paid_average
from tallystick.agents.scoring.flow import Network
from tallystick.agents.scoring.trust import Payment, Rating, Seed, Terms, Trust
from tallystick.core.errors import InvalidInput

NODES = 6
EDGES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 9)), max_size=14)


@settings(max_examples=150, deadline=None)
@given(edges=EDGES)
def test_the_greatest_flow_is_the_least_cut(edges):
    inner = [node for node in range(NODES) if node not in (0, 5)]
    cuts = (
        sum(room for tail, head, room in edges if tail in side and head not in side)
        for size in range(len(inner) + 1)
        for others in combinations(inner, size)
        for side in [{0, *others}]
    )
    network = Network(NODES, edges)
    assert network.copy().max_flow(0, 5) == min(cuts) == network.max_flow(0, 5)


def test_a_path_of_ten_thousand_steps_needs_no_deep_stack():
    steps = 10_000
    assert Network(steps + 1, [(at, at + 1, 7) for at in range(steps)]).max_flow(0, steps) == 7


HONEST, CROOKED = [f"h{n}" for n in range(5)], [f"x{n}" for n in range(3)]
AMOUNTS = st.integers(0, 2_000)


def payments_among(payers, payees, most):
    one = st.builds(Payment, st.sampled_from(payers), st.sampled_from(payees), AMOUNTS, st.integers(0, 60))
    return st.lists(one, max_size=most)


@settings(max_examples=300, deadline=None)
@given(
    honest=payments_among(HONEST, [*HONEST, "target"], 14),
    border=st.tuples(payments_among(HONEST, CROOKED, 4), payments_among(CROOKED, HONEST, 4)),
    inside=payments_among(CROOKED, [*CROOKED, "target"], 12),
    ratings=st.lists(st.builds(Rating, st.sampled_from([*HONEST, *CROOKED]), st.integers(0, 1_000)), max_size=8),
    share=st.sampled_from([0, 100, 1_000]),
    allotment=st.integers(0, 5_000),
)
def test_an_attacker_adds_no_more_than_crosses_his_border(honest, border, inside, ratings, share, allotment):
    """Whatever he pays himself and however he rates, for or against: what he adds is paid for at his border."""
    trust = Trust([*honest, *border[0], *border[1], *inside], [Seed("h0", allotment)], Terms(share, 10))
    attacked = trust.score(["target"], ratings)
    untouched = trust.score(["target"], ratings, blocked=CROOKED)
    paid_for = trust.border(CROOKED, ["target"])
    assert attacked.good <= untouched.good + paid_for
    assert attacked.bad <= untouched.bad + paid_for
    assert untouched.good <= attacked.good + paid_for  # nor does he take away more


@settings(max_examples=60, deadline=None)
@given(parts=st.integers(1, 6), amount=st.integers(6_000, 20_000))
def test_many_accounts_are_worth_no_more_than_one(parts, amount):
    """The same money spent under one name or under six."""
    scores = []
    for accounts in (1, parts):
        payments = [Payment("friend", "shop", 5_000, 10)]
        for place in range(accounts):
            payments.append(Payment(f"x{place}", "shop", amount // accounts, 0))
            payments.append(Payment(f"x{place}", "target", 10**6, 0))
        ratings = [Rating(f"x{place}", 1_000) for place in range(accounts)]
        scores.append(Trust(payments, [Seed("shop", 10**9)]).score(["target"], ratings))
    assert scores[1].good <= scores[0].good


def test_where_trust_reaches_everybody_the_score_is_the_weighed_mean():
    payments = [Payment(name, place, 1_000, 10) for name in ("ann", "bob") for place in ("shop", "target")]
    score = Trust(payments, [Seed("shop", 10**6)]).score(["target"], [Rating("ann", 900), Rating("bob", 500)])
    assert (score.good, score.bad) == (99 + 55, 11 + 55)  # each carries its 110
    assert score.weight == 220
    assert score.permille == 1_000 * 154 // 1_220


def test_a_client_who_never_paid_the_agent_is_not_heard_and_the_last_word_counts():
    payments = [Payment("ann", "shop", 1_000, 10), Payment("ann", "target", 1_000, 10), Payment("bob", "shop", 9, 9)]
    trust = Trust(payments, [Seed("shop", 10**6)])
    twice = [Rating("ann", 0), Rating("bob", 0), Rating("ann", 1_000)]
    assert trust.score(["target"], twice) == trust.score(["target"], [Rating("ann", 1_000)])
    assert trust.score(["target"], [Rating("bob", 1_000)]).weight == 0
    assert trust.score(["target"], []).permille == 0


def test_the_agents_own_accounts_neither_rate_nor_vouch():
    payments = [Payment("owner", "shop", 10**6, 0), Payment("x", "owner", 10**6, 0), Payment("x", "target", 10**6, 0)]
    trust = Trust(payments, [Seed("shop", 10**9)])
    ratings = [Rating("owner", 1_000), Rating("x", 1_000)]
    assert trust.score(["target"], ratings).weight > 0  # the owner is a stranger here, and vouches for x
    assert trust.score(["target", "owner"], ratings).weight == 0


def test_what_is_no_amount_no_share_and_no_seed_is_refused():
    pay, seed = Payment("a", "b", 1, 1), Seed("a", 1)
    wrong = [
        ("scoring.amount", [Payment("a", "b", -1, 0)], [seed], None),
        ("scoring.amount", [Payment("a", "b", 0, 2**97)], [seed], None),
        ("scoring.amount", [pay], [Seed("a", -1)], None),
        ("scoring.amount", [pay], [seed], Terms(prior=-1)),
        ("scoring.amount", [pay], [seed], Terms(price_permille=1_001)),
        ("scoring.seeds", [pay], [], None),
        ("scoring.seeds", [pay], [seed, seed], None),
    ]
    for code, payments, seeds, terms in wrong:
        with pytest.raises(InvalidInput) as caught:
            Trust(payments, seeds, terms)
        assert caught.value.code == code
    for permille in (-1, 1_001):
        with pytest.raises(InvalidInput) as caught:
            Trust([pay], [seed]).score(["b"], [Rating("a", permille)])
        assert caught.value.code == "scoring.rating"


def test_more_facts_or_raters_than_the_bounds_are_refused(monkeypatch):
    from tallystick.agents.scoring import trust

    with pytest.raises(InvalidInput, match="too many clients"):
        Trust([], [Seed("a", 1)]).score(["b"], [Rating(str(n), 0) for n in range(trust.SCORING_RATERS_MAX + 1)])
    with pytest.raises(InvalidInput, match="too many payments"):
        Trust([Payment("a", "b", 1, 1)] * (trust.SCORING_FACTS_MAX + 1), [Seed("a", 1)])


# --- the attacks


@pytest.fixture(scope="module")
def table():
    return {(one.name, one.target): one for one in outcomes()}


def test_both_averages_fall_to_washed_payments_and_the_score_does_not_move(table):
    before = table["none", "bad"]
    for name in ("washed payments", "a ring of accounts"):
        after = table[name, "bad"]
        assert before.naive < 200 < 800 < after.naive
        assert before.paid < 200 < 950 < after.paid
        assert (after.flow, after.flow_low, after.flow_high) == (before.flow, before.flow_low, before.flow_high)


def test_slander_by_a_ring_does_not_move_the_score(table):
    before, after = table["none", "good"], table["slander", "good"]
    assert after.naive < 350 < before.naive
    assert (after.flow, after.flow_low, after.flow_high) == (before.flow, before.flow_low, before.flow_high)


def test_a_new_name_begins_at_nothing(table):
    assert table["a new name", "bad"].naive == table["a new name", "bad"].paid == 1_000
    assert table["a new name", "bad"].flow == table["a new name", "bad"].flow_high == 0


def test_a_popular_sibling_lends_no_more_than_the_fees_its_customers_burned():
    world = honest_world(1)
    attacks.a_popular_sibling(world)
    trust = Trust(world.payments, world.seeds)
    ring = [f"sybil {place}" for place in range(attacks.SYBILS)]
    assert trust.border([*ring, "sibling"], attacks.BAD) == 30 * attacks.FEE
    clean = trust.score(attacks.BAD, world.of_bad, blocked=[*ring, "sibling"])
    assert trust.score(attacks.BAD, world.of_bad).good <= clean.good + 30 * attacks.FEE


def test_a_bought_seed_shows_in_the_span(table):
    before, after = table["none", "bad"], table["a bought seed", "bad"]
    assert after.flow > 800
    assert after.flow_low <= before.flow_high
    assert after.flow_high - after.flow_low > 500


def test_real_spending_works_at_its_price(table):
    assert table["real spending", "bad"].cost > 3 * 12 * attacks.PRICE  # more than three times what all victims paid
    assert table["real spending", "bad"].flow < table["none", "good"].flow
    cheap, dear = (attacks.cost_of_score(1, wanted, most=256) for wanted in (300, 500))
    assert 0 < cheap < dear
    assert attacks.cost_of_score(1, 990, most=64) is None


@pytest.mark.parametrize("number", range(2, 6))
def test_in_other_economies_the_attacks_fare_no_better(number):
    table = {(one.name, one.target): one for one in outcomes(number)}
    clean = table["none", "bad"].flow
    for name in ("washed payments", "a ring of accounts"):
        assert table[name, "bad"].flow == clean
    assert table["slander", "good"].flow == table["none", "good"].flow
    assert table["none", "good"].flow > 700 > 400 > clean


def test_the_averages_are_what_they_are_called():
    ratings = [Rating("a", 0), Rating("a", 1_000), Rating("b", 500)]
    assert naive_average(ratings) == 750
    payments = [Payment("a", "t", 30, 0), Payment("b", "t", 9, 1), Payment("b", "u", 100, 0)]
    assert paid_average(["t"], ratings, payments) == (30 * 1_000 + 10 * 500) // 40
    assert naive_average([]) == paid_average(["t"], [], payments) == paid_average(["v"], ratings, payments) == 0
