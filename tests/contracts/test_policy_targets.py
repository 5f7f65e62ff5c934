"""Hostile targets: tokens that bend the standard, shops that pull too much, payees that call back. Balances tell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.contracts.kernels import compiled
from tests.contracts.policy_kit import (
    INTENT,
    NATIVE,
    PLAIN_RULE,
    SESSION,
    Wallet,
    World,
)
from tests.contracts.policy_shop import BUY, Shop, buy, open_for
from tests.contracts.token_kit import TestToken


@pytest.fixture(scope="module")
def world(ledger):
    return World(ledger)


@pytest.fixture
def wallet(world):
    return Wallet(world)


@pytest.mark.parametrize("kind", ["ordinary", "no_return", "returns_false", "blocklisting", "fee_on_transfer"])
def test_tokens_that_answer_otherwise_are_paid_in_all_the_same(world, kind):
    wallet = Wallet(world, kind=kind, denials_max=0)
    assert wallet.reason(wallet.pay(300)) == ""
    assert (wallet.held(), wallet.available()) == (999_700, 700)
    assert wallet.token.balance_of(wallet.payee) == (297 if kind == "fee_on_transfer" else 300)


def test_a_token_whose_balance_falls_while_something_else_is_called_stops_that_call(world):
    wallet = Wallet(world, is_sealed=False, kind="liar", denials_max=0)
    shop = Shop(wallet)
    wallet.rule(shop.address, BUY, PLAIN_RULE)
    wallet.allow(shop.address)
    wallet.send(wallet.account.seal(), wallet.owner)
    shop.set(call=wallet.token.call("lie(address,int256)", wallet.address, -5))
    assert wallet.reason(buy(wallet, shop, 0)) == "calls: moved more"
    assert wallet.held() == 1_000_000
    shop.set(call=wallet.token.call("lie(address,int256)", wallet.address, 5))
    assert wallet.reason(buy(wallet, shop, 0)) == ""


@pytest.mark.parametrize("takes", [0, 40, 100])
def test_a_call_that_pulls_is_charged_what_left_and_leaves_no_allowance(world, takes):
    wallet = Wallet(world, is_sealed=False)
    shop = Shop(wallet)
    shop.set(takes)
    open_for(wallet, shop)
    (link,) = wallet.events(buy(wallet, shop, 100))
    assert link.amount == takes
    assert (wallet.held(), wallet.available()) == (1_000_000 - takes, 1_000 - takes)
    assert wallet.token.allowance(wallet.address, shop.address) == 0


def test_a_call_that_pulls_more_than_it_said_gets_nothing(world):
    wallet = Wallet(world, is_sealed=False, denials_max=0)
    shop = Shop(wallet)
    shop.set(101)
    open_for(wallet, shop)
    assert wallet.reason(buy(wallet, shop, 100)) == "calls: call failed"
    assert wallet.held() == 1_000_000
    wallet.pay(500)
    shop.set(101)
    assert wallet.reason(buy(wallet, shop, 101)) == "buckets: over budget"
    assert wallet.held() == 999_500


def test_a_call_that_pulls_cannot_have_more_leave_than_it_said_whatever_the_token_lets_go(world):
    """A token that does not keep to the allowance: what left is compared with what was said, to the unit."""
    wallet = Wallet(world, is_sealed=False, kind="liar", denials_max=0)
    shop = Shop(wallet)
    open_for(wallet, shop)
    shop.set(40, wallet.token.call("lie(address,int256)", wallet.address, -61))
    assert wallet.reason(buy(wallet, shop, 100)) == "calls: moved more"
    assert (wallet.held(), wallet.available()) == (1_000_000, 1_000)
    shop.set(40, wallet.token.call("lie(address,int256)", wallet.address, -60))
    (link,) = wallet.events(buy(wallet, shop, 100))
    assert (link.amount, wallet.held(), wallet.available()) == (100, 999_900, 900)


def test_a_token_that_keeps_an_allowance_is_refused(world):
    wallet = Wallet(world, is_sealed=False, kind="no_return")  # needs a reset to zero, and gets one
    shop = Shop(wallet)
    open_for(wallet, shop)
    assert wallet.reason(buy(wallet, shop, 100)) == ""
    sticky = Wallet(world, is_sealed=False, token=Sticky(wallet.ledger))
    other = Shop(sticky)
    open_for(sticky, other)
    assert sticky.reason(buy(sticky, other, 100)) == "calls: allowance left"


class Sticky:
    """A token on which an allowance can be given and not taken back."""

    CODE = """
