"""The committee: answers by vote or median of stake, that nobody can copy; every request ends, and the coins add up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick.chain.accounts import Account
from tallystick.chain.bindings import committee as binding
from tallystick.lithic.committee.decision import OutputKind
from tallystick.lithic.committee.request import request_id
from tallystick.lithic.receipts.answer import commitment
from tests.contracts.committee_kit import BOND, COMMIT_S, FEE, INPUT, MODEL, REVEAL_S, STAKE, Kit, key_proof

NUMBER = int(OutputKind.NUMBER)
DAY = 86_400


@pytest.fixture
def kit(ledger):
    return Kit(ledger)


# --- opening


def test_a_request_has_the_id_that_anybody_can_derive(ledger, kit, events):
    consumer = ledger.accounts[0]
    members = kit.staff([BOND, 2 * BOND])
    terms = kit.terms(members, low=-5, threshold=1)
    mined = kit.send(kit.opening(terms, nonce=7), consumer)
    request = request_id(ledger.chain_id, kit.contract.address, consumer, 7, terms)
    assert kit.contract.request_id_of(consumer, 7, terms) == request
    until = (mined.time + COMMIT_S, mined.time + COMMIT_S + REVEAL_S)
    assert events(mined, binding.EVENTS) == [binding.RequestOpened(request, consumer, MODEL, 7, *until, INPUT)]
    assert kit.contract.terms_of(request) == terms
    assert kit.contract.request_at(request) == binding.Request(
        consumer, 7, 1, 0, 0, *until, observed_at=0, weight=3 * BOND, output=0, backing=0, cost=0
    )
    assert kit.contract.seat_of(request, members[1]).weight == 2 * BOND


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"kind": 0}, "requests: bad kind"),
        ({"kind": 3}, "requests: bad kind"),
        ({"low": 10}, "requests: bad bounds"),
        ({"threshold": 0}, "requests: bad threshold"),
        ({"threshold": 3}, "requests: bad threshold"),
        ({"commit_s": 0}, "requests: bad duration"),
        ({"reveal_s": 59}, "requests: bad duration"),
        ({"commit_s": 3 * DAY - 59, "reveal_s": 60}, "requests: bad duration"),
        ({"input_digest": b"x" * 32}, "requests: wrong input"),
        ({"model_digest": b"x" * 32}, "requests: no such offer"),
        ({"fee": FEE - 1}, "requests: no such offer"),
        ({"kernel": "0x" + "11" * 20}, "requests: no such offer"),
    ],
)
def test_terms_that_cannot_be_kept_are_refused(ledger, kit, refused, changes, reason):
    members = kit.staff([BOND, BOND])
    with refused(reason):
        kit.open(kit.terms(members, **({"threshold": 2} | changes)))


def test_an_id_is_used_once_and_its_ceiling_is_paid(ledger, kit, refused):
    members = kit.staff([BOND, BOND])
    terms = kit.terms(members)
    for value in (0, 2 * FEE - 1, 2 * FEE + 1):
        with refused("coins: wrong value"):
            kit.send(kit.opening(terms, value=value), ledger.accounts[0])
    kit.open(terms)
    with refused("requests: already open"):
        kit.open(terms)
    kit.open(terms, nonce=1)
    kit.open(terms, who=ledger.accounts[5])  # another consumer: another request
    assert ledger.node.balance(kit.contract.address) == 2 * BOND + 6 * FEE


def test_members_are_distinct_and_have_a_bond(ledger, kit, refused):
    (alice,) = kit.staff([BOND])
    bob = ledger.accounts[2]
    kit.register(bob, 0)
    kit.offer(bob)
    with refused("requests: named twice"):
        kit.open(kit.terms([alice, alice]))
    with refused("requests: member has no bond"):
        kit.open(kit.terms([alice, bob]))
    with refused("requests: unknown request"):
        kit.contract.request_at(b"r" * 32)
    with refused("requests: unknown request"):
        kit.contract.terms_of(b"r" * 32)


# --- commit and reveal


def test_a_commitment_locks_the_stake_and_says_nothing(ledger, kit, events, refused):
    alice, bob = kit.staff([BOND, STAKE - 1])
    request = kit.open(kit.terms([alice, bob]))
    answered = kit.answer(request, alice, 3)
    mined = kit.commit(request, answered)
    assert events(mined, binding.EVENTS) == [binding.Committed(request, alice, answered.commitment)]
    assert kit.contract.provider_at(alice).locked == STAKE
    assert kit.contract.seat_of(request, alice) == binding.Seat(
        BOND, answered.commitment, Account(kit.keys[alice]).address, False, False, 0, 0
    )
    with refused("rounds: already committed"):
        kit.commit(request, answered)
    with refused("rounds: not a member"):
        kit.commit(request, answered, ledger.accounts[5])
    with refused("rounds: empty commitment"):
        kit.send(kit.contract.commit(request, bytes(32)), bob)
    with refused("providers: bond too low"):
        kit.commit(request, kit.answer(request, bob, 3))
    with refused("providers: bond too low"):  # what is at risk cannot leave
        kit.send(kit.contract.announce_withdrawal(BOND - STAKE + 1), alice)
    with refused("requests: not open"):
        kit.commit(b"r" * 32, answered)
    kit.wait_until(kit.contract.request_at(request).commit_until + 1)
    with refused("rounds: commits are over"):
        kit.commit(request, kit.answer(request, bob, 3))


def test_a_reveal_is_what_was_committed_or_nothing(ledger, kit, events, refused):
    alice, bob = kit.staff([BOND, BOND])
    request = kit.open(kit.terms([alice, bob]))
    answered = kit.answer(request, alice, 3, cost=400)
    kit.commit(request, answered)
    with refused("rounds: too early"):
        kit.reveal(request, answered)
    with refused("rounds: not committed"):
        kit.reveal(request, kit.answer(request, bob, 3))
    kit.wait_until(kit.contract.request_at(request).commit_until + 1)
    for other in (
        kit.answer(request, alice, 4, cost=400),
        kit.answer(request, alice, 3, cost=401),
        kit.answer(request, alice, 3, cost=400, salt=b"t" * 32),
    ):
        with refused("rounds: other than committed"):
            kit.reveal(request, other)
    with refused("rounds: not signed by its key"):
        kit.reveal(request, replace(answered, signature=kit.answer(request, alice, 3, 400, secret=b"k" * 32).signature))
    with refused("rounds: output out of bounds"):
        kit.reveal(request, replace(answered, output=10))
    with refused("rounds: output out of bounds"):
        kit.reveal(request, replace(answered, output=-1))
    with refused("rounds: cost above the fee"):
        kit.reveal(request, replace(answered, cost=FEE + 1))
    mined = kit.send(kit.revealing(request, answered), ledger.accounts[5])  # anybody may bring it
    assert events(mined, binding.EVENTS) == [binding.Revealed(request, alice, 3, 400, answered.signature)]
    with refused("rounds: already revealed"):
        kit.reveal(request, answered)
    with refused("requests: not open"):
        kit.reveal(b"r" * 32, answered)


def test_a_reveal_after_its_time_is_refused(ledger, kit, refused):
    alice, bob = kit.staff([BOND, BOND])
    request = kit.open(kit.terms([alice, bob]))
    answered = kit.answer(request, alice, 3)
    kit.commit(request, answered)
    kit.wait_until(kit.contract.request_at(request).reveal_until + 1)
    with refused("rounds: reveals are over"):
        kit.reveal(request, answered)


def test_nobody_gains_by_copying_a_commitment(ledger, kit, refused):
    alice, mallory = kit.staff([BOND, BOND])
    request = kit.open(kit.terms([alice, mallory]))
    honest = kit.answer(request, alice, 3)
    kit.commit(request, honest)
    kit.send(kit.contract.commit(request, honest.commitment), mallory)  # the copy, before anything can be read
    kit.reveal(request, honest)
    copied = kit.answer(request, mallory, 3, salt=honest.salt)  # now the answer and the salt are public
    assert commitment(copied.digest, mallory, honest.salt) != honest.commitment
    with refused("rounds: other than committed"):
        kit.reveal(request, copied)


def test_a_key_rotated_after_the_commitment_still_ends_what_it_began(ledger, kit):
    (alice,) = kit.staff([BOND])
    request = kit.open(kit.terms([alice]))
    answered = kit.answer(request, alice, 3)
    kit.commit(request, answered)
    new = kit.key(alice, 1)
    kit.send(kit.contract.rotate_key(Account(new).address, key_proof(new, alice, kit.domain)), alice)
    kit.reveal(request, answered)
    kit.settle(request)
    assert kit.contract.request_at(request).output == 3


# --- settling


def test_the_majority_of_stake_decides_a_label_and_the_outlier_loses_only_its_fee(ledger, kit, events):
    consumer = ledger.accounts[0]
    alice, bob, rich = kit.staff([BOND, BOND, 3 * BOND])
    request = kit.open(kit.terms([alice, bob, rich]))
    mined = kit.run(request, {alice: 1, bob: 1, rich: 2})
    assert events(mined, binding.EVENTS) == [binding.Fulfilled(request, consumer, 2, 3 * BOND, FEE)]
    assert [kit.contract.credit_of(who) for who in (alice, bob, rich, consumer)] == [0, 0, FEE, 2 * FEE]
    assert [kit.contract.provider_at(who).bond for who in (alice, bob, rich)] == [BOND, BOND, 3 * BOND]
    assert all(kit.contract.provider_at(who).locked == 0 for who in (alice, bob, rich))


def test_a_number_is_the_median_by_stake_and_who_is_near_is_paid(ledger, kit):
    members = kit.staff([BOND] * 5)
    request = kit.open(kit.terms(members, kind=NUMBER, low=-(2**255), high=2**255 - 1, tolerance=5))
    kit.run(request, dict(zip(members, (100, 103, 98, 2**255 - 1, -(2**255)), strict=True)))
    assert kit.contract.request_at(request).output == 100
    assert [kit.contract.credit_of(who) for who in members] == [FEE, FEE, FEE, 0, 0]


def test_members_are_paid_what_their_answers_say_they_cost(ledger, kit, events):
    consumer = ledger.accounts[0]
    alice, bob = kit.staff([BOND, BOND])
    request = kit.open(kit.terms([alice, bob]))
    answers = [kit.answer(request, alice, 1, cost=0), kit.answer(request, bob, 1, cost=300)]
    for answered in answers:
        kit.commit(request, answered)
    for answered in answers:
        kit.reveal(request, answered)
    kit.settle(request)
    assert kit.contract.credit_of(consumer) == 2 * FEE - 300
    before = ledger.node.balance(kit.contract.address)
    mined = kit.send(kit.contract.collect(), bob)
    assert events(mined, binding.EVENTS) == [binding.Collected(bob, 300)]
    assert ledger.node.balance(kit.contract.address) == before - 300


def test_a_credit_is_collected_once(ledger, kit, refused):
    (alice,) = kit.staff([BOND])
    request = kit.open(kit.terms([alice]))
    kit.run(request, {alice: 1})
    kit.send(kit.contract.collect(), alice)
    with refused("credits: nothing to collect"):
        kit.send(kit.contract.collect(), alice)


def test_a_consumer_that_cannot_receive_holds_nobody_up(ledger, kit, refused):
    from vyper import compile_code

    code = compile_code(SULKER, output_formats=["bytecode"])["bytecode"]
    sulker = ledger.deploy(bytes.fromhex(code[2:]))
    (alice,) = kit.staff([BOND])
    terms = kit.terms([alice])
    opening = kit.opening(terms)
    relay = encode_relay(kit.contract.address, opening.data, opening.value)
    ledger.send(replace(opening, to=sulker, data=relay), ledger.accounts[0])
    request = request_id(ledger.chain_id, kit.contract.address, sulker, 0, terms)
    kit.wait_until(kit.contract.request_at(request).reveal_until + 1)
    kit.settle(request)
    assert kit.contract.credit_of(sulker) == FEE
    collect = kit.contract.collect()
    with refused("coins: transfer refused"):
        ledger.call(sulker, encode_relay(kit.contract.address, collect.data, 0), sender=ledger.accounts[0])


SULKER = """
# pragma version 0.4.3
@external
@payable
def relay(target: address, data: Bytes[4096], amount: uint256):
    raw_call(target, data, value=amount)
