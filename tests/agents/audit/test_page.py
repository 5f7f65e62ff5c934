"""The page shows what was found, needs nothing outside itself, and no word from outside breaks out of it."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from tallystick.agents.audit import Audit, judge, read_evidence
from tallystick.agents.audit.page import html_report
from tallystick.chain.bindings.policy_account import ActionLogged
from tests.agents.audit.story import Story

HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(2)>\x07&amp;'</title></svg>"


@pytest.fixture(scope="module")
def found(story: Story) -> Audit:
    """The audit of the life."""
    return story.audit()  # type: ignore[no-any-return]


class Tags(HTMLParser):
    """Collects the tags that a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)


def test_it_tells_the_verdict_the_sums_and_every_line(found: Audit) -> None:
    page = html_report(found)
    assert "that was done. The node was believed, not proven.</p>" in page
    assert "1</b>act refused by the policy" in page
    assert "10,000,000,000,000,005" in page
    assert page.count("<tr") >= len(found.timeline)
    assert "was refused a call to" in page
    assert "asked by ada, on the word of planner" in page
    assert not re.findall(r"(?:src|href)=|url\(|@import|https?://", page)


def test_gaps_stand_on_top_in_words(story: Story) -> None:
    evidence = read_evidence(story.node, story.address)
    gone = next(log for log in evidence.logs if log.topics[0] == ActionLogged.topic)
    page = html_report(judge(replace(evidence, logs=tuple(log for log in evidence.logs if log is not gone))))
    assert "<b>Not balanced.</b> 1 gap, named below. The node was believed, not proven. No records of reasons" in page
    assert page.index("link 1 is missing") < page.index("To the last unit")


def test_words_from_outside_do_nothing(found: Audit) -> None:
    reason = found.reasons[0]
    intent = replace(reason.record.intent, purpose=HOSTILE, asked_by=HOSTILE)
    hostile = replace(
        found,
        reasons=(replace(reason, record=replace(reason.record, intent=intent)),),
        timeline=tuple(replace(one, who=HOSTILE, words=HOSTILE) for one in found.timeline),
        findings=tuple(replace(one, words=HOSTILE) for one in found.findings),
    )
    tags = Tags()
    tags.feed(html_report(hostile))
    assert not tags.seen & {"script", "img"}


def test_lines_for_people_name_who_did_what_and_why_not(found: Audit) -> None:
    said = [one.say() for one in found.timeline]
    for words in (
        "session 1: paid 120 of", "was refused a call to", "payees: not allowed", "by a signed call",
        "approved item", "by a queue item", "by a user operation", "by an authorization, slot 2", "froze the account",
        "owner: swept",
    ):  # fmt: skip
        assert any(words in line for line in said), words
