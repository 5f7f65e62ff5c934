"""Decision trees as ONNX writes them, in lists of nodes, grown into forks and leaves.

ONNX compares float32 numbers. A fork compares real ones, and so has its threshold half way to the next float32 number,
where rounding would change the answer: for every x the fork goes where a runtime goes with x rounded to float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tallystick.core.errors import InvalidInput
from tallystick.core.limits import KERNEL_TREE_NODES_MAX, ONNX_KERNEL_TREE_DEPTH_MAX
from tallystick.lithic.floats import Fork
from tallystick.lithic.importers.linear import Tree

MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ")


class Split(NamedTuple):
    """A fork in a list: to the node at `yes` when the feature compares with the value as `mode` says, else to `no`."""

    mode: str
    feature: int
    value: float
    yes: int
    no: int


class _Grown(NamedTuple):
    tree: Tree
    nodes: int
    depth: int


class Grower:
    """Grows trees from one list of nodes, counts what they hold together, and knows which nodes they `reached`."""

    def __init__(self, nodes: Sequence[Split | tuple[float, ...]], *, is_single: bool) -> None:
        """Take a list of splits and leaves; `is_single`: thresholds and features are float32."""
        self._nodes = nodes
        self._is_single = is_single
        self._count = 0
        self.reached: set[int] = set()

    def grow(self, root: int) -> Tree:
        """Return the tree of a root; raises InvalidInput "onnx.graph" for a cycle, "onnx.size", "onnx.value"."""
        done: dict[int, _Grown] = {}
        entered: set[int] = set()
        waiting = [root]
        while waiting:
            at = waiting[-1]
            node = self._nodes[at]
            if at in done:
                waiting.pop()
            elif not isinstance(node, Split):
                done[at] = _Grown(node, 1, 1)
            elif at not in entered:
                entered.add(at)
                waiting += (node.yes, node.no)
                if any(side in entered and side not in done for side in (node.yes, node.no)):
                    raise InvalidInput("onnx.graph", "a tree has a cycle, or a node with two parents above it")
            else:
                done[at] = self._joined(node, done[node.yes], done[node.no])
        grown = done[root]
        self.reached.update(done)
        self._count += grown.nodes
        if self._count > KERNEL_TREE_NODES_MAX:
            raise InvalidInput("onnx.size", "too many nodes of trees", expected=f"≤ {KERNEL_TREE_NODES_MAX}")
        return grown.tree

    def _joined(self, split: Split, yes: _Grown, no: _Grown) -> _Grown:
        count, depth = 1 + yes.nodes + no.nodes, 1 + max(yes.depth, no.depth)
        if split.mode in ("BRANCH_EQ", "BRANCH_NEQ"):
            count, depth = count + 1 + max(yes.nodes, no.nodes), depth + 1
        if count > KERNEL_TREE_NODES_MAX or depth > ONNX_KERNEL_TREE_DEPTH_MAX:
            raise InvalidInput(
                "onnx.size",
                "a tree is too large",
                expected=f"≤ {KERNEL_TREE_NODES_MAX} nodes, {ONNX_KERNEL_TREE_DEPTH_MAX} deep",
                got=f"{count} nodes, {depth} deep",
            )
        return _Grown(self._fork(split, yes.tree, no.tree), count, depth)

    def _fork(self, split: Split, yes: Tree, no: Tree) -> Tree:
        feature, value = split.feature, split.value
        match split.mode:
            case "BRANCH_LEQ":
                return self._at_most(feature, value, yes, no)
            case "BRANCH_LT":
                return self._below(feature, value, yes, no)
            case "BRANCH_GTE":
                return self._below(feature, value, no, yes)
            case "BRANCH_GT":
                return self._at_most(feature, value, no, yes)
            case "BRANCH_EQ":
                return self._at_most(feature, value, self._below(feature, value, no, yes), no)
            case "BRANCH_NEQ":
                return self._at_most(feature, value, self._below(feature, value, yes, no), yes)
        raise InvalidInput("onnx.attribute", "a tree has a node of no known mode", got=ascii(split.mode)[:40])

    def _at_most(self, feature: int, value: float, yes: Tree, no: Tree) -> Fork:
        threshold, is_kept = self._boundary(value, np.inf)
        return Fork(feature, threshold, yes, no, strict=not is_kept)

    def _below(self, feature: int, value: float, yes: Tree, no: Tree) -> Fork:
        threshold, is_kept = self._boundary(value, -np.inf)
        return Fork(feature, threshold, yes, no, strict=is_kept)

    def _boundary(self, value: float, toward: float) -> tuple[float, bool]:
        """Return the middle between a value and its float32 neighbour, and whether the middle rounds to the value."""
        if not np.isfinite(value):
            raise InvalidInput("onnx.value", "a threshold of a tree is no number", got=value)
        if not self._is_single:
            return value, True
        here = np.float32(value)
        neighbour = np.nextafter(here, np.float32(toward))
        if not np.isfinite(neighbour):
            return float(here), True
        return (float(here) + float(neighbour)) / 2, int(here.view(np.uint32)) % 2 == 0
