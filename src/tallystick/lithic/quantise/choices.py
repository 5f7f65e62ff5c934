"""What nobody declared is chosen here, and why it was is kept: how many bits a field has, and what its integers count.

A declared step stands. One that was only seen in rows stands where a field can count it. Elsewhere a range becomes a
line of as many steps as there are; and where trees compare the feature and there is a sample, that grid is taken on
which the fewest of its rows fall on the other side of a threshold. XGBoost splits at values of the data: a row that
stands exactly on a threshold goes right, and would go left if its nearest point lay below.

Which grid is taken depends on no sum of floats and no function of a library, so it is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, gcd, lcm
from typing import TYPE_CHECKING, Any, Literal

from tallystick.lithic import floats
from tallystick.lithic.floats import FloatModel
from tallystick.lithic.integer.decimals import ratio
from tallystick.lithic.integer.model import Field, Input
from tallystick.lithic.quantise.exact import declared, rounded_up, text, threshold
from tallystick.lithic.quantise.fitting import walk
from tallystick.lithic.quantise.grids import Bits, Range, encode, field_for, is_counted, table_of

if TYPE_CHECKING:
    from tallystick.lithic.quantise.grids import Floats

BitsReason = Literal["asked", "trees", "steps", "usual"]
StepReason = Literal["declared", "whole", "categories", "rows", "line", "widened", "constant"]

Edge = tuple[float, bool]  # a threshold, and whether it is strict

BITS_REASONS: dict[BitsReason, str] = {
    "asked": "as asked",
    "trees": "trees compare the features, which costs no more",
    "steps": "a declared step has more than 8 bits count",
    "usual": "as usual: more make wider lanes",
}
STEP_REASONS: dict[StepReason, str] = {
    "declared": "declared",
    "whole": "whole numbers in the rows",
    "categories": "the widest that meets every category",
    "rows": "the sample's rows keep their side of every threshold, or most do",
    "line": "the range over all that the bits count",
    "widened": "the range over all that the bits count: too many whole numbers",
    "constant": "one number alone",
}

_PLACES_MAX = 9  # decimal places that are looked for: as many as single precision has digits
_NOISE = Fraction(1, 8)  # of a step: what numbers that were computed may be off a lattice
_SINGLE_MAX = 1e30  # beyond, numbers leave single precision and no decimal places are left
_SLACK = 1e-4  # of a step: beyond what double precision errs among 65,535 of them
_LATTICE_DIGITS = 15  # of its step: rounding must not carry the last of 65,535 off it
_STEPS, _SHIFTS = 64, 64  # of the grids that are tried: one in 2**n is right for n thresholds, so six find theirs


@dataclass(frozen=True)
class Grid:
    """A feature's field, why its step is that, and how far a number in range can be from the grid."""

    field: Field
    reason: StepReason
    off: Fraction


@dataclass(frozen=True)
class Choice:
    """The input as it was chosen."""

    bits: Bits
    bits_reason: BitsReason
    grids: tuple[Grid, ...]

    @property
    def input(self) -> Input:
        """The declared input."""
        return Input(self.bits, tuple(grid.field for grid in self.grids))


def choose(model: FloatModel, ranges: Sequence[Range], sample: Any, bits: Bits | None) -> Choice:
    """Return the input of a model.

    sample  rows like those to come, or nothing
    bits    of a field, where somebody asked for them
    raises  InvalidInput "kernel.range" when a declared step is too fine for the field, "kernel.rows"
    """
    categories = _categories(model)
    stepped = [_categorical(one, column) for one, column in zip(ranges, categories, strict=True)]
    chosen, reason = _bits(model, stepped, bits)
    compared, columns = _thresholds(model), _columns(model.features, sample)
    grids = []
    for at, (name, one, was) in enumerate(zip(model.features, stepped, ranges, strict=True)):
        if one.step is not None and (not one.is_seen or is_counted(one, chosen)):
            why: StepReason = "whole" if one.is_seen else "declared" if was.step else "categories"
            grids.append(Grid(field_for(name, one, chosen), why, Fraction(0)))
            continue
        if columns is None or not compared[at] or one.low == one.high:
            grids.append(_line(name, one, chosen))
        else:
            column, edges = columns[at].clip(float(one.low), float(one.high)), _within(compared[at], one)
            grids.append(_fittest(name, one, column, edges, chosen))
    return Choice(chosen, reason, tuple(grids))


