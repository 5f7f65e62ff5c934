"""Signing keys of accounts: one active at most, every lifetime kept."""

from __future__ import annotations

from tallystick.chain.bindings import model_registry as binding
from tallystick.chain.bindings.model_registry import Key

ZERO = bytes(32)
A, B, C = b"a" * 32, b"b" * 32, b"c" * 32


def test_an_account_starts_without_keys(ledger, registry, refused):
    alice = ledger.accounts[0]
    assert (registry.key_count(alice), registry.active_key(alice)) == (0, ZERO)
    with refused("keys: unknown key"):
        registry.key_at(alice, 0)
    with refused("keys: unknown key"):
        registry.key_index(alice, A)


def test_a_rotation_ends_one_lifetime_and_starts_the_next(ledger, registry, events):
    alice, bob = ledger.accounts[:2]
    first = ledger.send(registry.rotate_key(A), alice)
    second = ledger.send(registry.rotate_key(B), alice)
    assert events(first, binding.EVENTS) == [binding.KeyRotated(alice, 0, A)]
    assert events(second, binding.EVENTS) == [binding.KeyRotated(alice, 1, B)]
    assert registry.key_at(alice, 0) == Key(A, first.time, second.time, 0)
    assert registry.key_at(alice, 1) == Key(B, second.time, 0, 0)
    assert (registry.active_key(alice), registry.key_count(alice)) == (B, 2)
    assert [registry.key_index(alice, key) for key in (A, B)] == [0, 1]
    assert registry.key_count(bob) == 0


def test_a_key_is_never_empty_and_never_used_twice(ledger, registry, refused):
    alice, bob = ledger.accounts[:2]
    with refused("keys: empty key"):
        ledger.send(registry.rotate_key(ZERO), alice)
    ledger.send(registry.rotate_key(A), alice)
    ledger.send(registry.rotate_key(B), alice)
    for used in (A, B):
        with refused("keys: already used"):
            ledger.send(registry.rotate_key(used), alice)
    ledger.send(registry.rotate_key(A), bob)  # no possession is proved here, so nobody can squat on a key


def test_revoking_the_active_key_leaves_none_until_the_next(ledger, registry, events):
    alice = ledger.accounts[0]
    made = ledger.send(registry.rotate_key(A), alice)
    gone = ledger.send(registry.revoke_key(0, "laptop stolen"), alice)
    assert events(gone, binding.EVENTS) == [binding.KeyRevoked(alice, 0, A, "laptop stolen")]
    assert registry.key_at(alice, 0) == Key(A, made.time, gone.time, gone.time)
    assert registry.active_key(alice) == ZERO
    again = ledger.send(registry.rotate_key(B), alice)
    assert registry.key_at(alice, 0) == Key(A, made.time, gone.time, gone.time)
    assert registry.key_at(alice, 1) == Key(B, again.time, 0, 0)


def test_revoking_an_old_key_marks_it_and_leaves_the_active_one(ledger, registry):
    alice = ledger.accounts[0]
    first = ledger.send(registry.rotate_key(A), alice)
    second = ledger.send(registry.rotate_key(B), alice)
    gone = ledger.send(registry.revoke_key(0, "found on a forum"), alice)
    assert registry.key_at(alice, 0) == Key(A, first.time, second.time, gone.time)
    assert (registry.active_key(alice), registry.key_at(alice, 1).until) == (B, 0)


def test_a_key_is_revoked_once_and_only_if_it_exists(ledger, registry, refused):
    alice, bob = ledger.accounts[:2]
    ledger.send(registry.rotate_key(A), alice)
    for missing in (1, 2**32 - 1):
        with refused("keys: unknown key"):
            ledger.send(registry.revoke_key(missing, ""), alice)
    with refused("keys: unknown key"):
        ledger.send(registry.revoke_key(0, ""), bob)
    ledger.send(registry.revoke_key(0, ""), alice)
    with refused("keys: already revoked"):
        ledger.send(registry.revoke_key(0, ""), alice)


def test_without_an_active_key_no_version_is_recorded(ledger, registry, refused):
    alice = ledger.accounts[0]
    roots = binding.Roots(A, ZERO, ZERO, ZERO, 0, ZERO)
    ledger.send(registry.register("one", ""), alice)
    with refused("keys: no active key"):
        ledger.send(registry.add_version(1, 1, [], A, roots, 0), alice)
    ledger.send(registry.rotate_key(A), alice)
    ledger.send(registry.rotate_key(B), alice)
    ledger.send(registry.add_version(1, 1, [], A, roots, 0), alice)
    assert registry.version(1, 1).key_index == 1
    ledger.send(registry.revoke_key(1, ""), alice)
    with refused("keys: no active key"):
        ledger.send(registry.add_version(1, 2, [A], B, roots, 0), alice)
    ledger.send(registry.rotate_key(C), alice)
    ledger.send(registry.add_version(1, 2, [A], B, roots, 0), alice)
    assert registry.version(1, 2).key_index == 2
    assert registry.version(1, 1).key_index == 1
