"""Live scikit-learn estimators written as evidence: all of what was fitted, none of how it was found, and it serves."""

from __future__ import annotations

import json
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, StackingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.impute import KNNImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, PowerTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from tallystick.core.errors import InvalidInput
from tallystick.models.formats import sklearn as evidence
from tallystick.models.formats.folder import ModelContent, inspect

ROWS, LABELS = load_breast_cancer(return_X_y=True)
ROWS = ROWS.astype(np.float32)


def _columns() -> ColumnTransformer:
    return ColumnTransformer([("a", StandardScaler(), [0, 1]), ("b", MinMaxScaler(), slice(2, 6))])


ESTIMATORS = {
    "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
    "columns": lambda: make_pipeline(_columns(), LogisticRegression(max_iter=500)),
    "network": lambda: make_pipeline(StandardScaler(), MLPClassifier((4,), max_iter=20, random_state=0)),
    "forest": lambda: RandomForestClassifier(3, random_state=0),
    "boosted": lambda: GradientBoostingClassifier(n_estimators=3, random_state=0),
    "stacked": lambda: StackingClassifier([("t", DecisionTreeClassifier(max_depth=2)), ("k", KNeighborsClassifier(3))]),
    "vectors": lambda: make_pipeline(StandardScaler(), SVC()),
    "process": lambda: GaussianProcessRegressor(),
    "ridge": lambda: Ridge(),
    "clusters": lambda: KMeans(2, n_init=1, random_state=0),
}  # fmt: skip


def _fit(estimator: Any, end: int = 120) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a network that has not converged is as good as any
        return estimator.fit(ROWS[:end], LABELS[:end])


def _write(estimator: Any, folder: Path) -> ModelContent:
    folder.mkdir(exist_ok=True)
    evidence.write_model(estimator, folder)
    return inspect(folder)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_estimator_becomes_a_folder_that_is_evidence(tmp_path: Path, name: str) -> None:
    content = _write(_fit(ESTIMATORS[name]()), tmp_path / "model")
    assert [file.name for file in content.manifest.files] == [
        "architecture.json",
        "model.onnx",
        "parameters.safetensors",
    ]
    assert content.tensors.root is not None
    assert content.opaque == ()


def test_every_fitted_number_is_in_a_tensor_at_its_value(tmp_path: Path) -> None:
    pipeline = _fit(ESTIMATORS["logistic"]())
    found = {name: (dtype, shape, data) for name, dtype, shape, data in evidence.parameters(pipeline)}
    scaler, logistic = pipeline[0], pipeline[1]
    for name, array in {
        "steps/standardscaler/mean_": scaler.mean_, "steps/standardscaler/scale_": scaler.scale_,
        "steps/logisticregression/coef_": logistic.coef_, "steps/logisticregression/intercept_": logistic.intercept_,
        "steps/logisticregression/classes_": logistic.classes_,
    }.items():  # fmt: skip
        assert found[name][1:] == (array.shape, array.tobytes()), name
    assert found["steps/standardscaler/n_features_in_"] == ("I64", (), struct.pack("<q", 30))


@pytest.mark.parametrize(
    ("estimator", "name"),
    [
        (SVC(), "_gamma"), (SVC(), "_n_support"), (SVC(probability=True, random_state=0), "_probA"),
        (PowerTransformer(), "_scaler/mean_"), (GaussianProcessRegressor(normalize_y=True), "_y_train_mean"),
        (KNNImputer(), "_fit_X"), (TfidfVectorizer(), "_tfidf/idf_"),
    ],
)  # fmt: skip
def test_what_an_estimator_answers_by_under_a_private_name_is_written_too(estimator: Any, name: str) -> None:
    fitted = estimator.fit(["one two", "two three"]) if isinstance(estimator, TfidfVectorizer) else _fit(estimator)
    assert name in {found for found, _, _, _ in evidence.parameters(fitted)}


def test_a_tree_is_written_by_its_arrays() -> None:
    tree = _fit(DecisionTreeClassifier(max_depth=3))
    found = {name: data for name, _, _, data in evidence.parameters(tree)}
    assert found["tree_/threshold"] == tree.tree_.threshold.tobytes()
    assert found["tree_/children_left"] == tree.tree_.children_left.tobytes()
    assert found["tree_/value"] == tree.tree_.value.tobytes()


def test_the_byte_order_and_layout_in_memory_are_not_evidence() -> None:
    class Fitted(BaseEstimator):  # type: ignore[misc]
        def fit(self) -> None: ...

    forms = []
    for array in (np.arange(6, dtype="<f8").reshape(2, 3), np.arange(6, dtype=">f8").reshape(2, 3)):
        for laid in (array, np.asfortranarray(array)):
            estimator = Fitted()
            estimator.coef_ = laid
            forms.append(list(evidence.parameters(estimator)))
    assert all(form == forms[0] for form in forms)


