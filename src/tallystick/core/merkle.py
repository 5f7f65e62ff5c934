"""RFC 6962 Merkle trees over SHA-256: roots, proofs, their verification, and the growing edge of a log.

A root does not bind the size of its tree, so every function that checks takes the pair (size, root) from one trusted
place: a signed checkpoint or a contract. Verification follows RFC 9162 §2.1; the final "everything consumed" test in
`_fold_*` is what naive verifiers forget.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.core.limits import PROOF_NODES_MAX, TREE_SIZE_MAX

EMPTY_ROOT = hashlib.sha256(b"").digest()

_LEAF = hashlib.sha256(b"\x00")
_NODE = hashlib.sha256(b"\x01")


def leaf_hash(entry: bytes) -> bytes:
    """Return SHA-256(0x00 ‖ entry)."""
    state = _LEAF.copy()
    state.update(entry)
    return state.digest()


def leaf_hashes(entries: Iterable[bytes]) -> list[bytes]:
    """Return the leaf hash of each entry, in order."""
    seeded = _LEAF.copy
    hashes = []
    for entry in entries:
        state = seeded()
        state.update(entry)
        hashes.append(state.digest())
    return hashes


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 ‖ left ‖ right)."""
    state = _NODE.copy()
    state.update(left + right)
    return state.digest()


def parents(hashes: Sequence[bytes]) -> list[bytes]:
    """Return the node hash of each neighbouring pair; an odd last hash is left out.

    The hot loop of every tree here: one pre-seeded state per node, about twice the speed of a fresh one.
    """
    seeded = _NODE.copy
    above = []
    rest = iter(hashes)
    for left, right in zip(rest, rest, strict=False):
        state = seeded()
        state.update(left + right)
        above.append(state.digest())
    return above


def root(hashes: Sequence[bytes]) -> bytes:
    """Return the Merkle tree hash of these leaf hashes; of none, SHA-256 of the empty string."""
    if not hashes:
        return EMPTY_ROOT
    level: Sequence[bytes] = hashes
    while len(level) > 1:
        above = parents(level)
        if len(level) % 2:
            above.append(level[-1])  # promoted unchanged: the RFC's split at the largest power of two, bottom up
        level = above
    return level[0]


