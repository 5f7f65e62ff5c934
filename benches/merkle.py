"""Hashing of leaves and nodes, roots and proofs, beside pymerkle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pymerkle import InmemoryTree

from benches import per_second
from tallystick.core import merkle

QUESTION = "How fast are Merkle trees built and proofs checked in one thread?"

ENTRY_BYTES = 174  # the record of an inference


def _entries(count: int) -> list[bytes]:
    return [number.to_bytes(8, "big").rjust(ENTRY_BYTES, b"\x00") for number in range(count)]


def _verifier(leaves: list[bytes]) -> Callable[[], int]:
    size = len(leaves)
    index, tree_root = size // 3, merkle.root(leaves)
    path = merkle.inclusion_path(leaves, index)

    def work() -> int:
        for _ in range(100):
            merkle.verify_inclusion(index, size, leaves[index], path, tree_root)
        return 100

    return work


def _peer_verifier(entries: list[bytes]) -> Callable[[], int]:
    tree = InmemoryTree(algorithm="sha256")
    tree.append_entries(entries)
    index = len(entries) // 3 + 1
    proof, base, root = tree.prove_inclusion(index), tree.get_leaf(index), tree.get_root()

    def work() -> int:
        for _ in range(100):
            proof.verify(base, root, index=index, size=len(entries))
        return 100

    return work


def run(quick: bool) -> dict[str, Any]:
    """Measure hashes, appends and verifications per second."""
    count = 2**12 if quick else 2**16
    entries = _entries(count)
    leaves = merkle.leaf_hashes(entries)

    def build() -> int:
        merkle.root(merkle.leaf_hashes(entries))
        return count

    def peer_build() -> int:
        tree = InmemoryTree(algorithm="sha256")
        tree.append_entries(entries)
        tree.get_root()
        return count

    figures = {
        "leaf_hashes_per_s": per_second(lambda: len(merkle.leaf_hashes(entries)), quick),
        "node_hashes_per_s": per_second(lambda: len(merkle.parents(leaves)), quick),
        "entries_to_root_per_s": per_second(build, quick),
        "inclusion_verified_per_s": per_second(_verifier(leaves), quick),
    }
    peer = {
        "entries_to_root_per_s": per_second(peer_build, quick),
        "inclusion_verified_per_s": per_second(_peer_verifier(entries), quick),
    }
    notes = [
        f"{count:,} entries of {ENTRY_BYTES} bytes. Peer: pymerkle in memory.",
        "Hashing holds the interpreter lock, so threads do not add to these figures.",
    ]
    return {"figures": figures, "peer": peer, "notes": notes}