def _bits(model: FloatModel, ranges: Sequence[Range], asked: Bits | None) -> tuple[Bits, BitsReason]:
    if asked is not None:
        return asked, "asked"
    if _has_trees_first(model):
        return 16, "trees"
    if any(one.step is not None and not one.is_seen and not is_counted(one, 8) for one in ranges):
        return 16, "steps"
    return 8, "usual"


def _has_trees_first(model: FloatModel) -> bool:
    """Whether trees are reached by the features themselves, or scaled ones."""
    for step in model.steps:
        if isinstance(step, floats.Trees):
            return True
        if not isinstance(step, floats.OneHot | floats.Affine):
            return False
    return False


def _line(name: str, given: Range, bits: Bits) -> Grid:
    """Return the range divided by what the bits count."""
    field = field_for(name, Range(given.low, given.high), bits)
    if field.low == field.high:
        return Grid(field, "constant", Fraction(0))
    return Grid(field, "widened" if given.is_seen else "line", ratio(field.step) / 2)


# --- categories


def _categories(model: FloatModel) -> tuple[tuple[float, ...] | None, ...]:
    first = model.steps[0] if model.steps else None
    return first.columns if isinstance(first, floats.OneHot) else (None,) * len(model.features)


def _categorical(given: Range, column: tuple[float, ...] | None) -> Range:
    """Return the range of a categorical feature with the widest step that meets every category, if it has no step."""
    if column is None or given.step is not None:
        return given
    values = [declared(value, "a category") for value in column]
    unit = lcm(*(value.denominator for value in values))
    step = Fraction(gcd(*(int(value * unit) for value in values)) or unit, unit)
    return Range(given.low, given.high, step)


# --- thresholds


def _thresholds(model: FloatModel) -> list[list[Edge]]:
    """Return the thresholds that trees compare each feature itself with, and whether strictly."""
    found: list[list[Edge]] = [[] for _ in model.features]
    if model.steps and isinstance(model.steps[0], floats.Trees):
        for node in walk(model.steps[0].trees):
            if isinstance(node, floats.Fork):
                found[node.feature].append((node.threshold, node.strict))
    return found


def _within(thresholds: Sequence[Edge], given: Range) -> list[Edge]:
    """Return the thresholds that numbers in range can cross."""
    return [edge for edge in thresholds if float(given.low) <= edge[0] <= float(given.high)]


def _columns(features: Sequence[str], sample: Any) -> list[Floats] | None:
    """Return each column of the sample, sorted."""
    import numpy as np

    if sample is None:
        return None
    table = table_of(features, sample)
    return list(np.sort(table, axis=0).T) if len(table) else None


def _misplaced(field: Field, column: Floats, thresholds: Sequence[Edge], bits: Bits) -> int:
    """Return how many numbers of a sorted column, taken once for each threshold, change sides on the grid."""
    import numpy as np

    integers = encode(Input(bits, (field,)), column.reshape(-1, 1), clip=True)[:, 0]
    origin, step = ratio(field.origin), ratio(field.step)
    count = 0
    for value, is_strict in thresholds:
        edge = (threshold(value) - origin) / step
        below = ceil(edge) if is_strict else floor(edge) + 1
        before = np.searchsorted(column, value, side="left" if is_strict else "right")
        count += abs(int(before) - int(np.searchsorted(integers, below, side="left")))
    return count


# --- grids that keep rows on their side of thresholds


def _fittest(name: str, given: Range, column: Floats, thresholds: Sequence[Edge], bits: Bits) -> Grid:
    """Return the grid on which the fewest numbers of a sorted column change sides; the first of equals."""
    best: tuple[int, Grid] | None = None
    for grid in _grids(name, given, column, thresholds, bits):
        found = _misplaced(grid.field, column, thresholds, bits)
        if best is None or found < best[0]:
            best = (found, grid)
        if not best[0]:
            break
    assert best is not None
    return best[1]


