"""Taking back what was asked for: the chain mines the call or its cancellation, never both, and the row says which."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tallystick.chain.accounts import Account
from tallystick.chain.calls import Call
from tallystick.chain.fees import FeeBudget
from tallystick.core.errors import InvalidInput, Rejected, Unavailable
from tests.chain.fake_chain import ETHER
from tests.chain.outbox_world import ACCOUNT, PLAIN, POLICY, World, strangers

GWEI = 10**9


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.box.close()


def stick(world: World, *, value: int = 7, base_fee: int = 10 * GWEI) -> None:
    """Send a call and let fees rise above what it offers."""
    world.box.send(Call(PLAIN, b"", value), key="pay")
    world.chain.base_fee = base_fee
    world.chain.mine()


def flow(world: World) -> None:
    """Let fees fall, and the chain go on."""
    world.chain.base_fee = GWEI
    world.chain.mine(6)
    world.box.work()


def test_a_stuck_call_is_cancelled_by_a_transfer_of_nothing_with_its_nonce(world: World) -> None:
    stick(world)
    row = world.box.cancel("pay")
    assert (row.state, row.nonce, row.is_being_cancelled) == ("sent", 0, True)
    call, nothing = row.attempts
    assert (call.is_cancel, nothing.is_cancel, call.nonce, nothing.nonce) == (False, True, 0, 0)
    assert 8 * nothing.fees.cap >= 9 * call.fees.cap
    assert 8 * nothing.fees.tip >= 9 * call.fees.tip
    flow(world)
    with pytest.raises(Rejected) as cancelled:
        world.box.wait(row)
    assert cancelled.value.code == "outbox.cancelled"
    assert world.box.row("pay").state == "failed"
    assert [(sent.to, sent.value, sent.data) for sent, _ in world.chain.executed()] == [(ACCOUNT.address, 0, b"")]


def test_what_waits_behind_a_cancelled_call_goes_on(world: World) -> None:
    stick(world)
    behind = world.box.send(Call(PLAIN, b"", 8), key="behind")
    world.box.cancel("pay")
    flow(world)
    assert world.box.wait(behind).succeeded
    assert world.values() == [0, 8]


def test_a_call_that_is_faster_than_its_cancellation_is_reported_as_executed(world: World) -> None:
    stick(world)
    row = world.box.cancel("pay")
    world.chain.drop_pool()
    world.chain.place(row.attempts[0].raw)
    flow(world)
    assert world.box.wait(row).transaction_hash == row.attempts[0].hash
    assert (world.box.row("pay").state, world.values()) == ("final", [7])
    with pytest.raises(Rejected) as refused:
        world.box.cancel("pay")
    assert refused.value.code == "outbox.too_late"


def test_a_call_that_is_not_signed_is_cancelled_without_the_chain_hearing_of_it(world: World) -> None:
    world.chain.base_fee = 101 * GWEI  # beyond the budget
    world.chain.mine()
    row = world.box.send(Call(PLAIN, b"", 7), key="pay")
    assert row.state == "drafted"
    assert world.box.cancel("pay").state == "failed"
    with pytest.raises(Rejected, match="cancelled"):
        world.box.wait(row)
    flow(world)
    assert world.chain.ever == []


@pytest.mark.parametrize("until", ["mined", "final"])
def test_what_is_in_the_chain_cannot_be_taken_back(world: World, until: str) -> None:
    world.box.send_and_wait(Call(PLAIN, b"", 7), key="pay", until=until)  # type: ignore[arg-type]
    with pytest.raises(Rejected) as refused:
        world.box.cancel("pay")
    assert refused.value.code == "outbox.too_late"
    assert len(world.box.row("pay").attempts) == 1


def test_what_was_mined_since_the_last_look_cannot_be_taken_back(world: World) -> None:
    world.box.send(Call(PLAIN, b"", 7), key="pay")
    world.chain.mine()
    assert world.box.row("pay").state == "sent"
    with pytest.raises(Rejected, match="already"):
        world.box.cancel("pay")
    assert world.box.wait(world.box.row("pay")).succeeded


def test_a_cancelled_key_may_be_asked_for_again_and_is_executed_once(world: World) -> None:
    stick(world)
    world.box.cancel("pay")
    flow(world)
    assert world.box.row("pay").error_code == "outbox.cancelled"
    assert world.box.send_and_wait(Call(PLAIN, b"", 7), key="pay", until="final").succeeded
    assert world.box.send(Call(PLAIN, b"", 7), key="pay").state == "final"
    assert world.values() == [0, 7]
    with pytest.raises(InvalidInput, match="another call"):
        world.box.send(Call(PLAIN, b"", 8), key="pay")


def test_a_key_that_is_being_cancelled_is_not_sent_by_asking_for_it_again(world: World) -> None:
    stick(world)
    world.box.cancel("pay")
    assert world.box.send(Call(PLAIN, b"", 7), key="pay").is_being_cancelled
    flow(world)
    assert world.values() == [0]


def test_a_cancellation_keeps_to_its_budget_and_a_larger_one_may_be_named(world: World) -> None:
    world.box.send(Call(PLAIN, b"", 7), key="pay")
    world.chain.base_fee = 1_000 * GWEI
    for _ in range(60):
        world.clock.turn(61)
        world.box.work()
        world.chain.mine()
    before = world.box.row("pay")
    assert 9 * before.attempts[-1].fees.cap > 8 * POLICY.budget.cap_max  # all is offered that may be
    with pytest.raises(Rejected) as refused:
        world.box.cancel("pay")
    assert refused.value.code == "outbox.cancel_budget"
    assert world.box.row("pay") == before
    row = world.box.cancel("pay", budget=FeeBudget(5_000 * GWEI, 5_000 * GWEI))
    assert row.is_being_cancelled
    world.chain.mine(5)
    world.box.work()
    assert (world.box.row("pay").state, world.values()) == ("failed", [0])


def test_asking_again_signs_nothing_new_unless_a_budget_is_named(world: World) -> None:
    stick(world)
    first = world.box.cancel("pay")
    assert world.box.cancel("pay").attempts == first.attempts
    more = world.box.cancel("pay", budget=FeeBudget(200 * GWEI, 200 * GWEI))
    assert [attempt.is_cancel for attempt in more.attempts] == [False, True, True]
    flow(world)
    assert world.box.cancel("pay").state == "failed"
    assert world.values() == [0]


def test_a_stuck_cancellation_is_offered_more_and_the_call_never_again(world: World) -> None:
    stick(world)
    world.box.cancel("pay")
    world.chain.base_fee = 99 * GWEI
    for _ in range(5):
        world.clock.turn(61)
        world.box.work()
    attempts = world.box.row("pay").attempts
    assert len(attempts) > 2
    assert [attempt.is_cancel for attempt in attempts] == [False] + [True] * (len(attempts) - 1)
    flow(world)
    assert world.values() == [0]


def test_a_reorganisation_brings_either_back_and_the_row_follows(world: World) -> None:
    stick(world)
    row = world.box.cancel("pay")
    world.chain.base_fee = GWEI
    world.chain.mine()
    world.box.work()
    assert (world.box.row("pay").state, world.box.row("pay").error_code) == ("mined", "outbox.cancelled")
    world.chain.reorganize(1, keep=0.0)
    world.chain.drop_pool()
    world.chain.place(row.attempts[0].raw)  # another pool still had the call
    world.chain.mine()
    world.box.work()
    assert world.box.wait(row).transaction_hash == row.attempts[0].hash
    world.chain.reorganize(1, keep=0.0)
    world.chain.drop_pool()
    world.box.work()
    flow(world)
    assert (world.box.row("pay").state, world.values()) == ("failed", [0])  # what is repeated is the cancellation


def test_a_call_displaced_for_good_while_it_was_being_cancelled_is_not_drafted_anew(world: World) -> None:
    stick(world)
    world.box.cancel("pay")
    world.chain.drop_pool()
    world.chain.place(strangers(nonce=0, value=1))
    flow(world)
    row = world.box.row("pay")
    assert (row.state, row.error_code, row.nonce) == ("failed", "outbox.cancelled", None)
    assert world.values() == [1]


def test_a_node_that_is_gone_leaves_the_call_as_it_was(world: World) -> None:
    stick(world)
    before = world.box.row("pay")
    world.chain.is_down = True
    with pytest.raises(Unavailable):
        world.box.cancel("pay")
    assert world.box.row("pay") == before


def test_a_cancellation_that_could_not_leave_leaves_with_the_next_pass(world: World) -> None:
    stick(world)

    def fault(point: str) -> None:
        world.chain.is_down = world.chain.is_down or point == "cancel.after"

    with world.open(faults=fault) as box:
        row = box.cancel("pay")
        assert (row.state, row.is_being_cancelled) == ("signed", True)
    world.chain.is_down = False
    world.box.work()
    assert world.box.row("pay").state == "sent"
    flow(world)
    assert world.values() == [0]


def test_an_account_that_cannot_pay_for_it_is_told_so(tmp_path: Path) -> None:
    world = World(tmp_path, balance=ETHER // 1_000)
    stick(world, value=ETHER // 2_000, base_fee=100 * GWEI)
    with pytest.raises(Rejected) as refused:
        world.box.cancel("pay", budget=FeeBudget(1_000 * GWEI, 1_000 * GWEI))
    assert refused.value.code == "chain.insufficient_funds"
    assert not world.box.row("pay").is_being_cancelled


def test_only_what_this_account_asked_for_can_be_cancelled(world: World) -> None:
    stick(world)
    with pytest.raises(InvalidInput, match="no row"):
        world.box.cancel("pai")
    with world.open(Account(b"\x07" * 32)) as stranger, pytest.raises(InvalidInput) as refused:
        stranger.cancel("pay")
    assert refused.value.code == "outbox.other_account"
    assert not world.box.row("pay").is_being_cancelled


def test_what_only_fills_a_gap_cannot_be_cancelled(world: World) -> None:
    world.chain.place(strangers(nonce=0, value=1))
    world.chain.mine()
    world.box.send(Call(PLAIN, b"", 7), key="pay")
    world.chain.reorganize(1, keep=0.0)
    world.chain.drop_pool()
    world.clock.turn(61)
    world.box.work()
    (filler,) = (row for row in world.box.history() if row.call.function == "fill")
    with pytest.raises(InvalidInput) as refused:
        world.box.cancel(filler.key)
    assert refused.value.code == "outbox.key"
