"""The same kernel gives the same answers for the same gas on the scratch EVM, the embedded ledger and anvil."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from anvil_node import KEYS
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.chain.accounts import Account
from tallystick.chain.calls import Call
from tallystick.chain.connect import connect
from tallystick.chain.embedded import Genesis, create
from tallystick.chain.outbox import Outbox
from tallystick.chain.scratch import transaction_gas
from tallystick.core.errors import Rejected
from tallystick.lithic.contract import SHAPE, view_call
from tallystick.lithic.evm.assembler import initcode
from tallystick.lithic.integer.model import IntegerModel, Node, Relu, Trees
from tallystick.lithic.integer.reference import pack, predict
from tallystick.lithic.kernel import compile_integer
from tests.lithic.kernel_kit import answer, calldata
from tests.lithic.kernel_models import dense, menagerie, model
from tests.lithic.random_models import PATIENCE, build, examples, inputs, models

pytestmark = PATIENCE
ACCOUNT = Account(bytes.fromhex(KEYS[0][2:]))


def stumps() -> IntegerModel:
    """Return trees that take two contracts."""
    rng = Random(1)
    leaves = ((-rng.randrange(2**99),), (0,))
    return model(Trees((0,), tuple(Node(rng.randrange(4), rng.randint(1, 255), *leaves) for _ in range(900))), inputs=4)


MODELS = {
    "a network": (model(dense(30, 4, 1), Relu(3, 255), dense(4, 1, 2), inputs=30, decision="positive"), 1_000),
    "a network that passes over zeros": (
        model(dense(64, 8, 3), Relu(), dense(8, 3, 4), inputs=64, decision="argmax"),
        50,
    ),
    "every step": (menagerie(), 1_000),
    "a random order": (build(["dense", "table", "onehot", "trees", "squares"], 16, 12, "none", 11), 1_000),
    "trees in parts": (stumps(), 1_000),
}


@pytest.fixture(scope="module", params=["embedded", pytest.param("anvil", marks=pytest.mark.anvil)])
def outbox(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outbox]:
    folder: Path = tmp_path_factory.mktemp("ledger")
    if request.param == "anvil":
        target = request.getfixturevalue("anvil").url
    else:
        target = str(folder / "chain.db")
        create(Path(target), Genesis(timestamp=1_700_000_000, balances={bytes.fromhex(ACCOUNT.address[2:]): 10**21}))
    with connect(target) as node, Outbox(folder / "outbox.db", node, ACCOUNT) as box:
        yield box


@pytest.mark.parametrize("name", MODELS)
def test_a_ledger_answers_and_charges_as_the_scratch_evm_does(outbox: Outbox, name: str) -> None:
    whole, density = MODELS[name]
    kernel = compile_integer(whole, density_permille=density)
    kernel.deploy(outbox)
    for number, x in enumerate(inputs(whole, Random(2), 2)):
        data = calldata(pack(whole.input, x))
        assert answer(outbox.node.call(kernel.address, data)) == predict(whole, x)
        row = outbox.send(Call(kernel.address, data), key=f"{name} {number}", gas=3_000_000)
        assert outbox.wait(row).gas_used == transaction_gas(data, kernel.gas(x))


@settings(max_examples=examples(60), deadline=None)
@given(models(), st.sampled_from((0, 100, 1_000)), st.integers(0, 2**32 - 1))
def test_random_models_and_inputs_get_the_reference_answer_on_a_ledger(
    outbox: Outbox, whole: IntegerModel, density: int, seed: int
) -> None:
    kernel = compile_integer(whole, density_permille=density)
    kernel.deploy(outbox)
    for x in inputs(whole, Random(seed), 4):
        assert answer(outbox.node.call(kernel.address, calldata(pack(whole.input, x)))) == predict(whole, x)


def test_ether_that_comes_along_is_refused_as_nobody_could_take_it_out(outbox: Outbox) -> None:
    kernel = compile_integer(MODELS["a network"][0])
    kernel.deploy(outbox)
    data = calldata(bytes(30))
    for call in (data, view_call(SHAPE), b""):
        with pytest.raises(Rejected):
            outbox.node.call(kernel.address, call, sender=ACCOUNT.address, value=1)
    assert answer(outbox.node.call(kernel.address, data, sender=ACCOUNT.address)) == predict(kernel.model, (0,) * 30)


def test_initcode_costs_what_was_foretold_and_leaves_the_code(outbox: Outbox) -> None:
    kernel = compile_integer(build(["dense", "relu", "dense"], 8, 10, "argmax", 77))
    placed = kernel.deploy(outbox)
    assert [outbox.node.code(one.address) for one in placed] == [one.code for one in kernel.codes]
    assert sum(one.gas_used for one in placed) == kernel.deployment_gas
    assert initcode(kernel.code) == kernel.codes[-1].initcode
