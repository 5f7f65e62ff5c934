"""ReLU by a shift and a cap, sigmoid and tanh by a table: the steps that bring sums back to a few bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from math import ceil

from tallystick.lithic.integer.batch import apply_rows
from tallystick.lithic.integer.intervals import after
from tallystick.lithic.integer.model import Relu, Table
from tallystick.lithic.quantise.dense import Rounded, rounded
from tallystick.lithic.quantise.draft import Draft
from tallystick.lithic.quantise.exact import nearest, rounded_up
from tallystick.lithic.quantise.forms import Errors, Form, everywhere

_FUNCTION_ERROR = Fraction(1, 10**30)  # of a sigmoid computed with forty digits


def push_relu(draft: Draft, weight_bits: int, activation_bits: int, *, alike: bool) -> None:
    """Add max(0, z): the forms as a dense step, then a shift that leaves `activation_bits` bits.

    The shift is the least that fits the greatest sum of the sample, and what can go beyond is capped; without a sample,
    the greatest sum that there can be. Half of what the shift cuts off is added before, so that it rounds to nearest.
    """
    made = None if draft.is_ready(alike=alike) else rounded(draft, weight_bits, alike=alike)
    limit = (1 << activation_bits) - 1
    shift = _shift(_greatest(draft, made), limit, rounds=made is not None)
    half = 1 << shift >> 1 if made else 0
    if made:
        draft.push(replace(made.step, bias=tuple(b + half for b in made.step.bias)), made.forms)
    cap = limit if max(z.high for z in draft.ranges) >> shift > limit else None
    forms = []
    for place, (form, z) in enumerate(zip(draft.forms, draft.ranges, strict=True)):
        scale = form.single[1]
        most = max(0, z.high - half)  # what is no greater than what is cut off, is off by itself
        cut = scale * min(half or (1 << shift) - 1, most)
        beyond = cut if cap is None else max(cut, scale * (z.high - half - (cap << shift)))
        error = form.error.plus(Errors(cut, beyond, beyond)).rounded()
        forms.append(Form.of(Fraction(0), {place: scale * (1 << shift)}, error))
    draft.push(Relu(shift, cap), forms)


def push_sigmoid(draft: Draft, weight_bits: int, value_bits: int, table_bits: int) -> None:
    """Add 1 / (1 + exp(-z)), number by number, in integers from 0 to 2**value_bits - 1."""
    reach = Fraction(value_bits + 1) * 7 / 10  # beyond, less than half a unit is left
    _push_table(
        draft, sigmoid, (Fraction(0), Fraction(1)), Fraction(1, 4), reach, (weight_bits, value_bits, table_bits)
    )


def push_tanh(draft: Draft, weight_bits: int, value_bits: int, table_bits: int) -> None:
    """Add tanh(z), number by number, as -1 and integers from 0 to 2**value_bits - 1 above it."""
    reach = Fraction(value_bits + 1) * 7 / 20
    _push_table(draft, tanh, (Fraction(-1), Fraction(1)), Fraction(1), reach, (weight_bits, value_bits, table_bits))


def sigmoid(x: Fraction) -> Fraction:
    """Return 1 / (1 + exp(-x)) to thirty digits: decimal arithmetic, which rounds alike on every machine."""
    with localcontext(Context(prec=40)):
        number = Decimal(x.numerator) / Decimal(x.denominator)
        return Fraction(1 / (1 + (-max(min(number, Decimal(200)), Decimal(-200))).exp()))


def tanh(x: Fraction) -> Fraction:
    """Return tanh(x), as `sigmoid`."""
    return 2 * sigmoid(2 * x) - 1


def _greatest(draft: Draft, made: Rounded | None) -> int:
    """Return the greatest sum that counts: the sample's, or the greatest there can be."""
    z = after(made.step, draft.ranges) if made else draft.ranges
    possible = max(0, *(interval.high for interval in z))
    if draft.sample is None or not len(draft.sample):
        return possible
    found = apply_rows(made.step, draft.sample, draft.ranges) if made else draft.sample
    seen = int(found.max())
    return seen if seen > 0 else possible


def _shift(greatest: int, limit: int, *, rounds: bool) -> int:
    """Return the least shift that brings `greatest` to `limit` or below."""
    shift = max(0, greatest.bit_length() - limit.bit_length())
    return shift + (greatest + ((1 << shift >> 1) if rounds else 0) >> shift > limit)


def _push_table(
    draft: Draft,
    function: Callable[[Fraction], Fraction],
    between: tuple[Fraction, Fraction],
    slope: Fraction,
    reach: Fraction,
    bits: tuple[int, int, int],
) -> None:
    """Add a table of a rising function with values `between` and a slope of at most `slope`.

    reach   how far from zero it still rises
    bits    of a weight, of a value, of an index
    """
    weight_bits, value_bits, table_bits = bits
    if not draft.is_ready(alike=True):
        made = rounded(draft, weight_bits, alike=True)
        draft.push(made.step, made.forms)
    scale = draft.forms[0].single[1]
    least, greatest = min(z.low for z in draft.ranges), max(z.high for z in draft.ranges)
    end = ceil(reach / scale)
    first, last = max(min(least, end), -end), min(max(greatest, -end), end)
    shift = 0
    while (last >> shift) - (first >> shift) >= 1 << table_bits:
        shift += 1
    unit, offset = rounded_up((between[1] - between[0]) / ((1 << value_bits) - 1)), between[0]
    low, high, values, worst = first >> shift, last >> shift, [], Fraction(0)
    for index in range(low, high + 1):
        ends = [index << shift, ((index + 1) << shift) - 1]
        if index == low:
            ends[0] = min(least, ends[0])
        if index == high:
            ends[1] = max(greatest, ends[1])
        y = [function(scale * z) for z in ends]
        values.append(nearest(((y[0] + y[1]) / 2 - offset) / unit))
        worst = max(worst, *(abs(found - offset - unit * values[-1]) for found in y))
    forms = [
        Form.of(offset, {k: unit}, form.error.times(slope).plus(everywhere(worst + _FUNCTION_ERROR)).rounded())
        for k, form in enumerate(draft.forms)
    ]
    draft.push(Table(shift, low, tuple(values)), forms)
