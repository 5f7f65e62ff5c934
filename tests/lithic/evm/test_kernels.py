"""A kernel's code answers what the reference answers, whatever the model and input, for the gas that is promised."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.lithic.evm.emit import emit_kernel
from tallystick.lithic.integer.reference import predict
from tests.lithic.kernel_kit import VIEWS, Kernel, answer, locate
from tests.lithic.random_models import KINDS, PATIENCE, examples, inputs, models, networks

pytestmark = PATIENCE
SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=examples(100), deadline=None)
@given(models(), st.sampled_from((0, 100, 1_000)), SEEDS)
def test_code_and_reference_agree_on_every_number_and_no_run_takes_more_than_the_worst_gas(model, density, seed):
    kernel = Kernel(model, density)
    for x in inputs(model, Random(seed), 4):
        done = kernel.run(x)
        assert done.ok
        assert answer(done.output) == predict(model, x)
        assert done.gas <= kernel.emitted.worst_gas


@settings(max_examples=examples(30), deadline=None)
@given(networks(), st.sampled_from((0, 100, 1_000)), SEEDS)
def test_networks_agree_when_zeros_are_passed_over_and_when_not(model, density, seed):
    kernel = Kernel(model, density)
    for x in inputs(model, Random(seed), 4):
        assert kernel.predict(x) == predict(model, x)


@settings(max_examples=examples(40), deadline=None)
@given(models(kinds=[kind for kind in KINDS if kind != "trees"], decisions=("none", "positive")), SEEDS)
def test_a_model_without_choices_takes_exactly_the_worst_gas_on_every_input(model, seed):
    kernel = Kernel(model)
    assert {kernel.run(x).gas for x in inputs(model, Random(seed), 2)} == {kernel.emitted.worst_gas}


@settings(max_examples=examples(10), deadline=None)
@given(models(), st.sampled_from((0, 1_000)))
def test_the_same_model_is_the_same_code(model, density):
    first, again = (emit_kernel(model, VIEWS, locate, density) for _ in range(2))
    assert first == again
