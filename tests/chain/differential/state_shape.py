"""Counting what a trie holds, without knowing its keys."""

from __future__ import annotations

from tallystick.chain.embedded.trie import BLANK_ROOT, Read, decode


def count_leaves(read: Read, root: bytes) -> int:
    """Return how many values the trie with this root holds."""
    if root == BLANK_ROOT:
        return 0
    nodes, leaves = [read(root)], 0
    while nodes:
        node = nodes.pop()
        references = node if isinstance(node, list) else [] if node.leaf else [node.payload]
        leaves += not isinstance(node, list) and node.leaf
        for reference in references:
            if len(reference) == 33:
                nodes.append(read(reference[1:]))
            elif reference != b"\x80":
                nodes.append(decode(reference))
    return leaves
