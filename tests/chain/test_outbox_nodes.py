"""The outbox against real nodes: stuck, dropped, reorganised, restarted, and shared among processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from anvil_node import KEYS, Anvil, running_anvil

from tallystick.chain.accounts import Account
from tallystick.chain.calls import Call
from tallystick.chain.connect import connect
from tallystick.chain.embedded import EmbeddedProvider, Genesis, create
from tallystick.chain.http_provider import HttpProvider
from tallystick.chain.node import Node
from tallystick.chain.outbox import Outbox
from tallystick.chain.outbox_policy import OutboxPolicy, Patience
from tallystick.core.errors import Rejected, Unavailable
from tests.chain.embedded.ledger_kit import Clock
from tests.chain.fake_clock import FakeClock

SECRET = bytes.fromhex(KEYS[0][2:])
ACCOUNT = Account(SECRET)
GENESIS = Genesis(timestamp=1_700_000_000, balances={bytes.fromhex(ACCOUNT.address[2:]): 10**21})
POLICY = OutboxPolicy(patience=Patience(bump_after_s=60, rebroadcast_after_s=20), final_depth=5)


@pytest.fixture
def manual() -> Iterator[Anvil]:
    """A node that mines only when told to."""
    with running_anvil("--no-mining") as node:
        yield node


def open_box(url: str, folder: Path) -> tuple[Outbox, FakeClock]:
    clock = FakeClock()
    node = Node(HttpProvider(url, pause=clock.turn))
    return Outbox(folder / "outbox.db", node, ACCOUNT, policy=POLICY, clock=clock), clock


def receiver(number: int) -> str:
    return Account(number.to_bytes(32, "big")).address


def test_a_transaction_stuck_below_the_base_fee_is_offered_more_and_mined(manual: Anvil, tmp_path: Path) -> None:
    box, clock = open_box(manual.url, tmp_path)
    with box:
        row = box.send(Call(receiver(1), b"", 7), key="pay")
        for _ in range(3):
            manual.rpc("anvil_setNextBlockBaseFeePerGas", hex(90 * 10**9))
            manual.rpc("anvil_mine", "0x1")
            box.work()
        assert box.row("pay").state == "sent"
        clock.turn(61)
        box.work()
        manual.rpc("anvil_mine", "0x1")
        receipt = box.wait(row, 0.0)
        first, second = box.row("pay").attempts
        assert receipt.transaction_hash == second.hash
        assert (first.nonce, second.nonce) == (0, 0)
        assert box.node.balance(receiver(1)) == 7


def test_a_stuck_transaction_is_replaced_by_one_that_moves_nothing(manual: Anvil, tmp_path: Path) -> None:
    box, clock = open_box(manual.url, tmp_path)
    with box:
        row = box.send(Call(receiver(7), b"", 7), key="pay")
        behind = box.send(Call(receiver(7), b"", 8), key="behind")  # which anvil drops with the block it cannot pay for
        manual.rpc("anvil_setNextBlockBaseFeePerGas", hex(90 * 10**9))
        manual.rpc("anvil_mine", "0x1")
        assert box.cancel("pay").is_being_cancelled
        manual.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**9))
        clock.turn(21)
        box.work()
        manual.rpc("anvil_mine", "0x1")
        with pytest.raises(Rejected) as cancelled:
            box.wait(row, 0.0)
        assert cancelled.value.code == "outbox.cancelled"
        assert box.wait(behind, 0.0).succeeded
        assert box.node.balance(receiver(7)) == 8
        assert box.node.nonce(ACCOUNT.address) == 2


def test_a_transaction_the_node_dropped_is_handed_over_again(manual: Anvil, tmp_path: Path) -> None:
    box, clock = open_box(manual.url, tmp_path)
    with box:
        row = box.send(Call(receiver(2), b"", 7), key="pay")
        manual.rpc("anvil_dropAllTransactions")
        assert box.node.transaction(row.attempts[0].hash) is None
        clock.turn(21)
        box.work()
        manual.rpc("anvil_mine", "0x1")
        assert box.wait(row, 0.0).transaction_hash == row.attempts[0].hash


def test_a_reorganisation_of_the_node_is_noticed_and_mended(manual: Anvil, tmp_path: Path) -> None:
    box, _ = open_box(manual.url, tmp_path)
    with box:
        manual.rpc("anvil_mine", "0x2")
        row = box.send(Call(receiver(3), b"", 7), key="pay")
        manual.rpc("anvil_mine", "0x1")
        before = box.wait(row, 0.0)
        manual.rpc("anvil_reorg", 1, [])
        manual.rpc("anvil_dropAllTransactions")
        assert box.node.balance(receiver(3)) == 0
        box.work()
        assert box.row("pay").state == "sent"
        manual.rpc("anvil_mine", "0x1")
        after = box.wait(row, 0.0)
        assert (after.transaction_hash, after.block_hash != before.block_hash) == (before.transaction_hash, True)
        manual.rpc("anvil_mine", "0x5")
        assert box.wait(row, 0.0, until="final") == after
        assert box.node.balance(receiver(3)) == 7


def test_a_node_that_dies_and_returns_finds_the_outbox_waiting(tmp_path: Path) -> None:
    state = str(tmp_path / "state.json")
    with running_anvil("--state", state, "--no-mining") as node:
        box, clock = open_box(node.url, tmp_path)
        with box:
            box.send(Call(receiver(4), b"", 7), key="mined")
            node.rpc("anvil_mine", "0x1")
            box.wait(box.row("mined"), 0.0)
            lost = box.send(Call(receiver(4), b"", 8), key="lost with the pool")
            assert lost.state == "sent"
    with Outbox(tmp_path / "outbox.db", box.node, ACCOUNT, policy=POLICY, clock=clock) as box:
        asked = box.send(Call(receiver(4), b"", 9), key="asked meanwhile")
        assert asked.state == "drafted"
        with pytest.raises(Unavailable):
            box.wait(asked, 30.0)
    with running_anvil("--state", state) as node:
        box = Outbox(tmp_path / "outbox.db", connect(node.url), ACCOUNT, policy=POLICY, clock=clock)
        with box:
            box.wait(box.send(Call(receiver(4), b"", 8), key="lost with the pool"), 30.0)
            box.wait(box.send(Call(receiver(4), b"", 9), key="asked meanwhile"), 30.0)
            assert box.node.balance(receiver(4)) == 7 + 8 + 9
            assert [attempt.raw for attempt in box.row("lost with the pool").attempts] == [lost.attempts[0].raw]


@pytest.mark.parametrize("kind", ["anvil", "embedded"])
def test_processes_that_share_an_outbox_execute_each_key_once(kind: str, anvil: Anvil, tmp_path: Path) -> None:
    if kind == "embedded":
        create(tmp_path / "chain.db", GENESIS)
    target = anvil.url if kind == "anvil" else str(tmp_path / "chain.db")
    program = Path(__file__).with_name("sending.py")
    keys = [f"key {number}" for number in range(12)]
    command = [sys.executable, str(program), str(tmp_path / "outbox.db"), target, SECRET.hex(), receiver(5)]
    shares = [",".join(share) for share in (keys[:8], keys[4:], keys[::2])]
    with connect(target) as node:
        spent = node.nonce(ACCOUNT.address)
        subprocess.run([*command, *shares], check=True, timeout=200)
        assert node.balance(receiver(5)) == len(keys)
        assert node.nonce(ACCOUNT.address) == spent + len(keys)


def test_on_the_embedded_ledger_a_call_is_final_when_it_is_mined(tmp_path: Path) -> None:
    create(tmp_path / "chain.db", GENESIS)
    with connect(tmp_path / "chain.db") as node, Outbox(tmp_path / "outbox.db", node, ACCOUNT) as box:
        rows = box.send_many([(f"key {number}", Call(receiver(6), b"", number)) for number in range(20)])
        assert {row.state for row in rows} == {"final"}
        assert len({row.receipt.block_hash for row in rows if row.receipt is not None}) == 1
        assert node.balance(receiver(6)) == sum(range(20))


def code_that_refuses_before(instant: int) -> bytes:
    """Return the code of a contract that reverts in blocks earlier than `instant`."""
    runtime = b"\x67" + instant.to_bytes(8, "big") + bytes.fromhex("4210600f57005b5f5ffd")
    return bytes([0x60, len(runtime), 0x80, 0x60, 0x0B, 0x5F, 0x39, 0x5F, 0xF3]).ljust(11, b"\x00") + runtime


def test_on_a_chain_that_stands_still_a_call_is_judged_by_the_time_of_the_next_block(tmp_path: Path) -> None:
    """A deadline that has passed since the newest block has passed, although no block says so yet."""
    create(tmp_path / "chain.db", GENESIS)
    clock, opens_at = Clock(), GENESIS.timestamp + 5_000
    clock.now = GENESIS.timestamp + 10
    node = Node(EmbeddedProvider(tmp_path / "chain.db", clock=clock))
    with Outbox(tmp_path / "outbox.db", node, ACCOUNT) as box:
        gate = box.send_and_wait(Call(None, code_that_refuses_before(opens_at), 0), key="gate").contract_address
        assert gate is not None
        clock.now = opens_at - 1
        with pytest.raises(Rejected):
            box.send_and_wait(Call(gate, b"\x01\x02\x03\x04", 0), key="too early")
        clock.now = opens_at
        assert node.block("latest").timestamp < opens_at
        assert box.send_and_wait(Call(gate, b"\x01\x02\x03\x04", 0), key="in time").succeeded
