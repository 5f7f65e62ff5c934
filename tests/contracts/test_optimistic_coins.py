"""Optimistic answers in a token: fees and bonds are in it, and a token that misbehaves changes nothing."""

from __future__ import annotations

import os

import pytest
from eth_abi.abi import encode

from tallystick.chain.calls import Call
from tallystick.core.errors import Rejected
from tallystick.lithic.assurance.optimistic import State
from tests.contracts.kernels import compiled, selector
from tests.contracts.optimistic_kit import BOND, FEE, PATIENCE, WINDOW, Kit
from tests.contracts.token_kit import KINDS, make_token

LONG = bool(os.environ.get("TALLYSTICK_LONG"))  # the machine goes through the ordinary ones

# Does what anybody tells it to, one call or two: a claimant that is called while a token moves.
AGENT = """
# pragma version 0.4.3
@external
def do(target: address, data: Bytes[8192]):
    raw_call(target, data)

@external
def do_both(target: address, first: Bytes[8192], second: Bytes[1024]):
    raw_call(target, first)
    raw_call(target, second)
"""


def kit_in(ledger, kind):
    return Kit.on(ledger, coin=make_token(ledger, kind))


def done(agent, call):
    return Call(agent, selector("do(address,bytes)") + encode(["address", "bytes"], [call.to, call.data]))


