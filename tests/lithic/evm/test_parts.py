"""Models that take several contracts answer as in one, and nothing but the very parts is taken for them."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.core.digest import keccak
from tallystick.core.errors import InvalidInput
from tallystick.lithic.evm.assembler import initcode
from tallystick.lithic.integer.model import Node, Relu, Trees
from tallystick.lithic.integer.reference import pack, predict
from tallystick.lithic.kernel import compile_integer
from tests.lithic import kernel_models
from tests.lithic.evm.opcodes import opcodes
from tests.lithic.kernel_kit import ADDRESS, Kernel, answer, calldata, locate, reason
from tests.lithic.kernel_models import dense, model
from tests.lithic.random_models import PATIENCE, examples, inputs, models

pytestmark = PATIENCE
SEEDS = st.integers(0, 2**32 - 1)
ENDED = "kernel: a part is missing"


@settings(max_examples=examples(60), deadline=None)
@given(
    models(kinds=("dense", "dense", "relu", "trees"), steps_max=4),
    st.sampled_from((0, 100, 1_000)),
    st.sampled_from((0.4, 0.6, 0.8)),
    SEEDS,
)
def test_a_model_in_parts_answers_as_in_one_contract(drawn, density, share, seed):
    whole = Kernel(drawn, density)
    try:
        split = Kernel(drawn, density, max(700, int(len(whole.emitted.code) * share)))
    except InvalidInput:  # the rest of the kernel alone is too large
        return
    for x in inputs(drawn, Random(seed), 3):
        done = split.run(x)
        assert answer(done.output) == predict(drawn, x)
        assert done.gas <= split.emitted.worst_gas


@pytest.fixture(scope="module")
def split() -> Kernel:
    """A network whose two first steps are in parts."""
    whole = model(dense(60, 24, seed=1), Relu(2, 255), dense(24, 24, seed=2), Relu(), dense(24, 3, seed=3), inputs=60)
    kernel = Kernel(whole, 1_000, 2_200)
    assert len(kernel.emitted.parts) >= 3
    return kernel


WRONG = {
    "nothing": b"",
    "code that reverts": bytes.fromhex("5f5ffd"),
    "code that runs out of gas": bytes.fromhex("5b5f56"),
    "code that is none": bytes.fromhex("fe"),
    "no answer": bytes.fromhex("00"),
    "an answer a word short": bytes.fromhex("60206004356000f3"),
    "an answer a byte long": bytes.fromhex("6101215ff3"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_any_part_that_is_missing_or_answers_in_another_length_is_refused(split, wrong):
    x = tuple(k % 256 for k in range(60))
    for part in split.emitted.parts:
        split.evm.put(locate(part.code), WRONG[wrong])
        done = split.evm.call(ADDRESS, calldata(pack(split.model.input, x)), 150_000)
        split.evm.put(locate(part.code), part.code)
        assert (done.ok, reason(done.output)) == (False, ENDED)
    assert split.predict(x) == predict(split.model, x)


def test_whoever_gives_little_gas_gets_no_other_answer(split):
    """A caller may starve the call of a part, which gets 63 of 64 of what is left: the kernel must notice."""
    x = tuple(255 - k for k in range(60))
    data, right = calldata(pack(split.model.input, x)), split.run(x)
    refused = 0
    for gas in range(0, right.gas + 200, 97):
        done = split.evm.call(ADDRESS, data, gas)
        assert done.output == right.output if done.ok else reason(done.output) in ("", ENDED)
        refused += not done.ok
    assert refused > 50


def test_a_part_s_address_stands_for_its_code_and_nothing_else():
    """What is at a CREATE2 address was made by the initcode in it: 10 bytes that return the code that follows them."""
    rng = Random(1)
    stumps = tuple(Node(rng.randrange(4), rng.randint(1, 255), (-rng.randrange(2**99),), (0,)) for _ in range(900))
    kernel = compile_integer(model(Trees((0,), stumps), inputs=4))
    proxy = bytes.fromhex("4e59b44847b379578588920ca78fbf26c0b4956c")
    assert kernel.parts
    for part in kernel.parts:
        made = b"\xff" + proxy + bytes(32) + keccak(initcode(part.code))
        address = keccak(made)[12:]
        assert part.address.lower() == "0x" + address.hex()
        assert b"\x73" + address in kernel.code or address[0] == 0


@settings(max_examples=examples(20), deadline=None)
@given(models(), st.sampled_from((0, 1_000)), st.sampled_from((800, 24_576)))
def test_no_code_holds_an_instruction_that_changes_or_ends_anything(drawn, density, limit):
    """So a part cannot destroy itself and make room for another, nor can a kernel be made to call or keep anything."""
    try:
        kernel = Kernel(drawn, density, limit)
    except InvalidInput:
        return
    forbidden = {"SSTORE", "SLOAD", "CREATE", "CREATE2", "CALL", "CALLCODE", "DELEGATECALL", "SELFDESTRUCT", "TSTORE"}
    for code in (kernel.emitted.code, *(part.code for part in kernel.emitted.parts)):
        used = set(opcodes(code))
        assert not used & forbidden
        assert "UNKNOWN" not in used


def test_trees_in_parts_get_the_words_that_their_features_are_in():
    (forest,) = (step for step in kernel_models.forest().steps if isinstance(step, Trees))
    whole = model(dense(9, 4, seed=7), Relu(3, 255), forest, inputs=9, decision="argmax")
    kernel = Kernel(whole, 1_000, 9_000)
    assert len(kernel.emitted.parts) > 1
    for x in ((0,) * 9, (255,) * 9, tuple(range(9)), tuple(range(250, 205, -5))):
        assert kernel.predict(x) == predict(whole, x)
