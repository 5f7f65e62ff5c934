"""From a float model, or from a file, to a kernel: what is not said is taken from the sample, and nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from tallystick.core.errors import InvalidInput
from tallystick.lithic import Kernel, compile_model
from tallystick.lithic.build import density_of
from tallystick.lithic.floats import Affine, FloatModel
from tallystick.lithic.quantise.conversion import Precision
from tests.lithic import kernel_models

MODEL = FloatModel("linear", ("a", "b", "c"), (Affine(np.array([[1.0, -2.0, 0.5]]), np.array([0.25])),), "value")
ROWS = [[0.0, 0.5, 1.0], [0.0, 1.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.5]]
RANGES = {"a": (0, 2), "b": (0, 1), "c": (0, 1)}


def test_a_float_model_becomes_a_kernel_that_answers_nearly_the_same() -> None:
    kernel = compile_model(
        MODEL, ranges=RANGES, sample=ROWS, registry=("0x5FbDB2315678afecb367f032d93F642f64180aa3", 2)
    )
    assert kernel.registry is not None
    for row in ROWS:
        (score,) = kernel.predict_raw(row)
        assert score * float(kernel.model.scale) == pytest.approx(row[0] - 2 * row[1] + row[2] / 2 + 0.25, abs=0.03)


def test_ranges_come_from_the_sample_where_none_are_declared_and_from_nowhere_else() -> None:
    kernel = compile_model(MODEL, sample=ROWS)
    assert kernel.predict_raw([2.0, 1.0, 1.0])
    with pytest.raises(InvalidInput):
        kernel.predict_raw([50.0, 1.0, 1.0])
    with pytest.raises(InvalidInput) as refused:
        compile_model(MODEL)
    assert refused.value.code == "kernel.range"


def test_the_share_of_zeros_is_the_samples_own() -> None:
    assert density_of(compile_model(MODEL, ranges=RANGES).model, ROWS) == 417  # 5 of 12, rounded up
    assert compile_model(MODEL, ranges=RANGES, sample=ROWS).density_permille == 417
    assert compile_model(MODEL, ranges=RANGES, sample=ROWS, density_permille=9).density_permille == 9
    assert compile_model(MODEL, ranges=RANGES).density_permille == 1_000


def test_an_integer_model_is_compiled_as_it_is() -> None:
    model = kernel_models.mlp()
    assert compile_model(model).model is model


def test_more_bits_come_nearer() -> None:
    coarse = compile_model(MODEL, ranges=RANGES, precision=Precision(weight=3))
    fine = compile_model(MODEL, ranges=RANGES, precision=Precision(input=16, weight=16))

    assert _off(fine) < _off(coarse)


def _off(kernel: Kernel) -> float:
    scale = float(kernel.model.scale)
    wanted = [row[0] - 2 * row[1] + row[2] / 2 + 0.25 for row in ROWS]
    return max(abs(kernel.predict_raw(row)[0] * scale - score) for row, score in zip(ROWS, wanted, strict=True))


def test_bytes_that_are_no_model_are_refused() -> None:
    with pytest.raises(InvalidInput):
        compile_model(b"no model", ranges=RANGES)


@pytest.mark.parametrize("model", ["model.onnx", Path("model.onnx"), LinearRegression(), None, bytearray(b"no model")])
def test_what_is_neither_a_file_nor_a_model_is_refused_with_the_way_to_make_one(model: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        compile_model(model, ranges=RANGES)
    assert (refused.value.code, refused.value.got) == ("kernel.kind", type(model).__name__)
    assert refused.value.hint is not None
    assert "SerializeToString" in refused.value.hint
