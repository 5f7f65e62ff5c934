"""Merkle trees beside pymerkle, an independent implementation (a test tool: it is GPL and never shipped).

Its indices start at 1 and its paths begin with the leaf itself. Its consistency proofs have another shape than
RFC 9162's, so only their verdicts are compared.
"""

from __future__ import annotations

import pymerkle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core import merkle
from tallystick.core.errors import VerificationFailed
from tests.core.strategies import hashes


def _peer(entries: list[bytes]) -> pymerkle.InmemoryTree:
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    tree.append_entries(entries)
    return tree


def _peer_accepts(index: int, size: int, leaf: bytes, path: list[bytes], root: bytes, rule: list[int]) -> bool:
    proof = pymerkle.InclusionProof("sha256", True, size, index + 1, rule, [leaf, *path])
    try:
        proof.verify(leaf, root, index=index + 1, size=size)
    except pymerkle.InvalidProof:
        return False
    return True


def _we_accept(index: int, size: int, leaf: bytes, path: list[bytes], root: bytes) -> bool:
    try:
        merkle.verify_inclusion(index, size, leaf, path, root)
    except VerificationFailed:
        return False
    return True


def test_roots_of_the_first_300_sizes_are_equal() -> None:
    entries = [number.to_bytes(2, "big") for number in range(300)]
    tree, leaves = _peer(entries), merkle.leaf_hashes(entries)
    for size in range(1, len(leaves) + 1):
        assert merkle.root(leaves[:size]) == tree.get_root(size)


@given(st.lists(st.binary(max_size=6), min_size=1, max_size=80), st.data())
def test_inclusion_paths_are_equal(entries: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(entries) - 1))
    size = data.draw(st.integers(index + 1, len(entries)))
    path = merkle.inclusion_path(merkle.leaf_hashes(entries)[:size], index)
    assert _peer(entries).prove_inclusion(index + 1, size).path[1:] == path


@given(st.lists(st.binary(max_size=6), min_size=1, max_size=80), st.data())
def test_verdicts_on_inclusion_proofs_true_and_false_are_equal(entries: list[bytes], data: st.DataObject) -> None:
    leaves = merkle.leaf_hashes(entries)
    index = data.draw(st.integers(0, len(entries) - 1))
    path = merkle.inclusion_path(leaves, index)
    match data.draw(st.sampled_from(["whole", "foreign", "swapped", "other leaf"])):
        case "foreign" if path:
            path[data.draw(st.integers(0, len(path) - 1))] = data.draw(hashes)
        case "swapped":
            path.reverse()
        case "other leaf":
            leaves[index] = data.draw(hashes)
    root = merkle.root(merkle.leaf_hashes(entries))
    rule = _peer(entries).prove_inclusion(index + 1).rule
    theirs = _peer_accepts(index, len(entries), leaves[index], path, root, rule)
    assert _we_accept(index, len(entries), leaves[index], path, root) == theirs


@given(st.lists(st.binary(max_size=6), min_size=2, max_size=80), st.data())
def test_both_agree_which_trees_extend_which(entries: list[bytes], data: st.DataObject) -> None:
    old = data.draw(st.integers(1, len(entries) - 1))
    history = list(entries)
    if data.draw(st.booleans()):
        history[data.draw(st.integers(0, old - 1))] += b"!"
    old_root = merkle.root(merkle.leaf_hashes(entries[:old]))
    leaves = merkle.leaf_hashes(history)
    proof = _peer(history).prove_consistency(old)
    try:
        proof.verify(old_root, merkle.root(leaves), prior_size=old, later_size=len(history))
        theirs = True
    except pymerkle.InvalidProof:
        theirs = False
    try:
        path = merkle.consistency_path(leaves, old)
        merkle.verify_consistency(old, len(history), old_root, merkle.root(leaves), path)
        ours = True
    except VerificationFailed:
        ours = False
    assert ours == theirs == (history[:old] == entries[:old])


def test_the_peer_names_the_same_empty_root() -> None:
    assert _peer([]).get_root() == merkle.EMPTY_ROOT
    with pytest.raises(pymerkle.InvalidChallenge):
        _peer([]).prove_inclusion(1)
