"""The grid of a feature: ends on it, nearest point exactly, in order, and nothing outside it unnoticed."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.errors import InvalidInput
from tallystick.lithic.integer.decimals import ratio
from tallystick.lithic.integer.model import Field, Input
from tallystick.lithic.quantise.exact import nearest, text, threshold
from tallystick.lithic.quantise.grids import (
    Range,
    decode,
    encode,
    input_for,
    is_inside,
    observed_ranges,
    ranges_for,
)

NUMBERS = st.floats(-1e6, 1e6).map(lambda value: round(value, 6))


def grid(low, high, step=None, bits=8) -> Field:
    """Return the field of one feature."""
    return input_for(("x",), (Range(low, high, step),), bits).fields[0]


@given(NUMBERS, NUMBERS, st.sampled_from((8, 16)))
def test_both_ends_of_a_range_are_on_its_grid(one: float, other: float, bits) -> None:
    field = grid(min(one, other), max(one, other), None, bits)
    first, last = (ratio(field.origin) + ratio(field.step) * end for end in (field.low, field.high))
    assert first == Fraction(repr(min(one, other)))
    assert last >= Fraction(repr(max(one, other))) > last - ratio(field.step)
    assert field.high <= 2**bits - 1


@given(NUMBERS, st.floats(1e-3, 1e6), st.lists(st.floats(0, 1), min_size=2, max_size=9), st.sampled_from((8, 16)))
def test_a_number_goes_to_the_nearest_point_and_order_is_kept(low: float, width: float, shares, bits) -> None:
    declared = input_for(("x",), (Range(low, Decimal(repr(low)) + Decimal(repr(width))),), bits)
    origin, step = ratio(declared.fields[0].origin), ratio(declared.fields[0].step)
    rows = np.sort(np.array([[low + width * share] for share in shares]), axis=0)
    found = encode(declared, rows, clip=True)[:, 0]
    assert (np.diff(found) >= 0).all()
    for value, integer in zip(rows[:, 0], found, strict=True):
        inside = min(Fraction(float(value)), origin + step * declared.fields[0].high)
        assert -step / 2 <= inside - (origin + step * int(integer)) <= step / 2


def test_the_middle_of_two_points_goes_up_however_floats_round() -> None:
    declared = Input(8, (Field("x", 0, 255, "0.1", "0.1"),))
    half = [0.25, 0.35, 0.85, 12.45]
    expected = [int((Fraction(value) - Fraction("0.1")) / Fraction("0.1") + Fraction(1, 2)) for value in half]
    assert encode(declared, [[value] for value in half])[:, 0].tolist() == expected
    assert encode(Input(8, (Field("x", 0, 255, "0", "1"),)), [[0.5], [1.5], [2.4999999999999996]])[:, 0].tolist() == [
        1,
        2,
        2,
    ]


@given(
    NUMBERS, st.sampled_from(("0.000000017", "0.003", "1.7")), st.lists(st.integers(0, 65534), min_size=1, max_size=9)
)
def test_just_above_and_just_below_a_middle_go_apart_wherever_the_grid_lies(low: float, step: str, places) -> None:
    declared = Input(16, (Field("x", 0, 65535, text(Fraction(repr(low))), step),))
    for place in places:
        middle = float(Fraction(repr(low)) + Fraction(step) * (place + Fraction(1, 2)))
        values = [np.nextafter(middle, -np.inf), middle, np.nextafter(middle, np.inf)]
        exact = [nearest((Fraction(value) - Fraction(repr(low))) / Fraction(step)) for value in values]
        expected = [min(max(integer, 0), 65535) for integer in exact]
        assert encode(declared, [[value] for value in values], clip=True)[:, 0].tolist() == expected


def test_numbers_beyond_all_bounds_are_the_ends_of_the_range() -> None:
    declared = Input(8, (Field("x", 0, 255, "0", "0.001"),))
    rows = [[sign * 10.0**power] for power in (9, 12, 30, 300) for sign in (-1, 1)]
    assert encode(declared, rows, clip=True)[:, 0].tolist() == [0, 255] * 4
    with pytest.raises(InvalidInput):
        encode(declared, rows[-2:-1])


@given(st.lists(st.integers(0, 255), min_size=1))
def test_what_integers_stand_for_is_encoded_as_them(integers: list[int]) -> None:
    declared = Input(8, (Field("x", 0, 255, "-3.7", "0.0271"),))
    rows = [[value] for value in integers]
    assert encode(declared, decode(declared, rows)).tolist() == rows


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((0, 16, 1), Field("x", 0, 16, "0", "1")),
        ((18, 90, 1), Field("x", 18, 90, "0", "1")),
        ((-3, 5, 1), Field("x", 0, 8, "-3", "1")),
        ((1900, 2020, 1), Field("x", 0, 120, "1900", "1")),
        ((0.2, 1, "0.25"), Field("x", 0, 4, "0", "0.25")),
        ((0, 255), Field("x", 0, 255, "0", "1")),
        ((5, 5), Field("x", 0, 0, "5", "1")),
        (("-1.5", "1.5"), Field("x", 0, 255, "-1.5", "0.0117648")),
    ],
)
def test_a_declared_range_becomes_this_field(given, expected: Field) -> None:
    assert input_for(("x",), ranges_for(("x",), [given]), 8).fields[0] == expected


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ((2, 1), "kernel.range"), ((0, 1, 0), "kernel.range"), ((0, 1, -1), "kernel.range"), ((0,), "kernel.range"),
        ("01", "kernel.range"), ((0, float("nan")), "kernel.decimal"), ((0, float("inf")), "kernel.decimal"),
        ((0, "one"), "kernel.decimal"), ((None, 1), "kernel.decimal"), ((0, 1e200), "kernel.decimal"),
        ((0, 1000, 1), "kernel.range"),
    ],
)  # fmt: skip
def test_what_is_no_range_is_refused(given, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        input_for(("x",), ranges_for(("x",), [given]), 8)
    assert refused.value.code == code


def test_ranges_by_name_must_name_each_feature_and_no_other() -> None:
    both = {"b": (0, 2), "a": (0, 1)}
    assert ranges_for(("a", "b"), both) == (Range(0, 1), Range(0, 2))
    for wrong in ({"a": (0, 1)}, both | {"c": (0, 1)}, [(0, 1)]):
        with pytest.raises(InvalidInput) as refused:
            ranges_for(("a", "b"), wrong)
        assert refused.value.code == "kernel.range"


def test_a_row_outside_is_refused_by_name_or_clipped_when_asked() -> None:
    declared = input_for(("a", "b"), (Range(0, 1), Range(10, 20, 1)), 8)
    rows = [[0.5, 12], [0.5, 21]]
    with pytest.raises(InvalidInput, match="b of row 1") as refused:
        encode(declared, rows)
    assert refused.value.code == "kernel.input"
    assert encode(declared, rows, clip=True)[1].tolist() == [127, 20]
    assert is_inside(declared, rows).tolist() == [True, False]


@pytest.mark.parametrize(
    "rows",
    [
        [[1.0]], [1.0, 2.0], [[1.0, float("nan")]], [[1.0, float("inf")]], [[1.0, 2.0], [1.0]], [[1.0, "a"]],
        [[1.0, None]], [[1.0, 10**400]], 5,
    ],
)  # fmt: skip
def test_rows_of_another_shape_or_without_a_number_are_refused(rows) -> None:
    for read in (
        lambda: encode(input_for(("a", "b"), (Range(0, 1), Range(0, 1)), 8), rows),
        lambda: observed_ranges(("a", "b"), rows),
    ):
        with pytest.raises(InvalidInput) as refused:
            read()
        assert refused.value.code == "kernel.rows"


def test_observed_ranges_hold_every_row_and_never_cross_zero_by_themselves() -> None:
    rows = np.random.default_rng(3).normal(size=(60, 3)) * [1, 1000, 1] + [0, 0, 500]
    rows = np.concatenate([rows, np.abs(rows[:, [0]]), rows[:, [0]].round()], axis=1)
    found = observed_ranges(("a", "b", "c", "d", "e"), rows)
    for k, given_range in enumerate(found.values()):
        assert given_range.low <= Fraction(float(rows[:, k].min()))
        assert given_range.high >= Fraction(float(rows[:, k].max()))
    assert found["d"].low == 0
    assert found["e"].step == 1
    assert found["a"].step is None


@pytest.mark.parametrize(
    ("value", "expected"), [(0.3, "0.3"), (float(np.float32(0.3)), "0.3"), (2.5, "2.5"), (-1e-9, "-0.000000001")]
)
def test_a_threshold_is_the_shortest_decimal_in_its_own_precision(value: float, expected: str) -> None:
    assert threshold(value) == Fraction(expected)
