"""The consumer of docs/spec/assurance.md, word for word, with every mode of assurance, on both ledgers."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from anvil_node import KEYS
from eth_abi.abi import encode

from tallystick.chain.accounts import Account
from tallystick.chain.bindings.committee import Committee, Terms
from tallystick.chain.calls import Call
from tallystick.chain.coin import NATIVE
from tallystick.chain.connect import connect
from tallystick.chain.deploy import creation, deploy, install_proxy
from tallystick.chain.embedded import Genesis, create
from tallystick.chain.node import Node
from tallystick.chain.outbox import Outbox
from tallystick.core.digest import keccak, sha256
from tallystick.core.errors import Rejected
from tallystick.lithic.assurance.direct import Direct
from tallystick.lithic.assurance.optimistic import Optimistic
from tallystick.lithic.assurance.staged import compile_staged
from tallystick.lithic.committee import joining
from tallystick.lithic.committee.decision import OutputKind
from tallystick.lithic.committee.journal import Journal
from tallystick.lithic.committee.provider import Provider, Service
from tallystick.lithic.committee.receipt import build_receipt
from tallystick.lithic.committee.request import NO_DEMAND, NOBODY, ask_terms
from tallystick.lithic.integer.reference import pack, predict, unpack
from tallystick.lithic.kernel import Kernel, compile_integer
from tallystick.lithic.receipts.answer import AssuredAnswer, Mode
from tallystick.lithic.receipts.checking import check_receipt
from tallystick.lithic.receipts.reading import ANSWER_ABI
from tallystick.lithic.receipts.receipt import AnswerReceipt
from tallystick.lithic.receipts.request import direct_terms, optimistic_terms
from tests.contracts.kernels import compiled, selector
from tests.lithic import kernel_models

PAGE = Path(__file__).resolve().parents[3] / "docs" / "spec" / "assurance.md"
LENDER = re.search(r"```vyper\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[1]
ASK = "ask(uint256,address,bytes)"
BORROWER = "0x" + "b0" * 20
FEE, BOND = 10**12, 10**15
X, WORSE = (1, 300, 70), (65_535, 65_535, 65_535)


@dataclass
class Scene:
    """A node, the underwriter, somebody who answers, a kernel, and one consumer."""

    node: Node
    underwriter: Outbox
    answers: Outbox
    kernel: Kernel
    folder: Path
    lender: str = ""
    fee: int = 0

    def lend_by(self, assurance: str, terms: bytes, fee: int = 0) -> None:
        """Make the consumer, for this contract and these terms."""
        arguments = encode(["address", "bytes", "address"], [assurance, terms, self.underwriter.account.address])
        install_proxy(self.underwriter)
        key, call = creation("lender", compiled(LENDER) + arguments, sha256(str(self.folder).encode()))
        self.underwriter.send_and_wait(call, key=key)
        self.lender, self.fee = str(call.arguments["address"]), fee

    def asking(self, x: tuple[int, ...], nonce: int = 7) -> Call:
        data = pack(self.kernel.model.input, x)
        call = selector(ASK) + encode(["uint256", "address", "bytes"], [nonce, BORROWER, data])
        return Call(self.lender, call, self.fee)

    def ask(self, x: tuple[int, ...] = X, nonce: int = 7) -> bytes:
        """Let the underwriter ask about the borrower; return the id, which the contract's event has."""
        mined = self.underwriter.send_and_wait(self.asking(x, nonce), key=f"ask {nonce} by {self.lender}")
        (log,) = mined.logs
        return log.topics[1]

    def deciding(self, answer: AssuredAnswer) -> Call:
        arguments = encode(["address", ANSWER_ABI], [BORROWER, answer.to_abi()])
        return Call(self.lender, selector(f"decide(address,{ANSWER_ABI})") + arguments)

    def decide(self, answer: AssuredAnswer) -> bool:
        """Let anybody bring the receipt; return whether the borrower is approved."""
        call = self.deciding(answer)
        self.answers.send_and_wait(call, key=f"decide {keccak(call.data).hex()}")
        approved = selector("is_approved(address)") + encode(["address"], [BORROWER])
        return bool(int.from_bytes(self.node.call(self.lender, approved)))

    def block(self) -> None:
        """Let there be a block of now."""
        self.answers.send_and_wait(Call(self.answers.account.address, b""), key=f"a block {time.time()}")


