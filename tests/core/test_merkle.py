"""Merkle trees against an independent recursion, published vectors, and every small mutation."""

from __future__ import annotations

import hashlib
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core import merkle
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.core.limits import PROOF_NODES_MAX, TREE_SIZE_MAX
from tests.core.strategies import hashes, reference_root

SIZES = range(65)
ENTRIES = [bytes([number]) * (number % 5) + bytes([number]) for number in range(64)]
LEAVES = merkle.leaf_hashes(ENTRIES)
ROOTS = [merkle.root(LEAVES[:size]) for size in SIZES]
FOREIGN = hashlib.sha256(b"no node of the tree").digest()

VECTOR_ENTRIES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
VECTOR_ROOTS = [
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


def _is_included(index: int, size: int, leaf: bytes, path: list[bytes], root: bytes) -> bool:
    try:
        merkle.verify_inclusion(index, size, leaf, path, root)
    except VerificationFailed:
        return False
    return True


def _is_consistent(old: int, new: int, old_root: bytes, new_root: bytes, path: list[bytes]) -> bool:
    try:
        merkle.verify_consistency(old, new, old_root, new_root, path)
    except VerificationFailed:
        return False
    return True


def _mutations(path: list[bytes]) -> list[list[bytes]]:
    """Return the proof with each node flipped, missing, doubled or swapped with its neighbour, and with one more."""
    changed = [[FOREIGN, *path], [*path, FOREIGN]]
    for at, node in enumerate(path):
        before, after = path[:at], path[at + 1 :]
        changed.append([*before, bytes([node[0] ^ 1]) + node[1:], *after])
        changed.append([*before, *after])
        changed.append([*before, node, node, *after])
        if after and after[0] != node:
            changed.append([*before, after[0], node, *after[1:]])
    return changed


class TestPublishedVectors:
    """The eight leaves of the RFC 6962 test suites."""

    @pytest.mark.parametrize("size", range(9))
    def test_roots_are_the_published_ones(self, size: int) -> None:
        assert merkle.root(merkle.leaf_hashes(VECTOR_ENTRIES[:size])).hex() == VECTOR_ROOTS[size]

    def test_leaf_and_node_hashes_are_the_published_ones(self) -> None:
        leaf = "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
        node = "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"
        assert merkle.leaf_hash(b"L123456").hex() == leaf
        assert merkle.node_hash(b"N123", b"N456").hex() == node

    def test_the_inclusion_path_of_leaf_5_of_8_is_the_published_one(self) -> None:
        path = [node.hex() for node in merkle.inclusion_path(merkle.leaf_hashes(VECTOR_ENTRIES), 5)]
        assert [node[:8] for node in path] == ["bc1a0643", "ca854ea1", "d37ee418"]
        assert [node[-6:] for node in path] == ["599e6b", "5a0ae0", "9614b7"]

    def test_the_consistency_proofs_4_to_8_and_3_to_7_are_the_published_ones(self) -> None:
        leaves = merkle.leaf_hashes(VECTOR_ENTRIES)
        (only,) = merkle.consistency_path(leaves, 4)
        assert only.hex().startswith("6b47aaf2")
        assert only.hex().endswith("39bf6e4")
        subtrees = [leaves[2], leaves[3], merkle.root(leaves[:2]), merkle.root(leaves[4:7])]
        assert merkle.consistency_path(leaves[:7], 3) == subtrees


class TestRoots:
    """A root commits to every leaf and its place, and to nothing else."""

    @pytest.mark.parametrize("size", SIZES)
    def test_the_root_is_that_of_the_recursive_definition(self, size: int) -> None:
        assert ROOTS[size] == reference_root(ENTRIES[:size])

    @given(st.lists(st.binary(max_size=8), max_size=300))
    def test_the_root_of_any_entries_is_that_of_the_recursive_definition(self, entries: list[bytes]) -> None:
        assert merkle.root(merkle.leaf_hashes(entries)) == reference_root(entries)

    def test_a_node_is_never_a_leaf(self) -> None:
        left, right = LEAVES[0], LEAVES[1]
        assert merkle.leaf_hash(left + right) != merkle.node_hash(left, right)


class TestInclusion:
    """All proofs of all trees up to 64 leaves."""

    def test_every_proof_verifies_and_leads_to_the_root(self) -> None:
        for size in SIZES:
            for index in range(size):
                path = merkle.inclusion_path(LEAVES[:size], index)
                assert merkle.root_from_path(index, size, LEAVES[index], path) == ROOTS[size]

    def test_every_mutated_proof_is_refused(self) -> None:
        for size in range(1, 34):
            for index in range(size):
                for changed in _mutations(merkle.inclusion_path(LEAVES[:size], index)):
                    assert not _is_included(index, size, LEAVES[index], changed, ROOTS[size])

    def test_a_proof_fits_no_other_leaf_index_or_root(self) -> None:
        for size in range(2, 34):
            for index in range(size):
                path = merkle.inclusion_path(LEAVES[:size], index)
                other = (index + 1) % size
                assert not _is_included(index, size, LEAVES[other], path, ROOTS[size])
                assert not _is_included(other, size, LEAVES[index], path, ROOTS[size])
                assert not _is_included(index, size, LEAVES[index], path, ROOTS[size - 1])

    def test_the_ranges_of_a_path_hash_to_its_nodes_so_that_tiles_can_serve_them(self) -> None:
        for size in SIZES:
            for index in range(size):
                nodes = [merkle.root(LEAVES[start:end]) for start, end in merkle.inclusion_ranges(index, size)]
                assert nodes == merkle.inclusion_path(LEAVES[:size], index)

    @pytest.mark.parametrize("index", [-1, 5, 6])
    def test_there_is_no_path_for_a_leaf_outside_the_tree(self, index: int) -> None:
        with pytest.raises(InvalidInput):
            merkle.inclusion_path(LEAVES[:5], index)
        with pytest.raises(VerificationFailed):
            merkle.root_from_path(index, 5, LEAVES[0], [])

    def test_a_path_that_leaves_some_of_the_size_unconsumed_is_refused(self) -> None:
        # The published bug: without the final "sn is 0" the root of the first four leaves passes for a tree of eight.
        path = merkle.inclusion_path(LEAVES[:4], 1)
        assert _is_included(1, 4, LEAVES[1], path, ROOTS[4])
        assert not _is_included(1, 8, LEAVES[1], path, ROOTS[4])
        assert not _is_included(0, 2, LEAVES[0], [], LEAVES[0])

    @given(st.integers(0, TREE_SIZE_MAX - 1), st.integers(1, TREE_SIZE_MAX), st.lists(hashes, max_size=70), hashes)
    def test_random_proofs_of_any_size_are_refused_without_a_stray_error(
        self, index: int, size: int, path: list[bytes], leaf: bytes
    ) -> None:
        assert not _is_included(index, size, leaf, path, FOREIGN)

    def test_the_deepest_tree_is_provable(self) -> None:
        size, index = TREE_SIZE_MAX, TREE_SIZE_MAX - 1
        depth = len(merkle.inclusion_ranges(0, size))
        assert depth == PROOF_NODES_MAX
        path = [FOREIGN] * len(merkle.inclusion_ranges(index, size))
        merkle.verify_inclusion(index, size, LEAVES[0], path, merkle.root_from_path(index, size, LEAVES[0], path))


class TestConsistency:
    """All proofs between all trees up to 64 leaves."""

    def test_every_proof_verifies(self) -> None:
        for new in SIZES:
            for old in range(new + 1):
                path = merkle.consistency_path(LEAVES[:new], old)
                merkle.verify_consistency(old, new, ROOTS[old], ROOTS[new], path)

    def test_every_mutated_proof_is_refused(self) -> None:
        for new in range(1, 34):
            for old in range(new + 1):
                for changed in _mutations(merkle.consistency_path(LEAVES[:new], old)):
                    assert not _is_consistent(old, new, ROOTS[old], ROOTS[new], changed)

    def test_a_tree_that_dropped_or_altered_an_old_leaf_is_refused(self) -> None:
        for new, old in product(range(2, 34), range(1, 33)):
            if old >= new:
                continue
            forked = [FOREIGN, *LEAVES[1:new]]
            path = merkle.consistency_path(forked, old)
            assert not _is_consistent(old, new, ROOTS[old], merkle.root(forked), path)

    def test_the_ranges_of_a_proof_hash_to_its_nodes_so_that_tiles_can_serve_them(self) -> None:
        for new in range(2, 65):
            for old in range(1, new):
                nodes = [merkle.root(LEAVES[start:end]) for start, end in merkle.consistency_ranges(old, new)]
                assert nodes == merkle.consistency_path(LEAVES[:new], old)

    def test_the_borders_take_an_empty_proof_and_equal_roots_only(self) -> None:
        assert _is_consistent(0, 0, merkle.EMPTY_ROOT, merkle.EMPTY_ROOT, [])
        assert _is_consistent(0, 5, merkle.EMPTY_ROOT, ROOTS[5], [])
        assert _is_consistent(5, 5, ROOTS[5], ROOTS[5], [])
        assert not _is_consistent(5, 5, ROOTS[5], ROOTS[4], [])
        assert not _is_consistent(5, 5, ROOTS[5], ROOTS[5], [FOREIGN])
        assert not _is_consistent(0, 5, merkle.EMPTY_ROOT, ROOTS[5], [FOREIGN])
        assert not _is_consistent(0, 5, FOREIGN, ROOTS[5], [])
        assert not _is_consistent(0, 0, FOREIGN, FOREIGN, [])
        assert not _is_consistent(4, 5, ROOTS[4], ROOTS[5], [])

    def test_a_tree_never_shrinks(self) -> None:
        assert not _is_consistent(5, 4, ROOTS[5], ROOTS[4], merkle.consistency_path(LEAVES[:5], 4))
        assert not _is_consistent(-1, 4, ROOTS[4], ROOTS[4], [])
        assert not _is_consistent(4, TREE_SIZE_MAX + 1, ROOTS[4], ROOTS[5], [FOREIGN])
        with pytest.raises(InvalidInput):
            merkle.consistency_path(LEAVES[:4], 5)

    def test_a_proof_that_leaves_some_of_the_new_size_unconsumed_is_refused(self) -> None:
        path = merkle.consistency_path(LEAVES[:4], 3)
        assert _is_consistent(3, 4, ROOTS[3], ROOTS[4], path)
        assert not _is_consistent(3, 8, ROOTS[3], ROOTS[4], path)


class TestSizeIsNotBound:
    """A documented fact, not a wish: a root says nothing certain about its size. Take both from one trusted place."""

    def test_1824_of_2079_inclusion_proofs_also_verify_with_the_size_raised_by_one(self) -> None:
        tried = [(index, size) for size in range(2, 65) for index in range(size)]
        passed = sum(
            _is_included(index, size + 1, LEAVES[index], merkle.inclusion_path(LEAVES[:size], index), ROOTS[size])
            for index, size in tried
        )
        assert (passed, len(tried)) == (1_824, 2_079)

    def test_1824_of_2016_consistency_proofs_also_verify_with_the_new_size_raised_by_one(self) -> None:
        tried = [(old, new) for new in range(2, 65) for old in range(1, new)]
        passed = sum(
            _is_consistent(old, new + 1, ROOTS[old], ROOTS[new], merkle.consistency_path(LEAVES[:new], old))
            for old, new in tried
        )
        assert (passed, len(tried)) == (1_824, 2_016)


@pytest.mark.parametrize("node", [b"", b"\x00" * 31, b"\x00" * 33, "0" * 32, bytearray(32)])
def test_a_node_that_is_not_32_bytes_is_refused(node: bytes) -> None:
    with pytest.raises(VerificationFailed) as refused:
        merkle.verify_inclusion(0, 2, LEAVES[0], [node], ROOTS[2])
    assert refused.value.code == "merkle.proof"
    assert not _is_consistent(1, 2, LEAVES[0], ROOTS[2], [node])
    assert not _is_consistent(1, 2, node, ROOTS[2], [LEAVES[1]])


def test_a_proof_longer_than_any_tree_needs_is_refused_before_it_is_hashed() -> None:
    with pytest.raises(VerificationFailed) as refused:
        merkle.verify_inclusion(0, 2, LEAVES[0], [FOREIGN] * (PROOF_NODES_MAX + 1), ROOTS[2])
    assert refused.value.code == "merkle.proof"
