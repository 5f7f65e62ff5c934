"""Forms become a dense step: symmetric integer weights, and biases at the scale of the accumulator.

A row's scale makes the input that can add most to it use all the bits of a weight, if it is as wide as the widest;
inputs of fewer values, such as indicators, get greater weights in the same measure, which makes no sum any wider.

Where a sample shows that what could add most hardly ever does, such as a pixel that is nearly always dark, the scale is
finer: by what inputs add on average, not at most. That makes sums wider, by `_FINER_BITS` bits at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from tallystick.lithic.integer.model import Dense
from tallystick.lithic.quantise.draft import Draft
from tallystick.lithic.quantise.exact import rounded_up
from tallystick.lithic.quantise.forms import Form, everywhere

_USUAL_BITS = 2  # by which the most is above the average where nothing is unusual
_FINER_BITS = 6


@dataclass(frozen=True)
class Rounded:
    """A dense step, and what its outputs say in the float model's numbers."""

    step: Dense
    forms: tuple[Form, ...]


def rounded(draft: Draft, bits: int, *, alike: bool) -> Rounded:
    """Return the draft's forms as a dense step with weights of `bits` bits.

    alike   one scale for all rows, as tables, maxima and scores need; else each row has its own
    """
    spans = draft.spans()
    scales = _scales(draft, (1 << (bits - 1)) - 1, alike=alike)
    rows, biases, forms = [], [], []
    for place, (form, scale) in enumerate(zip(draft.forms, scales, strict=True)):
        unit, parts = form.divisor * scale.numerator, scale.denominator  # one of the scale is unit / parts numerators
        weights = {at: _nearest(n * parts, unit) for at, n in form.numerators.items() if spans[at]}
        bias = _nearest(form.constant * parts, unit)
        rows.append(tuple(weights.get(at, 0) for at in range(len(spans))))
        biases.append(bias)
        lost = Fraction(_lost(draft, form, parts, unit, weights, bias), form.divisor * parts)
        forms.append(Form.of(Fraction(0), {place: scale}, form.error.plus(everywhere(lost)).rounded()))
    return Rounded(Dense(tuple(rows), tuple(biases)), tuple(forms))


def push_dense(draft: Draft, bits: int, *, alike: bool) -> None:
    """Add the draft's forms to it as a dense step."""
    made = rounded(draft, bits, alike=alike)
    draft.push(made.step, made.forms)


def _lost(draft: Draft, form: Form, parts: int, unit: int, weights: dict[int, int], bias: int) -> int:
    """Return how far weights · x + bias can be from the form, in its numerators' parts."""
    low = high = form.constant * parts - unit * bias
    for at, weight in weights.items():
        residue, z = form.numerators[at] * parts - unit * weight, draft.ranges[at]
        first, last = (z.low, z.high) if residue > 0 else (z.high, z.low)
        low, high = low + residue * first, high + residue * last
    return max(abs(low), abs(high))


def _nearest(numerator: int, denominator: int) -> int:
    """Return the nearest integer to a ratio, as `exact.nearest`."""
    return (2 * numerator + denominator) // (2 * denominator)


def _scales(draft: Draft, limit: int, *, alike: bool) -> list[Fraction]:
    """Return the scale of each row."""
    groups = [draft.forms] if alike else [(form,) for form in draft.forms]
    spans, totals = draft.spans(), draft.totals()
    found = []
    for forms in groups:
        scale = _scale(forms, spans, limit)
        if totals is not None:
            usual = _scale(forms, totals, limit) * (1 << _USUAL_BITS)
            scale = min(scale, max(usual, scale / (1 << _FINER_BITS)))
        if not alike:
            # a bias that outweighs every input counts as one, or it would make all sums wide
            scale = max(scale, abs(forms[0].offset) / (_widest(forms, spans) * limit))
        found += [rounded_up(scale) or Fraction(1)] * len(forms)
    return found


def _scale(forms: Sequence[Form], sizes: Sequence[int], limit: int) -> Fraction:
    """Return the scale at which the input that adds most, were it as great as the greatest, has a weight of `limit`.

    sizes  how great each integer is, beside the others
    """
    added = max(_most(form, sizes) for form in forms)
    return (added or max(abs(form.offset) for form in forms)) / (_widest(forms, sizes) * limit)


def _most(form: Form, sizes: Sequence[int]) -> Fraction:
    """Return the most that one integer adds to the form."""
    return Fraction(max((abs(n) * sizes[at] for at, n in form.numerators.items()), default=0), form.divisor)


def _widest(forms: Sequence[Form], sizes: Sequence[int]) -> int:
    """Return the greatest size of the forms' integers, one if they have none."""
    return max((sizes[at] for form in forms for at in form.numerators), default=0) or 1
