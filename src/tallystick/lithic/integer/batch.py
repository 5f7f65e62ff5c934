"""The reference over many rows at once: the same numbers, by numpy, in whichever arithmetic is exact for them.

Intervals say beforehand how great any sum can become. Below 2**53 a product of matrices is exact in double precision,
whatever the order of its additions; below 2**63 in 64-bit integers; above that Python's own integers are used, slowly.
Held to `reference` row by row in the tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tallystick.core.errors import InvalidInput
from tallystick.lithic.integer.intervals import Interval, Intervals, after
from tallystick.lithic.integer.model import (
    Dense,
    Input,
    IntegerModel,
    MaxPool,
    Node,
    OneHot,
    Relu,
    Shift,
    Squares,
    Step,
    Table,
    Trees,
    Vector,
)

if TYPE_CHECKING:
    import numpy as np

    Rows = np.ndarray[Any, np.dtype[Any]]  # int64, or Python integers where they can be greater

_DOUBLE = 1 << 53
_WORD = 1 << 63


def predict_rows(model: IntegerModel, rows: Any) -> Rows:
    """Return the answer for each row, as `reference.predict` gives it for one: (rows, model.outputs).

    raises  InvalidInput "kernel.input", naming the row and the field
    """
    import numpy as np

    scores = evaluate_rows(model, rows)[-1]
    match model.decision:
        case "argmax":
            decided = scores.argmax(axis=1)  # the first of equals
        case "positive":
            decided = scores[:, 0] > 0
        case "none":
            return scores
    return np.concatenate([np.asarray(decided).reshape(-1, 1).astype(scores.dtype), scores], axis=1)


def evaluate_rows(model: IntegerModel, rows: Any) -> list[Rows]:
    """Return the vectors that go into the first step and what comes out of each: arrays of (rows, numbers)."""
    vectors = [check_rows(model.input, rows)]
    ranges: Intervals = tuple(Interval(field.low, field.high) for field in model.input.fields)
    for step in model.steps:
        vectors.append(apply_rows(step, vectors[-1], ranges))
        ranges = after(step, ranges)
    return vectors


def check_rows(declared: Input, rows: Any) -> Rows:
    """Return the rows as int64 if every number is in its declared range; raises InvalidInput "kernel.input"."""
    import numpy as np

    table = np.asarray(rows)
    if table.ndim != 2 or table.shape[1] != len(declared.fields):
        raise InvalidInput("kernel.input", "wrong number of fields", expected=len(declared.fields), got=table.shape)
    if table.dtype.kind not in "iu":
        raise InvalidInput("kernel.input", "rows are not integers", expected="an integer type", got=table.dtype)
    low = np.array([field.low for field in declared.fields])
    high = np.array([field.high for field in declared.fields])
    outside = (table < low) | (table > high)
    if outside.any():
        row, column = np.argwhere(outside)[0]
        field = declared.fields[column]
        raise InvalidInput(
            "kernel.input", f"{field.name} of row {row} leaves its range", expected=f"{field.low} to {field.high}",
            got=table[row, column],
        )  # fmt: skip
    return table.astype(np.int64)


def apply_rows(step: Step, x: Rows, ranges: Intervals) -> Rows:
    """Return what `step` makes of each row of `x`, whose numbers are within `ranges`."""
    import numpy as np

    match step:
        case Dense(weights, bias):
            return _dense(weights, bias, x, ranges)
        case Relu(shift, cap):
            y = np.maximum(x, 0) >> _shift(shift, x)
            return y if cap is None else np.minimum(y, min(cap, _WORD - 1) if y.dtype != object else cap)
        case Shift(shift):
            return x >> _shift(shift, x)
        case Table(shift, low, values):
            shifted = (x >> _shift(shift, x)) if abs(low) < _WORD // 2 else x.astype(object) >> shift
            below = np.clip(shifted, low, low + len(values) - 1)
            return np.asarray(_integers(values)[(below - low).astype(np.int64)])
        case Squares():
            wide = x if all(max(z.high, -z.low) ** 2 < _WORD for z in ranges) else x.astype(object)
            return np.concatenate([wide, wide * wide], axis=1)
        case OneHot(columns):
            parts = [x[:, [k]] if c is None else x[:, [k]] == _integers(c) for k, c in enumerate(columns)]
            return np.concatenate([part.astype(x.dtype) for part in parts], axis=1)
        case MaxPool(groups):
            return np.stack([x[:, list(group)].max(axis=1) for group in groups], axis=1)
        case Trees(base, trees):
            return _trees(base, trees, x)


def _dense(weights: tuple[Vector, ...], bias: Vector, x: Rows, ranges: Intervals) -> Rows:
    import numpy as np

    greatest = [max(z.high, -z.low) for z in ranges]
    most = max(
        abs(b) + sum(abs(w) * g for w, g in zip(row, greatest, strict=True) if w)
        for row, b in zip(weights, bias, strict=True)
    )
    if most < _DOUBLE and all(abs(w) < _DOUBLE for row in weights for w in row):
        product = x.astype(np.float64) @ np.array(weights, dtype=np.float64).T
        return product.astype(np.int64) + np.array(bias, dtype=np.int64)
    if most < _WORD and x.dtype != object and all(abs(w) < _WORD for row in weights for w in row):
        return np.asarray(x @ np.array(weights, dtype=np.int64).T + np.array(bias, dtype=np.int64))
    return np.asarray(np.dot(x.astype(object), np.array(weights, dtype=object).T) + np.array(bias, dtype=object))


def _trees(base: Vector, trees: tuple[Node | Vector, ...], x: Rows) -> Rows:
    """Return the sums of the leaves: each tree splits the rows among its branches."""
    import numpy as np

    leaves = [_leaves(tree) for tree in trees]
    most = sum(max(max(map(abs, leaf)) for leaf in found) for found in leaves) + max(map(abs, base))
    total = np.empty((len(x), len(base)), dtype=np.int64 if most < _WORD else object)
    total[:] = base
    for tree in trees:
        waiting = [(tree, np.arange(len(x)))]
        while waiting:
            node, rows = waiting.pop()
            if not len(rows):
                continue
            if not isinstance(node, Node):
                total[rows] += _integers(node)
                continue
            is_left = (x[rows, node.field] < node.threshold).astype(bool)
            waiting += [(node.left, rows[is_left]), (node.right, rows[~is_left])]
    return total


def _leaves(tree: Node | Vector) -> list[Vector]:
    found, waiting = [], [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Node):
            waiting += (node.left, node.right)
        else:
            found.append(node)
    return found


def _shift(shift: int, x: Rows) -> int:
    """Return the shift, at most what numpy does to a word: more leaves nothing but the sign either way."""
    return shift if x.dtype == object else min(shift, 63)


def _integers(values: Vector) -> Rows:
    """Return numbers as int64 where they fit, else as Python's."""
    import numpy as np

    return np.array(values, dtype=np.int64 if all(abs(value) < _WORD for value in values) else object)
