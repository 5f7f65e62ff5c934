"""What nobody declared is chosen: grids on which rows keep their side of thresholds, bits that count declared steps."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import datasets

from tallystick.core.errors import InvalidInput
from tallystick.lithic.floats import Activation, Affine, FloatModel, Fork, OneHot, Trees, evaluate
from tallystick.lithic.importers import read_onnx
from tallystick.lithic.integer import reference
from tallystick.lithic.integer.batch import predict_rows
from tallystick.lithic.integer.decimals import ratio
from tallystick.lithic.quantise.choices import BITS_REASONS, STEP_REASONS
from tallystick.lithic.quantise.conversion import Conversion, Precision, convert
from tallystick.lithic.quantise.exact import threshold
from tallystick.lithic.quantise.grids import Range, encode, observed_ranges
from tallystick.lithic.quantise.outcome import comparable
from tests.lithic.importers.test_fixtures import fixture
from tests.lithic.random_models import examples

DATA = {
    "xgboost_binary": "breast_cancer", "xgboost_forest": "breast_cancer", "xgboost_value": "diabetes",
    "lightgbm_binary": "breast_cancer", "lightgbm_value": "diabetes",
}  # fmt: skip


def line(*steps, features: int = 1) -> FloatModel:
    """Return a model of these steps."""
    return FloatModel("test", tuple(f"x{k}" for k in range(features)), steps, "value")


def scores(made: Conversion, rows: np.ndarray) -> np.ndarray:
    """Return the integer model's scores in the float model's terms."""
    answers = predict_rows(made.integer, encode(made.integer.input, rows, clip=True))
    return answers[:, int(made.integer.decision != "none") :] * float(made.integer.scale)


def step_of(made: Conversion, feature: int = 0) -> tuple[str, str]:
    """Return a feature's step, and why it is that."""
    return made.choice.grids[feature].field.step, made.choice.grids[feature].reason


# --- trees


@pytest.mark.parametrize("name", DATA)
def test_trees_split_at_values_of_the_data_send_every_row_where_the_library_sends_it(name: str) -> None:
    model = read_onnx(fixture(name)[0], name=name)
    rows = getattr(datasets, f"load_{DATA[name]}")().data.astype(np.float32).astype(float)
    made = convert(model, observed_ranges(model.features, rows), rows)
    off = np.abs(scores(made, rows) - comparable(model, evaluate(model, rows)[-1]))
    assert off.max() <= float(made.bound.on_grid[0]) * 1.001  # as if the rows were on the grid


@settings(max_examples=examples(60), deadline=None)
@given(st.integers(0, 2**64 - 1), st.sampled_from((1, 2, 6)), st.sampled_from((2, 6, 40)))
def test_every_point_of_a_chosen_grid_goes_the_way_it_went(seed: int, places: int, count: int) -> None:
    rng = Random(seed)
    rows = np.array([[round(rng.gauss(0, 1), places)] for _ in range(count)])
    forks = [(float(rng.choice(rows)[0]) + rng.choice((0.0, 0.0, rng.gauss(0, 1))), rng.random() < 0.5)]
    forks += [(float(row[0]), rng.random() < 0.5) for row in rows[:8]]
    model = line(Trees((0.0,), tuple(Fork(0, t, (-1.0,), (1.0,), s) for t, s in forks)))
    made = convert(model, [(-9, 9)], rows)
    field = made.integer.input.fields[0]
    for value, _ in forks:
        near = int((threshold(value) - ratio(field.origin)) / ratio(field.step))
        for integer in {max(near + k, 0) for k in range(-2, 4)} | {field.low, field.high}:
            x = ratio(field.origin) + ratio(field.step) * min(integer, field.high)
            expected = sum(-1 if (x < threshold(t) if s else x <= threshold(t)) else 1 for t, s in forks)
            (score,) = reference.predict(made.integer, (min(integer, field.high),))
            assert score * ratio(made.integer.scale) == expected


@settings(max_examples=examples(60), deadline=None)
@given(st.integers(0, 2**64 - 1), st.integers(1, 4), st.booleans())
def test_rows_that_stand_on_thresholds_stay_on_their_side_of_them(seed: int, count: int, is_strict: bool) -> None:
    """Invariant: with few thresholds, and rows that are some steps apart, a grid is found on which all rows stay."""
    draw = np.random.default_rng(seed)
    rows = np.cumsum(draw.exponential(size=200) + 0.02).reshape(-1, 1)  # a step is about 0.003
    forks = tuple(Fork(0, float(value), (-1.0,), (1.0,), is_strict) for value in draw.choice(rows[:, 0], count))
    made = convert(line(Trees((0.0,), forks)), observed_ranges(("x0",), rows), rows)
    assert (scores(made, rows) == evaluate(line(Trees((0.0,), forks)), rows)[-1]).all()


