"""A session pays through the slots of its policy account: within the policy, whatever its purse would sign."""

from __future__ import annotations

import pytest

from tallystick.agents.payments import reasons
from tallystick.agents.payments.cashier import Accepted
from tallystick.agents.payments.outcomes import Refused, Settled
from tallystick.agents.payments.purse_book import RELEASED, SETTLED
from tallystick.agents.payments.slots import SlotPayer
from tallystick.chain.accounts import Account
from tallystick.core.errors import Rejected
from tests.agents.payments.market import CENT, ORIGIN, operation
from tests.contracts.policy_kit import DAY, HOUR, Wallet, World


class Given:
    """The market's token, for whom wallets give to."""

    def __init__(self, market):
        self.address = market.token.address
        self._market = market

    def give(self, account, amount):
        self._market.give(account, amount)


@pytest.fixture(scope="module")
def world(ledger):
    return World(ledger)


@pytest.fixture
def wallet(market, world):
    slots = {"slots": 4, "slot_period_s": DAY, "slot_cap": CENT, "slot_token": market.token.address}
    made = Wallet(world, token=Given(market), is_sealed=False, **slots)
    made.allow(market.seller)
    made.send(made.account.seal(), made.owner)
    return made


@pytest.fixture
def payer(market, wallet):
    return SlotPayer(market.node, wallet.address, Account(market.ledger.secrets[wallet.session]))


def buy(market, purse, path="/v2/answer", **terms):
    cashier, what, asked = market.cashier(), operation(path), market.terms(**terms)
    booked = purse.pay(asked.challenge(what), what, ORIGIN)
    accepted = cashier.accept(booked.payment, asked, what)
    assert isinstance(accepted, Accepted), accepted
    settled = cashier.settle(accepted, b"answer")
    assert isinstance(settled, Settled), settled
    return purse.learn(booked, settled.to_settlement())


def test_a_session_pays_from_its_account_and_needs_no_gas(market, wallet, payer):
    before = market.balance(wallet.address)
    assert buy(market, market.purse(payer=payer)).state == SETTLED
    assert market.balance(market.seller) == CENT
    assert market.balance(wallet.address) == before - CENT
    assert len(market.outbox.history(1)[0].call.data) > 500  # the form that ends in bytes


def test_there_are_no_more_payments_in_a_period_than_slots(market, payer):
    purse = market.purse(payer=payer)
    for number in range(4):
        buy(market, purse, f"/v2/{number}")
    with pytest.raises(Rejected, match="slot") as caught:
        buy(market, purse, "/v2/one-more")
    assert caught.value.code == "payment.slots"
    assert market.balance(market.seller) == 4 * CENT


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"amount": CENT + 1}, "at most"),
        ({"pay_to": "0x" + "77" * 20}, "does not let"),
    ],
)
def test_what_the_policy_forbids_is_told_before_anything_is_signed(market, payer, change, words):
    purse = market.purse(payer=payer)
    with pytest.raises(Rejected, match=words) as caught:
        buy(market, purse, **change)
    assert caught.value.code == "payment.refused"
    assert market.book.newest(10) == []


def test_a_frozen_account_signs_nothing_and_what_it_signed_is_worth_nothing(market, wallet, payer):
    purse, cashier, what, terms = market.purse(payer=payer), market.cashier(), operation(), market.terms()
    booked = purse.pay(terms.challenge(what), what, ORIGIN)
    wallet.send(wallet.account.freeze(DAY), wallet.guardian)
    refused = cashier.accept(booked.payment, terms, what)
    assert isinstance(refused, Refused)
    assert refused.reason == reasons.SIGNATURE
    with pytest.raises(Rejected, match="frozen"):
        purse.pay(terms.challenge(operation("/v2/next")), operation("/v2/next"), ORIGIN)
    market.ledger.time = booked.valid_before + 1
    wallet.wait(1)
    assert [one.state for one in purse.reconcile()] == [RELEASED]


def test_a_session_without_a_say_says_why(market, world):
    poor = Wallet(world, token=Given(market), level=1)
    payer = SlotPayer(market.node, poor.address, Account(market.ledger.secrets[poor.session]))
    with pytest.raises(Rejected, match="level 1"):
        buy(market, market.purse(payer=payer))


def test_near_the_end_of_a_period_the_slots_of_the_other_half_are_used(market, wallet, payer):
    ends = (wallet.now() // DAY + 1) * DAY
    market.ledger.time = ends - 5
    wallet.wait(0)
    market.ledger.time = ends - 5 + 1
    booked = buy(market, market.purse(payer=payer))
    assert booked.nonce[-1] & 1  # odd slots change at noon
    assert booked.valid_before > ends + HOUR - 3_600
