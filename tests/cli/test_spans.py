"""Spans of time are read and told as people write them."""

from __future__ import annotations

import click
import pytest

from tallystick.cli.spans import Span, in_words


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("5s", 5), ("15m", 900), ("2h", 7_200), ("7d", 604_800)])
def test_a_span_is_seconds_or_a_number_with_its_unit(text: str, seconds: int) -> None:
    assert Span().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5h", "1w", "h", " 5m", "5 m", "soon", "99999d", "٣m"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(click.UsageError):
        Span().convert(text, None, None)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "now"), (1, "in 1 s"), (61, "in 1 min 1 s"), (3_600, "in 1 h"), (7_500, "in 2 h 5 min"),
        (90_061, "in 1 d 1 h"), (-59, "59 s ago"), (-86_400, "1 d ago"), (-3_601, "1 h ago"),
    ],
)  # fmt: skip
def test_a_deadline_is_told_in_its_two_largest_units(seconds: int, words: str) -> None:
    assert in_words(1_000_000 + seconds, 1_000_000) == words
