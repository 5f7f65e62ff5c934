"""What the importer knows of a number: it is affine in the numbers of a layer.

A layer is a vector that is computed from the one before it; the first is the model's input. Between two layers stands
whatever is not affine: functions of single numbers, greatest of groups, trees. Scalers, convolutions, average pools,
batch norms, slices and their like never make a layer: they change the rows of a `Linear`. See `joining` for what
happens where two branches of a graph meet, `chain` for how layers become the steps of a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from tallystick.core.errors import InvalidInput
from tallystick.core.limits import (
    KERNEL_STEPS_MAX,
    ONNX_KERNEL_LAYER_MAX,
    ONNX_KERNEL_ROWS_MAX,
    ONNX_KERNEL_WORK_MAX,
)
from tallystick.lithic.floats import Fork

Array = np.ndarray[Any, np.dtype[np.float64]]
Indices = np.ndarray[Any, np.dtype[np.int64]]
Tree = Fork | tuple[float, ...]


class Function(NamedTuple):
    """A function of one number x.

    kind     pass: x; square: x · x; equals: [x = operand]; above: [x > operand]; reaches: [x ≥ operand];
             the others by their names
    """

    kind: Literal["pass", "square", "equals", "above", "reaches", "relu", "sigmoid", "tanh"]
    operand: float = 0.0


@dataclass(frozen=True, eq=False)
class Source:
    """The input of the model."""

    width: int


@dataclass(frozen=True, eq=False)
class Mapped:
    """A function of each row."""

    rows: Linear
    functions: tuple[Function, ...]


@dataclass(frozen=True, eq=False)
class Greatest:
    """The greatest of each group of rows."""

    rows: Linear
    groups: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, eq=False)
class Forest:
    """The sums of the leaves that trees reach over the rows; every leaf holds one number for each output."""

    rows: Linear
    trees: tuple[Tree, ...]
    outputs: int


Origin = Source | Mapped | Greatest | Forest


_SLOW = 512  # multiplications of a matrix that take as long as one step of Python


class Meter:
    """Counts the work that a graph makes, whichever operators it is spread over."""

    def __init__(self) -> None:
        self._spent = 0

    def spend(self, multiplications: int, *, steps: int = 0) -> None:
        """Count some work before it is done; raises InvalidInput "onnx.size" when it is too much together."""
        self._spent += multiplications + steps * _SLOW
        if self._spent > ONNX_KERNEL_WORK_MAX:
            raise InvalidInput(
                "onnx.size",
                "the graph is too much work",
                expected=f"≤ {ONNX_KERNEL_WORK_MAX} multiplications",
                hint="kernels are for small models",
            )


class Layer:
    """A vector of numbers, and how it comes about; two layers are the same only if they are one object.

    meter  of the whole graph: what is computed over any of its layers is counted there
    """

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.meter: Meter = Meter() if isinstance(origin, Source) else origin.rows.layer.meter
        match origin:
            case Source(width):
                self.width, self.depth = width, 0
            case Mapped(rows, functions):
                self.width, self.depth = len(functions), rows.layer.depth + 1
            case Greatest(rows, groups):
                self.width, self.depth = len(groups), rows.layer.depth + 1
            case Forest(rows, _, outputs):
                self.width, self.depth = outputs, rows.layer.depth + 1
        if not 1 <= self.width <= ONNX_KERNEL_LAYER_MAX:
            raise InvalidInput(
                "onnx.size",
                "a layer is too wide, or empty",
                expected=f"1 to {ONNX_KERNEL_LAYER_MAX} numbers",
                got=self.width,
            )
        if self.depth > KERNEL_STEPS_MAX:
            raise InvalidInput("onnx.size", "the graph is too deep", expected=f"≤ {KERNEL_STEPS_MAX} layers")
        self.meter.spend(0, steps=self.width)

    @property
    def rows(self) -> Linear:
        """What goes into this layer, affine in the layer before."""
        assert not isinstance(self.origin, Source)
        return self.origin.rows

    @property
    def all(self) -> Linear:
        """The numbers of this layer, as they are."""
        index = np.arange(self.width)
        return Linear(self, np.ones(self.width), np.zeros(self.width), index)


@dataclass(frozen=True, eq=False)
class Linear:
    """Numbers that are affine in those of a layer.

    weights  (numbers, width of the layer); or, where `index` is given, (numbers,): each is weight · layer[index] + bias
    bias     (numbers,)
    """

    layer: Layer
    weights: Array
    bias: Array
    index: Indices | None = None

    def __len__(self) -> int:
        return len(self.bias)

    @property
    def size(self) -> int:
        """How many numbers are held to say this."""
        return int(self.weights.size)

    @property
    def is_plain(self) -> bool:
        """Whether every number is one of the layer's, unchanged."""
        return self.index is not None and bool(np.all(self.weights == 1.0) and np.all(self.bias == 0.0))

    def dense(self) -> Array:
        """Return the weights as a matrix; raises InvalidInput "onnx.size"."""
        if self.index is None:
            return self.weights
        self._take_room(len(self) * self.layer.width)
        matrix = np.zeros((len(self), self.layer.width))
        matrix[np.arange(len(self)), self.index] = self.weights
        return matrix

    def take(self, places: Indices) -> Linear:
        """Return the numbers at `places`; -1 stands for zero."""
        self._take_room(len(places) * (1 if self.index is not None else self.layer.width))
        kept = (places >= 0).astype(np.float64)
        if not len(self):
            return constant(self.layer, np.zeros(len(places)))
        index = None if self.index is None else self.index[places]
        weights = self.weights[places] * (kept if index is not None else kept[:, None])
        return Linear(self.layer, weights, self.bias[places] * kept, index)

    def times(self, factors: Array) -> Linear:
        """Return each number times its factor."""
        weights = self.weights * (factors if self.index is not None else factors[:, None])
        return Linear(self.layer, weights, self.bias * factors, self.index)

    def plus(self, terms: Array) -> Linear:
        """Return each number plus its term."""
        return Linear(self.layer, self.weights, self.bias + terms, self.index)

    def through(self, matrix: Array) -> Linear:
        """Return matrix · numbers; raises InvalidInput "onnx.size"."""
        self._take_room(len(matrix) * max(self.layer.width, len(self)))
        if self.index is None:
            self.layer.meter.spend(len(matrix) * self.weights.size)
            weights = matrix @ self.weights
        else:
            weights = np.zeros((len(matrix), self.layer.width))
            if len(np.unique(self.index)) == len(self):
                weights[:, self.index] = matrix * self.weights
            else:
                self.layer.meter.spend(len(matrix), steps=len(self))
                for place, column in enumerate(self.index):
                    weights[:, column] += matrix[:, place] * self.weights[place]
        return Linear(self.layer, weights, matrix @ self.bias)

    def _take_room(self, numbers: int) -> None:
        check_size(numbers)
        self.layer.meter.spend(numbers)

    def over(self, atoms: Linear) -> Linear:
        """Return the same numbers, affine in another layer, given what `atoms` this one's numbers are there."""
        if self.index is None:
            return Linear(atoms.layer, *_compose(self, atoms))
        taken = atoms.take(self.index)
        return taken.times(self.weights).plus(self.bias)


