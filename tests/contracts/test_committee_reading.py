"""A committee is asked and read as every mode of assurance: by terms and by a receipt, and by the consumer alone."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tallystick.chain.bindings.committee import Committee
from tallystick.chain.bindings.direct_model import DirectModel
from tallystick.chain.bindings.optimistic_model import OptimisticModel
from tallystick.contracts import source
from tallystick.core.errors import Rejected
from tallystick.core.limits import COMMITTEE_MEMBERS_MAX
from tallystick.lithic.committee.request import ask_terms, request_id
from tallystick.lithic.receipts.answer import assurance_domain
from tests.contracts.committee_kit import BOND, FEE, INPUT, Kit
from tests.contracts.constructors import initcode_of


@pytest.fixture
def kit(ledger):
    return Kit(ledger)


def read_as(ledger, call_to, binding_read, who):
    """Let `who` ask a view."""

    class As:
        def call(self, to, data, *, at="latest", sender=None, value=0):
            return ledger.call(to, data, at=at, sender=who)

    return binding_read(type(call_to)(As(), call_to.address))


def test_an_input_digest_of_zeros_stands_for_the_inputs_own(ledger, kit, refused):
    consumer = ledger.accounts[0]
    (alice,) = kit.staff([BOND])
    terms = kit.terms([alice])
    blank = replace(terms, input_digest=bytes(32))  # stands for any input's own
    for nonce, asked in enumerate((terms, blank)):
        call = kit.contract.ask(nonce, ask_terms(asked), INPUT, value=FEE)
        kit.send(call, consumer)
        request = request_id(ledger.chain_id, kit.contract.address, consumer, nonce, terms)
        assert kit.contract.terms_of(request) == terms
        with refused("requests: already open"):
            kit.send(kit.opening(terms, nonce), consumer)
    with refused("requests: wrong input"):
        kit.send(kit.contract.ask(9, ask_terms(terms), INPUT + b"x", value=FEE), consumer)
    with refused("coins: wrong value"):
        kit.send(kit.contract.ask(9, ask_terms(terms), INPUT, value=FEE - 1), consumer)
    for form in (b"", ask_terms(terms)[:-32]):
        with pytest.raises(Rejected):
            kit.send(kit.contract.ask(9, form, INPUT, value=FEE), consumer)


def test_an_answer_is_read_by_its_consumer_with_its_receipt_alone(ledger, kit):
    consumer, stranger = ledger.accounts[0], ledger.accounts[6]
    (alice,) = kit.staff([BOND])
    request = kit.open(kit.terms([alice], low=-9))
    receipt = kit.receipt(request)

    def read(shown, who=consumer):
        try:
            return read_as(ledger, kit.contract, lambda contract: contract.read_answer(shown), who)
        except Rejected as error:
            return error.code

    assert read(receipt) == "answers: not fulfilled"
    kit.run(request, {alice: -4})
    receipt = kit.receipt(request)
    assert read(receipt) == (-4,)
    assert read(receipt, stranger) == "answers: not the consumer"
    assert read(replace(receipt, consumer=stranger)) == "answers: not the consumer"
    assert read(replace(receipt, consumer=stranger), stranger) == "answers: not the receipt"
    for change in (
        {"model_digest": b"x" * 32}, {"input_digest": b"x" * 32}, {"output": bytes(32)},
        {"output": b""}, {"output": receipt.output * 2}, {"mode": 1}, {"mode": 4}, {"cost": 0}, {"deadline": 1},
        {"nonce": 1},
    ):  # fmt: skip
        assert read(replace(receipt, **change)) == "answers: not the receipt"
    assert read(replace(receipt, request_id=b"r" * 32)) == "answers: not fulfilled"


def test_coins_sent_without_a_call_are_refused(ledger, kit):
    with pytest.raises(Rejected):
        ledger.call(kit.contract.address, b"", sender=ledger.accounts[0], value=1)


def test_the_domain_is_what_the_python_form_signs_in(kit, ledger):
    fields, name, version, chain_id, contract, salt, extensions = kit.contract.eip712_domain()
    assert (name, version, chain_id, contract) == (
        kit.domain.name, kit.domain.version, kit.domain.chain_id, kit.domain.verifying_contract,
    )  # fmt: skip
    assert (fields, salt, extensions) == (b"\x0f", bytes(32), ())
    (alice,) = kit.staff([BOND])
    request = kit.open(kit.terms([alice], low=-9))
    for output, cost in ((3, FEE), (-9, 0)):
        assert kit.contract.answer_digest(request, output, cost) == kit.answer(request, alice, output, cost).digest


def test_the_longest_terms_of_a_committee_fit_what_every_mode_takes(ledger, kit):
    interface = source("Committee", "interfaces/IAssurance.vyi")
    most = int(re.search(r"terms: Bytes\[(\d+)\]", interface)[1])
    terms = kit.terms([f"0x{number:040x}" for number in range(COMMITTEE_MEMBERS_MAX)])
    assert len(ask_terms(terms, proof=bytes(1_024))) <= most


@pytest.mark.parametrize("binding", [Committee, DirectModel, OptimisticModel])
def test_every_contract_that_keeps_answers_has_the_domain_that_python_signs_in(ledger, binding):
    contract = binding(ledger, ledger.deploy(initcode_of(binding.__name__)))
    domain = assurance_domain(ledger.chain_id, contract.address)
    told = (domain.name, domain.version, domain.chain_id, domain.verifying_contract)
    assert contract.eip712_domain() == (b"\x0f", *told, bytes(32), ())
