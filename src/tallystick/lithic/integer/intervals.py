"""Interval analysis: from the declared ranges of the inputs, what every number of a model can be.

Sound for any input in range: a number never leaves its interval. Exact for the first dense step, and possibly loose
after it, because it forgets that numbers come from the same input.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from tallystick.core.errors import InvalidInput
from tallystick.lithic.integer.model import (
    Dense,
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

_WORD_HALF: Final = 1 << 255


class Interval(NamedTuple):
    """All integers from `low` to `high`."""

    low: int
    high: int

    def scaled(self, factor: int) -> Interval:
        """Return what `factor` times a number of this interval can be."""
        ends = (self.low * factor, self.high * factor)
        return Interval(min(ends), max(ends))


Intervals = tuple[Interval, ...]


def intervals(model: IntegerModel) -> list[Intervals]:
    """Return the intervals of the vector that goes into the first step, and of what comes out of each.

    raises  InvalidInput "kernel.overflow" when a number could need more than the 256 bits of an EVM word
    """
    found = [tuple(Interval(field.low, field.high) for field in model.input.fields)]
    for at, step in enumerate(model.steps):
        found.append(after(step, found[-1]))
        for number in found[-1]:
            if number.low < -_WORD_HALF or number.high >= _WORD_HALF:
                bits = max(number.low.bit_length(), number.high.bit_length()) + 1
                raise InvalidInput(
                    "kernel.overflow", f"a number of step {at} needs more than a word", expected="≤ 256 bits", got=bits
                )
    return found


def after(step: Step, x: Intervals) -> Intervals:
    """Return what can come out of `step` when what goes in is within `x`."""
    match step:
        case Dense(weights, bias):
            return tuple(dot(row, x, b) for row, b in zip(weights, bias, strict=True))
        case Relu(shift, cap):
            return tuple(Interval(_relu(low, shift, cap), _relu(high, shift, cap)) for low, high in x)
        case Shift(shift):
            return tuple(Interval(low >> shift, high >> shift) for low, high in x)
        case Table(shift, low, values):
            return tuple(_looked_up(Interval(z.low >> shift, z.high >> shift), low, values) for z in x)
        case Squares():
            return (*x, *(_square(z) for z in x))
        case OneHot(columns):
            return tuple(y for z, column in zip(x, columns, strict=True) for y in _indicators(z, column))
        case MaxPool(groups):
            return tuple(Interval(max(x[i].low for i in g), max(x[i].high for i in g)) for g in groups)
        case Trees(base, trees):
            leaves = [_leaves(tree, len(base)) for tree in trees]
            return tuple(
                Interval(b + sum(leaf[k].low for leaf in leaves), b + sum(leaf[k].high for leaf in leaves))
                for k, b in enumerate(base)
            )


def dot(row: Vector, x: Intervals, bias: int = 0) -> Interval:
    """Return what bias + Σ row_i · x_i can be."""
    parts = [z.scaled(weight) for weight, z in zip(row, x, strict=True) if weight]
    return Interval(bias + sum(part.low for part in parts), bias + sum(part.high for part in parts))


def _relu(z: int, shift: int, cap: int | None) -> int:
    value = max(z, 0) >> shift
    return value if cap is None else min(value, cap)


def _looked_up(index: Interval, low: int, values: Vector) -> Interval:
    last = len(values) - 1
    first, until = (min(max(end - low, 0), last) for end in index)
    reached = values[first : until + 1]
    return Interval(min(reached), max(reached))


def _square(z: Interval) -> Interval:
    ends = (z.low * z.low, z.high * z.high)
    return Interval(0 if z.low <= 0 <= z.high else min(ends), max(ends))


def _indicators(z: Interval, column: Vector | None) -> Intervals:
    if column is None:
        return (z,)
    return tuple(Interval(int(z == (c, c)), int(z.low <= c <= z.high)) for c in column)


def _leaves(tree: Node | Vector, width: int) -> Intervals:
    found, waiting = [], [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Node):
            waiting += (node.left, node.right)
        else:
            found.append(node)
    return tuple(Interval(min(leaf[k] for leaf in found), max(leaf[k] for leaf in found)) for k in range(width))
