"""A plan turns a real account into what its owner wants, step by step, and then there is nothing left to do."""

from __future__ import annotations

import pytest

from tallystick.agents.policy import read_policy, write_policy
from tallystick.agents.policy.change.plan import Deed
from tallystick.agents.policy.explaining import explain
from tallystick.agents.policy.nouns import Level
from tallystick.core.errors import InvalidInput
from tests.agents.policy.account_kit import DAY_S, Owner, World


@pytest.fixture
def owner(world: World) -> Owner:
    """The owner of a new account."""
    return Owner(world)


def test_a_new_account_becomes_its_policy_at_once_and_is_read_back_the_same(owner: Owner) -> None:
    wanted = owner.policy()
    assert owner.apply(wanted) > 10
    live = owner.live(wanted)
    assert live.policy.digest() == wanted.digest()
    assert read_policy(write_policy(live.policy)).digest() == wanted.digest()
    assert not live.changes_to(wanted)
    assert owner.apply(wanted) == 0


def test_an_account_is_read_back_without_a_file_of_names(owner: Owner) -> None:
    wanted = owner.policy()
    owner.apply(wanted)
    nameless = owner.live().policy
    assert nameless.digest() == wanted.digest()
    assert read_policy(write_policy(nameless)).digest() == wanted.digest()


def test_a_rule_whose_words_are_no_arguments_is_read_back_by_its_selector(owner: Owner) -> None:
    wanted = owner.policy(('call = "deposit(uint256,address)"', 'call = "0x6e553f65"'), ("amount = 0", "amount = 5"))
    owner.apply(wanted)
    assert read_policy(write_policy(owner.live(owner.policy()).policy)).digest() == wanted.digest()


