"""Facilitators and sellers that say what is not so: the chain is asked, and nothing is paid or answered for words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick.agents.payments import reasons
from tallystick.agents.payments.exact import ExactPayment, domain_of
from tallystick.agents.payments.outcomes import Refused, Unknown
from tallystick.agents.payments.purse_book import RELEASED, SETTLED, SIGNED
from tallystick.agents.payments.terms import Price, Terms
from tallystick.agents.payments.verifying import Allowed, Verifier
from tallystick.agents.payments.wire import Challenge, Settlement
from tallystick.agents.payments.witnessed import WitnessedScheme
from tallystick.chain.accounts import Account
from tallystick.core.errors import Rejected, Unavailable
from tests.agents.payments.market import CENT, ORIGIN, operation
from tests.agents.payments.test_attacks import signed

# --- facilitators that lie


class Liar:
    """A facilitator that says what it likes, and does what `does` does."""

    def __init__(self, told, does=None):
        self.told, self.does, self.asked = told, does, 0

    def settle(self, payment, requirements):
        self.asked += 1
        if self.does is not None:
            self.does(payment, requirements)
        if isinstance(self.told, Exception):
            raise self.told
        return self.told


def witnessed(market, liar):
    verifier = Verifier(market.node, Allowed(frozenset({market.token.address})), market.clock, market.bringer)
    return WitnessedScheme(liar, verifier, market.node, market.clock)


def network(market):
    return f"eip155:{market.ledger.chain_id}"


@pytest.mark.parametrize("transaction", ["0x" + "ab" * 32, "", "0x12", "nonsense"])
def test_settled_without_a_transfer_is_not_believed_and_no_answer_leaves(market, transaction):
    liar = Liar(Settlement(True, network(market), transaction))
    cashier, what, terms = market.cashier(witnessed(market, liar)), operation(), market.terms()
    payment = signed(market, what, terms)
    outcome = cashier.settle(cashier.accept(payment, terms, what), b"answer")
    assert isinstance(outcome, Unknown)
    assert isinstance(cashier.accept(payment, terms, what), Unknown)
    market.ledger.time += 400
    market.give(market.stranger, 1)
    assert cashier.accept(payment, terms, what).reason == reasons.EXPIRED


def test_settled_by_the_transaction_of_another_payment_is_not_believed(market):
    what, terms = operation(), market.terms()
    other = signed(market, operation("/other"), terms)
    paid = market.scheme().settle(other, other.accepted)
    liar = Liar(Settlement(True, network(market), paid.transaction))
    payment = signed(market, what, terms)
    assert isinstance(witnessed(market, liar).settle(payment, payment.accepted), Unknown)


@pytest.mark.parametrize(
    "told",
    [Settlement(False, "", reason="transaction_failed"), Unavailable("facilitator.lost", "gone")],
    ids=["failed", "lost"],
)
def test_failed_is_not_believed_where_the_chain_shows_the_transfer(market, told):
    real = market.scheme()
    liar = Liar(told, lambda payment, requirements: real.settle(payment, requirements))
    cashier, what, terms = market.cashier(witnessed(market, liar)), operation(), market.terms()
    payment = signed(market, what, terms)
    first = cashier.settle(cashier.accept(payment, terms, what), b"answer")
    assert not isinstance(first, Refused)
    assert cashier.accept(payment, terms, what).answer == b"answer"
    assert market.balance(market.seller) == CENT
    assert liar.asked == 1


def test_a_cancelled_authorization_is_no_payment_whatever_is_said(market):
    what, terms = operation(), market.terms()
    payment = signed(market, what, terms)
    found = ExactPayment.read(payment.payload)
    from tallystick.core.authorization import cancel_digest, split_signature

    digest = cancel_digest(market.payer, found.authorization.nonce, domain_of(payment.accepted))
    v, r, s = split_signature(Account(market.ledger.secrets[market.payer]).sign_digest(digest))
    market.ledger.send(
        market.token.cancel_authorization(market.payer, found.authorization.nonce, v, r, s), market.maker
    )
    liar = Liar(Settlement(True, network(market), "0x" + "ab" * 32))
    assert witnessed(market, liar).settle(payment, payment.accepted).reason == reasons.USED
    assert liar.asked == 0


# --- sellers that lie


def test_a_seller_that_names_another_payee_is_not_paid_until_somebody_says_so(market):
    purse, terms = market.purse(), market.terms()
    cashier = market.cashier()
    what = operation("/1")
    booked = purse.pay(terms.challenge(what), what, ORIGIN)
    purse.learn(booked, cashier.settle(cashier.accept(booked.payment, terms, what), b"a").to_settlement())
    swapped, again = market.terms(pay_to=market.stranger), operation("/2")
    with pytest.raises(Rejected, match="was paid before"):
        purse.pay(swapped.challenge(again), again, ORIGIN)
    with pytest.raises(Rejected, match="is meant"):
        purse.pay(terms.challenge(again), again, ORIGIN, payee=market.stranger)
    assert purse.forget_payee(ORIGIN) == 1
    assert purse.pay(swapped.challenge(again), again, ORIGIN).payee == market.stranger


def test_a_seller_that_asks_for_more_after_it_was_paid_gets_the_same_payment(market):
    purse, what = market.purse(), operation()
    booked = purse.pay(market.terms().challenge(what), what, ORIGIN)
    purse.learn(booked, Settlement(False, network(market), reason="pay me more"))
    assert purse.pay(market.terms(9 * CENT).challenge(what), what, ORIGIN).id == booked.id
    assert len(market.book.newest(10)) == 1


def test_a_seller_that_says_settled_without_a_transfer_is_found_out(market):
    purse, what = market.purse(), operation()
    booked = purse.pay(market.terms().challenge(what), what, ORIGIN)
    told = purse.learn(booked, Settlement(True, network(market), "0x" + "ab" * 32))
    assert told.state == SIGNED
    assert "does not show it" in told.note
    market.ledger.time = booked.valid_before + 1
    market.give(market.stranger, 1)
    assert purse.reconcile()[0].state == RELEASED


def test_a_seller_that_takes_the_money_and_says_refused_is_found_out(market):
    purse, what, terms = market.purse(), operation(), market.terms()
    booked = purse.pay(terms.challenge(what), what, ORIGIN)
    market.scheme().settle(booked.payment, booked.payment.accepted)
    told = purse.learn(booked, Settlement(False, network(market), reason="no"))
    assert told.state == SETTLED
    assert "chain shows" in told.note


def test_what_may_be_paid_in_a_day_counts_what_is_undecided_and_warns_before_its_end(market):
    heard = []
    purse, terms = market.purse(daily=5 * CENT, told=heard.append), market.terms()
    for number in range(5):
        purse.pay(terms.challenge(operation(f"/{number}")), operation(f"/{number}"), ORIGIN)
        assert bool(heard) == (number >= 3)
    with pytest.raises(Rejected) as caught:
        purse.pay(terms.challenge(operation()), operation(), ORIGIN)
    assert caught.value.code == "payment.budget"


@pytest.mark.parametrize(
    "change",
    [
        {"network": "eip155:1"},
        {"network": "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"},
        {"asset": "0x" + "12" * 20},
        {"scheme": "upto"},
    ],
)
def test_ways_to_pay_that_are_not_ours_are_weighed_and_passed_over(market, change):
    what, terms = operation(), market.terms()
    good = terms.prices[0]
    mixed = Terms((replace(good, **change), good))
    booked = market.purse().pay(mixed.challenge(what), what, ORIGIN)
    assert booked.network == network(market)
    with pytest.raises(Rejected):
        market.purse().pay(Terms((replace(good, **change),)).challenge(operation("/n")), operation("/n"), ORIGIN)


def test_a_challenge_that_names_no_way_to_pay_is_refused(market):
    with pytest.raises(Rejected, match="no way to pay"):
        market.purse().pay(Challenge(()), operation(), ORIGIN)


def test_a_price_names_a_token_that_takes_signatures_and_is_more_than_nothing(market):
    from tallystick.core.errors import InvalidInput

    with pytest.raises(InvalidInput):
        Price.of_token(market.node, market.token.address, 0, market.seller)
