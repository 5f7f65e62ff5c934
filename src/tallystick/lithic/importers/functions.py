"""Functions of single numbers as layers: what the graph calls by many names, in the few that a step can compute."""

from __future__ import annotations

import numpy as np

from tallystick.lithic.floats import Fork
from tallystick.lithic.importers.joining import aligned
from tallystick.lithic.importers.linear import Array, Forest, Function, Layer, Linear, Mapped, Tree, added, mapped
from tallystick.lithic.importers.values import Curve, Numbers

_PAIRED_MAX = 64  # numbers among which equal and opposite ones are looked for; outputs are few, hidden layers need none


def applied(numbers: Numbers, function: Function) -> Numbers:
    """Return the function of each number."""
    linear = numbers.linear
    if function.kind == "sigmoid" and len(linear) <= _PAIRED_MAX:
        return Numbers(numbers.shape, _sigmoid(linear))
    return Numbers(numbers.shape, mapped(linear, (function,) * len(linear)))


def negative(linear: Linear) -> Linear:
    """Return each number with its sign turned."""
    return linear.times(np.full(len(linear), -1.0))


def at_least(linear: Linear, bounds: Array) -> Linear:
    """Return max(x, bound), as bound + relu(x - bound)."""
    return mapped(linear.plus(-bounds), (Function("relu"),) * len(linear)).plus(bounds)


def at_most(linear: Linear, bounds: Array) -> Linear:
    """Return min(x, bound)."""
    return negative(at_least(negative(linear), -bounds))


def greater_of(a: Linear, b: Linear) -> Linear:
    """Return max(a, b), as b + relu(a - b)."""
    first, second = aligned([a, b])
    above = mapped(added(first, negative(second)), (Function("relu"),) * len(first))
    left, right = aligned([above, second])
    return added(left, right)


def bent(linear: Linear, slopes: Array) -> Linear:
    """Return x where it is positive, else slope · x: relu(x) - slope · relu(-x)."""
    count = len(linear)
    both = mapped(stacked_with_negative(linear), (Function("relu"),) * (2 * count))
    above, below = both.take(np.arange(count)), both.take(np.arange(count, 2 * count))
    return added(above, below.times(-slopes))


def stacked_with_negative(linear: Linear) -> Linear:
    """Return the numbers, then each with its sign turned."""
    twice = linear.take(np.tile(np.arange(len(linear)), 2))
    return twice.times(np.repeat([1.0, -1.0], len(linear)))


def pair(softmax: Curve) -> Numbers:
    """Return the softmax of two scores as numbers: 1 - sigmoid(d) and sigmoid(d) of their difference."""
    difference = softmax.scores.through(np.array([[1.0, -1.0], [-1.0, 1.0]]))
    return Numbers(softmax.shape, _sigmoid(difference))


def is_never_negative(linear: Linear) -> bool:
    """Whether no number of these can be below zero, by what the layer's numbers can be."""
    low, high = _ends(linear.layer)
    weights = linear.dense()
    least = np.where(weights > 0.0, low, np.where(weights < 0.0, high, 0.0))
    terms = np.where(weights == 0.0, 0.0, weights * least)
    return bool(np.all(linear.bias + terms.sum(axis=1) >= -_ROUNDING))


def _ends(layer: Layer) -> tuple[Array, Array]:
    """Return the least and the most that each number of a layer can be."""
    low, high = np.full(layer.width, -np.inf), np.full(layer.width, np.inf)
    match layer.origin:
        case Mapped(_, functions):
            for at, function in enumerate(functions):
                low[at], high[at] = _RANGES.get(function.kind, (0.0, 1.0))
        case Forest(_, trees, _):
            leaves = [np.array(leaves_of(tree)) for tree in trees]
            low = np.sum([held.min(axis=0) for held in leaves], axis=0)
            high = np.sum([held.max(axis=0) for held in leaves], axis=0)
    return low, high


_RANGES = {"pass": (-np.inf, np.inf), "relu": (0.0, np.inf), "square": (0.0, np.inf), "tanh": (-1.0, 1.0)}
_ROUNDING = 1e-6  # of float32 sums of shares, which may miss zero by so much


def leaves_of(tree: Tree) -> list[tuple[float, ...]]:
    """Return the leaves of a tree."""
    found, waiting = [], [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Fork):
            waiting += (node.left, node.right)
        else:
            found.append(node)
    return found


def _sigmoid(linear: Linear) -> Linear:
    """Return the sigmoid of each number; sigmoid(-x) is 1 - sigmoid(x), so that a pair of classes is one number."""
    rows = np.concatenate([linear.dense(), linear.bias[:, None]], axis=1) + 0.0  # no negative zeros
    firsts: dict[bytes, int] = {}
    kept: list[int] = []
    index, signs = [], []
    for at, row in enumerate(rows):
        sign, found = 1.0, firsts.get(row.tobytes())
        if found is None:
            sign, found = -1.0, firsts.get((-row + 0.0).tobytes())
        if found is None:
            sign, found = 1.0, len(kept)
            firsts[row.tobytes()] = found
            kept.append(at)
        index.append(found)
        signs.append(sign)
    layer = mapped(linear.take(np.array(kept, dtype=np.int64)), (Function("sigmoid"),) * len(kept)).layer
    weights = np.array(signs)
    return Linear(layer, weights, (1.0 - weights) / 2, np.array(index, dtype=np.int64))
