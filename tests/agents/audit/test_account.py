"""An account's whole life adds up to the last unit, and each kind of gap is found and named."""

from __future__ import annotations

from tallystick.agents.audit import audit_account


def test_a_whole_life_adds_up(story):
    found = audit_account(story.node, story.address)
    assert found.is_balanced, found.gaps
