"""Every difference is one change, told in words, and the contract's own rule says whether it must wait."""

from __future__ import annotations

import json

import pytest

from tallystick.agents.policy import read_policy
from tallystick.agents.policy.change.diff import diff
from tallystick.agents.policy.change.plan import CHANGE_VALID_S, Deed, plan
from tallystick.agents.policy.explaining import explain
from tests.agents.policy import policies
from tests.agents.policy.policies import AT, WHOLE, whole

# What is edited, whether it must wait, and words of its change.
EDITS = [
    ('cap = "100"', 'cap = "60"', False, "all sessions together spend 60 USD at once"),
    ('cap = "100"', 'cap = "160"', True, "(now 100 USD at once, then 50 USD each 1d, 5000 USD in all)"),
    ('refill = "50"', 'refill = "100" # per two days', True, "then 100 USD each 1d"),
    ('lifetime = "400"', 'lifetime = "300"', False, "helper spends 20 USD at once, then 10 USD each 1d, 300 USD"),
    ('lifetime = "400"\n', "", True, "helper spends"),
    ('cap = "40"', 'cap = "39"', False, "shop is paid 39 USD"),
    ('cap = "5"', 'cap = "6"', True, "newcomers are paid 6 USD"),
    ("expires = 2027-06-01", "expires = 2027-05-01", False, "shop may be paid, until 2027-05-01"),
    ("expires = 2027-06-01", "expires = 2027-07-01", True, "(now until 2027-06-01"),
    ("denied = true", "denied = false", True, "crook may be paid, for ever"),
    (f'[payees.crook]\naddress = "{policies.STRANGER}"\ndenied = true\n', "", True, "crook is denied no more"),
    (f'"{policies.PROVIDER}"', f'"{policies.PROVIDER}"\ndenied = true', False, "provider is never paid, whoever"),
    ('level = "bounded"', 'level = "propose"', False, "agent acts at level propose (now bounded)"),
    ('level = "bounded"', 'level = "supervised"', True, "agent acts at level supervised"),
    ("max = 100", "max = 200", True, "agent is granted anew: operations 200 per 1h (now 100 per 1h)"),
    ('raise_delay = "1d"', 'raise_delay = "2d"', False, "raises wait 2d (now 1d)"),
    ('raise_delay = "1d"', 'raise_delay = "2h"', True, "raises wait 2h (now 1d)"),
    ("threshold = 1", "threshold = 2", True, "items pass with 2 approvals"),
    ('cooling_off = "3d"', 'cooling_off = "4d"', True, "may be paid 4d after their introduction"),
    ("approvers = [", f'approvers = ["{policies.address(15)}", ', True, "becomes an approver"),
    ('"ops", ', "", True, "ops is no longer a guardian"),
    ('call_cap = "25"', 'call_cap = "30"', True, "moving at most 30 USD each"),
    (f'owner = "{policies.OWNER}"', f'owner = "{policies.address(16)}"', True, "must then accept it"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "is_raise", "words"), EDITS)
def test_a_difference_is_one_change_in_words(old: str, new: str, is_raise: bool, words: str) -> None:
    text = WHOLE.decode()
    assert old in text
    (change,) = diff(whole(), read_policy(text.replace(old, new, 1).encode()))
    assert (change.is_raise, words in change.words) == (is_raise, True), change.words
    assert change.to_dict()["direction"] == ("raise" if is_raise else "lowering")


def test_what_is_gone_is_taken_away_at_once() -> None:
    text = WHOLE.decode()
    small = read_policy(text[: text.index("[sessions.helper]")].encode())
    words = [change.words for change in diff(whole(), small)]
    assert words == ["newcomers are paid no more", "newcomers are paid no USD any more", "helper may act no more"]
    assert not any(change.is_raise for change in diff(whole(), small))


def test_nothing_differs_from_itself_and_lowerings_come_first() -> None:
    assert not diff(whole(), whole())
    text = WHOLE.decode().replace('cap = "100"', 'cap = "160"').replace("expires = 2027-06-01", "expires = 2027-05-01")
    assert [change.is_raise for change in diff(whole(), read_policy(text.encode()))] == [False, True]


@pytest.mark.parametrize(
    ("due", "at", "deeds"),
    [
        (0, AT, [Deed.SCHEDULE]),
        (AT + 1, AT, [Deed.WAIT]),
        (AT, AT, [Deed.SET, Deed.APPLY]),
        (AT, AT + CHANGE_VALID_S, [Deed.SET, Deed.APPLY]),
        (AT, AT + CHANGE_VALID_S + 1, [Deed.SCHEDULE]),
    ],
)
def test_a_raise_is_announced_waits_and_is_made_once(due: int, at: int, deeds: list[Deed]) -> None:
    changes = diff(whole(), read_policy(WHOLE.replace(b"max = 100", b"max = 200")))
    steps = plan(changes, is_sealed=True, raise_delay_s=86_400, due_at=lambda _: due, at=at)
    assert [step.deed for step in steps] == deeds


def test_before_sealing_everything_is_made_at_once() -> None:
    changes = diff(whole(), read_policy(WHOLE.replace(b"max = 100", b"max = 200")))
    steps = plan(changes, is_sealed=False, raise_delay_s=86_400, due_at=lambda _: 0, at=AT)
    assert [step.deed for step in steps] == [Deed.SET, Deed.SET]


def test_an_explanation_says_what_each_agent_may_do_and_who_can_stop_it() -> None:
    sections = explain(whole(), AT)
    assert [section.title for section in sections] == ["The account", "agent", "helper", "Who can stop it"]
    words = "\n".join(line for section in sections for line in section.lines)
    for said in (
        "all sessions together spend 100 USD at once",
        "never paid, whoever approves: crook",
        "it may call transfer(address,uint256) of USD, moving at most 25 USD each to the payee that the call names",
        "it may sign 10 authorizations of at most 0.5 USD each 1d, which no budget counts",
        "newcomers are paid 3d after their introduction",
        "any one of ops,",
    ):
        assert said in words, words
    assert "deposit" not in "\n".join(sections[1].lines)
    assert "deposit" in "\n".join(sections[2].lines)


@pytest.mark.parametrize(
    ("old", "new"),
    [("max = 100", "max = 200"), ('call_cap = "25"', 'call_cap = "30"'), ("threshold = 1", "threshold = 2"),
     (f'[payees.crook]\naddress = "{policies.STRANGER}"\ndenied = true\n', "")],
)  # fmt: skip
def test_changes_are_told_to_programs_in_json_alone(old: str, new: str) -> None:
    changes = diff(whole(), read_policy(WHOLE.decode().replace(old, new, 1).encode()))
    arguments = [one for change in changes for one in change.setter.to_dict()["arguments"]]  # type: ignore[attr-defined]
    assert arguments
    assert json.loads(json.dumps(arguments)) == arguments
    assert not [one for one in arguments if isinstance(one, str) and "=" in one]  # no representation of Python's
