"""Exponentials, logarithms and roots: no step computes them, but at the end of a graph they spell a softmax, a sigmoid,
the probabilities of naive Bayes or a distance, and all of these keep the order of the scores within.
"""

from __future__ import annotations

import numpy as np

from tallystick.lithic.importers.functions import applied, negative
from tallystick.lithic.importers.linear import Function, Linear
from tallystick.lithic.importers.node import Node
from tallystick.lithic.importers.operators.reader import Operator
from tallystick.lithic.importers.values import Choice, Curve, Numbers, Value

ORDERED = frozenset({"softmax", "log softmax", "share", "exp", "root", "exp and one"})


def _exp(node: Node) -> list[Value]:
    value = node.value(0)
    if isinstance(value, Curve) and value.kind == "log softmax":
        return [Curve("softmax", value.shape, value.scores)]
    tensor = node.tensor(0)
    if isinstance(tensor, Numbers):
        return [Curve("exp", tensor.shape, tensor.linear)]
    return [np.asarray(np.exp(tensor))]


def _log(node: Node) -> list[Value]:
    value = node.value(0)
    if isinstance(value, Curve) and value.kind == "sum of exp":
        return [Curve("log sum", value.shape, value.scores)]
    if isinstance(value, Curve) and value.kind == "softmax":
        return [Curve("log softmax", value.shape, value.scores)]
    tensor = node.tensor(0)
    if isinstance(tensor, Numbers):
        raise node.unsupported("takes the logarithm of a number that depends on the input", "only of a softmax")
    return [np.asarray(np.log(tensor))]


def _root(node: Node) -> list[Value]:
    value = node.tensor(0)
    if isinstance(value, Numbers):
        return [Curve("root", value.shape, value.linear)]
    return [np.asarray(np.sqrt(value))]


def _reciprocal(node: Node) -> list[Value]:
    value = node.value(0)
    if isinstance(value, Curve) and value.kind == "exp and one":
        return [applied(Numbers(value.shape, negative(value.scores)), Function("sigmoid"))]
    return [1.0 / node.reals(0)]


def _softmax(node: Node) -> list[Value]:
    value = node.numbers(0)
    check_alone(node, value.shape, node.integer("axis", 1 if node.opset < 13 else -1), to_end=node.opset < 13)
    return [Curve("softmax", value.shape, value.linear)]


def _log_softmax(node: Node) -> list[Value]:
    value = node.numbers(0)
    check_alone(node, value.shape, node.integer("axis", 1 if node.opset < 13 else -1), to_end=node.opset < 13)
    return [Curve("log softmax", value.shape, value.linear)]


def check_alone(node: Node, shape: tuple[int, ...], axis: int, *, to_end: bool = False) -> int:
    """Return the axis, counted from the front, if it holds every element; `to_end`: it and those after it do."""
    if not -len(shape) <= axis < len(shape):
        raise node.unsupported(f"there is no axis {axis}")
    axis %= len(shape)
    held = np.prod(shape[axis:]) if to_end else shape[axis]
    if held != np.prod(shape) or not held:
        raise node.unsupported(
            "works along an axis that does not hold all scores of a row", "a kernel answers one row at a time"
        )
    return axis


def _greatest(node: Node) -> list[Value]:
    return [_choice(node, is_nearest=False)]


def _least(node: Node) -> list[Value]:
    return [_choice(node, is_nearest=True)]


def _choice(node: Node, *, is_nearest: bool) -> Choice:
    axis, keeps = node.integer("axis", 0), node.integer("keepdims", 1)
    if node.integer("select_last_index", 0):
        raise node.unsupported("takes the last of equal scores; kernels take the first")
    shape, scores = _ordered(node)
    axis = check_alone(node, shape, axis)
    shape = tuple(1 if k == axis else size for k, size in enumerate(shape) if keeps or k != axis)
    return Choice(shape, negative(scores) if is_nearest else scores, np.arange(len(scores)), is_nearest)


def _ordered(node: Node) -> tuple[tuple[int, ...], Linear]:
    value = node.value(0)
    if isinstance(value, Curve) and value.kind in ORDERED:
        return value.shape, value.scores
    numbers = node.numbers(0)
    return numbers.shape, numbers.linear


OPERATORS = {
    "Exp": Operator(_exp, "as part of a softmax or sigmoid"),
    "Log": Operator(_log, "of a softmax"),
    "Sqrt": Operator(_root, "at the end"),
    "Reciprocal": Operator(_reciprocal, "as part of a sigmoid"),
    "Softmax": Operator(_softmax, "at the end, or before ArgMax"),
    "LogSoftmax": Operator(_log_softmax, "at the end, or before ArgMax"),
    "ArgMax": Operator(_greatest, "of all scores"),
    "ArgMin": Operator(_least, "of all scores"),
}
