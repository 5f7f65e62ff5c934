"""Models, delegates, versions, status and releases: each rule once kept and once broken."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick.chain.bindings import model_registry as binding
from tallystick.chain.bindings.model_registry import Roots
from tallystick.contracts import Kind, Status

ZERO = bytes(32)
KEY = b"k" * 32
ROOTS = Roots(b"m" * 32, b"a" * 32, b"p" * 32, b"d" * 32, 400, b"c" * 32)
FIRST, SECOND = b"1" * 32, b"2" * 32


@pytest.fixture
def models(ledger, registry):
    """A registry in which the first account has a key and model 1 with version 1."""
    alice = ledger.accounts[0]
    ledger.send(registry.register("one", ""), alice)
    ledger.send(registry.rotate_key(KEY), alice)
    ledger.send(registry.add_version(1, 1, [], FIRST, ROOTS, 0), alice)
    return registry


def test_a_model_needs_a_name(ledger, registry, refused):
    with refused("registry: empty name"):
        ledger.send(registry.register("", "ipfs://x"), ledger.accounts[0])
    assert registry.model_count() == 0


def test_two_models_may_share_a_name_and_differ_by_id(ledger, registry):
    alice, bob = ledger.accounts[:2]
    ledger.send(registry.register("one", ""), alice)
    ledger.send(registry.register("one", ""), bob)
    assert [registry.model(i).owner for i in (1, 2)] == [alice, bob]
    assert registry.model_count() == 2


def test_the_owner_alone_moves_the_metadata(ledger, models, refused, events):
    alice, bob = ledger.accounts[:2]
    moved = ledger.send(models.set_uri(1, "ipfs://new"), alice)
    assert events(moved, binding.EVENTS) == [binding.UriSet(1, "ipfs://new")]
    assert models.token_uri(1) == models.model(1).uri == "ipfs://new"
    with refused("roles: not the owner"):
        ledger.send(models.set_uri(1, "ipfs://mine"), bob)


def test_a_name_that_is_not_utf8_can_be_read_and_stops_nobody(ledger, registry, events):
    call = registry.register("??", "")
    hostile = replace(call, data=call.data.replace(b"??" + bytes(30), b"\xff\xfe" + bytes(30)))
    made = events(ledger.send(hostile, ledger.accounts[0]), binding.EVENTS)
    assert made[1].name == registry.model(1).name == "\\xff\\xfe"


# --- versions


def test_a_first_version_is_recorded_whole(ledger, models):
    alice = ledger.accounts[0]
    version = models.version(1, 1)
    assert (version.model_id, version.seq, version.statement, version.roots) == (1, 1, FIRST, ROOTS)
    assert (version.parents, version.signer, version.key_index) == ((), alice, 0)
    assert (version.kinds, version.status, version.registered_at) == (0, Status.ACTIVE, ledger.time - 12)
    assert models.version_of(FIRST) == (1, 1)
    assert (models.version_count(1), models.statement_at(1, 1), models.status_of(1, 1)) == (1, FIRST, 1)


def test_a_version_tells_the_index_everything(ledger, models, events):
    alice = ledger.accounts[0]
    roots = replace(ROOTS, parameter_root=b"q" * 32)
    added = ledger.send(models.add_version(1, 2, [FIRST], SECOND, roots, Kind.PARAMETERS), alice)
    expected = binding.VersionAdded(1, SECOND, alice, 2, 0, Kind.PARAMETERS, roots, (FIRST,))
    assert events(added, binding.EVENTS) == [expected]
    assert models.version(1, 2).parents == (FIRST,)


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        ({}, Kind(0)),
        ({"manifest_root": b"n" * 32}, Kind(0)),
        ({"data_root": b"e" * 32}, Kind.DATA),
        ({"data_size": 401}, Kind.DATA),
        ({"parameter_root": b"q" * 32}, Kind.PARAMETERS),
        ({"architecture_root": b"b" * 32}, Kind.ARCHITECTURE),
        ({"code_digest": ZERO}, Kind.CODE),
        ({"data_root": ZERO, "data_size": 0, "parameter_root": b"q" * 32}, Kind.DATA | Kind.PARAMETERS),
    ],
)
def test_kinds_must_say_exactly_what_differs_from_the_first_parent(ledger, models, refused, change, kinds):
    alice, roots = ledger.accounts[0], replace(ROOTS, **change)
    for wrong in range(16):
        if wrong != kinds:
            with refused("versions: wrong kinds"):
                ledger.call(models.address, models.add_version(1, 2, [FIRST], SECOND, roots, wrong).data, sender=alice)
    for right in (kinds, kinds | Kind.METADATA):
        ledger.call(models.address, models.add_version(1, 2, [FIRST], SECOND, roots, right).data, sender=alice)
    with refused("versions: wrong kinds"):
        ledger.send(models.add_version(1, 2, [FIRST], SECOND, roots, kinds | 32), alice)


def test_only_the_first_parent_is_compared(ledger, models):
    alice, other = ledger.accounts[0], replace(ROOTS, data_root=b"e" * 32)
    ledger.send(models.add_version(1, 2, [FIRST], SECOND, other, Kind.DATA), alice)
    ledger.send(models.add_version(1, 3, [FIRST, SECOND], b"3" * 32, ROOTS, 0), alice)
    ledger.send(models.add_version(1, 4, [SECOND, FIRST], b"4" * 32, ROOTS, Kind.DATA), alice)
    assert models.version(1, 4).parents == (SECOND, FIRST)


def test_without_parents_there_is_nothing_to_differ_from(ledger, models, refused):
    alice = ledger.accounts[0]
    for kinds in (Kind.DATA, Kind.METADATA, 128):
        with refused("versions: wrong kinds"):
            ledger.send(models.add_version(1, 2, [], SECOND, ROOTS, kinds), alice)
    ledger.send(models.add_version(1, 2, [], SECOND, ROOTS, 0), alice)


def test_a_parent_may_be_a_version_of_anyones_model(ledger, models):
    bob = ledger.accounts[1]
    ledger.send(models.register("fork", ""), bob)
    ledger.send(models.rotate_key(b"b" * 32), bob)
    ledger.send(models.add_version(2, 1, [FIRST], SECOND, replace(ROOTS, code_digest=ZERO), Kind.CODE), bob)
    assert models.version(2, 1).parents == (FIRST,)


def test_eight_parents_are_kept_in_order_and_a_ninth_is_too_many(ledger, models):
    alice = ledger.accounts[0]
    statements = [FIRST]
    for seq in range(2, 10):
        statements.append(bytes([seq]) * 32)
        ledger.send(models.add_version(1, seq, [], statements[-1], ROOTS, 0), alice)
    parents = statements[8:0:-1]
    ledger.send(models.add_version(1, 10, parents, b"x" * 32, ROOTS, 0), alice)
    assert models.version(1, 10).parents == tuple(parents)


def test_parents_must_be_known(ledger, models, refused):
    alice = ledger.accounts[0]
    for parents in ([SECOND], [b"9" * 32], [FIRST, b"9" * 32], [ZERO]):
        with refused("versions: unknown parent"):
            ledger.send(models.add_version(1, 2, parents, SECOND, ROOTS, 0), alice)


def test_parents_must_differ(ledger, models, refused):
    alice = ledger.accounts[0]
    ledger.send(models.add_version(1, 2, [], SECOND, ROOTS, 0), alice)
    for parents in ([FIRST, FIRST], [FIRST, SECOND, FIRST], [SECOND, FIRST, FIRST]):
        with refused("versions: duplicate parent"):
            ledger.send(models.add_version(1, 3, parents, b"3" * 32, ROOTS, 0), alice)


@pytest.mark.parametrize("seq", [0, 1, 3, 2**32 - 1])
def test_a_version_comes_right_after_the_last(ledger, models, refused, seq):
    with refused("versions: out of sequence"):
        ledger.send(models.add_version(1, seq, [FIRST], SECOND, ROOTS, 0), ledger.accounts[0])


def test_a_statement_is_registered_once_in_the_whole_registry(ledger, models, refused):
    alice, bob = ledger.accounts[:2]
    with refused("versions: already registered"):
        ledger.send(models.add_version(1, 2, [], FIRST, ROOTS, 0), alice)
    ledger.send(models.register("two", ""), bob)
    ledger.send(models.rotate_key(KEY), bob)
    with refused("versions: already registered"):
        ledger.send(models.add_version(2, 1, [], FIRST, ROOTS, 0), bob)


def test_a_statement_and_a_manifest_root_are_required(ledger, models, refused):
    alice = ledger.accounts[0]
    with refused("versions: empty statement"):
        ledger.send(models.add_version(1, 2, [FIRST], ZERO, ROOTS, 0), alice)
    with refused("versions: empty manifest root"):
        ledger.send(models.add_version(1, 2, [FIRST], SECOND, replace(ROOTS, manifest_root=ZERO), 0), alice)


def test_a_version_that_does_not_exist_cannot_be_read(ledger, models, refused):
    for read in (models.version, models.status_of):
        for missing in ((1, 0), (1, 2), (2, 1), (2**256 - 1, 1)):
            with refused("versions: unknown version"):
                read(*missing)
    with refused("versions: unknown version"):
        models.version_of(SECOND)
    assert models.statement_at(1, 2) == ZERO
    assert models.version_count(9) == 0


def test_the_largest_data_size_fits(ledger, models):
    roots = replace(ROOTS, data_size=2**64 - 1)
    ledger.send(models.add_version(1, 2, [FIRST], SECOND, roots, Kind.DATA), ledger.accounts[0])
    assert models.version(1, 2).roots == roots


# --- roles


def test_strangers_and_mere_approvals_add_nothing(ledger, models, refused):
    alice, bob, carol = ledger.accounts[:3]
    ledger.send(models.approve(bob, 1), alice)
    ledger.send(models.set_approval_for_all(carol, True), alice)
    for account in (bob, carol, ledger.accounts[3]):
        ledger.send(models.rotate_key(account.encode()[:32]), account)
        with refused("roles: not owner or delegate"):
            ledger.send(models.add_version(1, 2, [FIRST], SECOND, ROOTS, 0), account)


def test_a_delegate_adds_versions_under_its_own_name_and_key(ledger, models, refused, events):
    alice, bob = ledger.accounts[:2]
    named = ledger.send(models.set_delegate(1, bob, True), alice)
    assert events(named, binding.EVENTS) == [binding.DelegateSet(1, bob, True, 0)]
    with refused("keys: no active key"):
        ledger.send(models.add_version(1, 2, [FIRST], SECOND, ROOTS, 0), bob)
    ledger.send(models.rotate_key(b"b" * 32), bob)
    ledger.send(models.add_version(1, 2, [FIRST], SECOND, ROOTS, 0), bob)
    assert models.version(1, 2).signer == bob
    ledger.send(models.set_delegate(1, bob, False), alice)
    with refused("roles: not owner or delegate"):
        ledger.send(models.add_version(1, 3, [FIRST], b"3" * 32, ROOTS, 0), bob)


def test_a_delegate_can_do_nothing_else(ledger, models, refused):
    alice, bob = ledger.accounts[:2]
    ledger.send(models.set_delegate(1, bob, True), alice)
    for call in (
        models.set_uri(1, ""),
        models.set_delegate(1, bob, True),
        models.set_status(1, 1, Status.DEPRECATED, ""),
        models.release(1, "production", 1),
    ):
        with refused("roles: not the owner"):
            ledger.send(call, bob)


def test_delegates_end_with_a_transfer_and_do_not_come_back(ledger, models):
    alice, bob, carol = ledger.accounts[:3]
    ledger.send(models.set_delegate(1, bob, True), alice)
    ledger.send(models.transfer_from(alice, carol, 1), alice)
    assert not models.is_delegate(1, bob)
    ledger.send(models.transfer_from(carol, alice, 1), carol)
    assert not models.is_delegate(1, bob)


def test_a_transfer_to_oneself_ends_delegates_too(ledger, models):
    alice, bob = ledger.accounts[:2]
    ledger.send(models.set_delegate(1, bob, True), alice)
    ledger.send(models.transfer_from(alice, alice, 1), alice)
    assert not models.is_delegate(1, bob)
    assert (models.owner_of(1), models.balance_of(alice)) == (alice, 1)


def test_a_transfer_rewrites_no_history(ledger, models):
    alice, bob = ledger.accounts[:2]
    ledger.send(models.release(1, "production", 1), alice)
    before = (models.version(1, 1), models.released_version(1, "production"), models.version_count(1))
    ledger.send(models.transfer_from(alice, bob, 1), alice)
    assert (models.version(1, 1), models.released_version(1, "production"), models.version_count(1)) == before


def test_a_model_that_does_not_exist_has_no_owner_to_act(ledger, models, refused):
    alice = ledger.accounts[0]
    with refused("roles: not owner or delegate"):
        ledger.send(models.add_version(2, 1, [], SECOND, ROOTS, 0), alice)
    with refused("roles: not the owner"):
        ledger.send(models.set_delegate(2, alice, True), alice)
    # eth_call's default sender is the zero address, which owns nothing.
    with refused("roles: not the owner"):
        ledger.call(models.address, models.set_uri(2, "").data)


# --- status


def test_the_owner_changes_a_status_with_a_reason(ledger, models, events, refused):
    alice, bob = ledger.accounts[:2]
    changed = ledger.send(models.set_status(1, 1, Status.DEPRECATED, "a better one exists"), alice)
    expected = binding.StatusSet(1, FIRST, 1, Status.ACTIVE, Status.DEPRECATED, "a better one exists")
    assert events(changed, binding.EVENTS) == [expected]
    assert models.status_of(1, 1) == models.version(1, 1).status == Status.DEPRECATED
    ledger.send(models.set_status(1, 1, Status.ACTIVE, ""), alice)
    with refused("roles: not the owner"):
        ledger.send(models.set_status(1, 1, Status.REVOKED, ""), bob)


def test_a_status_changes_nothing_else_of_the_record(ledger, models):
    before = models.version(1, 1)
    ledger.send(models.set_status(1, 1, Status.REVOKED, ""), ledger.accounts[0])
    assert models.version(1, 1) == replace(before, status=Status.REVOKED)


def test_revoked_is_final_also_under_a_later_owner(ledger, models, refused):
    alice, bob = ledger.accounts[:2]
    ledger.send(models.set_status(1, 1, Status.REVOKED, "poisoned"), alice)
    ledger.send(models.transfer_from(alice, bob, 1), alice)
    for status in (Status.ACTIVE, Status.DEPRECATED):
        with refused("versions: revoked is final"):
            ledger.send(models.set_status(1, 1, status, ""), bob)


def test_a_status_must_exist_and_differ_and_be_of_a_version(ledger, models, refused):
    alice = ledger.accounts[0]
    for status in (0, 4, 255):
        with refused("versions: unknown status"):
            ledger.send(models.set_status(1, 1, status, ""), alice)
    with refused("versions: status unchanged"):
        ledger.send(models.set_status(1, 1, Status.ACTIVE, ""), alice)
    with refused("versions: unknown version"):
        ledger.send(models.set_status(1, 2, Status.REVOKED, ""), alice)


# --- releases


def test_a_channel_moves_and_counts(ledger, models, events):
    alice = ledger.accounts[0]
    ledger.send(models.add_version(1, 2, [FIRST], SECOND, ROOTS, 0), alice)
    assert (models.released(1, "production"), models.release_count(1, "production")) == (0, 0)
    moves = [ledger.send(models.release(1, "production", seq), alice) for seq in (1, 2, 0)]
    assert [events(move, binding.EVENTS) for move in moves] == [
        [binding.Released(1, "production", 1, 0, 1)],
        [binding.Released(1, "production", 2, 1, 2)],
        [binding.Released(1, "production", 0, 2, 3)],
    ]
    assert (models.released(1, "production"), models.release_count(1, "production")) == (0, 3)


def test_channels_are_apart_from_one_another(ledger, models):
    alice = ledger.accounts[0]
    ledger.send(models.release(1, "production", 1), alice)
    assert models.released(1, "staging") == models.released(2, "production") == 0
    assert models.released_version(1, "production") == (FIRST, ROOTS.manifest_root, Status.ACTIVE)


def test_a_release_needs_a_channel_an_owner_and_a_version(ledger, models, refused):
    alice, bob = ledger.accounts[:2]
    with refused("releases: empty channel"):
        ledger.send(models.release(1, "", 1), alice)
    with refused("roles: not the owner"):
        ledger.send(models.release(1, "production", 1), bob)
    with refused("versions: unknown version"):
        ledger.send(models.release(1, "production", 2), alice)
    with refused("releases: nothing released"):
        models.released_version(1, "production")


def test_a_release_that_moves_nothing_is_refused(ledger, models, refused):
    alice = ledger.accounts[0]
    with refused("releases: unchanged"):
        ledger.send(models.release(1, "production", 0), alice)
    ledger.send(models.release(1, "production", 1), alice)
    with refused("releases: unchanged"):
        ledger.send(models.release(1, "production", 1), alice)


def test_a_revoked_version_cannot_be_released_and_a_released_one_reads_as_revoked(ledger, models, refused):
    alice = ledger.accounts[0]
    ledger.send(models.release(1, "production", 1), alice)
    ledger.send(models.set_status(1, 1, Status.REVOKED, "poisoned"), alice)
    assert models.released_version(1, "production") == (FIRST, ROOTS.manifest_root, Status.REVOKED)
    with refused("releases: version is revoked"):
        ledger.send(models.release(1, "staging", 1), alice)
    ledger.send(models.release(1, "production", 0), alice)


def test_a_deprecated_version_can_still_be_released(ledger, models):
    alice = ledger.accounts[0]
    ledger.send(models.set_status(1, 1, Status.DEPRECATED, ""), alice)
    ledger.send(models.release(1, "production", 1), alice)
    assert models.released_version(1, "production")[2] == Status.DEPRECATED
