"""Money as integers: amounts are counted in the smallest unit and written with a fixed number of decimals."""

from __future__ import annotations

import re

from tallystick.core.errors import InvalidInput

UINT256_MAX = 2**256 - 1
ETHER_DECIMALS = 18

_AMOUNT = re.compile(r"(0|[1-9][0-9]{0,77})(?:\.([0-9]{1,77}))?\Z", re.ASCII)


def parse_amount(text: object, decimals: int = ETHER_DECIMALS) -> int:
    """Return the amount in smallest units that `text` writes with at most `decimals` decimals.

    raises  InvalidInput "amount.form" for signs, exponents, separators or white space, "amount.decimals" for digits
            below the smallest unit, "amount.range" beyond 2**256 - 1
    """
    match = _AMOUNT.match(text) if isinstance(text, str) else None
    if match is None:
        raise InvalidInput("amount.form", "not an amount", expected="digits, at most one point", got=repr(text)[:80])
    whole, fraction = match[1], match[2] or ""
    if len(fraction) > decimals:
        raise InvalidInput("amount.decimals", "amount is finer than its unit", expected=decimals, got=len(fraction))
    units = int(whole + fraction.ljust(decimals, "0"))
    if units > UINT256_MAX:
        raise InvalidInput("amount.range", "amount is too large", expected="< 2**256")
    return units


def format_amount(units: int, decimals: int = ETHER_DECIMALS) -> str:
    """Return `units` as a decimal string without trailing zeros; `parse_amount` reads it back exactly."""
    if not 0 <= units <= UINT256_MAX:
        raise InvalidInput("amount.range", "amount is out of range", expected="0 to 2**256 - 1", got=units)
    digits = str(units).rjust(decimals + 1, "0")
    whole, fraction = digits[: len(digits) - decimals], digits[len(digits) - decimals :].rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole
