"""The tokens of the tests misbehave as they say: a test that relies on a flaw must not pass for want of it."""

from __future__ import annotations

import pytest

from tallystick.core.errors import Rejected
from tests.contracts.token_kit import KINDS, make_token

AMOUNT = 1_000


@pytest.fixture
def people(ledger):
    return ledger.accounts[1], ledger.accounts[2]


@pytest.fixture
def held(ledger, people):
    """Make a token of a kind of which the first person holds AMOUNT."""

    def make(kind):
        token = make_token(ledger, kind)
        token.give(people[0], AMOUNT)
        return token

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_every_token_moves_what_it_was_asked_to(ledger, held, people, kind):
    token = held(kind)
    ledger.send(token.approve(people[1], AMOUNT), people[0])
    ledger.send(token.transfer(people[1], 100), people[0])
    ledger.send(token.transfer_from(people[0], people[1], 200), people[1])
    fee = 3 if kind == "fee_on_transfer" else 0
    assert (token.balance_of(people[0]), token.balance_of(people[1])) == (AMOUNT - 300, 300 - fee)
    assert token.allowance(*people) == AMOUNT - 200
    assert token.read("totalSupply()") == AMOUNT - fee


@pytest.mark.parametrize("kind", KINDS)
def test_every_token_but_one_reverts_for_want_of_a_balance(ledger, held, people, kind):
    token = held(kind)
    if kind == "returns_false":
        assert ledger.call(token.address, token.transfer(people[1], AMOUNT + 1).data, sender=people[0]) == bytes(32)
        return
    with pytest.raises(Rejected, match="token: balance too low"):
        ledger.send(token.transfer(people[1], AMOUNT + 1), people[0])


def test_one_token_answers_nothing_and_wants_a_reset(ledger, held, people):
    token = held("no_return")
    assert ledger.call(token.address, token.transfer(people[1], 1).data, sender=people[0]) == b""
    ledger.send(token.approve(people[1], 1), people[0])
    with pytest.raises(Rejected, match="reset"):
        ledger.send(token.approve(people[1], 2), people[0])


def test_one_token_calls_once_while_it_moves(ledger, held, people):
    token = held("reentrant")
    ledger.send(token.arm(token.mint(people[1], 5)), people[0])
    ledger.send(token.transfer(people[1], 1), people[0])
    ledger.send(token.transfer(people[1], 1), people[0])
    assert token.balance_of(people[1]) == 7
    assert (token.read("attempts()"), token.read("succeeded()")) == (1, 1)
    ledger.send(token.arm(token.transfer(people[1], 1), before=True, insists=True), people[0])
    with pytest.raises(Rejected, match="hook refused"):
        ledger.send(token.transfer(people[1], 1), people[0])


def test_one_token_changes_every_balance_at_once(ledger, held, people):
    token = held("rebasing")
    ledger.send(token.call("rebase(uint256,uint256)", 1, 2), people[1])
    assert token.balance_of(people[0]) == AMOUNT // 2


def test_one_token_lies_about_balances_and_transfers(ledger, held, people):
    token = held("liar")
    ledger.send(token.call("lie(address,int256)", people[0], -400), people[1])
    assert token.balance_of(people[0]) == AMOUNT - 400
    ledger.send(token.call("pretend(bool)", True), people[1])
    ledger.send(token.transfer(people[1], 100), people[0])
    assert token.read("true_balance(address)", people[0]) == AMOUNT


def test_one_token_refuses_those_on_its_list(ledger, held, people):
    token = held("blocklisting")
    ledger.send(token.call("block(address,bool)", people[1], True), people[0])
    with pytest.raises(Rejected, match="token: blocked"):
        ledger.send(token.transfer(people[1], 1), people[0])