def test_without_a_sample_a_range_is_a_line_and_a_row_on_a_threshold_may_cross_it() -> None:
    model = line(Trees((0.0,), tuple(Fork(0, k / 7, (-1.0,), (1.0,), True) for k in range(-20, 20))))
    rows = np.array([[k / 7] for k in range(-20, 20)])
    plain, chosen = convert(model, [(-3, 3)]), convert(model, [(-3, 3)], rows)
    assert (step_of(plain)[1], step_of(chosen)[1]) == ("line", "rows")
    expected = evaluate(model, rows)[-1]
    assert (scores(plain, rows) != expected).any()
    assert (scores(chosen, rows) == expected).all()


def test_decimal_rows_get_a_decimal_grid_and_a_declared_step_is_left_alone() -> None:
    model = line(Trees((0.0,), (Fork(0, 0.3, (-1.0,), (1.0,), True),)))
    rows = np.array([[k / 10] for k in range(31)])
    assert step_of(convert(model, [(0, 3)], rows)) == ("0.00005", "rows")
    assert step_of(convert(model, [(0, 3)], rows.astype(np.float32))) == ("0.00005", "rows")
    assert step_of(convert(model, [(0, 3, "0.15")], rows)) == ("0.15", "declared")


def test_a_chosen_step_is_no_promise_that_numbers_come_in_it() -> None:
    model = line(Trees((0.0,), (Fork(0, 0.3, (-1.0,), (1.0,)),)))
    made = convert(model, [(0, 3)], [[k / 10] for k in range(31)])
    assert (made.bound.on_grid, made.bound.in_range) == (("0",), ("2",))


@pytest.mark.parametrize("high", ["1e-30", "1", "1e60"])
def test_thresholds_and_rows_far_outside_the_range_do_no_harm(high: str) -> None:
    forks = tuple(Fork(0, value, (-1.0,), (1.0,), True) for value in (1e30, -3e300, 0.1, 0.0, float(high) / 3))
    rows = np.array([[0.0], [float(high) / 3], [1e300], [-1e300]])
    model = line(Trees((0.0,), forks))
    made = convert(model, [(0, high)], rows)
    inside = rows[:2]
    assert (scores(made, inside) == evaluate(model, inside)[-1]).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_threshold_that_is_no_number_is_refused_with_a_sample_too(value: float) -> None:
    with pytest.raises(InvalidInput) as refused:
        convert(line(Trees((0.0,), (Fork(0, value, (1.0,), (2.0,)),))), [(0, 1)], [[0.5]])
    assert refused.value.code == "kernel.float"


# --- bits


WHOLE = np.array([[k * 7.0] for k in range(60)])  # 0 to 413


def test_a_declared_step_that_eight_bits_do_not_count_gets_sixteen() -> None:
    made = convert(line(Affine(np.array([[1.0]]), np.zeros(1))), [(0, 1000, 1)])
    assert (made.choice.bits, made.choice.bits_reason) == (16, "steps")
    assert step_of(made) == ("1", "declared")
    assert convert(line(Affine(np.array([[1.0]]), np.zeros(1))), [(0, 255, 1)]).choice.bits == 8


def test_whole_numbers_that_eight_bits_do_not_count_are_rounded_where_nobody_declared_them() -> None:
    network = line(Affine(np.array([[0.01]]), np.zeros(1)), Activation("relu"), Affine(np.array([[1.0]]), np.zeros(1)))
    made = convert(network, observed_ranges(("x0",), WHOLE), WHOLE)
    assert (made.choice.bits, step_of(made)) == (8, ("1.61961", "widened"))
    assert float(made.bound.in_range[0]) > float(made.bound.on_grid[0])  # what rounding them may cost is told
    found = convert(network, observed_ranges(("x0",), WHOLE), WHOLE, Precision(16))
    assert (found.choice.bits_reason, step_of(found)) == ("asked", ("1", "whole"))


@pytest.mark.parametrize(("bits", "high"), [(8, 256), (16, 65_536), (None, 65_536)])
def test_a_declared_step_too_fine_for_the_bits_asked_for_or_for_any_is_refused(bits, high: int) -> None:
    model = line(Affine(np.array([[1.0]]), np.zeros(1)))
    convert(model, [(0, high - 1, 1)], None, Precision(bits))
    with pytest.raises(InvalidInput, match="more steps than") as refused:
        convert(model, [(0, high, 1)], None, Precision(bits))
    assert refused.value.code == "kernel.range"
    assert ("do not ask for 8 bits" in refused.value.hint) == (bits == 8)


def test_many_categories_get_sixteen_bits_and_every_reason_has_words() -> None:
    model = line(OneHot(((1.0, 400.0),)), Affine(np.array([[1.0, 2.0]]), np.zeros(1)))
    made = convert(model, [(1, 400)])
    assert (made.choice.bits_reason, step_of(made)) == ("steps", ("1", "categories"))
    assert step_of(convert(line(Affine(np.array([[1.0]]), np.zeros(1))), [Range(5, 5)]))[1] == "constant"
    assert (
        step_of(convert(line(Affine(np.array([[1.0]]), np.zeros(1))), [Range(Fraction(0), Fraction(1))]))[1] == "line"
    )
    assert {"asked", "trees", "steps", "usual"} == set(BITS_REASONS)
    assert {"declared", "whole", "categories", "rows", "line", "widened", "constant"} == set(STEP_REASONS)
