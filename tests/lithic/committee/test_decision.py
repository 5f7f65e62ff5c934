"""How stake decides: an honest majority that answers has the label, and the number lies among theirs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tallystick.lithic.committee.decision import Ballot, OutputKind, decide, is_paid

LABEL, NUMBER = OutputKind.LABEL, OutputKind.NUMBER

ballots = st.lists(st.builds(Ballot, st.integers(-5, 5), st.integers(1, 9)), min_size=1, max_size=9)
extremes = st.one_of(st.integers(-5, 5), st.sampled_from([-(2**255), 2**255 - 1]))
lies = st.lists(st.builds(Ballot, extremes, st.integers(1, 9)), max_size=6)


@given(
    honest=ballots, liars=st.lists(st.builds(Ballot, extremes, st.integers(1, 9)), max_size=6), absent=st.integers(0, 9)
)
def test_with_an_honest_majority_of_stake_the_number_lies_among_the_honest(honest, liars, absent):
    strength, others = sum(b.weight for b in honest), sum(b.weight for b in liars) + absent
    decided = decide(NUMBER, honest + liars, 1, strength + others)
    if strength > others:
        assert decided is not None
        assert min(b.output for b in honest) <= decided <= max(b.output for b in honest)


@given(label=st.integers(-5, 5), weights=st.lists(st.integers(1, 9), min_size=1), liars=ballots)
def test_with_an_honest_majority_of_stake_the_label_is_theirs(label, weights, liars):
    total = sum(weights) + sum(b.weight for b in liars)
    if 2 * sum(weights) > total:
        assert decide(LABEL, [Ballot(label, weight) for weight in weights] + liars, 1, total) == label


@given(given_ballots=ballots, seed=st.randoms(use_true_random=False), kind=st.sampled_from(OutputKind))
def test_the_order_of_ballots_changes_nothing(given_ballots, seed, kind):
    shuffled = list(given_ballots)
    seed.shuffle(shuffled)
    total = sum(b.weight for b in given_ballots)
    assert decide(kind, shuffled, 1, total) == decide(kind, given_ballots, 1, total)


def test_half_is_no_majority_and_too_few_answers_are_none():
    pair = [Ballot(1, 5), Ballot(2, 5)]
    assert decide(LABEL, pair, 1, 10) is None
    assert decide(LABEL, [Ballot(1, 6), Ballot(2, 5)], 1, 11) == 1
    assert decide(NUMBER, pair[:1], 1, 10) is None
    assert decide(NUMBER, pair, 3, 10) is None
    assert decide(NUMBER, pair, 2, 10) == 1


def test_an_outlier_is_beyond_the_tolerance_of_a_number_and_any_other_label():
    assert is_paid(NUMBER, 105, 100, 5)
    assert not is_paid(NUMBER, 106, 100, 5)
    assert is_paid(LABEL, 1, 1, 5)
    assert not is_paid(LABEL, 2, 1, 5)