# pragma version 0.4.3
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])

@external
def mint(account: address, amount: uint256):
    self.balanceOf[account] += amount

@external
def approve(spender: address, amount: uint256) -> bool:
    self.allowance[msg.sender][spender] += amount
    return True
"""

    def __init__(self, ledger):
        self.token = TestToken(ledger, ledger.deploy(compiled(self.CODE)))
        self.address = self.token.address

    def give(self, account, amount):
        self.token.give(account, amount)

    def balance_of(self, account):
        return self.token.balance_of(account)


def test_a_call_that_takes_what_it_was_not_given_for_is_refused(world):
    """An old allowance, from before sealing, say: the balances tell."""
    wallet = Wallet(world, is_sealed=False, denials_max=0)
    shop = Shop(wallet)
    given = wallet.account.owner_execute(
        wallet.token.address, 0, wallet.token.approve(shop.address, 1_000).data, INTENT, value=0
    )
    wallet.send(given, wallet.owner)
    shop.set(50)
    wallet.rule(shop.address, BUY, PLAIN_RULE)
    wallet.allow(shop.address)
    wallet.send(wallet.account.seal(), wallet.owner)
    assert wallet.reason(buy(wallet, shop, 0)) == "calls: moved more"
    assert wallet.held() == 1_000_000


@pytest.mark.parametrize("before", [True, False])
def test_who_is_called_in_the_middle_cannot_act_again(world, before):
    """The session is the token here, as it were: it may act, and is locked out while it does."""
    wallet = Wallet(world, is_sealed=False, kind="reentrant", denials_max=0)
    token = wallet.token
    wallet.send(wallet.account.grant_session(token.address, wallet.terms(denials_max=0)), wallet.owner)
    wallet.bucket(SESSION, token.address, cap=600)
    wallet.send(wallet.account.seal(), wallet.owner)
    wallet.send(token.arm(wallet.paying(50), before=before), wallet.stranger)
    assert wallet.reason(wallet.pay(100)) == ""
    assert (token.read("attempts()"), token.read("succeeded()")) == (1, 0)
    assert wallet.held() == 999_900
    wallet.send(token.arm(wallet.paying(50), before=before, insists=True), wallet.stranger)
    assert wallet.reason(wallet.pay(100)) == "calls: call failed"
    assert wallet.held() == 999_900


def test_a_payee_of_native_coin_that_calls_back_gains_nothing(world):
    wallet = Wallet(world, is_sealed=False, denials_max=0)
    wallet.fund(1_000)
    wallet.native_buckets(300)
    shop = Shop(wallet)
    rule = replace(PLAIN_RULE, value_cap=200)
    wallet.rule(shop.address, bytes(4), rule)
    wallet.allow(shop.address)
    wallet.send(wallet.account.grant_session(shop.address, wallet.terms()), wallet.owner)
    wallet.bucket(SESSION, shop.address, NATIVE, cap=300)
    wallet.send(wallet.account.seal(), wallet.owner)
    shop.set(call=wallet.account.execute(shop.address, 100, b"", INTENT))
    assert wallet.reason(wallet.send(wallet.account.execute(shop.address, 100, b"", INTENT), wallet.session)) == ""
    assert (shop.saw("tried"), shop.saw("went")) == (True, False)
    assert wallet.ledger.node.balance(wallet.address) == 900