def _compose(linear: Linear, atoms: Linear) -> tuple[Array, Array]:
    through = atoms.through(linear.weights)
    return through.weights, through.bias + linear.bias


def constant(layer: Layer, values: Array) -> Linear:
    """Return numbers that do not depend on the input."""
    return Linear(layer, np.zeros(len(values)), np.asarray(values, dtype=np.float64), np.zeros(len(values), np.int64))


def stack(parts: list[Linear]) -> Linear:
    """Return the numbers of all parts, which are of one layer, one after the other; "onnx.size" when too many."""
    layer = parts[0].layer
    bias = np.concatenate([part.bias for part in parts])
    if all(part.index is not None for part in parts):
        index = np.concatenate([part.index for part in parts if part.index is not None])
        return Linear(layer, np.concatenate([part.weights for part in parts]), bias, index)
    check_size(len(bias) * layer.width)
    return Linear(layer, np.concatenate([part.dense() for part in parts]), bias)


def added(left: Linear, right: Linear) -> Linear:
    """Return the sums of the numbers of two of the same layer and length."""
    bias = left.bias + right.bias
    if left.index is not None and right.index is not None:
        index = np.where(left.weights == 0.0, right.index, left.index)
        is_one = (index == right.index) | (right.weights == 0.0)
        if np.all(is_one):
            return Linear(left.layer, left.weights + right.weights, bias, index)
    return Linear(left.layer, left.dense() + right.dense(), bias)


def mapped(rows: Linear, functions: tuple[Function, ...]) -> Linear:
    """Return a function of each row, as the numbers of a new layer."""
    return Layer(Mapped(rows, functions)).all


def check_size(numbers: int) -> None:
    """Return if a matrix of so many numbers is small enough; raises InvalidInput "onnx.size"."""
    if numbers > ONNX_KERNEL_ROWS_MAX:
        raise InvalidInput(
            "onnx.size",
            "an operator joins too many numbers to fit a contract",
            expected=f"≤ {ONNX_KERNEL_ROWS_MAX}",
            got=numbers,
            hint="kernels are for small models: narrow the input or the layers",
        )
