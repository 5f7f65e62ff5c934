"""Attacks that were published against x402 (arXiv 2605.11781, 2605.30998), and one of our own on who reads the chain.

Those that other files try are named in docs/threat-model.md: answers before settlement, replays, payments that are
carried to other resources, races, and caches.
"""

from __future__ import annotations

from functools import cache

import pytest
from eth_abi.abi import encode
from vyper.compiler import compile_code

from tallystick.agents.payments import reasons
from tallystick.agents.payments.exact import ExactPayment
from tallystick.agents.payments.outcomes import Refused, Settled
from tallystick.agents.payments.terms import Flow
from tallystick.chain.calls import Call
from tallystick.core.digest import keccak
from tests.agents.payments.market import CENT, operation
from tests.agents.payments.test_attacks import signed

TWO_AT_ONCE = """
@external
def both(target: address, one: Bytes[1024], two: Bytes[1024]):
    raw_call(target, one)
    raw_call(target, two)
"""


@cache
def _two_at_once() -> bytes:
    code = compile_code(TWO_AT_ONCE, output_formats=["bytecode"])["bytecode"]
    return bytes.fromhex(code.removeprefix("0x"))


def call_of(market, payment):
    return ExactPayment.read(payment.payload).call(market.node, market.token.address)


def bring_both(market, *payments):
    """Have a stranger bring two authorizations in one transaction."""
    target = market.ledger.deploy(_two_at_once())
    given = [call_of(market, payment).data for payment in payments]
    data = keccak(b"both(address,bytes,bytes)")[:4]
    data += encode(["address", "bytes", "bytes"], [market.token.address, *given])
    market.ledger.send(Call(target, data), market.stranger)


@pytest.mark.parametrize("flow", Flow)
def test_a_payment_that_a_stranger_brings_first_is_settled_and_its_answer_leaves(market, flow):
    """Preemption (I-B of 2605.11781): whoever sees an authorization may bring it, and the payer must not lose by it."""
    scheme, what, terms = market.scheme(is_claimed=True), operation(), market.terms(flow=flow)
    payment = signed(market, what, terms)
    assert scheme.verify(payment, payment.accepted).is_valid
    market.ledger.send(call_of(market, payment), market.stranger)
    outcome = scheme.settle(payment, payment.accepted)
    assert isinstance(outcome, Settled)
    assert market.balance(market.seller) == CENT


def test_a_cashier_gives_the_answer_for_a_payment_that_was_brought_while_it_worked(market):
    cashier, what, terms = market.cashier(), operation(), market.terms()
    payment = signed(market, what, terms)
    accepted = cashier.accept(payment, terms, what)
    market.ledger.send(call_of(market, payment), market.stranger)
    market.clock_s += 120  # long work: what was found good is forgotten
    assert isinstance(cashier.settle(accepted, b"answer"), Settled)
    assert cashier.accept(payment, terms, what).answer == b"answer"
    assert market.balance(market.seller) == CENT


def test_nobody_is_served_for_a_payment_that_was_already_on_the_chain(market):
    """Its signature is public there: what a stranger brought before a claim proves nothing about who asks."""
    cashier, what, terms = market.cashier(), operation(), market.terms()
    payment = signed(market, what, terms)
    market.ledger.send(call_of(market, payment), market.stranger)
    refused = cashier.accept(payment, terms, what)
    assert isinstance(refused, Refused)
    assert refused.reason == reasons.USED


def test_without_a_claim_a_payment_that_others_brought_buys_nothing(market):
    """A facilitator is asked by anybody: what it did not bring itself may have been sold elsewhere."""
    scheme, what, terms = market.scheme(), operation(), market.terms()
    payment = signed(market, what, terms)
    market.ledger.send(call_of(market, payment), market.stranger)
    assert isinstance(scheme.settle(payment, payment.accepted), Refused)


def test_a_cancelled_authorization_stays_refused_whoever_claimed_it(market):
    scheme, what, terms = market.scheme(is_claimed=True), operation(), market.terms()
    payment = signed(market, what, terms)
    to_himself = signed(market, what, terms, payee=market.payer, nonce=nonce_of(payment))
    market.ledger.send(call_of(market, to_himself), market.payer)
    assert isinstance(scheme.settle(payment, payment.accepted), Refused)
    assert market.balance(market.seller) == 0


def nonce_of(payment):
    return ExactPayment.read(payment.payload).authorization.nonce


@pytest.mark.parametrize("is_first", [True, False])
def test_one_transfer_does_not_count_for_two_payments_in_one_transaction(market, is_first):
    """The payer spends a nonce on himself beside a real payment of the same amount, and shows both."""
    scheme, terms = market.scheme(is_claimed=True), market.terms()
    real, faked = (signed(market, operation(path), terms, valid_after=at) for at, path in enumerate(("/one", "/two")))
    to_himself = signed(market, operation("/two"), terms, payee=market.payer, nonce=nonce_of(faked))
    bring_both(market, *((real, to_himself) if is_first else (to_himself, real)))
    assert isinstance(scheme.settle(real, real.accepted), Settled)
    assert isinstance(scheme.settle(faked, faked.accepted), Refused)
    assert market.balance(market.seller) == CENT


def test_two_payments_in_one_transaction_are_both_settled(market):
    scheme, terms = market.scheme(is_claimed=True), market.terms()
    one, two = (signed(market, operation(path), terms, valid_after=at) for at, path in enumerate(("/one", "/two")))
    bring_both(market, one, two)
    assert all(isinstance(scheme.settle(payment, payment.accepted), Settled) for payment in (one, two))
    assert market.balance(market.seller) == 2 * CENT
