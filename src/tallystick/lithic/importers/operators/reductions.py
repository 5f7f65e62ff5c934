"""Reductions along axes: sums and means are rows of weights, greatest and least are groups, products are squares."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tallystick.core.errors import InvalidInput
from tallystick.lithic.importers.functions import negative
from tallystick.lithic.importers.linear import Array, Greatest, Indices, Layer, Linear, check_size
from tallystick.lithic.importers.node import Node, shown
from tallystick.lithic.importers.operators.reader import Operator
from tallystick.lithic.importers.values import Constant, Curve, Numbers, Value, product_of, squared

Shape = tuple[int, ...]


def _axes(node: Node, shape: Shape, inputs_from: int) -> tuple[tuple[int, ...], bool]:
    """Return the axes of a reduction, and whether they stay as axes of one; they were an attribute once."""
    keeps, is_idle = bool(node.integer("keepdims", 1)), node.integer("noop_with_empty_axes", 0) == 1
    if node.opset < inputs_from:
        axes = node.integers("axes", ())
    else:
        axes = () if node.value(1) is None else node.whole(1)
    if not axes:
        axes = () if is_idle else tuple(range(len(shape)))
    if any(not -len(shape) <= axis < len(shape) for axis in axes):
        raise InvalidInput("onnx.shape", f"{node} reduces an axis that is not there", got=shown(axes))
    return tuple(sorted({axis % len(shape) for axis in axes})), keeps


def _grouped(shape: Shape, axes: tuple[int, ...], keeps: bool) -> tuple[Indices, Shape]:
    """Return the places of each group, a row each, and the shape of what is left."""
    places = np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)
    rest = [axis for axis in range(len(shape)) if axis not in axes]
    count = int(np.prod([shape[axis] for axis in rest], dtype=np.int64))
    groups = places.transpose([*rest, *axes]).reshape(count, -1 if count and places.size else 0)
    left = tuple(1 if axis in axes else shape[axis] for axis in range(len(shape)) if keeps or axis not in axes)
    return groups, left


def _rows(groups: Indices, count: int) -> Array:
    check_size(len(groups) * count)
    matrix = np.zeros((len(groups), count))
    np.put_along_axis(matrix, groups, 1.0, axis=1)
    return matrix


def _sum(node: Node) -> list[Value]:
    value = node.value(0)
    if isinstance(value, Curve) and value.kind == "exp":
        axes, keeps = _axes(node, value.shape, 13)
        groups, shape = _grouped(value.shape, axes, keeps)
        _check_one(node, groups)
        return [Curve("sum of exp", shape, value.scores)]
    return [_summed(node, node.tensor(0), 13)]


def _summed(node: Node, value: Numbers | Constant, inputs_from: int) -> Numbers | Constant:
    axes, keeps = _axes(node, value.shape, inputs_from)
    if isinstance(value, np.ndarray):
        return np.asarray(value.sum(axis=axes, keepdims=keeps))
    groups, shape = _grouped(value.shape, axes, keeps)
    return Numbers(shape, value.linear.through(_rows(groups, len(value.linear))))


def _mean(node: Node) -> list[Value]:
    value = node.tensor(0)
    axes, _ = _axes(node, value.shape, 18)
    count = int(np.prod([value.shape[axis] for axis in axes], dtype=np.int64))
    total = _summed(node, value, 18)
    if isinstance(total, np.ndarray):
        return [total / count]
    return [Numbers(total.shape, total.linear.times(np.full(len(total.linear), 1.0 / max(count, 1))))]


def _sum_of_squares(node: Node) -> list[Value]:
    value = node.tensor(0)
    if isinstance(value, np.ndarray):
        return [_summed(node, np.asarray(value * value), 18)]
    return [_summed(node, Numbers(value.shape, squared(value.linear)), 18)]


def _log_sum(node: Node) -> list[Value]:
    value = node.tensor(0)
    axes, keeps = _axes(node, value.shape, 18)
    if isinstance(value, np.ndarray):
        return [np.asarray(np.log(np.exp(value).sum(axis=axes, keepdims=keeps)))]
    groups, shape = _grouped(value.shape, axes, keeps)
    _check_one(node, groups)
    return [Curve("log sum", shape, value.linear)]


def _check_one(node: Node, groups: Indices) -> None:
    if len(groups) != 1:
        raise node.unsupported(
            "sums over an axis that does not hold all scores of a row", "a kernel answers one row at a time"
        )


def _extreme(sign: float) -> Callable[[Node], list[Value]]:
    def read(node: Node) -> list[Value]:
        value = node.tensor(0)
        axes, keeps = _axes(node, value.shape, 18)
        if isinstance(value, np.ndarray):
            if not value.size:
                raise InvalidInput("onnx.shape", f"{node} reduces nothing")
            return [(np.max if sign > 0 else np.min)(value, axis=axes, keepdims=keeps)]
        groups, shape = _grouped(value.shape, axes, keeps)
        linear = greatest(value.linear if sign > 0 else negative(value.linear), groups)
        return [Numbers(shape, linear if sign > 0 else negative(linear))]

    return read


def greatest(linear: Linear, groups: Indices) -> Linear:
    """Return the greatest number of each group; a place of -1 is none."""
    lists = tuple(tuple(int(place) for place in group if place >= 0) for group in groups)
    if not all(lists):
        raise InvalidInput("onnx.shape", "the greatest of no numbers is asked for")
    return Layer(Greatest(linear, lists)).all


def _product(node: Node) -> list[Value]:
    value = node.tensor(0)
    axes, keeps = _axes(node, value.shape, 18)
    if isinstance(value, np.ndarray):
        return [np.asarray(np.prod(value, axis=axes, keepdims=keeps))]
    groups, shape = _grouped(value.shape, axes, keeps)
    width = groups.shape[1]
    if width not in (1, 2):
        raise node.unsupported(
            "multiplies more than two numbers", "polynomial features of the second degree are supported"
        )
    first, *second = (Numbers(shape, value.linear.take(groups[:, k])) for k in range(width))
    return [product_of(first, second[0]) if second else first]


OPERATORS = {
    "ReduceSum": Operator(_sum),
    "ReduceMean": Operator(_mean),
    "ReduceSumSquare": Operator(_sum_of_squares),
    "ReduceLogSumExp": Operator(_log_sum, "of all scores, as part of a softmax"),
    "ReduceMax": Operator(_extreme(1.0)),
    "ReduceMin": Operator(_extreme(-1.0)),
    "ReduceProd": Operator(_product, "of one or two numbers"),
}
