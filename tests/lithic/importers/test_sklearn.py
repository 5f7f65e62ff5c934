"""Models of scikit-learn, trained on real data and written by skl2onnx, answer as they do in onnxruntime."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from skl2onnx import to_onnx
from sklearn import datasets
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Perceptron, RidgeClassifier, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tallystick.core.errors import InvalidInput
from tallystick.lithic.floats import Affine, FloatModel, OneHot, Squares, Trees, decide
from tallystick.lithic.importers import read_onnx
from tests.lithic.importers.onnx_kit import Array, probabilities, run, scores_of

ONE_HOT = (OneHotEncoder(handle_unknown="ignore"), [0, 1])


@cache
def data(name: str) -> tuple[Array, Array]:
    """Return rows, float32 already so that training sees what a runtime sees, and what is to be predicted of them."""
    if name == "mixed":  # iris, behind two columns of categories
        rows, wanted = data("iris")
        draw = np.random.default_rng(3)
        codes = np.stack([draw.integers(0, 3, len(rows)), draw.integers(4, 6, len(rows))], axis=1)
        return np.concatenate([codes, rows], axis=1).astype(np.float32), wanted
    rows, wanted = getattr(datasets, f"load_{name}")(return_X_y=True)
    names = {"wine": np.array(["barolo", "grignolino", "barbera"])}
    return rows.astype(np.float32), names[name][wanted] if name in names else wanted


@dataclass(frozen=True)
class Case:
    """A pipeline, the data it learns, and the steps that it should become."""

    name: str
    data: str
    make: Callable[[], Any]
    steps: tuple[str, ...]
    link: str = "identity"
    zipmap: bool = True


def _net(**options: Any) -> Callable[[], Any]:
    return lambda: make_pipeline(StandardScaler(), MLPClassifier((6, 4), max_iter=60, random_state=0, **options))


def _encoded(*more: Any, model: Any) -> Callable[[], Any]:
    return lambda: make_pipeline(make_column_transformer(ONE_HOT, *more, remainder="passthrough"), model)


NET = ("Affine", "Activation", "Affine", "Activation", "Affine")
CLASSIFIERS = [
    Case(
        "logistic",
        "breast_cancer",
        lambda: make_pipeline(StandardScaler(), LogisticRegression()),
        ("Affine",),
        "sigmoid",
    ),
    Case(
        "logistic of three", "wine", lambda: make_pipeline(MinMaxScaler(), LogisticRegression()), ("Affine",), "softmax"
    ),
    Case("logistic, no map", "iris", lambda: LogisticRegression(max_iter=500), ("Affine",), "softmax", False),
    Case(
        "components",
        "wine",
        lambda: make_pipeline(StandardScaler(), PCA(3), LogisticRegression()),
        ("Affine",),
        "softmax",
    ),
    Case("discriminant", "iris", LinearDiscriminantAnalysis, ("Affine",), "softmax"),
    Case("ridge of three", "iris", RidgeClassifier, ("Affine",)),
    Case("perceptron", "iris", lambda: make_pipeline(StandardScaler(), Perceptron()), ("Affine",)),
    Case(
        "stochastic",
        "iris",
        lambda: make_pipeline(StandardScaler(), SGDClassifier(loss="log_loss", alpha=0.1)),
        ("Affine",),
    ),
    Case("one against the rest", "iris", lambda: OneVsRestClassifier(LogisticRegression()), ("Affine",)),
    Case("relu net", "breast_cancer", _net(), NET, "sigmoid"),
    Case("tanh net", "wine", _net(activation="tanh"), NET, "softmax"),
    Case("sigmoid net", "iris", _net(activation="logistic"), NET, "softmax", False),
    Case("tree", "breast_cancer", lambda: DecisionTreeClassifier(max_depth=5, random_state=0), ("Trees",)),
    Case("tree of three", "wine", lambda: DecisionTreeClassifier(random_state=0), ("Trees",)),
    Case("forest", "breast_cancer", lambda: RandomForestClassifier(10, random_state=0), ("Trees",)),
    Case("forest of ten", "digits", lambda: RandomForestClassifier(5, max_depth=6, random_state=0), ("Trees",)),
    Case(
        "scaled forest",
        "wine",
        lambda: make_pipeline(StandardScaler(), ExtraTreesClassifier(10, max_depth=4, random_state=0)),
        ("Trees",),
    ),
    Case("bagged trees", "iris", lambda: BaggingClassifier(DecisionTreeClassifier(max_depth=2), 5), ("Trees",)),
    Case(
        "boosting",
        "breast_cancer",
        lambda: GradientBoostingClassifier(n_estimators=12, max_depth=2, random_state=0),
        ("Trees",),
        "sigmoid",
    ),
    Case(
        "boosting of three",
        "wine",
        lambda: GradientBoostingClassifier(n_estimators=5, max_depth=2, random_state=0),
        ("Trees",),
        "softmax",
    ),
    Case(
        "gaussian",
        "breast_cancer",
        lambda: make_pipeline(StandardScaler(), GaussianNB()),
        ("Squares", "Affine"),
        "sigmoid",
    ),
    Case("gaussian of three", "wine", GaussianNB, ("Squares", "Affine"), "softmax"),
    Case("bernoulli", "digits", lambda: BernoulliNB(binarize=7.5), ("Trees",), "softmax"),
    Case(
        "bernoulli of bits",
        "digits",
        lambda: make_pipeline(Binarizer(threshold=3), BernoulliNB(binarize=None)),
        ("Trees",),
        "softmax",
    ),
    Case("multinomial", "digits", MultinomialNB, ("Affine",), "softmax"),
    Case("complement", "wine", ComplementNB, ("Affine",), "softmax"),
    Case(
        "one-hot",
        "mixed",
        _encoded((StandardScaler(), [2, 3]), model=LogisticRegression()),
        ("OneHot", "Affine"),
        "softmax",
    ),
    Case(
        "one-hot trees",
        "mixed",
        _encoded(model=RandomForestClassifier(5, max_depth=3, random_state=0)),
        ("OneHot", "Trees"),
    ),
    Case(
        "ordinal",
        "mixed",
        lambda: make_pipeline(
            make_column_transformer((OrdinalEncoder(), [0, 1]), remainder="passthrough"),
            LogisticRegression(max_iter=500),
        ),
        ("OneHot", "Affine"),
        "softmax",
    ),
    Case(
        "polynomial",
        "iris",
        lambda: make_pipeline(PolynomialFeatures(2), LogisticRegression(max_iter=2_000)),
        ("Affine", "Squares", "Affine"),
        "softmax",
    ),
]


@cache
def imported(case: Case) -> tuple[Any, bytes, FloatModel]:
    """Return the trained pipeline, its ONNX file and the imported model."""
    rows, wanted = data(case.data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few iterations are meant
        trained = case.make().fit(rows, wanted)
        options = {} if case.zipmap else {"zipmap": False}
        file = to_onnx(trained, rows[:1], options=options).SerializeToString()
    return trained, file, read_onnx(file, name=case.name)


@pytest.mark.parametrize("case", CLASSIFIERS, ids=lambda case: case.name)
def test_a_classifier_gives_the_labels_and_probabilities_of_the_runtime(case: Case) -> None:
    trained, file, model = imported(case)
    rows, _ = data(case.data)
    labels, *written = run(file, rows)
    scores = scores_of(model, rows)
    decided = np.array(model.labels)[decide(model, scores)]
    assert decided.tolist() == [str(label) for label in labels]
    assert decided.tolist() == [str(label) for label in trained.predict(rows)]
    assert tuple(type(step).__name__ for step in model.steps) == case.steps
    assert (model.task, model.link, len(model.features)) == ("classes", case.link, rows.shape[1])
    if case.link != "identity":
        assert np.abs(probabilities(model, scores) - written[0]).max() < 2e-4
        assert np.abs(probabilities(model, scores) - trained.predict_proba(rows)).max() < 2e-4


@pytest.mark.parametrize(
    ("make", "step"),
    [
        (lambda: make_pipeline(RobustScaler(), LinearRegression()), Affine),
        (lambda: make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(5,), max_iter=50)), Affine),
        (lambda: DecisionTreeRegressor(max_depth=4), Trees),
        (lambda: RandomForestRegressor(5, max_depth=4), Trees),
        (lambda: GradientBoostingRegressor(n_estimators=8, max_depth=2), Trees),
    ],
    ids=["linear", "net", "tree", "forest", "boosting"],
)
def test_a_regression_gives_the_values_of_the_runtime(make: Callable[[], Any], step: type) -> None:
    rows, wanted = data("diabetes")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trained = make().fit(rows, wanted)
    file = to_onnx(trained, rows[:1]).SerializeToString()
    model = read_onnx(file, name="diabetes")
    values = scores_of(model, rows)
    largest = np.abs(values).max()
    assert np.abs(values - run(file, rows)[0]).max() < 1e-6 * largest
    assert np.abs(values[:, 0] - trained.predict(rows)).max() < 1e-5 * largest
    assert (model.task, model.labels) == ("value", ())
    assert isinstance(model.steps[-1], step)


@pytest.mark.parametrize("make", [KMeans, MiniBatchKMeans], ids=["k-means", "in batches"])
@pytest.mark.parametrize("scaler", [StandardScaler(), PCA(2)], ids=["scaled", "components"])
def test_k_means_finds_the_clusters_of_the_runtime_in_one_affine_step(make: type, scaler: Any) -> None:
    rows, _ = data("wine")
    trained = make_pipeline(scaler, make(4, n_init=1, random_state=0)).fit(rows)
    file = to_onnx(trained, rows[:1]).SerializeToString()
    model = read_onnx(file, name="clusters")
    found = decide(model, scores_of(model, rows))
    assert found.tolist() == run(file, rows)[0].tolist()
    assert [type(step) for step in model.steps] == [Affine]  # the squares are the same for all centres
    assert (model.task, len(model.labels)) == ("clusters", 4)


def test_trees_that_vote_half_and_half_decide_as_scikit_learn_does() -> None:
    rows, wanted = data("breast_cancer")
    trained = RandomForestClassifier(4, max_features=1, random_state=1).fit(rows, wanted)
    halves = np.flatnonzero(trained.predict_proba(rows)[:, 1] == 0.5)
    assert len(halves), "there is no tie to test"
    model = read_onnx(to_onnx(trained, rows[:1]).SerializeToString(), name="forest")
    scores = scores_of(model, rows[halves])
    assert np.all(scores == 0.0)
    assert decide(model, scores).tolist() == trained.predict(rows[halves]).tolist()


def test_scalers_disappear_into_the_first_step() -> None:
    net = imported(next(case for case in CLASSIFIERS if case.name == "relu net"))[2]
    assert isinstance(net.steps[0], Affine)
    assert net.steps[0].weights.shape == (6, 30)
    forest = imported(next(case for case in CLASSIFIERS if case.name == "scaled forest"))[2]
    assert isinstance(forest.steps[0], Trees)


def test_a_category_that_was_never_seen_is_no_category() -> None:
    trained, file, model = imported(next(case for case in CLASSIFIERS if case.name == "one-hot"))
    rows = data("mixed")[0][:5].copy()
    rows[:, 0] = 9
    assert isinstance(model.steps[0], OneHot)
    assert model.steps[0].columns[:2] == ((0.0, 1.0, 2.0), (4.0, 5.0))
    assert (
        decide(model, scores_of(model, rows)).tolist() == run(file, rows)[0].tolist() == trained.predict(rows).tolist()
    )


def test_naive_bayes_of_two_classes_is_one_score() -> None:
    model = imported(next(case for case in CLASSIFIERS if case.name == "gaussian"))[2]
    assert isinstance(model.steps[0], Squares)
    assert isinstance(model.steps[1], Affine)
    assert model.steps[1].weights.shape == (1, 60)
    assert model.labels == ("0", "1")


@pytest.mark.parametrize(
    ("make", "operator"),
    [
        (lambda: SVC(), "SVMClassifier"),
        (lambda: make_pipeline(Normalizer(), LogisticRegression()), "Normalizer"),
        (lambda: make_pipeline(PolynomialFeatures(3), LogisticRegression(max_iter=2_000)), "ReduceProd"),
        (lambda: AdaBoostClassifier(n_estimators=2), "Equal"),
        (lambda: CalibratedClassifierCV(LogisticRegression(), cv=2), "Sum"),
    ],
    ids=["kernels", "normaliser", "third powers", "adaboost", "calibrated"],
)
def test_what_no_step_computes_is_refused_with_the_operator_and_its_node(
    make: Callable[[], Any], operator: str
) -> None:
    rows, wanted = data("iris")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = to_onnx(make().fit(rows, wanted), rows[:1]).SerializeToString()
    with pytest.raises(InvalidInput) as caught:
        read_onnx(file, name="iris")
    assert caught.value.code in ("onnx.unsupported", "onnx.branches")
    assert f"{operator} (node" in str(caught.value)
