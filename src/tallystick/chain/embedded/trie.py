"""Merkle-Patricia tries (Yellow Paper, appendix D), changed many keys at a time and hashed once per node.

Keys must be prefix-free, as hashed addresses, hashed slots and RLP list indices are, so a branch never holds a value.
A node is kept decoded: a branch is a list of sixteen references, everything else a `Short`. A reference is what stands
in the parent's RLP: 0x80 for nothing, 0xa0 and a hash, or the whole child when that is shorter than a hash.
`fsck` recomputes every root with another implementation, the `trie` package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

from tallystick.chain.embedded.codec import encode, head
from tallystick.core.digest import keccak
from tallystick.core.errors import VerificationFailed

BLANK_ROOT = keccak(b"\x80")

_EMPTY = b"\x80"
_BLANK_BRANCH = [_EMPTY] * 16


class Short(NamedTuple):
    """A leaf or an extension: hex digits of path, then an RLP string (leaf) or a reference (extension)."""

    path: str
    payload: bytes
    leaf: bool


Node: TypeAlias = list[bytes] | Short
Read: TypeAlias = Callable[[bytes], Node]


def lookup(read: Read, root: bytes, key: bytes) -> bytes:
    """Return the value under `key` in the trie `root`, empty when there is none.

    read    returns the node with a given hash, or raises
    """
    if root == BLANK_ROOT:
        return b""
    path = key.hex()
    node: Node | None = read(root)
    depth = 0
    while node is not None:
        if isinstance(node, list):
            node = _load(read, node[int(path[depth], 16)])
            depth += 1
            continue
        if not path.startswith(node.path, depth):
            return b""
        if node.leaf:
            return _string(node.payload) if depth + len(node.path) == len(path) else b""
        depth += len(node.path)
        node = _load(read, node.payload)
    return b""


def update(read: Read, root: bytes, changes: Mapping[bytes, bytes]) -> tuple[bytes, dict[bytes, tuple[bytes, Node]]]:
    """Return the root after `changes` (an empty value deletes its key), and every new node by hash.

    returns  (root, {hash: (encoded, decoded)}); nodes that the old trie held already may be among them
    """
    fresh: dict[bytes, tuple[bytes, Node]] = {}

    def read_new(digest: bytes) -> Node:
        known = fresh.get(digest)
        return read(digest) if known is None else known[1]

    items = sorted((key.hex(), value) for key, value in changes.items())
    node = _apply(read_new, None if root == BLANK_ROOT else read(root), items, 0, fresh)
    if node is None:
        return BLANK_ROOT, fresh
    encoded = _encode(node)
    digest = keccak(encoded)
    fresh[digest] = (encoded, node)
    return digest, fresh


def prove(read: Read, root: bytes, key: bytes) -> list[bytes]:
    """Return the encoded nodes from the root towards `key`: a proof of its value, or that it has none."""
    if root == BLANK_ROOT:
        return []
    path = key.hex()
    node: Node | None = read(root)
    proof: list[bytes] = []
    depth = 0
    inline = False
    while node is not None:
        if not inline:
            proof.append(_encode(node))
        if isinstance(node, list):
            reference = node[int(path[depth], 16)]
            depth += 1
        else:
            if node.leaf or not path.startswith(node.path, depth):
                break
            reference = node.payload
            depth += len(node.path)
        inline = len(reference) < 33
        node = _load(read, reference)
    return proof


def decode(encoded: bytes) -> Node:
    """Return the node that `encoded` is the RLP of.

    raises  VerificationFailed "trie.node" when it is no node: its hash may be right, but nobody honest wrote it
    """
    try:
        items = _items(encoded)
        if len(items) == 17 and items[16] == _EMPTY:
            return items[:16]
        if len(items) == 2:
            compact = _string(items[0]).hex()
            flag = int(compact[0], 16)
            if flag < 4:
                return Short(compact[1:] if flag & 1 else compact[2:], items[1], flag >= 2)
    except (IndexError, ValueError):
        pass
    raise VerificationFailed("trie.node", "stored value is not a trie node", got=encoded[:40].hex())


def _apply(
    read: Read, node: Node | None, items: list[tuple[str, bytes]], depth: int, fresh: dict[bytes, tuple[bytes, Node]]
) -> Node | None:
    """Return `node` after the sorted `items`, whose keys all agree before `depth`; None when nothing is left."""
    if node is None:
        return _build([item for item in items if item[1]], depth, fresh)
    if isinstance(node, list):
        return _apply_branch(read, node, items, depth, fresh)
    if node.leaf:
        key = items[0][0][:depth] + node.path
        merged = {key: _string(node.payload)} | dict(items)
        return _build(sorted(item for item in merged.items() if item[1]), depth, fresh)
    path = node.path
    items = [item for item in items if item[1] or item[0].startswith(path, depth)]
    if not items:
        return node
    shared = min(_common(path, key, depth) for key in (items[0][0], items[-1][0]))
    if shared == len(path):
        below = _apply(read, _load(read, node.payload), items, depth + shared, fresh)
    else:
        branch = list(_BLANK_BRANCH)
        rest = path[shared + 1 :]
        branch[int(path[shared], 16)] = _reference(Short(rest, node.payload, False), fresh) if rest else node.payload
        below = _apply_branch(read, branch, items, depth + shared, fresh)
    return _prepend(path[:shared], below, fresh)


def _apply_branch(
    read: Read, node: list[bytes], items: list[tuple[str, bytes]], depth: int, fresh: dict[bytes, tuple[bytes, Node]]
) -> Node | None:
    children = list(node)
    changed: dict[int, Node] = {}
    for nibble, group in _groups(items, depth):
        below = _apply(read, _load(read, node[nibble]), group, depth + 1, fresh)
        children[nibble] = _EMPTY
        if below is not None:
            changed[nibble] = below
    kept = [nibble for nibble in range(16) if nibble in changed or children[nibble] != _EMPTY]
    if len(kept) == 1:
        (only,) = kept
        return _prepend(f"{only:x}", changed.get(only) or _load(read, children[only]), fresh)
    for nibble, below in changed.items():
        children[nibble] = _reference(below, fresh)
    return children if kept else None


def _build(items: list[tuple[str, bytes]], depth: int, fresh: dict[bytes, tuple[bytes, Node]]) -> Node | None:
    """Return the trie of `items` alone, below `depth`."""
    if not items:
        return None
    first = items[0][0]
    if len(items) == 1:
        return Short(first[depth:], encode(items[0][1]), True)
    shared = _common(items[-1][0][depth:], first, depth)
    children = list(_BLANK_BRANCH)
    for nibble, group in _groups(items, depth + shared):
        below = _build(group, depth + shared + 1, fresh)
        if below is not None:
            children[nibble] = _reference(below, fresh)
    return _prepend(first[depth : depth + shared], children, fresh)


def _groups(items: list[tuple[str, bytes]], depth: int) -> list[tuple[int, list[tuple[str, bytes]]]]:
    if len(items) == 1:
        return [(int(items[0][0][depth], 16), items)]
    groups: dict[str, list[tuple[str, bytes]]] = {}
    for item in items:
        groups.setdefault(item[0][depth], []).append(item)
    return [(int(nibble, 16), group) for nibble, group in groups.items()]


def _prepend(path: str, below: Node | None, fresh: dict[bytes, tuple[bytes, Node]]) -> Node | None:
    """Return the node reached by `path` and then `below`, in the one form that the trie allows."""
    if not path or below is None:
        return below
    if isinstance(below, list):
        return Short(path, _reference(below, fresh), False)
    return Short(path + below.path, below.payload, below.leaf)


def _common(path: str, key: str, depth: int) -> int:
    """Return how many leading digits of `path` stand in `key` from `depth` on."""
    if key.startswith(path, depth):
        return len(path)
    for index, digit in enumerate(path):
        if key[depth + index] != digit:
            return index
    return len(path)


def _load(read: Read, reference: bytes) -> Node | None:
    if len(reference) == 33:
        return read(reference[1:])
    return None if reference == _EMPTY else decode(reference)


def _reference(node: Node, fresh: dict[bytes, tuple[bytes, Node]]) -> bytes:
    encoded = _encode(node)
    if len(encoded) < 32:
        return encoded
    digest = keccak(encoded)
    fresh[digest] = (encoded, node)
    return b"\xa0" + digest


def _encode(node: Node) -> bytes:
    if isinstance(node, list):
        body = b"".join(node) + _EMPTY
    else:
        odd = len(node.path) & 1
        flag = (2 if node.leaf else 0) + odd
        body = encode(bytes.fromhex(f"{flag:x}{node.path}" if odd else f"{flag:x}0{node.path}")) + node.payload
    return head(0xC0, len(body)) + body


def _string(item: bytes) -> bytes:
    """Return the byte string of one RLP item."""
    first = item[0]
    if first < 0x80:
        return item
    if first < 0xB8:
        return item[1:]
    if first < 0xC0:
        return item[first - 0xB6 :]
    raise ValueError("a list stands where a string must")


def _items(encoded: bytes) -> list[bytes]:
    """Return the items of an RLP list, each still encoded."""
    first = encoded[0]
    if first < 0xC0:
        raise ValueError("not a list")
    position = 1 if first < 0xF8 else first - 0xF6
    items: list[bytes] = []
    end = len(encoded)
    while position < end:
        first = encoded[position]
        if first == 0xA0:
            size = 33
        elif first < 0x80:
            size = 1
        elif first < 0xB8:
            size = first - 0x7F
        elif first < 0xC0:
            width = first - 0xB7
            size = 1 + width + int.from_bytes(encoded[position + 1 : position + 1 + width], "big")
        elif first < 0xF8:
            size = first - 0xBF
        else:
            width = first - 0xF7
            size = 1 + width + int.from_bytes(encoded[position + 1 : position + 1 + width], "big")
        items.append(encoded[position : position + size])
        position += size
    if position != end:
        raise ValueError("items overrun their list")
    return items
