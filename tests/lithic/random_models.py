"""Random integer models and inputs: every step in every order that fits, with numbers where kernels go wrong.

Hypothesis draws the shape and a seed; the numbers come from the seed. Ranges are followed while a model is made, so
that thresholds, categories and tables stand where numbers are, at their edges and just outside.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import strategies as st

from tallystick.lithic.integer.intervals import Interval, after
from tallystick.lithic.integer.model import (
    Dense,
    Field,
    Input,
    IntegerModel,
    MaxPool,
    Node,
    OneHot,
    Relu,
    Shift,
    Squares,
    Table,
    Trees,
)

LONG = bool(os.environ.get("TALLYSTICK_LONG"))
KINDS = ("dense", "relu", "shift", "table", "squares", "onehot", "maxpool", "trees")
PATIENCE = pytest.mark.timeout(1_800 if LONG else 300)
WIDTH_MAX = 40  # more would make the EVM of the tests the slow part


def examples(short: int) -> int:
    """Return how many examples a test takes: twenty times as many in the long form."""
    return 20 * short if LONG else short


@st.composite
def models(draw, kinds=KINDS, fields_max: int = 70, steps_max: int = 5, decisions=("none", "argmax", "positive")):
    """Draw a model."""
    order = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=steps_max))
    bits = draw(st.sampled_from((8, 16)))
    fields = draw(st.integers(1, fields_max))
    return build(order, bits, fields, draw(st.sampled_from(decisions)), draw(st.integers(0, 2**32 - 1)))


@st.composite
def networks(draw, fields_max: int = 200):
    """Draw a network: dense steps with a ReLU between them."""
    order = [*["dense", "relu"] * draw(st.integers(0, 3)), "dense"]
    bits, fields = draw(st.sampled_from((8, 16))), draw(st.integers(1, fields_max))
    return build(order, bits, fields, draw(st.sampled_from(("none", "argmax"))), draw(st.integers(0, 2**32 - 1)))


def build(order: Sequence[str], bits: int, fields: int, decision: str, seed: int) -> IntegerModel:
    """Return a model of steps in this order; one that would leave 256 bits is replaced by a shift that does not."""
    rng = Random(seed)
    declared = Input(bits, tuple(_field(rng, bits, number) for number in range(fields)))
    ranges = tuple(Interval(field.low, field.high) for field in declared.fields)
    steps = []
    for number, kind in enumerate(order):
        is_last = number == len(order) - 1 and decision == "positive"
        step = _MAKERS[kind](rng, ranges, 1 if is_last else rng.choice((1, 1, 2, 3, 5, 10, 17, 33)))
        found = after(step, ranges)
        if len(found) > WIDTH_MAX or any(max(z.high, -z.low) >> 200 for z in found):
            step = Shift(rng.choice((0, 1, 7, 130)))
            found = after(step, ranges)
        steps.append(step)
        ranges = found
    decision = "none" if decision == "positive" and len(ranges) > 1 else decision
    return IntegerModel("random", declared, tuple(steps), decision, (), "1")


def inputs(model: IntegerModel, rng: Random, count: int) -> list[tuple[int, ...]]:
    """Return the least and the greatest input, one-hot ones, near-zero ones and random ones: `count` beside the two."""
    fields = model.input.fields
    found = [tuple(f.low for f in fields), tuple(f.high for f in fields)]
    for number in range(count):
        chosen, share = rng.randrange(len(fields)), rng.choice((0.05, 0.5, 1.0))
        found.append(
            (
                tuple(rng.randint(f.low, f.high) for f in fields),
                tuple(f.high if k == chosen else f.low for k, f in enumerate(fields)),
                tuple(rng.choice((f.low, f.high)) for f in fields),
                tuple(rng.randint(f.low, f.high) if rng.random() < share else f.low for f in fields),
            )[number % 4]
        )
    return found


def weights(rng: Random, count: int) -> tuple[int, ...]:
    """Return numbers of one kind: small, none, negative alone, sparse, at the ends of 8 and of 16 bits, or huge."""
    kind = rng.randrange(12)
    if kind == 0:
        return (0,) * count
    if kind == 1:
        return tuple(rng.choice((-128, 127)) for _ in range(count))
    if kind == 2:
        return tuple(rng.randint(-128, -1) for _ in range(count))
    if kind == 3:
        return tuple(rng.randint(-9, 9) if rng.random() < 0.1 else 0 for _ in range(count))
    if kind == 4:
        return tuple(rng.choice((-(2**15), 2**15 - 1)) for _ in range(count))
    if kind == 5:
        return tuple(rng.randint(-(2**60), 2**60) for _ in range(count))
    if kind == 6:
        return tuple(rng.randint(-1, 1) for _ in range(count))
    return tuple(rng.randint(-127, 127) for _ in range(count))


def _field(rng: Random, bits: int, number: int) -> Field:
    top = (1 << bits) - 1
    low, high = sorted((rng.randint(0, top), rng.randint(0, top)))
    low, high = rng.choice(((0, top), (0, top), (0, 1), (0, high), (low, high), (low, low), (low, top), (0, 0)))
    return Field(f"f{number}", low, high, "0", "1")


def _near(rng: Random, z: Interval) -> int:
    """Return a number that is within an interval, at an end of it or just outside, or zero."""
    return rng.choice((z.low, z.high, z.low - 1, z.high + 1, 0, rng.randint(z.low, z.high), rng.randint(z.low, z.high)))


def _dense(rng: Random, x, outputs: int) -> Dense:
    return Dense(tuple(weights(rng, len(x)) for _ in range(outputs)), weights(rng, outputs))


def _relu(rng: Random, x, outputs: int) -> Relu:
    top = max(max(z.high, 0) for z in x).bit_length()
    if rng.random() < 0.4:
        return Relu(max(top - 8, 0), 255)  # as quantised networks have it, so that later lanes are narrow
    shift = rng.choice((0, 0, 1, 3, top // 2, max(top - 1, 0), top, top + 1, 255))
    reached = max(max(z.high, 0) for z in x) >> shift
    cap = rng.choice((None, 0, 1, reached, max(reached - 1, 0), reached + 1, reached // 2, 255, 2**200))
    return Relu(shift, cap)


def _shift(rng: Random, x, outputs: int) -> Shift:
    return Shift(rng.choice((0, 1, 2, 8, max(max(z.high, -z.low) for z in x).bit_length(), 255)))


def _table(rng: Random, x, outputs: int) -> Table:
    shift = rng.choice((0, 1, max(max(z.high, -z.low).bit_length() for z in x) // 2))
    length = rng.choice((1, 2, 3, 16, 33))
    low = (_near(rng, rng.choice(x)) >> shift) - rng.choice((0, 1, length // 2, length))
    return Table(shift, low, weights(rng, length))


def _squares(rng: Random, x, outputs: int) -> Squares:
    return Squares()


def _onehot(rng: Random, x, outputs: int) -> OneHot:
    return OneHot(
        tuple(None if rng.random() < 0.4 else tuple({_near(rng, z) for _ in range(rng.randint(1, 3))}) for z in x)
    )


def _maxpool(rng: Random, x, outputs: int) -> MaxPool:
    return MaxPool(tuple(tuple(rng.randrange(len(x)) for _ in range(rng.choice((1, 2, 3, 4)))) for _ in range(outputs)))


def _trees(rng: Random, x, outputs: int) -> Trees:
    count, depth = rng.choice((0, 1, 2, 5)), rng.choice((0, 1, 3))
    return Trees(weights(rng, outputs), tuple(_tree(rng, x, outputs, depth) for _ in range(count)))


def _tree(rng: Random, x, outputs: int, depth: int) -> Node | tuple[int, ...]:
    if not depth or rng.random() < 0.1:
        return weights(rng, outputs)
    field = rng.randrange(len(x))
    left, right = (_tree(rng, x, outputs, depth - 1) for _ in range(2))
    return Node(field, _near(rng, x[field]), left, right)


_MAKERS = {
    "dense": _dense, "relu": _relu, "shift": _shift, "table": _table, "squares": _squares, "onehot": _onehot,
    "maxpool": _maxpool, "trees": _trees,
}  # fmt: skip