@pytest.fixture(params=["anvil", "embedded"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    accounts = [Account(bytes.fromhex(key[2:])) for key in KEYS[:2]]
    if request.param == "anvil":
        target = request.getfixturevalue("anvil").url
    else:
        target = str(tmp_path / "chain.db")
        balances = {bytes.fromhex(account.address[2:]): 10**24 for account in accounts}
        create(Path(target), Genesis(timestamp=int(time.time()), balances=balances))
    with connect(target) as node, contextlib.ExitStack() as stack:
        boxes = [stack.enter_context(Outbox(tmp_path / f"{at}.db", node, one)) for at, one in enumerate(accounts)]
        yield Scene(node, *boxes, compile_integer(kernel_models.trees()), tmp_path)


def direct(scene: Scene) -> AnswerReceipt:
    scene.kernel.deploy(scene.underwriter)
    contract = deploy(scene.underwriter, "DirectModel").address
    scene.lend_by(contract, direct_terms(scene.kernel.address, is_kept=True))
    return Direct(scene.node, contract, scene.kernel).receipt(scene.ask())


def optimistic(scene: Scene) -> AnswerReceipt:
    staged = compile_staged(scene.kernel.model)
    staged.deploy(scene.underwriter)
    contract = deploy(scene.underwriter, "OptimisticModel", arguments=[NATIVE]).address
    desk = Optimistic(scene.node, contract, staged)
    scene.lend_by(contract, optimistic_terms(staged.address, fee=FEE, bond=BOND, window_s=1, patience_s=600), FEE)
    asked = scene.ask()
    desk.claim(scene.answers, asked)
    time.sleep(2.1)
    scene.block()
    desk.settle(scene.answers, asked)
    return desk.receipt(asked)


class Computes:
    """Answers a committee's requests with the model's decision."""

    def __init__(self, kernel: Kernel) -> None:
        self.model = kernel.model

    def answer(self, terms: Terms, data: bytes) -> int:
        return predict(self.model, unpack(self.model.input, data))[terms.output_index]


def committee(scene: Scene) -> AnswerReceipt:
    contract = Committee(scene.node, deploy(scene.underwriter, "Committee", arguments=[NATIVE]).address)
    signer, services = Account(sha256(b"signs")), {scene.kernel.digest: Service(Computes(scene.kernel), FEE)}
    joining.register(contract, scene.answers, signer, BOND)
    joining.offer(contract, scene.answers, services)
    terms = Terms(
        model_digest=scene.kernel.digest, input_digest=bytes(32), demand=NO_DEMAND, kernel=NOBODY, output_index=0,
        kind=int(OutputKind.LABEL), low=0, high=1, tolerance=0, members=(scene.answers.account.address,), threshold=1,
        fee=FEE, stake=BOND // 2, commit_s=300, reveal_s=300,
    )  # fmt: skip
    scene.lend_by(contract.address, ask_terms(terms), FEE)
    asked = scene.ask()
    with Journal(scene.folder / "journal") as journal:
        provider = Provider(contract, scene.answers, signer, journal, services, clock=time.time)
        for _ in range(20):
            provider.step()
            if contract.request_at(asked).state != 1:
                break
    logs = scene.node.logs(contract.address, [None, asked], from_block=0)
    return build_receipt(contract, scene.node.chain_id, asked, logs)


@pytest.mark.parametrize("mode", [direct, optimistic, committee])
def test_one_consumer_works_with_every_mode_by_the_address_it_was_given(scene: Scene, mode) -> None:
    receipt = mode(scene)
    answer = receipt.answer
    assert (answer.consumer, answer.mode) == (scene.lender, Mode[mode.__name__.upper()])
    assert check_receipt(receipt, kernel=scene.kernel, node=scene.node).ok
    for change in ({"output": (1 - answer.output[0], *answer.output[1:])}, {"mode": Mode.PROOF}, {"nonce": 8}):
        with pytest.raises(Rejected) as caught:
            scene.decide(replace(answer, **change))
        assert caught.value.code == "answers: not the receipt"
    assert scene.decide(answer) == (predict(scene.kernel.model, X)[0] == 1)


def test_a_borrower_cannot_bring_an_answer_that_it_asked_for_itself(scene: Scene) -> None:
    asked = direct(scene)
    desk = Direct(scene.node, deploy(scene.underwriter, "DirectModel").address, scene.kernel)
    own = desk.receipt(desk.ask(scene.answers, X, key="chosen features")).answer
    for brought in (own, replace(own, consumer=scene.lender)):
        with pytest.raises(Rejected) as caught:
            scene.decide(brought)
        assert caught.value.code == "lender: not the newest request"
    posed = replace(own, request_id=asked.answer.request_id)  # under the id of what the lender asked
    for brought in (posed, replace(posed, consumer=scene.lender)):
        with pytest.raises(Rejected) as caught:
            scene.decide(brought)
        assert caught.value.code in ("answers: not the consumer", "answers: not the receipt")
    with pytest.raises(Rejected) as caught:
        scene.answers.send_and_wait(scene.asking(X, nonce=9), key="ask as a borrower")
    assert caught.value.code == "lender: not the underwriter"


def test_an_answer_that_a_newer_request_replaced_is_not_brought_again(scene: Scene) -> None:
    approval = direct(scene).answer
    assert scene.decide(approval)
    desk = Direct(scene.node, deploy(scene.underwriter, "DirectModel").address, scene.kernel)
    refusal = desk.receipt(scene.ask(WORSE, nonce=8)).answer
    assert not scene.decide(refusal)
    with pytest.raises(Rejected) as caught:
        scene.answers.send_and_wait(scene.deciding(approval), key="once more")
    assert caught.value.code == "lender: not the newest request"
