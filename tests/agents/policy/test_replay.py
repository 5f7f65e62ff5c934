"""A real history is read with all its calldata and decided again; what changes is told, what is unknown is named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick.agents.policy.nouns import NATIVE, LinkKind
from tallystick.agents.policy.replay.history import find_data, read_history
from tallystick.agents.policy.replay.past import Act, History, Paid
from tallystick.agents.policy.replay.simulate import lines, simulate
from tallystick.chain.bindings.policy_queue import PolicyQueue, Proposed
from tallystick.chain.calls import Call
from tallystick.core.authorization import Authorization
from tallystick.core.digest import keccak
from tests.agents.policy import policies
from tests.agents.policy.account_kit import HOUR_S, Owner, World
from tests.agents.policy.policies import transfer


@pytest.fixture(scope="module")
def owner(world: World) -> Owner:
    """An account with a past: two payments, a refusal, a tip, and an item that was approved and ran."""
    made = Owner(world)
    made.begin(made.policy())
    made.ledger.send(Call(made.address, b"", 10**17), made.stranger)
    usd, queue = world.token.address, PolicyQueue(made.ledger, world.queue)
    for payee, amount in ((made.shop, 5), (policies.PROVIDER, 20), (made.stranger, 1)):
        made.send(made.account.execute(usd, 0, transfer(payee, amount * 10**6), bytes(32)), made.agent)
    made.send(made.account.execute(policies.PROVIDER, 10**15, b"", bytes(32)), made.agent)
    data = transfer(made.stranger, 60 * 10**6)
    made.send(queue.propose(made.address, usd, 0, data, usd, 60 * 10**6, bytes(32), 10 * HOUR_S), made.agent)
    (log,) = made.ledger.node.logs(world.queue, (Proposed.topic,), from_block=made.ledger.node.block_number())
    proposed = Proposed.decode(log)
    made.send(queue.approve(proposed.id), made.approver)
    made.wait(HOUR_S)
    made.send(queue.run(made.address, proposed.item), made.stranger)
    made.send(made.account.heartbeat())
    return made


def test_every_act_is_read_with_its_calldata_and_reason(owner: Owner) -> None:
    history = read_history(owner.ledger.node, owner.address, first=owner.first)
    acts = [one for one in history.events if isinstance(one, Act)]
    assert [one.kind for one in acts] == [LinkKind.CALL] * 4 + [LinkKind.QUEUE_ITEM]
    assert [one.is_done for one in acts] == [True, True, False, True, True]
    assert acts[2].reason == "payees: not allowed"
    assert [one.data for one in acts[:2]] == [transfer(owner.shop, 5 * 10**6), transfer(policies.PROVIDER, 20 * 10**6)]
    assert (acts[3].amount, acts[3].data, acts[3].token) == (10**15, b"", NATIVE)
    assert (acts[4].approvals, acts[4].waited_s >= HOUR_S) == (1, True)


def test_under_its_own_policy_the_past_repeats_itself(owner: Owner) -> None:
    history = read_history(owner.ledger.node, owner.address, first=owner.first)
    found = simulate(owner.policy(), history)
    assert not found.refused_now
    assert not found.passing_now
    assert not found.gaps
    assert [one.was_reason for one in found.replayed] == [one.reason for one in found.replayed]


def test_under_another_policy_it_says_what_changes_and_why(owner: Owner) -> None:
    history = read_history(owner.ledger.node, owner.address, first=owner.first)
    wanted = owner.policy(
        ('call_cap = "25"', 'call_cap = "10"'), ("threshold = 1", "threshold = 2"),
        ("[payees.crook]", f'[payees.friend]\naddress = "{owner.stranger}"\n\n[payees.crook]'),
    )  # fmt: skip
    found = simulate(wanted, history)
    assert [one.reason for one in found.refused_now] == ["rules: over the cap", "queue: not approved"]
    assert [one.was_reason for one in found.passing_now] == ["payees: not allowed"]
    said = list(lines(found))
    assert said[0] == "5 acts: 4 were done, 1 refused"
    assert any("would be refused (rules: over the cap): call by agent to USD, 20 USD" in line for line in said)


def test_a_key_that_was_rotated_stands_for_its_successor(owner: Owner) -> None:
    history = read_history(owner.ledger.node, owner.address, first=owner.first)
    wanted = owner.policy((owner.agent, policies.address(77)))
    assert {one.reason for one in simulate(wanted, history).refused_now} == {"sessions: not live"}
    assert not simulate(wanted, history, {owner.agent: policies.address(77)}).refused_now


class TestWithoutAChain:
    """What cannot be decided is named, and authorizations are decided by their slots."""

    ACT = Act(7, policies.AT, LinkKind.CALL, policies.AGENT, policies.USD, 0, None, policies.USD, 1, True)

    def test_an_act_without_calldata_is_a_gap(self) -> None:
        found = simulate(policies.whole(), History((self.ACT,)))
        assert found.gaps == ("link 7: its calldata could not be found",)
        assert not found.replayed

    @pytest.mark.parametrize(
        ("edit", "reason"),
        [
            ({}, ""),
            ({"amount": 500_001}, "slots: over the cap"),
            ({"payee": policies.SHOP}, "slots: payee has a bucket"),
            ({"payee": policies.STRANGER}, "payees: not allowed"),
        ],
    )
    def test_an_authorization_is_decided_by_its_slot(self, edit: dict[str, object], reason: str) -> None:
        nonce = bytes.fromhex(policies.AGENT[2:]) + (policies.AT // 86_400).to_bytes(8, "big") + bytes(4)
        signed = replace(Authorization(policies.address(99), policies.PROVIDER, 500_000, 0, 0, nonce), **edit)  # type: ignore[arg-type]
        (one,) = simulate(policies.whole(), History((Paid(policies.AT, policies.USD, signed),))).replayed
        assert one.reason == reason

    def test_bytes_are_found_by_their_hash_wherever_they_lie(self) -> None:
        data = transfer(policies.SHOP, 5)
        around = bytes(36) + len(data).to_bytes(32, "big") + data + bytes(28)
        assert find_data(b"\x01\x02\x03\x04" + around, keccak(data)) == data
        assert find_data(b"\x01" * 7 + data + b"\x02", keccak(data)) == data
        assert find_data(around, keccak(b"other")) is None
        assert find_data(b"", keccak(b"")) == b""
