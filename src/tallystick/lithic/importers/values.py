"""What flows along the edges of a graph while it is read, and how tensors of it are moved, scaled and joined.

A batch is read as one row, for a kernel answers one input at a time: a free first axis counts 1. A value is either an
array that does not depend on the input, or one of the classes below.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from tallystick.core.errors import InvalidInput
from tallystick.core.limits import ONNX_KERNEL_ELEMENTS_MAX, ONNX_KERNEL_RANK_MAX
from tallystick.lithic.importers.joining import aligned
from tallystick.lithic.importers.linear import Array, Function, Linear, Mapped, added, constant, mapped, stack

Constant = np.ndarray[Any, np.dtype[Any]]
Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Numbers:
    """A tensor whose elements, in row-major order, are the numbers of `linear`.

    whole  whether the graph has cut off what is behind the decimal point; such numbers are only compared
    """

    shape: Shape
    linear: Linear
    whole: bool = False


@dataclass(frozen=True, eq=False)
class Curve:
    """A tensor that no step can compute, but that orders its elements as the numbers of `scores` do, or is one number.

    softmax, log softmax  of all scores
    share                 each score as a part of their sum
    exp, root             of each score
    exp and one           1 + exp(score)
    log sum, sum of exp   one number: of all scores
    """

    kind: Literal["softmax", "log softmax", "share", "exp", "root", "exp and one", "log sum", "sum of exp"]
    shape: Shape
    scores: Linear


@dataclass(frozen=True, eq=False)
class Choice:
    """The entry of `table` at the place of the greatest score, the first of equals.

    is_nearest  whether the graph looked for the least of some distances instead
    """

    shape: Shape
    scores: Linear
    table: Constant
    is_nearest: bool = False


@dataclass(frozen=True)
class Unclear:
    """A value that runtimes disagree on; refused where it is used."""

    why: str
    hint: str


Value = Constant | Numbers | Curve | Choice | Unclear


def moved(value: Value, move: Callable[[Constant], Constant]) -> Value:
    """Return a tensor whose elements are moved by `move`, which is shown their places; a place of -1 becomes zero."""
    if isinstance(value, np.ndarray):
        return np.asarray(move(value))
    if isinstance(value, Numbers):
        places = move(np.arange(len(value.linear)).reshape(value.shape))
        return replace(value, shape=places.shape, linear=value.linear.take(places.ravel()))
    if isinstance(value, Unclear):
        return value
    count = int(np.prod(value.shape))
    places = move(np.arange(count).reshape(value.shape))
    if count == places.size and np.array_equal(places.ravel(), np.arange(count)):
        return replace(value, shape=places.shape)
    if isinstance(value, Choice):  # one label, whatever is done to its axes
        return replace(value, shape=places.shape)
    raise InvalidInput("onnx.branches", "a part of what is no longer affine is taken", got=value.kind)


def spread(shapes: list[Shape]) -> Shape:
    """Return the shape that NumPy broadcasts these to; raises InvalidInput "onnx.shape", "onnx.size"."""
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        raise InvalidInput("onnx.shape", "two tensors do not fit each other", got=ascii(shapes)[:80]) from None
    check_shape(shape)
    return shape


def check_shape(shape: Shape) -> None:
    """Return if a tensor of this shape is small enough; raises InvalidInput "onnx.size", "onnx.shape"."""
    if len(shape) > ONNX_KERNEL_RANK_MAX or any(axis < 0 for axis in shape):
        raise InvalidInput("onnx.shape", "not the shape of a tensor", expected=f"≤ {ONNX_KERNEL_RANK_MAX} axes")
    count = 1
    for axis in shape:
        count *= axis
        if count > ONNX_KERNEL_ELEMENTS_MAX:
            raise InvalidInput("onnx.size", "a tensor is too large", expected=f"≤ {ONNX_KERNEL_ELEMENTS_MAX}")


def widened(value: Numbers | Constant, shape: Shape) -> Value:
    """Return a tensor broadcast to `shape`."""
    return moved(value, lambda places: np.broadcast_to(places, shape))


def sum_of(left: Numbers, right: Numbers | Constant) -> Numbers:
    """Return left + right, broadcast."""
    shape = spread([left.shape, right.shape])
    wide = _linear(widened(left, shape))
    if isinstance(right, Numbers):
        first, second = aligned([wide, _linear(widened(right, shape))])
        return Numbers(shape, added(first, second))
    return Numbers(shape, wide.plus(_flat(right, shape)))


def scaled(left: Numbers, factors: Constant) -> Numbers:
    """Return left · factors, broadcast."""
    shape = spread([left.shape, factors.shape])
    return Numbers(shape, _linear(widened(left, shape)).times(_flat(factors, shape)))


def product_of(left: Numbers, right: Numbers) -> Numbers:
    """Return left · right, broadcast, as ((left + right)² - (left - right)²) / 4."""
    shape = spread([left.shape, right.shape])
    a, b = aligned([_linear(widened(left, shape)), _linear(widened(right, shape))])
    if _is_same(a, b):
        return Numbers(shape, squared(a))
    sums, differences = squared(added(a, b)), squared(added(a, b.times(np.full(len(b), -1.0))))
    first, second = aligned([sums, differences])
    return Numbers(shape, added(first, second.times(np.full(len(b), -1.0))).times(np.full(len(b), 0.25)))


def squared(linear: Linear) -> Linear:
    """Return the square of each number: exact, and of an indicator itself."""
    if linear.index is None:
        return mapped(linear, (Function("square"),) * len(linear))
    layer = linear.layer
    scale, shift = linear.weights, linear.bias
    if isinstance(layer.origin, Mapped) and all(layer.origin.functions[k].kind in INDICATORS for k in linear.index):
        return Linear(layer, scale * scale + 2 * scale * shift, shift * shift, linear.index)
    used, places = np.unique(linear.index, return_inverse=True)
    atoms = layer.all.take(np.concatenate([used, used]))
    functions = (Function("pass"),) * len(used) + (Function("square"),) * len(used)
    powers = mapped(atoms, functions)
    plain = Linear(powers.layer, 2 * scale * shift, shift * shift, places)
    if np.all(plain.weights == 0.0):
        return Linear(powers.layer, scale * scale, shift * shift, places + len(used))
    return added(plain, Linear(powers.layer, scale * scale, np.zeros(len(linear)), places + len(used)))


INDICATORS = ("equals", "above", "reaches")


def joined(parts: list[Numbers | Constant], axis: int) -> Value:
    """Return the concatenation of tensors along an axis."""
    numbers = [part for part in parts if isinstance(part, Numbers)]
    if not numbers:
        return _together([part for part in parts if isinstance(part, np.ndarray)], axis)
    if any(isinstance(part, np.ndarray) and part.dtype.kind not in "fiub" for part in parts):
        raise InvalidInput("onnx.graph", "text is joined with numbers")
    layers = aligned([part.linear for part in numbers])
    rest = iter(layers)
    linears = [
        next(rest) if isinstance(part, Numbers) else constant(layers[0].layer, part.astype(np.float64).ravel())
        for part in parts
    ]
    ends = np.cumsum([0, *(len(linear) for linear in linears)])
    places = [np.arange(ends[k], ends[k + 1]).reshape(part.shape) for k, part in enumerate(parts)]
    order = _together(places, axis)
    whole = all(part.whole for part in numbers)
    return Numbers(order.shape, stack(linears).take(order.ravel()), whole and len(numbers) == len(parts))


def _together(parts: list[Constant], axis: int) -> Constant:
    try:
        return np.concatenate(parts, axis=axis)
    except (ValueError, TypeError):
        raise InvalidInput(
            "onnx.shape", "tensors do not fit each other", got=ascii([part.shape for part in parts])[:80]
        ) from None


def is_same(a: Linear, b: Linear) -> bool:
    """Whether two linears say the same of the same layer."""
    return a.layer is b.layer and len(a) == len(b) and _is_same(a, b)


def _is_same(a: Linear, b: Linear) -> bool:
    if not np.array_equal(a.bias, b.bias):
        return False
    if a.index is not None and b.index is not None:
        return np.array_equal(a.index, b.index) and np.array_equal(a.weights, b.weights)
    return np.array_equal(a.dense(), b.dense())


def _linear(value: Value) -> Linear:
    assert isinstance(value, Numbers)
    return value.linear


def _flat(values: Constant, shape: Shape) -> Array:
    return np.broadcast_to(values.astype(np.float64), shape).ravel()
