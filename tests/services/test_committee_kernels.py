"""A compiled kernel judges a committee that is paid in a token: the same on the embedded ledger and on anvil."""

from __future__ import annotations

import contextlib
import time

import numpy as np
import pytest

from tallystick.chain.accounts import Account
from tallystick.chain.bindings.committee import Committee, Slashed, Terms
from tallystick.chain.coin import Coin
from tallystick.chain.connect import connect
from tallystick.chain.deploy import deploy
from tallystick.chain.embedded import Genesis, create
from tallystick.chain.outbox import Outbox
from tallystick.core.digest import sha256
from tallystick.core.errors import Rejected
from tallystick.lithic import compile_model
from tallystick.lithic.committee import joining
from tallystick.lithic.committee.decision import OutputKind
from tallystick.lithic.committee.journal import Journal
from tallystick.lithic.committee.provider import Provider, Service
from tallystick.lithic.committee.request import NO_DEMAND, ask_terms
from tallystick.lithic.floats import Affine, FloatModel
from tallystick.lithic.integer.reference import pack
from tallystick.services.lithic_node.answerers import FunctionAnswerer, KernelAnswerer
from tests.anvil_node import KEYS
from tests.contracts.token_kit import put_token

FEE, STAKE, BOND = 1_000, 4_001, 10_000
ROW = [0.5, 1.0, 0.25]
SCORE = FloatModel("risk", ("age", "debt", "rate"), (Affine(np.array([[1.0, -2.0, 0.5]]), np.array([0.25])),), "value")


@pytest.fixture(scope="module")
def kernel():
    return compile_model(SCORE, ranges={"age": (0, 2), "debt": (0, 1), "rate": (0, 1)})


def judged_request(target, folder, kernel):
    """Let one provider answer as the kernel does and one lie, let the kernel judge both; return what came of it."""
    with contextlib.ExitStack() as stack:
        node = stack.enter_context(connect(target))
        accounts = [Account(bytes.fromhex(key[2:])) for key in KEYS]
        boxes = [stack.enter_context(Outbox(folder / f"{n}.db", node, account)) for n, account in enumerate(accounts)]
        consumer, honest, liar = (account.address for account in accounts)
        coin = Coin(put_token(boxes[0], (consumer, honest, liar), 10 * BOND))
        kernel.deploy(boxes[0])
        contract = Committee(node, deploy(boxes[0], "Committee", arguments=[coin.address]).address)
        (right,) = kernel.predict_raw(ROW)
        lies = FunctionAnswerer(lambda terms, data: right + 1)
        providers = []
        for box, answerer in zip(boxes[1:], (KernelAnswerer(kernel), lies), strict=True):
            signer = Account(sha256(box.account.address.encode()))
            services = {kernel.digest: Service(answerer, FEE, STAKE, kernel.address)}
            joining.register(contract, box, signer, BOND)
            joining.offer(contract, box, services)
            journal = stack.enter_context(Journal(folder / f"journal {box.account.address}"))
            providers.append(Provider(contract, box, signer, journal, services, clock=time.time))

        data = pack(kernel.model.input, kernel.encode(ROW))
        terms = Terms(
            model_digest=kernel.digest, input_digest=sha256(data), demand=NO_DEMAND, kernel=kernel.address,
            output_index=0, kind=int(OutputKind.NUMBER), low=-(10**9), high=10**9, tolerance=0,
            members=(honest, liar), threshold=2, fee=FEE, stake=STAKE, commit_s=300, reveal_s=300,
        )  # fmt: skip
        coin.approve(boxes[0], contract.address, 2 * FEE)
        boxes[0].send_and_wait(contract.ask(1, ask_terms(terms), data, value=0), key="ask")
        request = contract.request_id_of(consumer, 1, terms)
        for _ in range(20):
            for provider in providers:
                provider.step()
            if contract.request_at(request).state != 1:
                break

        refused = []
        for member, shown in ((honest, data), (liar, data + b"\0")):
            with pytest.raises(Rejected) as caught:
                boxes[0].send_and_wait(contract.prove_contradiction(request, member, shown), key=f"wrongly {member}")
            refused.append(caught.value.code)
        proved = boxes[0].send_and_wait(contract.prove_contradiction(request, liar, data), key="rightly")
        slashed = [Slashed.decode(log) for log in proved.logs]
        boxes[0].send_and_wait(contract.collect(), key="collect")
        state = contract.request_at(request)
        return {
            "state": (state.state, state.output - right, state.cost),
            "refused": refused,
            "slashed": [(one.provider == liar, one.cause, one.amount, one.awarded) for one in slashed],
            "bonds": [contract.provider_at(member).bond for member in (honest, liar)],
            "credits": [contract.credit_of(account.address) for account in accounts],
            "purses": [coin.balance(node, account.address) for account in accounts],
            "held": (coin.balance(node, contract.address), node.balance(contract.address)),
            "burned": contract.burned(),
        }


@pytest.mark.anvil
def test_a_compiled_kernel_takes_the_stake_of_who_contradicts_it_and_of_nobody_else(anvil, tmp_path, kernel):
    path = tmp_path / "chain.db"
    balances = {bytes.fromhex(Account(bytes.fromhex(key[2:])).address[2:]): 10**22 for key in KEYS}
    create(path, Genesis(int(time.time()), balances=balances))
    for name in ("embedded", "anvil"):
        (tmp_path / name).mkdir()
    embedded = judged_request(path, tmp_path / "embedded", kernel)
    half = STAKE // 2
    assert embedded == {
        "state": (2, 0, FEE),  # the lower median is the truth, and who told it is paid
        "refused": ["proofs: no contradiction", "proofs: wrong input"],
        "slashed": [(True, 3, STAKE, half)],
        "bonds": [BOND, BOND - STAKE],
        "credits": [0, FEE, 0],
        "purses": [10 * BOND - FEE + half, 9 * BOND, 9 * BOND],
        "held": (2 * BOND - STAKE + FEE + STAKE - half, 0),
        "burned": STAKE - half,
    }
    assert judged_request(anvil.url, tmp_path / "anvil", kernel) == embedded
