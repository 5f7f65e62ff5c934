"""Reading a final optimistic answer: by its receipt alone, every field of it, and by nobody but the consumer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick.lithic.receipts.answer import Mode
from tallystick.lithic.receipts.reading import read_answer
from tests.contracts.optimistic_kit import FEE, WINDOW, Kit


@pytest.fixture
def kit(ledger):
    return Kit.on(ledger)


def final_answer(kit):
    """A request whose claim became final, and its trace."""
    asked = kit.ask()
    right = kit.right(asked)
    kit.wait_until(kit.claim(asked, right).time + WINDOW)
    kit.ledger.send(kit.finalising(asked, right), kit.ledger.accounts[4])
    return asked, right


def test_a_final_answer_is_read_by_its_receipt_and_every_field_counts(kit, refused):
    asked, right = final_answer(kit)
    receipt = kit.receipt(asked, right)
    assert kit.read(receipt) == right.answer
    first, *others = right.answer
    for change in (
        {"model_digest": b"x" * 32},
        {"input_digest": b"x" * 32},
        {"output": (first + 1, *others)},
        {"output": right.answer[:-1]},
        {"output": (*right.answer, 0)},
        {"mode": Mode.DIRECT},
        {"mode": Mode.COMMITTEE},
        {"mode": Mode.PROOF},
        {"cost": FEE + 1},
        {"deadline": receipt.deadline - 1},
        {"nonce": receipt.nonce + 1},
    ):
        with refused("answers: not the receipt"):
            kit.read(replace(receipt, **change))
    with refused("optimistic: not final"):
        kit.read(replace(receipt, request_id=b"x" * 32))
    with refused("optimistic: not final"):  # nor does it count for another contract
        read_answer(kit.ledger, Kit.on(kit.ledger).contract.address, receipt)


def test_nobody_but_the_consumer_reads(kit, refused):
    asked, right = final_answer(kit)
    stranger = kit.ledger.accounts[5]
    receipt = kit.receipt(asked, right)
    with refused("answers: not the consumer"):
        kit.read(receipt, reader=stranger)
    with refused("answers: not the receipt"):  # nor by saying that it was the one who asked
        kit.read(replace(receipt, consumer=stranger))
