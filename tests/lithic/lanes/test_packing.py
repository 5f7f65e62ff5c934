"""Every plan is proved and computes its step; a plan that the proof refuses is wrong for an input that exists."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.lithic.integer.intervals import Interval
from tallystick.lithic.integer.model import Dense
from tallystick.lithic.lanes.packing import InputSet, Packing, bits_of, plan, single
from tallystick.lithic.lanes.proof import check_packing, check_places
from tallystick.lithic.lanes.source import Place, Source
from tests.lithic.lanes.dense_steps import executed, extremes, random_input, steps, sums, unpacked
from tests.lithic.random_models import PATIENCE, examples

pytestmark = PATIENCE
SEEDS = st.integers(0, 2**32 - 1)


def is_proved(step, packing, placed):
    try:
        check_packing(step, packing, placed.ranges)
        check_places(packing, placed)
    except VerificationFailed:
        return False
    return True


@settings(max_examples=examples(60), deadline=None)
@given(steps(), SEEDS)
def test_every_plan_is_proved_and_computes_its_step(drawn, seed):
    step, placed = drawn
    rng = Random(seed)
    for packing in (plan(step, placed), single(step, placed)):
        assert is_proved(step, packing, placed)
        for x in (*extremes(step, placed, rng.randrange(len(step.bias))), random_input(rng, placed)):
            assert unpacked(step, packing, x) == executed(step, packing, placed, x) == sums(step, x)


@settings(max_examples=examples(60), deadline=None)
@given(steps(inputs_max=30, outputs_max=12), st.data())
def test_whatever_plan_the_proof_accepts_computes_its_step(drawn, data):
    """Plans nobody would make: soundness must not lean on the planner."""
    step, placed = drawn
    packing = plan(step, placed)
    changes = {
        name: max(1, getattr(packing, name) + data.draw(st.integers(-3, 3)))
        for name in ("lane_bits", "lanes", "blocks", "stride")
        if data.draw(st.booleans())
    }
    changed = replace(packing, **changes)
    if is_proved(step, changed, placed):
        for output in range(len(step.bias)):
            for x in extremes(step, placed, output):
                assert unpacked(step, changed, x) == sums(step, x)
        assert executed(step, changed, placed, x) == sums(step, x)


@settings(max_examples=examples(60), deadline=None)
@given(steps(inputs_max=20, outputs_max=8), SEEDS)
def test_a_lane_one_bit_too_narrow_is_refused_and_would_answer_wrongly(drawn, seed):
    step, placed = drawn
    packing = single(step, placed)
    if packing.lane_bits == 1:
        return
    narrow = replace(packing, lane_bits=packing.lane_bits - 1)
    with pytest.raises(VerificationFailed, match="overflows its lane") as refused:
        check_packing(step, narrow, placed.ranges)
    assert refused.value.code == "kernel.proof"
    wrong = [
        x
        for k in range(len(step.bias))
        for x in extremes(step, placed, k)
        if unpacked(step, narrow, x) != sums(step, x)
    ]
    assert wrong  # the bound is attained: no proof could have allowed the narrow lane


@settings(max_examples=examples(60), deadline=None)
@given(steps(inputs_max=30, outputs_max=12), SEEDS)
def test_sets_that_miss_double_or_misplace_an_input_are_refused(drawn, seed):
    step, placed = drawn
    rng = Random(seed)
    packing = plan(step, placed)
    sets, one = packing.sets, rng.randrange(len(packing.sets))
    moved = replace(sets[one].place, offset=sets[one].place.offset + 1)
    mutants = {
        "dropped": (*sets[:one], *sets[one + 1 :]),
        "doubled": (*sets, sets[one]),
        "shortened": (*sets[:one], InputSet(sets[one].place, sets[one].indices[1:]), *sets[one + 1 :]),
        "moved": (*sets[:one], replace(sets[one], place=moved), *sets[one + 1 :]),
    }
    if len(sets[one].indices) > 1:
        mutants["reversed"] = (*sets[:one], replace(sets[one], indices=sets[one].indices[::-1]), *sets[one + 1 :])
    for mutant in mutants.values():
        assert not is_proved(step, replace(packing, sets=mutant), placed)


@settings(max_examples=examples(60), deadline=None)
@given(steps(inputs_max=30, outputs_max=12))
def test_more_lanes_than_fit_and_a_shorter_stride_are_refused(drawn):
    step, placed = drawn
    packing = plan(step, placed)
    crowded = replace(packing, lanes=packing.stride // packing.lane_bits + 1)
    assert not is_proved(step, crowded, placed)
    if any(len(inputs.indices) > 1 for inputs in packing.sets):
        assert not is_proved(step, replace(packing, stride=packing.stride - 1), placed)
    assert not is_proved(step, replace(packing, stride=packing.lanes * packing.lane_bits - 1), placed)
    for nothing in ({"lanes": 0}, {"blocks": 0}, {"lane_bits": 0}):
        assert not is_proved(step, replace(packing, **nothing), placed)


@settings(max_examples=examples(60), deadline=None)
@given(steps(inputs_max=20, outputs_max=8), SEEDS)
def test_a_changed_weight_or_start_word_is_refused_by_the_proof_or_seen_in_the_answer(drawn, seed):
    step, placed = drawn
    rng = Random(seed)
    packing = plan(step, placed)
    k, i = rng.randrange(len(step.bias)), rng.randrange(len(placed.ranges))
    x = list(random_input(rng, placed))
    x[i] = max(placed.ranges[i], key=abs)
    row = list(step.weights[k])
    row[i] += rng.choice((-1, 1))
    other_weight = replace(step, weights=(*step.weights[:k], tuple(row), *step.weights[k + 1 :]))
    other_start = replace(step, bias=(*step.bias[:k], step.bias[k] + rng.choice((-1, 1)), *step.bias[k + 1 :]))
    for other, is_felt in ((other_start, True), (other_weight, x[i] != 0)):
        if is_felt and is_proved(other, packing, placed):  # a change that the packing is not proved for is caught there
            assert unpacked(other, packing, x) != sums(step, x)


def test_an_input_that_could_be_greater_than_its_place_is_refused():
    step = Dense(((1, 1),), (0,))
    places = (Place(0, 0, 8), Place(0, 8, 8))
    fits = Source("calldata", places, (Interval(0, 255), Interval(0, 255)))
    check_places(plan(step, fits), fits)
    for high, low in ((256, 0), (255, -1)):
        leaves = replace(fits, ranges=(Interval(0, 255), Interval(low, high)))
        with pytest.raises(VerificationFailed, match="leaves its place"):
            check_places(plan(step, fits), leaves)


@pytest.mark.parametrize(("low", "high", "fits"), [(-128, 127, True), (0, 128, False), (-129, 0, False)])
def test_a_lane_of_eight_bits_holds_what_a_signed_byte_does_and_nothing_more(low, high, fits):
    step, placed = Dense(((1,),), (0,)), Source("memory", (Place(0, 0, 256),), (Interval(low, high),))
    assert is_proved(step, Packing(8, 1, 1, 256, (InputSet(placed.places[0], (0,)),)), placed) == fits


def test_inputs_wider_than_their_distance_are_refused():
    """Their masks would overlap."""
    placed = Source("calldata", (Place(0, 0, 16), Place(0, 8, 16)), (Interval(0, 1), Interval(0, 1)))
    packing = Packing(4, 2, 2, 8, (InputSet(placed.places[0], (0, 1)),))
    with pytest.raises(VerificationFailed, match="inputs overlap"):
        check_places(packing, placed)


def test_an_output_that_needs_257_bits_is_refused_and_one_of_256_is_computed():
    placed = Source("memory", (Place(0, 0, 256),), (Interval(-(2**254), 2**254 - 1),))
    widest = Dense(((2,),), (0,))
    packing = plan(widest, placed)
    assert packing.lane_bits == 256
    for x in ((-(2**254),), (2**254 - 1,)):
        assert executed(widest, packing, placed, x) == sums(widest, x)
    with pytest.raises(InvalidInput) as refused:
        plan(replace(widest, bias=(2,)), placed)
    assert refused.value.code == "kernel.overflow"


def test_inputs_far_apart_leave_room_for_fewer_outputs_and_the_plan_says_so():
    """At 100 bits apart two blocks of eleven lanes of ten bits would end at bit 310; the planner once weighed that."""
    placed = Source("memory", tuple(Place(32 * (k // 2), k % 2 * 100, 4) for k in range(40)), (Interval(0, 15),) * 40)
    step = Dense(tuple(tuple((k + i) % 3 * 2 - 2 for i in range(40)) for k in range(12)), (0,) * 12)
    packing = plan(step, placed)
    assert is_proved(step, packing, placed)
    assert executed(step, packing, placed, (15,) * 40) == sums(step, (15,) * 40)


def test_garbage_right_above_the_topmost_lane_is_not_read():
    """Three blocks of five lanes of 17 bits end at bit 254; at bit 255 begins what nobody reads."""
    rng = Random(9)
    placed = Source("memory", tuple(Place(0, 17 * k, 8) for k in range(15)), (Interval(0, 255),) * 15)
    step = Dense(tuple(tuple(rng.choice((-17, 16)) for _ in range(15)) for _ in range(5)), (0,) * 5)
    packing = plan(step, placed)
    assert (packing.blocks, packing.stride, packing.lanes * packing.lane_bits) == (3, 85, 85)
    for _ in range(20):
        x = random_input(rng, placed)
        assert executed(step, packing, placed, x) == sums(step, x)


@pytest.mark.parametrize(("low", "high", "bits"), [
    (0, 0, 1), (-1, 0, 1), (0, 1, 2), (-2, 1, 2), (-3, 0, 3), (0, 127, 8), (-128, 0, 8), (-129, 127, 9), (5, 9, 5),
    (-9, -5, 5),
])  # fmt: skip
def test_a_lane_is_as_wide_as_its_interval_needs(low, high, bits):
    assert bits_of(Interval(low, high)) == bits


def test_more_inputs_a_multiplication_are_planned_where_lanes_are_narrow():
    rng = Random(5)
    step = Dense(tuple(tuple(rng.randint(-127, 127) for _ in range(256)) for _ in range(8)), (0,) * 8)
    placed = Source(
        "calldata", tuple(Place(32 * (k // 32), 248 - k % 32 * 8, 8) for k in range(256)), (Interval(0, 255),) * 256
    )
    packing = plan(step, placed)
    assert packing.blocks > 1
    assert len(packing.sets) < 256
