"""Measures are scikit-learn's, the comparison is of the models that were given, and a bad model is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from tallystick.core.errors import InvalidInput
from tallystick.lithic.floats import Affine, FloatModel
from tallystick.lithic.integer.decimals import ratio
from tallystick.lithic.quantise import measures
from tallystick.lithic.quantise.conversion import quantise
from tallystick.lithic.quantise.grids import observed_ranges
from tallystick.lithic.quantise.quality import Floor, check_quality, quality
from tests.lithic.quantise.estimators import trained


def compared(data: str, kind: str, **bits):
    """Return the quality of a trained model on rows that it has not seen."""
    known = trained(data, kind)
    model = quantise(known.model, observed_ranges(known.model.features, known.sample), known.sample, **bits)
    return quality(known.model, model, known.rows, known.labels)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=40))
def test_the_area_under_the_curve_is_scikit_learns_ties_included(rows: list[tuple[bool, int]]) -> None:
    labels, scores = np.array([row[0] for row in rows]), np.array([float(row[1]) for row in rows])
    found = measures.auc(labels, scores)
    if labels.all() or not labels.any():
        assert found is None
    else:
        assert found == pytest.approx(metrics.roc_auc_score(labels, scores))


@pytest.mark.parametrize("classes", [2, 4])
def test_measures_of_classes_are_scikit_learns(classes: int) -> None:
    rng = np.random.default_rng(classes)
    labels = rng.integers(0, classes, 300)
    likely = rng.dirichlet(np.ones(classes), 300)
    decided = likely.argmax(axis=1)
    assert measures.log_loss(labels, likely) == pytest.approx(metrics.log_loss(labels, likely))
    assert measures.confusion(labels, decided, classes) == tuple(map(tuple, metrics.confusion_matrix(labels, decided)))
    if classes > 2:
        expected = metrics.roc_auc_score(labels, likely, multi_class="ovr")
        assert measures.auc_of_classes(labels, likely) == pytest.approx(expected)


def test_measures_of_values_are_scikit_learns() -> None:
    rng = np.random.default_rng(1)
    truth, values = rng.normal(size=(80, 1)), rng.normal(size=(80, 1))
    assert measures.r_squared(truth, values) == pytest.approx(metrics.r2_score(truth, values))
    assert measures.mean_error(truth, values) == pytest.approx(metrics.mean_absolute_error(truth, values))
    assert measures.r_squared(np.ones((5, 1)), np.zeros((5, 1))) is None


def test_calibration_counts_every_row_once_and_its_error_is_that_of_the_bins() -> None:
    likely = np.array([[1.0, 0.0], [0.05, 0.95], [0.02, 0.98], [0.45, 0.55], [0.0, 1.0]])
    bins = measures.calibration(np.array([0, 1, 0, 1, 1]), likely)
    assert [(one.low, one.rows) for one in bins] == [(0.0, 1), (0.5, 1), (0.9, 3)]
    expected = (0 + abs(0.55 - 1) + 3 * abs((0.95 + 0.98 + 1) / 3 - 2 / 3)) / 5
    assert measures.calibration_error(bins) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ("breast_cancer", "logistic"), ("breast_cancer", "relu"), ("breast_cancer", "tanh"),
        ("breast_cancer", "boosting"), ("breast_cancer", "forest"), ("iris", "bayes"), ("iris", "clusters"),
        ("diabetes", "ridge"), ("diabetes", "regressor"), ("diabetes", "regression tree"), ("digits", "wide"),
    ],
)  # fmt: skip
def test_a_model_of_eight_bits_is_as_good_as_the_float_model_on_data_it_has_not_seen(data: str, kind: str) -> None:
    found = compared(data, kind)
    check_quality(found)
    for value in found.figures().values():
        ratio(value)
    assert len(found.worst) == 8
    assert sum(count for _, _, count in found.histogram) >= found.rows
    if found.of_float.confusion:
        total = sum(map(sum, found.of_integer.confusion))
        assert total == sum(map(sum, found.of_float.confusion)) == found.rows


def test_pixels_that_are_nearly_always_dark_do_not_take_the_bits_of_the_others() -> None:
    known = trained("digits", "wide")
    declared = [(0, 16, 1)] * 64
    check_quality(quality(known.model, quantise(known.model, declared, known.sample), known.rows, known.labels))
    unseen = quality(known.model, quantise(known.model, declared), known.rows, known.labels)
    with pytest.raises(InvalidInput):
        check_quality(unseen)


def test_a_model_of_two_bits_is_refused_and_the_refusal_says_what_to_do() -> None:
    found = compared("digits", "wide", weight_bits=2, score_bits=2, activation_bits=2)
    with pytest.raises(InvalidInput) as refused:
        check_quality(found)
    assert refused.value.code == "kernel.quality"
    assert "bits" in refused.value.hint
    check_quality(found, Floor(accuracy_drop=1, auc_drop=1, agreement=0))


@pytest.mark.parametrize("floor", [Floor(agreement="1"), Floor(accuracy_drop="-0.1"), Floor(auc_drop="-0.1")])
def test_each_floor_refuses_by_itself(floor: Floor) -> None:
    found = replace(compared("breast_cancer", "logistic"), agreement="0.99")
    check_quality(found)
    with pytest.raises(InvalidInput):
        check_quality(found, floor)


def test_disagreements_come_first_among_the_worst() -> None:
    found = compared("digits", "wide", weight_bits=3, activation_bits=3).worst
    marks = [one.is_disagreement for one in found]
    assert marks == sorted(marks, reverse=True)
    assert marks[0]
    assert all(one.float_answer == one.integer_answer for one in compared("breast_cancer", "boosting").worst)


@pytest.mark.parametrize("labels", [[0, 1, 1], ["no", "yes", "yes"], np.array([0.0, 1.0, 1.0]), [[0], [1], [1]]])
def test_labels_may_be_indices_or_names(labels) -> None:
    model = FloatModel("sign", ("x",), (Affine(np.array([[1.0]]), np.zeros(1)),), "classes", ("no", "yes"))
    integer = quantise(model, [(-1, 1)])
    assert quality(model, integer, [[-0.5], [0.5], [0.1]], labels).of_integer.accuracy == "1"


@pytest.mark.parametrize("labels", [[0, 1], [0, 1, 2], ["no", "yes", "maybe"], [0, 1, -1], [0, 1, 0.5]])
def test_labels_that_do_not_fit_are_refused(labels) -> None:
    model = FloatModel("sign", ("x",), (Affine(np.array([[1.0]]), np.zeros(1)),), "classes", ("no", "yes"))
    with pytest.raises(InvalidInput) as refused:
        quality(model, quantise(model, [(-1, 1)]), [[-0.5], [0.5], [0.1]], labels)
    assert refused.value.code == "kernel.rows"


def test_without_labels_the_models_are_still_compared() -> None:
    known = trained("breast_cancer", "logistic")
    model = quantise(known.model, observed_ranges(known.model.features, known.sample))
    found = quality(known.model, model, known.rows)
    assert found.of_float.accuracy is None
    assert float(found.agreement) > 0.98
    with pytest.raises(InvalidInput):
        quality(known.model, model, known.rows[:0])


def test_rows_outside_the_ranges_are_counted_and_compared_as_they_reach_the_kernel() -> None:
    model = FloatModel("line", ("x",), (Affine(np.array([[1.0]]), np.zeros(1)),), "value")
    found = quality(model, quantise(model, [(0, 10)]), [[5.0], [30.0]], [5.0, 30.0])
    assert found.clipped == 1
    assert float(found.difference_max) == pytest.approx(20, abs=0.1)
    assert float(found.difference_inside) < 0.1
    with pytest.raises(InvalidInput):
        check_quality(found)
