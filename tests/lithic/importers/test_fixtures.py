"""Models of PyTorch, XGBoost and LightGBM answer as these libraries said, and as onnxruntime says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tallystick.core.errors import InvalidInput
from tallystick.lithic.floats import Affine, FloatModel, Fork, MaxPool, Trees, decide
from tallystick.lithic.importers import read_onnx
from tests.lithic.importers.onnx_kit import probabilities, run, scores_of

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
NAMES = sorted(path.stem for path in FIXTURES.glob("*.onnx"))
STEPS = {
    "lightgbm": ("Trees",),
    "xgboost": ("Trees",),
    "torch_binary": ("Affine", "Activation", "Affine", "Activation", "Affine", "Activation", "Affine"),
    "torch_logits": ("Affine", "Activation", "Affine", "Activation", "Affine"),
    "torch_pictures": ("Affine", "Activation", "MaxPool", "Affine", "Activation", "Affine"),
}


def fixture(name: str) -> tuple[bytes, dict[str, Any]]:
    """Return a model and what its library said."""
    return (FIXTURES / f"{name}.onnx").read_bytes(), json.loads((FIXTURES / f"{name}.json").read_text("utf-8"))


def answers(model: FloatModel, rows: Any) -> Any:
    """Return the probabilities or values of a model, as many columns as the library has."""
    scores = scores_of(model, rows)
    return probabilities(model, scores)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_of_another_library_says_what_the_library_said(name: str) -> None:
    file, said = fixture(name)
    rows, wanted = np.array(said["rows"]), np.array(said["scores"])
    model = read_onnx(file, name=name)
    found = answers(model, rows)[:, -wanted.shape[1] :]
    assert model.task == said["task"]
    assert np.abs(found - wanted).max() < 2e-6 * max(1.0, np.abs(wanted).max())
    decided = decide(model, scores_of(model, rows))
    assert said["labels"] == ([model.labels[k] for k in decided] if model.task == "classes" else [])


@pytest.mark.parametrize("name", NAMES)
def test_a_model_of_another_library_says_what_the_runtime_says(name: str) -> None:
    file, said = fixture(name)
    rows = np.array(said["rows"])
    model = read_onnx(file, name=name)
    written = np.asarray(run(file, rows)[-1])
    found = answers(model, rows)[:, -written.shape[1] :]
    assert np.abs(found - written).max() < 2e-6 * max(1.0, np.abs(written).max())


@pytest.mark.parametrize("name", NAMES)
def test_a_model_of_another_library_becomes_as_few_steps_as_can_be(name: str) -> None:
    steps = next(steps for start, steps in STEPS.items() if name.startswith(start))
    assert tuple(type(step).__name__ for step in read_onnx(fixture(name)[0], name=name).steps) == steps


def test_convolutions_and_batch_norms_are_one_affine_step_and_a_pool_is_groups() -> None:
    model = read_onnx(fixture("torch_pictures")[0], name="digits")
    first, _, pool, second, _, last = model.steps
    assert isinstance(first, Affine)
    assert first.weights.shape == (2 * 8 * 8, 64)
    assert np.count_nonzero(first.weights) <= 9 * 128
    assert isinstance(pool, MaxPool)
    assert {len(group) for group in pool.groups} == {4}
    assert isinstance(second, Affine)
    assert isinstance(last, Affine)
    assert (second.weights.shape, last.weights.shape) == ((4 * 2 * 2, 32), (10, 16))


def test_two_exporters_of_one_network_are_one_model() -> None:
    made, traced = (read_onnx(fixture(name)[0], name="digits") for name in ("torch_pictures", "torch_pictures_traced"))
    rows = np.array(fixture("torch_pictures")[1]["rows"])
    assert np.abs(scores_of(made, rows) - scores_of(traced, rows)).max() < 1e-6
    assert (made.labels, made.link) == (traced.labels, traced.link)


def test_categories_of_lightgbm_are_two_forks_each() -> None:
    (step,) = read_onnx(fixture("lightgbm_categories")[0], name="categories").steps
    assert isinstance(step, Trees)
    waiting: list[Any] = list(step.trees)
    edges = []
    while waiting:
        tree = waiting.pop()
        if isinstance(tree, Fork):
            waiting += (tree.left, tree.right)
            edges += [tree.threshold] if tree.feature == 0 else []
    assert edges, "no tree asks for the category"
    assert len(edges) % 2 == 0
    assert all(abs(edge - round(edge)) < 1e-6 for edge in edges)


@pytest.mark.parametrize("name", ["torch_pictures", "xgboost_binary"])
def test_no_piece_of_a_model_is_a_model(name: str) -> None:
    file = fixture(name)[0]
    for end in range(0, len(file) - 1, max(len(file) // 60, 1)):
        try:
            read_onnx(file[:end], name=name)
        except InvalidInput:
            continue
        raise AssertionError(f"the first {end} bytes of {len(file)} are read as a model")
