"""Anchoring: the chain takes a new (size, root) only from the right account and only with a proof."""

from __future__ import annotations

import pytest

from tallystick.chain.bindings import log_anchor as binding
from tallystick.core import merkle

ZERO = "0x" + "00" * 20

# Leaves and roots of the published example tree (RFC 6962 test data), sizes 0 to 8.
ENTRIES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.fixture
def leaves():
    return [merkle.leaf_hash(bytes.fromhex(entry)) for entry in ENTRIES]


@pytest.fixture
def logs(ledger, anchor):
    """A log anchor in which the first account owns log 1 and the third anchors."""
    alice, _, carol = ledger.accounts[:3]
    ledger.send(anchor.open_log("example.com/log", b"v" * 32, ZERO, carol), alice)
    return anchor


def test_the_published_tree_grows_leaf_by_leaf_and_every_leaf_is_included(ledger, logs, leaves, events):
    carol = ledger.accounts[2]
    for size in range(1, 9):
        root, proof = bytes.fromhex(ROOTS[size]), merkle.consistency_path(leaves[:size], size - 1)
        mined = ledger.send(logs.anchor(1, size, root, proof), carol)
        assert events(mined, binding.EVENTS) == [binding.Anchored(1, size - 1, size, root)]
        assert logs.latest(1) == (size, root, mined.time)
        for index in range(size):
            path = merkle.inclusion_path(leaves[:size], index)
            assert logs.verify_inclusion(1, index, leaves[index], path)
            assert not logs.verify_inclusion(1, index, leaves[index - 1] if size > 1 else bytes(32), path)


@pytest.mark.parametrize(("old", "new", "nodes"), [(4, 8, 1), (3, 7, 4)])
def test_the_published_consistency_proofs_are_accepted(logs, leaves, old, new, nodes):
    proof = merkle.consistency_path(leaves[:new], old)
    assert len(proof) == nodes
    assert logs.consistent(old, bytes.fromhex(ROOTS[old]), new, bytes.fromhex(ROOTS[new]), proof)


def test_anchorer_and_owner_may_anchor_and_nobody_else(ledger, logs, leaves, refused):
    alice, bob, carol = ledger.accounts[:3]
    ledger.send(logs.anchor(1, 4, merkle.root(leaves[:4]), []), alice)
    growth = logs.anchor(1, 8, merkle.root(leaves), merkle.consistency_path(leaves, 4))
    with refused("anchors: not anchorer or owner"):
        ledger.send(growth, bob)
    with refused("anchors: not anchorer or owner"):
        ledger.call(logs.address, logs.anchor(2, 1, leaves[0], []).data)
    ledger.send(growth, carol)


def test_another_anchorer_replaces_the_first_and_none_leaves_the_owner(ledger, logs, leaves, refused, events):
    alice, bob, carol = ledger.accounts[:3]
    first = logs.anchor(1, 4, merkle.root(leaves[:4]), [])
    changed = ledger.send(logs.set_anchorer(1, bob), alice)
    assert events(changed, binding.EVENTS) == [binding.AnchorerSet(1, bob)]
    with refused("anchors: not anchorer or owner"):
        ledger.send(first, carol)
    ledger.send(first, bob)
    ledger.send(logs.set_anchorer(1, ZERO), alice)
    assert logs.log_at(1).anchorer == ZERO
    growth = logs.anchor(1, 8, merkle.root(leaves), merkle.consistency_path(leaves, 4))
    with refused("anchors: not anchorer or owner"):
        ledger.call(logs.address, growth.data)  # eth_call's default sender, the zero address, is not "nobody"
    ledger.send(growth, alice)


def test_setting_the_anchorer_keeps_size_and_root(ledger, logs, leaves):
    alice, bob, carol = ledger.accounts[:3]
    ledger.send(logs.anchor(1, 4, merkle.root(leaves[:4]), []), carol)
    before = logs.latest(1)
    ledger.send(logs.set_anchorer(1, bob), alice)
    assert logs.latest(1) == before


