"""The model of the lifecycle story: is a tumour malignant? Four versions on scikit-learn's breast-cancer data.

Source of the data: Wolberg, Street, Mangasarian (1995), Breast Cancer Wisconsin (Diagnostic), UCI; 569 rows of 30
features, as scikit-learn ships it. This story shows provenance; it is no medical device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tallystick.core.errors import InvalidInput

SEED = 7
TEST_ROWS = 143  # a quarter, drawn once; no version ever trains on them
FIRST_ROWS = 240  # what the first version had; the rest arrives with the second


@dataclass(frozen=True)
class Split:
    """Rows as (n, 30) float32 and labels as (n,) int64; `train` is in order of arrival."""

    features: tuple[str, ...]
    train: np.ndarray[Any, Any]
    train_labels: np.ndarray[Any, Any]
    test: np.ndarray[Any, Any]
    test_labels: np.ndarray[Any, Any]


@dataclass(frozen=True)
class Trained:
    """A fitted pipeline, what went into it and how well it does on the held-out rows."""

    title: str
    estimator: Any
    rows: int
    hyperparameters: dict[str, str]
    metrics: dict[str, str]


def load_split() -> Split:
    """Return the data, split by a fixed seed."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    order = np.random.default_rng(SEED).permutation(len(data.target))
    rows, labels = data.data[order].astype(np.float32), data.target[order].astype(np.int64)
    cut = len(labels) - TEST_ROWS
    names = tuple(str(name) for name in data.feature_names)
    return Split(names, rows[:cut], labels[:cut], rows[cut:], labels[cut:])


def train(step: int, split: Split) -> Trained:
    """Return version `step` of the story: 1 first, 2 more data, 3 retuned, 4 another architecture.

    raises  InvalidInput "demo.step" for any other number
    """
    if step == 1:
        return _fit("first model", _logistic("1.0"), split, FIRST_ROWS, {"C": "1.0"})
    if step == 2:
        return _fit("data added", _logistic("1.0"), split, len(split.train), {"C": "1.0"})
    if step == 3:
        return _fit("retuned", _logistic("0.2"), split, len(split.train), {"C": "0.2"})
    if step == 4:
        chosen = {"hidden_layer_sizes": "16,8", "alpha": "0.01", "random_state": str(SEED)}
        return _fit("another architecture", _network(), split, len(split.train), chosen)
    raise InvalidInput("demo.step", "the story has four versions", expected="1 to 4", got=step)


def _logistic(strength: str) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=float(strength), max_iter=1_000))


def _network() -> Any:
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    network = MLPClassifier(hidden_layer_sizes=(16, 8), alpha=0.01, max_iter=2_000, random_state=SEED)
    return make_pipeline(StandardScaler(), network)


def _fit(title: str, estimator: Any, split: Split, rows: int, hyperparameters: dict[str, str]) -> Trained:
    from sklearn.metrics import roc_auc_score

    estimator.fit(split.train[:rows], split.train_labels[:rows])
    scores = estimator.predict_proba(split.test)[:, 1]
    metrics = {
        "test_accuracy": f"{np.mean((scores >= 0.5) == split.test_labels):.4f}",
        "test_roc_auc": f"{roc_auc_score(split.test_labels, scores):.4f}",
        "test_rows": str(len(split.test_labels)),
    }
    return Trained(title, estimator, rows, hyperparameters, metrics)
