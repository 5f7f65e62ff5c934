"""Exact numbers: whatever decides a bit of a model is a fraction here, never a sum of floats.

Sums of floats depend on their order, and functions such as exp on the machine's library; fractions do on neither. What
is rounded, is rounded by name.
"""

from __future__ import annotations

import struct
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from math import isfinite
from numbers import Integral

from tallystick.core.errors import InvalidInput
from tallystick.core.limits import KERNEL_DECIMAL_CHARS_MAX
from tallystick.lithic.integer.decimals import ratio

Number = int | float | str | Decimal

DIGITS = 6  # of a scale that we choose: rounding one in 100,000 off costs less than one step of 65,535


def declared(value: Number, what: str) -> Fraction:
    """Return what a person wrote: of a float, its shortest decimal, so that 0.1 is one tenth.

    raises  InvalidInput "kernel.decimal" unless it is a finite number of a bearable length
    """
    try:
        if isinstance(value, Integral):
            number: Decimal = Decimal(int(value))
        else:
            number = Decimal(value if isinstance(value, str | Decimal) else repr(float(value)))
    except (InvalidOperation, ValueError, TypeError) as error:
        raise InvalidInput("kernel.decimal", f"{what} is not a number", got=repr(value)[:100]) from error
    if not number.is_finite() or abs(number.adjusted()) >= KERNEL_DECIMAL_CHARS_MAX:
        raise InvalidInput("kernel.decimal", f"{what} is not a number to count with", got=repr(value)[:100])
    return Fraction(number)


def trained(value: float, what: str) -> Fraction:
    """Return a float that training came up with, every bit of it.

    raises  InvalidInput "kernel.float" when it is not finite
    """
    if not isfinite(value):
        raise InvalidInput("kernel.float", f"{what} is not a finite number", got=value)
    return Fraction(float(value))


def threshold(value: float) -> Fraction:
    """Return a tree's threshold as the shortest decimal that names it in its own precision.

    A library that stores thresholds in single precision compares them with inputs in single precision: there 0.3 equals
    0.3, though neither is three tenths. Read as decimals they are equal here too.
    """
    trained(value, "a threshold")
    number = float(value)
    if abs(number) < 3e38 and struct.unpack("<f", struct.pack("<f", number))[0] == number:
        for digits in range(1, 10):
            shortest = f"{number:.{digits}g}"
            if struct.pack("<f", float(shortest)) == struct.pack("<f", number):
                return Fraction(shortest)
    return Fraction(repr(number))


def text(value: Fraction, what: str = "number") -> str:
    """Return a number in plain decimal, every digit of it.

    raises  InvalidInput "kernel.decimal" when it has no finite decimal, or one that is too long
    """
    places = max(_power(value.denominator, 2), _power(value.denominator, 5))
    if Fraction(value * 10**places).denominator != 1:
        raise InvalidInput("kernel.decimal", f"{what} has no finite decimal", got=str(value)[:100])
    digits = str(abs(int(value * 10**places))).rjust(places + 1, "0")
    whole, part = digits[: len(digits) - places], digits[len(digits) - places :]
    found = ("-" if value < 0 else "") + whole + ("." + part if part else "")
    ratio(found, what)
    return found


def measured(value: float, places: int = 6) -> str:
    """Return a measured number as a plain decimal of so many places; for figures that decide no bit of a model.

    raises  InvalidInput "kernel.decimal" unless it is a finite number of a bearable length
    """
    found = f"{value:.{places}f}" if isfinite(value) else str(value)
    if "." in found:
        found = found.rstrip("0").rstrip(".")
    found = "0" if found == "-0" else found
    ratio(found, "a measure")
    return found


def rounded_up(value: Fraction, digits: int = DIGITS) -> Fraction:
    """Return the least number of at most so many significant decimal digits that is not below `value`, if positive."""
    unit = _last_digit(value, digits)
    return -(-value // unit) * unit if unit else Fraction(0)


def rounded_down(value: Fraction, digits: int = DIGITS) -> Fraction:
    """Return the greatest number of so many significant decimal digits that is not above `value`, if positive."""
    unit = _last_digit(value, digits)
    return value // unit * unit if unit else Fraction(0)


def nearest(value: Fraction) -> int:
    """Return the nearest integer, the greater of two that are equally near."""
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


def _last_digit(value: Fraction, digits: int) -> Fraction:
    """Return what the last of so many significant digits of a positive number counts; zero of any other."""
    if value <= 0:
        return Fraction(0)
    guess = len(str(value.numerator)) - len(str(value.denominator))
    magnitude = guess if Fraction(10) ** guess <= value else guess - 1
    return Fraction(10) ** (magnitude - digits + 1)


def _power(number: int, prime: int) -> int:
    """Return how often `prime` divides `number`."""
    power = 0
    while number % prime == 0:
        number //= prime
        power += 1
    return power