def settled(kit):
    """A request whose claim became final: fee and bond wait for the claimant."""
    asked = kit.ask()
    right = kit.right(asked)
    kit.wait_until(kit.claim(asked, right).time + WINDOW)
    kit.ledger.send(kit.finalising(asked, right), kit.ledger.accounts[4])
    return asked


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "fee_on_transfer"] if LONG else ["reentrant"])
def test_a_lie_and_the_truth_are_paid_for_in_the_token(ledger, kind):
    kit = kit_in(ledger, kind)
    alice, liar, carol, bob = ledger.accounts[:4]
    before = {who: kit.balance(who) for who in (alice, liar, carol, bob)}
    asked = kit.ask()
    told = kit.lie(asked, 1)
    kit.claim(asked, told)
    kit.refute(asked, told, 1)
    right = kit.right(asked)
    kit.wait_until(kit.claim(asked, right, who=3).time + WINDOW)
    ledger.send(kit.finalising(asked, right), alice)
    for who in (carol, bob):
        ledger.send(kit.contract.collect(), who)
    gained = {who: kit.balance(who) - before[who] for who in before}
    assert gained == {alice: -FEE, liar: -BOND, carol: BOND // 2, bob: FEE}
    assert kit.balance(kit.contract.address) == kit.contract.burned() == BOND - BOND // 2
    assert kit.is_final(asked, right)
    assert kit.contract.coin() == kit.coin.address


def test_a_contract_in_a_token_takes_no_native_coin_and_one_in_native_coins_no_token(ledger, refused):
    kit = kit_in(ledger, "ordinary")
    with refused("coins: wrong value"):
        ledger.send(kit.asking(kit.middle(), value=FEE), ledger.accounts[0])
    asked = kit.ask()
    with refused("coins: wrong value"):
        kit.claim(asked, kit.right(asked), value=BOND)
    with pytest.raises(Rejected):
        ledger.call(kit.contract.address, b"", sender=ledger.accounts[0], value=1)
    native = Kit.on(ledger)
    with refused("coins: wrong value"):
        ledger.send(native.asking(native.middle(), value=0), ledger.accounts[0])


@pytest.mark.parametrize("kind", ["ordinary", "no_return", "returns_false"])
def test_without_an_allowance_nothing_happens(ledger, refused, kind):
    kit = kit_in(ledger, kind)
    asked = kit.ask()
    for who in ledger.accounts[:2]:
        ledger.send(kit.coin.approve(kit.contract.address, 0), who)
    with refused("coins: transfer refused"):
        ledger.send(kit.asking(kit.middle(), nonce=5), ledger.accounts[0])
    with refused("coins: transfer refused"):
        kit.claim(asked, kit.right(asked))
    assert kit.contract.request_of(asked).state == State.OPEN
    with refused("optimistic: unknown request"):
        kit.contract.request_of(kit.id_of(kit.middle(), nonce=5))


def test_a_token_that_keeps_part_of_a_transfer_is_refused(ledger, refused):
    kit = kit_in(ledger, "fee_on_transfer")
    with refused("coins: other amount moved"):
        kit.ask()
    asked = kit.ask(fee=0)
    with refused("coins: other amount moved"):
        kit.claim(asked, kit.right(asked))
    assert kit.balance(kit.contract.address) == 0


def test_a_token_that_only_says_that_it_moved_buys_and_pays_nothing(ledger, refused):
    kit = kit_in(ledger, "liar")
    settled(kit)
    ledger.send(kit.coin.call("pretend(bool)", True), ledger.accounts[0])
    with refused("coins: other amount moved"):
        kit.ask()
    with refused("coins: other amount moved"):
        ledger.send(kit.contract.collect(), ledger.accounts[1])
    assert kit.contract.owed(ledger.accounts[1]) == FEE + BOND


def test_a_token_that_refuses_a_payout_leaves_what_is_owed_and_holds_nobody_up(ledger, refused):
    kit, (alice, bob) = kit_in(ledger, "blocklisting"), ledger.accounts[:2]
    asked = kit.ask()
    kit.claim(asked, kit.right(asked))
    ledger.send(kit.coin.call("block(address,bool)", bob, True), alice)
    kit.wait_until(ledger.time + WINDOW)
    ledger.send(kit.finalising(asked, kit.right(asked)), alice)  # final all the same
    assert kit.is_final(asked, kit.right(asked))
    with refused("coins: transfer refused"):
        ledger.send(kit.contract.collect(), bob)
    assert kit.contract.owed(bob) == FEE + BOND


@pytest.mark.parametrize("before", [True, False])
def test_who_is_called_while_it_is_paid_is_paid_once(ledger, before):
    kit, who = kit_in(ledger, "reentrant"), ledger.accounts[0]
    agent = ledger.deploy(compiled(AGENT))
    settled(kit)  # others' coins are there too
    kit.coin.give(agent, FEE)
    ledger.send(done(agent, kit.coin.approve(kit.contract.address, FEE)), who)
    asked = kit.keep(kit.middle(), ledger.send(done(agent, kit.asking(kit.middle(), nonce=9)), who))
    kit.wait_until(ledger.time + PATIENCE)
    ledger.send(kit.giving_back(asked), who)
    held = kit.balance(kit.contract.address)
    ledger.send(kit.coin.arm(done(agent, kit.contract.collect()), before=before), who)
    ledger.send(done(agent, kit.contract.collect()), who)
    assert (kit.coin.read("attempts()"), kit.coin.read("succeeded()")) == (1, 0)
    assert (kit.balance(agent), kit.balance(kit.contract.address)) == (FEE, held - FEE)


@pytest.mark.parametrize("before", [True, False])
def test_a_liar_that_is_called_while_it_pays_its_bond_cannot_be_rewarded_out_of_others_coins(ledger, refused, before):
    """It refutes itself and collects before its bond has come; what was moved is then another amount."""
    kit, who = kit_in(ledger, "reentrant"), ledger.accounts[0]
    agent = ledger.deploy(compiled(AGENT))
    settled(kit)
    asked = kit.ask()
    told = kit.lie(asked, 1)
    kit.coin.give(agent, 2 * BOND)
    ledger.send(done(agent, kit.coin.approve(kit.contract.address, 2 * BOND)), who)
    held = kit.balance(kit.contract.address)
    types = ["address", "bytes", "bytes"]
    both = encode(types, [kit.contract.address, kit.refuting(asked, told, 1).data, kit.contract.collect().data])
    theft = Call(agent, selector(f"do_both({','.join(types)})") + both)
    ledger.send(kit.coin.arm(theft, before=before), who)
    with refused("coins: other amount moved"):
        ledger.send(done(agent, kit.claiming(asked, told)), who)
    assert kit.balance(kit.contract.address) == held
    assert kit.contract.request_of(asked).state == State.OPEN
    # Refuting itself without collecting only costs it what it costs afterwards.
    ledger.send(kit.coin.arm(done(agent, kit.refuting(asked, told, 1)), before=before), who)
    ledger.send(done(agent, kit.claiming(asked, told)), who)
    assert kit.balance(kit.contract.address) == held + BOND
    assert (kit.contract.owed(agent), kit.contract.burned()) == (BOND // 2, BOND - BOND // 2)
    assert kit.contract.request_of(asked).state == State.OPEN
