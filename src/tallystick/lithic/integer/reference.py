"""The reference: what the answer is, in a page of Python that needs no library and never rounds.

Slow and plain on purpose. The EVM kernel is held to this, number by number.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index

from tallystick.core.errors import InvalidInput
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


def predict(model: IntegerModel, x: Sequence[int]) -> Vector:
    """Return the answer for one input: the decision, where the model makes one, then every score.

    raises  InvalidInput "kernel.input" when x has another length or leaves the declared ranges
    """
    return decide(model, evaluate(model, x)[-1])


def decide(model: IntegerModel, scores: Vector) -> Vector:
    """Return the answer that goes with these scores: the decision before them, where the model makes one."""
    match model.decision:
        case "argmax":
            return (max(range(len(scores)), key=lambda k: (scores[k], -k)), *scores)
        case "positive":
            return (int(scores[0] > 0), *scores)
    return scores


def evaluate(model: IntegerModel, x: Sequence[int]) -> list[Vector]:
    """Return the vector that goes into the first step, and what comes out of each; raises as `predict`."""
    vectors = [check_input(model.input, x)]
    for step in model.steps:
        vectors.append(apply(step, vectors[-1]))
    return vectors


def apply(step: Step, x: Vector) -> Vector:
    """Return what `step` makes of `x`."""
    match step:
        case Dense(weights, bias):
            return tuple(
                b + sum(w * v for w, v in zip(row, x, strict=True)) for row, b in zip(weights, bias, strict=True)
            )
        case Relu(shift, cap):
            return tuple(_capped(max(z, 0) >> shift, cap) for z in x)
        case Shift(shift):
            return tuple(z >> shift for z in x)
        case Table(shift, low, values):
            return tuple(values[min(max((z >> shift) - low, 0), len(values) - 1)] for z in x)
        case Squares():
            return (*x, *(z * z for z in x))
        case OneHot(columns):
            return tuple(y for z, column in zip(x, columns, strict=True) for y in _indicators(z, column))
        case MaxPool(groups):
            return tuple(max(x[i] for i in group) for group in groups)
        case Trees(base, trees):
            leaves = [_leaf(tree, x) for tree in trees]
            return tuple(b + sum(leaf[k] for leaf in leaves) for k, b in enumerate(base))


def check_input(declared: Input, x: Sequence[int]) -> Vector:
    """Return the input as Python's own integers, which never wrap, if each is one and in its declared range.

    raises  InvalidInput "kernel.input"
    """
    if not hasattr(x, "__len__"):
        wanted = f"{len(declared.fields)} integers"
        raise InvalidInput("kernel.input", "the input is no row", expected=wanted, got=type(x).__name__)
    if len(x) != len(declared.fields):
        raise InvalidInput("kernel.input", "wrong number of fields", expected=len(declared.fields), got=len(x))
    found = []
    for field, value in zip(declared.fields, x, strict=True):
        try:
            found.append(index(value))
        except TypeError as error:
            raise InvalidInput(
                "kernel.input", f"{field.name} is no integer", expected="int", got=type(value).__name__
            ) from error
        if not field.low <= found[-1] <= field.high:
            raise InvalidInput(
                "kernel.input", f"{field.name} leaves its range", expected=f"{field.low} to {field.high}", got=value
            )
    return tuple(found)


def pack(declared: Input, x: Sequence[int]) -> bytes:
    """Return the packed input that a kernel takes; raises InvalidInput "kernel.input"."""
    return b"".join(value.to_bytes(declared.bits // 8, "big") for value in check_input(declared, x))


def unpack(declared: Input, data: bytes) -> Vector:
    """Return the fields of a packed input.

    raises  InvalidInput "kernel.input" where there are fewer bytes than fields have, or more
    """
    size = declared.bits // 8
    if len(data) != size * len(declared.fields):
        raise InvalidInput(
            "kernel.input", "a packed input of another length", expected=f"{size * len(declared.fields)} bytes",
            got=f"{len(data)} bytes",
        )  # fmt: skip
    return tuple(int.from_bytes(data[at : at + size]) for at in range(0, len(data), size))


def _capped(value: int, cap: int | None) -> int:
    return value if cap is None else min(value, cap)


def _indicators(value: int, column: Vector | None) -> Vector:
    return (value,) if column is None else tuple(int(value == category) for category in column)


def _leaf(tree: Node | Vector, x: Vector) -> Vector:
    while isinstance(tree, Node):
        tree = tree.left if x[tree.field] < tree.threshold else tree.right
    return tree
