"""Forms become a dense step: symmetric integer weights, and biases at the scale of the accumulator.

A row's scale makes the input that can add most to it use all the bits of a weight, if it is as wide as the widest;
inputs of fewer values, such as indicators, get greater weights in the same measure, which makes no sum any wider.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from tallystick.lithic.integer.model import Dense
from tallystick.lithic.quantise.draft import Draft
from tallystick.lithic.quantise.exact import nearest, rounded_up
from tallystick.lithic.quantise.forms import Form, everywhere


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
    limit = (1 << (bits - 1)) - 1
    scales = _alike(draft.forms, spans, limit) if alike else [_own(form, spans, limit) for form in draft.forms]
    rows, biases, forms = [], [], []
    for place, (form, scale) in enumerate(zip(draft.forms, scales, strict=True)):
        weights = {at: nearest(factor / scale) for at, factor in form.terms.items() if spans[at]}
        bias = nearest(form.offset / scale)
        rows.append(tuple(weights.get(at, 0) for at in range(len(spans))))
        biases.append(bias)
        lost = _lost(draft, form, scale, weights, bias)
        forms.append(Form(Fraction(0), {place: scale}, form.error.plus(everywhere(lost)).rounded()))
    return Rounded(Dense(tuple(rows), tuple(biases)), tuple(forms))


def push_dense(draft: Draft, bits: int, *, alike: bool) -> None:
    """Add the draft's forms to it as a dense step."""
    made = rounded(draft, bits, alike=alike)
    draft.push(made.step, made.forms)


def _lost(draft: Draft, form: Form, scale: Fraction, weights: dict[int, int], bias: int) -> Fraction:
    """Return how far scale · (weights · x + bias) can be from the form."""
    low = high = form.offset - scale * bias
    for at, weight in weights.items():
        residue, z = form.terms[at] - scale * weight, draft.ranges[at]
        ends = (residue * z.low, residue * z.high)
        low, high = low + min(ends), high + max(ends)
    return max(abs(low), abs(high))


def _own(form: Form, spans: Sequence[int], limit: int) -> Fraction:
    """Return a row's scale. A bias that outweighs every input counts as one, or it would make all sums wide."""
    added, widest = _reach(form, spans)
    return rounded_up(max(added, abs(form.offset)) / (widest * limit)) or Fraction(1)


def _alike(forms: Sequence[Form], spans: Sequence[int], limit: int) -> list[Fraction]:
    """Return the scale of all rows."""
    reaches = [_reach(form, spans) for form in forms]
    added, widest = max(reach[0] for reach in reaches), max(reach[1] for reach in reaches)
    if not added:
        added = max(abs(form.offset) for form in forms)
    return [rounded_up(added / (widest * limit)) or Fraction(1)] * len(forms)


def _reach(form: Form, spans: Sequence[int]) -> tuple[Fraction, int]:
    """Return the most that one input adds to the form, and how great the greatest of its inputs can be."""
    added = max((abs(factor) * spans[at] for at, factor in form.terms.items()), default=Fraction(0))
    return added, max((spans[at] for at in form.terms), default=1) or 1
