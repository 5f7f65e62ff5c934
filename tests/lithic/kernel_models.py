"""Small integer models for tests: one of each kind of step, and one that needs parts."""

from __future__ import annotations

import random

from tallystick.lithic.integer.model import (
    Decision,
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
    Step,
    Table,
    Trees,
)


def fields(count: int, high: int = 255, low: int = 0) -> tuple[Field, ...]:
    """Return fields with an origin and a step that are not trivial."""
    return tuple(Field(f"field {k}", low, high, "-1.5", "0.25") for k in range(count))


def dense(inputs: int, outputs: int, seed: int, most: int = 127) -> Dense:
    """Return a dense step with weights and biases drawn from `seed`."""
    draw = random.Random(seed)
    weights = tuple(tuple(draw.randint(-most, most) for _ in range(inputs)) for _ in range(outputs))
    return Dense(weights, tuple(draw.randint(-500, 500) for _ in range(outputs)))


def model(*steps: Step, inputs: int, decision: Decision = "none", high: int = 255, low: int = 0) -> IntegerModel:
    """Return a model of these steps over `inputs` fields of 8 bits."""
    return IntegerModel("test", Input(8, fields(inputs, high, low)), steps, decision, (), "0.001")


def mlp() -> IntegerModel:
    """Return a network of two layers that decides one of three labels; its fields are narrower than a byte."""
    made = (dense(6, 5, 1), Relu(4, 255), dense(5, 3, 2))
    return IntegerModel("mlp", Input(8, fields(6, 100, 3)), made, "argmax", ("low", "middle", "high"), "0.0625")


def trees() -> IntegerModel:
    """Return two trees over 16-bit fields and a threshold decision."""
    first = Node(0, 5_000, Node(1, 40, (-3,), (7,)), Node(2, 65_535, (11,), (-2,)))
    step = Trees((1,), (first, Node(1, 1_000, (5,), (-9,)), (2,)))
    wide = tuple(Field(f"f{k}", 0, 65_535, "0", "1") for k in range(3))
    return IntegerModel("trees", Input(16, wide), (step,), "positive", ("no", "yes"), "0.5")


def menagerie() -> IntegerModel:
    """Return a model that has each kind of step, and numbers on both sides of 2**53."""
    steps: tuple[Step, ...] = (
        OneHot((None, (0, 1, 2), None)),
        Squares(),
        Dense(tuple(tuple((k - j) * 3**k for j in range(10)) for k in range(4)), (2**60, -(2**53), 0, -7)),
        Shift(2),
        Table(4, -8, tuple(k * k - 40 for k in range(16))),
        MaxPool(((0, 1), (2, 3), (1, 2))),
        Relu(1),
        Trees((0, 2**54), (Node(0, 40, Node(2, 3, (1, -1), (2, -(2**70))), (3, 0)), (0, 5))),
    )
    narrow = (Field("a", 0, 255, "0", "1"), Field("b", 0, 2, "0", "1"), Field("c", 10, 20, "3.5", "0.5"))
    return IntegerModel("all steps", Input(8, narrow), steps, "argmax", (), "1")


def large() -> IntegerModel:
    """Return a network too large for one contract."""
    return model(dense(200, 96, 3), Relu(8, 255), dense(96, 4, 4), inputs=200, decision="argmax")


def forest() -> IntegerModel:
    """Return trees too many for one contract, which compile in no time, before a dense step."""
    draw = random.Random(5)

    def grown(depth: int) -> Node | tuple[int, ...]:
        if not depth:
            return (draw.randint(-999, 999), draw.randint(-999, 999))
        return Node(draw.randrange(4), draw.randrange(1, 255), grown(depth - 1), grown(depth - 1))

    step = Trees((5, -5), tuple(grown(3) for _ in range(240)))
    return model(step, dense(2, 3, 6), inputs=4, decision="argmax")
