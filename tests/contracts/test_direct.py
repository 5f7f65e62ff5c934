"""Direct answers: what the kernel says, by its receipt, in the same transaction or ever after."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_abi.abi import encode

from tallystick.chain.bindings import direct_model as binding
from tallystick.chain.calls import Call
from tallystick.core.digest import sha256
from tallystick.core.errors import Rejected
from tallystick.lithic.evm.assembler import initcode
from tallystick.lithic.receipts.answer import Mode
from tallystick.lithic.receipts.reading import read_answer
from tallystick.lithic.receipts.request import direct_terms, request_id
from tests.contracts.direct_kit import Kit
from tests.contracts.kernels import BAD_COUNT, BAD_OFFSET, HUGE, compiled, model, selector
from tests.lithic import kernel_models

NOBODY = "0x" + "00" * 20

# Asks and reads in one transaction, and says what it read.
HURRIED = """
# pragma version 0.4.3
from tallystick.contracts.interfaces import IAssurance

@external
def decide(assurance: address, terms: Bytes[2816], data: Bytes[8192], answer: IAssurance.AssuredAnswer) -> int256:
    asked: bytes32 = extcall IAssurance(assurance).ask(answer.nonce, terms, data)
    assert asked == answer.request_id, "hurried: another id"
    return (staticcall IAssurance(assurance).read_answer(answer))[0]
