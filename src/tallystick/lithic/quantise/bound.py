"""How far the scores of an integer model can be from the float model's, as a proven number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from tallystick.lithic.quantise.exact import rounded_up, text
from tallystick.lithic.quantise.forms import Form


@dataclass(frozen=True)
class ErrorBound:
    """For each score, the most that |score · scale - float score| can be, as decimal strings rounded up.

    By interval analysis over the declared ranges, so it holds for inputs that no data has; the float model is taken as
    real arithmetic on its stored weights, and tree thresholds as decimals (see `exact.threshold`).

    uncapped  for inputs on the grid that make no activation exceed its cap
    on_grid   for any input on the grid; the same as `uncapped` where nothing is capped
    in_range  for any input in the declared ranges, put on the grid first; of trees it is the whole of what they can say
    """

    uncapped: tuple[str, ...]
    on_grid: tuple[str, ...]
    in_range: tuple[str, ...]


def bound_of(forms: Sequence[Form]) -> ErrorBound:
    """Return the bound of a finished model's forms."""
    columns = zip(*(form.error for form in forms), strict=True)
    return ErrorBound(*(tuple(_said(error) for error in column) for column in columns))


def _said(error: Fraction) -> str:
    return text(rounded_up(error, 6))
