"""The noun of this room: a trained model as a chain of integer steps, exact everywhere.

A vector of unsigned fields goes in; each step turns one integer vector into the next; the last vector, and a decision
made from it, come out. Nothing rounds but by the floor that a step names. Python (`reference`), the EVM kernel and a
referee compute the same numbers, so an answer can be checked by anybody who has the model's digest. Written down and
read back by `document`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Literal

from tallystick.core.errors import InvalidInput
from tallystick.core.limits import (
    KERNEL_FIELDS_MAX,
    KERNEL_INTEGER_BITS_MAX,
    KERNEL_NAME_CHARS_MAX,
    KERNEL_STEPS_MAX,
    KERNEL_TREE_DEPTH_MAX,
    KERNEL_TREE_NODES_MAX,
    KERNEL_WEIGHTS_MAX,
    KERNEL_WIDTH_MAX,
)
from tallystick.lithic.integer.decimals import positive, ratio

_NUMBER_END = 1 << KERNEL_INTEGER_BITS_MAX - 1

Vector = tuple[int, ...]
Decision = Literal["none", "argmax", "positive"]


@dataclass(frozen=True)
class Field:
    """One input: an integer from `low` to `high`, which stands for the number origin + step · integer.

    origin, step  plain decimal strings: what the kernel never needs and whoever prepares its input does
    """

    name: str
    low: int
    high: int
    origin: str
    step: str


@dataclass(frozen=True)
class Input:
    """The packed input: each field big-endian in `bits` bits, one after the other, nothing between or after."""

    bits: Literal[8, 16]
    fields: tuple[Field, ...]

    @property
    def size_bytes(self) -> int:
        """How long the packed input is."""
        return len(self.fields) * self.bits // 8


@dataclass(frozen=True)
class Dense:
    """z_k = bias_k + Σ_i weights_ki · x_i. A convolution is one whose weights are mostly zero."""

    weights: tuple[Vector, ...]  # outputs × inputs
    bias: Vector


@dataclass(frozen=True)
class Relu:
    """y = min(max(z, 0) >> shift, cap); without a cap, max(z, 0) >> shift."""

    shift: int = 0
    cap: int | None = None


@dataclass(frozen=True)
class Shift:
    """y = floor(z / 2**shift): the signed requantisation, rounded toward minus infinity."""

    shift: int


@dataclass(frozen=True)
class Table:
    """y = values[clamp((z >> shift) - low, 0, len(values) - 1)]: any function of one number, such as a sigmoid."""

    shift: int
    low: int
    values: Vector


@dataclass(frozen=True)
class Squares:
    """y = (x, x · x): each number, then each number squared; Gaussian naive Bayes is linear in these."""


@dataclass(frozen=True)
class OneHot:
    """Each column becomes the numbers [x = c] for its categories c, or stays as it is where it has None."""

    columns: tuple[Vector | None, ...]


@dataclass(frozen=True)
class MaxPool:
    """y_k = the greatest of the x_i whose indices are in `groups[k]`."""

    groups: tuple[Vector, ...]


@dataclass(frozen=True)
class Node:
    """A fork of a tree: to `left` when x[field] < threshold, else to `right`; both are nodes or leaves."""

    field: int
    threshold: int
    left: Node | Vector
    right: Node | Vector


@dataclass(frozen=True)
class Trees:
    """y = base + Σ over the trees of the leaf that x reaches; a leaf holds one integer for each output."""

    base: Vector
    trees: tuple[Node | Vector, ...]


Step = Dense | Relu | Shift | Table | Squares | OneHot | MaxPool | Trees


@dataclass(frozen=True)
class IntegerModel:
    """A whole model.

    name      for people
    decision  what is put before the scores: nothing, the index of the greatest (the lowest of equals), or [score > 0]
    labels    what the indices of the decision mean
    scale     plain decimal string, positive: a score times this is the float model's
    """

    name: str
    input: Input
    steps: tuple[Step, ...]
    decision: Decision
    labels: tuple[str, ...]
    scale: str

    def __post_init__(self) -> None:
        """Raise InvalidInput "kernel.model" or "kernel.decimal" unless each step fits the last and all bounds hold."""
        if self.input.bits not in (8, 16):
            raise _unfit("input", "8 or 16 bits a field", self.input.bits)
        if not 1 <= len(self.input.fields) <= KERNEL_FIELDS_MAX:
            raise _unfit("fields", f"1 to {KERNEL_FIELDS_MAX}", len(self.input.fields))
        if not 1 <= len(self.steps) <= KERNEL_STEPS_MAX:
            raise _unfit("steps", f"1 to {KERNEL_STEPS_MAX}", len(self.steps))
        for field in self.input.fields:
            _check_numbers(f"field {field.name!r}", (field.low, field.high))
            if not 0 <= field.low <= field.high < 1 << self.input.bits:
                raise _unfit(f"field {field.name!r}", f"0 ≤ low ≤ high < 2**{self.input.bits}", (field.low, field.high))
            ratio(field.origin, "origin")
            positive(field.step, "step")
        positive(self.scale, "scale")
        for name in (self.name, *self.labels, *(field.name for field in self.input.fields)):
            if len(name) > KERNEL_NAME_CHARS_MAX:
                raise _unfit("name", f"≤ {KERNEL_NAME_CHARS_MAX} characters", len(name))
        width = len(self.input.fields)
        for at, step in enumerate(self.steps):
            width = width_after(step, width, at)
            _check_numbers(f"step {at}", _numbers(step))
            if width > KERNEL_WIDTH_MAX:
                raise _unfit(f"step {at}", f"≤ {KERNEL_WIDTH_MAX} numbers", width)
        weights = sum(len(step.weights) * len(step.weights[0]) for step in self.steps if isinstance(step, Dense))
        if weights > KERNEL_WEIGHTS_MAX:
            raise _unfit("weights", f"≤ {KERNEL_WEIGHTS_MAX}", weights)
        wanted = {"none": 0, "argmax": width, "positive": 2}.get(self.decision)
        if wanted is None or (self.decision == "positive" and width != 1):
            raise _unfit("decision", "none, argmax, or positive for one score", (self.decision, width))
        if self.labels and len(self.labels) != wanted:
            raise _unfit("labels", wanted, len(self.labels))

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """How many numbers go into the first step, and come out of each."""
        widths = [len(self.input.fields)]
        for at, step in enumerate(self.steps):
            widths.append(width_after(step, widths[-1], at))
        return tuple(widths)

    @property
    def outputs(self) -> int:
        """How many numbers an answer has: the scores, and the decision where there is one."""
        return self.widths[-1] + (self.decision != "none")


def width_after(step: Step, width: int, at: int) -> int:
    """Return how many numbers come out of `step` when `width` go in; `at` is its place, for the error.

    raises  InvalidInput "kernel.model" when it does not take that many, or is malformed
    """
    where = f"step {at} ({type(step).__name__})"
    match step:
        case Dense(weights, bias):
            if not weights or len(weights) != len(bias) or any(len(row) != width for row in weights):
                raise _unfit(where, f"rows of {width} weights, a bias each", len(weights))
            if len(weights) * width > KERNEL_WEIGHTS_MAX:
                raise _unfit(where, f"≤ {KERNEL_WEIGHTS_MAX} weights", len(weights) * width)
            return len(weights)
        case Relu(shift, cap):
            if not 0 <= shift < 256 or (cap is not None and cap < 0):
                raise _unfit(where, "0 ≤ shift < 256, cap ≥ 0", (shift, cap))
        case Shift(shift):
            if not 0 <= shift < 256:
                raise _unfit(where, "0 ≤ shift < 256", shift)
        case Table(shift, _, values):
            if not 0 <= shift < 256 or not 1 <= len(values) <= 1 << 12:
                raise _unfit(where, "0 ≤ shift < 256, 1 to 4,096 values", (shift, len(values)))
        case Squares():
            return 2 * width
        case OneHot(columns):
            if len(columns) != width or any(column is not None and not column for column in columns):
                raise _unfit(where, f"{width} columns, none of them empty", len(columns))
            return sum(1 if column is None else len(column) for column in columns)
        case MaxPool(groups):
            if not groups or any(not group or not all(0 <= i < width for i in group) for group in groups):
                raise _unfit(where, f"groups of indices below {width}", len(groups))
            if sum(map(len, groups)) > KERNEL_WIDTH_MAX:
                raise _unfit(where, f"≤ {KERNEL_WIDTH_MAX} indices", sum(map(len, groups)))
            return len(groups)
        case Trees(base, trees):
            _check_trees(base, trees, width, where)
            return len(base)
    return width


def _check_trees(base: Vector, trees: tuple[Node | Vector, ...], width: int, where: str) -> None:
    if not base:
        raise _unfit(where, "a base for each output", 0)
    waiting, nodes = [(tree, 0) for tree in trees], 0
    while waiting:
        node, depth = waiting.pop()
        nodes += 1
        if nodes > KERNEL_TREE_NODES_MAX or depth > KERNEL_TREE_DEPTH_MAX:
            raise _unfit(where, f"≤ {KERNEL_TREE_NODES_MAX} nodes, ≤ {KERNEL_TREE_DEPTH_MAX} deep", (nodes, depth))
        if isinstance(node, Node):
            if not 0 <= node.field < width:
                raise _unfit(where, f"fields below {width}", node.field)
            waiting += ((node.left, depth + 1), (node.right, depth + 1))
        elif len(node) != len(base):
            raise _unfit(where, f"leaves of {len(base)} numbers", len(node))


def _numbers(step: Step) -> Iterator[int]:
    """Yield every number of a step that goes into code, whatever it is there for."""
    match step:
        case Dense(weights, bias):
            yield from chain(bias, *weights)
        case Relu(shift, cap):
            yield from (shift, 0 if cap is None else cap)
        case Shift(shift):
            yield shift
        case Table(shift, low, values):
            yield from (shift, low, *values)
        case OneHot(columns):
            yield from chain.from_iterable(column for column in columns if column is not None)
        case MaxPool(groups):
            yield from chain.from_iterable(groups)
        case Trees(base, trees):
            yield from base
            waiting = list(trees)
            while waiting:
                node = waiting.pop()
                if isinstance(node, Node):
                    yield from (node.field, node.threshold)
                    waiting += (node.left, node.right)
                else:
                    yield from node


def _check_numbers(what: str, numbers: Iterable[int]) -> None:
    """Raise unless all are Python's own integers, which never wrap, and fit a signed word, which the EVM's do not."""
    for number in numbers:
        if type(number) is not int or not -_NUMBER_END < number < _NUMBER_END:
            raise _unfit(what, "int within ±2**255", f"{type(number).__name__} {number}"[:80])


def _unfit(what: str, expected: object, got: object) -> InvalidInput:
    return InvalidInput("kernel.model", f"{what} does not fit the model", expected=expected, got=got)
