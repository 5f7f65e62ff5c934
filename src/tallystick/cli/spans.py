"""Spans of time as people write and read them: `90`, `15m`, `2h`, `7d`; "in 2 h 5 min"."""

from __future__ import annotations

import re

import click

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_FORM = re.compile(r"([1-9][0-9]{0,9})([smhd]?)\Z", re.ASCII)
_SPAN_S_MAX = 2**32 - 1  # what contracts take


class Span(click.ParamType[int]):
    """Seconds, or a number with s, m, h or d behind it."""

    name = "span"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the seconds that `value` writes."""
        if isinstance(value, int):
            return value
        match = _FORM.match(str(value))
        seconds = int(match[1]) * _UNITS[match[2]] if match else 0
        if not 0 < seconds <= _SPAN_S_MAX:
            self.fail(f"{value!r} is no span of time; write 90, 15m, 2h or 7d", param, ctx)
        return seconds


def in_words(deadline_s: int, now_s: int) -> str:
    """Return how far off a time is: "in 2 h 5 min", "1 d 3 h ago", "now"."""
    seconds = abs(deadline_s - now_s)
    words = length(seconds)
    if seconds == 0:
        return "now"
    return f"in {words}" if deadline_s > now_s else f"{words} ago"


def length(seconds: int) -> str:
    """Return a span in its two largest units: "2 h 5 min"."""
    parts = [(seconds // 86_400, "d"), (seconds // 3_600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    first = next((at for at, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count)
