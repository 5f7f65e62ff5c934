"""Contracts that rely on a model: three policies, and the traps of asking a kernel that may be anything."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode

from tallystick.chain.bindings.model_registry import Roots
from tallystick.core.digest import keccak
from tallystick.core.errors import Rejected, TallystickError
from tests.contracts.follow_kit import DAY, FILES, FOLLOW, NO, NOBODY, PIN, TIME_LOCK, YES, world_on
from tests.contracts.kernels import (
    BAD_COUNT,
    BAD_OFFSET,
    BURNS,
    COSTLY,
    DIGEST,
    GOOD,
    HUGE,
    LENDER,
    LONGER,
    REVERTS,
    SHORTER,
    model,
    proof_of,
    selector,
)

PROPOSED = keccak(b"Proposed(uint32,uint32,uint64)")
ASKED = keccak(b"Asked(address,bytes32,bool)")


@pytest.fixture
def world(ledger, registry):
    return world_on(ledger, registry)


def asked(consumer):
    """Return (kernel, input digest, ok) of the event that the last decision left."""
    (log,) = consumer.made
    assert log.topics[0] == ASKED
    return "0x" + log.topics[1][12:].hex(), log.topics[2], bool(int.from_bytes(log.data))


# --- the policies


def test_a_follower_asks_the_kernel_that_the_channel_points_at(world):
    first, second = world.add(), world.add()
    consumer = world.make(world.terms(FOLLOW))
    assert consumer.following == (0, NOBODY, 0, 0)
    assert consumer.decides() == (NO, [])
    assert asked(consumer) == (NOBODY, keccak(b"\x07"), False)
    for seq, kernel in (first, second):
        world.release(seq)
        assert consumer.following == (seq, kernel, 0, 0)
        assert consumer.decides(b"\x08") == (YES, [1, 8])
        assert asked(consumer) == (kernel, keccak(b"\x08"), True)
    world.release(0)
    assert consumer.decides() == (NO, [])


def test_a_follower_stops_at_a_revoked_version_and_at_one_without_a_kernel(world):
    seq, _ = world.add()
    world.release(seq)
    consumer = world.make(world.terms(FOLLOW))
    assert consumer.decides()[0] == YES
    world.revoke(seq)
    assert consumer.decides()[0] == NO
    assert consumer.following == (seq, NOBODY, 0, 0)
    roots = Roots(FILES.root, bytes(32), bytes(32), bytes(32), 0, bytes(32))
    world.ledger.send(world.registry.add_version(1, 2, [], b"2" * 32, roots, 0), world.ledger.accounts[0])
    world.release(2)
    assert consumer.decides()[0] == NO


def test_a_pinned_model_is_asked_for_ever_whatever_its_owner_does(world):
    seq, kernel = world.add()
    consumer = world.make(world.terms(PIN, seq=seq, model_digest=DIGEST, channel=""))
    later, _ = world.add(REVERTS)
    world.release(later)
    world.revoke(seq)
    assert consumer.following == (seq, kernel, 0, 0)
    assert consumer.decides() == (YES, [1, 7])


def test_a_pin_holds_the_digest_that_its_maker_named(world):
    seq, _ = world.add()
    assert world.refuses(world.terms(PIN, seq=seq, model_digest=b"o" * 32)) == "follow: another digest"
    assert world.refuses(world.terms(PIN, seq=2, model_digest=DIGEST)) == "follow: no kernel"


def test_terms_that_make_no_sense_are_refused(world):
    seq, _ = world.add()
    world.release(seq)
    for policy in (0, 4):
        assert world.refuses(world.terms(policy)) == "follow: unknown policy"
    assert world.refuses(world.terms(FOLLOW, directory=world.ledger.accounts[3])) == "follow: no directory"
    assert world.refuses(world.terms(FOLLOW, outputs=33)) == "follow: too many outputs"
    assert world.refuses(world.terms(TIME_LOCK)) == "follow: no delay"
    assert world.refuses(world.terms(TIME_LOCK, delay=DAY, channel="beta")) == "directory: nothing released"
    world.make(world.terms(TIME_LOCK, delay=DAY))


@pytest.fixture
def locked(world):
    """A time-locked consumer whose version in force is 1, and a version 2 that is not released."""
    world.add()
    world.add()
    world.release(1)
    return world.make(world.terms(TIME_LOCK, delay=DAY))


def propose(consumer):
    """Propose as a stranger; return (current, announced, ready at) of the event and the time of its block."""
    mined = consumer.write("propose()", sender=consumer.ledger.accounts[5])
    (log,) = mined.logs
    assert log.topics[0] == PROPOSED
    return tuple(int.from_bytes(word) for word in (*log.topics[1:], log.data)), mined.time


def test_a_new_release_waits_for_its_proposal_and_then_for_the_delay(world, locked):
    world.release(2)
    world.wait_until(world.ledger.time + 2 * DAY)
    assert locked.following[0] == 1  # nobody proposed it
    told, time = propose(locked)
    assert told == (1, 2, time + DAY)
    assert locked.following[0::2] == (1, 2)
    world.ledger.time = time + DAY - 1
    locked.decides()
    assert int(asked(locked)[0], 16) == int(world.directory.kernel_of(world.registry.address, 1, 1), 16)
    assert locked.ledger.time > time + DAY
    locked.decides()
    assert int(asked(locked)[0], 16) == int(world.directory.kernel_of(world.registry.address, 1, 2), 16)
    assert locked.following[0::2] == (2, 0)


def test_a_proposal_needs_something_new(world, locked, refused):
    with refused("follow: nothing new"):
        locked.write("propose()")
    world.release(2)
    propose(locked)
    with refused("follow: already proposed"):  # so that nobody can put the time off
        locked.write("propose()")
    world.wait_until(world.ledger.time + DAY)
    with refused("follow: nothing new"):
        locked.write("propose()")


def test_only_a_time_locked_contract_takes_proposals(world, refused):
    seq, _ = world.add()
    world.release(seq)
    for terms in (world.terms(FOLLOW), world.terms(PIN, seq=seq, model_digest=DIGEST)):
        consumer = world.make(terms)
        with refused("follow: not time-locked"):
            consumer.write("propose()")


def test_a_version_without_a_kernel_is_not_announced(world, locked, refused):
    roots = Roots(FILES.root, bytes(32), bytes(32), bytes(32), 0, bytes(32))
    world.ledger.send(world.registry.add_version(1, 3, [], b"3" * 32, roots, 0), world.ledger.accounts[0])
    world.release(3)
    with refused("follow: no kernel"):
        locked.write("propose()")


@pytest.mark.parametrize("how", ["moved back", "withdrawn", "revoked"])
def test_what_was_announced_and_taken_back_does_not_come_into_force(world, locked, how):
    world.release(2)
    propose(locked)
    if how == "revoked":
        world.revoke(2)
    else:
        world.release(1 if how == "moved back" else 0)
    assert propose(locked)[0] == (1, 0, 0)
    world.wait_until(world.ledger.time + 2 * DAY)
    assert locked.following[0::2] == (1, 0)
    assert locked.decides()[0] == YES


def test_a_newer_release_takes_the_place_of_the_announced_one_and_waits_anew(world, locked):
    world.release(2)
    _, first = propose(locked)
    world.add()
    world.release(3)
    world.wait_until(first + DAY - 60)
    told, second = propose(locked)
    assert told == (1, 3, second + DAY)
    world.wait_until(first + DAY + 60)
    assert locked.following[0::2] == (1, 3)


def test_a_revoked_version_in_force_stops_at_once_and_the_next_one_waits(world, locked):
    world.revoke(1)
    assert locked.following == (1, NOBODY, 0, 0)
    assert locked.decides() == (NO, [])
    world.release(2)
    propose(locked)
    assert locked.decides() == (NO, [])
    world.wait_until(world.ledger.time + DAY)
    assert locked.decides() == (YES, [1, 7])


def test_a_version_revoked_before_its_time_stops_the_contract_if_nobody_proposes_again(world, locked):
    world.release(2)
    propose(locked)
    world.revoke(2)
    assert locked.decides()[0] == YES
    world.wait_until(world.ledger.time + DAY)
    assert locked.following[:2] == (2, NOBODY)
    assert locked.decides()[0] == NO


# --- the traps


@pytest.mark.parametrize("mode", [REVERTS, BURNS, LONGER, SHORTER, BAD_OFFSET, BAD_COUNT, HUGE])
def test_a_kernel_that_misbehaves_is_no_answer_and_no_obstacle(world, mode):
    seq, kernel = world.add(mode)
    world.release(seq)
    consumer = world.make(world.terms(FOLLOW))
    assert consumer.decides() == (NO, [])
    assert asked(consumer) == (kernel, keccak(b"\x07"), False)


def test_an_answer_as_long_as_the_bound_and_longer_is_not_taken_for_one(world):
    seq, _ = world.add(HUGE)
    world.release(seq)
    assert world.make(world.terms(FOLLOW, outputs=32)).decides() == (NO, [])


def test_a_kernel_that_needs_more_gas_than_the_terms_give_does_not_answer(world):
    seq, _ = world.add(COSTLY)
    world.release(seq)
    assert world.make(world.terms(FOLLOW)).decides() == (NO, [])
    assert world.make(world.terms(FOLLOW, gas_limit=1_000_000)).decides() == (YES, [1, 7])


def test_no_amount_of_gas_makes_a_good_kernel_look_as_if_it_did_not_answer(world):
    seq, _ = world.add(COSTLY)
    world.release(seq)
    consumer = world.make(world.terms(FOLLOW, gas_limit=kernel_gas(world, seq)))
    data = selector("decision(bytes)") + encode(["bytes"], [b"\x07"])
    least, most = 300_000, 700_000
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (least, middle) if decision_with(world, consumer, data, middle) == YES else (middle, most)
    # A 64th of what the kernel was denied would do for the fallback: the gas just short of enough is the dangerous one.
    short = [most - 1, *range(most - 6_000, most, 400), *range(30_000, most, 60_000)]
    assert {decision_with(world, consumer, data, gas) for gas in short} == {None}


def kernel_gas(world, seq):
    """Return what a prediction takes, in execution."""
    kernel = world.directory.kernel_of(world.registry.address, 1, seq)
    data = selector("predict(bytes)") + encode(["bytes"], [b"\x07"])
    whole = world.ledger.node.estimate_gas(kernel, data, sender=world.ledger.accounts[1])
    return whole - 21_000 - sum(16 if byte else 4 for byte in data)


def decision_with(world, consumer, data, gas):
    """Return what is decided in a call with so much gas; None if it is refused."""
    call = {"to": consumer.address, "data": "0x" + data.hex(), "gas": hex(gas), "from": consumer.sender}
    try:
        return world.ledger.node.request("eth_call", [call, "latest"], lambda answer, _: int(answer, 16))
    except TallystickError:
        return None


def test_too_little_gas_is_refused_with_its_reason(world, refused):
    seq, _ = world.add()
    world.release(seq)
    consumer = world.make(world.terms(FOLLOW, gas_limit=14_000_000))
    consumer.decides()
    beyond = world.make(world.terms(FOLLOW, gas_limit=10**9))
    with refused("follow: too little gas"):
        beyond.decides()


# --- ten lines of a consumer


def test_the_released_version_of_the_model_decides_and_the_applicant_cannot_choose_another(world):
    seq, _ = world.add()
    world.release(seq)
    lender = world.make(world.terms(FOLLOW), LENDER)
    bob = world.ledger.accounts[1]
    lender.write("apply(bytes)", b"\x09", sender=bob)
    assert lender.read("granted(address)", ["bool"], bob) == (True,)
    # Whatever the applicant deploys or records for a model of their own, no argument of theirs names a kernel.
    mallory = world.ledger.accounts[2]
    own = world.ledger.deploy(model(GOOD, world.registry.address, 1))
    with pytest.raises(Rejected):
        world.ledger.send(world.directory.record(world.registry.address, 1, 1, own, *proof_of(FILES)), mallory)
    world.revoke(seq)
    lender.write("apply(bytes)", b"\x09", sender=mallory)
    assert lender.read("granted(address)", ["bool"], mallory) == (False,)
