"""The report says what happened and nothing else: what moved, what was caught, and it loads nothing from outside."""

from __future__ import annotations

import re
from dataclasses import replace

from tallystick.demos.lineage import lineage_svg
from tallystick.demos.report import html_report
from tallystick.demos.story import AnchorTold, Story, TamperTold, VersionTold, brief

OUTSIDE = re.compile(r"<script|<link|<img|<iframe|@import|src=|url\((?!#)|href=\"(?!#)", re.IGNORECASE)
FIRST = VersionTold(
    1, "first", "ab" * 32, {"data": "240:" + "cd" * 32, "code": "ef" * 32}, (), 240, {"test_accuracy": "0.9"}, 200_000
)
SECOND = replace(FIRST, seq=2, title="more <b>data</b>", kinds=("data",), rows=426, metrics={"test_accuracy": "0.95"})


def told() -> Story:
    """Return a short story in which everything held."""
    return Story(
        chain="1337",
        versions=[FIRST, SECOND],
        channels={"production": 2},
        inferences=3,
        latencies_ms=[1.0, 2.0, 3.0],
        scores=[0.1, 0.5, 0.9],
        anchors=[AnchorTold(3, "aa" * 32, "bb" * 32, 50_000)],
        checks=[{"ok": True, "name": "one", "detail": "<compared>"}],
        tampers=[TamperTold("log entry", "entries/000, byte 7", ("entry 0 is damaged",), caught=True)],
        commands=("tally audit --chain public/chain.db",),
    )


def test_the_report_loads_nothing_from_outside_and_obeys_no_words_in_it() -> None:
    report = html_report(told())
    assert not OUTSIDE.findall(report)
    assert "&lt;compared&gt;" in report
    assert "more &lt;b&gt;data&lt;/b&gt;" in report
    assert report.count("<svg") == 5
    assert "tally audit --chain public/chain.db" in report


def test_the_verdict_is_good_only_when_all_held_and_all_was_caught() -> None:
    assert '<p class="verdict">' in html_report(told())
    failed, missed, unchecked = told(), told(), told()
    failed.checks.append({"ok": False, "name": "two", "detail": ""})
    missed.tampers.append(TamperTold("data row", "rows, byte 1", (), caught=False))
    unchecked.checks.clear()
    for story in (failed, missed, unchecked):
        assert '<p class="verdict no">' in html_report(story)
    assert "nothing was noticed" in html_report(missed)


def test_the_lineage_marks_what_moved_and_what_is_released() -> None:
    first, second = lineage_svg([FIRST], {}), lineage_svg([FIRST, SECOND], {"production": 2})
    assert first.count('class="dot moved"') == 0
    assert second.count('class="dot moved"') == 1
    assert "(+0.0500)" in second
    assert ">production<" in second
    assert ">production<" not in first
    assert ">cdcdcdcd<" in first  # the root itself, without its size


def test_long_digests_are_cut_and_short_words_are_not() -> None:
    assert brief(f"logs/{'0f' * 32}/tile is damaged at 1234567890") == "logs/0f0f0f0f…/tile is damaged at 1234567890"
