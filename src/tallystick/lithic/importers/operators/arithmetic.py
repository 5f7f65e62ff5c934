"""Arithmetic: sums, products, comparisons, and the functions of single numbers that steps can compute."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tallystick.core.errors import InvalidInput
from tallystick.lithic.importers.functions import (
    applied,
    at_least,
    at_most,
    bent,
    greater_of,
    is_never_negative,
    negative,
)
from tallystick.lithic.importers.joining import aligned
from tallystick.lithic.importers.linear import Array, Function, Linear, mapped
from tallystick.lithic.importers.node import Node
from tallystick.lithic.importers.operators.reader import Operator
from tallystick.lithic.importers.values import (
    Constant,
    Curve,
    Numbers,
    Value,
    check_shape,
    is_same,
    product_of,
    scaled,
    spread,
    squared,
    sum_of,
    widened,
)


def _add(node: Node) -> list[Value]:
    for curve, other in ((0, 1), (1, 0)):
        value = node.value(curve)
        if isinstance(value, Curve) and value.kind == "exp" and np.all(node.reals(other) == 1.0):
            return [Curve("exp and one", value.shape, value.scores)]
    return [_total([node.tensor(place) for place in range(len(node.inputs))])]


def _mean(node: Node) -> list[Value]:
    total = _total([node.tensor(place) for place in range(len(node.inputs))])
    return [_times(total, np.array(1.0 / len(node.inputs)))]


def _total(parts: list[Numbers | Constant]) -> Numbers | Constant:
    if not parts:
        raise InvalidInput("onnx.graph", "a sum of nothing")
    total = parts[0]
    for part in parts[1:]:
        if isinstance(total, Numbers):
            total = sum_of(total, part)
        elif isinstance(part, Numbers):
            total = sum_of(part, total)
        else:
            total = _both(np.add, total, part)
    return total


def _both(function: Callable[..., Constant], left: Constant, right: Constant) -> Constant:
    spread([left.shape, right.shape])
    return np.asarray(function(left, right))


def _times(value: Numbers | Constant, factors: Constant) -> Numbers | Constant:
    return scaled(value, factors) if isinstance(value, Numbers) else _both(np.multiply, value, factors)


def _subtract(node: Node) -> list[Value]:
    log_softmax = _less_log_sum(node)
    if log_softmax is not None:
        return [log_softmax]
    left, right = node.tensor(0), node.tensor(1)
    return [_total([left, _times(right, np.array(-1))])]


def _less_log_sum(node: Node) -> Curve | None:
    left, right = node.value(0), node.value(1)
    if isinstance(left, Numbers) and isinstance(right, Curve) and right.kind == "log sum":
        if is_same(left.linear, right.scores):
            return Curve("log softmax", spread([left.shape, right.shape]), left.linear)
        raise node.unsupported("takes the logarithm of a sum from other numbers than were summed")
    return None


def _multiply(node: Node) -> list[Value]:
    value = node.value(0)
    if isinstance(value, Curve) and isinstance(node.value(1), np.ndarray) and np.all(node.reals(1) == 1.0):
        return [value]
    left, right = node.tensor(0), node.tensor(1)
    if isinstance(left, Numbers) and isinstance(right, Numbers):
        return [product_of(left, right)]
    if isinstance(right, Numbers):
        left, right = right, left
    assert isinstance(right, np.ndarray)
    return [_times(left, right)]


def _divide(node: Node) -> list[Value]:
    share = _share(node)
    if share is not None:
        return [share]
    divisor = node.value(1)
    if isinstance(divisor, Curve) and divisor.kind == "exp and one" and np.all(node.reals(0) == 1.0):
        return [applied(Numbers(divisor.shape, negative(divisor.scores)), _SIGMOID)]
    left, right = node.tensor(0), node.constant(1)
    if isinstance(left, np.ndarray) and left.dtype.kind in "iu" and right.dtype.kind in "iu":
        if np.any(right == 0):
            raise InvalidInput("onnx.value", f"{node} divides by zero")
        return [_both(lambda a, b: np.trunc(a / b).astype(np.int64), left, right)]
    return [_times(left, 1.0 / node.reals(1))]


def _share(node: Node) -> Curve | None:
    """Return a softmax spelled as exp(x) over its sum, or positive numbers over theirs."""
    left, right = node.value(0), node.value(1)
    if isinstance(left, Curve) and isinstance(right, Curve) and right.kind == "sum of exp" and left.kind == "exp":
        if is_same(left.scores, right.scores):
            return Curve("softmax", left.shape, left.scores)
        raise node.unsupported("divides by the sum of other numbers")
    if isinstance(left, Numbers) and isinstance(right, Numbers):
        whole = left.linear.through(np.ones((1, len(left.linear))))
        first, second = aligned([whole, right.linear])
        is_sum = (
            len(second) == 1 and np.allclose(first.dense(), second.dense()) and np.allclose(first.bias, second.bias)
        )
        if is_sum and is_never_negative(left.linear):
            return Curve("share", left.shape, left.linear)
        raise node.unsupported(
            "divides by a number that depends on the input", "only probabilities may be divided, by their sum"
        )
    return None


def _negate(node: Node) -> list[Value]:
    return [_times(node.tensor(0), np.array(-1))]


def _power(node: Node) -> list[Value]:
    base, exponent = node.tensor(0), node.reals(1)
    if isinstance(base, np.ndarray):
        return [_both(np.power, base.astype(np.float64), exponent)]
    shape = spread([base.shape, exponent.shape])
    if np.all(exponent == 2.0):
        return [Numbers(shape, squared(_wide(base, shape)))]
    if np.all(exponent == 1.0):
        return [Numbers(shape, _wide(base, shape))]
    raise node.unsupported("only squares are supported")


def _of_each(function: Function, name: Callable[[Array], Array]) -> Callable[[Node], list[Value]]:
    def read(node: Node) -> list[Value]:
        value = node.tensor(0)
        return [applied(value, function) if isinstance(value, Numbers) else np.asarray(name(value.astype(np.float64)))]

    return read


def _clip(node: Node) -> list[Value]:
    value = node.tensor(0)
    if node.opset < 11:
        bounds = node.real("min", -np.inf), node.real("max", np.inf)
    else:
        bounds = _bound(node, 1, -np.inf), _bound(node, 2, np.inf)
    low, high = (bound if abs(bound) < np.finfo(np.float32).max else np.sign(bound) * np.inf for bound in bounds)
    if isinstance(value, np.ndarray):
        return [np.clip(value, low, high)]
    linear, count = value.linear, len(value.linear)
    if np.isfinite(low):
        linear = at_least(linear, np.full(count, low))
    if np.isfinite(high):
        linear = at_most(linear, np.full(count, high))
    return [Numbers(value.shape, linear)]


def _bound(node: Node, place: int, default: float) -> float:
    if node.value(place) is None:
        return default
    bound = node.reals(place)
    if bound.size != 1:
        raise InvalidInput("onnx.shape", f"{node} takes one bound", got=bound.shape)
    return float(bound.ravel()[0])


def _leaky(node: Node) -> list[Value]:
    value, slope = node.numbers(0), node.real("alpha", 0.01)
    return [Numbers(value.shape, bent(value.linear, np.full(len(value.linear), slope)))]


def _prelu(node: Node) -> list[Value]:
    value = node.numbers(0)
    slopes = np.broadcast_to(node.reals(1), spread([value.shape, node.reals(1).shape]))
    if slopes.shape != value.shape:
        raise InvalidInput("onnx.shape", f"{node} has too many slopes", expected=value.shape, got=slopes.shape)
    return [Numbers(value.shape, bent(value.linear, slopes.ravel()))]


def _absolute(node: Node) -> list[Value]:
    value = node.tensor(0)
    if isinstance(value, np.ndarray):
        return [np.abs(value)]
    return [Numbers(value.shape, bent(value.linear, np.full(len(value.linear), -1.0)))]


def _extreme(sign: float) -> Callable[[Node], list[Value]]:
    def read(node: Node) -> list[Value]:
        parts = [node.tensor(place) for place in range(max(len(node.inputs), 1))]
        numbers = [part for part in parts if isinstance(part, Numbers)]
        result: Numbers | Constant = parts[0] if not numbers else numbers[0]
        for part in parts:
            if part is not result:
                result = _greater(result, part, sign)
        return [result]

    return read


def _greater(left: Numbers | Constant, right: Numbers | Constant, sign: float) -> Numbers | Constant:
    shape = spread([left.shape, right.shape])
    if not isinstance(left, Numbers):
        assert isinstance(right, np.ndarray)
        return np.maximum(left, right) if sign > 0 else np.minimum(left, right)
    wide = _wide(left, shape)
    if isinstance(right, np.ndarray):
        bounds = np.broadcast_to(right.astype(np.float64), shape).ravel()
        return Numbers(shape, at_least(wide, bounds) if sign > 0 else at_most(wide, bounds))
    other = _wide(right, shape)
    if sign > 0:
        return Numbers(shape, greater_of(wide, other))
    return Numbers(shape, negative(greater_of(negative(wide), negative(other))))


def _wide(numbers: Numbers, shape: tuple[int, ...]) -> Linear:
    check_shape(shape)
    wide = widened(numbers, shape)
    assert isinstance(wide, Numbers)
    return wide.linear


def _compare(kind: str, is_turned: bool, name: Callable[..., Constant]) -> Callable[[Node], list[Value]]:
    """Return the reader of a comparison: x > bound or x ≥ bound, or the opposite of one."""

    def read(node: Node) -> list[Value]:
        left, right = node.tensor(0), node.tensor(1)
        if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
            return [_both(name, left, right)]
        turned = is_turned
        if not isinstance(left, Numbers) or not isinstance(right, np.ndarray):
            raise node.unsupported(
                "compares with a number that depends on the input, or the other way round", "compare it with 0"
            )
        shape = spread([left.shape, right.shape])
        wide, bounds = _wide(left, shape), np.broadcast_to(right.astype(np.float64), shape).ravel()
        functions = tuple(Function(kind, float(bound)) for bound in bounds)  # type: ignore[arg-type]
        return [Numbers(shape, _indicated(wide, functions, turned))]

    return read


def _indicated(linear: Linear, functions: tuple[Function, ...], is_turned: bool) -> Linear:
    found = mapped(linear, functions)
    return negative(found).plus(np.ones(len(found))) if is_turned else found


def _equal(node: Node) -> list[Value]:
    left, right = node.given(0), node.given(1)
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        return [_both(np.equal, left, right)]
    if isinstance(left, Numbers) and isinstance(right, np.ndarray) and right.dtype.kind in "fiub":
        shape = spread([left.shape, right.shape])
        categories = np.broadcast_to(right.astype(np.float64), shape).ravel()
        functions = tuple(Function("equals", float(category)) for category in categories)
        return [Numbers(shape, _indicated(_wide(left, shape), functions, False))]
    raise node.unsupported("compares what is no plain number")


def _not(node: Node) -> list[Value]:
    value = node.tensor(0)
    if isinstance(value, np.ndarray):
        return [np.logical_not(value)]
    return [Numbers(value.shape, negative(value.linear).plus(np.ones(len(value.linear))))]


def _where(node: Node) -> list[Value]:
    condition = node.tensor(0)
    if isinstance(condition, np.ndarray):
        kept = condition.astype(bool).astype(np.float64)
        return [_total([_times(node.tensor(1), kept), _times(node.tensor(2), 1.0 - kept)])]
    yes, no = node.reals(1), node.reals(2)
    return [sum_of(scaled(condition, _both(np.subtract, yes, no)), no)]


_SIGMOID, _TANH, _RELU = Function("sigmoid"), Function("tanh"), Function("relu")

OPERATORS = {
    "Add": Operator(_add),
    "Sum": Operator(_add),
    "Mean": Operator(_mean),
    "Sub": Operator(_subtract),
    "Mul": Operator(_multiply),
    "Div": Operator(_divide, "by numbers of the model, or by the sum of what is divided"),
    "Neg": Operator(_negate),
    "Pow": Operator(_power, "squares"),
    "Relu": Operator(_of_each(_RELU, lambda x: np.maximum(x, 0.0))),
    "Sigmoid": Operator(_of_each(_SIGMOID, lambda x: 1.0 / (1.0 + np.exp(-x)))),
    "Tanh": Operator(_of_each(_TANH, np.tanh)),
    "LeakyRelu": Operator(_leaky),
    "PRelu": Operator(_prelu),
    "Clip": Operator(_clip),
    "Abs": Operator(_absolute),
    "Max": Operator(_extreme(1.0)),
    "Min": Operator(_extreme(-1.0)),
    "Greater": Operator(_compare("above", False, np.greater), "with numbers of the model"),
    "GreaterOrEqual": Operator(_compare("reaches", False, np.greater_equal), "with numbers of the model"),
    "Less": Operator(_compare("reaches", True, np.less), "with numbers of the model"),
    "LessOrEqual": Operator(_compare("above", True, np.less_equal), "with numbers of the model"),
    "Equal": Operator(_equal, "with numbers of the model"),
    "Not": Operator(_not),
    "Where": Operator(_where, "choosing between numbers of the model, or by a condition that is one"),
}
