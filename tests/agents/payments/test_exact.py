"""A payment by `exact` from challenge to answer: what is sold is paid for once, and what is paid for is got."""

from __future__ import annotations

import pytest

from tallystick.agents.payments import reasons
from tallystick.agents.payments.cashier import Accepted, Answered
from tallystick.agents.payments.outcomes import Refused, Settled, Unknown
from tallystick.agents.payments.purse_book import RELEASED, SETTLED
from tallystick.agents.payments.terms import Flow
from tallystick.core.errors import Unavailable
from tests.agents.payments.market import CENT, ORIGIN, operation


def test_a_call_is_paid_for_and_both_books_say_so(market):
    cashier, purse, what, terms = market.cashier(), market.purse(), operation(), market.terms()
    booked = purse.pay(terms.challenge(what), what, ORIGIN)
    accepted = cashier.accept(booked.payment, terms, what)
    assert isinstance(accepted, Accepted)
    settled = cashier.settle(accepted, b"answer")
    assert isinstance(settled, Settled)
    assert market.balance(market.seller) == CENT
    assert purse.learn(booked, settled.to_settlement()).state == SETTLED
    assert purse.undecided(what) is None


def test_the_same_payment_gets_the_same_answer_and_is_charged_once(market):
    cashier, purse, what, terms = market.cashier(), market.purse(), operation(), market.terms()
    booked = purse.pay(terms.challenge(what), what, ORIGIN)
    settled = cashier.settle(cashier.accept(booked.payment, terms, what), b"answer")
    again = market.cashier().accept(booked.payment, terms, what)
    assert again == Answered(settled, b"answer")
    assert market.balance(market.seller) == CENT


def test_a_payment_for_one_request_buys_no_other_of_the_same_price(market):
    cashier, purse, what, terms = market.cashier(), market.purse(), operation(), market.terms()
    booked = purse.pay(terms.challenge(what), what, ORIGIN)
    other = operation("/v2/other")
    refused = cashier.accept(booked.payment, terms, other)
    assert isinstance(refused, Refused)
    assert refused.reason == reasons.OPERATION
    assert isinstance(cashier.accept(booked.payment, terms, what), Accepted)


def test_work_that_failed_is_not_charged_and_its_payment_may_be_used_again(market):
    cashier, purse, what, terms = market.cashier(), market.purse(), operation(), market.terms()
    booked = purse.pay(terms.challenge(what), what, ORIGIN)
    cashier.release(cashier.accept(booked.payment, terms, what), "the model failed")
    assert market.balance(market.seller) == 0
    again = cashier.accept(booked.payment, terms, what)
    assert isinstance(cashier.settle(again, b"answer"), Settled)
    assert market.balance(market.seller) == CENT


def test_who_pays_before_the_work_has_paid_when_it_begins_and_is_owed_if_it_fails(market):
    cashier, purse, what, terms = market.cashier(), market.purse(), operation(), market.terms(flow=Flow.BEFORE)
    booked = purse.pay(terms.challenge(what), what, ORIGIN)
    accepted = cashier.accept(booked.payment, terms, what)
    assert accepted.settled is not None
    assert market.balance(market.seller) == CENT
    cashier.release(accepted, "the model failed")
    (owed,) = market.claims.owed()
    assert (owed.key.payer, owed.key.amount, owed.refund) == (market.payer, CENT, "the model failed")
    assert cashier.accept(booked.payment, terms, what).reason == reasons.OWED


def test_while_one_works_others_with_the_same_payment_are_told_to_repeat_it(market):
    cashier, purse, what, terms = market.cashier(), market.purse(), operation(), market.terms()
    booked = purse.pay(terms.challenge(what), what, ORIGIN)
    accepted = cashier.accept(booked.payment, terms, what)
    assert isinstance(market.cashier().accept(booked.payment, terms, what), Unknown)
    assert isinstance(cashier.settle(accepted, b"answer"), Settled)


def test_who_crashed_at_work_is_taken_over_when_its_time_is_up(market):
    cashier, purse, what, terms = market.cashier(hold_s=60), market.purse(), operation(), market.terms()
    booked = purse.pay(terms.challenge(what), what, ORIGIN)
    crashed = cashier.accept(booked.payment, terms, what)
    market.clock_s = 61
    taken = cashier.accept(booked.payment, terms, what)
    assert isinstance(taken, Accepted)
    assert isinstance(cashier.settle(crashed, b"late"), Unknown)
    assert isinstance(cashier.settle(taken, b"answer"), Settled)
    assert cashier.accept(booked.payment, terms, what).answer == b"answer"


def test_asked_twice_a_purse_gives_the_same_payment_until_its_outcome_is_known(market):
    purse, what, terms = market.purse(), operation(), market.terms()
    booked = purse.pay(terms.challenge(what), what, ORIGIN)
    dearer = market.terms(5 * CENT).challenge(what)
    assert purse.pay(dearer, what, ORIGIN) == booked
    assert market.purse().undecided(what) == booked


def test_a_payment_whose_time_is_over_is_released_by_a_later_block_and_another_is_signed(market):
    purse, what, terms = market.purse(), operation(), market.terms()
    booked = purse.pay(terms.challenge(what), what, ORIGIN)
    market.clock_s = 400
    with pytest.raises(Unavailable) as caught:
        purse.pay(terms.challenge(what), what, ORIGIN)
    assert caught.value.code == "payment.undecided"
    market.clock_s = 0
    market.ledger.time = booked.valid_before + 1
    market.give(market.stranger, 1)
    assert purse.pay(terms.challenge(what), what, ORIGIN).id != booked.id
    assert market.book.find(booked.id).state == RELEASED


def test_the_answer_to_a_payment_that_was_taken_is_still_to_be_had_when_its_time_is_over(market):
    cashier, purse, what, terms = market.cashier(), market.purse(), operation(), market.terms()
    booked = purse.pay(terms.challenge(what), what, ORIGIN)
    cashier.settle(cashier.accept(booked.payment, terms, what), b"answer")
    market.clock_s = 400
    known = purse.undecided(what)
    assert (known.id, known.state) == (booked.id, SETTLED)
    assert cashier.accept(known.payment, terms, what).answer == b"answer"


def test_on_a_chain_at_rest_a_payment_is_released_an_hour_after_its_end(market):
    purse, what, terms = market.purse(), operation(), market.terms()
    booked = purse.pay(terms.challenge(what), what, ORIGIN)
    market.clock_s = 300 + 3_500
    assert purse.reconcile()[0].id == booked.id
    assert market.book.find(booked.id).state == "signed"
    market.clock_s = 300 + 3_700
    assert purse.reconcile()[0].state == RELEASED
