"""The outbox, one promise at a time, on a chain and a clock that tests turn by hand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tallystick.chain.accounts import Account
from tallystick.chain.calls import Call
from tallystick.chain.node import Node
from tallystick.chain.outbox import Outbox
from tallystick.chain.outbox_store import OutboxStore
from tallystick.core.errors import InvalidInput, Rejected, Unavailable
from tests.chain.fake_chain import AFTER, ETHER, ONCE, REFUSE, FakeChain
from tests.chain.fake_clock import FakeClock
from tests.chain.outbox_world import ACCOUNT, PLAIN, POLICY, SECRET, World, strangers, transfer


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.box.close()


def test_a_call_is_sent_once_mined_and_then_final(world: World) -> None:
    receipt = world.box.send_and_wait(Call(PLAIN, b"", 7), key="pay")
    assert receipt.succeeded
    assert world.values() == [7]
    assert world.box.row("pay").state == "mined"
    assert world.box.wait(world.box.row("pay"), until="final") == receipt
    states = [change.state for change in world.box.changes(world.box.row("pay"))]
    assert states == ["drafted", "signed", "sent", "mined", "final"]


def test_the_row_and_its_bytes_are_on_disk_before_the_node_sees_them(tmp_path: Path) -> None:
    class Watching(FakeChain):
        def make_request(self, method: str, params: list[object]) -> dict[str, object]:
            if method == "eth_sendRawTransaction":
                store = OutboxStore(tmp_path / "outbox.db")
                (row,) = store.rows(self.chain_id, ACCOUNT.address, ("signed",), 10)
                assert row.current is not None
                assert params == ["0x" + row.current.raw.hex()]
                store.close()
            return super().make_request(method, params)

    chain = Watching({ACCOUNT.address: ETHER})
    with Outbox(tmp_path / "outbox.db", Node(chain), ACCOUNT) as box:
        assert box.send(Call(PLAIN, b"", 1), key="watched").state == "sent"


def test_the_same_key_with_the_same_call_sends_nothing_new(world: World) -> None:
    first = world.box.send_and_wait(Call(PLAIN, b"", 7), key="pay")
    assert world.box.send_and_wait(Call(PLAIN, b"", 7), key="pay") == first
    assert world.values() == [7]


def test_the_same_key_with_another_call_is_refused(world: World) -> None:
    world.box.send(Call(PLAIN, b"", 7), key="pay")
    for other in (Call(PLAIN, b"", 8), Call(PLAIN, b"x", 7), Call(ONCE, b"", 7)):
        with pytest.raises(InvalidInput, match="another call"):
            world.box.send(other, key="pay")
    with world.open(Account(b"\x07" * 32)) as stranger, pytest.raises(InvalidInput, match="another call"):
        stranger.send(Call(PLAIN, b"", 7), key="pay")


@pytest.mark.parametrize("key", ["", "x" * 201, "line\nbreak", "outbox: mine"])
def test_a_key_that_is_no_plain_name_is_refused(world: World, key: str) -> None:
    with pytest.raises(InvalidInput, match="idempotency key"):
        world.box.send(Call(PLAIN, b"", 1), key=key)


def test_several_calls_are_recorded_together_or_not_at_all(world: World) -> None:
    with pytest.raises(InvalidInput):
        world.box.send_many([("a", Call(PLAIN, b"", 1)), ("a", Call(PLAIN, b"", 2))])
    assert world.box.history() == []
    rows = world.box.send_many([("a", Call(PLAIN, b"", 1)), ("b", Call(PLAIN, b"", 2))])
    assert [row.nonce for row in rows] == [0, 1]


def test_a_known_revert_is_refused_by_name_and_never_paid(world: World) -> None:
    with pytest.raises(Rejected) as refused:
        world.box.send_and_wait(Call(REFUSE, b"1", 0), key="bad")
    assert refused.value.code == "refuse: always"
    assert world.box.row("bad").nonce is None
    assert world.values() == []
    world.box.send_and_wait(Call(PLAIN, b"", 1), key="good")
    assert world.box.row("good").nonce == 0


def test_a_call_refused_before_signing_may_be_asked_again_under_its_key(world: World) -> None:
    with pytest.raises(Rejected, match="not yet"):
        world.box.send_and_wait(Call(AFTER, b"z", 0), key="second")
    world.box.send_and_wait(Call(ONCE, b"z", 0), key="first")
    assert world.box.send_and_wait(Call(AFTER, b"z", 0), key="second").succeeded


def test_a_refusal_does_not_count_while_an_older_call_is_unmined(world: World) -> None:
    first, second = world.box.send_many([("first", Call(ONCE, b"z", 0)), ("second", Call(AFTER, b"z", 0))])
    assert (first.state, second.state) == ("sent", "drafted")
    assert world.box.wait(second).succeeded


def test_a_call_to_an_address_without_code_is_refused(world: World) -> None:
    with pytest.raises(Rejected) as refused:
        world.box.send_and_wait(Call(PLAIN, b"data", 0), key="nowhere")
    assert refused.value.code == "chain.no_contract"


def test_an_account_that_cannot_pay_takes_no_nonce(world: World) -> None:
    with pytest.raises(Rejected) as refused:
        world.box.send_and_wait(Call(PLAIN, b"", 1_000 * ETHER), key="too much")
    assert refused.value.code == "chain.insufficient_funds"
    assert world.box.row("too much").nonce is None


def test_a_node_gone_for_a_minute_costs_patience_and_nothing_else(world: World) -> None:
    world.chain.mine()
    assert world.box.node.chain_id
    world.chain.is_down = True
    row = world.box.send(Call(PLAIN, b"", 7), key="pay")
    assert row.state == "drafted"
    with pytest.raises(Unavailable) as waiting:
        world.box.wait(row, timeout_s=60.0)
    assert waiting.value.code == "outbox.waiting"
    world.chain.is_down = False
    assert world.box.wait(row).succeeded
    assert world.values() == [7]


def test_a_lost_answer_repeats_the_same_bytes(world: World) -> None:
    class Losing(FakeChain):
        def make_request(self, method: str, params: list[object]) -> dict[str, object]:
            if method == "eth_sendRawTransaction" and not self.ever:
                self.lost_answers = 1
            return super().make_request(method, params)

    world.chain = Losing({ACCOUNT.address: ETHER})
    with world.open() as box:
        row = box.send(Call(PLAIN, b"", 7), key="pay")
        assert row.state == "signed"
        box.work()
        assert box.row("pay").state == "sent"
        assert [attempt.hash for attempt in box.row("pay").attempts] == [sent.hash for sent in world.chain.ever]


def test_a_dropped_transaction_is_handed_over_again_unchanged(world: World) -> None:
    row = world.box.send(Call(PLAIN, b"", 7), key="pay")
    world.chain.drop_pool()
    world.clock.turn(5)
    world.box.work()
    assert not world.chain.pool
    world.clock.turn(20)
    world.box.work()
    assert [sent.hash for sent in world.chain.pool.values()] == [row.attempts[0].hash]


def test_a_stuck_transaction_is_offered_more_under_its_nonce_up_to_the_budget(world: World) -> None:
    world.box.send(Call(PLAIN, b"", 7), key="pay")
    world.chain.base_fee = 1_000 * 10**9
    for _ in range(60):
        world.clock.turn(61)
        world.box.work()
        world.chain.mine()
    attempts = world.box.row("pay").attempts
    assert len(attempts) > 1
    assert {attempt.nonce for attempt in attempts} == {0}
    for last, following in itertools.pairwise(attempts):
        assert 8 * following.fees.cap >= 9 * last.fees.cap
        assert 8 * following.fees.tip >= 9 * last.fees.tip
    assert attempts[-1].fees.cap <= POLICY.budget.cap_max
    assert world.values() == []
    world.chain.base_fee = 10**9
    assert world.box.wait(world.box.row("pay")).transaction_hash == attempts[-1].hash


def test_nothing_is_signed_while_the_chain_asks_for_more_than_the_budget(world: World) -> None:
    world.chain.base_fee = 101 * 10**9
    world.chain.mine()
    row = world.box.send(Call(PLAIN, b"", 7), key="pay")
    assert (row.state, row.attempts) == ("drafted", ())
    world.chain.base_fee = 10**9
    assert world.box.wait(row).succeeded


def test_a_reorganisation_sends_a_mined_call_back_to_sent_and_out_again(world: World) -> None:
    receipt = world.box.send_and_wait(Call(PLAIN, b"", 7), key="pay")
    world.chain.reorganize(1, keep=0.0)
    world.chain.drop_pool()
    assert world.values() == []
    world.box.work()
    assert world.box.row("pay").state == "sent"
    again = world.box.wait(world.box.row("pay"), until="final")
    assert again.transaction_hash == receipt.transaction_hash
    assert again.block_hash != receipt.block_hash
    assert world.values() == [7]


def test_a_transaction_that_reverts_in_the_chain_is_paid_named_and_not_repeated(world: World) -> None:
    first, second = world.box.send_many([("a", Call(ONCE, b"z", 0)), ("b", Call(ONCE, b"z", 0))])
    assert world.box.wait(first, until="final").succeeded
    with pytest.raises(Rejected) as refused:
        world.box.wait(second, until="final")
    assert refused.value.code == "once: seen already"
    assert world.box.row("b").state == "failed"
    assert world.box.send(Call(ONCE, b"z", 0), key="b").state == "failed"
    assert len(list(world.chain.executed())) == 2


def test_a_call_displaced_by_the_same_key_elsewhere_waits_for_finality_and_takes_a_new_nonce(world: World) -> None:
    row = world.box.send(Call(PLAIN, b"", 7), key="pay")
    world.chain.place(strangers(nonce=0, value=1))
    world.chain.mine()
    world.box.work()
    assert world.box.row("pay").state == "replaced"
    world.chain.mine(4)
    world.box.work()
    again = world.box.row("pay")
    assert (row.nonce, again.nonce) == (0, 1)
    assert world.box.wait(again).succeeded
    assert world.values() == [1, 7]


def test_a_call_displaced_for_a_while_keeps_its_nonce_and_its_bytes(world: World) -> None:
    row = world.box.send(Call(PLAIN, b"", 7), key="pay")
    world.chain.place(strangers(nonce=0, value=1))
    world.chain.mine()
    world.box.work()
    world.chain.reorganize(1, keep=0.0)
    world.chain.drop_pool()
    assert world.box.wait(world.box.row("pay")).transaction_hash == row.attempts[0].hash
    assert world.values() == [7]


def test_a_nonce_lost_with_a_strangers_transaction_is_filled(world: World) -> None:
    world.chain.place(strangers(nonce=0, value=1))
    world.chain.mine()
    row = world.box.send(Call(PLAIN, b"", 7), key="pay")
    assert row.nonce == 1
    world.chain.reorganize(1, keep=0.0)
    world.chain.drop_pool()
    assert world.box.wait(row).succeeded
    assert world.values() == [0, 7]
    assert world.box.history()[0].call.function == "fill"


def test_a_nonce_that_was_only_just_mined_is_no_gap(tmp_path: Path) -> None:
    class Racing(FakeChain):
        def make_request(self, method: str, params: list[object]) -> dict[str, object]:
            if method == "eth_getTransactionReceipt" and self.is_armed:
                self.is_armed = False
                self.pool = {place: sent for place, sent in self.pool.items() if sent.nonce == 0}
                self.mine()
            return super().make_request(method, params)

    chain, clock = Racing({ACCOUNT.address: ETHER}), FakeClock()
    chain.is_armed = False
    with Outbox(tmp_path / "outbox.db", Node(chain), ACCOUNT, policy=POLICY, clock=clock) as box:
        box.send_many([("first", Call(PLAIN, b"", 1)), ("second", Call(PLAIN, b"", 2))])
        clock.turn(61)
        chain.is_armed = True  # the first is mined after the nonces were read and before the receipts are
        box.work()
        assert not chain.is_armed
        assert [row.key for row in box.history()] == ["second", "first"]


def test_a_clock_that_goes_back_delays_nothing(world: World) -> None:
    row = world.box.send(Call(PLAIN, b"", 7), key="pay")
    world.chain.drop_pool()
    world.clock.turn(-100_000)
    world.box.work()
    assert world.box.wait(row).succeeded
    assert world.values() == [7]


def test_rows_of_a_chain_started_afresh_under_its_old_id_are_refused(world: World) -> None:
    world.box.send_and_wait(Call(PLAIN, b"", 7), key="pay")
    fresh = FakeChain({ACCOUNT.address: ETHER})
    fresh.blocks[0] = fresh.blocks[0].__class__(**{**vars(fresh.blocks[0]), "hash": b"\x01" * 32})
    world.chain = fresh
    with world.open() as box, pytest.raises(InvalidInput) as refused:
        box.send(Call(PLAIN, b"", 8), key="other")
    assert refused.value.code == "outbox.other_chain"


def test_two_accounts_share_a_file_and_keep_their_own_nonces(world: World) -> None:
    other = Account(b"\x07" * 32)
    world.chain.place(transfer(ACCOUNT, nonce=0, value=10 * ETHER, to=other.address))
    world.chain.mine()
    with world.open(other) as box:
        assert box.send(Call(PLAIN, b"", 1), key="theirs").nonce == 0
    assert world.box.send(Call(PLAIN, b"", 1), key="ours").nonce == 1


def test_what_is_pending_and_what_was_is_listed(world: World) -> None:
    world.box.send_and_wait(Call(PLAIN, b"", 1), key="one", until="final")
    world.box.send(Call(PLAIN, b"", 2, "Bank", "pay", {"to": PLAIN, "amount": 2**70, "memo": b"\x01"}), key="two")
    assert [row.key for row in world.box.pending()] == ["two"]
    assert [row.key for row in world.box.history()] == ["two", "one"]
    kept = world.box.row("two").call.arguments
    assert kept == {"to": PLAIN, "amount": str(2**70), "memo": "0x01"}
    with pytest.raises(InvalidInput, match="no row"):
        world.box.row("three")


def test_the_outbox_never_shows_or_stores_its_key(world: World, tmp_path: Path) -> None:
    world.box.send_and_wait(Call(PLAIN, b"", 1), key="one")
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert SECRET not in kept
    assert SECRET.hex().encode() not in kept
    assert SECRET.hex() not in repr(vars(world.box))


@pytest.mark.parametrize("content", [b"not a database, but long enough to be one" * 100, b"\x00" * 4096])
def test_a_file_that_is_no_outbox_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "outbox.db"
    path.write_bytes(content)
    with pytest.raises(InvalidInput) as refused:
        OutboxStore(path)
    assert refused.value.code == "outbox.file"
