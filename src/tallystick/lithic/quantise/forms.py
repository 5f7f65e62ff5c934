"""What the numbers of the float model are, said in the integers that a draft has so far.

A form is offset + Σ factor · integer, exactly, with a bound on how far the float model's number can be from it. Affine
steps are carried out on forms, so scalers, the input's grid and squares cost nothing: they end up in the next weights
or thresholds, without a rounding between.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from tallystick.lithic.quantise.exact import rounded_up, trained

_ERROR_DIGITS = 12  # of a bound under way; keeps its fractions short


class Errors(NamedTuple):
    """How far off a number can be at most.

    uncapped  inputs on the grid, where no cap binds and none of the above is cut off
    on_grid   any input on the grid
    in_range  any input in the declared ranges, put on the grid
    """

    uncapped: Fraction
    on_grid: Fraction
    in_range: Fraction

    def plus(self, other: Errors) -> Errors:
        """Return the bound of a sum."""
        return Errors(*(a + b for a, b in zip(self, other, strict=True)))

    def times(self, factor: Fraction) -> Errors:
        """Return the bound of a multiple."""
        return Errors(*(a * abs(factor) for a in self))

    def rounded(self) -> Errors:
        """Return the same, a little greater, in short fractions."""
        return Errors(*(rounded_up(a, _ERROR_DIGITS) for a in self))


EXACT = Errors(Fraction(0), Fraction(0), Fraction(0))


def everywhere(bound: Fraction) -> Errors:
    """Return the errors of something that is off by `bound` whatever the input."""
    return Errors(bound, bound, bound)


@dataclass(frozen=True)
class Form:
    """offset + Σ factor · integer, and its error; terms by the place of the integer, none of them zero."""

    offset: Fraction
    terms: Mapping[int, Fraction]
    error: Errors = EXACT

    @property
    def is_single(self) -> bool:
        """Whether it is said in one integer at most."""
        return len(self.terms) <= 1

    @property
    def single(self) -> tuple[int, Fraction]:
        """The one integer's place and factor."""
        ((place, factor),) = self.terms.items()
        return place, factor


def affine(weights: Iterable[Sequence[float]], bias: Iterable[float], forms: Sequence[Form]) -> tuple[Form, ...]:
    """Return weights · forms + bias; raises InvalidInput "kernel.float" when one of them is not finite."""
    exact = ([trained(w, "a weight") for w in row] for row in weights)
    return tuple(combined(row, trained(b, "a bias"), forms) for row, b in zip(exact, bias, strict=True))


def combined(weights: Sequence[Fraction], bias: Fraction, forms: Sequence[Form]) -> Form:
    """Return Σ weight · form + bias."""
    offset, terms, error = bias, dict[int, Fraction](), EXACT
    for weight, form in zip(weights, forms, strict=True):
        if not weight:
            continue
        if form.offset:
            offset += weight * form.offset
        for place, factor in form.terms.items():
            terms[place] = terms.get(place, 0) + weight * factor
        if form.error is not EXACT:
            error = error.plus(form.error.times(weight))
    return Form(offset, {place: factor for place, factor in terms.items() if factor}, error)