def _grids(name: str, given: Range, column: Floats, thresholds: Sequence[Edge], bits: Bits) -> Iterator[Grid]:
    """Yield the decimal grid that every number is on, if there is one; the plain line; and the best of many others."""
    unit = _decimal_unit(column)
    fine = None if unit is None else _finest(given, unit, bits)
    if fine is not None:
        yield Grid(field_for(name, Range(given.low, given.high, fine), bits), "rows", fine / 2)
    yield _line(name, given, bits)
    origin, step = _searched(given, column, thresholds, bits)
    high = ceil((given.high - origin) / step)
    yield Grid(Field(name, 0, high, text(origin, name), text(step, name)), "rows", step / 2)


def _decimal_unit(column: Floats) -> Fraction | None:
    """Return the greatest of 1, 0.1, 0.01 … that every number is a multiple of, in the precision that they have."""
    import numpy as np

    if np.abs(column).max() > _SINGLE_MAX:
        return None
    is_single = bool((column.astype(np.float32) == column).all())
    for places in range(_PLACES_MAX + 1):
        rounded = np.round(column, places)
        if np.array_equal(rounded.astype(np.float32) if is_single else rounded, column):
            return Fraction(1, 10**places)
    return None


def _finest(given: Range, unit: Fraction, bits: Bits) -> Fraction | None:
    """Return the least unit / 1, 2, 5, 10 … in which the bits count the range; nothing if they do not count units."""
    parts = [n * 10**k for k in range(bits // 3) for n in (1, 2, 5)]
    fitting = [n for n in parts if is_counted(Range(given.low, given.high, unit / n), bits)]
    return unit / fitting[-1] if fitting else None


def _searched(given: Range, column: Floats, thresholds: Sequence[Edge], bits: Bits) -> tuple[Fraction, Fraction]:
    """Return the origin and the step, of some thousands, with the fewest thresholds on the wrong side of a number.

    Each threshold is tried with its two neighbours in the column, in floats: they choose, but decide nothing alone. One
    that is so near to the grid that floats may err counts as wrong.
    """
    import numpy as np

    values, is_strict = np.array([t for t, _ in thresholds]), np.array([strict for _, strict in thresholds])
    at = np.where(is_strict, np.searchsorted(column, values), np.searchsorted(column, values, side="right"))
    below, above = column[np.maximum(at - 1, 0)], column[np.minimum(at, len(column) - 1)]
    shares = [Fraction(k, _SHIFTS) for k in range(_SHIFTS)]
    best: tuple[int, Fraction, Fraction] | None = None
    for step in _steps(given, column, bits):
        origins = np.array([float(given.low - step * share) for share in shares]).reshape(-1, 1)
        places = (values - origins) / float(step)
        edges = np.where(is_strict, np.ceil(places), np.floor(places) + 1)
        left, right = (np.floor((side - origins) / float(step) + 0.5) for side in (below, above))
        wrong = ((left >= edges) & (at > 0)) | ((right < edges) & (at < len(column)))
        wrong = (wrong | (np.abs(places - np.rint(places)) < _SLACK)).sum(axis=1)
        found = int(wrong.argmin())
        if best is None or int(wrong[found]) < best[0]:
            best = (int(wrong[found]), given.low - step * shares[found], step)
        if not best[0]:
            break
    assert best is not None
    return best[1], best[2]


def _steps(given: Range, column: Floats, bits: Bits) -> Iterator[Fraction]:
    """Yield steps to try: of a lattice that every number is near to, such as scaled whole numbers; then wider ones."""
    import numpy as np

    least = (given.high - given.low) / ((1 << bits) - 3)  # an end each way, and the shift
    gaps = np.diff(np.unique(column))
    if len(gaps):
        width = float(column[-1] - column[0])
        gap = width / max(1.0, np.rint(width / gaps.min()))
        places = (column - column[0]) / gap
        noise = float(np.abs(places - np.rint(places)).max())
        parts = floor(min(Fraction(gap) / least, _NOISE / Fraction(noise) if noise else Fraction(gap) / least))
        if parts:
            yield rounded_up(Fraction(gap) / parts, _LATTICE_DIGITS)
    for k in range(_STEPS):
        yield rounded_up(least * (1 + Fraction(k, 4 * _STEPS)))
