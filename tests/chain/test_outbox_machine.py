"""The outbox under everything at once: crashes, forks, drops, floods of fees, a stranger with the same key.

In words: each idempotency key is executed on the canonical chain at most once, and, once the node is back and honest,
exactly once unless it was cancelled; and what was reported final does not disappear short of a reorganisation below
finality.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tallystick.chain.accounts import Account, TransactionFields
from tallystick.chain.calls import Call
from tallystick.chain.fees import FeeBudget, Fees
from tallystick.chain.node import Node
from tallystick.chain.outbox import Outbox
from tallystick.chain.outbox_policy import OutboxPolicy, Patience
from tallystick.chain.outbox_rows import CANCELLED, FAILED, FINAL, STATES, Row
from tallystick.chain.outbox_store import OutboxStore
from tallystick.core.errors import InvalidInput, Rejected, Unavailable
from tests.chain.fake_chain import ETHER, ONCE, REFUSE, FakeChain
from tests.chain.fake_clock import FakeClock

ACCOUNT = Account(b"\x11" * 32)
PLAIN = "0x" + "22" * 20
POLICY = OutboxPolicy(
    budget=FeeBudget(cap_max=2_000 * 10**9, tip_max=500 * 10**9),
    patience=Patience(bump_after_s=60.0, rebroadcast_after_s=20.0),
)
STRANGERS_FEES = Fees(5_000 * 10**9, 600 * 10**9)  # he always wins
NAMES = st.sampled_from("abcdefgh")
WHICH = st.integers(0, 1)


# asked too late, or of a row that a crash left unrecorded, or beyond the budget
REFUSALS = {"outbox.too_late", "outbox.no_row", "outbox.cancel_budget"}


class Crash(BaseException):
    """The process is gone: nothing after this point runs."""


class OutboxMachine(RuleBasedStateMachine):
    """Two processes share one outbox file and one key; the model is the set of keys that were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = FakeClock()
        self.asked: dict[str, Call] = {}
        self.cancelled: set[str] = set()
        self.final: set[bytes] = set()
        self.points_left: int | None = None
        self.stranger = 0

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.chain = FakeChain({ACCOUNT.address: 10**6 * ETHER}, seed=seed)
        self.boxes = [self.open_box(), self.open_box()]

    def open_box(self) -> Outbox:
        return Outbox(
            self.folder / "outbox.db", Node(self.chain), ACCOUNT, policy=POLICY, clock=self.clock, faults=self.fault
        )

    def fault(self, point: str) -> None:
        if self.points_left is not None:
            self.points_left -= 1
            if self.points_left < 0:
                self.points_left = None
                raise Crash(point)

    def guarded(self, which: int, act: str, *arguments: object, **named: object) -> None:
        try:
            getattr(self.boxes[which], act)(*arguments, **named)
        except Unavailable:
            pass
        except (InvalidInput, Rejected) as error:
            if error.code not in REFUSALS:
                raise
        except Crash:
            self.boxes[which].close()
            self.boxes[which] = self.open_box()

    def ask(self, which: int, key: str, call: Call) -> None:
        self.asked.setdefault(key, call)
        self.guarded(which, "send", call, key=key)

    @rule(which=WHICH, name=NAMES)
    def ask_plainly(self, which: int, name: str) -> None:
        self.ask(which, f"plain {name}", Call(PLAIN, b"", ord(name)))

    @rule(which=WHICH, name=NAMES, data=st.sampled_from([b"x", b"y"]))
    def ask_what_can_be_done_once(self, which: int, name: str, data: bytes) -> None:
        self.ask(which, f"once {name} {data.decode()}", Call(ONCE, data, 0))

    @rule(which=WHICH)
    def ask_what_is_refused(self, which: int) -> None:
        self.ask(which, "refused", Call(REFUSE, b"1", 0))

    @rule(which=WHICH, name=NAMES)
    def take_back(self, which: int, name: str) -> None:
        if f"plain {name}" in self.asked:
            self.cancelled.add(f"plain {name}")
            self.guarded(which, "cancel", f"plain {name}")

    @rule(which=WHICH)
    def work(self, which: int) -> None:
        self.guarded(which, "work")

    @rule(blocks=st.integers(1, 3), share=st.sampled_from([0.0, 0.5, 1.0]))
    def mine(self, blocks: int, share: float) -> None:
        self.chain.mine(blocks, share=share)

    @rule(depth=st.integers(1, 4), keep=st.sampled_from([0.0, 0.5, 1.0]))
    def reorganize(self, depth: int, keep: float) -> None:
        self.chain.reorganize(depth, keep=keep)

    @rule()
    def drop_pool(self) -> None:
        self.chain.drop_pool()

    @rule()
    def another_pool_remembers(self) -> None:
        self.chain.remember()

    @rule(blocks=st.sampled_from([0, 0, 1, 6]))
    def hurry(self, blocks: int) -> None:
        self.chain.hurry_max = blocks

    @rule()
    def node_goes_or_comes(self) -> None:
        self.chain.is_down = not self.chain.is_down

    @rule(count=st.integers(1, 4))
    def lose_answers(self, count: int) -> None:
        self.chain.lost_answers = count

    @rule(lag=st.integers(0, 3))
    def see_late(self, lag: int) -> None:
        self.chain.lag_max = lag

    @rule(gwei=st.sampled_from([1, 20, 400]))
    def change_base_fee(self, gwei: int) -> None:
        self.chain.base_fee = gwei * 10**9

    @rule(seconds=st.sampled_from([-1_000.0, 5.0, 25.0, 90.0]))
    def turn_clock(self, seconds: float) -> None:
        self.clock.turn(seconds)

    @precondition(lambda self: self.points_left is None)
    @rule(points=st.integers(0, 12))
    def crash_soon(self, points: int) -> None:
        self.points_left = points

    @precondition(lambda self: self.stranger < 3)
    @rule(ahead=st.integers(0, 2))
    def use_the_key_elsewhere(self, ahead: int) -> None:
        self.stranger += 1
        nonce = self.chain.state.nonces.get(ACCOUNT.address, 0) + ahead
        fields = TransactionFields(self.chain.chain_id, nonce, PLAIN, 1_000_000, b"", 21_000, STRANGERS_FEES)
        self.chain.place(ACCOUNT.sign_transaction(fields).raw)

    @precondition(lambda self: self.stranger < 3)
    @rule(which=WHICH, name=NAMES, depth=st.integers(1, 3), is_lost=st.booleans())
    def be_displaced_for_a_while(self, which: int, name: str, depth: int, is_lost: bool) -> None:
        self.use_the_key_elsewhere(0)
        self.chain.mine()
        self.ask_plainly(which, name)
        self.guarded(which, "work")
        self.chain.mine(depth - 1)
        self.guarded(which, "work")
        self.chain.reorganize(depth, keep=0.0)
        if not is_lost:
            self.chain.remember()

    @invariant()
    def no_key_is_executed_twice(self) -> None:
        if not self.asked:
            return
        counts = self.executions()
        assert all(count <= 1 for count in counts.values()), counts

    @invariant()
    def nothing_final_disappears(self) -> None:
        if not self.asked:
            return
        self.final |= {row.receipt.transaction_hash for row in self.rows() if row.state == FINAL and row.receipt}
        assert self.final <= {sent.hash for sent, _ in self.chain.executed()}

    def rows(self) -> list[Row]:
        """Read what the file holds, without asking the node."""
        with closing(OutboxStore(self.folder / "outbox.db")) as store:
            return store.rows(self.chain.chain_id, ACCOUNT.address, STATES, 1_000)

    def executions(self) -> Counter[str]:
        """Count, by key, the transactions of ours in the canonical chain, told apart by what the file signed."""
        signed = ((attempt, row.key) for row in self.rows() for attempt in row.attempts)
        owner = {attempt.hash: key for attempt, key in signed if not attempt.is_cancel}
        return Counter(owner[sent.hash] for sent, _ in self.chain.executed() if sent.hash in owner)

    def teardown(self) -> None:
        try:
            if self.asked:
                self.become_honest()
        finally:
            for box in getattr(self, "boxes", []):
                box.close()
            shutil.rmtree(self.folder)

    def become_honest(self) -> None:
        self.points_left = None
        chain = self.chain
        chain.is_down, chain.lost_answers, chain.lag_max, chain.hurry_max, chain.base_fee = False, 0, 0, 0, 100 * 10**9
        for key, call in self.asked.items():
            self.boxes[0].send(call, key=key)
        for _ in range(60):
            chain.mine(2)
            self.clock.turn(61.0)
            self.boxes[0].work()
            if not self.boxes[0].pending():
                break
        assert not self.boxes[0].pending()
        counts = self.executions()
        for key in self.asked:
            row = self.boxes[1].row(key)
            if key in self.cancelled and row.error_code == CANCELLED:
                assert (row.state, counts[key]) == (FAILED, 0)
            elif key.startswith("plain"):
                assert (row.state, counts[key]) == (FINAL, 1)
            else:
                assert row.state in (FINAL, FAILED)
                assert counts[key] == (1 if row.receipt is not None else 0)
        for data in (b"x", b"y"):
            done = [ok for sent, ok in chain.executed() if sent.to == ONCE and sent.data == data]
            wanted = any(call.to == ONCE and call.data == data for call in self.asked.values())
            assert done.count(True) == int(wanted)
        assert not any(sent.to == REFUSE for sent, _ in chain.executed())


TestOutboxMachine = OutboxMachine.TestCase
TestOutboxMachine.settings = settings(
    max_examples=2_000 if os.environ.get("TALLYSTICK_LONG") else 25,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
