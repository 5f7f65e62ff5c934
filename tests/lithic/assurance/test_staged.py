"""Stages, one after the other, say what the reference says; a right trace has no fault and a wrong one has one."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.chain.scratch import ScratchEvm
from tallystick.core.digest import keccak
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import STAGED_ANSWER_MAX, STAGED_WIDTH_MAX
from tallystick.lithic.assurance.staged import STAGES, compile_staged
from tallystick.lithic.assurance.trace import Trace, first_fault, trace, words
from tallystick.lithic.contract import DIGEST, REGISTRY, calldata, view_call
from tallystick.lithic.integer import document
from tallystick.lithic.integer.reference import pack, predict
from tests.lithic import kernel_models
from tests.lithic.random_models import examples, inputs, models

REGISTRY_ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"


def put(staged):
    evm = ScratchEvm()
    for _, address, code in staged.contracts:
        evm.put(address, code)
    return evm


def check_stages(staged, evm, x):
    """Run each stage on what came out of the one before."""
    told = trace(staged.model, x)
    data = calldata(pack(staged.model.input, x))
    for stage, vector in zip(staged.stages, told.vectors, strict=True):
        done = evm.call(stage.address, data)
        assert done.ok
        assert done.output == words(vector), stage.name
        assert done.gas <= stage.worst_gas, stage.name
        data = done.output
    assert told.answer == predict(staged.model, x)


@settings(max_examples=examples(12), deadline=None, suppress_health_check=list(HealthCheck))
@given(model=models(), seed=st.integers(0, 2**32))
def test_stages_compute_what_the_reference_does(model, seed):
    staged = compile_staged(model)
    evm = put(staged)
    for x in inputs(model, Random(seed), 3):
        check_stages(staged, evm, x)


def test_a_stage_too_large_for_one_contract_calls_its_parts():
    staged = compile_staged(kernel_models.large())
    assert [len(stage.parts) for stage in staged.stages] == [0, 2, 0, 0, 0]
    x = tuple((field.low + field.high) // 2 for field in staged.model.input.fields)
    check_stages(staged, put(staged), x)


def test_whoever_gives_little_gas_gets_no_other_vector():
    """Who refutes chooses the gas: a stage whose part was starved must fail, or a true claim could fall."""
    staged = compile_staged(kernel_models.large())
    evm, at = put(staged), 1
    x = tuple(field.high for field in staged.model.input.fields)
    before, after = (words(vector) for vector in trace(staged.model, x).vectors[at - 1 : at + 1])
    whole = evm.call(staged.stages[at].address, before)
    assert (whole.output, len(staged.stages[at].parts)) == (after, 2)
    starved = [evm.call(staged.stages[at].address, before, gas) for gas in range(0, whole.gas + 900, 211)]
    assert {done.output for done in starved if done.ok} == {after}
    assert sum(not done.ok for done in starved) > 50


def test_a_stage_refuses_what_is_no_vector_of_its_own():
    staged = compile_staged(kernel_models.mlp())
    evm = put(staged)
    good = words(trace(staged.model, [50] * 6).vectors[0])
    address = staged.stages[1].address
    assert evm.call(address, good).ok
    for data in (b"", good[:-1], good + b"\0", good[32:], good + bytes(32)):
        assert not evm.call(address, data).ok
    packed = calldata(pack(staged.model.input, [50] * 6))
    for data in (packed[:-32], packed[:4] + bytes(32) + packed[36:], packed.replace(b"\x32", b"\xff")):
        assert not evm.call(staged.stages[0].address, data).ok


def test_the_table_lists_the_stages_and_names_the_model():
    staged = compile_staged(kernel_models.mlp(), registry=(REGISTRY_ADDRESS, 7))
    evm = put(staged)
    listed = evm.call(staged.address, view_call(STAGES)).output
    addresses = [int(stage.address, 16) for stage in staged.stages]
    assert [int.from_bytes(listed[at : at + 32]) for at in range(0, len(listed), 32)] == [32, 5, *addresses]
    assert evm.call(staged.address, view_call(DIGEST)).output == document.digest(staged.model)
    said = evm.call(staged.address, view_call(REGISTRY)).output
    assert said == bytes(12) + bytes.fromhex(REGISTRY_ADDRESS[2:]) + (7).to_bytes(32)


def test_the_same_model_has_the_same_addresses_and_another_model_other_ones():
    one, again = compile_staged(kernel_models.mlp()), compile_staged(kernel_models.mlp())
    other = compile_staged(replace(kernel_models.mlp(), name="other"))
    assert one.contracts == again.contracts
    assert one.address != other.address
    assert one.stages == other.stages  # a name is not computed with


def test_a_model_wider_than_the_referee_takes_is_refused():
    wide = kernel_models.model(kernel_models.dense(2, STAGED_WIDTH_MAX + 1, 1), inputs=2, decision="argmax")
    answer = kernel_models.model(kernel_models.dense(2, STAGED_ANSWER_MAX, 1), inputs=2, decision="argmax")
    for model in (wide, answer):
        with pytest.raises(InvalidInput) as caught:
            compile_staged(model)
        assert caught.value.code == "kernel.stages"
    compile_staged(replace(answer, decision="none"))


def test_a_right_trace_has_no_fault_and_a_wrong_one_has_its_first():
    right = trace(kernel_models.mlp(), [10, 20, 30, 40, 50, 60])
    assert first_fault(right, right.hashes) is None
    for stage in range(len(right.hashes)):
        hashes = [*right.hashes[:stage], keccak(b"else"), *right.hashes[stage + 1 :]]
        fault = first_fault(right, hashes)
        assert fault is not None
        assert (fault.stage, fault.vector) == (stage, words(right.vectors[stage]))
        later = first_fault(right, [*hashes[: stage + 1], *(keccak(b"more") for _ in hashes[stage + 1 :])])
        assert later == fault


def test_words_are_signed_and_of_one_length():
    assert words((-1, 0, 1)) == b"\xff" * 32 + bytes(63) + b"\x01"
    assert Trace(((1,), (2,))).hashes == (keccak((2).to_bytes(32)),)