class TestSealed:
    """Lowerings are made at once, raises when due."""

    def test_a_lowering_is_one_call_and_a_raise_waits(self, owner: Owner) -> None:
        owner.begin(owner.policy())
        wanted = owner.policy(('cap = "100"', 'cap = "60"'), ('cap = "30"', 'cap = "50"'))
        steps = owner.live(wanted).plan_to(wanted)
        assert [step.deed for step in steps] == [Deed.SET, Deed.SCHEDULE]
        assert "all sessions together spend 60 USD" in steps[0].words
        assert owner.apply(wanted) == 2
        (waits,) = owner.live(wanted).plan_to(wanted)
        assert waits.deed is Deed.WAIT
        assert owner.apply(wanted) == 0
        owner.wait(DAY_S)
        (due,) = owner.live(wanted).plan_to(wanted)
        assert due.deed is Deed.APPLY
        assert owner.apply(wanted) == 1
        live = owner.live(wanted)
        assert live.policy.digest() == wanted.digest()
        assert not live.plan_to(wanted)
        assert not live.scheduled

    def test_every_part_can_change_and_the_account_follows(self, owner: Owner) -> None:
        owner.begin(owner.policy())
        text = write_policy(owner.policy()).decode()
        wanted = read_policy(
            text.replace('guardians = ["ops", ', f'guardians = ["{owner.stranger}", ')
            .replace("threshold = 1", "threshold = 2")
            .replace("[payees.crook]", "[payees.friend]").replace("denied = true\n", "")
            .replace('call_cap = "25"', 'call_cap = "20"').replace("max = 100", "max = 50")
            .replace('level = "supervised"', 'level = "propose"')
            .replace('unfreeze_delay = "12h"', 'unfreeze_delay = "1d"')
            .replace('cooling_off = "3d"', 'cooling_off = "5d"')
            .replace('[payees.shop.budgets.USD]\ncap = "40"\nrefill = "40"\nperiod = "7d"\n', "")
            .encode()
        )  # fmt: skip
        for _ in range(2):
            owner.apply(wanted)
            owner.wait(DAY_S)
        live = owner.live(wanted)
        assert live.policy.digest() == wanted.digest()
        assert not live.plan_to(wanted)

    def test_a_payee_with_a_budget_that_is_denied_needs_nothing_more(self, owner: Owner) -> None:
        owner.begin(owner.policy())
        text = write_policy(owner.policy()).decode()
        start, end = text.index("expires = 2027-06-01"), text.index("[payees.provider]")
        wanted = read_policy((text[:start] + "denied = true\n\n" + text[end:]).encode())
        assert owner.apply(wanted) == 1
        assert not owner.live(wanted).plan_to(wanted)
        assert read_policy(write_policy(owner.live(wanted).policy)).digest() == wanted.digest()

    def test_what_only_becomes_tighter_may_be_taken_away_meanwhile(self, owner: Owner) -> None:
        owner.begin(owner.policy())
        wanted = owner.policy(("max = 100", "max = 50"))
        assert [step.deed for step in owner.live(wanted).plan_to(wanted)] == [Deed.SCHEDULE]
        assert owner.apply(wanted, is_strict=True) == 2
        assert owner.agent not in owner.live(wanted).state.sessions
        owner.wait(DAY_S)
        owner.apply(wanted)
        assert owner.live(wanted).policy.digest() == wanted.digest()

    def test_after_a_freeze_sessions_are_stale_and_come_back_under_the_new_epoch(self, owner: Owner) -> None:
        wanted = owner.policy()
        owner.begin(wanted)
        owner.send(owner.account.freeze(DAY_S), owner.guardian)
        live = owner.live(wanted)
        assert live.stale == {owner.agent, owner.helper}
        assert not live.policy.sessions
        owner.apply(wanted)
        owner.wait(DAY_S + 1)
        owner.apply(wanted)
        assert owner.live(wanted).policy.digest() == wanted.digest()
        assert owner.live(wanted).state.gate(owner.agent, Level.BOUNDED, owner.ledger.time)

    def test_a_session_that_fell_is_seen_and_its_raise_waits(self, owner: Owner) -> None:
        wanted = owner.policy()
        owner.begin(wanted)
        owner.send(owner.account.set_level(owner.agent, 1), owner.agent)
        (step,) = owner.live(wanted).plan_to(wanted)
        assert (step.deed, step.words.split(":")[0]) == (Deed.SCHEDULE, "agent acts at level bounded (now propose)")

    def test_what_somebody_else_announced_is_named(self, owner: Owner) -> None:
        wanted = owner.policy()
        owner.begin(wanted)
        other = owner.policy(('cap = "100"', 'cap = "900"'))
        owner.apply(other)
        live = owner.live(wanted)
        assert not live.plan_to(wanted)
        assert len(live.foreign_to(wanted)) == 1
        assert not live.foreign_to(other)
        assert "take it back" in live.waiting(wanted)[0]
        assert "all sessions together spend 900 USD" in live.waiting(other)[0]
        for call in live.cancelling(wanted):
            owner.send(call, owner.guardian)
        assert not owner.live(wanted).scheduled


def test_a_policy_of_another_account_or_chain_is_not_applied(owner: Owner, world: World) -> None:
    other = Owner(world).policy()
    with pytest.raises(InvalidInput, match="another account"):
        owner.live().changes_to(other)
    with pytest.raises(InvalidInput, match="another chain"):
        owner.live().changes_to(owner.policy(("chain_id = 1337", "chain_id = 5")))


def test_an_explanation_of_a_live_account_counts_what_is_left(owner: Owner) -> None:
    wanted = owner.policy()
    owner.begin(wanted)
    pay = bytes.fromhex("a9059cbb") + bytes(12) + bytes.fromhex(owner.shop[2:]) + (7 * 10**6).to_bytes(32, "big")
    owner.send(owner.account.execute(owner.world.token.address, 0, pay, bytes(32)), owner.agent)
    live = owner.live(wanted)
    words = "\n".join(line for section in explain(wanted, live.at, live.state) for line in section.lines)
    assert "23 USD are left" in words
    assert "100 operations in 1h, 1 are made" in words
