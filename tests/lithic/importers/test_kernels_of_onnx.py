"""From a file to a contract: what an ONNX file of another library says, a kernel says, in Python and as EVM code."""

from __future__ import annotations

import numpy as np
import pytest

from tallystick.lithic.build import compile_model
from tallystick.lithic.floats import decide, evaluate
from tallystick.lithic.importers import read_onnx
from tallystick.lithic.quantise.conversion import Precision
from tests.lithic.importers.test_fixtures import NAMES, fixture
from tests.lithic.importers.test_sklearn import CLASSIFIERS, Case, data, imported

FAMILIES = ("gaussian of three", "bernoulli", "one-hot trees", "polynomial", "scaled forest", "tanh net")


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("torch_logits", "torch_pictures_traced")])
def test_a_model_of_another_library_becomes_a_kernel_that_decides_alike(name: str) -> None:
    file, said = fixture(name)
    rows = np.array(said["rows"])
    kernel = compile_model(file, sample=rows, precision=Precision(input=16))
    encoded = kernel.encode_rows(rows.tolist())
    answers = [kernel.predict(row) for row in encoded]
    assert [kernel.run(row) for row in encoded[:3]] == answers[:3]
    if said["task"] == "classes":
        assert [kernel.model.labels[answer[0]] for answer in answers] == said["labels"]
    else:
        values = np.array(answers, dtype=float) * float(kernel.model.scale)
        wanted = np.array(said["scores"])
        assert np.abs(values - wanted).max() < 1e-3 * np.abs(wanted).max()


@pytest.mark.parametrize("case", [case for case in CLASSIFIERS if case.name in FAMILIES], ids=lambda case: case.name)
def test_a_model_of_scikit_learn_becomes_a_kernel_that_decides_alike(case: Case) -> None:
    _, file, _ = imported(case)
    rows = data(case.data)[0].astype(float)
    model = read_onnx(file, name=case.name)
    kernel = compile_model(file, sample=rows, precision=Precision(input=16))
    some = kernel.encode_rows(rows[::10].tolist())
    decided = [kernel.predict(row)[0] for row in some]
    assert np.mean(decided == decide(model, evaluate(model, rows[::10])[-1])) >= 0.9
    assert kernel.run(some[0]) == kernel.predict(some[0])
