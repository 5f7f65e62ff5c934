"""Kernels and staged models answer to their Vyper interfaces: a contract that knows no more than those can use them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from eth_abi.abi import decode, encode
from vyper.compiler import compile_from_file_input
from vyper.compiler.input_bundle import FileInput, FilesystemInputBundle

import tallystick
from tallystick.chain.scratch import ScratchEvm
from tallystick.lithic.assurance.staged import STAGES, compile_staged
from tallystick.lithic.contract import DIGEST, PREDICT, REGISTRY, SCALE, SHAPE
from tallystick.lithic.evm.interface import BAD_INPUT, NO_PART, OUT_OF_RANGE, selector
from tallystick.lithic.integer.reference import pack, predict
from tallystick.lithic.kernel import compile_integer
from tests.lithic import kernel_models

SOURCES = Path(tallystick.__file__).parent.parent
INTERFACES = SOURCES / "tallystick" / "contracts" / "interfaces"
REGISTRY_ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
ASKER = "0x" + "ab" * 20
MODEL = kernel_models.mlp()

CALLS = """
# pragma version 0.4.3
from tallystick.contracts.interfaces import IModel
from tallystick.contracts.interfaces import IStagedModel

@view
@external
def asks(kernel: IModel, data: Bytes[8192]) -> DynArray[int256, 256]:
    return staticcall kernel.predict(data)

@view
@external
def reads(kernel: IModel) -> (bytes32, uint256, uint256, uint256, uint256, uint256, address, uint256):
    fields: uint256 = 0
    bits: uint256 = 0
    outputs: uint256 = 0
    numerator: uint256 = 0
    denominator: uint256 = 0
    registry: address = empty(address)
    model_id: uint256 = 0
    fields, bits, outputs = staticcall kernel.shape()
    numerator, denominator = staticcall kernel.scale()
    registry, model_id = staticcall kernel.registry()
    return staticcall kernel.model_digest(), fields, bits, outputs, numerator, denominator, registry, model_id

@view
@external
def lists(model: IStagedModel) -> (DynArray[address, 67], bytes32, address, uint256):
    registry: address = empty(address)
    model_id: uint256 = 0
    registry, model_id = staticcall model.registry()
    return staticcall model.stages(), staticcall model.model_digest(), registry, model_id
"""


@pytest.fixture(scope="module")
def evm():
    """An EVM with a kernel, a staged model, and a contract that knows their interfaces."""
    path = Path("asker.vy")
    bundle = FilesystemInputBundle([SOURCES])
    made = compile_from_file_input(FileInput(0, path, path, CALLS), bundle, output_formats=["bytecode_runtime"])
    evm = ScratchEvm()
    evm.put(ASKER, bytes.fromhex(made["bytecode_runtime"][2:]))
    kernel = compile_integer(MODEL, registry=(REGISTRY_ADDRESS, 7))
    staged = compile_staged(MODEL, registry=(REGISTRY_ADDRESS, 7))
    evm.put(kernel.address, kernel.code)
    evm.put(staged.address, staged.table)
    return evm, kernel, staged


def ask(evm, signature, outputs, *values):
    types = signature.partition("(")[2][:-1].split(",")
    done = evm.call(ASKER, selector(signature).to_bytes(4) + encode(types, values))
    assert done.ok, done.output
    return decode(outputs, done.output)


def test_a_contract_asks_a_kernel_by_its_interface(evm):
    machine, kernel, _ = evm
    for x in ((3, 100, 50, 4, 99, 7), (100,) * 6):
        packed = pack(MODEL.input, x)
        assert ask(machine, "asks(address,bytes)", ["int256[]"], kernel.address, packed) == (predict(MODEL, x),)


def test_a_contract_reads_what_a_kernel_says_of_itself(evm):
    machine, kernel, _ = evm
    kinds = ["bytes32", *["uint256"] * 5, "address", "uint256"]
    found = ask(machine, "reads(address)", kinds, kernel.address)
    assert found == (kernel.digest, 6, 8, MODEL.outputs, 1, 16, REGISTRY_ADDRESS.lower(), 7)


def test_a_contract_lists_the_stages_of_a_staged_model(evm):
    machine, kernel, staged = evm
    stages, digest, registry, model_id = ask(
        machine, "lists(address)", ["address[]", "bytes32", "address", "uint256"], staged.address
    )
    assert stages == tuple(stage.address.lower() for stage in staged.stages)
    assert (digest, registry, model_id) == (kernel.digest, REGISTRY_ADDRESS.lower(), 7)


def test_the_interfaces_hold_these_functions_and_no_others():
    def functions(name):
        return set(re.findall(r"(?m)^def (\w+)\(", (INTERFACES / name).read_text("utf-8")))

    def named(*signatures):
        return {signature.partition("(")[0] for signature in signatures}

    assert functions("IModel.vyi") == named(PREDICT, DIGEST, SHAPE, SCALE, REGISTRY)
    assert functions("IStagedModel.vyi") == named(STAGES, DIGEST, REGISTRY)


def test_the_interface_names_every_reason_for_which_a_kernel_refuses():
    text = (INTERFACES / "IModel.vyi").read_text("utf-8")
    for reason in (BAD_INPUT, OUT_OF_RANGE, NO_PART):
        assert f'"{reason.decode()}"' in text
