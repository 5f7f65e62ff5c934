"""From the ONNX file to the integer model: onnxruntime answers within the bound, and decisions follow from it."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from skl2onnx import to_onnx
from sklearn.cluster import KMeans
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tallystick.lithic.importers import read_onnx
from tallystick.lithic.integer.batch import predict_rows
from tallystick.lithic.kernel import compile_integer
from tallystick.lithic.quantise.conversion import convert
from tallystick.lithic.quantise.grids import decode, encode, observed_ranges
from tallystick.lithic.quantise.quality import check_quality, quality
from tests.lithic.quantise.estimators import briefly, split

SINGLE = 2e-5  # relative: what single precision in onnxruntime may add


def both(data: str, estimator):
    """Return a session of the fitted estimator's ONNX file, its float model, the conversion, and held-out rows."""
    x, y, rows, labels = split(data)
    x = x.astype(np.float32)
    file = to_onnx(briefly(estimator, x, y), x[:1]).SerializeToString()
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    model = read_onnx(file, name=data, features=[f"x{k}" for k in range(x.shape[1])])
    made = convert(model, observed_ranges(model.features, np.concatenate([x, rows])), x)
    return session, model, made, rows, labels


@pytest.mark.parametrize(
    ("data", "estimator"),
    [
        ("diabetes", Ridge(0.1)),
        (
            "diabetes",
            make_pipeline(
                StandardScaler(), MLPRegressor(hidden_layer_sizes=(8,), learning_rate_init=0.05, random_state=0)
            ),
        ),
        ("diabetes", GradientBoostingRegressor(n_estimators=20, random_state=0)),
    ],
    ids=["ridge", "perceptron", "boosting"],
)
def test_values_of_onnxruntime_are_within_the_bound(data: str, estimator) -> None:
    session, _, made, rows, _ = both(data, estimator)
    integers = encode(made.integer.input, rows)
    points = decode(made.integer.input, integers).astype(np.float32)
    (expected,) = session.run(None, {session.get_inputs()[0].name: points})
    found = predict_rows(made.integer, integers) * float(made.integer.scale)
    slack = SINGLE * np.abs(expected).max()
    assert np.abs(found - expected.reshape(-1, 1)).max() <= float(made.bound.on_grid[0]) + slack


@pytest.mark.parametrize(
    ("data", "estimator"),
    [
        ("breast_cancer", make_pipeline(StandardScaler(), LogisticRegression())),
        ("breast_cancer", make_pipeline(StandardScaler(), MLPClassifier((8,), activation="tanh", random_state=0))),
        ("breast_cancer", RandomForestClassifier(10, max_depth=5, random_state=0)),
        ("digits", make_pipeline(StandardScaler(), MLPClassifier((16,), max_iter=60, random_state=0))),
        ("iris", GaussianNB()),
        ("iris", KMeans(3, n_init=2, random_state=0)),
    ],
    ids=["logistic", "tanh", "forest", "digits", "bayes", "clusters"],
)
def test_a_score_beyond_the_bound_decides_as_onnxruntime_does(data: str, estimator) -> None:
    session, model, made, rows, labels = both(data, estimator)
    integers = encode(made.integer.input, rows)
    points = decode(made.integer.input, integers).astype(np.float32)
    expected = np.asarray(session.run(None, {session.get_inputs()[0].name: points})[0]).reshape(-1)
    answers = predict_rows(made.integer, integers)
    scores = np.sort(answers[:, 1:].astype(float) * float(made.integer.scale), axis=1)
    margin = np.abs(scores[:, 0]) if scores.shape[1] == 1 else scores[:, -1] - scores[:, -2]
    bound = float(max(made.bound.uncapped, key=float)) * (1 if scores.shape[1] == 1 else 2)
    sure = margin > bound + SINGLE * np.abs(scores).max()
    assert sure.any() or data == "digits"  # with ten classes and layers, intervals forget too much to be sure of a row
    assert (answers[sure, 0] == expected[sure]).all()
    assert (answers[:, 0] == expected).mean() > 0.97
    check_quality(quality(model, made.integer, rows, None if model.task == "clusters" else labels))


def test_the_kernel_of_an_imported_model_computes_its_integer_model() -> None:
    _, _, made, rows, _ = both("breast_cancer", make_pipeline(StandardScaler(), LogisticRegression()))
    kernel = compile_integer(made.integer)
    for row in encode(made.integer.input, rows[:4]).tolist():
        assert kernel.run(row) == kernel.predict(row)
