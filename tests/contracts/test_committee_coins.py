"""A committee in a token: bonds, fees, credits and slashes are in it, and a token that misbehaves changes nothing."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode

from tallystick.chain.accounts import Account
from tallystick.chain.bindings import committee as binding
from tallystick.chain.calls import Call
from tallystick.core.digest import keccak
from tallystick.lithic.committee.request import request_id
from tests.contracts.committee_kit import BOND, FEE, PURSE, STAKE, Kit, key_proof
from tests.contracts.kernels import compiled
from tests.contracts.token_kit import KINDS, make_token

# Does what anybody tells it to: a consumer, or a provider, that is called while a token moves.
RELAY = """
# pragma version 0.4.3
@external
@payable
def relay(target: address, data: Bytes[4096]):
    raw_call(target, data, value=msg.value)
"""


def kit_in(ledger, kind):
    return Kit(ledger, make_token(ledger, kind))


def registering(kit, who, bond, value=0):
    secret = kit.keys[who] = kit.key(who)
    return kit.contract.register(Account(secret).address, key_proof(secret, who, kit.domain), bond, value=value)


def relayed(relay, call):
    given = encode(["address", "bytes"], [call.to, call.data])
    return Call(relay, keccak(b"relay(address,bytes)")[:4] + given, call.value)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "fee_on_transfer"])
def test_a_whole_request_is_paid_in_the_token_and_the_coins_add_up(ledger, kind):
    """A missed reveal included: the stake goes half to the consumer, and half stays for ever."""
    kit, consumer = kit_in(ledger, kind), ledger.accounts[0]
    alice, bob, carol = kit.staff([BOND, BOND, BOND])
    assert (kit.contract.coin(), kit.held(), kit.held(alice)) == (kit.token.address, 3 * BOND, PURSE - BOND)
    request = kit.open(kit.terms([alice, bob, carol], threshold=2))
    assert kit.held(consumer) == PURSE - 3 * FEE
    answers = [kit.answer(request, who, 1, cost=FEE - 1) for who in (alice, bob, carol)]
    for answered in answers:
        kit.commit(request, answered)
    for answered in answers[:2]:
        kit.reveal(request, answered)
    kit.wait_until(kit.contract.request_at(request).reveal_until + 1)
    kit.settle(request)
    for who in (alice, consumer):
        kit.send(kit.contract.collect(), who)
    assert kit.held(alice) == PURSE - BOND + FEE - 1
    assert kit.held(consumer) == PURSE - 2 * (FEE - 1) + STAKE // 2
    assert kit.contract.burned() == STAKE - STAKE // 2
    kit.send(kit.contract.announce_withdrawal(BOND - STAKE), carol)
    kit.wait_until(kit.contract.provider_at(carol).leaves_at)
    kit.send(kit.contract.withdraw_bond(), carol)
    assert kit.held(carol) == PURSE - STAKE
    assert kit.held() == 2 * BOND + (FEE - 1) + kit.contract.burned()
    assert ledger.node.balance(kit.contract.address) == 0


def test_a_committee_in_a_token_takes_no_native_coin(ledger, refused):
    kit, alice = kit_in(ledger, "ordinary"), ledger.accounts[1]
    for value in (1, BOND):
        with refused("coins: wrong value"):
            kit.send(registering(kit, alice, BOND, value), alice)
    kit.send(registering(kit, alice, BOND), alice)
    kit.offer(alice)
    with refused("coins: wrong value"):
        kit.send(kit.contract.top_up(alice, 1, value=1), alice)
    with refused("coins: wrong value"):
        kit.send(kit.opening(kit.terms([alice]), value=FEE), ledger.accounts[0])


def test_a_committee_in_native_coins_takes_the_amount_and_no_other_value(ledger, refused):
    kit, alice = Kit(ledger), ledger.accounts[1]
    for value in (0, BOND - 1, BOND + 1):
        with refused("coins: wrong value"):
            kit.send(registering(kit, alice, BOND, value), alice)
    kit.register(alice)
    for value in (0, 1, 3):
        with refused("coins: wrong value"):
            kit.send(kit.contract.top_up(alice, 2, value=value), alice)


@pytest.mark.parametrize("kind", ["ordinary", "no_return", "returns_false"])
def test_without_an_allowance_nothing_happens(ledger, refused, kind):
    kit, (consumer, alice, bob) = kit_in(ledger, kind), ledger.accounts[:3]
    kit.staff([BOND])
    for who in (consumer, bob):
        ledger.send(kit.token.approve(kit.contract.address, 0), who)
    terms = kit.terms([alice])
    with refused("coins: transfer refused"):
        kit.send(kit.opening(terms), consumer)
    with refused("requests: unknown request"):
        kit.contract.request_at(request_id(ledger.chain_id, kit.contract.address, consumer, 0, terms))
    with refused("coins: transfer refused"):
        kit.send(registering(kit, bob, 1), bob)
    with refused("coins: transfer refused"):
        kit.send(kit.contract.top_up(alice, 1, value=0), bob)
    assert kit.contract.provider_at(bob).signer_count == 0
    ledger.send(kit.token.approve(kit.contract.address, FEE - 1), consumer)
    with refused("coins: transfer refused"):  # one too few
        kit.send(kit.opening(terms), consumer)
    kit.send(registering(kit, bob, 0), bob)  # a bond of nothing needs none


def test_a_token_that_keeps_part_of_a_transfer_is_refused_at_every_entrance(ledger, refused):
    kit, (consumer, alice) = kit_in(ledger, "fee_on_transfer"), ledger.accounts[:2]
    with refused("coins: other amount moved"):
        kit.register(alice)
    kit.send(registering(kit, alice, 0), alice)
    kit.offer(alice)
    with refused("coins: other amount moved"):
        kit.send(kit.contract.top_up(alice, BOND, value=0), consumer)
    assert kit.held() == 0


def asked(kit, consumer=0):
    """Let a request of three members run out: the consumer's ceiling waits for it. Return the members."""
    members = kit.staff([BOND, BOND, BOND])
    request = kit.open(kit.terms(members), who=kit.ledger.accounts[consumer])
    kit.wait_until(kit.contract.request_at(request).reveal_until + 1)
    kit.settle(request)
    return members


