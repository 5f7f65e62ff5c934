"""Float models of fitted scikit-learn estimators, straight from their coefficients, and the data that ship with it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache

import numpy as np
from sklearn import datasets
from sklearn.cluster import KMeans
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from tallystick.lithic.floats import Activation, Affine, FloatModel, Fork, Squares, Step, Trees

ACTIVATIONS = {"relu": "relu", "tanh": "tanh", "logistic": "sigmoid"}


@dataclass(frozen=True)
class Trained:
    """A float model, rows to calibrate it on, and rows with labels that it has not seen."""

    model: FloatModel
    sample: np.ndarray
    rows: np.ndarray
    labels: np.ndarray


@cache
def split(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return rows and labels to train on, and rows and labels held out: 70 and 30 of 100."""
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    order = np.random.default_rng(7).permutation(len(x))
    cut = len(x) * 7 // 10
    return x[order[:cut]], y[order[:cut]], x[order[cut:]], y[order[cut:]]


@cache
def trained(name: str, kind: str) -> Trained:
    """Return a model of this kind, trained on this data set."""
    x, y, held_x, held_y = split(name)
    steps, task, labels, link = _MAKERS[kind](x, y)
    features = tuple(f"x{k}" for k in range(x.shape[1]))
    return Trained(FloatModel(f"{name} {kind}", features, steps, task, labels, 0.0, link), x, held_x, held_y)


def scaler(fitted: StandardScaler) -> Affine:
    """Return a standard scaler as a step."""
    return Affine(np.diag(1 / fitted.scale_), -fitted.mean_ / fitted.scale_)


def network(fitted: MLPClassifier | MLPRegressor) -> list[Step]:
    """Return a multi-layer perceptron's steps up to its last sums."""
    steps: list[Step] = []
    for weights, bias in zip(fitted.coefs_, fitted.intercepts_, strict=True):
        steps += [Affine(weights.T, bias), Activation(ACTIVATIONS[fitted.activation])]
    return steps[:-1]


def tree(fitted, reading, at: int = 0) -> Fork | tuple[float, ...]:
    """Return a fitted `tree_` from node `at` on; `reading` makes a leaf of its values."""
    if fitted.children_left[at] < 0:
        return reading(fitted.value[at])
    left, right = (tree(fitted, reading, int(child[at])) for child in (fitted.children_left, fitted.children_right))
    return Fork(int(fitted.feature[at]), float(fitted.threshold[at]), left, right)


def briefly(estimator, x, y):
    """Return the estimator, fitted for as long as it is allowed, converged or not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(x, y)


def _names(y) -> tuple[str, ...]:
    return tuple(f"class {label}" for label in np.unique(y))


def _logistic(x, y):
    scale = StandardScaler().fit(x)
    fitted = LogisticRegression(max_iter=500).fit(scale.transform(x), y)
    steps = (scaler(scale), Affine(fitted.coef_, fitted.intercept_))
    return steps, "classes", _names(y), "sigmoid" if len(fitted.classes_) == 2 else "softmax"


def _perceptron(activation: str, hidden: tuple[int, ...]):
    def make(x, y):
        scale = StandardScaler().fit(x)
        fitted = briefly(
            MLPClassifier(hidden, activation=activation, random_state=0, max_iter=80), scale.transform(x), y
        )
        link = "sigmoid" if len(fitted.classes_) == 2 else "softmax"
        return (scaler(scale), *network(fitted)), "classes", _names(y), link

    return make


def _boosting(x, y):
    fitted = GradientBoostingClassifier(n_estimators=30, max_depth=3, random_state=0).fit(x, y)
    share = float((y == fitted.classes_[1]).mean())
    trees = tuple(tree(row[0].tree_, lambda value: (float(value[0, 0]) * 0.1,)) for row in fitted.estimators_)
    return (Trees((float(np.log(share / (1 - share))),), trees),), "classes", _names(y), "sigmoid"


def _forest(x, y):
    fitted = RandomForestClassifier(15, max_depth=6, random_state=0).fit(x, y)
    trees = tuple(tree(e.tree_, lambda value: tuple(float(v) / 15 for v in value[0])) for e in fitted.estimators_)
    return (Trees((0.0,) * len(fitted.classes_), trees),), "classes", _names(y), "identity"


def _bayes(x, y):
    fitted = GaussianNB().fit(x, y)
    precision = 1 / fitted.var_
    weights = np.concatenate([fitted.theta_ * precision, -precision / 2], axis=1)
    constant = np.log(fitted.class_prior_) - 0.5 * (np.log(2 * np.pi * fitted.var_) + fitted.theta_**2 * precision).sum(
        axis=1
    )
    return (Squares(), Affine(weights, constant)), "classes", _names(y), "softmax"


def _clusters(x, y):
    fitted = KMeans(3, n_init=3, random_state=0).fit(x)
    centres = fitted.cluster_centers_
    return (Affine(2 * centres, -(centres**2).sum(axis=1)),), "clusters", (), "identity"


def _ridge(x, y):
    fitted = Ridge(0.1).fit(x, y)
    return (Affine(fitted.coef_.reshape(1, -1), np.array([fitted.intercept_])),), "value", (), "identity"


def _regressor(x, y):
    scale = StandardScaler().fit(x)
    fitted = briefly(
        MLPRegressor(hidden_layer_sizes=(8,), random_state=0, learning_rate_init=0.05), scale.transform(x), y
    )
    return (scaler(scale), *network(fitted)), "value", (), "identity"


def _regression_tree(x, y):
    fitted = DecisionTreeRegressor(max_depth=4, random_state=0).fit(x, y)
    return (Trees((0.0,), (tree(fitted.tree_, lambda value: (float(value[0, 0]),)),)),), "value", (), "identity"


_MAKERS = {
    "logistic": _logistic,
    "relu": _perceptron("relu", (8, 4)),
    "tanh": _perceptron("tanh", (6,)),
    "sigmoid": _perceptron("logistic", (6,)),
    "wide": _perceptron("relu", (32, 16)),
    "boosting": _boosting,
    "forest": _forest,
    "bayes": _bayes,
    "clusters": _clusters,
    "ridge": _ridge,
    "regressor": _regressor,
    "regression tree": _regression_tree,
}
