"""The batch trie is the Merkle-Patricia trie: the `trie` package, which knows nothing of it, gives the same roots."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st
from trie import HexaryTrie
from trie.exceptions import BadTrieProof

from tallystick.chain.embedded.trie import BLANK_ROOT, Node, decode, lookup, prove, update
from tallystick.core.digest import keccak
from tallystick.core.errors import VerificationFailed

LONG = bool(os.environ.get("TALLYSTICK_LONG"))

# few keys that share long prefixes, so that branches, extensions and leaves form, split and merge
near = st.tuples(st.sampled_from([0x11, 0x12, 0x21]), st.sampled_from([0, 1, 0x10, 0xFF]), st.integers(0, 3)).map(bytes)
far = st.integers(0, 40).map(lambda number: keccak(bytes([number])))
values = st.one_of(st.just(b""), st.binary(min_size=1, max_size=3), st.sampled_from([b"v" * 31, b"w" * 33, b"x" * 300]))


class Store:
    """The nodes of every trie made so far."""

    def __init__(self) -> None:
        self.nodes: dict[bytes, tuple[bytes, Node]] = {}

    def read(self, digest: bytes) -> Node:
        return self.nodes[digest][1]

    def update(self, root: bytes, changes: dict[bytes, bytes]) -> bytes:
        root, fresh = update(self.read, root, changes)
        self.nodes.update(fresh)
        return root


def batches(keys: st.SearchStrategy[bytes]) -> st.SearchStrategy[list[dict[bytes, bytes]]]:
    return st.lists(st.dictionaries(keys, values, min_size=1, max_size=12), max_size=8)


@given(st.one_of(batches(near), batches(far)))
@settings(max_examples=2_000 if LONG else 60, deadline=None)
def test_roots_and_values_are_those_of_another_implementation(changes: list[dict[bytes, bytes]]) -> None:
    store, peer, root = Store(), HexaryTrie({}), BLANK_ROOT
    seen: set[bytes] = set()
    for batch in changes:
        for key, value in batch.items():
            if value:
                peer[key] = value
            elif key in peer:
                del peer[key]
        root = store.update(root, batch)
        seen |= set(batch)
        assert root == peer.root_hash
        for key in seen:
            assert lookup(store.read, root, key) == peer[key]


@given(batches(far))
@settings(max_examples=1_000 if LONG else 30, deadline=None)
def test_stored_nodes_hash_to_their_keys_and_decode_to_themselves(changes: list[dict[bytes, bytes]]) -> None:
    store, root = Store(), BLANK_ROOT
    for batch in changes:
        root = store.update(root, batch)
    for digest, (encoded, node) in store.nodes.items():
        assert keccak(encoded) == digest
        assert decode(encoded) == node


@given(batches(near), near)
@settings(max_examples=2_000 if LONG else 60, deadline=None)
def test_a_proof_convinces_another_implementation(changes: list[dict[bytes, bytes]], key: bytes) -> None:
    store, root = Store(), BLANK_ROOT
    for batch in changes:
        root = store.update(root, batch)
    proof = prove(store.read, root, key)
    assert bool(proof) == (root != BLANK_ROOT)
    if proof:
        proved = HexaryTrie.get_from_proof(root, key, [rlp.decode(node) for node in proof])
        assert proved == lookup(store.read, root, key)


def test_a_proof_that_lacks_its_last_node_does_not_convince() -> None:
    store = Store()
    root = store.update(BLANK_ROOT, {keccak(bytes([n])): b"value" * 10 for n in range(100)})
    proof = [rlp.decode(node) for node in prove(store.read, root, keccak(b"\x05"))]
    assert HexaryTrie.get_from_proof(root, keccak(b"\x05"), proof) == b"value" * 10
    with pytest.raises(BadTrieProof):
        HexaryTrie.get_from_proof(root, keccak(b"\x05"), proof[:-1])


@given(batches(near))
@settings(max_examples=1_000 if LONG else 30, deadline=None)
def test_the_order_of_changes_cannot_change_the_root(changes: list[dict[bytes, bytes]]) -> None:
    merged: dict[bytes, bytes] = {}
    store, one_by_one = Store(), BLANK_ROOT
    for batch in changes:
        merged |= batch
        for key, value in sorted(batch.items(), reverse=True):
            one_by_one = store.update(one_by_one, {key: value})
    assert store.update(BLANK_ROOT, merged) == one_by_one


@given(st.binary(max_size=600))
def test_bytes_that_are_no_node_are_refused_and_nothing_else_is_raised(encoded: bytes) -> None:
    with contextlib.suppress(VerificationFailed):
        decode(encoded)


@pytest.mark.parametrize(
    "spoil", [lambda b: b[:-1], lambda b: b + b"\0", lambda b: b[1:], lambda b: b"", lambda b: rlp.encode(b)]
)
def test_a_node_that_was_cut_or_wrapped_is_refused(spoil: Callable[[bytes], bytes]) -> None:
    store = Store()
    store.update(BLANK_ROOT, {keccak(bytes([n])): b"value" for n in range(20)})
    encoded = max((encoded for encoded, _ in store.nodes.values()), key=len)
    assert decode(encoded)
    with pytest.raises(VerificationFailed, match="not a trie node"):
        decode(spoil(encoded))
