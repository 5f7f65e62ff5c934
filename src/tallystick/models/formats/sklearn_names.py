"""What scikit-learn calls things: public class names, and which settings only train.

A setting that only steers training (a penalty, a tolerance, a seed) leaves no trace in what a fitted model computes but
through its parameters, so changing it changes no architecture. The table is by class, because one name means different
things: `learning_rate` only trains a network but scales every tree of a boosted ensemble. What is not listed counts as
architecture.
"""

from __future__ import annotations

from typing import Any, Final

# tallystick/sklearn/v1. Of every estimator: how it runs, never what it computes.
_RUNNING: Final = frozenset(
    {"cache_size", "copy", "copy_X", "memory", "n_jobs", "random_state", "verbose", "warm_start"}
)

_LINEAR: Final = {
    "C", "alpha", "class_weight", "dual", "intercept_scaling", "l1_ratio", "max_iter", "penalty", "positive",
    "precompute", "selection", "solver", "tol",
}  # fmt: skip
_GRADIENT: Final = {
    "alpha", "average", "class_weight", "early_stopping", "epsilon", "eta0", "l1_ratio", "learning_rate", "max_iter",
    "n_iter_no_change", "penalty", "power_t", "shuffle", "tol", "validation_fraction",
}  # fmt: skip
_VECTORS: Final = {"C", "class_weight", "epsilon", "max_iter", "nu", "shrinking", "tol"}
_NETWORK: Final = {
    "alpha", "batch_size", "beta_1", "beta_2", "early_stopping", "epsilon", "learning_rate", "learning_rate_init",
    "max_fun", "max_iter", "momentum", "n_iter_no_change", "nesterovs_momentum", "power_t", "shuffle", "solver", "tol",
    "validation_fraction",
}  # fmt: skip
_TREE: Final = {
    "bootstrap", "ccp_alpha", "class_weight", "criterion", "max_features", "max_samples", "min_impurity_decrease",
    "min_samples_leaf", "min_samples_split", "min_weight_fraction_leaf", "monotonic_cst", "oob_score", "splitter",
}  # fmt: skip
_BOOSTING: Final = _TREE | {"n_iter_no_change", "subsample", "tol", "validation_fraction"}

_TRAINING: Final[dict[str, set[str]]] = {
    **{
        f"sklearn.linear_model.{name}": _LINEAR
        for name in ("ElasticNet", "Lasso", "LinearRegression", "LogisticRegression", "Ridge", "RidgeClassifier")
    },
    **{
        f"sklearn.linear_model.{name}": _GRADIENT
        for name in ("PassiveAggressiveClassifier", "Perceptron", "SGDClassifier", "SGDRegressor")
    },
    **{f"sklearn.svm.{name}": _VECTORS for name in ("NuSVC", "NuSVR", "OneClassSVM", "SVC", "SVR")},
    **{f"sklearn.svm.{name}": _VECTORS | _LINEAR | {"loss"} for name in ("LinearSVC", "LinearSVR")},
    **{f"sklearn.neural_network.{name}": _NETWORK for name in ("MLPClassifier", "MLPRegressor")},
    **{f"sklearn.tree.{name}": _TREE for name in ("DecisionTreeClassifier", "DecisionTreeRegressor")},
    **{
        f"sklearn.ensemble.{name}": _TREE
        for name in ("ExtraTreesClassifier", "ExtraTreesRegressor", "RandomForestClassifier", "RandomForestRegressor")
    },
    **{f"sklearn.ensemble.{name}": _BOOSTING for name in ("GradientBoostingClassifier", "GradientBoostingRegressor")},
}


def class_name(kind: type) -> str:
    """Return the public dotted name: `sklearn.svm.SVC`, wherever a release keeps the class inside."""
    parts = []
    for part in kind.__module__.split("."):
        if part.startswith("_"):
            break
        parts.append(part)
    return ".".join([*parts, kind.__qualname__])


def is_training_only(estimator: Any, setting: str) -> bool:
    """Return whether this setting can reach predictions only through the fitted parameters."""
    return setting in _RUNNING or setting in _TRAINING.get(class_name(type(estimator)), ())
