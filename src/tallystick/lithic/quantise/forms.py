"""What the numbers of the float model are, said in the integers that a draft has so far.

A form is offset + Σ factor · integer, exactly, with a bound on how far the float model's number can be from it. Affine
steps are carried out on forms, so scalers, the input's grid and squares cost nothing: they end up in the next weights
or thresholds, without a rounding between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite, lcm
from typing import NamedTuple

from tallystick.core.errors import InvalidInput
from tallystick.lithic.quantise.exact import rounded_up

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
    """(constant + Σ numerator · integer) / divisor, and its error.

    Numerators stand by the integer's place, none is zero. One divisor is for all, so that sums over thousands of
    weights are sums of integers.
    """

    constant: int
    numerators: Mapping[int, int]
    divisor: int
    error: Errors = EXACT

    @classmethod
    def of(cls, offset: Fraction, factors: Mapping[int, Fraction], error: Errors = EXACT) -> Form:
        """Return offset + Σ factor · integer."""
        divisor = lcm(offset.denominator, *(factor.denominator for factor in factors.values()))
        numerators = {place: int(factor * divisor) for place, factor in factors.items() if factor}
        return cls(int(offset * divisor), numerators, divisor, error)

    @property
    def offset(self) -> Fraction:
        """What it is where every integer is zero."""
        return Fraction(self.constant, self.divisor)

    @property
    def is_single(self) -> bool:
        """Whether it is said in one integer at most."""
        return len(self.numerators) <= 1

    @property
    def single(self) -> tuple[int, Fraction]:
        """The one integer's place and factor."""
        ((place, numerator),) = self.numerators.items()
        return place, Fraction(numerator, self.divisor)


def affine(weights: Sequence[Sequence[float]], bias: Sequence[float], forms: Sequence[Form]) -> tuple[Form, ...]:
    """Return weights · forms + bias; raises InvalidInput "kernel.float" when one of them is not finite."""
    sums = Sums(forms)
    return tuple(sums.over(*_integers([*row, b])) for row, b in zip(weights, bias, strict=True))


def combined(weights: Sequence[int], bias: Fraction, forms: Sequence[Form]) -> Form:
    """Return Σ weight · form + bias."""
    scaled = [*(weight * bias.denominator for weight in weights), bias.numerator]
    return Sums(forms).over(scaled, bias.denominator)


class Sums:
    """Weighted sums over the same forms, brought to one divisor beforehand."""

    def __init__(self, forms: Sequence[Form]) -> None:
        """Take the forms that sums are of."""
        self._divisor = lcm(*(form.divisor for form in forms))
        self._forms = [_over(form, self._divisor) for form in forms]
        inexact = [(place, form.error) for place, form in enumerate(forms) if any(form.error)]
        self._error_divisor = lcm(*(part.denominator for _, error in inexact for part in error))
        self._errors = [(place, [int(part * self._error_divisor) for part in error]) for place, error in inexact]

    def over(self, weights: Sequence[int], divisor: int) -> Form:
        """Return (Σ weight · form + bias) / divisor; the bias is the last of the weights."""
        constant = weights[-1] * self._divisor
        numerators: dict[int, int] = {}
        for weight, (own, terms) in zip(weights, self._forms, strict=False):
            if weight:
                constant += weight * own
                for place, numerator in terms:
                    numerators[place] = numerators.get(place, 0) + weight * numerator
        error = EXACT
        if self._errors:
            sums = (sum(abs(weights[place]) * parts[k] for place, parts in self._errors) for k in range(3))
            error = Errors(*(Fraction(total, self._error_divisor * divisor) for total in sums))
        kept = {place: numerator for place, numerator in numerators.items() if numerator}
        return Form(constant, kept, self._divisor * divisor, error)


def _over(form: Form, divisor: int) -> tuple[int, list[tuple[int, int]]]:
    """Return the constant and the numerators of a form over another divisor, a multiple of its own."""
    times = divisor // form.divisor
    return form.constant * times, [(place, numerator * times) for place, numerator in form.numerators.items()]


def _integers(row: Sequence[float]) -> tuple[list[int], int]:
    """Return integers and a power of two that they are to be divided by: every bit of each float."""
    if not all(map(isfinite, row)):
        raise InvalidInput("kernel.float", "a weight or a bias is not a finite number")
    ratios = [value.as_integer_ratio() for value in row]
    divisor = max(denominator for _, denominator in ratios)
    return [numerator * (divisor // denominator) for numerator, denominator in ratios], divisor
