"""The same request, from bond to payment and to a proof, on the embedded ledger and on anvil: the same figures."""

from __future__ import annotations

import contextlib
import time

import pytest

from tallystick.chain.accounts import Account
from tallystick.chain.bindings.committee import Committee, Terms
from tallystick.chain.connect import connect
from tallystick.chain.deploy import deploy
from tallystick.chain.embedded import Genesis, create
from tallystick.chain.outbox import Outbox
from tallystick.core.digest import sha256
from tallystick.lithic.committee import joining
from tallystick.lithic.committee.decision import OutputKind
from tallystick.lithic.committee.journal import Journal
from tallystick.lithic.committee.provider import Provider, Service
from tallystick.lithic.committee.receipt import build_receipt
from tallystick.lithic.committee.request import NO_DEMAND, NOBODY, ask_terms
from tallystick.lithic.receipts.answer import AssuredAnswer, Mode, assurance_domain
from tallystick.lithic.receipts.checking import check_receipt
from tallystick.services.lithic_node.answerers import FunctionAnswerer
from tests.anvil_node import KEYS

MODEL, DATA = sha256(b"a model"), b"41"
BOND, FEE, STAKE = 10**15, 10**12, 10**14


def answered_request(target, folder):
    """Let two providers answer, prove that one signed twice, and return what came of it."""
    with contextlib.ExitStack() as stack:
        node = connect(target)
        stack.callback(node.close)
        accounts = [Account(bytes.fromhex(key[2:])) for key in KEYS]
        boxes = [stack.enter_context(Outbox(folder / f"{n}.db", node, account)) for n, account in enumerate(accounts)]
        contract = Committee(node, deploy(boxes[0], "Committee", arguments=[NOBODY]).address)
        members = tuple(account.address for account in accounts[1:])
        secrets = [sha256(member.encode()) for member in members]
        providers = []
        for box, secret, outcome in zip(boxes[1:], secrets, (42, 43), strict=True):
            services = {MODEL: Service(FunctionAnswerer(lambda terms, data, said=outcome: said), FEE)}
            joining.register(contract, box, Account(secret), BOND)
            joining.offer(contract, box, services)
            journal = stack.enter_context(Journal(folder / f"journal {box.account.address}"))
            providers.append(Provider(contract, box, Account(secret), journal, services, clock=time.time))
        terms = Terms(
            model_digest=MODEL, input_digest=sha256(DATA), demand=NO_DEMAND, kernel=NOBODY, output_index=0,
            kind=int(OutputKind.NUMBER), low=0, high=100, tolerance=0, members=members, threshold=2, fee=2 * FEE,
            stake=STAKE, commit_s=300, reveal_s=300,
        )  # fmt: skip
        opening = contract.ask(1, ask_terms(terms), DATA, value=2 * terms.fee)
        gas = [boxes[0].send_and_wait(opening, key="ask").gas_used]
        request = contract.request_id_of(accounts[0].address, 1, terms)
        for _ in range(20):
            for provider in providers:
                provider.step()
            if contract.request_at(request).state != 1:
                break
        state = contract.request_at(request)
        logs = node.logs(contract.address, [None, request], from_block=0)
        receipt = build_receipt(contract, node.chain_id, request, logs)
        assert check_receipt(receipt, node=node).ok
        assert receipt.answer.output == (42,)

        signatures = [
            AssuredAnswer(
                request, state.consumer, MODEL, sha256(DATA), (output,), Mode.COMMITTEE, FEE, state.reveal_until, 1
            ).signature(secrets[1], assurance_domain(node.chain_id, contract.address))
            for output in (43, 7)
        ]
        proof = contract.prove_equivocation(request, members[1], 43, FEE, signatures[0], 7, FEE, signatures[1])
        boxes[0].send_and_wait(proof, key="prove")
        held = node.balance(contract.address)
        return {
            "opened": gas[0] // 1_000,
            "state": (state.state, state.output, state.cost, state.backing),
            "credits": [contract.credit_of(account.address) for account in accounts],
            "bonds": [contract.provider_at(member).bond for member in members],
            "burned": contract.burned(),
            "held": held,
        }


@pytest.mark.anvil
def test_a_request_has_the_same_outcome_on_both_ledgers(anvil, tmp_path):
    path = tmp_path / "chain.db"
    balances = {bytes.fromhex(Account(bytes.fromhex(key[2:])).address[2:]): 10**22 for key in KEYS}
    create(path, Genesis(int(time.time()), balances=balances))
    for name in ("embedded", "anvil"):
        (tmp_path / name).mkdir()
    embedded = answered_request(path, tmp_path / "embedded")
    assert embedded["state"] == (2, 42, FEE, BOND)
    assert embedded["bonds"] == [BOND, BOND - STAKE]
    assert embedded["held"] == sum(embedded["credits"]) + sum(embedded["bonds"]) + embedded["burned"]
    assert answered_request(anvil.url, tmp_path / "anvil") == embedded
