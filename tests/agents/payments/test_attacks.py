"""Who tries to be paid twice, to pay once for two, to be served for nothing, or to burn the facilitator's gas."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from vyper.compiler import compile_code

from tallystick.agents.payments import reasons
from tallystick.agents.payments.cashier import Accepted, Answered
from tallystick.agents.payments.exact import ExactPayment, domain_of
from tallystick.agents.payments.outcomes import Refused, Settled, Unknown
from tallystick.agents.payments.terms import PAYMENT_IDENTIFIER, Terms
from tallystick.agents.payments.verifying import Allowed
from tallystick.agents.payments.wire import Payment
from tallystick.chain.accounts import Account
from tallystick.chain.calls import Call
from tallystick.core.authorization import Authorization
from tallystick.core.digest import keccak
from tallystick.core.eip712 import SECP256K1_ORDER
from tallystick.core.errors import Rejected
from tallystick.core.limits import PAYER_FAILURES_MAX, SETTLE_GAS_MAX
from tests.agents.payments.market import CENT, ORIGIN, operation


def signed(market, what, terms, payer=None, secret=None, **changes):
    """Return a payment that a key signs as it likes: any member of the authorization may be changed."""
    (requirements,) = terms.requirements(what)
    plain = {
        "payer": payer or market.payer, "payee": requirements.pay_to, "amount": requirements.amount, "valid_after": 0,
        "valid_before": int(market.clock()) + 300, "nonce": keccak(repr(changes).encode() + what.hash()),
    }  # fmt: skip
    authorization = Authorization(**plain | changes)
    signature = Account(secret or market.ledger.secrets[market.payer]).sign_digest(
        authorization.digest(domain_of(requirements))
    )
    return Payment(requirements, ExactPayment(authorization, signature).to_payload())


# --- one payment, many requests


def test_of_many_requests_with_one_payment_one_is_worked_for_and_the_payer_is_charged_once(market):
    cashier, what, terms = market.cashier(), operation(), market.terms()
    payment = signed(market, what, terms)
    with ThreadPoolExecutor(8) as threads:
        got = list(threads.map(lambda _: market.cashier().accept(payment, terms, what), range(16)))
    (accepted,) = [one for one in got if isinstance(one, Accepted)]
    assert all(isinstance(one, Unknown) for one in got if one is not accepted)
    cashier.settle(accepted, b"answer")
    with ThreadPoolExecutor(8) as threads:
        got = list(threads.map(lambda _: market.cashier().accept(payment, terms, what), range(16)))
    assert {one.answer for one in got} == {b"answer"}
    assert market.balance(market.seller) == CENT


def test_many_settlements_of_one_payment_are_one_transaction(market):
    scheme, what, terms = market.scheme(), operation(), market.terms()
    payment = signed(market, what, terms)
    with ThreadPoolExecutor(8) as threads:
        got = set(threads.map(lambda _: scheme.settle(payment, payment.accepted).transaction, range(16)))
    assert len(got) == 1
    assert market.balance(market.seller) == CENT


def test_another_signature_for_a_nonce_that_is_claimed_is_refused(market):
    cashier, what, terms = market.cashier(), operation(), market.terms()
    payment = signed(market, what, terms)
    accepted = cashier.accept(payment, terms, what)
    found = ExactPayment.read(payment.payload)
    longer = replace(found.authorization, valid_before=found.authorization.valid_before + 1)
    other = signed(market, what, terms, **{name: getattr(longer, name) for name in ("nonce", "valid_before")})
    refused = cashier.accept(other, terms, what)
    assert refused.reason == reasons.BOUND
    assert isinstance(cashier.settle(accepted, b"answer"), Settled)
    assert market.scheme().settle(other, other.accepted).reason in (reasons.BOUND, reasons.USED)


def test_the_other_half_of_the_signatures_is_refused(market):
    what, terms = operation(), market.terms()
    payment = signed(market, what, terms)
    found = ExactPayment.read(payment.payload)
    r, s, v = found.signature[:32], int.from_bytes(found.signature[32:64], "big"), found.signature[64]
    high = r + (SECP256K1_ORDER - s).to_bytes(32, "big") + bytes([55 - v])
    bad = replace(payment, payload=ExactPayment(found.authorization, high).to_payload())
    assert market.scheme().verify(bad, bad.accepted).reason == reasons.SIGNATURE


def test_a_payer_that_signs_anew_under_one_identifier_is_served_for_the_first_payment(market):
    cashier, what, terms = market.cashier(), operation(), market.terms()
    told = {PAYMENT_IDENTIFIER: {"info": {"id": "order-0123456789abcdef"}}}
    first, second = (
        replace(signed(market, what, terms, nonce=keccak(bytes([one]))), extensions=told) for one in (1, 2)
    )
    settled = cashier.settle(cashier.accept(first, terms, what), b"answer")
    assert cashier.accept(second, terms, what) == Answered(settled, b"answer")
    assert market.balance(market.seller) == CENT
    thief = signed(market, what, terms, secret=market.ledger.secrets[market.stranger], nonce=keccak(b"\3"))
    assert cashier.accept(replace(thief, extensions=told), terms, what).reason == reasons.SIGNATURE


def test_who_saw_a_payment_on_the_chain_does_not_get_its_answer_without_its_identifier(market):
    cashier, purse, what, terms = market.cashier(), market.purse(), operation(), market.terms()
    booked = purse.pay(terms.challenge(what), what, ORIGIN)
    cashier.settle(cashier.accept(booked.payment, terms, what), b"secret")
    seen = Payment(booked.payment.accepted, booked.payment.payload)
    assert cashier.accept(seen, terms, what).reason == reasons.IDENTIFIER
    assert cashier.accept(booked.payment, terms, what).answer == b"secret"


# --- what is signed is not what is asked


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"amount": CENT - 1}, reasons.VALUE),
        ({"amount": CENT + 1}, reasons.VALUE),
        ({"payee": "0x" + "77" * 20}, reasons.RECIPIENT),
        ({"valid_before": 1_600_000_000}, reasons.EXPIRED),
        ({"valid_after": 1_900_000_000, "valid_before": 1_900_000_100}, reasons.EARLY),
        ({"payer": "0x" + "66" * 20}, reasons.SIGNATURE),
    ],
)
def test_a_payment_of_something_else_is_refused_with_its_reason(market, change, reason):
    what, terms = operation(), market.terms()
    payment = signed(market, what, terms, **change)
    refused = market.cashier().accept(payment, terms, what)
    assert isinstance(refused, Refused)
    assert refused.reason == reason


def test_a_payer_without_enough_is_refused_before_the_work(market):
    what, terms = operation(), market.terms(2 * 10**9)
    assert market.cashier().accept(signed(market, what, terms), terms, what).reason == reasons.BALANCE


def test_a_price_that_has_changed_is_asked_anew_and_not_taken_at_the_old_one(market):
    what, cheap, dear = operation(), market.terms(), market.terms(2 * CENT)
    assert market.cashier().accept(signed(market, what, cheap), dear, what).reason == reasons.TERMS


def test_a_token_that_nobody_listed_is_not_settled(market):
    what, terms = operation(), market.terms()
    scheme = market.scheme(allowed=Allowed(frozenset({"0x" + "55" * 20})))
    payment = signed(market, what, terms)
    assert scheme.verify(payment, payment.accepted).reason == reasons.ASSET
    assert scheme.settle(payment, payment.accepted).reason == reasons.ASSET
    for_others = market.scheme(allowed=Allowed(frozenset({market.token.address}), frozenset({market.stranger})))
    assert for_others.settle(payment, payment.accepted).reason == reasons.PAYEE


def test_a_signing_domain_that_is_not_the_tokens_is_refused(market):
    what, terms = operation(), market.terms()
    price = replace(terms.prices[0], extra=(("name", "Dollar"), ("version", "2")))
    other = Terms((price,))
    payment = signed(market, what, other)
    assert market.scheme().verify(payment, payment.accepted).reason == reasons.DOMAIN
    with pytest.raises(Rejected, match="domain"):
        market.purse().pay(other.challenge(what), what, ORIGIN)


# --- accounts that change their mind


@cache
def moody_code() -> bytes:
    source = (Path(__file__).parent / "accounts" / "moody.vy").read_text()
    return bytes.fromhex(compile_code(source, output_formats=["bytecode"])["bytecode"][2:])


@pytest.fixture
def moody(market):
    address = market.ledger.deploy(moody_code())
    market.give(address, 10**6)
    return address


def feel(market, account, mood):
    data = keccak(b"set_mood(uint256)")[:4] + mood.to_bytes(32, "big")
    market.ledger.send(Call(account, data), market.maker)


def from_account(market, account, what, terms, number=0):
    plain = signed(market, what, terms, payer=account, nonce=keccak(bytes([number])))
    found = ExactPayment.read(plain.payload)
    return replace(plain, payload=ExactPayment(found.authorization, found.signature * 2).to_payload())


def test_an_account_that_changes_its_mind_before_the_settlement_costs_nobody_gas(market, moody):
    cashier, what, terms = market.cashier(), operation(), market.terms()
    payment = from_account(market, moody, what, terms)
    accepted = cashier.accept(payment, terms, what)
    assert isinstance(accepted, Accepted)
    feel(market, moody, 1)
    refused = cashier.settle(accepted, b"answer")
    assert refused.reason == reasons.SIGNATURE
    assert market.outbox.history() == []
    assert not isinstance(cashier.accept(payment, terms, what), Answered)


def test_an_account_that_lies_to_simulations_costs_little_and_not_often(market, moody):
    scheme, terms = market.scheme(), market.terms()
    feel(market, moody, 2)
    for number in range(PAYER_FAILURES_MAX):
        payment = from_account(market, moody, operation(f"/{number}"), terms, number)
        assert scheme.settle(payment, payment.accepted).reason == reasons.FAILED
        assert scheme.settle(payment, payment.accepted).reason == reasons.FAILED  # asked again: no other transaction
    payment = from_account(market, moody, operation(), terms, 99)
    assert scheme.verify(payment, payment.accepted).reason == reasons.PAYER
    assert scheme.settle(payment, payment.accepted).reason == reasons.PAYER
    sent = market.outbox.history()
    assert len(sent) == PAYER_FAILURES_MAX
    assert all(row.receipt.gas_used <= SETTLE_GAS_MAX for row in sent)
    market.clock_s = 3_601
    feel(market, moody, 0)
    payment = from_account(market, moody, operation(), terms, 100)
    assert isinstance(scheme.settle(payment, payment.accepted), Settled)


@pytest.mark.parametrize("mood", [3, 4])
def test_an_account_that_burns_gas_or_answers_nonsense_is_refused_without_a_transaction(market, moody, mood):
    what, terms = operation(), market.terms()
    feel(market, moody, mood)
    payment = from_account(market, moody, what, terms)
    assert not market.scheme().verify(payment, payment.accepted).is_valid
    assert isinstance(market.scheme().settle(payment, payment.accepted), Refused)
    assert market.outbox.history() == []


def test_a_keys_signature_for_an_account_counts_only_where_the_account_says_so(market, moody):
    what, terms = operation(), market.terms()
    payment = signed(market, what, terms, payer=moody)  # 65 bytes, recovered by nobody: there is code at the payer
    feel(market, moody, 1)
    assert market.scheme().verify(payment, payment.accepted).reason == reasons.SIGNATURE


def test_the_signature_of_an_account_that_is_not_there_is_refused(market):
    what, terms = operation(), market.terms()
    absent = from_account(market, "0x" + "44" * 20, what, terms)
    assert market.scheme().verify(absent, absent.accepted).reason == reasons.UNDEPLOYED
    found = ExactPayment.read(absent.payload)
    wrapped = ExactPayment(found.authorization, found.signature + bytes.fromhex("6492" * 16))
    payment = replace(absent, payload=wrapped.to_payload())
    assert market.scheme().verify(payment, payment.accepted).reason == reasons.UNDEPLOYED
