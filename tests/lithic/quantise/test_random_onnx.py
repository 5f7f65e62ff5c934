"""Random models of every kind, as ONNX files: onnxruntime's scores are within the bound of the integer model's."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from onnx import NodeProto
from skl2onnx import to_onnx
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

from tallystick.lithic.floats import FloatModel
from tallystick.lithic.importers import read_onnx
from tallystick.lithic.integer.batch import predict_rows
from tallystick.lithic.quantise.conversion import Conversion, Precision, convert
from tallystick.lithic.quantise.grids import decode, encode, observed_ranges
from tests.lithic.importers.onnx_kit import Array, graph, ml_node, node, run
from tests.lithic.importers.test_fixtures import NAMES, fixture

SEEDS = range(40 if os.environ.get("TALLYSTICK_LONG") else 2)
SINGLE = 2e-5  # relative: what single precision in onnxruntime may add
LEAST = 1e-3  # of a probability whose logarithm is compared: single precision knows no less of it


def check(file: bytes, rows: Array, sample: Array | None, bits: Precision | None = None, **how: Any) -> Conversion:
    """Hold the bound for any input on the grid: on rows, on corners of the ranges, and anywhere between."""
    model = read_onnx(file, name="random", **how)
    ranges = observed_ranges(model.features, rows)
    made = convert(model, ranges, sample, bits)
    fields = made.integer.input.fields
    draw = np.random.default_rng(len(file))
    ends = np.array([[one.low for one in fields], [one.high for one in fields]])
    drawn = draw.integers(ends[0], ends[1] + 1, size=(30, len(fields)))
    corners = np.where(draw.random((10, len(fields))) < 0.5, ends[0], ends[1])
    integers = np.concatenate([encode(made.integer.input, rows)[:30], drawn, corners, ends])
    said = run(file, decode(made.integer.input, integers))
    found = predict_rows(made.integer, integers)[:, int(made.integer.decision != "none") :]
    within(made, model, found.astype(float) * float(made.integer.scale), np.asarray(said[-1], dtype=float))
    return made


def within(made: Conversion, model: FloatModel, found: Array, said: Array) -> None:
    """Hold that scores are as near to what the runtime says as the bound allows."""
    said = said.reshape(len(found), -1)
    bound = np.array(made.bound.on_grid, dtype=float)
    slack = np.full(said.shape, SINGLE * max(1.0, float(np.abs(found).max())))
    if model.link != "identity":
        known = (said > LEAST).all(axis=1) & (said < 1 - LEAST).all(axis=1)
        assert known.sum() > 3, "hardly any row is compared"
        said, found, slack = np.log(said[known]), found[known], slack[known] + 1e-6 / LEAST
        if found.shape[1] == 1 and said.shape[1] == 1:
            said = said - np.log1p(-np.exp(said))
    if model.task == "clusters":
        said = -(said**2)
        slack = slack * np.maximum(1.0, np.abs(said))
    if said.shape[1] == 2 and found.shape[1] == 1:
        said, slack = said[:, [1]] - said[:, [0]], 2 * slack[:, [0]]
    elif model.task != "value" and said.shape[1] > 1:  # what all scores share says nothing
        found, said = found - found[:, [0]], said - said[:, [0]]
        bound, slack = bound + bound[0], 2 * slack
    elif model.task == "classes":
        found = found + model.threshold
    assert found.shape == said.shape
    assert (np.abs(found - said) <= bound + slack).all()


@pytest.mark.parametrize("kind", ["logistic", "gaussian", "clusters", "one-hot boosting", "ridge"])
def test_scores_that_are_off_by_more_than_the_bound_are_seen(kind: str) -> None:
    make, rows_for, classes = KINDS[kind]
    rows = rows_for(1)
    wanted = rows.sum(axis=1) if classes == (0,) else (rows[:, -1] > np.median(rows[:, -1])).astype(int)
    file = to_onnx(make().fit(rows, wanted), rows[:1], options={"zipmap": False} if max(classes) > 0 else None)
    model = read_onnx(file.SerializeToString(), name="random")
    made = convert(model, observed_ranges(model.features, rows))
    integers = encode(made.integer.input, rows)
    said = np.asarray(run(file.SerializeToString(), decode(made.integer.input, integers))[-1], dtype=float)
    found = predict_rows(made.integer, integers)[:, int(made.integer.decision != "none") :].astype(float)
    scores = found * float(made.integer.scale)
    within(made, model, scores, said)
    wrong = scores + 3 * float(made.bound.on_grid[0]) + 0.01 * np.abs(scores).max()
    wrong[:, 1:] = scores[:, 1:]  # of several scores one, or it would be what all share
    with pytest.raises(AssertionError):
        within(made, model, wrong, said)


def rows_of(seed: int, width: int, count: int = 80) -> Array:
    """Return rows of several sizes, in single precision."""
    draw = np.random.default_rng(seed)
    return (draw.normal(size=(count, width)) * 10.0 ** draw.integers(-2, 3, width)).astype(np.float32)


# --- networks on pictures


def _convolution(draw: np.random.Generator) -> bytes:
    """Return convolutions and pools of random shapes over a small picture, then a dense layer."""
    channels, side = int(draw.integers(1, 3)), int(draw.integers(5, 8))
    kernel, stride, pad = int(draw.integers(2, 4)), int(draw.integers(1, 3)), int(draw.integers(0, 2))
    filters, outputs = int(draw.integers(1, 4)), int(draw.integers(1, 4))
    constants = {"w": draw.normal(size=(filters, channels, kernel, kernel)), "b": draw.normal(size=filters)}
    nodes: list[NodeProto] = [
        node("Conv", ["x", "w", "b"], ["c"], strides=[stride] * 2, pads=[pad] * 4),
        node(str(draw.choice(["Relu", "LeakyRelu", "Sigmoid", "Tanh"])), ["c"], ["a"]),
        node(str(draw.choice(["MaxPool", "AveragePool"])), ["a"], ["p"], kernel_shape=[2, 2], strides=[1, 1]),
        node("Flatten", ["p"], ["f"]),
        node("Gemm", ["f", "v", "d"], ["y"], transB=1),
    ]
    after = (side + 2 * pad - kernel) // stride  # of a side, less one for the pool
    constants |= {"v": draw.normal(size=(outputs, filters * after * after)), "d": draw.normal(size=outputs)}
    return graph(
        nodes, (channels, side, side), constants={name: one.astype(np.float32) for name, one in constants.items()}
    )


@pytest.mark.parametrize("seed", range(3 * len(SEEDS)))
def test_convolutions_and_pools(seed: int) -> None:
    draw = np.random.default_rng(seed)
    file = _convolution(draw)
    width = len(read_onnx(file, name="pictures").features)
    pictures = draw.integers(0, 256, size=(40, width)) / 255
    bits = Precision(int(draw.choice([8, 16])), *(int(one) for one in draw.integers(6, 12, 3)))  # type: ignore[arg-type]
    check(file, pictures, pictures[:20] if seed % 2 else None, bits)


# --- trees


def _forest(draw: np.random.Generator, rows: Array, mode: str, depth: int = 3) -> bytes:
    """Return trees over rows, which split at numbers of the rows as XGBoost does or between them as LightGBM does."""
    lists: dict[str, list[Any]] = {name: [] for name in ("trees", "ids", "features", "modes", "values", "yes", "no")}
    leaves: list[tuple[int, int, float]] = []
    for tree in range(8):
        for at in range(2 ** (depth + 1) - 1):
            is_leaf = at >= 2**depth - 1
            feature = int(draw.integers(rows.shape[1]))
            value = float(draw.choice(rows[:, feature]))
            if mode == "BRANCH_LEQ":
                value = float(np.float32((value + float(draw.choice(rows[:, feature]))) / 2))
            sides = (0, 0) if is_leaf else (2 * at + 1, 2 * at + 2)
            row = (tree, at, feature, "LEAF" if is_leaf else mode, 0.0 if is_leaf else value, *sides)
            for column, one in zip(lists.values(), row, strict=True):
                column.append(one)
            leaves += [(tree, at, float(draw.normal()))] if is_leaf else []
    forest = ml_node(
        "TreeEnsembleRegressor", ["x"], ["y"], n_targets=1, base_values=[float(draw.normal())],
        nodes_treeids=lists["trees"], nodes_nodeids=lists["ids"], nodes_featureids=lists["features"],
        nodes_modes=lists["modes"], nodes_values=lists["values"], nodes_truenodeids=lists["yes"],
        nodes_falsenodeids=lists["no"], target_treeids=[one[0] for one in leaves],
        target_nodeids=[one[1] for one in leaves], target_ids=[0] * len(leaves),
        target_weights=[one[2] for one in leaves],
    )  # fmt: skip
    return graph([forest], rows.shape[1])


@pytest.mark.parametrize("mode", ["BRANCH_LT", "BRANCH_LEQ"])
@pytest.mark.parametrize("seed", SEEDS)
def test_forests_that_split_at_values_and_between_them(seed: int, mode: str) -> None:
    rows = np.round(rows_of(seed, 4), 2)
    file = _forest(np.random.default_rng(seed), rows, mode)
    for sample in (None, rows):
        made = check(file, rows, sample)
    integers = encode(made.integer.input, rows)
    found = predict_rows(made.integer, integers) * float(made.integer.scale)
    off = np.abs(found - run(file, rows)[0])  # the rows themselves, which the grid was chosen for
    crossed = off > float(made.bound.on_grid[0]) + SINGLE * max(1.0, np.abs(found).max())
    assert crossed.mean() <= 0.03  # half a dozen thresholds of one feature find their grid; of more, nearly all rows do


@pytest.mark.parametrize("name", NAMES)
def test_models_of_other_libraries_anywhere_on_their_grid(name: str) -> None:
    file, said = fixture(name)
    if said["task"] == "classes" and "torch" in name:
        return  # their output is read in their own tests: labels, or logits, or what a softmax makes of them
    rows = np.array(said["rows"])
    check(file, rows, rows)


# --- scikit-learn


def _mixed(seed: int) -> Array:
    """Return rows with two columns of categories before two of numbers."""
    rows = rows_of(seed, 4)
    draw = np.random.default_rng(seed)
    rows[:, 0], rows[:, 1] = draw.integers(0, 4, len(rows)), draw.choice([3, 7, 9], len(rows))
    return rows


def _encoded(scaler: Any, last: Any) -> Any:
    one_hot = OneHotEncoder(handle_unknown="ignore")
    return make_pipeline(make_column_transformer((one_hot, [0, 1]), (scaler, [2, 3])), last)


def _counts(seed: int) -> Array:
    return np.random.default_rng(seed).integers(0, 9, size=(80, 5)).astype(np.float32)


Maker = Callable[[], Any]
KINDS: dict[str, tuple[Maker, Callable[[int], Array], Sequence[int]]] = {
    "logistic": (lambda: make_pipeline(StandardScaler(), LogisticRegression()), lambda s: rows_of(s, 4), (2, 3)),
    "discriminant": (LinearDiscriminantAnalysis, lambda s: rows_of(s, 4), (2, 3)),
    "ridge": (lambda: make_pipeline(MinMaxScaler(), Ridge()), lambda s: rows_of(s, 4), (0,)),
    "perceptron": (
        lambda: make_pipeline(StandardScaler(), MLPClassifier((5,), max_iter=20, random_state=0)),
        lambda s: rows_of(s, 4), (2, 3),
    ),
    "gaussian": (GaussianNB, lambda s: rows_of(s, 3), (2, 3)),
    "multinomial": (MultinomialNB, _counts, (2, 3)),
    "complement": (ComplementNB, _counts, (3,)),
    "bernoulli": (lambda: BernoulliNB(binarize=4.5), _counts, (2, 3)),
    "clusters": (lambda: KMeans(3, n_init=1, random_state=0), lambda s: rows_of(s, 3) / 10, (-1,)),
    "scaled clusters": (
        lambda: make_pipeline(StandardScaler(), KMeans(3, n_init=1, random_state=0)), lambda s: rows_of(s, 3), (-1,),
    ),
    "one-hot": (lambda: _encoded(StandardScaler(), LogisticRegression()), _mixed, (2, 3)),
    "one-hot trees": (
        lambda: _encoded("passthrough", RandomForestClassifier(4, max_depth=4, random_state=0)), _mixed, (2, 3),
    ),
    "one-hot boosting": (
        lambda: _encoded(MinMaxScaler(), GradientBoostingClassifier(n_estimators=6, random_state=0)), _mixed, (2,),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_random_models_of_scikit_learn(kind: str) -> None:
    make, rows_for, classes = KINDS[kind]
    for seed in SEEDS:
        for count in classes:
            rows = rows_for(seed)
            wanted = np.random.default_rng(seed + 1).integers(0, max(count, 1), len(rows)) + (rows[:, -1] > 0)
            fitted = make()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                fitted.fit(rows, None if count < 0 else wanted % count if count else rows.sum(axis=1))
            options = {"zipmap": False} if count > 0 else None
            file = to_onnx(fitted, rows[:1], options=options).SerializeToString()
            check(file, rows, rows if seed % 2 else None)
