"""The input: what each feature can be, the grid of integers that stands for it, and rows put on that grid.

A feature with a declared `step` has only multiples of it: categories, counts, pixels. Its integer is the number divided
by the step where that fits the field, else counted from the low end. Any other feature is a line from low to high that
the field's bits divide: origin = low, step = width / (2**bits - 1) rounded up to six digits. A number goes to the
nearer grid point, up from the middle, so without a declared step it is off by half a step at most. Declared ends that
are not on the grid are moved outward to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING, Any, Literal

from tallystick.core.errors import InvalidInput
from tallystick.lithic.integer.decimals import ratio
from tallystick.lithic.integer.model import Field, Input
from tallystick.lithic.quantise.exact import Number, declared, nearest, rounded_down, rounded_up, text

if TYPE_CHECKING:
    import numpy as np

    Floats = np.ndarray[Any, np.dtype[np.float64]]
    Integers = np.ndarray[Any, np.dtype[np.int64]]

Bits = Literal[8, 16]

_ROUNDINGS = 2.0**-50  # of what is subtracted: the five roundings of double precision below err by less


@dataclass(frozen=True)
class Range:
    """What one feature can be: from `low` to `high`, in multiples of `step` where there is one; kept as fractions.

    is_seen  nobody declared the step: rows have it, and it may be given up
    """

    low: Fraction
    high: Fraction
    step: Fraction | None = None
    is_seen: bool = False

    def __post_init__(self) -> None:
        """Raise InvalidInput "kernel.range" unless low ≤ high and step > 0, "kernel.decimal" for no number."""
        for name in ("low", "high", "step"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, Fraction):
                object.__setattr__(self, name, declared(value, name))
        if self.low > self.high or (self.step is not None and self.step <= 0):
            raise InvalidInput("kernel.range", "not a range", expected="low ≤ high, step > 0", got=self)

    def __str__(self) -> str:
        """Return it as people write it."""
        return f"{float(self.low):g} to {float(self.high):g}" + (f" by {float(self.step):g}" if self.step else "")


Declared = Range | Sequence[Number]
Ranges = Mapping[str, Declared] | Sequence[Declared]


def ranges_for(features: Sequence[str], ranges: Ranges) -> tuple[Range, ...]:
    """Return the range of each feature; a declared one is a Range, (low, high) or (low, high, step).

    raises  InvalidInput "kernel.range" when one is missing, is for no feature, or is no range
    """
    if isinstance(ranges, Mapping):
        missing, strange = sorted(set(features) - set(ranges)), sorted(set(ranges) - set(features))
        if missing or strange:
            raise InvalidInput(
                "kernel.range", "ranges do not match the features",
                expected=f"a range for {missing[0]!r}" if missing else "features only",
                got=f"{len(missing)} missing, {len(strange)} of no feature" + (f": {strange[0]!r}" if strange else ""),
            )  # fmt: skip
        ranges = [ranges[name] for name in features]
    if len(ranges) != len(features):
        raise InvalidInput("kernel.range", "ranges do not match the features", expected=len(features), got=len(ranges))
    return tuple(_range(name, given) for name, given in zip(features, ranges, strict=True))


def observed_ranges(features: Sequence[str], rows: Any, margin: Number = "0.1") -> dict[str, Range]:
    """Return ranges that hold every row, for those who have data and no better knowledge.

    margin  of the observed width, added at both ends, but never across zero; ends are rounded outward to three digits

    Columns of nothing but integers that a field of 16 bits can count get step 1 and no margin.
    """
    table = table_of(features, rows)
    if not len(table):
        raise InvalidInput("kernel.range", "no rows to take ranges from", expected="≥ 1 row", got=0)
    share = declared(margin, "margin")
    return {name: _observed(table[:, k], share) for k, name in enumerate(features)}


def input_for(features: Sequence[str], ranges: Sequence[Range], bits: Bits) -> Input:
    """Return the declared input; raises InvalidInput "kernel.range" when a step is too fine for the field."""
    return Input(bits, tuple(field_for(name, given, bits) for name, given in zip(features, ranges, strict=True)))


def field_for(name: str, given: Range, bits: Bits) -> Field:
    """Return the field of one feature; raises as `input_for`."""
    most = (1 << bits) - 1
    if given.step is None:
        if given.low == given.high:
            return Field(name, 0, 0, text(given.low, name), "1")
        step = rounded_up((given.high - given.low) / most)
        return Field(name, 0, ceil((given.high - given.low) / step), text(given.low, name), text(step, name))
    step = given.step
    low, high = floor(given.low / step), ceil(given.high / step)
    if low >= 0 and high <= most:
        return Field(name, low, high, "0", text(step, name))
    if not is_counted(given, bits):
        wider = "declare a wider step or a narrower range"
        raise InvalidInput(
            "kernel.range", f"{name} has more steps than {bits} bits count", expected=f"≤ {most}", got=high - low,
            hint=wider if bits == 16 else f"{wider}, or do not ask for 8 bits",
        )  # fmt: skip
    return Field(name, 0, high - low, text(low * step, name), text(step, name))


def is_counted(given: Range, bits: Bits) -> bool:
    """Whether a field of so many bits counts every step of a range."""
    return given.step is None or ceil(given.high / given.step) - floor(given.low / given.step) < 1 << bits


def encode(declared_input: Input, rows: Any, *, clip: bool = False) -> Integers:
    """Return the integers that stand for `rows`: int64 of (rows, fields), each number's nearest grid point.

    clip     take what is outside the declared range as the range's end, instead of refusing it
    raises   InvalidInput "kernel.input", naming the row and the field
    """
    import numpy as np

    found = _nearest(declared_input, rows)
    clipped = _clipped(declared_input, found)
    if not clip and (found != clipped).any():
        row, column = np.argwhere(found != clipped)[0]
        field = declared_input.fields[column]
        raise InvalidInput(
            "kernel.input", f"{field.name} of row {row} leaves its range", expected=span(field),
            got=np.asarray(rows)[row, column], hint="clip it to the range, or build with a wider one",
        )  # fmt: skip
    return clipped


def is_inside(declared_input: Input, rows: Any) -> Any:
    """Return for each row whether `encode` takes it without clipping."""
    found = _nearest(declared_input, rows)
    return (found == _clipped(declared_input, found)).all(axis=1)


def decode(declared_input: Input, integers: Any) -> Floats:
    """Return the numbers that integers stand for, each the double nearest to origin + step · integer."""
    import numpy as np

    out = np.empty(np.shape(integers), dtype=np.float64)
    for k, field in enumerate(declared_input.fields):
        origin, step = ratio(field.origin), ratio(field.step)
        values, places = np.unique(np.asarray(integers)[:, k], return_inverse=True)
        out[:, k] = np.array([float(origin + step * int(value)) for value in values])[places]
    return out


def span(field: Field) -> str:
    """Return a field's declared range in the feature's own numbers."""
    origin, step = ratio(field.origin), ratio(field.step)
    return f"{float(origin + step * field.low):.6g} to {float(origin + step * field.high):.6g}"


def table_of(features: Sequence[str], rows: Any) -> Floats:
    """Return rows of that many features as doubles; raises InvalidInput "kernel.rows" unless all are finite numbers."""
    import numpy as np

    try:
        table = np.asarray(rows, dtype=np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidInput("kernel.rows", "no rows of numbers", got=str(error)[:100]) from None
    if table.ndim != 2 or table.shape[1] != len(features):
        raise InvalidInput("kernel.rows", "rows do not match the features", expected=len(features), got=table.shape)
    if not np.isfinite(table).all():
        row, column = np.argwhere(~np.isfinite(table))[0]
        raise InvalidInput(
            "kernel.rows", f"{features[column]} of row {row} is no finite number", got=table[row, column]
        )
    return table


def _range(name: str, given: Declared) -> Range:
    if isinstance(given, Range):
        return given
    if isinstance(given, str) or not isinstance(given, Sequence) or len(given) not in (2, 3):
        raise InvalidInput(
            "kernel.range", f"{name} has no range", expected="(low, high) or (low, high, step)", got=repr(given)[:100]
        )
    ends = [declared(number, f"{name}: {what}") for number, what in zip(given, ("low", "high", "step"), strict=False)]
    return Range(ends[0], ends[1], ends[2] if len(ends) == 3 else None)


def _observed(column: Floats, margin: Fraction) -> Range:
    low, high = declared(float(column.min()), "low"), declared(float(column.max()), "high")
    if (column == column.round()).all() and high - low < 1 << 16:
        return Range(low, high, Fraction(1), is_seen=True)
    extra = (high - low) * margin
    return Range(
        Fraction(0) if low >= 0 > low - extra else _outward(low - extra, up=False),
        Fraction(0) if high <= 0 < high + extra else _outward(high + extra, up=True),
    )


def _outward(value: Fraction, *, up: bool) -> Fraction:
    """Return the next number of three digits above or below `value`."""
    if value < 0:
        return -_outward(-value, up=not up)
    return rounded_up(value, 3) if up else rounded_down(value, 3)


def _nearest(declared_input: Input, rows: Any) -> Integers:
    """Return the nearest integers, in their ranges or not."""
    import numpy as np

    table = table_of([field.name for field in declared_input.fields], rows)
    columns = [
        _encoded(table[:, k], ratio(field.origin), ratio(field.step)) for k, field in enumerate(declared_input.fields)
    ]
    return np.stack(columns, axis=1)


def _clipped(declared_input: Input, integers: Integers) -> Integers:
    import numpy as np

    low = np.array([field.low for field in declared_input.fields])
    high = np.array([field.high for field in declared_input.fields])
    return np.clip(integers, low, high)


def _encoded(column: Floats, origin: Fraction, step: Fraction) -> Integers:
    """Return floor((x - origin) / step + 1/2) exactly: in floats where they cannot err, in fractions elsewhere."""
    import numpy as np

    limit = float(1 << 40)
    with np.errstate(over="ignore"):
        places = np.clip((column - float(origin)) / float(step), -limit, limit) + 0.5
        slack = ((np.abs(column) + abs(float(origin))) / float(step) + 1) * _ROUNDINGS
    found = np.floor(places).astype(np.int64)
    is_far = np.abs(places - 0.5) >= limit  # beyond every range, whatever the exact place
    for row in np.flatnonzero((np.abs(places - np.rint(places)) <= slack) & ~is_far):
        found[row] = nearest((Fraction(float(column[row])) - origin) / step)
    return found