"""
ANSWER = "(bytes32,address,bytes32,bytes32,bytes,uint8,uint256,uint64,uint256)"


@pytest.fixture
def kit(ledger):
    return Kit.on(ledger)


def read(kit, answer, **asked):
    return read_answer(kit.ledger, kit.contract.address, answer, **asked)


def test_a_kept_answer_is_read_ever_after_by_the_receipt_that_was_known_before(ledger, kit, events):
    alice, x = ledger.accounts[0], kit.middle()
    answer = kit.answer(x)
    mined = ledger.send(kit.asking(x), alice)
    expected = binding.Answered(answer.request_id, alice, kit.kernel.address, kit.kernel.digest, 0, True, kit.data(x))
    assert events(mined, binding.EVENTS) == [expected]
    assert read(kit, answer) == kit.kernel.predict(x)
    ledger.send(kit.asking(kit.middle(1)), alice)
    assert read(kit, answer) == kit.kernel.predict(x)


def test_every_field_of_a_receipt_counts(ledger, kit, refused):
    x = kit.middle()
    ledger.send(kit.asking(x), ledger.accounts[0])
    answer = kit.answer(x)
    first, *others = answer.output
    for change in (
        {"model_digest": b"x" * 32}, {"input_digest": b"x" * 32}, {"output": (first + 1, *others)},
        {"output": answer.output[:-1]}, {"output": (*answer.output, 0)}, {"mode": Mode.OPTIMISTIC},
        {"mode": Mode.COMMITTEE}, {"mode": Mode.PROOF}, {"cost": 1}, {"deadline": 1}, {"nonce": 1},
    ):  # fmt: skip
        with refused("answers: not the receipt"):
            read(kit, replace(answer, **change))
    with refused("direct: no answer"):
        read(kit, replace(answer, request_id=b"x" * 32))
    with refused("direct: no answer"):  # nor does it count for another contract
        read_answer(ledger, Kit.on(ledger).contract.address, answer)


def test_nobody_but_the_consumer_reads(ledger, kit, refused):
    x, stranger = kit.middle(), ledger.accounts[5]
    ledger.send(kit.asking(x), ledger.accounts[0])
    answer = kit.answer(x)
    with refused("answers: not the consumer"):
        read(kit, answer, reader=stranger)
    with refused("answers: not the receipt"):  # nor by saying that it was the one who asked
        read(kit, replace(answer, consumer=stranger))


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_contract_asks_and_reads_in_one_transaction(ledger, kit, is_kept, refused):
    hurried, x = ledger.deploy(compiled(HURRIED)), kit.middle()
    types = ["address", "bytes", "bytes", ANSWER]
    answer = kit.answer(x, is_kept=is_kept, consumer=hurried)

    def deciding(answer):
        values = [kit.contract.address, kit.terms(is_kept=is_kept), kit.data(x), answer.to_abi()]
        return Call(hurried, selector(f"decide({','.join(types)})") + encode(types, values))

    said = ledger.call(hurried, deciding(answer).data)
    assert int.from_bytes(said, signed=True) == kit.kernel.predict(x)[0]
    with refused("answers: not the receipt"):
        ledger.send(deciding(replace(answer, output=answer.output[::-1])), ledger.accounts[1])
    ledger.send(deciding(answer), ledger.accounts[1])
    if is_kept:
        assert read(kit, answer) == kit.kernel.predict(x)
        with refused("direct: already asked"):
            ledger.send(deciding(answer), ledger.accounts[1])
    else:
        with refused("direct: no answer"):  # it is gone with the transaction
            read(kit, answer)
        ledger.send(deciding(answer), ledger.accounts[1])  # and can be had again


def test_a_kept_answer_is_asked_for_once(ledger, kit, refused):
    x, alice, bob = kit.middle(), *ledger.accounts[:2]
    for call, who in (
        (kit.asking(x), alice), (kit.asking(x), bob), (kit.asking(x, 1), alice), (kit.asking(kit.middle(1)), alice),
        (kit.asking(x, is_kept=False), alice),
    ):  # fmt: skip
        ledger.send(call, who)
    with refused("direct: already asked"):
        ledger.send(kit.asking(x), alice)


def test_nothing_is_paid_and_terms_of_another_form_are_refused(ledger, kit, refused):
    x, alice = kit.middle(), ledger.accounts[0]
    with refused("direct: nothing to pay"):
        ledger.send(kit.asking(x, value=1), alice)
    with pytest.raises(Rejected):
        ledger.call(kit.contract.address, b"", sender=alice, value=1)
    other_forms = (b"", kit.terms()[:-1], kit.terms() + bytes(32), kit.terms()[:-1] + b"\x02")
    for terms in (*other_forms, direct_terms(NOBODY, is_kept=True)):
        with pytest.raises(Rejected):
            ledger.send(kit.contract.ask(0, terms, kit.data(x), value=0), alice)


def test_a_kernel_that_refuses_says_why(ledger, kit, refused):
    with refused("kernel: input out of range"):
        ledger.send(kit.contract.ask(0, kit.terms(), b"\xff" * 6, value=0), ledger.accounts[0])
    with refused("kernel: malformed input"):
        ledger.send(kit.contract.ask(0, kit.terms(), b"", value=0), ledger.accounts[0])


@pytest.mark.parametrize("mode", [BAD_OFFSET, BAD_COUNT, HUGE])
def test_what_does_not_answer_as_a_kernel_is_refused(ledger, kit, refused, mode):
    impostor = ledger.deploy(model(mode, NOBODY, 0))
    with refused("direct: not a kernel"):
        ledger.send(kit.contract.ask(0, direct_terms(impostor, is_kept=True), b"\x07", value=0), ledger.accounts[0])


def test_answers_of_one_and_of_256_numbers_are_read_and_longer_ones_refused(ledger, kit, refused):
    # Answers any call with the list of so many sevens, and any view with the same.
    for count in (1, 2, 256, 257):
        words = (32).to_bytes(32) + count.to_bytes(32) + (7).to_bytes(32) * count
        data = ledger.deploy(initcode(b"\0" + words))
        size = f"61{len(words):04x}"
        code = bytes.fromhex(f"{size}60015f73{data[2:]}3c{size}5ff3")
        kernel = ledger.deploy(initcode(code))
        call = kit.contract.ask(count, direct_terms(kernel, is_kept=True), b"\x01", value=0)
        if count > 256:
            with refused("direct: not a kernel"):
                ledger.send(call, ledger.accounts[0])
            continue
        ledger.send(call, ledger.accounts[0])
        answer = replace(
            kit.answer(kit.middle(), count), request_id=asked_id(kit, kernel, count), output=(7,) * count,
            model_digest=(32).to_bytes(32), input_digest=sha256(b"\x01"),
        )  # fmt: skip
        assert read(kit, answer) == (7,) * count


def asked_id(kit, kernel, nonce):
    terms = direct_terms(kernel, is_kept=True)
    return request_id(kit.ledger.chain_id, kit.contract.address, kit.ledger.accounts[0], nonce, terms, b"\x01")


def test_a_kernel_in_parts_answers_through_it_too(ledger):
    kit = Kit.on(ledger, kernel_models.forest())
    x = kit.middle()
    ledger.send(kit.asking(x), ledger.accounts[0])
    assert read(kit, kit.answer(x)) == kit.kernel.predict(x)
