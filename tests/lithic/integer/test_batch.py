"""Many rows at once give what the reference gives for each, to the last bit, in every arithmetic."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.core.errors import InvalidInput
from tallystick.lithic.integer.batch import evaluate_rows, predict_rows
from tallystick.lithic.integer.model import Dense, Field, Input, IntegerModel, Relu, Shift, Squares, Table
from tallystick.lithic.integer.reference import evaluate, predict
from tests.lithic.random_models import examples, inputs, models


@settings(max_examples=examples(60), deadline=None)
@given(models(), st.integers(0, 2**32 - 1))
def test_many_rows_give_what_the_reference_gives_for_each(model: IntegerModel, seed: int) -> None:
    rows = inputs(model, Random(seed), 3)
    vectors = evaluate_rows(model, rows)
    answers = predict_rows(model, rows)
    for number, row in enumerate(rows):
        assert tuple(map(int, answers[number])) == predict(model, row)
        assert [tuple(map(int, vector[number])) for vector in vectors] == evaluate(model, row)


@pytest.mark.parametrize("bits", [40, 52, 53, 62, 63, 64, 90, 200])
def test_sums_at_the_edges_of_an_arithmetic_are_exact(bits: int) -> None:
    half = 1 << bits - 9
    steps = (Dense(((half, half - 1), (-half, 1 - half), (1, -1)), (half, -half, 1)),)
    model = IntegerModel("edge", Input(8, (Field("a", 0, 255, "0", "1"),) * 2), steps, "argmax", (), "1")
    for row in ((255, 255), (0, 0), (255, 254), (1, 255)):
        assert tuple(map(int, predict_rows(model, [row])[0])) == predict(model, row)


def test_what_has_left_a_word_stays_exact_through_every_step() -> None:
    steps = (
        Dense(((1 << 70, -1), (3, 1 << 40)), (-5, 7)),
        Squares(),
        Shift(80),
        Relu(3, 1 << 66),
        Table(1, -2, (7, -9)),
    )
    model = IntegerModel("great", Input(8, (Field("a", 0, 255, "0", "1"),) * 2), steps, "none", (), "1")
    for row in ((255, 255), (0, 255), (255, 0), (0, 0), (1, 1)):
        assert [tuple(map(int, vector[0])) for vector in evaluate_rows(model, [row])] == evaluate(model, row)


def test_equal_scores_are_won_by_the_first() -> None:
    model = IntegerModel(
        "tie", Input(8, (Field("a", 0, 255, "0", "1"),)), (Dense(((0,), (1,), (1,)), (3, 0, 0)),), "argmax", (), "1"
    )
    assert [int(row[0]) for row in predict_rows(model, [[3], [4], [0]])] == [0, 1, 0]


@pytest.mark.parametrize(
    ("rows", "words"),
    [([[0, 10]], "b of row 0"), ([[1, 2], [1, 0]], "b of row 1"), ([[1]], "wrong number"), ([[1.0, 2.0]], "integers")],
)
def test_a_row_that_the_kernel_refuses_is_refused_by_name(rows: list[list[float]], words: str) -> None:
    fields = (Field("a", 0, 255, "0", "1"), Field("b", 1, 9, "0", "1"))
    model = IntegerModel("narrow", Input(8, fields), (Dense(((1, 1),), (0,)),), "none", (), "1")
    with pytest.raises(InvalidInput, match=words) as refused:
        predict_rows(model, rows)
    assert refused.value.code == "kernel.input"
    assert predict_rows(model, [[255, 9]]).tolist() == [[264]]
