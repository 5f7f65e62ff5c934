"""Durations and instants as a policy file writes them: `"90s"`, `"1d12h"`, and TOML times with their offset."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from tallystick.agents.policy.nouns import NEVER
from tallystick.core.errors import InvalidInput

_UNITS: Final = (("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
_DURATION = re.compile("".join(rf"(?:([1-9][0-9]{{0,11}}){unit})?" for unit, _ in _UNITS) + r"\Z", re.ASCII)
_LAST_S: Final = 253_402_300_799  # the end of the year 9999, beyond which TOML has no times


def parse_duration(value: object, what: str, least: int, most: int) -> int:
    """Return the seconds that `value` writes: weeks, days, hours, minutes, seconds, each at most once; `"0s"` is none.

    raises  InvalidInput "policy.duration", "policy.range"
    """
    match = _DURATION.match(value) if isinstance(value, str) and value else None
    if value != "0s" and match is None:
        raise InvalidInput(
            "policy.duration", f"{what} is no duration", expected='like "90s", "1h" or "1d12h"', got=ascii(value)[:80]
        )
    found = match.groups() if match else ()
    seconds = sum(int(count) * size for count, (_, size) in zip(found, _UNITS, strict=False) if count)
    if not least <= seconds <= most:
        raise InvalidInput(
            "policy.range", f"{what} is out of range",
            expected=f"{format_duration(least)} to {format_duration(most)}", got=value,
        )  # fmt: skip
    return seconds


def format_duration(seconds: int) -> str:
    """Return how a policy file writes so many seconds; `parse_duration` reads it back."""
    parts, rest = [], seconds
    for unit, size in _UNITS[1:]:  # days are read more easily than weeks and days
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def parse_time(value: object, what: str) -> int:
    """Return the Unix seconds that a TOML time with an offset stands for, or that an integer is.

    raises  InvalidInput "policy.time"
    """
    if isinstance(value, datetime) and value.tzinfo is not None and not value.microsecond:
        try:
            seconds = int(value.timestamp())
        except (OverflowError, ValueError):
            seconds = -1
    else:
        seconds = value if type(value) is int else -1
    if not 0 <= seconds <= NEVER:
        raise InvalidInput(
            "policy.time", f"{what} is no time", expected="like 2027-01-31T00:00:00Z, in whole seconds, from 1970 on",
            got=ascii(str(value))[:80],
        )  # fmt: skip
    return seconds


def format_time(seconds: int) -> str:
    """Return how a policy file writes an instant; `parse_time` reads it back."""
    if seconds > _LAST_S:
        return str(seconds)
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")


def say_time(seconds: int) -> str:
    """Return an instant as people read it."""
    return "for ever" if seconds == NEVER else format_time(seconds).replace("T", " ").replace("Z", " UTC")
