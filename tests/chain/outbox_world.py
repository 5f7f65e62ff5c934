"""A chain, a clock and an outbox that tests turn by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tallystick.chain.accounts import Account, TransactionFields
from tallystick.chain.fees import FeeBudget, Fees
from tallystick.chain.node import Node
from tallystick.chain.outbox import Outbox
from tallystick.chain.outbox_policy import OutboxPolicy, Patience
from tests.chain.fake_chain import ETHER, FakeChain
from tests.chain.fake_clock import FakeClock

SECRET = bytes(range(1, 33))
ACCOUNT = Account(SECRET)
PLAIN = "0x" + "22" * 20
POLICY = OutboxPolicy(
    budget=FeeBudget(cap_max=100 * 10**9, tip_max=10 * 10**9),
    patience=Patience(bump_after_s=60, rebroadcast_after_s=20),
)


class World:
    """A chain, a clock, and an outbox in a file; the chain mines a block whenever somebody waits."""

    def __init__(self, folder: Path, balance: int = 1_000 * ETHER) -> None:
        self.chain = FakeChain({ACCOUNT.address: balance})
        self.clock = FakeClock(self.chain.mine)
        self.path = folder / "outbox.db"
        self.box = self.open()

    def open(self, account: Account = ACCOUNT, faults: Callable[[str], None] | None = None) -> Outbox:
        return Outbox(self.path, Node(self.chain), account, policy=POLICY, clock=self.clock, faults=faults)

    def values(self) -> list[int]:
        """The values that our account moved on the canonical chain, in order."""
        return [sent.value for sent, _ in self.chain.executed() if sent.sender == ACCOUNT.address]


def transfer(account: Account, *, nonce: int, value: int, to: str) -> bytes:
    fields = TransactionFields(31_337, nonce, to, value, b"", 21_000, Fees(90 * 10**9, 9 * 10**9))
    return account.sign_transaction(fields).raw


def strangers(*, nonce: int, value: int) -> bytes:
    """The same key used by another program."""
    return transfer(ACCOUNT, nonce=nonce, value=value, to=PLAIN)