def inclusion_path(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Return the audit path of leaf `index`, sibling first.

    raises  InvalidInput "merkle.index" when the leaf is not in the tree
    """
    if not 0 <= index < len(hashes):
        raise InvalidInput("merkle.index", "no such leaf", expected=f"0 ≤ index < {len(hashes)}", got=index)
    path = []
    level = list(hashes)
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        above = parents(level)
        if len(level) % 2:
            above.append(level[-1])
        level, index = above, index >> 1
    return path


def consistency_path(hashes: Sequence[bytes], old_size: int) -> list[bytes]:
    """Return the proof that the first `old_size` of these leaves are a prefix of all of them.

    raises  InvalidInput "merkle.size" unless 0 ≤ old_size ≤ the number of leaves
    source  RFC 6962 §2.1.2
    """
    if not 0 <= old_size <= len(hashes):
        raise InvalidInput("merkle.size", "no such older tree", expected=f"0 ≤ size ≤ {len(hashes)}", got=old_size)
    if old_size in (0, len(hashes)):
        return []
    return [root(hashes[start:end]) for start, end in consistency_ranges(old_size, len(hashes))]


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """Return the half-open leaf ranges whose subtree roots form the audit path of `index` in a tree of `size`.

    For trees that are read from tiles: each range is one subtree hash, sibling first.
    """
    ranges = []
    start, end = 0, size
    while end - start > 1:
        split = start + _split(end - start)
        if index < split:
            ranges.append((split, end))
            end = split
        else:
            ranges.append((start, split))
            start = split
    return ranges[::-1]


def consistency_ranges(old_size: int, new_size: int) -> list[tuple[int, int]]:
    """Return the half-open leaf ranges whose subtree roots form the consistency proof, in proof order.

    Requires 0 < old_size < new_size.
    """
    ranges = []
    start, end, wanted, whole = 0, new_size, old_size, True
    while wanted != end - start:
        split = _split(end - start)
        if wanted <= split:
            ranges.append((start + split, end))
            end = start + split
        else:
            ranges.append((start, start + split))
            start, wanted, whole = start + split, wanted - split, False
    if not whole:
        ranges.append((start, end))
    return ranges[::-1]


def root_from_path(index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> bytes:
    """Return the root that this audit path leads to for leaf hash `leaf` at `index` of a tree of `size`.

    raises  VerificationFailed "merkle.inclusion" when the path cannot belong to this index and size
    source  RFC 9162 §2.1.3.2
    """
    _check_nodes(path, leaf)
    if not 0 <= index < size <= TREE_SIZE_MAX:
        raise VerificationFailed("merkle.inclusion", "index lies outside the tree", expected=f"< {size}", got=index)
    fn, sn, value = index, size - 1, leaf
    for node in path:
        if sn == 0:
            raise VerificationFailed("merkle.inclusion", "audit path is too long for this tree")
        if fn & 1 or fn == sn:
            value = node_hash(node, value)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            value = node_hash(value, node)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise VerificationFailed("merkle.inclusion", "audit path is too short for this tree")
    return value


def verify_inclusion(index: int, size: int, leaf: bytes, path: Sequence[bytes], tree_root: bytes) -> None:
    """Return if leaf hash `leaf` stands at `index` of the tree (size, tree_root).

    raises  VerificationFailed "merkle.inclusion"
    """
    got = root_from_path(index, size, leaf, path)
    if got != tree_root:
        raise VerificationFailed(
            "merkle.inclusion", f"entry {index} is not in the tree", expected=tree_root.hex(), got=got.hex()
        )


def verify_consistency(old_size: int, new_size: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> None:
    """Return if the tree (new_size, new_root) extends the tree (old_size, old_root).

    From size 0 any tree follows with an empty proof, which proves nothing about it.

    raises  VerificationFailed "merkle.consistency"
    source  RFC 9162 §2.1.4.2
    """
    _check_nodes(path, old_root, new_root)
    if not 0 <= old_size <= new_size <= TREE_SIZE_MAX:
        raise _inconsistent("sizes do not grow", old_size, new_size)
    if old_size in (0, new_size):
        if path:
            raise _inconsistent("proof should be empty", [], f"{len(path)} nodes")
        if old_size == 0 and old_root != EMPTY_ROOT:
            raise _inconsistent("an empty tree has one root", EMPTY_ROOT.hex(), old_root.hex())
        if old_size == new_size and old_root != new_root:
            raise _inconsistent("same size, another root", old_root.hex(), new_root.hex())
        return
    old, new = _fold_consistency(old_size, new_size, old_root, path)
    if old != old_root:
        raise _inconsistent("older root does not follow from the proof", old_root.hex(), old.hex())
    if new != new_root:
        raise _inconsistent("newer root does not follow from the proof", new_root.hex(), new.hex())


def _fold_consistency(old_size: int, new_size: int, old_root: bytes, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Fold the proof into the two roots it implies; all of both sizes must be consumed."""
    if not path:
        raise _inconsistent("proof is empty", "at least one node", 0)
    nodes = list(path)
    if old_size & (old_size - 1) == 0:
        nodes.insert(0, old_root)
    fn, sn = old_size - 1, new_size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    old = new = nodes[0]
    for node in nodes[1:]:
        if sn == 0:
            raise _inconsistent("proof is too long", "fewer nodes", len(path))
        if fn & 1 or fn == sn:
            old, new = node_hash(node, old), node_hash(node, new)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            new = node_hash(new, node)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise _inconsistent("proof is too short", "more nodes", len(path))
    return old, new


def _split(size: int) -> int:
    """Return the largest power of two strictly below `size`."""
    return 1 << (size - 1).bit_length() - 1


def _check_nodes(path: Sequence[bytes], *hashes: bytes) -> None:
    if len(path) > PROOF_NODES_MAX:
        raise VerificationFailed("merkle.proof", "proof is too long", expected=f"≤ {PROOF_NODES_MAX}", got=len(path))
    for node in (*path, *hashes):
        if not isinstance(node, bytes) or len(node) != 32:
            raise VerificationFailed("merkle.proof", "proof holds a hash that is not 32 bytes")


def _inconsistent(message: str, expected: object, got: object) -> VerificationFailed:
    return VerificationFailed("merkle.consistency", message, expected=expected, got=got)
