"""The reference shapes: models whose size is what published figures are about, with weights and inputs from a seed.

What a kernel costs depends on its shape, on how wide its numbers get and on which inputs are zero, but not on what it
was trained for; so anybody can make these models anew and measure them. Every number is drawn from a stream of bytes:
SHA-256 of the shape's name, a colon and a counter from zero in decimal, 32 bytes at a time; four bytes, big-endian,
modulo the span, for each number, in the order in which this file asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Final

from tallystick.core.digest import sha256
from tallystick.lithic.integer.model import (
    Decision,
    Dense,
    Field,
    Input,
    IntegerModel,
    Node,
    Relu,
    Step,
    Trees,
    Vector,
)

_FEATURES: Final = 30  # of the tables that published networks and trees are about
_LEAF: Final = 1 << 17  # leaves within ±1/8 at 20 bits behind the point, as a boosted tree's are
_BIAS: Final = 4_096


@dataclass(frozen=True)
class Shape:
    """A model and inputs to measure.

    inputs            by what they are
    products          multiplications of a plain evaluation, 0 for trees
    density_permille  how many in a thousand inputs the compiler is told are not zero
    """

    model: IntegerModel
    inputs: Mapping[str, Vector]
    products: int
    density_permille: int = 1_000


class _Draws:
    """The stream of numbers of one shape."""

    def __init__(self, name: str) -> None:
        self._bytes = self._stream(name)

    @staticmethod
    def _stream(name: str) -> Iterator[int]:
        counter = 0
        while True:
            yield from sha256(f"{name}:{counter}".encode())
            counter += 1

    def integer(self, low: int, high: int) -> int:
        """Return the next number, from `low` to `high`."""
        word = int.from_bytes(bytes(next(self._bytes) for _ in range(4)))
        return low + word % (high - low + 1)

    def vector(self, count: int, low: int, high: int) -> Vector:
        """Return the next `count` numbers."""
        return tuple(self.integer(low, high) for _ in range(count))


def shape(name: str) -> Shape:
    """Return the shape of this name; raises KeyError for one that is not in NAMES."""
    return _MAKERS[name](name, _Draws(name))


def _network(name: str, draws: _Draws, widths: tuple[int, ...], shift: int, decision: Decision) -> IntegerModel:
    """Return int8 weights over uint8 inputs; what is between two layers is shifted and capped to 8 bits."""
    steps: list[Step] = []
    for inputs, outputs in pairwise(widths):
        if steps:
            steps.append(Relu(shift, 255))
        rows = tuple(draws.vector(inputs, -128, 127) for _ in range(outputs))
        steps.append(Dense(rows, draws.vector(outputs, -_BIAS, _BIAS)))
    return _model(name, widths[0], tuple(steps), decision)


def _tabular(name: str, draws: _Draws, widths: tuple[int, ...]) -> Shape:
    model = _network(name, draws, widths, 6, "positive")
    return Shape(model, {"a row": draws.vector(widths[0], 0, 255)}, _products(widths))


def _picture(name: str, draws: _Draws) -> Shape:
    """400 pixels of which most are blank, as in the published network for MNIST."""
    widths = (400, 32, 16, 10)
    model = _network(name, draws, widths, 8, "argmax")
    ink = _chosen(draws, 400, 60)
    strokes = tuple(draws.integer(1, 255) if k in ink else 0 for k in range(400))
    full = draws.vector(400, 1, 255)
    return Shape(model, {"60 inputs not zero": strokes, "no input zero": full}, _products(widths), 150)


def _layer(name: str, draws: _Draws) -> Shape:
    widths = (256, 64)
    model = _network(name, draws, widths, 0, "none")
    return Shape(model, {"no input zero": draws.vector(256, 1, 255)}, _products(widths))


def _boosted(name: str, draws: _Draws, count: int) -> Shape:
    trees = tuple(_tree(draws, 3) for _ in range(count))
    step = Trees((draws.integer(-_LEAF, _LEAF),), trees)
    return Shape(_model(name, _FEATURES, (step,), "positive"), {"a row": draws.vector(_FEATURES, 0, 255)}, 0)


def _tree(draws: _Draws, depth: int) -> Node | Vector:
    if not depth:
        return draws.vector(1, -_LEAF, _LEAF)
    field, threshold = draws.integer(0, _FEATURES - 1), draws.integer(1, 255)
    left = _tree(draws, depth - 1)
    return Node(field, threshold, left, _tree(draws, depth - 1))


def _model(name: str, fields: int, steps: tuple[Step, ...], decision: Decision) -> IntegerModel:
    declared = Input(8, tuple(Field(f"x{k}", 0, 255, "0", "1") for k in range(fields)))
    return IntegerModel(name, declared, steps, decision, (), "1")


def _chosen(draws: _Draws, count: int, size: int) -> set[int]:
    chosen: set[int] = set()
    while len(chosen) < size:
        chosen.add(draws.integer(0, count - 1))
    return chosen


def _products(widths: tuple[int, ...]) -> int:
    return sum(before * after for before, after in pairwise(widths))


_MAKERS: Final[Mapping[str, Callable[[str, _Draws], Shape]]] = {
    "30-1": partial(_tabular, widths=(_FEATURES, 1)),
    "30-4-1": partial(_tabular, widths=(_FEATURES, 4, 1)),
    "30-4-4-1": partial(_tabular, widths=(_FEATURES, 4, 4, 1)),
    "400-32-16-10": _picture,
    "256-64": _layer,
    "gbdt-50x3": partial(_boosted, count=50),
    "gbdt-100x3": partial(_boosted, count=100),
}
NAMES: Final = tuple(_MAKERS)
