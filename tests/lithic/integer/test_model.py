"""A model is refused unless its steps fit one another and its numbers are integers that a word holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tallystick.core.errors import InvalidInput
from tallystick.lithic.integer.model import Dense, Input, MaxPool, Node, OneHot, Relu, Shift, Squares, Table, Trees
from tallystick.lithic.integer.reference import pack, predict
from tests.lithic.kernel_models import fields, model

END = 2**255


@pytest.mark.parametrize("steps", [
    (Dense(((END,),), (0,)),), (Dense(((1,),), (-END,)),), (Dense(((np.int64(1),),), (0,)),),
    (Dense(((True,),), (0,)),),
    (Dense(((1.0,),), (0,)),), (OneHot(((2**256 + 3,),)),), (Table(0, 2**256, (1, 2)),), (Table(0, 0, (END,)),),
    (Relu(0, END),), (Trees((END,), ()),), (Trees((0,), (Node(0, 2**256 + 4, (1,), (2,)),)),),
    (Trees((0,), ((END,),)),),
    (Shift(np.int8(1)),), (MaxPool(((False,),)),),
])  # fmt: skip
def test_a_number_that_is_no_int_or_leaves_a_word_is_refused(steps):
    with pytest.raises(InvalidInput, match="int within") as refused:
        model(*steps, inputs=1)
    assert refused.value.code == "kernel.model"


@pytest.mark.parametrize("steps", [
    (Dense(((END - 1,),), (1 - END,)),), (OneHot(((1 - END, END - 1),)),), (Table(0, END - 1, (1 - END, END - 1)),),
    (Relu(255, END - 1),), (Trees((END - 1,), (Node(0, 1 - END, (0,), (0,)),)),),
])  # fmt: skip
def test_the_greatest_numbers_that_a_word_holds_are_taken(steps):
    model(*steps, inputs=1, high=1)


@pytest.mark.parametrize("steps", [
    (Dense((), ()),), (Dense(((1,),), (0,)),), (Dense(((1, 2),), (0, 0)),), (Relu(256),), (Relu(-1),), (Relu(0, -1),),
    (Shift(256),), (Table(0, 0, ()),), (Table(-1, 0, (1,)),), (OneHot((None,)),), (OneHot(((), None)),), (MaxPool(()),),
    (MaxPool(((),)),), (MaxPool(((2,),)),), (Trees((), ()),), (Trees((0,), (Node(2, 0, (1,), (2,)),)),),
    (Trees((0,), ((1, 2),)),), (), (Squares(),) * 20,
])  # fmt: skip
def test_a_step_that_does_not_fit_is_refused(steps):
    with pytest.raises(InvalidInput) as refused:
        model(*steps, inputs=2)
    assert refused.value.code == "kernel.model"


def test_a_tree_deeper_than_the_bound_is_refused_before_anything_walks_it():
    def tall(depth):
        tree = (1,)
        for _ in range(depth):
            tree = Node(0, 5, tree, (2,))
        return tree

    model(Trees((0,), (tall(64),)), inputs=1)
    with pytest.raises(InvalidInput, match="deep"):
        model(Trees((0,), (tall(65),)), inputs=1)


def test_fields_of_other_widths_and_unknown_decisions_are_refused():
    whole = model(Shift(1), inputs=2)
    for wrong in (
        {"input": Input(12, fields(2))},
        {"input": Input(8, fields(2, high=256))},
        {"input": Input(8, fields(2, low=3, high=2))},
        {"input": Input(8, ())},
        {"decision": "most"},
        {"decision": "positive"},
        {"labels": ("a",)},
    ):
        with pytest.raises(InvalidInput) as refused:
            replace(whole, **wrong)
        assert refused.value.code == "kernel.model"


def test_rows_of_numpy_are_computed_as_pythons_integers_are():
    """Small integers of numpy wrap: 200 · 2 in a uint8 is 144."""
    double = model(Dense(((2, 2),), (0,)), inputs=2)
    for row in (np.array([200, 100], dtype=np.uint8), np.array([200, 100]), [200, 100]):
        assert predict(double, row) == (600,)
        assert pack(double.input, row) == bytes([200, 100])


@pytest.mark.parametrize("row", [[1.0, 2], [1, "2"], [1, None], [1], [1, 2, 3], [1, 256], [-1, 2], None, 7])
def test_an_input_that_is_no_integer_in_range_is_refused(row):
    for ask in (predict, lambda whole, x: pack(whole.input, x)):
        with pytest.raises(InvalidInput) as refused:
            ask(model(Shift(0), inputs=2), row)
        assert refused.value.code == "kernel.input"


def test_the_first_of_equal_scores_is_the_decision():
    same = model(Dense(((1, 0), (0, 1), (1, 0)), (0, 0, 0)), inputs=2, decision="argmax")
    assert predict(same, (4, 4))[0] == 0
    assert predict(same, (4, 5))[0] == 1
    assert predict(same, (5, 4))[0] == 0


def test_a_score_of_zero_is_not_positive():
    one = model(Dense(((1,),), (-3,)), inputs=1, decision="positive")
    assert [predict(one, (x,))[0] for x in (2, 3, 4)] == [0, 0, 1]
