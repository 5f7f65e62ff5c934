"""From layers to the steps of a model: what is not used is dropped, adjacent affine steps become one, scalers go into
the thresholds of the trees behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tallystick.core.errors import InvalidInput
from tallystick.lithic.floats import Activation, Affine, Fork, MaxPool, OneHot, Squares, Step, Trees
from tallystick.lithic.importers.functions import stacked_with_negative
from tallystick.lithic.importers.linear import (
    Forest,
    Function,
    Greatest,
    Indices,
    Layer,
    Linear,
    Mapped,
    Source,
    Tree,
    added,
    check_size,
    stack,
)


def steps_of(scores: Linear) -> tuple[Step, ...]:
    """Return the steps that compute some numbers from the input.

    raises  InvalidInput "onnx.branches" where numbers stand side by side that no step computes together, "onnx.size"
    """
    layers = [scores.layer]
    while not isinstance(layers[-1].origin, Source):
        layers.append(layers[-1].rows.layer)
    used = _used(scores, layers)
    layers.reverse()
    emitted = _Emitted(layers[0])
    for layer, places in zip(layers[1:], reversed(used), strict=True):
        emitted.enter(layer, places)
    emitted.affine(scores.over(emitted.known))
    return tuple(emitted.steps)


def _used(scores: Linear, layers: Sequence[Layer]) -> list[Indices]:
    """Return the places that are used of each layer but the input, from the last to the first."""
    wanted, found = scores, []
    for layer in layers[:-1]:
        found.append(_columns(wanted))
        wanted = layer.rows.take(_inputs(layer, found[-1]))
    return found


def _columns(linear: Linear) -> Indices:
    """Return the columns that some number depends on: one at least, for a step has to compute something."""
    if linear.index is not None:
        found = np.unique(linear.index[linear.weights != 0.0])
    else:
        found = np.flatnonzero(np.any(linear.weights != 0.0, axis=0))
    return found if len(found) else np.zeros(1, np.int64)


def _inputs(layer: Layer, places: Indices) -> Indices:
    """Return the rows of a layer that the numbers at `places` are made of."""
    match layer.origin:
        case Greatest(_, groups):
            return np.unique(np.array([k for at in places for k in groups[at]], dtype=np.int64))
        case Forest(_, trees, _):
            return np.array(sorted({feature for tree in trees for feature in _features(tree)}), dtype=np.int64)
    return places


def _features(tree: Tree) -> set[int]:
    found, waiting = set(), [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Fork):
            found.add(node.feature)
            waiting += (node.left, node.right)
    return found


class _Emitted:
    """The steps so far, the vector that comes out of the last, and what the numbers of the layer are in terms of it."""

    def __init__(self, source: Layer) -> None:
        self.steps: list[Step] = []
        self.vector = Layer(Source(source.width))
        self.known = self.vector.all

    def enter(self, layer: Layer, used: Indices) -> None:
        """Add the steps of a layer, of which the numbers at `used` are wanted."""
        match layer.origin:
            case Mapped(rows, functions):
                self._mapped(rows.take(used), [functions[k] for k in used])
            case Greatest(rows, groups):
                self._greatest(rows, [groups[k] for k in used])
            case Forest(rows, trees, _):
                self._forest(rows, trees, used)
        places = np.full(layer.width, -1)
        places[used] = np.arange(len(used))
        self.known = self.known.take(places)

    def affine(self, rows: Linear) -> None:
        """Add the step that computes rows over the vector, unless they are the vector."""
        if rows.is_plain and rows.index is not None and np.array_equal(rows.index, np.arange(self.vector.width)):
            self.known = rows
            return
        weights, last = rows.dense(), self.steps[-1] if self.steps else None
        if isinstance(last, Trees) and len(rows) <= max(len(last.base), 1):
            self.steps[-1] = _folded(last, weights, rows.bias)
            self._now(len(rows))
        else:
            self._step(Affine(weights, rows.bias), len(rows))

    def _step(self, step: Step, width: int) -> None:
        self.steps.append(step)
        self._now(width)

    def _now(self, width: int) -> None:
        self.vector = Layer(Source(width))
        self.known = self.vector.all

    def _mapped(self, rows: Linear, functions: list[Function]) -> None:
        rows = rows.over(self.known)
        kinds = {function.kind for function in functions}
        if kinds <= {"pass"}:
            self.known = rows
        elif kinds <= {"pass", "square", "equals"}:
            self._columnwise(rows, functions)
        elif kinds <= {"above", "reaches"}:
            self._stumps(rows, functions)
        elif kinds <= {"relu", "pass"}:
            self._rectified(rows, functions)
        elif kinds <= {"sigmoid", "tanh"}:
            self._bounded(rows, functions)
        else:
            raise InvalidInput(
                "onnx.branches",
                "numbers stand side by side that no step computes together",
                got=", ".join(sorted(kinds)),
                hint="a model is one chain of steps; use one activation for all branches",
            )

    def _columnwise(self, rows: Linear, functions: list[Function]) -> None:
        """Add a one-hot step, a step of squares, or both, over columns that are as few as can be."""
        is_test = [function.kind == "equals" for function in functions]
        columns = self._columns(rows, is_test)
        categories: list[list[float]] = [[] for _ in range(self.vector.width)]
        for column, function in zip(columns, functions, strict=True):
            if function.kind == "equals" and function.operand not in categories[column]:
                categories[column].append(function.operand)
        ends = np.cumsum([0, *(max(len(found), 1) for found in categories)])
        places = [
            int(ends[column]) + (categories[column].index(function.operand) if function.kind == "equals" else 0)
            for column, function in zip(columns, functions, strict=True)
        ]
        width = int(ends[-1])
        if any(is_test):
            self._step(OneHot(tuple(tuple(found) or None for found in categories)), width)
        if any(function.kind == "square" for function in functions):
            places = [at + width * (function.kind == "square") for at, function in zip(places, functions, strict=True)]
            self._step(Squares(), 2 * width)
        self.known = self.vector.all.take(np.array(places, dtype=np.int64))

    def _columns(self, rows: Linear, is_test: list[bool]) -> list[int]:
        """Return the column of the vector that holds each row, after adding a step where it takes one."""
        if rows.is_plain and rows.index is not None:
            tested = set(rows.index[np.array(is_test, dtype=bool)].tolist())
            if not tested & set(rows.index[~np.array(is_test, dtype=bool)].tolist()):
                return [int(column) for column in rows.index]
        dense = np.concatenate([rows.dense(), rows.bias[:, None]], axis=1)
        firsts: dict[tuple[bytes, bool], int] = {}
        kept: list[int] = []
        columns = []
        for at, (row, test) in enumerate(zip(dense, is_test, strict=True)):
            key = (row.tobytes(), test)
            if key not in firsts:
                firsts[key] = len(kept)
                kept.append(at)
            columns.append(firsts[key])
        self.affine(rows.take(np.array(kept, dtype=np.int64)))
        return columns

    def _rectified(self, rows: Linear, functions: list[Function]) -> None:
        """Add rectifiers; what is only handed on is relu(x) - relu(-x)."""
        count = len(rows)
        passed = np.flatnonzero([function.kind == "pass" for function in functions])
        negatives = stacked_with_negative(rows).take(count + passed)
        self.affine(stack([rows, negatives]) if len(passed) else rows)
        self._step(Activation("relu"), count + len(passed))
        if len(passed):
            places = np.full(count, -1)
            places[passed] = count + np.arange(len(passed))
            below = self.vector.all.take(places)
            self.known = added(self.vector.all.take(np.arange(count)), below.times(np.full(count, -1.0)))

    def _bounded(self, rows: Linear, functions: list[Function]) -> None:
        """Add sigmoids or tangents; beside a sigmoid, tanh(x) is 2 · sigmoid(2 · x) - 1."""
        is_tanh = np.array([function.kind == "tanh" for function in functions])
        if np.all(is_tanh):
            self.affine(rows)
            self._step(Activation("tanh"), len(rows))
            return
        factors = np.where(is_tanh, 2.0, 1.0)
        self.affine(rows.times(factors))
        self._step(Activation("sigmoid"), len(rows))
        self.known = self.known.times(factors).plus(np.where(is_tanh, -1.0, 0.0))

    def _stumps(self, rows: Linear, functions: list[Function]) -> None:
        """Add a tree of one fork for each indicator [x > t] or [x ≥ t]."""
        count = len(functions)
        check_size(2 * count * count)
        stumps: list[Tree] = []
        for at, function in enumerate(functions):
            no, yes = (0.0,) * count, tuple(float(k == at) for k in range(count))
            stumps.append(Fork(at, function.operand, no, yes, strict=function.kind == "reaches"))
        self._trees(rows, stumps, (0.0,) * count)

    def _greatest(self, rows: Linear, groups: list[tuple[int, ...]]) -> None:
        used = np.unique(np.array([k for group in groups for k in group], dtype=np.int64))
        rows = rows.take(used).over(self.known)
        columns = np.searchsorted(used, np.arange(used[-1] + 1) if len(used) else np.arange(0))
        if rows.is_plain and rows.index is not None:
            columns = rows.index[np.minimum(columns, len(rows) - 1)]
        else:
            self.affine(rows)
        self._step(MaxPool(tuple(tuple(int(columns[k]) for k in group) for group in groups)), len(groups))

    def _forest(self, rows: Linear, trees: tuple[Tree, ...], used: Indices) -> None:
        features = sorted({feature for tree in trees for feature in _features(tree)})
        places = {feature: at for at, feature in enumerate(features)}
        kept = [_rewritten(tree, places.__getitem__, lambda leaf: tuple(leaf[k] for k in used)) for tree in trees]
        self._trees(rows.take(np.array(features, dtype=np.int64)).over(self.known), kept, (0.0,) * len(used))

    def _trees(self, rows: Linear, trees: Sequence[Tree], base: tuple[float, ...]) -> None:
        if rows.index is None:
            self.affine(rows)
            rows = self.known
        scaled = [_rescaled(tree, rows) for tree in trees]
        self._step(Trees(base, tuple(scaled)), len(base))


def _rewritten(
    tree: Tree, feature: Callable[[int], int], leaf: Callable[[tuple[float, ...]], tuple[float, ...]]
) -> Tree:
    if not isinstance(tree, Fork):
        return leaf(tree)
    left, right = (_rewritten(side, feature, leaf) for side in (tree.left, tree.right))
    return Fork(feature(tree.feature), tree.threshold, left, right, tree.strict)


def _rescaled(tree: Tree, rows: Linear) -> Tree:
    """Return a tree over rows, each a scaled column of the vector, as one over the columns themselves."""
    if not isinstance(tree, Fork):
        return tree
    assert rows.index is not None
    scale, shift, column = (float(rows.weights[tree.feature]), float(rows.bias[tree.feature]), rows.index[tree.feature])
    if scale == 0.0:
        goes_left = shift < tree.threshold if tree.strict else shift <= tree.threshold
        return _rescaled(tree.left if goes_left else tree.right, rows)
    left, right = (_rescaled(side, rows) for side in (tree.left, tree.right))
    threshold = tree.threshold if (scale, shift) == (1.0, 0.0) else (tree.threshold - shift) / scale
    if scale > 0.0:
        return Fork(int(column), threshold, left, right, tree.strict)
    return Fork(int(column), threshold, right, left, not tree.strict)


def _folded(trees: Trees, weights: np.ndarray, bias: np.ndarray) -> Trees:
    """Return trees whose leaves have gone through an affine step."""

    def through(leaf: tuple[float, ...]) -> tuple[float, ...]:
        return tuple((weights @ np.array(leaf)).tolist())

    base = weights @ np.array(trees.base) + bias
    return Trees(tuple(base.tolist()), tuple(_rewritten(tree, lambda k: k, through) for tree in trees.trees))
