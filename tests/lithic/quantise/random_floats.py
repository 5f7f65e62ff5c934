"""Random float models, ranges and inputs: every step in every order that has an integer form."""

from __future__ import annotations

from random import Random

import numpy as np

from tallystick.lithic.floats import (
    Activation,
    Affine,
    FloatModel,
    Fork,
    MaxPool,
    OneHot,
    Squares,
    Step,
    Trees,
    apply,
)
from tallystick.lithic.quantise.grids import Range

KINDS = ("affine", "relu", "sigmoid", "tanh", "squares", "maxpool", "trees")


def random_ranges(rng: Random, count: int) -> tuple[Range, ...]:
    """Return ranges of every size, with and without a step, about zero and far from it, and of one number alone."""
    found = []
    for _ in range(count):
        size = 10.0 ** rng.randint(-3, 3)
        low = round(rng.uniform(-2, 2) * size, 6) if rng.random() < 0.7 else 0.0
        width = rng.choice((0.0, round(size * rng.random(), 7), size))
        ends = Range(repr(low), repr(low + width))
        found.append(Range(rng.randint(-20, 20), 25, 1) if rng.random() < 0.2 else ends)
    return tuple(found)


def random_model(rng: Random, ranges: tuple[Range, ...], steps_max: int = 4) -> FloatModel:
    """Return a model over these ranges; a few rows are followed, so that steps meet numbers of their size."""
    rows = random_rows(rng, ranges, 12)
    steps: list[Step] = []
    if rng.random() < 0.3:
        steps.append(_one_hot(rng, ranges))
        rows = apply(steps[-1], rows)
    for _ in range(rng.randint(1, steps_max)):
        step = _step(rng, rng.choice(KINDS), rows, on_grid=not steps)
        if step is not None:
            steps.append(step)
            rows = apply(step, rows)
    task = rng.choice(("classes", "value", "clusters"))
    threshold = rng.choice((0.0, float(rows[0, 0]), 0.5)) if rows.shape[1] == 1 else 0.0
    names = tuple(f"x{k}" for k in range(len(ranges)))
    return FloatModel("random", names, tuple(steps) or (_affine(rng, rows),), task, (), threshold)


def random_rows(rng: Random, ranges: tuple[Range, ...], count: int) -> np.ndarray:
    """Return rows in range: the least, the greatest, corners and whatever is between."""
    rows = [[float(r.low) for r in ranges], [float(r.high) for r in ranges]]
    for number in range(count):
        row = []
        for r in ranges:
            share = rng.choice((0.0, 1.0)) if number % 3 == 0 else rng.random()
            value = r.low + (r.high - r.low) * Range("0", repr(share)).high
            row.append(float(round(value / r.step) * r.step if r.step else value))
        rows.append(row)
    return np.array(rows)


def _step(rng: Random, kind: str, rows: np.ndarray, *, on_grid: bool) -> Step | None:
    width = rows.shape[1]
    if kind == "squares":
        return Squares() if width <= 8 and np.abs(rows).max() < 1e6 else None
    if kind == "maxpool":
        return MaxPool(tuple(tuple(rng.randrange(width) for _ in range(rng.randint(1, 3))) for _ in range(3)))
    if kind == "trees":
        outputs = rng.randint(1, 3)
        trees = tuple(_tree(rng, rows, outputs, rng.randint(0, 4), on_grid) for _ in range(rng.randint(1, 5)))
        return Trees(tuple(rng.gauss(0, 1) for _ in range(outputs)), trees)
    if kind == "affine":
        return _affine(rng, rows)
    return Activation(kind)


def _affine(rng: Random, rows: np.ndarray) -> Affine:
    """Return weights that make sums of about one, some of them zero, one of them great."""
    spread = np.abs(rows).max(axis=0) + 1e-3
    shape = (rng.randint(1, 6), rows.shape[1])
    weights = np.array([[rng.gauss(0, 1) * (rng.random() < 0.8) for _ in range(shape[1])] for _ in range(shape[0])])
    weights[rng.randrange(shape[0]), rng.randrange(shape[1])] *= 10
    return Affine(weights / spread, np.array([rng.gauss(0, 1) for _ in range(shape[0])]))


def _tree(rng: Random, rows: np.ndarray, outputs: int, depth: int, on_grid: bool) -> Fork | tuple[float, ...]:
    """Return a tree. A threshold may be a number of the grid, but not one that double precision came near to."""
    if not depth:
        return tuple(rng.gauss(0, 1) * rng.choice((0, 1, 1, 30)) for _ in range(outputs))
    feature = rng.randrange(rows.shape[1])
    threshold = float(rng.choice(rows[:, feature])) + rng.choice((0.0 if on_grid else 1e-5, rng.gauss(0, 1)))
    left, right = (_tree(rng, rows, outputs, depth - 1, on_grid) for _ in range(2))
    return Fork(feature, threshold, left, right, rng.random() < 0.5)


def _one_hot(rng: Random, ranges: tuple[Range, ...]) -> OneHot:
    columns = [
        tuple(float(value) for value in range(int(r.low), int(r.high) + 1, rng.randint(1, 9))) if r.step else None
        for r in ranges
    ]
    return OneHot(tuple(columns))
