"""Shapes at which kernels went wrong, or could: many words of outputs, code beyond 64 kB, lanes of 1 and 256 bits."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from tallystick.core.errors import InvalidInput
from tallystick.core.limits import CODE_BYTES_MAX
from tallystick.lithic.evm.emit import emit_kernel
from tallystick.lithic.integer.model import (
    Dense,
    Field,
    Input,
    IntegerModel,
    MaxPool,
    Node,
    OneHot,
    Relu,
    Shift,
    Squares,
    Table,
    Trees,
)
from tallystick.lithic.integer.reference import predict
from tests.lithic.kernel_kit import VIEWS, Kernel, locate
from tests.lithic.kernel_models import dense, model


def agree(kernel: Kernel, *xs) -> None:
    for x in xs:
        assert kernel.predict(x) == predict(kernel.model, x)


def ends(whole: IntegerModel) -> list[tuple[int, ...]]:
    fields = whole.input.fields
    return [tuple(f.low for f in fields), tuple(f.high for f in fields), tuple((f.low + f.high) // 2 for f in fields)]


BYTE = Dense(((1, 0),), (-128,))  # fills a lane of 8 bits
SIGNED = Dense(((1, 0), (0, -1)), (-128, 100))  # (x - 128, 100 - y)


@pytest.mark.parametrize("steps", [
    (SIGNED, Relu(7)), (SIGNED, Relu(8)), (SIGNED, Relu(255)), (SIGNED, Relu(0, 0)), (SIGNED, Relu(6, 0)),
    (SIGNED, Relu(0, 127)), (SIGNED, Relu(0, 126)), (SIGNED, Relu(1, 63)), (SIGNED, Relu(1, 62)),
    (SIGNED, Relu(0, 2**254)),
    (BYTE, Relu(0, 127)), (BYTE, Relu(0, 126)), (BYTE, Relu(0, 125)), (BYTE, Relu(6, 0)), (BYTE, Relu(5, 2)),
    (SIGNED, Shift(7), Relu()), (SIGNED, Shift(7), Trees((0,), (Node(0, 0, (1,), (2,)),))),  # from -1 on
    (Shift(6), Table(0, 1, (5, 9))), (Shift(6), Table(0, 0, (5, 9, 7))), (Shift(6), Table(0, -1, (1, 5, 9, 7, 3, 2))),
    (Shift(6), Relu(0, 2)), (Shift(6), Relu(0, 3)), (Shift(0), Relu(2, 62)), (Shift(0), Relu(2, 63)),
    (SIGNED, Relu(3), Dense(((1, 1),), (0,))), (SIGNED, Relu(9), Dense(((5, 5),), (3,))),
    (Dense(((-1, -1),), (-1,)), Relu(), Dense(((7,),), (1,))),  # never positive
    (Dense(((0, 0), (0, 0)), (0, -1)), Relu(), Dense(((3, 3),), (0,))),  # lanes of one bit
    (Dense(((0, 0),) * 300, (0, -1) * 150), Relu(), Dense((((3,) * 300),), (0,))),  # 256 lanes in a word
    (Dense(((2**246, 0), (0, -(2**246))), (0, 0)), Relu(240), Dense(((1, -1),), (0,))),  # lanes of 255 bits
    (Dense(((2**247 - 1, 0), (0, -(2**247) + 1)), (0, -1)), Relu(), Shift(250)),
    (Dense(((2**247 - 1, 0),), (2**246,)), Relu(3, 2**250), Shift(1)),
    (SIGNED, MaxPool(((0, 1), (1, 0), (1, 1, 1))),), (SIGNED, Squares(), Dense(((1, 1, 1, 1),), (0,))),
    (SIGNED, OneHot(((-128, -1, 0, 127, 5_000), (-155, 100, -156))),), (OneHot(((-1, 0, 256), None)),),
    (SIGNED, Table(0, -3, (9, -8, 7)),), (SIGNED, Table(0, -200, (1, 2)),), (SIGNED, Table(0, 200, (1, 2)),),
    (SIGNED, Table(3, -16, tuple(range(-(2**200), -(2**200) + 32))),), (Table(0, 0, (1 - 2**255, 2**255 - 1)),),
    (SIGNED, Trees((0,), (Node(0, -5, (1,), Node(1, 0, (2,), (-3,))), Node(1, -155, (7,), (9,)), (4,)))),
    (SIGNED, Trees((2**254, -(2**254)), (Node(0, 0, (1, -1), (-1, 1)),))),
    (Relu(4, 9),), (Shift(255),), (Squares(),) * 4, (MaxPool(((1,),)),), (Trees((3, 4), ()),),
    (Trees((3,), ((4,), (5,))),),
    (Dense(((0, 0),), (0,)),), (Dense(((0, 0),) * 40, tuple(range(-20, 20))),),
])  # fmt: skip
@pytest.mark.parametrize("decision", ["none", "argmax"])
def test_an_edge_is_computed_as_the_reference_does(steps, decision):
    whole = model(*steps, inputs=2, decision=decision)
    agree(Kernel(whole), *ends(whole), (0, 255), (255, 0), (1, 100), (127, 99), (128, 101))


def test_the_first_of_equal_scores_is_the_decision():
    rows = ((1, 0), (0, 1), (1, 0), (0, 1))
    kernel = Kernel(model(Dense(rows, (0,) * 4), inputs=2, decision="argmax"))
    assert [kernel.predict(x)[0] for x in ((4, 4), (4, 5), (5, 4), (0, 0))] == [0, 1, 0, 0]


@pytest.mark.parametrize("outputs", [24, 26, 28])
def test_zeros_are_passed_over_with_as_many_words_of_outputs_as_the_stack_reaches(outputs):
    """Two outputs a word: twelve words are summed on the stack, more are not."""
    rows = tuple(tuple((k + 1) * (i - 3) * 2**110 for i in range(9)) for k in range(outputs))
    whole = model(Dense(rows, tuple(range(outputs))), inputs=9)
    kernel = Kernel(whole, 0)
    assert kernel.emitted.packings[0].groups(outputs) == outputs // 2
    agree(kernel, *ends(whole), (0, 9, 0, 0, 255, 0, 1, 0, 0))


def test_trees_of_more_outputs_than_the_stack_reaches_are_summed():
    """Sums of 21 words: SWAP reaches 17."""
    rng = Random(1)

    def leaf():
        return tuple(rng.randint(-(2**20), 2**20) for _ in range(250))

    step = Trees(leaf(), tuple(Node(k, 128, leaf(), Node(0, 7, leaf(), leaf())) for k in range(2)))
    whole = model(step, inputs=2, decision="argmax")
    agree(Kernel(whole), *ends(whole), (200, 3))


def test_a_step_whose_code_passes_two_bytes_of_addresses_is_split():
    """67 kB in the first attempt, when nothing is split yet: no jump could name its place."""
    whole = model(dense(420, 64, seed=2), inputs=420)
    kernel = Kernel(whole)
    assert sum(len(part.code) for part in kernel.emitted.parts) + len(kernel.emitted.code) > 2**16
    agree(kernel, ends(whole)[1])


def test_a_forest_of_large_and_small_trees_is_split_by_bytes():
    """Split by number, its first part would be far too large."""
    rng = Random(3)

    def tree(depth):
        return (
            Node(rng.randrange(9), rng.randint(1, 255), tree(depth - 1), tree(depth - 1))
            if depth
            else (rng.randint(0, 2**20),)
        )

    whole = model(Trees((0,), tuple(tree(6 if k < 50 else 1) for k in range(400))), inputs=9)
    kernel = Kernel(whole)
    assert len(kernel.emitted.parts) > 1
    agree(kernel, *ends(whole))


@pytest.mark.parametrize("steps", [
    (Table(0, 0, tuple(range(0, 2**200, 2**189))),),  # 52 kB of table
    (Squares(),) * 7 + (MaxPool(tuple((k,) for k in range(256)) * 16),),  # 4,096 answers
])  # fmt: skip
def test_what_cannot_be_split_into_contracts_is_refused(steps):
    with pytest.raises(InvalidInput) as refused:
        emit_kernel(model(*steps, inputs=2, high=1), VIEWS, locate)
    assert refused.value.code == "kernel.size"


def test_a_tree_that_alone_passes_the_limit_is_refused():
    rng = Random(3)

    def tree(depth):
        return (
            Node(rng.randrange(40), rng.randint(1, 255), tree(depth - 1), tree(depth - 1))
            if depth
            else (rng.randint(0, 2**99),)
        )

    with pytest.raises(InvalidInput) as refused:
        emit_kernel(model(Trees((0,), (tree(11), tree(2))), inputs=40), VIEWS, locate)
    assert refused.value.code == "kernel.size"


def test_the_most_fields_that_a_kernel_has_are_all_taken():
    fields = tuple(Field(f"f{k}", 0, 255, "0", "1") for k in range(4_096))
    whole = IntegerModel("wide", Input(8, fields), (dense(4_096, 1, seed=6),), "positive", (), "1")
    agree(Kernel(whole), *ends(whole), tuple(k * 37 % 256 for k in range(4_096)))
    with pytest.raises(InvalidInput):
        replace(whole, input=Input(8, (*fields, fields[0])))


def test_the_most_steps_that_a_model_has_are_all_taken():
    steps = (Relu(),) * 31 + (Shift(0),) * 31 + (Dense(((-1, 1),), (3,)), Shift(1))
    agree(Kernel(model(*steps, inputs=2)), (0, 255), (255, 0), (1, 1))
    with pytest.raises(InvalidInput):
        model(*steps, Shift(0), inputs=2)


@pytest.mark.parametrize("limit", [CODE_BYTES_MAX, 6_000, 2_000])
def test_no_contract_passes_the_limit_of_its_chain(limit):
    emitted = emit_kernel(
        model(dense(120, 20, seed=4), Relu(), dense(20, 3, seed=5), inputs=120), VIEWS, locate, 1_000, limit
    )
    assert max(len(code) for code in (emitted.code, *(part.code for part in emitted.parts))) <= limit
