"""Channels in a cashier: one payment is one call, claimed once, charged once, for its own operation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick.agents.channels import wire
from tallystick.agents.channels.scheme import CONTRACT, RECEIPT, ChannelScheme
from tallystick.agents.channels.signing import PaidCall, SignedCall
from tallystick.agents.payments.cashier import Accepted, Answered, Cashier
from tallystick.agents.payments.claims import Claims
from tallystick.agents.payments.operation import Operation
from tallystick.agents.payments.outcomes import Refused, Settled, Unknown
from tallystick.agents.payments.terms import Price, Terms
from tallystick.agents.payments.wire import Payment
from tallystick.chain.coin import NATIVE
from tallystick.core.eip712 import Signer
from tallystick.core.errors import Unavailable
from tests.agents.channels.kit import DEPOSIT, PRICE

ASKED = Operation.of("tools/call", "mcp://tool/ask", b"a question")
OTHER = Operation.of("tools/call", "mcp://tool/ask", b"another question")


class Till:
    """A cashier that takes calls of a pair's channel."""

    def __init__(self, pair):
        self.pair = pair
        self.cashier = Cashier(
            Claims(pair.folder / "claims.db"), {"channel": ChannelScheme(pair.payee)}, lambda: 1_000.0
        )
        extra = ((CONTRACT, pair.channels.address),)
        network = f"eip155:{pair.ledger.chain_id}"
        self.terms = Terms((Price(network, NATIVE, PRICE, pair.channels.payee, extra, "channel"),))

    def payment(self, operation=ASKED, signed=None, bound=PRICE):
        (asked,) = self.terms.requirements(operation)
        if signed is None:
            (signed,) = self.pair.payer.sign(self.pair.id, [(operation.hash(), bound)])
        return Payment(asked, wire.payload(self.pair.terms, signed), {"url": ASKED.resource}, {})

    def accept(self, payment, operation=ASKED):
        return self.cashier.accept(payment, self.terms, operation)


@pytest.fixture
def till(pair):
    return Till(pair)


def test_a_call_is_taken_up_charged_and_answered_again_for_nothing(till):
    payment = till.payment()
    accepted = till.accept(payment)
    assert isinstance(accepted, Accepted)
    settled = till.cashier.settle(accepted, b"an answer")
    assert (type(settled), settled.amount) == (Settled, PRICE)
    again = till.accept(payment)
    assert isinstance(again, Answered)
    assert again.answer == b"an answer"
    assert till.pair.account().spent == PRICE


def test_its_receipt_is_one_that_the_payer_takes(till):
    scheme, payment = ChannelScheme(till.pair.payee), till.payment()
    settled = scheme.settle(payment, payment.accepted)
    assert scheme.settle(payment, payment.accepted) == settled  # once, however often it is asked
    receipt, signature = wire.read_receipt(settled.extensions[RECEIPT], till.pair.id)
    signed = wire.read_payload(payment.payload).signed
    assert till.pair.payer.learn(till.pair.id, [(signed, receipt, signature)]) == [None]
    assert (till.pair.booked().spent, settled.amount) == (PRICE, PRICE)
    assert settled.transaction == f"channel:0x{till.pair.id.hex()}:{receipt.number}"


def test_it_buys_no_other_operation_and_not_for_less(till):
    pair = till.pair
    moved = replace(till.payment(OTHER), accepted=till.terms.requirements(ASKED)[0])
    assert isinstance(till.accept(moved), Refused)
    assert till.accept(moved).reason == "tally_channel_operation_mismatch"
    assert till.accept(till.payment(bound=PRICE - 1)).reason == "tally_channel_amount_mismatch"
    elsewhere = till.payment()
    other = Till(pair).terms
    other = replace(other, prices=(replace(other.prices[0], extra=((CONTRACT, pair.channels.payer),)),))
    (asked,) = other.requirements(ASKED)
    found = till.cashier.accept(replace(elsewhere, accepted=asked), other, ASKED)
    assert found.reason == "tally_channel_contract_mismatch"
    assert pair.account() is None


def test_what_is_forged_uncovered_or_malformed_is_refused_and_nothing_is_taken(till):
    pair = till.pair
    forged = replace(pair.sign(), signature=bytes(65))
    assert isinstance(till.accept(till.payment(signed=forged)), Refused)
    pair.payer.book.give_up(pair.id, forged.call.number)
    key = Signer(pair.secret(pair.channels.authorizer))
    over = PaidCall(pair.id, 77, ASKED.hash(), PRICE, DEPOSIT + 1)
    found = till.accept(till.payment(signed=SignedCall.sign(over, pair.channels.domain, key)))
    assert found.reason == "channel.over_deposit"
    pair.finish(pair.take(pair.sign(bound=500)), 500)
    low = PaidCall(pair.id, 78, ASKED.hash(), PRICE, PRICE)
    found = till.accept(till.payment(signed=SignedCall.sign(low, pair.channels.domain, key)))
    assert found.reason == "channel.short"
    (asked,) = till.terms.requirements(ASKED)
    assert till.accept(Payment(asked, {"signature": "0x"}, {"url": ASKED.resource}, {})).reason == "invalid_payload"
    assert pair.account().pending == 0


def test_where_the_chain_does_not_answer_the_outcome_is_unknown(till, monkeypatch):
    def gone(*_, **__):
        raise Unavailable("chain.node", "the node does not answer")

    payment = till.payment()
    with monkeypatch.context() as patched:
        patched.setattr(till.pair.payee._standings, "of", gone)
        assert isinstance(till.accept(payment), Unknown)
    assert isinstance(till.accept(payment), Accepted)


def test_work_that_failed_is_not_charged(till):
    payment = till.payment()
    accepted = till.accept(payment)
    till.cashier.release(accepted, "it failed")
    assert till.pair.account() is None
    assert isinstance(till.accept(payment), Accepted)
