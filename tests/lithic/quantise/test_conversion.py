"""Each kind of step becomes what it says, exactly where it can; the same to the last bit everywhere; or is refused."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.core.errors import InvalidInput
from tallystick.lithic.floats import (
    Activation,
    Affine,
    FloatModel,
    Fork,
    MaxPool,
    OneHot,
    Squares,
    Trees,
    decide,
    evaluate,
)
from tallystick.lithic.integer import reference
from tallystick.lithic.integer.batch import predict_rows
from tallystick.lithic.integer.decimals import ratio
from tallystick.lithic.integer.document import digest
from tallystick.lithic.integer.intervals import intervals
from tallystick.lithic.integer.model import Dense, Node, Relu, Table
from tallystick.lithic.integer.model import OneHot as IntegerOneHot
from tallystick.lithic.quantise.activations import sigmoid, tanh
from tallystick.lithic.quantise.conversion import Precision, check_asked, convert, quantise
from tallystick.lithic.quantise.grids import Range, decode, encode, observed_ranges
from tests.lithic.quantise.estimators import trained


def line(*steps, features: int = 1, task="value", labels=(), threshold=0.0, link="identity") -> FloatModel:
    """Return a model of these steps."""
    return FloatModel("test", tuple(f"x{k}" for k in range(features)), steps, task, labels, threshold, link)


def affine(weights, bias) -> Affine:
    return Affine(np.array(weights, dtype=float), np.array(bias, dtype=float))


# --- trees


@settings(max_examples=60, deadline=None)
@given(
    st.integers(-500, 500), st.integers(1, 400), st.sampled_from(("0.1", "0.25", "0.003", "1", "7")),
    st.floats(-600, 600), st.booleans(), st.booleans(),
)  # fmt: skip
def test_every_point_of_the_grid_goes_the_way_it_went(low, count, step, anywhere, on_point, strict) -> None:
    grid = Range(low * Fraction(step), (low + count) * Fraction(step), step)
    threshold = float((low + Random(count).randint(0, count)) * Fraction(step)) if on_point else anywhere
    model = line(Trees((0.0,), (Fork(0, threshold, (-1.0,), (1.0,), strict),)))
    made = convert(model, [grid], None, Precision(16))
    exact = Fraction(repr(threshold))
    field = made.integer.input.fields[0]
    for integer in range(field.low, field.high + 1):
        x = ratio(field.origin) + ratio(field.step) * integer
        is_left = x < exact if strict else x <= exact
        (score,) = reference.predict(made.integer, (integer,))
        assert score * ratio(made.integer.scale) == (-1 if is_left else 1)
    assert made.bound.in_range == made.bound.on_grid == ("0",)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("factor", [2.0, -2.0, 0.0])
def test_a_scaler_before_trees_moves_their_thresholds(factor: float, strict: bool) -> None:
    steps = (affine([[factor]], [3.0]), Trees((0.0,), (Fork(0, 13.0, (1.0,), (2.0,), strict),)))
    model = line(*steps)
    made = quantise(model, [(-10, 10, 1)])
    assert len(made.steps) == 1
    expected = evaluate(model, np.arange(-10.0, 11).reshape(-1, 1))[-1]
    found = predict_rows(made, np.arange(21).reshape(-1, 1))
    assert (found * float(made.scale) == expected).all()


def test_leaves_are_off_by_half_a_unit_each_at_most_and_a_power_of_two_is_not_off() -> None:
    trees = tuple(Fork(0, k + 0.5, (1 / 3 + k / 7,), (-1 / 3,)) for k in range(9))
    made = convert(line(Trees((0.1,), trees)), [(0, 9, 1)])
    unit = ratio(made.integer.scale)
    assert unit.numerator == 1
    assert unit.denominator.bit_count() == 1
    assert 0 < ratio(made.bound.on_grid[0]) <= (len(trees) + 1) * unit / 2
    assert convert(line(Trees((0.5,), (Fork(0, 1, (0.25,), (-3.0,)),))), [(0, 9, 1)]).bound.on_grid == ("0",)


def test_forks_that_no_input_takes_both_ways_or_that_say_the_same_are_left_out() -> None:
    inner = Fork(0, 20.0, (1.0,), (5.0,))
    tree = Fork(0, 3.5, Fork(0, 8.0, inner, (2.0,)), Fork(0, 6.5, (3.0,), (3.0,)))
    (step,) = quantise(line(Trees((0.0,), (tree,))), [(0, 9, 1)]).steps
    (node,) = step.trees
    assert isinstance(node, Node)
    assert isinstance(node.left, tuple)
    assert isinstance(node.right, tuple)


def test_trees_that_are_but_leaves_or_none_at_all_are_their_base() -> None:
    for trees, expected in (((), 0.75), (((0.5,), (0.25,)), 1.5)):
        made = quantise(line(Trees((0.75,), trees)), [(0, 1)])
        assert predict_rows(made, [[7]])[0, 0] * float(made.scale) == expected


def test_trees_over_features_that_are_rounded_say_that_anything_may_happen_between_grid_points() -> None:
    made = convert(line(Trees((0.0,), (Fork(0, 0.5, (-4.0,), (4.0,)),))), [(0, 1)])
    assert float(made.bound.in_range[0]) >= 8
    assert made.bound.on_grid == ("0",)


# --- sums


def test_scalers_and_grids_end_up_in_the_weights_of_one_dense_step() -> None:
    known = trained("breast_cancer", "logistic")
    made = quantise(known.model, observed_ranges(known.model.features, known.sample))
    (step,) = made.steps
    assert isinstance(step, Dense)


def test_indicators_beside_wide_numbers_keep_their_weight() -> None:
    model = line(OneHot(((0.0, 1.0, 2.0), None)), affine([[0.5, -0.25, 0.125, 0.01]], [0.0]), features=2)
    made = quantise(model, [(0, 2), (0, 255)], input_bits=16)
    assert isinstance(made.steps[0], IntegerOneHot)
    rows = np.array([[c, x] for c in range(3) for x in (0.0, 100.0, 255.0)])
    found = predict_rows(made, encode(made.input, rows)) * float(made.scale)
    assert np.abs(found - evaluate(model, rows)[-1]).max() < 0.002


def test_a_constant_feature_and_a_row_of_zeros_do_no_harm() -> None:
    model = line(affine([[0, 0], [1, 0], [0, 1]], [7, -1, 0]), features=2, task="clusters")
    made = quantise(model, [(5, 5), (0, 1)])
    found = predict_rows(made, encode(made.input, [[5, 0.0], [5, 1.0]]))[:, 1:] * float(made.scale)
    assert np.abs(found - [[7, 4, 0], [7, 4, 1]]).max() < 0.01


# --- hidden layers


def test_activations_use_the_bits_that_are_wanted_on_the_sample_and_are_capped_beyond() -> None:
    known = trained("digits", "wide")
    ranges = observed_ranges(known.model.features, known.sample)
    made = quantise(known.model, ranges, known.sample, activation_bits=6)
    integers = encode(made.input, known.sample)
    for place, step in enumerate(made.steps):
        if isinstance(step, Relu):
            greatest = max(max(reference.evaluate(made, row)[place + 1]) for row in integers[:200].tolist())
            assert 16 < greatest <= 63
            assert step.cap == 63
            assert all(z.high <= 63 for z in intervals(made)[place + 1])


def test_without_a_sample_nothing_is_capped_and_the_bound_is_the_same_with_and_without_caps() -> None:
    known = trained("breast_cancer", "relu")
    made = convert(known.model, observed_ranges(known.model.features, known.sample))
    assert all(step.cap is None for step in made.integer.steps if isinstance(step, Relu))
    assert made.bound.uncapped == made.bound.on_grid
    capped = convert(known.model, observed_ranges(known.model.features, known.sample), known.sample)
    assert float(capped.bound.uncapped[0]) < float(made.bound.uncapped[0])
    assert float(capped.bound.on_grid[0]) > float(capped.bound.uncapped[0])


@pytest.mark.parametrize("kind", ["sigmoid", "tanh"])
def test_a_table_is_as_near_to_its_function_as_its_steps_and_values_allow(kind: str) -> None:
    model = line(affine([[1.0]], [0.0]), Activation(kind))
    made = convert(model, [(-9, 9)], None, Precision(16, table=10))
    assert any(isinstance(step, Table) for step in made.integer.steps)
    rows = np.linspace(-9, 9, 901).reshape(-1, 1)
    found = predict_rows(made.integer, encode(made.integer.input, rows)) * float(made.integer.scale)
    off = np.abs(found - evaluate(model, rows)[-1]).max()
    assert off <= float(made.bound.in_range[0]) < 0.025


def test_sigmoid_and_tanh_are_the_functions_and_their_ends() -> None:
    for x in (-300, -20, -1.5, 0, 0.1, 3, 40):
        assert float(sigmoid(Fraction(x))) == pytest.approx(1 / (1 + np.exp(-float(x))), rel=1e-12, abs=1e-80)
        assert float(tanh(Fraction(x))) == pytest.approx(np.tanh(x), rel=1e-12)


def test_a_table_of_sums_that_leave_nothing_between_its_ends_still_knows_their_sign() -> None:
    made = quantise(line(affine([[1e9]], [0.0]), Activation("tanh")), [(-100, 100, 1)])
    found = predict_rows(made, [[0], [200]])[:, 0] * float(made.scale)
    assert np.abs(found - [-1, 1]).max() < 0.01


def test_maxima_are_taken_of_numbers_of_one_scale() -> None:
    model = line(affine([[1, 0], [0, 100]], [0, -50]), MaxPool(((0, 1), (1,))), features=2, task="clusters")
    made = quantise(model, [(0, 60), (0, 1)], weight_bits=12)
    rows = np.array([[60.0, 0.2], [10.0, 0.9], [0.0, 0.0]])
    found = predict_rows(made, encode(made.input, rows))[:, 1:] * float(made.scale)
    assert np.abs(found - evaluate(model, rows)[-1]).max() < 0.5


def test_squares_are_exact_before_the_weights_are_rounded() -> None:
    model = line(Squares(), affine([[0.0, 1.0]], [0.0]))
    made = quantise(model, [(-8, 7, 1)], score_bits=20)
    rows = np.arange(-8.0, 8).reshape(-1, 1)
    found = predict_rows(made, encode(made.input, rows)) * float(made.scale)
    assert np.abs(found - rows**2).max() < 0.001


# --- decisions


def test_two_classes_become_one_score_and_the_first_keeps_the_ties() -> None:
    model = line(affine([[1], [2]], [3, 0]), task="classes", labels=("a", "b"), link="softmax")
    made = quantise(model, [(0, 6, 1)])
    assert (made.decision, made.labels, made.outputs) == ("positive", ("a", "b"), 2)
    rows = np.arange(7.0).reshape(-1, 1)
    assert (
        predict_rows(made, encode(made.input, rows))[:, 0].tolist() == decide(model, evaluate(model, rows)[-1]).tolist()
    )
    assert predict_rows(made, [[3]]).tolist() == [[0, 0]]


def test_trees_of_two_classes_give_the_difference_of_their_leaves() -> None:
    steps = (Trees((0.25, 0.0), (Fork(0, 2.0, (0.5, 0.25), (0.0, 1.0)),)),)
    made = quantise(line(*steps, task="classes", labels=("a", "b")), [(0, 6, 1)])
    assert len(made.steps) == 1
    found = predict_rows(made, [[0], [3]])
    assert (found[:, 1] * float(made.scale)).tolist() == [-0.5, 0.75]
    assert found[:, 0].tolist() == [0, 1]


@pytest.mark.parametrize("step", [affine([[0.5]], [0.0]), Trees((0.0,), (Fork(0, 3.0, (0.25,), (0.75,)),))])
def test_a_threshold_is_moved_into_the_bias(step) -> None:
    model = line(step, task="classes", labels=("no", "yes"), threshold=0.5)
    made = quantise(model, [(0, 6, 1)])
    rows = np.arange(7.0).reshape(-1, 1)
    expected = evaluate(model, rows)[-1] - 0.5
    found = predict_rows(made, encode(made.input, rows))
    assert np.abs(found[:, [1]] * float(made.scale) - expected).max() < 0.002
    assert found[:, 0].tolist() == [int(value > 0) for value in expected[:, 0]]


def test_three_classes_stay_three_scores_of_one_scale() -> None:
    known = trained("iris", "forest")
    made = quantise(known.model, observed_ranges(known.model.features, known.sample))
    assert (made.decision, len(made.labels), made.outputs) == ("argmax", 3, 4)
    assert made.input.bits == 16


# --- one model everywhere


def plain(seed: int) -> tuple[FloatModel, list[tuple[float, float]], np.ndarray]:
    """Return a network whose numbers come from Python's own generator, the same everywhere."""
    rng = Random(seed)
    shapes = ((6, 5), (5, 4), (4, 3))
    steps = []
    for (inputs, outputs), kind in zip(shapes, ("relu", "sigmoid", None), strict=True):
        steps.append(affine([[rng.uniform(-1, 1) for _ in range(inputs)] for _ in range(outputs)], [0.1] * outputs))
        steps += [Activation(kind)] if kind else []
    sample = np.array([[rng.uniform(-2, 3) for _ in range(6)] for _ in range(50)])
    return line(*steps, features=6, task="classes", labels=("a", "b", "c")), [(-2, 3)] * 6, sample


