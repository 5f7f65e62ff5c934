"""Providers: a key that proves itself, a bond that leaves late, an offer that says under which judge."""

from __future__ import annotations

import pytest

from tallystick.chain.accounts import Account
from tallystick.chain.bindings import committee as binding
from tallystick.lithic.committee.request import NOBODY
from tests.contracts.committee_kit import BOND, MODEL, Kit, key_proof

DAY = 86_400


@pytest.fixture
def kit(ledger):
    return Kit(ledger)


def test_a_provider_registers_with_a_key_that_proves_itself(ledger, kit, events):
    alice = ledger.accounts[1]
    mined = kit.register(alice, BOND)
    signer = Account(kit.keys[alice]).address
    assert events(mined, binding.EVENTS) == [
        binding.ProviderRegistered(alice, signer),
        binding.BondAdded(alice, alice, BOND),
    ]
    found = kit.contract.provider_at(alice)
    assert found == binding.Provider(signer, 1, BOND, 0, 0, 0)
    assert kit.contract.provider_key_at(alice, 0) == binding.ProviderKey(signer, mined.time, 0)


def test_a_key_without_proof_or_of_somebody_else_is_refused(ledger, kit, refused):
    alice, bob = ledger.accounts[1:3]
    kit.register(alice)
    taken, mine = kit.keys[alice], kit.key(bob)
    with refused("providers: key already used"):
        kit.send(kit.contract.register(Account(taken).address, key_proof(taken, bob, kit.domain), 1, value=1), bob)
    with refused("providers: no proof of the key"):  # the key said that it is alice's
        kit.send(kit.contract.register(Account(mine).address, key_proof(mine, alice, kit.domain), 1, value=1), bob)
    with refused("providers: no proof of the key"):
        kit.send(kit.contract.register(NOBODY, b"", 1, value=1), bob)
    with refused("providers: already registered"):
        kit.register(alice, number=1)
    with refused("providers: unknown provider"):
        kit.send(kit.contract.rotate_key(Account(mine).address, key_proof(mine, bob, kit.domain)), bob)
    with refused("providers: unknown provider"):
        kit.send(kit.contract.top_up(bob, 1, value=1), alice)
    with refused("providers: unknown provider"):
        kit.offer(bob)
    with refused("providers: unknown key"):
        kit.contract.provider_key_at(alice, 1)


def test_a_rotated_key_leaves_its_term_and_never_comes_back(ledger, kit, events, refused):
    alice = ledger.accounts[1]
    kit.register(alice)
    old, new = kit.keys[alice], kit.key(alice, 1)
    mined = kit.send(kit.contract.rotate_key(Account(new).address, key_proof(new, alice, kit.domain)), alice)
    assert events(mined, binding.EVENTS) == [binding.ProviderKeyRotated(alice, Account(new).address, 1)]
    assert kit.contract.provider_key_at(alice, 0).until == mined.time
    assert kit.contract.provider_at(alice).signer == Account(new).address
    with refused("providers: key already used"):
        kit.send(kit.contract.rotate_key(Account(old).address, key_proof(old, alice, kit.domain)), alice)


def test_a_bond_leaves_after_the_delay_and_not_before(ledger, kit, events, refused):
    alice, bob = ledger.accounts[1:3]
    kit.register(alice, 50)
    assert events(kit.send(kit.contract.top_up(alice, 30, value=30), bob), binding.EVENTS) == [
        binding.BondAdded(alice, bob, 30)
    ]
    with refused("providers: bond too low"):
        kit.send(kit.contract.announce_withdrawal(81), alice)
    with refused("providers: nothing to withdraw"):
        kit.send(kit.contract.withdraw_bond(), alice)
    mined = kit.send(kit.contract.announce_withdrawal(60), alice)
    leaves_at = mined.time + kit.contract.withdrawal_delay_s()
    assert events(mined, binding.EVENTS) == [binding.WithdrawalAnnounced(alice, 60, leaves_at)]
    with refused("providers: bond too low"):
        kit.send(kit.contract.announce_withdrawal(21), alice)
    kit.wait_until(leaves_at - 1)
    with refused("providers: too early"):
        kit.send(kit.contract.withdraw_bond(), alice)
    kit.wait_until(leaves_at)
    assert events(kit.send(kit.contract.withdraw_bond(), alice), binding.EVENTS) == [binding.BondWithdrawn(alice, 60)]
    assert kit.contract.provider_at(alice).bond == 20
    assert ledger.node.balance(kit.contract.address) == 20


def test_the_delay_is_longer_than_a_request_and_its_proofs(kit):
    assert kit.contract.withdrawal_delay_s() > 3 * DAY + 3 * DAY


def test_an_offer_says_at_which_fee_and_under_which_judge(ledger, kit, events):
    alice, kernel = ledger.accounts[1:3]
    kit.register(alice)
    mined = kit.offer(alice, 5, kernel)
    assert events(mined, binding.EVENTS) == [binding.ModelOffered(alice, MODEL, 5, kernel)]
    assert kit.contract.offer_of(alice, MODEL) == binding.Offer(True, 5, kernel)
    mined = kit.send(kit.contract.end_offer(MODEL), alice)
    assert events(mined, binding.EVENTS) == [binding.OfferEnded(alice, MODEL)]
    assert kit.contract.offer_of(alice, MODEL) == binding.Offer(False, 0, NOBODY)
