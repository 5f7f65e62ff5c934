"""Every fault that a policy can have is found under its name, and a sound one has none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick.agents.policy import read_policy
from tallystick.agents.policy.bounds import loss_bounds
from tallystick.agents.policy.checking import check_policy
from tallystick.agents.policy.denied import DENIED_CALLS, denied_selectors
from tallystick.agents.policy.document import Policy, Rates
from tallystick.agents.policy.findings import Severity
from tests.agents.policy import policies
from tests.agents.policy.policies import AT, WHOLE, whole

DAY_S = 86_400


def codes(policy: Policy) -> set[str]:
    """Return the codes of all findings."""
    return {one.code for one in check_policy(policy, AT).findings}


def test_a_sound_policy_is_taken_and_has_no_danger() -> None:
    report = check_policy(whole(), AT)
    assert report.is_sound
    assert not report.of(Severity.WARNING)


# What is changed in the sound file, and how the fault is called.
FAULTS = [
    (f'owner = "{policies.OWNER}"', f'owner = "{policies.GUARDIAN}"', "roles.two_roles"),
    (f'key = "{policies.AGENT}"', f'key = "{policies.APPROVER}"', "roles.two_roles"),
    (f'key = "{policies.AGENT}"', f'key = "{policies.address(99)}"', "roles.two_roles"),
    (f'guardians = ["ops", "{policies.address(14)}"]', "guardians = []", "roles.no_guardian"),
    (f'"ops", "{policies.address(14)}"', '"ops"', "roles.one_guardian"),
    (f'"{policies.APPROVER}"', ", ".join(f'"{policies.address(n)}"' for n in range(70, 79)), "roles.too_many"),
    ('raise_delay = "1d"', 'raise_delay = "59m"', "terms.delay_too_short"),
    ('raise_delay = "1d"', 'raise_delay = "2h"', "terms.short_delay"),
    ("threshold = 1", "threshold = 2", "queue.threshold_too_high"),
    ("threshold = 1", "threshold = 0", "queue.threshold_zero"),
    ('delay = "1h"\nveto_delay = "1d"', 'delay = "0s"\nveto_delay = "1d"', "queue.no_delay"),
    ('veto_delay = "1d"', 'veto_delay = "5m"', "queue.short_veto"),
    ("open = 5", "open = 0", "queue.closed"),
    ('level = "bounded"', 'level = "autonomous"', "sessions.autonomous"),
    ('denials = { max = 3, per = "1h" }\nheartbeat', "heartbeat", "sessions.no_denials"),
    ('valid_until = 2027-05-01T00:00:00Z', 'valid_until = 2026-05-01T00:00:00Z', "sessions.window"),
    ('valid_until = 2027-03-01T00:00:00Z', 'valid_until = 2027-01-02T00:00:00Z', "sessions.over"),
    ('valid_until = 2027-05-01T00:00:00Z', 'valid_until = 2029-05-01T00:00:00Z', "sessions.long"),
    ("max = 100", "max = 65535", "sessions.operations"),
    ("max = 10, per", "max = 1000, per", "slots.above_cap"),
    ('cap = "0.5"', 'cap = "26"', "slots.above_call_cap"),
    ('expires = 2027-06-01', 'expires = 2027-04-01', "payees.before_sessions"),
    ('expires = 2027-06-01', 'expires = 2027-01-01', "payees.over"),
    (f'address = "{policies.PROVIDER}"', f'address = "{policies.SHOP}"', "payees.twice"),
    (f'address = "{policies.PROVIDER}"', f'address = "{policies.HELPER}"', "payees.session"),
    (f'address = "{policies.PROVIDER}"', f'address = "{policies.OWNER}"', "payees.own"),
    (f'address = "{policies.PROVIDER}"', f'address = "{policies.address(0)}"', "payees.zero"),
    ('cooling_off = "3d"', 'cooling_off = "1h"', "newcomers.no_cooling_off"),
    ("payee = 0\n", "", "rules.payee_unread"),
    ("amount = 1\n", "", "rules.amount_unread"),
    ('call = "transfer(address,uint256)"', 'call = "approve(address,uint256)"', "rules.selector_denied"),
    ('call_cap = "10"\n', "", "rules.no_cap"),
    ('call_cap = "25"', 'call_cap = "90"', "rules.cap_above_budget"),
    ('call_cap = "25"', 'call_cap = "25"\nvalue_cap = "1"', "rules.two_coins"),
    ("amount = 0\n", "", "rules.pulls"),
    ('call = "native"', 'call = "native"\ncall_cap = "1"', "rules.no_token"),
    ('call = "native"', 'call = "native"\ntoken = "USD"', "rules.native"),
    (f'constraints = [{{ argument = 1, is = "{policies.address(99)}" }}]\n', "", "rules.address_unchecked"),
    (f'[payees.vault-itself]\naddress = "{policies.VAULT}"\n', "", "rules.payee_unknown"),
    ('cap = "100"\nrefill = "50"\nperiod = "1d"\nlifetime = "5000"\n', "", "tokens.no_budget"),
    ('cap = "100"\nrefill = "50"\nperiod = "1d"\nlifetime = "5000"\n', "", "budgets.no_account_budget"),
    ('cap = "100"\nrefill = "50"\nperiod = "1d"\nlifetime = "5000"\n', "", "rules.no_budget"),
    ('cap = "100"', 'cap = "29"', "budgets.wider_than_account"),
    ('lifetime = "5000"\n', "", "tokens.unlimited_lifetime"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "code"), FAULTS)
def test_a_fault_is_found_under_its_name_and_the_sound_file_has_it_not(old: str, new: str, code: str) -> None:
    text = WHOLE.decode()
    assert old in text
    assert code in codes(read_policy(text.replace(old, new, 1).encode()))
    notes = {one.code for one in check_policy(whole(), AT).of(Severity.NOTE)}
    assert code not in codes(whole()) or code in notes


def test_a_session_without_any_bucket_may_spend_nothing() -> None:
    agent = replace(whole().sessions[1], budgets={})
    assert "budgets.none" in codes(replace(whole(), sessions=(agent,)))


def test_a_budget_that_no_rule_spends_is_found() -> None:
    policy = whole()
    assert "budgets.no_rule" in codes(replace(policy, rules=policy.rules[2:]))


def test_the_report_is_numbered_and_the_gravest_comes_first() -> None:
    report = check_policy(replace(whole(), guardians=(), owner=policies.AGENT), AT).to_dict()
    findings = report["findings"]
    assert isinstance(findings, list)
    assert [one["number"] for one in findings] == list(range(1, len(findings) + 1))
    assert [one["severity"] for one in findings[:2]] == ["refused", "danger"]


def test_denied_functions_have_different_selectors() -> None:
    assert len(denied_selectors()) == len(DENIED_CALLS)


class TestTheLossBound:
    """It is the reference's formula, in exact integers."""

    def test_it_adds_buckets_slots_channels_and_the_deposit(self) -> None:
        usd, eth = loss_bounds(whole(), DAY_S, channels={policies.USD: 7}, entry_point_deposit=9)
        assert usd.account == 150 * 10**6
        assert usd.sessions == (60 + 30) * 10**6
        assert usd.slots == 2 * 10 * 500_000  # a day's window touches two periods
        assert usd.total == usd.sessions + usd.slots + 7
        assert (eth.sessions, eth.deposit) == (4 * 10**16, 9)
        assert "0.04 ETH" in eth.words()

    def test_a_lifetime_cap_bounds_every_window(self) -> None:
        assert Rates(10, 10, 1, 25).most_in(10**9) == 25
        assert Rates(10, 10, 1).most_in(10) == 110

    def test_a_session_that_only_proposes_loses_nothing(self) -> None:
        policy = read_policy(WHOLE.replace(b'level = "bounded"', b'level = "propose"'))
        assert loss_bounds(policy, DAY_S)[0].slots == 0

    def test_a_window_longer_than_the_session_counts_only_its_life(self) -> None:
        usd, _ = loss_bounds(whole(), 10 * 365 * DAY_S)
        assert usd.sessions < 30 * 10**6 * 122 + 400 * 10**6
