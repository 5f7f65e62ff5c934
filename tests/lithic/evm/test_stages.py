"""A step's code alone makes of one vector the next, as the reference does: what a referee of a dispute runs."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.chain.scratch import Executed, ScratchEvm
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import CODE_BYTES_MAX
from tallystick.lithic.evm.emit import Emitted, emit_stage
from tallystick.lithic.integer.model import Relu
from tallystick.lithic.integer.reference import evaluate, predict
from tests.lithic.kernel_kit import ADDRESS, locate, reason
from tests.lithic.kernel_models import dense, model
from tests.lithic.random_models import PATIENCE, examples, inputs, models

pytestmark = PATIENCE


def run(emitted: Emitted, vector) -> Executed:
    evm = ScratchEvm()
    evm.put(ADDRESS, emitted.code)
    for part in emitted.parts:
        evm.put(locate(part.code), part.code)
    return evm.call(ADDRESS, b"".join((number % 2**256).to_bytes(32) for number in vector))


def numbers(output: bytes) -> tuple[int, ...]:
    words = [int.from_bytes(output[at : at + 32]) for at in range(0, len(output), 32)]
    return tuple(word - 2**256 if word >> 255 else word for word in words)


@settings(max_examples=examples(50), deadline=None)
@given(models(), st.sampled_from((CODE_BYTES_MAX, 900)), st.integers(0, 2**32 - 1))
def test_the_stages_one_after_the_other_are_the_model(drawn, limit, seed):
    vectors = [evaluate(drawn, x) for x in inputs(drawn, Random(seed), 2)]
    answers = [predict(drawn, found[0]) for found in vectors]
    for at in range(len(drawn.steps) + 1):
        try:
            stage = emit_stage(drawn, at, locate, limit)
        except InvalidInput:  # too large for such small contracts
            continue
        for found, last in zip(vectors, answers, strict=True):
            done = run(stage, found[at])
            assert done.ok
            assert numbers(done.output) == (found[at + 1] if at < len(drawn.steps) else last)
            assert done.gas <= stage.worst_gas


@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_a_stage_refuses_a_vector_of_another_length(at):
    whole = model(dense(5, 4, seed=1), Relu(2), dense(4, 3, seed=2), inputs=5, decision="argmax")
    width = whole.widths[at]
    stage = emit_stage(whole, at, locate)
    assert run(stage, (1,) * width).ok
    for wrong in (0, width - 1, width + 1):
        done = run(stage, (1,) * wrong)
        assert (done.ok, reason(done.output)) == (False, "kernel: malformed input")