def test_a_token_that_refuses_a_payout_leaves_the_credit_and_holds_nobody_else_up(ledger, refused):
    kit, consumer = kit_in(ledger, "blocklisting"), ledger.accounts[0]
    block = [kit.token.call("block(address,bool)", consumer, on) for on in (True, False)]
    members = kit.staff([BOND, BOND, BOND])
    request = kit.open(kit.terms(members, threshold=2))
    ledger.send(block[0], ledger.accounts[7])
    kit.run(request, dict.fromkeys(members[:2], 1))  # settled all the same
    with refused("coins: transfer refused"):
        kit.send(kit.contract.collect(), consumer)
    kit.send(kit.contract.collect(), members[0])
    assert kit.contract.credit_of(consumer) == FEE
    ledger.send(block[1], ledger.accounts[7])
    kit.send(kit.contract.collect(), consumer)
    assert kit.held(consumer) == PURSE - 2 * FEE


def test_a_token_that_only_says_that_it_paid_leaves_credit_and_bond(ledger, refused):
    kit, consumer = kit_in(ledger, "liar"), ledger.accounts[0]
    alice, *_ = asked(kit)
    kit.send(kit.contract.announce_withdrawal(BOND), alice)
    kit.wait_until(kit.contract.provider_at(alice).leaves_at)
    ledger.send(kit.token.call("pretend(bool)", True), consumer)
    with refused("coins: other amount moved"):
        kit.send(kit.contract.collect(), consumer)
    with refused("coins: other amount moved"):
        kit.send(kit.contract.withdraw_bond(), alice)
    assert (kit.contract.credit_of(consumer), kit.contract.provider_at(alice).bond) == (3 * FEE, BOND)
    with refused("coins: other amount moved"):  # nor does it buy anything
        kit.send(kit.contract.top_up(alice, 1, value=0), alice)