def test_a_size_only_grows_and_stays_below_its_bound(ledger, logs, leaves, refused):
    carol = ledger.accounts[2]
    root = merkle.root(leaves[:4])
    with refused("anchors: size must grow"):
        ledger.send(logs.anchor(1, 0, root, []), carol)
    with refused("anchors: size too large"):
        ledger.send(logs.anchor(1, 2**63, root, []), carol)
    ledger.send(logs.anchor(1, 4, root, []), carol)
    for size in (0, 1, 4):
        with refused("anchors: size must grow"):
            ledger.send(logs.anchor(1, size, root, []), carol)


def test_the_largest_size_fits(ledger, logs):
    ledger.send(logs.anchor(1, 2**63 - 1, b"r" * 32, []), ledger.accounts[2])
    assert logs.latest(1)[:2] == (2**63 - 1, b"r" * 32)
    assert logs.log_at(1).anchorer == ledger.accounts[2]


def test_a_first_anchor_is_a_claim_and_takes_no_proof(ledger, logs, leaves, refused):
    carol = ledger.accounts[2]
    with refused("anchors: not consistent"):
        ledger.send(logs.anchor(1, 4, merkle.root(leaves[:4]), [leaves[0]]), carol)
    with refused("anchors: empty root"):
        ledger.send(logs.anchor(1, 4, bytes(32), []), carol)
    ledger.send(logs.anchor(1, 4, b"x" * 32, []), carol)


def test_a_fork_is_refused_whatever_proof_it_brings(ledger, logs, leaves, refused):
    carol = ledger.accounts[2]
    fork = [*leaves[:2], merkle.leaf_hash(b"another past"), *leaves[3:]]
    ledger.send(logs.anchor(1, 5, merkle.root(leaves[:5]), []), carol)
    for proof in (merkle.consistency_path(fork, 5), merkle.consistency_path(leaves, 5), [], [leaves[0]] * 63):
        with refused("anchors: not consistent"):
            ledger.send(logs.anchor(1, 8, merkle.root(fork), proof), carol)


def test_a_log_that_misstates_its_size_stops_by_its_own_hand(ledger, logs, leaves, refused):
    carol = ledger.accounts[2]
    ledger.send(logs.anchor(1, 6, merkle.root(leaves[:5]), []), carol)  # the root of five, called six
    with refused("anchors: not consistent"):
        ledger.send(logs.anchor(1, 8, merkle.root(leaves), merkle.consistency_path(leaves, 5)), carol)
    with refused("anchors: not consistent"):
        ledger.send(logs.anchor(1, 8, merkle.root(leaves), merkle.consistency_path(leaves, 6)), carol)


def test_nothing_is_included_before_the_first_anchor(logs, leaves):
    assert not logs.verify_inclusion(1, 0, leaves[0], [])
    assert not logs.verify_inclusion(1, 0, bytes(32), [])


def test_inclusion_is_against_the_latest_anchor_alone(ledger, logs, leaves):
    carol = ledger.accounts[2]
    ledger.send(logs.anchor(1, 4, merkle.root(leaves[:4]), []), carol)
    old = merkle.inclusion_path(leaves[:4], 2)
    assert logs.verify_inclusion(1, 2, leaves[2], old)
    ledger.send(logs.anchor(1, 8, merkle.root(leaves), merkle.consistency_path(leaves, 4)), carol)
    assert not logs.verify_inclusion(1, 2, leaves[2], old)
    assert logs.verify_inclusion(1, 2, leaves[2], merkle.inclusion_path(leaves, 2))


def test_the_time_of_an_anchor_is_its_blocks(ledger, logs, leaves):
    mined = ledger.send(logs.anchor(1, 4, merkle.root(leaves[:4]), []), ledger.accounts[2])
    assert logs.log_at(1).anchored_at == mined.time
