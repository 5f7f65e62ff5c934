"""Operators that move, take or join elements and compute nothing; at run time they cost nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tallystick.core.errors import InvalidInput
from tallystick.lithic.importers.linear import Linear, Mapped
from tallystick.lithic.importers.node import Node, shown
from tallystick.lithic.importers.operators.reader import Operator
from tallystick.lithic.importers.values import (
    Choice,
    Constant,
    Curve,
    Numbers,
    Unclear,
    Value,
    check_shape,
    joined,
    moved,
    spread,
)

Shape = tuple[int, ...]
_FLOATS, _INTEGERS, _STRING, _BOOL = (1, 11), (2, 3, 4, 5, 6, 7, 12, 13), 8, 9


def shape_of(value: Value) -> Shape:
    """Return the shape of a tensor."""
    return tuple(value.shape) if isinstance(value, np.ndarray | Numbers | Curve | Choice) else ()


def _same(node: Node) -> list[Value]:
    value = node.inputs[0] if node.inputs else None
    return [value if isinstance(value, Unclear) else node.given(0)]


def _dropout(node: Node) -> list[Value]:
    for name in ("ratio", "seed", "is_test"):
        if node.has(name):
            node.real(name) if name == "ratio" else node.integer(name)
    if len(node.inputs) > 2 and node.value(2) is not None and np.any(node.constant(2)):
        raise node.unsupported("drops at random, as in training", "export the model for inference")
    return [node.given(0), *[np.array(True)] * (node.outputs - 1)]


def _cast(node: Node) -> list[Value]:
    value, kind = _same(node)[0], node.integer("to")
    node.integer("saturate", 1)
    if isinstance(value, Unclear):
        return [value]
    if isinstance(value, np.ndarray):
        return [_converted(node, value, kind)]
    if isinstance(value, Choice):
        return [replace(value, table=_converted(node, value.table, kind))]
    if kind in _FLOATS:
        return [value]
    if isinstance(value, Numbers) and kind in _INTEGERS:
        return [value if _is_indicator(value.linear) else replace(value, whole=True)]
    if isinstance(value, Numbers) and kind == _BOOL and _is_indicator(value.linear):
        return [value]
    if isinstance(value, Numbers) and kind == _BOOL and _is_positive(value.linear):
        return [np.ones(value.shape, dtype=bool)]
    raise node.unsupported(
        "casts what is computed from the input to another type", "labels, numbers and indicators may be cast"
    )


def _is_indicator(linear: Linear) -> bool:
    """Whether every number is 0 or 1."""
    origin = linear.layer.origin
    if not isinstance(origin, Mapped) or linear.index is None:
        return False
    kinds = {origin.functions[k].kind for k in linear.index}
    ends = np.stack([linear.bias, linear.bias + linear.weights])
    return kinds <= {"equals", "above", "reaches"} and bool(np.all((ends == 0.0) | (ends == 1.0)))


def _is_positive(linear: Linear) -> bool:
    """Whether every number is a positive sum of sigmoids: so that it is not zero, says a graph that asks."""
    origin = linear.layer.origin
    if not isinstance(origin, Mapped) or {function.kind for function in origin.functions} != {"sigmoid"}:
        return False
    weights = linear.dense()
    return bool(np.all(linear.bias >= 0.0) and np.all(weights >= 0.0) and np.all(weights.sum(axis=1) > 0.0))


def _converted(node: Node, values: Constant, kind: int) -> Constant:
    try:
        if kind in _FLOATS:
            return values.astype(np.float64)
        if kind in _INTEGERS:
            return values.astype(np.float64).astype(np.int64) if values.dtype.kind in "fO" else values.astype(np.int64)
        if kind == _BOOL and values.dtype.kind in "fiub":
            return values.astype(bool)
    except (ValueError, OverflowError, TypeError):
        raise InvalidInput("onnx.graph", f"{node} casts text that is no number") from None
    if kind == _STRING and values.dtype.kind in "iO":
        return np.array([str(value) for value in values.ravel()], dtype=object).reshape(values.shape)
    raise node.unsupported("casts to a type that is not supported")


def _reshape(node: Node) -> list[Value]:
    value, wanted = node.given(0), list(node.integers("shape") if node.opset < 5 else node.whole(1))
    given, zero_is_size = shape_of(value), node.integer("allowzero", 0)
    for at, size in enumerate(wanted):
        if size == 0 and not zero_is_size:
            if at >= len(given):
                raise InvalidInput("onnx.shape", f"{node} keeps an axis that is not there", got=shown(wanted))
            wanted[at] = given[at]
    count = math.prod(given)
    if wanted.count(-1) == 1:
        rest = math.prod(size for size in wanted if size != -1)
        wanted[wanted.index(-1)] = count // rest if rest else 0
    shape = tuple(wanted)
    check_shape(shape)
    if math.prod(shape) != count:
        raise InvalidInput(
            "onnx.shape", f"{node} does not keep the number of elements", expected=count, got=shown(wanted)
        )
    return [moved(value, lambda places: places.reshape(shape))]


def _flatten(node: Node) -> list[Value]:
    value, axis = node.given(0), node.integer("axis", 1)
    shape = shape_of(value)
    if not -len(shape) <= axis <= len(shape):
        raise InvalidInput("onnx.shape", f"{node} has no such axis", got=axis)
    axis = axis % len(shape) if axis < 0 else axis
    flat = (math.prod(shape[:axis]), math.prod(shape[axis:]))
    return [moved(value, lambda places: places.reshape(flat))]


def _transpose(node: Node) -> list[Value]:
    value = node.given(0)
    order = node.integers("perm") or tuple(reversed(range(len(shape_of(value)))))
    if sorted(order) != list(range(len(shape_of(value)))):
        raise InvalidInput("onnx.shape", f"{node} does not permute the axes", got=shown(order))
    return [moved(value, lambda places: places.transpose(order))]


def _squeeze(node: Node) -> list[Value]:
    value, shape = node.given(0), shape_of(node.given(0))
    axes = node.integers("axes") if node.opset < 13 else (() if node.value(1) is None else node.whole(1))
    gone = {_axis(node, axis, len(shape)) for axis in axes} or {k for k, size in enumerate(shape) if size == 1}
    if any(shape[axis] != 1 for axis in gone):
        raise InvalidInput("onnx.shape", f"{node} drops an axis that is not of one", got=shape)
    left = tuple(size for axis, size in enumerate(shape) if axis not in gone)
    return [moved(value, lambda places: places.reshape(left))]


def _unsqueeze(node: Node) -> list[Value]:
    value = node.given(0)
    axes = node.integers("axes") if node.opset < 13 else node.whole(1)
    rank = len(shape_of(value)) + len(axes)
    check_shape((1,) * rank)
    added = {_axis(node, axis, rank) for axis in axes}
    if len(added) != len(axes):
        raise InvalidInput("onnx.shape", f"{node} adds an axis twice", got=shown(axes))
    rest = iter(shape_of(value))
    shape = tuple(1 if axis in added else next(rest) for axis in range(rank))
    return [moved(value, lambda places: places.reshape(shape))]


def _axis(node: Node, axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise InvalidInput("onnx.shape", f"{node} has no such axis", got=axis)
    return axis % rank


def _slice(node: Node) -> list[Value]:
    value = node.given(0)
    rank = len(shape_of(value))
    if node.opset < 10:
        starts, ends, axes = node.integers("starts"), node.integers("ends"), node.integers("axes")
        steps: tuple[int, ...] = ()
    else:
        starts, ends = node.whole(1), node.whole(2)
        axes, steps = (() if node.value(k) is None else node.whole(k) for k in (3, 4))
    axes, steps = axes or tuple(range(len(starts))), steps or (1,) * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise InvalidInput("onnx.shape", f"{node} is malformed", got=shown((starts, ends, axes, steps)))
    cuts = [slice(None)] * rank
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        size = shape_of(value)[_axis(node, axis, rank)]
        stop = None if step < 0 and end < -size else end
        cuts[axis % rank] = slice(start, stop, step)
    return [moved(value, lambda places: places[tuple(cuts)])]


def _gather(node: Node) -> list[Value]:
    index = node.given(1)
    axis = node.integer("axis", 0)
    if isinstance(index, Choice):
        return [looked_up(node, node.constant(0), index)]
    value, places = node.given(0), node.constant(1)
    axis = _axis(node, axis, len(shape_of(value)))
    check_places(node, places, shape_of(value)[axis])
    check_shape((*shape_of(value)[:axis], *places.shape, *shape_of(value)[axis + 1 :]))
    return [moved(value, lambda held: np.take(held, places, axis=axis))]


def check_places(node: Node, places: Constant, count: int) -> None:
    """Return if every place is one of `count`; raises InvalidInput "onnx.shape"."""
    if places.dtype.kind not in "iu" or np.any(places < -count) or np.any(places >= count):
        raise InvalidInput("onnx.shape", f"{node} takes elements that are not there", expected=f"< {count}")


def looked_up(node: Node, table: Constant, choice: Choice) -> Choice:
    """Return the entry of a table at the place that was chosen."""
    if choice.table.dtype.kind not in "iu" or table.ndim > 2 or np.any(choice.table < 0):
        raise node.unsupported("looks up a label by what is no index")
    check_places(node, choice.table, table.size)
    return replace(choice, table=table.ravel()[choice.table])


def _concat(node: Node) -> list[Value]:
    parts: list[Numbers | Constant] = []
    for place in range(len(node.inputs)):
        value = node.given(place)
        parts.append(value if isinstance(value, Numbers | np.ndarray) else node.tensor(place))
    rank = len(parts[0].shape) if parts else 0
    axis = _axis(node, node.integer("axis", None if node.opset >= 4 else 1), rank)
    total = sum(part.shape[axis] if axis < len(part.shape) else 0 for part in parts)
    check_shape((*parts[0].shape[:axis], total, *parts[0].shape[axis + 1 :]))
    return [joined(parts, axis)]


def _split(node: Node) -> list[Value]:
    value, axis = node.given(0), node.integer("axis", 0)
    shape = shape_of(value)
    axis = _axis(node, axis, len(shape))
    sizes = node.integers("split") if node.opset < 13 else (() if node.value(1) is None else node.whole(1))
    if not sizes:
        count = node.integer("num_outputs", node.outputs)
        each = -(-shape[axis] // max(count, 1))
        sizes = tuple(min(each, shape[axis] - k * each) for k in range(node.outputs))
    if len(sizes) != node.outputs or sum(sizes) != shape[axis] or min(sizes) < 0:
        raise InvalidInput("onnx.shape", f"{node} does not split its axis", expected=shape[axis], got=shown(sizes))
    ends = np.cumsum(sizes)

    def part(k: int) -> Callable[[Constant], Constant]:
        return lambda places: np.take(places, np.arange(ends[k] - sizes[k], ends[k]), axis=axis)

    return [moved(value, part(k)) for k in range(len(sizes))]


def _expand(node: Node) -> list[Value]:
    value, wanted = node.given(0), node.whole(1)
    shape = spread([shape_of(value), wanted])
    return [moved(value, lambda places: np.broadcast_to(places, shape))]


def _shape(node: Node) -> list[Value]:
    shape = shape_of(node.given(0))
    start, end = node.integer("start", 0), node.integer("end", len(shape))
    return [np.array(shape[start:end], dtype=np.int64)]


def _filled(node: Node) -> list[Value]:
    shape = node.whole(0)
    check_shape(shape)
    value = node.array("value") if node.has("value") else np.zeros(1)
    if value.size != 1:
        raise InvalidInput("onnx.shape", f"{node} fills with one number", got=value.size)
    return [np.full(shape, value.ravel()[0])]


def _constant(node: Node) -> list[Value]:
    if node.has("value"):
        return [node.array("value")]
    if node.has("value_float"):
        return [np.array(node.real("value_float"))]
    if node.has("value_int"):
        return [np.array(node.integer("value_int"), dtype=np.int64)]
    if node.has("value_floats"):
        return [node.floats("value_floats")]
    if node.has("value_ints"):
        return [np.array(node.integers("value_ints"), dtype=np.int64)]
    raise node.unsupported("this kind of constant is not supported")


def _pad(node: Node) -> list[Value]:
    value = node.given(0)
    rank = len(shape_of(value))
    pads = node.integers("pads") if node.opset < 11 else node.whole(1)
    if node.text("mode", "constant") != "constant" or len(pads) != 2 * rank or min(pads, default=0) < 0:
        raise node.unsupported("only padding with zeros on all axes is supported")
    fill = node.real("value", 0.0) if node.opset < 11 else (0.0 if node.value(2) is None else node.reals(2))
    if np.any(fill) or isinstance(value, np.ndarray):
        raise node.unsupported("only padding of computed numbers with zeros is supported")
    check_shape(tuple(pads[k] + size + pads[k + rank] for k, size in enumerate(shape_of(value))))
    widths = [(pads[k], pads[k + rank]) for k in range(rank)]
    return [moved(value, lambda places: np.pad(places, widths, constant_values=-1))]


OPERATORS = {
    "Identity": Operator(_same),
    "Dropout": Operator(_dropout, "as in inference"),
    "Cast": Operator(_cast, "of labels, numbers and indicators"),
    "Reshape": Operator(_reshape),
    "Flatten": Operator(_flatten),
    "Transpose": Operator(_transpose),
    "Squeeze": Operator(_squeeze),
    "Unsqueeze": Operator(_unsqueeze),
    "Slice": Operator(_slice),
    "Gather": Operator(_gather),
    "Concat": Operator(_concat),
    "Split": Operator(_split),
    "Expand": Operator(_expand),
    "Shape": Operator(_shape),
    "ConstantOfShape": Operator(_filled),
    "Constant": Operator(_constant),
    "Pad": Operator(_pad, "with zeros"),
}