def test_the_same_inputs_give_the_same_model_on_every_machine() -> None:
    model, ranges, sample = plain(5)
    assert digest(quantise(model, ranges, sample)).hex() == GOLDEN


def test_the_order_of_memory_and_of_the_samples_rows_decides_nothing() -> None:
    model, ranges, sample = plain(5)
    turned = line(
        *(Affine(np.asfortranarray(s.weights), s.bias) if isinstance(s, Affine) else s for s in model.steps),
        features=6, task="classes", labels=model.labels,
    )  # fmt: skip
    again = quantise(turned, dict(zip(model.features, ranges, strict=True)), np.asfortranarray(sample[::-1]))
    assert digest(again).hex() == GOLDEN
    other = quantise(model, ranges, sample * 0.5)
    assert digest(other).hex() != GOLDEN


GOLDEN = "f80909cd3f95f049ff6f1d57c015f1187da6428103287558a28da547f9b6c90f"


# --- refusals


@pytest.mark.parametrize(
    ("model", "code"),
    [
        (line(affine([[float("nan")]], [0])), "kernel.float"),
        (line(affine([[1]], [float("inf")])), "kernel.float"),
        (line(affine([[1, 2]], [0])), "kernel.float"),
        (line(affine([[1]], [0, 1])), "kernel.float"),
        (line(affine([[1]], [0]), OneHot((None, None))), "kernel.float"),
        (line(OneHot(((),))), "kernel.float"),
        (line(MaxPool(((0, 1),))), "kernel.float"),
        (line(MaxPool(((),))), "kernel.float"),
        (line(Activation("softplus")), "kernel.float"),
        (line(Trees((0.0,), (Fork(1, 0.5, (1.0,), (2.0,)),))), "kernel.float"),
        (line(Trees((0.0,), (Fork(0, 0.5, (1.0,), (2.0, 3.0)),))), "kernel.float"),
        (line(affine([[1e200]], [0])), "kernel.decimal"),
        (line(affine([[1e-200]], [0])), "kernel.decimal"),
        (line(Trees((0.0,), ((1e200,),))), "kernel.decimal"),
        (line(Trees((0.0,), (Fork(0, float("nan"), (1.0,), (2.0,)),))), "kernel.float"),
        (line(Trees((0.0,), (Fork(0, 0.5, (float("inf"),), (2.0,)),))), "kernel.float"),
        (line(affine([[1], [1]], [0, 0]), OneHot(((0.0,), None)), task="clusters"), "kernel.unsupported"),
        (line(affine([[1], [1], [2]], [0, 0, 0]), task="classes", labels=("a", "b")), "kernel.float"),
    ],
)  # fmt: skip
def test_what_has_no_integer_form_is_refused(model: FloatModel, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        quantise(model, [(0, 1)] * len(model.features))
    assert refused.value.code == code


def test_trees_deeper_than_a_kernel_holds_are_refused_before_they_are_walked() -> None:
    tree: Fork | tuple[float, ...] = (1.0,)
    for depth in range(5000):
        tree = Fork(0, 0.5, tree, (float(depth),))
    with pytest.raises(InvalidInput) as refused:
        quantise(line(Trees((0.0,), (tree,))), [(0, 1)])
    assert refused.value.code == "kernel.model"


@pytest.mark.parametrize("bits", [{"weight_bits": 1}, {"weight_bits": 99}, {"input_bits": 12}, {"table_bits": 13}])
def test_bits_that_make_no_sense_are_refused(bits: dict[str, int]) -> None:
    with pytest.raises(InvalidInput) as refused:
        quantise(line(affine([[1]], [0])), [(0, 1)], **bits)
    assert refused.value.code == "kernel.bits"


def test_a_category_that_is_not_on_the_grid_is_never_met() -> None:
    model = line(OneHot(((0.0, 2.0, -7.0, 0.5),)), affine([[1, 2, 4, 8]], [0]))
    made = quantise(model, [(0, 3, 1)])
    found = predict_rows(made, np.arange(4).reshape(-1, 1))[:, 0] * float(made.scale)
    assert np.abs(found - [1, 0, 2, 0]).max() < 0.01
    assert decode(made.input, [[2]]).tolist() == [[2.0]]


NETWORK = (affine([[1]], [0]), Activation("relu"), affine([[1]], [0]))
TREES = (Trees((0.0,), (Fork(0, 0.5, (1.0,), (2.0,)),)),)


@pytest.mark.parametrize(
    ("steps", "has"),
    [
        ((affine([[1]], [0]),), {"input", "score"}),
        (NETWORK, {"input", "weight", "score", "activation"}),
        ((affine([[1]], [0]), Activation("tanh"), affine([[1]], [0])), {*(Precision.__dataclass_fields__)} - {"leaf"}),
        ((affine([[1]], [0]), Activation("sigmoid")), {"input", "weight", "score", "table"}),
        (TREES, {"input", "leaf"}),
        ((affine([[2]], [0]), *TREES), {"input", "weight", "leaf"}),
        ((Squares(), affine([[1, 1]], [0])), {"input", "score"}),
    ],
)
def test_bits_may_be_asked_for_of_what_the_model_has_and_of_nothing_else(steps, has: set[str]) -> None:
    for name in Precision.__dataclass_fields__:
        if name in has:
            check_asked(line(*steps), {name})
        else:
            with pytest.raises(InvalidInput, match=f"{name} bits are asked for"):
                check_asked(line(*steps), {name})
