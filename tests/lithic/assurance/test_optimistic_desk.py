"""A dispute on both ledgers: a bonded lie about the 400-32-16-10 network is caught at its step, the truth is paid."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from anvil_node import KEYS

from tallystick.chain.abi import encode_call
from tallystick.chain.accounts import Account
from tallystick.chain.calls import Call
from tallystick.chain.coin import NATIVE
from tallystick.chain.connect import connect
from tallystick.chain.deploy import creation, deploy
from tallystick.chain.embedded import Genesis, create
from tallystick.chain.node import Node
from tallystick.chain.outbox import Outbox
from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput, Rejected, VerificationFailed
from tallystick.lithic.assurance.optimistic import Optimistic, State
from tallystick.lithic.assurance.staged import StagedModel, compile_staged
from tallystick.lithic.assurance.trace import Trace, words
from tallystick.lithic.integer.reference import apply, pack, predict, unpack
from tallystick.lithic.kernel import compile_integer
from tallystick.lithic.receipts.checking import check_receipt
from tallystick.lithic.receipts.reading import read_answer
from tallystick.lithic.shapes import shape
from tests.contracts.token_kit import token_code
from tests.lithic import kernel_models

ACCOUNTS = [Account(bytes.fromhex(key[2:])) for key in KEYS[:3]]
FEE, BOND = 10**15, 10**17
MINT = "40c10f19"  # mint(address,uint256)


@dataclass
class People:
    """A node, and the outboxes of who asks, who lies and who watches."""

    node: Node
    asks: Outbox
    lies: Outbox
    watches: Outbox


@pytest.fixture(params=["anvil", "embedded"])
def people(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[People]:
    if request.param == "anvil":
        target = request.getfixturevalue("anvil").url
    else:
        target = str(tmp_path / "chain.db")
        balances = {bytes.fromhex(account.address[2:]): 10**24 for account in ACCOUNTS}
        create(Path(target), Genesis(timestamp=1_700_000_000, balances=balances))
    with connect(target) as node:
        boxes = [Outbox(tmp_path / f"outbox-{at}.db", node, account) for at, account in enumerate(ACCOUNTS)]
        yield People(node, *boxes)
        for box in boxes:
            box.close()


def lie_about(staged: StagedModel, right: Trace, stage: int) -> Trace:
    """Return a trace that goes on consistently from one wrong number."""
    vectors = list(right.vectors)
    first, *others = vectors[stage + 1]
    vectors[stage + 1] = (first + 1, *others)
    for at in range(stage + 1, len(staged.model.steps)):
        vectors[at + 1] = apply(staged.model.steps[at], vectors[at])
    scores = vectors[-2]
    vectors[-1] = (max(range(len(scores)), key=lambda k: (scores[k], -k)), *scores)
    return Trace(tuple(vectors))


def test_a_lie_under_bond_is_refuted_and_the_truth_is_paid(people: People) -> None:
    chosen = shape("400-32-16-10")
    staged = compile_staged(chosen.model)
    staged.deploy(people.asks)
    contract = deploy(people.asks, "OptimisticModel", arguments=[NATIVE]).address
    desk = Optimistic(people.node, contract, staged)
    x = next(iter(chosen.inputs.values()))
    terms = {"fee": FEE, "bond": BOND, "window_s": 3_600, "patience_s": 3_600}
    request_id = desk.ask(people.asks, x, **terms, key="one")
    assert desk.ask(people.asks, x, **terms, key="one") == request_id
    assert desk.ask(people.asks, x, **terms, key="two") != request_id
    assert desk.standing_claim(request_id) is None
    assert desk.refute(people.watches, request_id) is None

    right = desk.right(request_id)
    told = lie_about(staged, right, 2)
    people.lies.send_and_wait(
        desk.contract.claim(desk.asked(request_id), told.hashes, told.answer, value=BOND), key="lie"
    )
    owed = desk.contract.owed(ACCOUNTS[2].address)
    fault = desk.refute(people.watches, request_id)
    assert fault is not None
    assert (fault.stage, fault.vector) == (2, words(right.vectors[2]))
    assert desk.contract.owed(ACCOUNTS[2].address) == owed + BOND // 2
    assert desk.standing_claim(request_id) is None

    assert desk.claim(people.watches, request_id) == predict(chosen.model, x)
    assert desk.claim(people.watches, request_id) == right.answer  # said once
    claim = desk.standing_claim(request_id)
    assert claim is not None
    assert (claim.claimant, claim.hashes, claim.answer) == (ACCOUNTS[2].address, right.hashes, right.answer)
    assert desk.refute(people.asks, request_id) is None
    with pytest.raises(Rejected) as caught:
        desk.settle(people.asks, request_id)
    assert caught.value.code == "optimistic: too early"


def test_a_claim_is_final_after_its_window_and_a_request_without_one_goes_back(people: People) -> None:
    staged = compile_staged(kernel_models.mlp())
    staged.deploy(people.asks)
    desk = Optimistic(people.node, deploy(people.asks, "OptimisticModel", arguments=[NATIVE]).address, staged)
    x = (10, 20, 30, 40, 50, 60)
    alone = desk.ask(people.asks, x, fee=FEE, bond=BOND, window_s=1, patience_s=1, key="alone")
    asked = desk.ask(people.asks, x, fee=FEE, bond=BOND, window_s=1, patience_s=600, key="asked")
    answer = desk.claim(people.watches, asked)
    time.sleep(2.1)
    desk.ask(people.asks, x, fee=0, bond=BOND, window_s=1, patience_s=1, key="a block")
    for request_id in (alone, asked):
        desk.settle(people.lies, request_id)
        desk.settle(people.lies, request_id)  # nothing more is sent
    assert desk.contract.request_of(alone).state == State.GIVEN_BACK
    assert read_answer(people.node, desk.contract.address, desk.receipt(asked).answer) == answer
    with pytest.raises(InvalidInput) as caught:
        desk.receipt(alone)
    assert caught.value.code == "receipt.none"
    assert desk.contract.owed(ACCOUNTS[2].address) >= FEE + BOND


def test_nobody_claims_for_stages_that_are_not_the_models(people: People) -> None:
    staged, other = compile_staged(kernel_models.mlp()), compile_staged(kernel_models.trees())
    contract = deploy(people.asks, "OptimisticModel", arguments=[NATIVE]).address
    other.deploy(people.asks)
    x = (5, 6, 7)
    terms = {"fee": 0, "bond": BOND, "window_s": 60, "patience_s": 60}
    request_id = Optimistic(people.node, contract, other).ask(people.asks, x, **terms, key="other")
    with pytest.raises(VerificationFailed):  # these stages were never deployed
        Optimistic(people.node, contract, compile_staged(kernel_models.menagerie())).claim(people.lies, request_id)
    staged.deploy(people.asks)
    with pytest.raises(InvalidInput) as caught:
        Optimistic(people.node, contract, staged).claim(people.lies, request_id)
    assert caught.value.code == "kernel.request"


def test_an_input_is_unpacked_as_it_was_packed() -> None:
    for model, x in ((kernel_models.mlp(), (3, 100, 7, 8, 9, 10)), (kernel_models.trees(), (0, 65_535, 258))):
        assert unpack(model.input, pack(model.input, x)) == x
        for wrong in (b"", pack(model.input, x)[:-1], pack(model.input, x) + b"\0"):
            with pytest.raises(InvalidInput) as caught:
                unpack(model.input, wrong)
            assert caught.value.code == "kernel.input"


def test_in_a_token_whoever_pays_lets_the_contract_take_it_first(people: People) -> None:
    staged = compile_staged(kernel_models.mlp())
    staged.deploy(people.asks)
    key, making = creation("token", token_code("ordinary"), sha256(b"a token"))
    people.asks.send_and_wait(making, key=key)
    token = str(making.arguments["address"])
    desk = Optimistic(people.node, deploy(people.asks, "OptimisticModel", arguments=[token]).address, staged)
    assert desk.coin.address == token
    x = (10, 20, 30, 40, 50, 60)
    terms = {"fee": FEE, "bond": BOND, "window_s": 1, "patience_s": 600}
    for box, amount in ((people.asks, FEE), (people.watches, BOND)):
        minted = encode_call(MINT, ["address", "uint256"], [box.account.address, amount])
        box.send_and_wait(Call(token, minted), key="mint")
    with pytest.raises(InvalidInput) as caught:
        desk.ask(people.asks, x, **terms, key="one")
    assert caught.value.code == "coin.allowance"
    desk.coin.approve(people.asks, desk.contract.address, FEE)
    asked = desk.ask(people.asks, x, **terms, key="one")
    with pytest.raises(Rejected) as refused:
        desk.claim(people.lies, asked)
    assert refused.value.code == "coin.balance"
    desk.coin.approve(people.watches, desk.contract.address, BOND)
    answer = desk.claim(people.watches, asked)
    time.sleep(2.1)
    people.lies.send_and_wait(Call(people.lies.account.address, b""), key="a block")
    desk.settle(people.lies, asked)
    people.watches.send_and_wait(desk.contract.collect(), key="collect")
    assert desk.coin.balance(people.node, people.watches.account.address) == FEE + BOND
    assert check_receipt(desk.receipt(asked), kernel=compile_integer(staged.model), node=people.node).ok
    assert desk.receipt(asked).answer.output == answer