def test_a_token_that_reverts_on_a_payout_leaves_the_credit(ledger, refused):
    """The contract's tokens shrink away, as no token that it is meant for could: it cannot pay, and says so."""
    kit, consumer = kit_in(ledger, "rebasing"), ledger.accounts[0]
    asked(kit)
    ledger.send(kit.token.call("rebase(uint256,uint256)", 1, 10**6), consumer)
    with refused("coins: transfer refused"):
        kit.send(kit.contract.collect(), consumer)
    assert kit.contract.credit_of(consumer) == 3 * FEE


@pytest.mark.parametrize("before", [True, False])
def test_a_consumer_that_is_called_while_it_is_paid_is_paid_once(ledger, before):
    kit, who = kit_in(ledger, "reentrant"), ledger.accounts[0]
    relay = ledger.deploy(compiled(RELAY))
    members = kit.staff([BOND])
    kit.token.give(relay, 10 * FEE)
    ledger.send(relayed(relay, kit.token.approve(kit.contract.address, 10 * FEE)), who)
    terms = kit.terms(members)
    ledger.send(relayed(relay, kit.opening(terms)), who)
    request = request_id(ledger.chain_id, kit.contract.address, relay, 0, terms)
    kit.wait_until(kit.contract.request_at(request).reveal_until + 1)
    kit.settle(request)
    ledger.send(kit.token.arm(relayed(relay, kit.contract.collect()), before=before), who)
    ledger.send(relayed(relay, kit.contract.collect()), who)
    assert (kit.token.read("attempts()"), kit.token.read("succeeded()")) == (1, 0)
    assert (kit.held(relay), kit.contract.credit_of(relay), kit.held()) == (10 * FEE, 0, BOND)


@pytest.mark.parametrize("before", [True, False])
def test_a_consumer_that_is_called_while_it_pays_cannot_pay_twice_with_one_transfer(ledger, refused, before):
    kit, who = kit_in(ledger, "reentrant"), ledger.accounts[0]
    relay = ledger.deploy(compiled(RELAY))
    alice, *_ = kit.staff([BOND])
    kit.token.give(relay, 10 * FEE)
    ledger.send(relayed(relay, kit.token.approve(kit.contract.address, 10 * FEE)), who)
    opening = relayed(relay, kit.opening(kit.terms([alice])))
    for again in (kit.opening(kit.terms([alice]), nonce=1), kit.contract.top_up(alice, FEE, value=0)):
        ledger.send(kit.token.arm(relayed(relay, again), before=before), who)
        with refused("coins: other amount moved"):
            ledger.send(opening, who)
    # The same request again is open by then, and refused; the first goes on.
    ledger.send(kit.token.arm(opening, before=before), who)
    ledger.send(opening, who)
    assert kit.token.read("succeeded()") == 0
    assert (kit.held(relay), kit.held()) == (9 * FEE, BOND + FEE)


def test_tokens_sent_past_the_contract_are_nobodys(ledger, refused):
    kit, consumer = kit_in(ledger, "ordinary"), ledger.accounts[0]
    ledger.send(kit.token.transfer(kit.contract.address, 5), consumer)
    assert kit.contract.credit_of(consumer) == 0
    with refused("credits: nothing to collect"):
        kit.send(kit.contract.collect(), consumer)
    mined = kit.register(ledger.accounts[1])
    events = [binding.EVENTS[log.topics[0]].decode(log) for log in mined.logs if log.address == kit.contract.address]
    assert events[1] == binding.BondAdded(ledger.accounts[1], ledger.accounts[1], BOND)
    assert kit.held() == BOND + 5