def test_labels_that_are_texts_are_written_as_texts() -> None:
    model = LogisticRegression(max_iter=500).fit(ROWS[:50], np.array(["no", "yes"])[LABELS[:50]])
    found = {name: data for name, _, _, data in evidence.parameters(model)}
    assert json.loads(found["classes_.json"]) == ["no", "yes"]


def test_what_is_served_gives_the_estimators_answers(tmp_path: Path) -> None:
    pipeline = _fit(ESTIMATORS["network"]())
    _write(pipeline, tmp_path / "model")
    session = onnxruntime.InferenceSession(str(tmp_path / "model" / "model.onnx"))
    labels, probabilities = session.run(None, {"input": ROWS})
    assert (labels == pipeline.predict(ROWS)).mean() > 0.99
    assert np.allclose(probabilities, pipeline.predict_proba(ROWS), atol=1e-3)


@pytest.mark.parametrize(
    ("before", "after", "moves"),
    [
        (LogisticRegression(C=1.0, max_iter=500), LogisticRegression(C=0.1, max_iter=900), "parameters"),
        (LogisticRegression(max_iter=500), LogisticRegression(max_iter=500, fit_intercept=False), "both"),
        (MLPClassifier((4,), max_iter=20, alpha=0.1), MLPClassifier((4,), max_iter=9, alpha=0.2), "parameters"),
        (MLPClassifier((4,), max_iter=20), MLPClassifier((5,), max_iter=20), "both"),
        (MLPClassifier((4,), max_iter=20), MLPClassifier((4,), max_iter=20, activation="tanh"), "both"),
        (Ridge(1.0), Ridge(2.0), "parameters"),
        (Ridge(), LogisticRegression(max_iter=500), "both"),
        (LogisticRegression(max_iter=500), make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)), "both"),
    ],
)
def test_a_setting_moves_the_architecture_only_if_it_shapes_the_model(
    tmp_path: Path, before: Any, after: Any, moves: str
) -> None:
    found = [_write(_fit(estimator), tmp_path / name) for estimator, name in ((before, "a"), (after, "b"))]
    assert found[0].tensors.root != found[1].tensors.root
    assert (found[0].architecture.root != found[1].architecture.root) == (moves == "both")


def test_training_on_more_rows_moves_the_parameters_alone(tmp_path: Path) -> None:
    found = [_write(_fit(ESTIMATORS["network"](), end), tmp_path / str(end)) for end in (120, 140)]
    assert found[0].architecture.root == found[1].architecture.root
    assert found[0].tensors.root != found[1].tensors.root


def test_the_same_training_gives_the_same_bytes(tmp_path: Path) -> None:
    found = [_write(_fit(ESTIMATORS["forest"]()), tmp_path / str(time)) for time in (1, 2)]
    assert found[0].manifest == found[1].manifest


def test_settings_that_only_train_stand_apart() -> None:
    described = evidence.architecture(LogisticRegression(C=0.5))
    assert described["class"] == "sklearn.linear_model.LogisticRegression"
    assert described["training"]["C"] == {"$number": "0.5"}
    assert described["parameters"] == {"fit_intercept": True}


class TestRefusals:
    """What is not understood is refused by name, never left out."""

    def test_an_estimator_that_was_not_fitted(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput) as caught:
            evidence.write_model(Ridge(), tmp_path)
        assert caught.value.code == "sklearn.unfitted"
        assert not list(tmp_path.iterdir())

    def test_a_fitted_attribute_of_an_unknown_kind(self) -> None:
        model = _fit(Ridge())
        model.secret_ = object()
        with pytest.raises(InvalidInput, match="secret_"):
            list(evidence.parameters(model))

    def test_a_setting_of_an_unknown_kind(self) -> None:
        for setting in (object(), lambda row: row):
            with pytest.raises(InvalidInput) as caught:
                evidence.architecture(Ridge(alpha=setting))
            assert caught.value.code == "sklearn.setting"

    def test_a_fitted_attribute_that_holds_itself(self) -> None:
        model = _fit(Ridge())
        model.loop_ = [model]
        with pytest.raises(InvalidInput, match="nested too deeply"):
            list(evidence.parameters(model))

    def test_an_estimator_without_an_onnx_form(self, tmp_path: Path) -> None:
        class Odd(BaseEstimator):  # type: ignore[misc]
            def fit(self, rows: Any, labels: Any) -> Odd:
                self.mean_, self.n_features_in_ = rows.mean(axis=0), rows.shape[1]
                return self

        with pytest.raises(InvalidInput) as caught:
            evidence.write_model(Odd().fit(ROWS, LABELS), tmp_path)
        assert caught.value.code == "sklearn.convert"
        assert not list(tmp_path.iterdir())

    def test_an_estimator_that_does_not_know_its_width(self, tmp_path: Path) -> None:
        model = _fit(Ridge())
        del model.n_features_in_
        with pytest.raises(InvalidInput, match="width"):
            evidence.write_model(model, tmp_path)
        evidence.write_model(model, tmp_path, features=30)
