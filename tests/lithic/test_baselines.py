"""The models in Vyper that kernels are measured beside compute the same numbers, and are no straw men."""

from __future__ import annotations

import pytest

from benches._vyper_models import naive, packed
from tallystick.lithic.integer.reference import predict
from tallystick.lithic.kernel import compile_integer
from tallystick.lithic.shapes import shape


@pytest.mark.parametrize("name", ["30-4-1", "gbdt-50x3"])
def test_both_baselines_compute_the_model_and_the_kernel_is_the_cheapest(name):
    made = shape(name)
    x = made.inputs["a row"]
    first, careful = naive(made.model), packed(made.model)
    slow, fast = first.run(made.model, x), careful.run(made.model, x)
    assert first.answer(slow) == careful.answer(fast) == predict(made.model, x)
    assert compile_integer(made.model).gas(x) < fast.gas < slow.gas


def test_the_naive_baseline_is_no_straw_man():
    """Published: 323,796 a prediction for a network of this shape (ML2SC, rebuilt)."""
    made = shape("30-4-1")
    assert 200_000 < naive(made.model).run(made.model, made.inputs["a row"]).gas < 400_000
