"""Where two branches of a graph meet: one layer that holds the numbers of both.

A branch that is behind is handed on unchanged until both are equally deep; then the layers are joined from the input
upward. What cannot stand side by side in one step of a model (trees beside a pass, say) is refused.
"""

from __future__ import annotations

import numpy as np

from tallystick.core.errors import InvalidInput
from tallystick.lithic.floats import Fork
from tallystick.lithic.importers.linear import (
    Forest,
    Function,
    Greatest,
    Indices,
    Layer,
    Linear,
    Mapped,
    Tree,
    check_size,
    stack,
)

PASS = Function("pass")


def aligned(parts: list[Linear]) -> list[Linear]:
    """Return the same numbers, all affine in one layer; raises InvalidInput "onnx.branches", "onnx.size"."""
    layer = parts[0].layer
    moved = [parts[0]]
    for part in parts[1:]:
        layer, before, after = _join(layer, part.layer)
        moved = [_moved(one, layer, before) for one in moved]
        moved.append(_moved(part, layer, after))
    return moved


def _moved(linear: Linear, layer: Layer, places: Indices) -> Linear:
    """Return a linear over a layer whose atom k is at places[k] of the new one."""
    if linear.layer is layer:
        return linear
    if linear.index is not None:
        return Linear(layer, linear.weights, linear.bias, places[linear.index])
    check_size(len(linear) * layer.width)
    weights = np.zeros((len(linear), layer.width))
    weights[:, places] = linear.weights
    return Linear(layer, weights, linear.bias)


def _join(a: Layer, b: Layer) -> tuple[Layer, Indices, Indices]:
    """Return a layer that holds the numbers of both, and where those of each are in it."""
    if a is b:
        places = np.arange(a.width)
        return a, places, places
    if a.depth != b.depth:
        behind, ahead = (a, b) if a.depth < b.depth else (b, a)
        passed = Layer(Mapped(behind.all, (PASS,) * behind.width))
        joined, first, second = _join(passed, ahead)
        return (joined, first, second) if behind is a else (joined, second, first)
    parent, before, after = _join(a.rows.layer, b.rows.layer)
    rows = stack([_moved(a.rows, parent, before), _moved(b.rows, parent, after)])
    places = np.arange(a.width + b.width)
    return Layer(_side_by_side(a, b, rows)), places[: a.width], places[a.width :]


def _side_by_side(a: Layer, b: Layer, rows: Linear) -> Mapped | Greatest | Forest:
    offset = len(a.rows)
    match a.origin, b.origin:
        case Mapped(_, left), Mapped(_, right):
            return Mapped(rows, left + right)
        case Forest(_, left_trees, left_outputs), Forest(_, right_trees, right_outputs):
            before, after = (0.0,) * left_outputs, (0.0,) * right_outputs
            trees = [_shifted(tree, 0, (), after) for tree in left_trees]
            trees += [_shifted(tree, offset, before, ()) for tree in right_trees]
            return Forest(rows, tuple(trees), left_outputs + right_outputs)
    groups = (*_groups(a, 0), *_groups(b, offset))
    return Greatest(rows, groups)


def _groups(layer: Layer, offset: int) -> tuple[tuple[int, ...], ...]:
    match layer.origin:
        case Greatest(_, groups):
            return tuple(tuple(k + offset for k in group) for group in groups)
        case Mapped(_, functions) if all(function == PASS for function in functions):
            return tuple((k + offset,) for k in range(len(functions)))
    raise InvalidInput(
        "onnx.branches",
        "two branches of the graph meet that no single step can compute side by side",
        hint="a model is one chain of steps; only scalers, one-hot encoders and the like may stand beside each other",
    )


def _shifted(tree: Tree, offset: int, before: tuple[float, ...], after: tuple[float, ...]) -> Tree:
    if not isinstance(tree, Fork):
        return (*before, *tree, *after)
    left, right = (_shifted(side, offset, before, after) for side in (tree.left, tree.right))
    return Fork(tree.feature + offset, tree.threshold, left, right, tree.strict)
