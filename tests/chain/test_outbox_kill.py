"""`kill -9` at every point of the outbox, against a real node: nothing is lost, nothing is done twice."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from anvil_node import Anvil, running_anvil

from tallystick.chain.accounts import Account
from tallystick.chain.calls import Call
from tallystick.chain.connect import connect
from tallystick.chain.node import Node
from tallystick.chain.outbox import Outbox
from tallystick.chain.outbox_policy import OutboxPolicy
from tallystick.chain.outbox_store import OutboxStore

POINTS = [
    "draft.before",
    "draft.within",
    "draft.after",
    "sign.before",
    "sign.within",
    "sign.after",
    "send.before",
    "send.after",
    "send.recorded",
    "settle.look",
    "settle.record",
    "settle.within",
    "settle.recorded",
]


@pytest.fixture(scope="module")
def manual() -> Iterator[Anvil]:
    """A node that mines only when told to."""
    with running_anvil("--no-mining") as node:
        yield node


@pytest.fixture(scope="module")
def crasher() -> Iterator[subprocess.Popen[str]]:
    """The program that dies on demand."""
    program = Path(__file__).with_name("crashing.py")
    process = subprocess.Popen([sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield process
    process.communicate(timeout=30)


class Killed:
    """One account, one outbox and one receiver, for one death."""

    def __init__(self, node: Anvil, crasher: subprocess.Popen[str], folder: Path, number: int) -> None:
        self.node = node
        self.crasher = crasher
        self.path = folder / "outbox.db"
        self.secret = (1_000 + number).to_bytes(32, "big")
        self.account = Account(self.secret)
        self.to = Account((2_000 + number).to_bytes(32, "big")).address
        node.rpc("anvil_setBalance", self.account.address, hex(10**18))

    def die(self, point: str, visit: int = 0, bump_after_s: str = "600") -> None:
        """Send until that point is visited so often, and check that it was reached."""
        job = {
            "path": str(self.path),
            "url": self.node.url,
            "secret": self.secret.hex(),
            "to": self.to,
            "point": point,
            "visit": str(visit),
            "bump_after_s": bump_after_s,
        }
        assert self.crasher.stdin is not None
        assert self.crasher.stdout is not None
        self.crasher.stdin.write(json.dumps(job) + "\n")
        self.crasher.stdin.flush()
        assert self.crasher.stdout.readline() == "-9\n", f"{point} was not reached"

    def resume(self) -> None:
        """Open the outbox again, ask for the same, let the node mine: the call must be executed exactly once."""
        with (
            connect(self.node.url) as node,
            Outbox(self.path, node, self.account, policy=OutboxPolicy(final_depth=2)) as box,
        ):
            row = box.send(Call(self.to, b"", 7), key="pay")
            mine(node, 4)
            receipt = box.wait(row, 30.0, until="final")
            assert receipt.succeeded
            assert node.balance(self.to) == 7
            assert node.nonce(self.account.address) == 1
            assert box.send(Call(self.to, b"", 7), key="pay").state == "final"
            assert not box.pending()


@pytest.mark.parametrize(("point", "visit"), [*((point, 0) for point in POINTS), *((point, 1) for point in POINTS[9:])])
def test_a_killed_process_leaves_a_call_that_is_executed_exactly_once(
    manual: Anvil, crasher: subprocess.Popen[str], tmp_path: Path, point: str, visit: int
) -> None:
    killed = Killed(manual, crasher, tmp_path, 100 * visit + POINTS.index(point))
    killed.die(point, visit)
    killed.resume()


@pytest.mark.parametrize(("point", "visit"), [("bump.after", 0), ("send.before", 1), ("send.after", 1)])
def test_a_process_killed_while_offering_more_leaves_one_execution(
    manual: Anvil, crasher: subprocess.Popen[str], tmp_path: Path, point: str, visit: int
) -> None:
    killed = Killed(manual, crasher, tmp_path, 500 + 10 * visit + len(point))
    killed.die(point, visit, bump_after_s="0")
    with closing(OutboxStore(killed.path)) as store:
        assert [attempt.nonce for attempt in store.row(1).attempts] == [0, 0]
    killed.resume()


def test_a_call_killed_at_every_point_in_turn_is_still_executed_once(
    manual: Anvil, crasher: subprocess.Popen[str], tmp_path: Path
) -> None:
    killed = Killed(manual, crasher, tmp_path, 700)
    for point in POINTS:
        killed.die(point)
    killed.resume()


def mine(node: Node, blocks: int) -> None:
    node.request("anvil_mine", [hex(blocks)], lambda value, what: value)
