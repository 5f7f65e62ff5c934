"""A kernel answers the same from Python, from its code and from a chain, and lands where it was foretold."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from anvil_node import KEYS

from tallystick.chain.accounts import Account
from tallystick.chain.connect import connect
from tallystick.chain.embedded import Genesis, create
from tallystick.chain.node import Node
from tallystick.chain.outbox import Outbox
from tallystick.core.errors import InvalidInput, Rejected, VerificationFailed
from tallystick.lithic.contract import DeployedKernel, Registration, read_answer
from tallystick.lithic.integer import document
from tallystick.lithic.integer.model import Dense, Field, Input, IntegerModel, MaxPool, Squares, Step, Table, Trees
from tallystick.lithic.integer.model import Node as Fork
from tallystick.lithic.integer.reference import pack
from tallystick.lithic.kernel import Kernel, compile_integer
from tests.lithic import kernel_models

ACCOUNT = Account(bytes.fromhex(KEYS[0][2:]))
REGISTRY = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
SMALL = [kernel_models.mlp(), kernel_models.trees(), kernel_models.menagerie()]


@pytest.fixture(scope="module")
def large() -> Kernel:
    """A kernel with parts, linked to a model of a registry."""
    return compile_integer(kernel_models.large(), registry=(REGISTRY, 7))


@pytest.fixture(params=["anvil", "embedded"])
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Outbox]:
    """An outbox on a chain of either kind."""
    if request.param == "anvil":
        target = request.getfixturevalue("anvil").url
    else:
        target = str(tmp_path / "chain.db")
        create(Path(target), Genesis(timestamp=1_700_000_000, balances={bytes.fromhex(ACCOUNT.address[2:]): 10**21}))
    with connect(target) as node, Outbox(tmp_path / "outbox.db", node, ACCOUNT) as outbox:
        yield outbox


def _inputs(model: IntegerModel, count: int = 5) -> list[tuple[int, ...]]:
    draw = random.Random(1)
    return [tuple(draw.randint(one.low, one.high) for one in model.input.fields) for _ in range(count)]


@pytest.mark.parametrize("model", SMALL, ids=lambda model: model.name)
def test_code_and_reference_agree_within_the_foretold_gas(model: IntegerModel) -> None:
    kernel = compile_integer(model)
    for x in _inputs(model):
        assert kernel.run(x) == kernel.predict(x)
        assert 0 < kernel.gas(x) <= kernel.worst_gas


def test_a_kernel_with_parts_is_one_kernel(large: Kernel) -> None:
    assert len(large.parts) > 1
    assert all(len(one.code) <= 24_576 for one in large.codes)
    (x,) = _inputs(large.model, 1)
    assert large.run(x) == large.predict(x)
    assert [one.address for one in large.codes] == [*(part.address for part in large.parts), large.address]
    without = Kernel(large.model, None, 1_000, large.code, (), large.packings, large.worst_gas)
    with pytest.raises(Rejected, match="a part is missing"):
        without.run(x)


def test_what_steps_take_is_most_of_what_a_kernel_takes() -> None:
    for model in (kernel_models.mlp(), kernel_models.forest()):
        kernel = compile_integer(model)
        gas = [step.worst_gas for step in kernel.steps]
        assert len(gas) == len(model.steps)
        assert min(gas) > 0
        assert kernel.worst_gas / 3 < sum(gas) < kernel.worst_gas
        assert 300 < sum(step.code_bytes for step in kernel.steps) < kernel.bytes_total - 300  # the views' constants


def test_the_same_model_has_the_same_address_and_another_has_another() -> None:
    kernel = compile_integer(SMALL[0])
    assert compile_integer(document.from_bytes(document.to_bytes(SMALL[0]))).address == kernel.address
    assert compile_integer(SMALL[0], registry=(REGISTRY, 1)).address != kernel.address


def test_a_row_is_put_on_the_grid_before_it_is_answered() -> None:
    kernel = compile_integer(SMALL[0])
    row = [-0.75, 0.0, 1.0, 10.1, 23.5, 2.4]
    assert kernel.encode(row) == (3, 6, 10, 46, 100, 16)
    assert kernel.predict_raw(row) == kernel.predict((3, 6, 10, 46, 100, 16))
    for wrong in ([*row, 1.0], [*row[:5], float("nan")], [*row[:5], 1_000.0]):
        with pytest.raises(InvalidInput):
            kernel.predict_raw(wrong)


def test_an_input_that_leaves_its_range_is_refused_by_reference_and_code() -> None:
    kernel = compile_integer(SMALL[0])
    for x in ((101,) * 6, (2,) * 6, (50,) * 5):
        with pytest.raises(InvalidInput):
            kernel.predict(x)
        with pytest.raises(InvalidInput):
            kernel.run(x)


def test_a_proof_holds_for_its_model_and_fails_for_a_greater_weight(large: Kernel) -> None:
    (first, second) = large.proof()
    assert (first.inputs, first.outputs, second.outputs) == (200, 96, 4)
    assert first.needed_bits <= first.lane_bits
    step = large.model.steps[0]
    heavier = ((step.weights[0][0] << 24, *step.weights[0][1:]), *step.weights[1:])  # type: ignore[union-attr]
    changed = kernel_models.model(
        type(step)(heavier, step.bias),  # type: ignore[call-arg,union-attr]
        *large.model.steps[1:],
        inputs=200,
        decision="argmax",
    )
    with pytest.raises(VerificationFailed) as refused:
        Kernel(changed, None, 1_000, large.code, large.parts, large.packings, large.worst_gas).proof()
    assert refused.value.code == "kernel.proof"


def test_a_packing_for_no_step_or_none_for_one_is_no_proof(large: Kernel) -> None:
    for packings in ({}, {**large.packings, 1: large.packings[0]}):
        with pytest.raises(VerificationFailed):
            Kernel(large.model, None, 1_000, large.code, large.parts, packings, large.worst_gas).proof()


def test_a_model_whose_numbers_need_more_than_a_word_is_not_compiled() -> None:
    with pytest.raises(InvalidInput) as refused:
        compile_integer(kernel_models.model(*[Squares()] * 6, inputs=2))
    assert refused.value.code == "kernel.overflow"


def _deep(depth: int) -> Fork | tuple[int, ...]:
    return (depth,) if not depth else Fork(depth * 97 % 1_500, 90 + depth, _deep(depth - 1), _deep(depth - 1))


@pytest.mark.parametrize(
    "steps",
    [
        [Table(0, 0, tuple(range(300)))] * 9,  # what is done number by number stays in the kernel
        [Trees((0,), (_deep(10), _deep(10)))],  # each tree is larger than a contract
    ],
)
def test_a_model_that_no_contracts_can_hold_is_refused_in_words(steps: list[Step]) -> None:
    with pytest.raises(InvalidInput) as refused:
        compile_integer(kernel_models.model(*steps, inputs=1_500))
    assert refused.value.code == "kernel.size"


@pytest.mark.parametrize(
    ("count", "high", "fits"), [(1_700, 1_000, True), (1_800, 1_000, False), (1_800, 65_535, True)]
)
def test_ranges_narrower_than_their_fields_are_checked_in_the_kernel_and_fill_it(
    count: int, high: int, fits: bool
) -> None:
    fields = tuple(Field(f"x{k}", 0, high, "0", "1") for k in range(count))
    whole = IntegerModel("wide", Input(16, fields), (Dense(((1,) * count,), (0,)),), "none", (), "1")
    if fits:
        assert compile_integer(whole).worst_gas > 0
        return
    with pytest.raises(InvalidInput) as refused:
        compile_integer(whole)
    assert refused.value.code == "kernel.size"


@pytest.mark.parametrize(
    "steps",
    [
        [MaxPool((tuple(range(300)),) * 219)],
        [Dense(((0,) * 300,) * 1_748, (0,) * 1_748), Dense(((0,) * 1_748,) * 301, (0,) * 301)],
    ],
)
def test_a_model_beyond_all_bounds_is_refused_before_it_is_compiled(steps: list[Step]) -> None:
    with pytest.raises(InvalidInput) as refused:
        kernel_models.model(*steps, inputs=300)
    assert refused.value.code == "kernel.model"


@pytest.mark.parametrize("link", [("0x" + "00" * 20, 1), (REGISTRY, 0), (REGISTRY, 2**256), ("0x12", 1)])
def test_a_link_to_no_model_is_refused(link: tuple[str, int]) -> None:
    with pytest.raises(InvalidInput):
        compile_integer(SMALL[0], registry=link)


def test_a_density_beyond_all_is_refused() -> None:
    with pytest.raises(InvalidInput):
        compile_integer(SMALL[0], density_permille=1_001)


@pytest.mark.anvil
def test_a_kernel_is_deployed_once_answers_and_says_what_it_is(box: Outbox, large: Kernel) -> None:
    placed = large.deploy(box)
    assert [one.address for one in placed] == [one.address for one in large.codes]
    assert sum(one.gas_used for one in placed) == large.deployment_gas
    found = DeployedKernel(box.node, large.address)
    for x in _inputs(large.model, 3):
        assert found.predict(pack(large.model.input, x), large.model.outputs) == large.predict(x)
    assert found.digest == document.digest(large.model)
    assert found.shape == (200, 8, 5)
    assert found.scale == (1, 1_000)
    assert found.registration == Registration(REGISTRY, 7)
    spent = box.node.nonce(ACCOUNT.address)
    assert {one.transaction_hash for one in large.deploy(box)} == {None}
    assert box.node.nonce(ACCOUNT.address) == spent


class _Crash(Exception):
    """Stands for a process that ends here."""


@pytest.mark.parametrize("point", ["draft.after", "sign.after", "send.before", "send.after"])
def test_a_deployment_that_was_cut_short_goes_on_and_pays_once(point: str, tmp_path: Path, large: Kernel) -> None:
    target = tmp_path / "chain.db"
    create(target, Genesis(timestamp=1_700_000_000, balances={bytes.fromhex(ACCOUNT.address[2:]): 10**21}))

    def crash(here: str) -> None:
        if here == point:
            raise _Crash

    with connect(str(target)) as node:
        with Outbox(tmp_path / "outbox.db", node, ACCOUNT, faults=crash) as cut, pytest.raises(_Crash):
            large.deploy(cut)
        with Outbox(tmp_path / "outbox.db", node, ACCOUNT) as outbox:
            placed = large.deploy(outbox)
        assert [one.address for one in placed] == [one.address for one in large.codes]
        assert node.nonce(ACCOUNT.address) == len({one.address for one in large.codes})


def test_a_kernel_on_a_chain_refuses_in_words(tmp_path: Path) -> None:
    target = tmp_path / "chain.db"
    create(target, Genesis(timestamp=1_700_000_000, balances={bytes.fromhex(ACCOUNT.address[2:]): 10**21}))
    kernel = compile_integer(SMALL[0])
    with connect(str(target)) as node, Outbox(tmp_path / "outbox.db", node, ACCOUNT) as outbox:
        kernel.deploy(outbox)
        found = DeployedKernel(node, kernel.address)
        assert found.registration is None
        for packed, reason in ((bytes(6), "out of range"), (bytes(5), "malformed")):
            with pytest.raises(Rejected, match=reason):
                found.predict(packed, kernel.model.outputs)
        _is_no_kernel(node)


def _is_no_kernel(node: Node) -> None:
    stranger = DeployedKernel(node, "0x4e59b44847b379578588920cA78FbF26c0B4956C")  # the deployment proxy
    for read in (lambda: stranger.digest, lambda: stranger.shape, lambda: stranger.registration):
        with pytest.raises((InvalidInput, Rejected)):
            read()


@pytest.mark.parametrize("output", [b"", bytes(96), (32).to_bytes(32) + (2).to_bytes(32) + bytes(32)])
def test_what_is_no_answer_is_not_read_as_one(output: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_answer(output, 1)
    assert read_answer((32).to_bytes(32) + (1).to_bytes(32) + b"\xff" * 32, 1) == (-1,)


@pytest.mark.parametrize("nothing", [None, 7, 1.5])
def test_what_is_no_row_is_refused_in_words(large: Kernel, nothing: object) -> None:
    for ask, code in (
        (large.predict, "kernel.input"),
        (large.run, "kernel.input"),
        (large.gas, "kernel.input"),
        (large.encode, "kernel.rows"),
        (large.predict_raw, "kernel.rows"),
    ):
        with pytest.raises(InvalidInput) as refused:
            ask(nothing)  # type: ignore[arg-type]
        assert (refused.value.code, refused.value.got) == (code, type(nothing).__name__)


def test_a_kernel_is_deployed_through_an_outbox_and_nothing_else(large: Kernel) -> None:
    with pytest.raises(InvalidInput) as refused:
        large.deploy(None)  # type: ignore[arg-type]
    assert refused.value.code == "deploy.outbox"
    assert "outbox" in refused.value.hint
