"""Decimal strings as exact numbers: how a scale, an origin or a step is written, since no document carries floats."""

from __future__ import annotations

import re
from fractions import Fraction

from tallystick.core.errors import InvalidInput
from tallystick.core.limits import KERNEL_DECIMAL_CHARS_MAX

_DECIMAL = re.compile(r"(?!-0(?:\.0+)?\Z)-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?\Z", re.ASCII)


def ratio(text: object, what: str = "number") -> Fraction:
    """Return the number that `text` writes in plain decimal: a sign, digits, a point and digits; no exponent.

    raises  InvalidInput "kernel.decimal" for anything else, and for more than 77 characters: both halves of the
            fraction then fit a word of the EVM
    """
    if not isinstance(text, str) or len(text) > KERNEL_DECIMAL_CHARS_MAX or not _DECIMAL.match(text):
        raise InvalidInput(
            "kernel.decimal",
            f"{what} is not a plain decimal number",
            expected=f"digits, at most one point, ≤ {KERNEL_DECIMAL_CHARS_MAX} characters",
            got=repr(text)[:100],
        )
    return Fraction(text)


def positive(text: object, what: str = "number") -> Fraction:
    """Return the number as `ratio` does, if it is greater than zero; raises InvalidInput "kernel.decimal"."""
    found = ratio(text, what)
    if found <= 0:
        raise InvalidInput("kernel.decimal", f"{what} must be positive", expected="> 0", got=text)
    return found
