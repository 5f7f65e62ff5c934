"""Compiled kernels as judges: every number of their answers, no input that they refuse, no call without enough gas."""

from __future__ import annotations

import pytest

from tallystick.chain.accounts import Account, TransactionFields
from tallystick.core.digest import sha256
from tallystick.lithic.committee.decision import OutputKind
from tallystick.lithic.integer.reference import pack
from tests.contracts.committee_kit import BOND, STAKE, Kit
from tests.contracts.conftest import FEES
from tests.contracts.direct_kit import put_kernel
from tests.lithic import kernel_models

X = (10, 20, 30, 40, 50, 60)


@pytest.fixture
def kernel(ledger):
    return put_kernel(ledger, kernel_models.mlp())


@pytest.fixture
def judge(kernel):
    return kernel.address


def revealed(kit, judge, data, output, index=0, who=1):
    """Let one provider answer under a judge; return the request and the provider."""
    account = kit.ledger.accounts[who]
    kit.register(account)
    kit.offer(account, kernel=judge)
    terms = kit.terms(
        [account], kernel=judge, input_digest=sha256(data), output_index=index, kind=int(OutputKind.NUMBER),
        low=-(2**200), high=2**200,
    )  # fmt: skip
    kit.send(kit.opening(terms, data=data), kit.ledger.accounts[0])
    request = kit.contract.request_id_of(kit.ledger.accounts[0], 0, terms)
    answered = kit.answer(request, account, output)
    kit.commit(request, answered)
    kit.reveal(request, answered)
    return request, account


def test_each_number_of_a_kernels_answer_is_judged_and_none_beside(ledger, kernel, judge, refused):
    answer, data = kernel.predict(X), pack(kernel.model.input, X)
    assert len(answer) > 1
    for index, right in enumerate(answer):
        for output in (right, right + 1, right - 1):
            kit = Kit(ledger)
            request, account = revealed(kit, judge, data, output, index)
            proof = kit.contract.prove_contradiction(request, account, data)
            if output == right:
                with refused("proofs: no contradiction"):
                    kit.send(proof, ledger.accounts[6])
            else:
                kit.send(proof, ledger.accounts[6])
            assert kit.contract.provider_at(account).bond == BOND - (STAKE if output != right else 0)
    kit = Kit(ledger)
    request, account = revealed(kit, judge, data, 0, len(answer))
    with refused("proofs: kernel gives no answer"):
        kit.send(kit.contract.prove_contradiction(request, account, data), ledger.accounts[6])


@pytest.mark.parametrize("spoil", [lambda data: data[:-1], lambda data: data + b"\0", lambda data: b"\xff" * len(data)])
def test_an_input_that_the_kernel_refuses_judges_nobody(ledger, kernel, judge, refused, spoil):
    data = spoil(pack(kernel.model.input, X))
    kit = Kit(ledger)
    request, account = revealed(kit, judge, data, 1)
    with refused("proofs: kernel gives no answer"):
        kit.send(kit.contract.prove_contradiction(request, account, data), ledger.accounts[6])


def test_a_call_with_too_little_gas_proves_nothing_against_the_honest(ledger):
    """A kernel of many gas is starved all along its run: the transaction fails. With enough, a lie is proved."""
    kernel = put_kernel(ledger, kernel_models.model(kernel_models.dense(200, 90, 3), inputs=200))
    assert kernel.parts  # of several contracts
    x, accuser = (200,) * 200, ledger.accounts[6]
    data, right = pack(kernel.model.input, x), kernel.predict(x)[7]
    lied, told = Kit(ledger), Kit(ledger)
    request, account = revealed(lied, kernel.address, data, right + 1, 7)
    enough = lied.send(lied.contract.prove_contradiction(request, account, data), accuser).gas_used
    assert lied.contract.seat_of(request, account).slashed
    request, account = revealed(told, kernel.address, data, right, 7)
    accusation = told.contract.prove_contradiction(request, account, data)
    gas = kernel.gas(x)
    for limit in range(enough - 2 * gas, enough + gas, gas // 8):
        assert not sent_with(ledger, accusation, accuser, limit)
    assert not told.contract.seat_of(request, account).slashed
    assert told.contract.provider_at(account).bond == BOND


def sent_with(ledger, call, who, gas):
    """Mine a call with this much gas, without trying it first; tell whether it went through."""
    fields = TransactionFields(
        chain_id=ledger.chain_id, nonce=ledger.node.nonce(who), to=call.to, data=call.data, value=0, gas=gas, fees=FEES
    )
    signed = Account(ledger.secrets[who]).sign_transaction(fields)
    receipt = ledger.node.receipt(ledger.node.send_raw(signed.raw))
    ledger._nonces[who] += 1
    ledger.time += 12
    return receipt.succeeded
