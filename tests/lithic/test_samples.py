"""Inputs to try a kernel on reach the ends of its lanes, and anybody draws the same."""

from __future__ import annotations

from tallystick.lithic.integer import samples
from tallystick.lithic.integer.intervals import dot, intervals
from tallystick.lithic.integer.model import Dense, IntegerModel, Vector
from tests.lithic import kernel_models


def _is_in_range(model: IntegerModel, x: Vector) -> bool:
    return all(field.low <= value <= field.high for field, value in zip(model.input.fields, x, strict=True))


def test_corners_drive_each_first_sum_to_both_ends_of_its_interval() -> None:
    model = kernel_models.mlp()
    step = model.steps[0]
    assert isinstance(step, Dense)
    found = samples.corners(model, 1_000)
    assert len(set(found)) == len(found)
    assert all(_is_in_range(model, x) for x in found)
    for row, bias in zip(step.weights, step.bias, strict=True):
        sums = [bias + sum(w * v for w, v in zip(row, x, strict=True)) for x in found]
        assert (min(sums), max(sums)) == dot(row, intervals(model)[0], bias)


def test_every_corner_of_few_fields_is_tried_and_never_more_than_asked_for() -> None:
    model = kernel_models.trees()
    found = samples.corners(model, 1_000)
    assert len(found) == 2**3
    assert samples.corners(model, 3) == found[:3]


def test_draws_are_the_published_ones_and_in_range() -> None:
    model = kernel_models.trees()
    found = samples.draws(model, 40, b"seed")
    assert all(_is_in_range(model, x) for x in found)
    assert found == samples.draws(model, 40, b"seed") != samples.draws(model, 40, b"other")
    assert found[:2] == PUBLISHED


def test_draws_stand_on_both_sides_of_thresholds() -> None:
    seen = {x[0] for x in samples.draws(kernel_models.trees(), 200, b"seed")}
    assert {4_999, 5_000} <= seen


PUBLISHED: list[Vector] = [(54208, 18869, 4199), (7340, 43544, 2062)]