"""


def encode_relay(target, data, amount):
    from eth_abi.abi import encode

    from tallystick.core.digest import keccak

    return keccak(b"relay(address,bytes,uint256)")[:4] + encode(["address", "bytes", "uint256"], [target, data, amount])


def test_a_split_committee_decides_nothing_and_the_consumer_has_all_back(ledger, kit, events):
    consumer = ledger.accounts[0]
    alice, bob = kit.staff([BOND, BOND])
    request = kit.open(kit.terms([alice, bob]))
    mined = kit.run(request, {alice: 1, bob: 2})
    assert events(mined, binding.EVENTS) == [binding.TimedOut(request, consumer, 2, 2)]
    assert kit.contract.request_at(request).state == 3
    assert kit.contract.credit_of(consumer) == 2 * FEE
    assert kit.contract.provider_at(bob).bond == BOND


def test_half_of_the_stake_is_no_majority_for_a_number_either(ledger, kit):
    alice, bob = kit.staff([BOND, BOND])
    request = kit.open(kit.terms([alice, bob], kind=NUMBER, threshold=1))
    kit.run(request, {alice: 1})
    assert kit.contract.request_at(request).state == 3


def test_a_request_waits_until_nothing_can_come_any_more(ledger, kit, refused):
    alice, bob = kit.staff([BOND, BOND])
    request = kit.open(kit.terms([alice, bob], threshold=1))
    with refused("rounds: not over"):
        kit.settle(request)
    kit.commit(request, kit.answer(request, alice, 1))
    with refused("rounds: not over"):
        kit.settle(request)
    kit.wait_until(kit.contract.request_at(request).commit_until + 1)
    with refused("rounds: not over"):
        kit.settle(request)
    kit.reveal(request, kit.answer(request, alice, 1))
    kit.settle(request)
    with refused("requests: not open"):
        kit.settle(request)


def test_a_missed_reveal_is_slashed_half_to_the_consumer_half_to_nobody(ledger, kit, events):
    consumer = ledger.accounts[0]
    alice, bob, carol = kit.staff([BOND, BOND, BOND])
    request = kit.open(kit.terms([alice, bob, carol], threshold=2))
    for who in (alice, bob, carol):
        kit.commit(request, kit.answer(request, who, 1))
    for who in (alice, bob):
        kit.reveal(request, kit.answer(request, who, 1))
    kit.wait_until(kit.contract.request_at(request).reveal_until + 1)
    mined = kit.settle(request)
    assert events(mined, binding.EVENTS) == [
        binding.Slashed(request, carol, 1, STAKE, consumer, STAKE // 2),
        binding.Fulfilled(request, consumer, 1, 2 * BOND, 2 * FEE),
    ]
    assert kit.contract.provider_at(carol) == replace(kit.contract.provider_at(carol), bond=BOND - STAKE, locked=0)
    assert kit.contract.burned() == STAKE - STAKE // 2
    assert kit.contract.credit_of(consumer) == FEE + STAKE // 2


def test_where_too_few_committed_nobody_missed_a_reveal(ledger, kit):
    alice, bob = kit.staff([BOND, BOND])
    request = kit.open(kit.terms([alice, bob]))
    kit.commit(request, kit.answer(request, alice, 1))
    kit.wait_until(kit.contract.request_at(request).reveal_until + 1)
    kit.settle(request, ledger.accounts[6])
    assert kit.contract.request_at(request).state == 3
    assert kit.contract.provider_at(alice) == replace(kit.contract.provider_at(alice), bond=BOND, locked=0)
