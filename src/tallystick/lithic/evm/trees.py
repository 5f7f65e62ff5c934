"""Trees as straight-line code: compare, jump, and at a leaf add one word that holds a number for every output.

A fork costs 25 gas: a number from memory, a threshold, LT, JUMPI. A leaf's numbers stand in lanes as the outputs of a
dense step do, above the tree's least leaf, so that they are small pushes and never negative; the start word makes up
for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.lithic.evm.assembler import Assembler, Label
from tallystick.lithic.evm.lanes import LaneWords
from tallystick.lithic.integer.intervals import Interval, Intervals
from tallystick.lithic.integer.model import Node, Trees, Vector
from tallystick.lithic.lanes.packing import WORD_BITS, bits_of
from tallystick.lithic.lanes.source import Source

_ON_STACK = 17  # words of sums that SWAP16 reaches; those beyond are kept in memory


def lay_out(ranges: Intervals, address: int) -> LaneWords:
    """Return lanes for sums that can be within `ranges`: as wide as the widest needs."""
    width = max(map(bits_of, ranges))
    return LaneWords(address, width, min(WORD_BITS // width, len(ranges)), 0, ranges)


def start_words(step: Trees, lanes: LaneWords) -> list[int]:
    """Return each word before the first tree: half a lane, the base, and every tree's least leaf."""
    least = [sum(_least(tree, k) for tree in step.trees) for k in range(len(step.base))]
    half = 1 << (lanes.lane_bits - 1)
    return [
        _word(lanes, [half + base + low for base, low in zip(step.base, least, strict=True)], g)
        for g in range(lanes.words)
    ]


def emit_trees(
    asm: Assembler, trees: Sequence[Node | Vector], features: Source, lanes: LaneWords, starts: Sequence[int]
) -> None:
    """Store in each of the lanes' words: its start, plus what every tree's leaf holds above that tree's least.

    features  whole memory words
    """
    for word, start in enumerate(starts[_ON_STACK:], _ON_STACK):
        asm.push(start)
        asm.store(lanes.address + 32 * word)
    asm.push(*reversed(starts[:_ON_STACK]))
    for tree in trees:
        after = asm.new_label("tree")
        least = [_least(tree, k) for k in range(len(lanes.ranges))]
        _emit(asm, pruned(tree, features.ranges), features, lanes, least, after)
        asm.place(after)
    for word in range(min(lanes.words, _ON_STACK)):
        asm.store(lanes.address + 32 * word)


def pruned(tree: Node | Vector, ranges: Intervals) -> Node | Vector:
    """Return the tree without forks that no input in range can take both ways."""
    while isinstance(tree, Node):
        low, high = ranges[tree.field]
        if high < tree.threshold:
            tree = tree.left
        elif low >= tree.threshold:
            tree = tree.right
        else:
            return tree
    return tree


def _emit(
    asm: Assembler, tree: Node | Vector, features: Source, lanes: LaneWords, least: Vector | list[int], after: Label
) -> None:
    if not isinstance(tree, Node):
        _emit_leaf(asm, [value - low for value, low in zip(tree, least, strict=True)], lanes)
        asm.jump(after)
        return
    low, high = features.ranges[tree.field]
    left = asm.new_label("left")
    asm.push(tree.threshold)
    asm.load(features.places[tree.field].address)
    asm.op("LT" if low >= 0 else "SLT")
    asm.jump_if(left)
    for label, branch, narrowed in (
        (None, tree.right, Interval(max(low, tree.threshold), high)),
        (left, tree.left, Interval(low, min(high, tree.threshold - 1))),
    ):
        if label:
            asm.place(label)
        ranges = (*features.ranges[: tree.field], narrowed, *features.ranges[tree.field + 1 :])
        narrower = Source(features.kind, features.places, ranges)
        _emit(asm, pruned(branch, ranges), narrower, lanes, least, after)


def _emit_leaf(asm: Assembler, above: list[int], lanes: LaneWords) -> None:
    for word in range(lanes.words):
        value = _word(lanes, above, word)
        if not value:
            continue
        if word >= _ON_STACK:
            asm.push(value)
            asm.load(lanes.address + 32 * word)
            asm.op("ADD")
            asm.store(lanes.address + 32 * word)
            continue
        if word:
            asm.op(f"SWAP{word}")
        asm.push(value)
        asm.op("ADD")
        if word:
            asm.op(f"SWAP{word}")


def _word(lanes: LaneWords, values: Sequence[int], word: int) -> int:
    """Return lanes of one word: Σ_k value_k · 2**(kL), modulo 2**256."""
    members = values[word * lanes.lanes : (word + 1) * lanes.lanes]
    return sum(value << k * lanes.lane_bits for k, value in enumerate(members)) % (1 << WORD_BITS)


def _least(tree: Node | Vector, output: int) -> int:
    waiting, least = [tree], None
    while waiting:
        node = waiting.pop()
        if isinstance(node, Node):
            waiting += (node.left, node.right)
        elif least is None or node[output] < least:
            least = node[output]
    return least or 0
