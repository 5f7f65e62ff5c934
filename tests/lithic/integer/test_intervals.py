"""No number of a model leaves its interval, and what could leave a word of the EVM is refused."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.core.errors import InvalidInput
from tallystick.lithic.integer.intervals import Interval, after, intervals
from tallystick.lithic.integer.model import Dense, OneHot, Relu, Shift, Squares, Table, Trees
from tallystick.lithic.integer.reference import apply, evaluate
from tests.lithic.kernel_models import model
from tests.lithic.random_models import PATIENCE, examples, inputs, models

pytestmark = PATIENCE
SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=examples(100), deadline=None)
@given(models(), SEEDS)
def test_every_number_the_reference_meets_is_in_its_interval(drawn, seed):
    found = intervals(drawn)
    for x in inputs(drawn, Random(seed), 6):
        for vector, ranges in zip(evaluate(drawn, x), found, strict=True):
            assert all(z.low <= number <= z.high for number, z in zip(vector, ranges, strict=True))


@settings(max_examples=examples(60), deadline=None)
@given(models(kinds=("dense",), steps_max=1))
def test_both_ends_of_a_first_dense_step_are_reached(drawn):
    (step,), fields = drawn.steps, drawn.input.fields
    for k, (row, z) in enumerate(zip(step.weights, intervals(drawn)[1], strict=True)):
        least = [f.low if w >= 0 else f.high for w, f in zip(row, fields, strict=True)]
        most = [f.high if w >= 0 else f.low for w, f in zip(row, fields, strict=True)]
        assert (apply(step, tuple(least))[k], apply(step, tuple(most))[k]) == z


@pytest.mark.parametrize(
    "step",
    [
        Relu(),
        Relu(2),
        Relu(1, 3),
        Shift(2),
        Squares(),
        Table(1, -2, (5, -9, 3, 4)),
        Table(0, 900, (1, 2)),
        OneHot(((0, -1, 7),)),
    ],
)
@pytest.mark.parametrize(("low", "high"), [(-9, 7), (-9, -3), (0, 0), (2, 7), (-1, 0)])
def test_the_interval_after_a_step_of_one_number_is_what_its_numbers_span(step, low, high):
    reached = [apply(step, (number,)) for number in range(low, high + 1)]
    spans = [Interval(min(column), max(column)) for column in zip(*reached, strict=True)]
    assert list(after(step, (Interval(low, high),))) == spans


LARGE = 2**254


@pytest.mark.parametrize(("fits", "leaves"), [
    ((Dense(((LARGE,),), (LARGE - 1,)),), (Dense(((LARGE,),), (LARGE,)),)),
    ((Dense(((2**126,),), (0,)), Squares()), (Dense(((2**127,),), (2**127,)), Squares())),
    ((Trees((LARGE,), ((LARGE - 1,),)),), (Trees((LARGE,), ((LARGE,),)),)),
    ((Dense(((-LARGE,),), (-LARGE,)),), (Dense(((-LARGE,),), (-LARGE - 1,)),)),
])  # fmt: skip
def test_a_number_that_could_leave_a_word_is_refused_and_the_one_below_is_not(fits, leaves):
    intervals(model(*fits, inputs=1, high=1))
    with pytest.raises(InvalidInput) as refused:
        intervals(model(*leaves, inputs=1, high=1))
    assert refused.value.code == "kernel.overflow"
