"""The outbox on bad disks: a flipped byte is named or harmless, a full disk loses nothing that was acknowledged."""

from __future__ import annotations

import contextlib
import copy
import os
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.chain.accounts import Account
from tallystick.chain.calls import Call
from tallystick.chain.node import Node
from tallystick.chain.outbox import Outbox
from tallystick.chain.outbox_policy import OutboxPolicy
from tallystick.chain.outbox_store import OutboxStore
from tallystick.core.errors import TallystickError, VerificationFailed
from tests.chain.fake_chain import ETHER, FakeChain
from tests.chain.fake_clock import FakeClock

ACCOUNT = Account(b"\x11" * 32)
PLAIN = "0x" + "22" * 20
CALLS = {f"pay {value}": Call(PLAIN, b"", value, "Bank", "pay", {"value": value}) for value in (1, 2, 3)}


class World:
    """A chain with one final call, one mined and one sent, and the outbox file of them."""

    def __init__(self, folder: Path) -> None:
        self.chain = FakeChain({ACCOUNT.address: ETHER})
        self.clock = FakeClock(self.chain.mine)
        self.path = folder / "outbox.db"
        with self.open() as box:
            for key, call in CALLS.items():
                row = box.send(call, key=key)
                if call.value == 1:
                    box.wait(row, until="final")
                elif call.value == 2:
                    box.wait(row)

    def copy(self, folder: Path) -> World:
        """Return another world, the same and apart."""
        other = copy.copy(self)
        other.chain = copy.deepcopy(self.chain)
        other.clock = FakeClock(other.chain.mine)
        other.path = folder / "outbox.db"
        shutil.copy(self.path, other.path)
        return other

    def open(self) -> Outbox:
        return Outbox(self.path, Node(self.chain), ACCOUNT, clock=self.clock, policy=OutboxPolicy())

    def finish(self) -> None:
        """Ask for everything again and wait until it is final."""
        with self.open() as box:
            for key, call in CALLS.items():
                box.wait(box.send(call, key=key), 200.0, until="final")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world to take copies of."""
    return World(tmp_path_factory.mktemp("template"))


@settings(max_examples=2_000 if os.environ.get("TALLYSTICK_LONG") else 40)
@given(data=st.data())
def test_a_flipped_bit_is_refused_by_name_or_changes_nothing_that_is_executed(
    data: st.DataObject, template: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    world = template.copy(tmp_path_factory.mktemp("flipped"))
    whole = bytearray(world.path.read_bytes())
    used = [at for at, byte in enumerate(whole) if byte]
    at = data.draw(st.sampled_from(used) | st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    world.path.write_bytes(whole)
    with contextlib.suppress(TallystickError):
        world.finish()
    counts = Counter(sent.value for sent, _ in world.chain.executed() if sent.to == PLAIN)
    assert set(counts) <= {1, 2, 3}
    assert max(counts.values()) == 1


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("data", "x'01'"),
        ("target", "NULL"),
        ("value", "'2'"),
        ("key", "'pay 9'"),
        ("arguments", "'{'"),
        ("receipt", "CAST(receipt || x'20' AS BLOB)"),
    ],
)
def test_a_changed_row_is_named(tmp_path: Path, column: str, value: str) -> None:
    world = World(tmp_path)
    change(world.path, f"UPDATE rows SET {column} = {value} WHERE id = 1")
    with pytest.raises(VerificationFailed, match="row 1"), world.open() as box:
        box.history()


@pytest.mark.parametrize("column", ["hash", "raw", "nonce", "gas", "is_cancel"])
def test_a_changed_attempt_is_named(tmp_path: Path, column: str) -> None:
    world = World(tmp_path)
    value = f"{column} + 1" if column in ("nonce", "gas", "is_cancel") else f"CAST(x'00' || {column} AS BLOB)"
    change(world.path, f"UPDATE attempts SET {column} = {value} WHERE row_id = 3")
    with pytest.raises(VerificationFailed, match="row 3"), world.open() as box:
        box.work()


def change(path: Path, statement: str) -> None:
    """Change the file behind the outbox's back."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(statement)


FILLING = """
import resource, signal, sys
from pathlib import Path
from tallystick.chain.accounts import Account
from tallystick.chain.calls import Call
from tallystick.chain.node import Node
from tallystick.chain.outbox import Outbox
from tallystick.core.errors import TallystickError
from tests.chain.fake_chain import ETHER, FakeChain

account = Account(b"\\x11" * 32)
box = Outbox(Path(sys.argv[1]), Node(FakeChain({account.address: ETHER})), account)
box.send(Call("0x" + "22" * 20, b"", 0), key="first")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (120_000, 120_000))
done = 1
try:
    while done < 1_000:
        box.send(Call("0x" + "22" * 20, b"", done), key=f"key {done}")
        done += 1
except TallystickError as error:
    print(done, type(error).__name__, error.code)
"""


def test_a_full_disk_refuses_what_it_cannot_keep_and_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    ended = subprocess.run([sys.executable, "-c", FILLING, str(path)], capture_output=True, text=True, check=True)
    done, kind, code = ended.stdout.split()
    assert (kind, code) in {("Unavailable", "outbox.disk_full"), ("Broken", "outbox.disk")}
    with closing(OutboxStore(path)) as store:
        rows = store.rows(31_337, ACCOUNT.address, ("drafted", "signed", "sent"), 10_000)
    kept = {row.key for row in rows}
    assert {"first", *(f"key {number}" for number in range(1, int(done)))} <= kept
    nonces = [row.nonce for row in rows if row.nonce is not None]
    assert nonces == list(range(len(nonces)))
