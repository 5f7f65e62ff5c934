"""Raises wait, are made once, by anybody, in their epoch; the contract that brings them is led by nobody else."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode

from tallystick.chain.bindings.policy_account import (
    EpochBumped,
)
from tallystick.chain.bindings.policy_changes import ChangeApplied, ChangeCancelled, ChangeScheduled
from tallystick.core.digest import keccak
from tests.contracts.kernels import compiled
from tests.contracts.policy_kit import (
    DAY,
    HOUR,
    INTENT,
    Wallet,
    World,
    transfer_data,
)

# Pretends to be an account whose rules are another account, and whose owner is whoever asks.
IMPOSTOR = """
# pragma version 0.4.3
victim: public(address)
@deploy
def __init__(victim: address):
    self.victim = victim
@external
@view
def role_of(account: address) -> uint8:
    return 3
@external
@view
def epoch() -> uint32:
    return 0
@external
@view
def rules() -> address:
    return self.victim
@external
@view
def queue() -> address:
    return self.victim
@external
@view
def delays() -> (uint32, uint32):
    return 0, 0
@external
@view
def owner() -> address:
    return msg.sender
@external
@view
def is_own(target: address) -> bool:
    return False
@external
@view
def check_setter(caller: address, is_raise: bool) -> bool:
    return True
@external
def note(kind: uint8, target: address, data_hash: bytes32):
    pass
"""


@pytest.fixture(scope="module")
def world(ledger):
    return World(ledger)


@pytest.fixture
def wallet(world):
    return Wallet(world)


def test_a_raise_waits_and_is_made_once_by_anybody(wallet, refused):
    changes = wallet.world.changes
    call = wallet.world.rules.set_payee(wallet.address, wallet.stranger, 1, 2**48 - 1)
    change = (wallet.address, call.to, call.data)
    with refused("changes: not the owner"):
        wallet.send(changes.schedule(*change), wallet.guardian)
    with refused("changes: not scheduled"):
        wallet.send(changes.apply(*change), wallet.stranger)
    scheduled, link = wallet.events(wallet.send(changes.schedule(*change), wallet.owner))
    kinds = ["address", "address", "uint32", "address", "bytes32"]
    id_ = keccak(encode(kinds, [wallet.address, wallet.owner, 0, call.to, keccak(call.data)]))
    assert scheduled == ChangeScheduled(id_, wallet.address, call.to, wallet.now() + HOUR, call.data)
    assert link.data_hash == id_
    assert changes.due_at(*change) == scheduled.due
    wallet.wait(HOUR - 30)
    with refused("changes: too early"):
        wallet.send(changes.apply(*change), wallet.owner)
    wallet.wait(30)
    applied, _, link = wallet.events(wallet.send(changes.apply(*change), wallet.stranger))
    assert applied == ChangeApplied(scheduled.change, wallet.address)
    assert (link.kind, link.target) == (16, wallet.stranger)
    assert wallet.world.rules.is_payee(wallet.address, wallet.stranger)
    with refused("changes: not scheduled"):
        wallet.send(changes.apply(*change), wallet.stranger)


def test_a_change_that_nobody_made_is_void_after_two_weeks(wallet, refused):
    call = wallet.account.set_level(wallet.session, 4)
    wallet.send(wallet.world.changes.schedule(wallet.address, call.to, call.data), wallet.owner)
    wallet.wait(HOUR + 14 * DAY + 1)
    with refused("changes: expired"):
        wallet.send(wallet.world.changes.apply(wallet.address, call.to, call.data), wallet.owner)


@pytest.mark.parametrize("who", ["owner", "guardian"])
def test_a_change_is_taken_back_by_owner_and_guardians(wallet, refused, who):
    changes, by = wallet.world.changes, getattr(wallet, who)
    call = wallet.account.set_level(wallet.session, 4)
    change = (wallet.address, call.to, call.data)
    wallet.send(changes.schedule(*change), wallet.owner)
    for other in (wallet.stranger, wallet.session, wallet.approvers[0]):
        with refused("changes: not a guardian"):
            wallet.send(changes.cancel(*change), other)
    cancelled, link = wallet.events(wallet.send(changes.cancel(*change), by))
    assert cancelled == ChangeCancelled(link.data_hash, wallet.address, by)
    with refused("changes: not scheduled"):
        wallet.send(changes.cancel(*change), by)
    wallet.wait(HOUR)
    with refused("changes: not scheduled"):
        wallet.send(changes.apply(*change), wallet.owner)


def test_a_new_epoch_voids_what_was_scheduled(wallet, refused):
    call = wallet.account.set_delays(2 * HOUR, 0)
    wallet.send(wallet.world.changes.schedule(wallet.address, call.to, call.data), wallet.owner)
    bumped, link = wallet.events(wallet.send(wallet.account.bump_epoch(), wallet.owner))
    assert bumped == EpochBumped(1)
    assert link.kind == 13
    wallet.wait(HOUR)
    with refused("changes: not scheduled"):
        wallet.send(wallet.world.changes.apply(wallet.address, call.to, call.data), wallet.owner)


def test_changes_go_to_the_account_its_rules_and_queue_and_speak_of_that_account(wallet, refused):
    other = Wallet(wallet.world)
    changes = wallet.world.changes
    for target in (wallet.token.address, other.address, wallet.world.relay.address, changes.address):
        with refused("changes: no such target"):
            wallet.send(changes.schedule(wallet.address, target, transfer_data(wallet.owner, 1)), wallet.owner)
    with refused("changes: not a setter"):  # or an owner could write its own history
        note = wallet.account.note(1, wallet.stranger, INTENT)
        wallet.send(changes.schedule(wallet.address, note.to, note.data), wallet.owner)
    foreign = wallet.world.rules.set_payee(other.address, wallet.stranger, 1, 2**48 - 1)
    with refused("changes: another account"):
        wallet.send(changes.schedule(wallet.address, foreign.to, foreign.data), wallet.owner)


def test_who_pretends_to_be_an_account_changes_no_other(wallet, refused):
    """Accounts trust the contract of changes: it must not be led to call one for a stranger."""
    fake = wallet.ledger.deploy(compiled(IMPOSTOR) + encode(["address"], [wallet.address]))
    changes, who = wallet.world.changes, wallet.stranger
    theft = wallet.account.grant_session(fake, wallet.terms(level=4))
    with refused("changes: no such target"):
        wallet.send(changes.schedule(fake, theft.to, theft.data), who)
    with refused("changes: not the owner"):
        wallet.send(changes.schedule(wallet.address, theft.to, theft.data), who)
    own = wallet.world.rules.set_payee(fake, who, 1, 2**48 - 1)
    wallet.send(own, who)  # about itself it may say what it likes
    assert not wallet.world.rules.is_payee(wallet.address, who)
    with refused("roles: not a companion"):
        wallet.send(wallet.account.note(9, who, INTENT), who)
