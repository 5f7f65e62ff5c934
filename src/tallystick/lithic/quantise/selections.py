"""Squares, one-hot columns and maxima: steps that are exact in integers once their numbers are single integers."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from tallystick.core.errors import InvalidInput
from tallystick.lithic.integer.model import MaxPool, OneHot, Squares, Vector
from tallystick.lithic.quantise.dense import push_dense
from tallystick.lithic.quantise.draft import Draft
from tallystick.lithic.quantise.exact import declared
from tallystick.lithic.quantise.forms import Errors, Form

_NEVER = -1  # a category that no integer of the input equals, since they are unsigned


def push_squares(draft: Draft, weight_bits: int) -> None:
    """Add (x, x · x): each form, then its square, which is a form in an integer and its square."""
    if not all(form.is_single for form in draft.forms):
        push_dense(draft, weight_bits, alike=False)
    count = len(draft.ranges)
    spans = draft.spans()
    draft.push(Squares(), (*draft.forms, *(_squared(form, spans, count) for form in draft.forms)))


def push_one_hot(draft: Draft, columns: Sequence[tuple[float, ...] | None]) -> None:
    """Add [x = c] for each category c of a column; a column without stays as it is.

    raises  InvalidInput "kernel.unsupported" when a column is mixed with another before
    """
    places = [form.single[0] for form in draft.forms if len(form.numerators) == 1]
    if len(places) != len(draft.forms) or len(set(places)) != len(places):
        raise InvalidInput("kernel.unsupported", "one-hot columns must be features, not mixtures of features")
    chosen: list[Vector | None] = [None] * len(draft.ranges)
    for form, column in zip(draft.forms, columns, strict=True):
        if column is not None:
            chosen[form.single[0]] = tuple(_category(form, value) for value in column)
    starts, at = [], 0
    for column_integers in chosen:
        starts.append(at)
        at += 1 if column_integers is None else len(column_integers)
    forms: list[Form] = []
    for form, column in zip(draft.forms, columns, strict=True):
        place, factor = form.single
        if column is None:
            forms.append(Form.of(form.offset, {starts[place]: factor}, form.error))
        else:
            error = Errors(*(Fraction(bool(e)) for e in form.error))
            forms += (Form(0, {starts[place] + k: 1}, 1, error) for k in range(len(column)))
    draft.push(OneHot(tuple(chosen)), forms)


def push_max_pool(draft: Draft, groups: Sequence[tuple[int, ...]], weight_bits: int) -> None:
    """Add the greatest of each group; numbers of one scale come first where they are not of one already."""
    if not all(_is_alike([draft.forms[i] for i in group]) for group in groups):
        push_dense(draft, weight_bits, alike=True)
    forms, places = [], []
    for at, group in enumerate(groups):
        members = [draft.forms[i] for i in group]
        places.append(tuple(form.single[0] for form in members))
        error = Errors(*(max(errors) for errors in zip(*(form.error for form in members), strict=True)))
        forms.append(Form.of(members[0].offset, {at: members[0].single[1]}, error))
    draft.push(MaxPool(tuple(places)), forms)


def _squared(form: Form, spans: Sequence[int], count: int) -> Form:
    """Return the square: (o + f · q)² = o² + 2of · q + f² · q², off by e · (2 |o + f · q| + e)."""
    reach = abs(form.offset) + Fraction(sum(abs(n) * spans[at] for at, n in form.numerators.items()), form.divisor)
    error = Errors(*(e * (2 * reach + e) for e in form.error)).rounded()
    if not form.numerators:
        return Form.of(form.offset**2, {}, error)
    place, factor = form.single
    factors = {place: 2 * form.offset * factor, count + place: factor**2}
    return Form.of(form.offset**2, factors, error)


def _category(form: Form, value: float) -> int:
    """Return the integer that stands for a category, or one that nothing equals if it is not on the grid."""
    found = (declared(value, "a category") - form.offset) / form.single[1]
    return int(found) if found.denominator == 1 and found >= 0 else _NEVER


def _is_alike(forms: Sequence[Form]) -> bool:
    if any(len(form.numerators) != 1 for form in forms):
        return False
    return len({(form.offset, form.single[1]) for form in forms}) == 1 and forms[0].single[1] > 0
