"""The bound that is told holds: on random models and on real ones, at the ends of the ranges and between."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.lithic.floats import Activation, Affine, FloatModel, evaluate
from tallystick.lithic.integer.batch import evaluate_rows
from tallystick.lithic.integer.model import IntegerModel, Relu
from tallystick.lithic.quantise.conversion import Conversion, Precision, convert
from tallystick.lithic.quantise.grids import decode, encode, observed_ranges
from tallystick.lithic.quantise.outcome import comparable
from tests.lithic.quantise.estimators import trained
from tests.lithic.quantise.random_floats import random_model, random_ranges, random_rows
from tests.lithic.random_models import examples

DOUBLE = 1e-9  # of the greatest number under way: what evaluation in double precision is off


def capped(model: IntegerModel, vectors: list[np.ndarray]) -> np.ndarray:
    """Return which rows make an activation exceed its cap."""
    found = np.zeros(len(vectors[0]), dtype=bool)
    for step, before in zip(model.steps, vectors, strict=False):
        if isinstance(step, Relu) and step.cap is not None:
            found |= (before.astype(object) >> step.shift > step.cap).any(axis=1)
    return found


def check(made: Conversion, model, rows: np.ndarray) -> None:
    """Hold every kind of bound on these rows, which are in range."""
    integers = encode(made.integer.input, rows, clip=True)
    vectors = evaluate_rows(made.integer, integers)
    scores = vectors[-1].astype(float) * float(made.integer.scale)
    on_grid = evaluate(model, decode(made.integer.input, integers))
    slack = DOUBLE * max(1.0, max(float(np.abs(vector).max()) for vector in on_grid))
    off = np.abs(scores - comparable(model, on_grid[-1]))
    assert (off <= np.array(made.bound.on_grid, dtype=float) + slack).all()
    free = ~capped(made.integer, vectors)
    assert (off[free] <= np.array(made.bound.uncapped, dtype=float) + slack).all()
    anywhere = np.abs(scores - comparable(model, evaluate(model, rows)[-1]))
    assert (anywhere <= np.array(made.bound.in_range, dtype=float) + slack).all()


@settings(max_examples=examples(120), deadline=None)
@given(st.integers(0, 2**64 - 1), st.integers(1, 6), st.booleans())
def test_the_error_of_a_random_model_is_within_its_bound(seed: int, features: int, has_sample: bool) -> None:
    rng = Random(seed)
    ranges = random_ranges(rng, features)
    model = random_model(rng, ranges)
    rows = random_rows(rng, ranges, 20)
    bits = Precision(rng.choice((None, 8, 16)), *(rng.randint(2, most) for most in (12, 16, 12, 20, 8)))
    check(convert(model, ranges, rows[2:9] if has_sample else None, bits), model, rows)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ("breast_cancer", "logistic"), ("breast_cancer", "relu"), ("breast_cancer", "tanh"),
        ("breast_cancer", "sigmoid"), ("breast_cancer", "boosting"), ("breast_cancer", "forest"), ("iris", "bayes"),
        ("iris", "forest"), ("iris", "clusters"), ("diabetes", "ridge"), ("diabetes", "regressor"),
        ("diabetes", "regression tree"), ("digits", "wide"),
    ],
)  # fmt: skip
def test_the_error_of_a_real_model_is_within_its_bound(data: str, kind: str) -> None:
    given_model = trained(data, kind)
    ranges = observed_ranges(given_model.model.features, np.concatenate([given_model.sample, given_model.rows]))
    made = convert(given_model.model, ranges, given_model.sample)
    check(made, given_model.model, given_model.rows)
    low, high = ([float(getattr(r, end)) for r in ranges.values()] for end in ("low", "high"))
    check(made, given_model.model, np.array([low, high]))


@pytest.mark.parametrize("kind", ["sigmoid", "tanh"])
def test_the_ends_of_the_coarsest_tables_are_within_the_bound(kind: str) -> None:
    one = Affine(np.array([[1.0]]), np.zeros(1))
    model = FloatModel("table", ("x",), (one, Activation(kind), one), "value")
    rows = np.linspace(-20, 20, 401).reshape(-1, 1)
    for value_bits in (1, 2, 3, 5):
        for table_bits in (2, 3, 4):
            check(convert(model, [(-20, 20)], None, Precision(activation=value_bits, table=table_bits)), model, rows)


def test_a_bound_that_is_a_little_too_small_is_broken() -> None:
    given_model = trained("breast_cancer", "boosting")
    ranges = observed_ranges(given_model.model.features, given_model.sample)
    made = convert(given_model.model, ranges)
    found = []
    for share in (1.0, 0.1):
        smaller = tuple(str(float(value) * share) for value in made.bound.on_grid)
        claim = Conversion(made.integer, type(made.bound)(smaller, smaller, made.bound.in_range), made.choice)
        try:
            check(claim, given_model.model, given_model.sample)
        except AssertionError:
            found.append(share)
    assert found == [0.1]


def test_a_unit_that_is_never_on_is_never_off() -> None:
    hidden = Affine(np.array([[0.0, 0.0], [-1.0, 0.0], [0.5, -0.25]]), np.array([0.0, -1.0, 0.0]))
    steps = (hidden, Activation("relu"), Affine(np.array([[50.0, -50.0, 1.0]]), np.zeros(1)))
    model = FloatModel("dead", ("a", "b"), steps, "value")
    rows = np.array([[x / 4, y / 4] for x in range(5) for y in range(5)])
    bounds = []
    for bits in (6, 10, 14):
        made = convert(model, [(0, 1), (0, 1)], rows, Precision(8, bits, bits, bits))
        check(made, model, rows)
        bounds.append(float(made.bound.uncapped[0]))
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[0] < 0.1


def test_more_bits_make_a_smaller_bound() -> None:
    given_model = trained("breast_cancer", "relu")
    ranges = observed_ranges(given_model.model.features, given_model.sample)
    bounds = [
        float(convert(given_model.model, ranges, None, Precision(16, bits, bits, bits)).bound.on_grid[0])
        for bits in (4, 8, 12, 16)
    ]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[-1] < bounds[0] / 500
