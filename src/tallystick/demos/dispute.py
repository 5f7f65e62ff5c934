"""The dispute story: an answer under bond is a lie at one layer after the other, and each lie falls at its layer.

The 400-32-16-10 network is put on a chain as stages. For each of them somebody asks, a liar claims an answer that goes
wrong just there and goes on consistently, and a watcher who only computes the model shows it. Then an honest claimant
answers, and the liar tries to bring that down at every stage. Last, an honest answer becomes final and is paid.
"""

from __future__ import annotations

import contextlib
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tallystick.chain.accounts import Account
from tallystick.chain.bindings.optimistic_model import Claimed, Finalised, Refuted, Requested
from tallystick.chain.coin import NATIVE
from tallystick.chain.connect import connect
from tallystick.chain.deploy import deploy
from tallystick.chain.embedded import Genesis, create
from tallystick.chain.funding import fund_from_unlocked
from tallystick.chain.node import Node
from tallystick.chain.outbox import Outbox
from tallystick.core.errors import Rejected
from tallystick.lithic.assurance.optimistic import Optimistic
from tallystick.lithic.assurance.staged import compile_staged
from tallystick.lithic.assurance.trace import Trace, words
from tallystick.lithic.integer.model import IntegerModel, Vector
from tallystick.lithic.integer.reference import apply, decide
from tallystick.lithic.receipts.reading import read_answer
from tallystick.lithic.shapes import shape

Chapter = Callable[[str, int], contextlib.AbstractContextManager[Callable[[int], None]]]

NETWORK = "400-32-16-10"
FUNDS_WEI = 10**18  # of each party: bonds, and the gas of deploying half a megabyte
BOND_WEI = 10**16
FEE_WEI = 10**12
WINDOW_S = 3_600
SHORT_S = 2  # the window of the answer that the story waits for


@dataclass
class Dispute:
    """What happened: each lie with whether it fell, each honest claim with whether it stood, and gas by step."""

    stages: tuple[str, ...] = ()
    lies: list[bool] = field(default_factory=list)
    honest: list[bool] = field(default_factory=list)
    attacks: list[str] = field(default_factory=list)  # the reason for which each was refused
    gas: dict[str, int] = field(default_factory=dict)
    is_paid: bool = False
    seconds: float = 0.0

    @property
    def is_whole(self) -> bool:
        """Whether every lie fell, every honest claim stood, and the last one was paid."""
        return bool(self.lies) and all(self.lies) and all(self.honest) and self.is_paid

    def summary(self) -> dict[str, object]:
        """Return the figures, fit for JSON."""
        return {
            "lies_tried": len(self.lies),
            "lies_slashed": sum(self.lies),
            "honest_slashed": len(self.honest) - sum(self.honest),
            "gas_by_step": self.gas,
            "seconds": round(self.seconds, 1),
        }


@dataclass(frozen=True)
class _Parties:
    asks: Outbox
    lies: Outbox
    watches: Outbox
    answers: Outbox


def tell_dispute(rpc: str | None, chapter: Chapter) -> Dispute:
    """Tell the whole story; return what happened.

    rpc      URL of a development node; None tells it on an embedded chain that is gone afterwards
    chapter  given a title and a number of steps, shows progress while a block runs
    raises   what the verbs raise; Unavailable "funding.none" when a node has no account that pays for us
    """
    told, started = Dispute(), time.monotonic()
    chosen = shape(NETWORK)
    staged = compile_staged(chosen.model)
    told.stages = tuple(stage.name for stage in staged.stages[1:])
    with tempfile.TemporaryDirectory() as folder, _chain(Path(folder), rpc) as (node, parties):
        with chapter("stages on the chain", 1) as advance:
            placed = staged.deploy(parties.asks)
            told.gas["deploy all stages"] = sum(one.gas_used for one in placed)
            desk = Optimistic(node, deploy(parties.asks, "OptimisticModel", arguments=[NATIVE]).address, staged)
            advance(1)
        x = next(iter(chosen.inputs.values()))
        story = _Story(desk, node, parties, told, secrets.token_hex(4))
        with chapter("lies under bond, refuted", len(told.stages)) as advance:
            for at in range(len(told.stages)):
                story.lie_at(at, x)
                advance(1)
        with chapter("an honest answer, final and paid", 1) as advance:
            story.finish(x)
            advance(1)
    told.seconds = time.monotonic() - started
    return told


def wrong_from(model: IntegerModel, right: Trace, stage: int) -> Trace:
    """Return a trace with one number wrong after `stage`, and everything after that as it would then follow."""
    vectors: list[Vector] = list(right.vectors)
    first, *others = vectors[stage + 1]
    vectors[stage + 1] = (first + 1, *others)
    for at in range(stage + 1, len(model.steps)):
        vectors[at + 1] = apply(model.steps[at], vectors[at])
    if stage < len(model.steps) and model.decision != "none":
        vectors[-1] = decide(model, vectors[-2])
    return Trace(tuple(vectors))


@dataclass(frozen=True)
class _Story:
    """One telling: `run` keeps its transactions apart from those of another on the same node."""

    desk: Optimistic
    node: Node
    parties: _Parties
    told: Dispute
    run: str

    def lie_at(self, at: int, x: Sequence[int]) -> None:
        """Somebody asks, the liar claims, the watcher refutes; then the truth is claimed and attacked in vain."""
        desk, parties, told = self.desk, self.parties, self.told
        asked = self._ask(x, f"{at}", WINDOW_S)
        lie = wrong_from(desk.staged.model, desk.right(asked), at)
        call = desk.contract.claim(desk.asked(asked), lie.hashes, lie.answer, value=BOND_WEI)
        parties.lies.send_and_wait(call, key=f"lie {self.run} {at}")
        self._note("claim", Claimed.topic, asked)
        fault = desk.refute(parties.watches, asked)
        told.lies.append(fault is not None and fault.stage == at and desk.standing_claim(asked) is None)
        self._note(f"refute at {told.stages[at]}", Refuted.topic, asked)
        desk.claim(parties.answers, asked)
        self._attack(asked, at)
        standing = desk.standing_claim(asked)
        told.honest.append(standing is not None and standing.claimant == parties.answers.account.address)

    def finish(self, x: Sequence[int]) -> None:
        """An honest claim that nobody refutes becomes final, and brings its bond back with the fee."""
        desk, parties = self.desk, self.parties
        asked = self._ask(x, "last", SHORT_S)
        owed = desk.contract.owed(parties.answers.account.address)
        answer = desk.claim(parties.answers, asked)
        time.sleep(SHORT_S + 1)
        self._ask(x, "a block", SHORT_S)  # a simulation sees the time of the last block
        desk.settle(parties.asks, asked)
        self._note("make final", Finalised.topic, asked)
        earned = desk.contract.owed(parties.answers.account.address) - owed
        receipt = desk.receipt(asked).answer
        self.told.is_paid = (
            read_answer(self.node, desk.contract.address, receipt) == answer and earned == BOND_WEI + FEE_WEI
        )

    def _ask(self, x: Sequence[int], what: str, window_s: int) -> bytes:
        terms = {"fee": FEE_WEI, "bond": BOND_WEI, "window_s": window_s, "patience_s": WINDOW_S}
        asked = self.desk.ask(self.parties.asks, x, **terms, key=f"{self.run} {what}")
        self._note("ask", Requested.topic, asked)
        return asked

    def _attack(self, asked: bytes, at: int) -> None:
        """Try to refute the truth at the stage, with the vector that belongs there and with another."""
        right = self.desk.right(asked)
        stages = [stage.address for stage in self.desk.staged.stages]
        for vector in (right.vectors[at], (right.vectors[at][0] + 1, *right.vectors[at][1:])):
            call = self.desk.contract.refute(self.desk.asked(asked), stages, right.hashes, at, words(vector))
            try:
                self.node.call(call.to or "", call.data, sender=self.parties.lies.account.address)
            except Rejected as error:
                self.told.attacks.append(error.code)

    def _note(self, step: str, topic: bytes, asked: bytes) -> None:
        """Keep what the last such transaction took."""
        found = self.node.logs(self.desk.contract.address, (topic, asked), from_block=0)
        receipt = self.node.receipt(found[-1].transaction_hash)
        if receipt is not None:
            self.told.gas[step] = receipt.gas_used


@contextlib.contextmanager
def _chain(folder: Path, rpc: str | None) -> Iterator[tuple[Node, _Parties]]:
    """Open a chain on which four accounts have coins."""
    accounts = [Account(secrets.token_bytes(32)) for _ in range(4)]
    if rpc is None:
        balances = {bytes.fromhex(account.address[2:]): FUNDS_WEI for account in accounts}
        create(folder / "chain.db", Genesis(timestamp=int(time.time()), balances=balances))
    with connect(rpc or folder / "chain.db") as node, contextlib.ExitStack() as stack:
        if rpc is not None:
            for account in accounts:
                fund_from_unlocked(node, account.address, FUNDS_WEI)
        boxes = [Outbox(folder / f"outbox-{at}.db", node, account) for at, account in enumerate(accounts)]
        for box in boxes:
            stack.callback(box.close)
        yield node, _Parties(*boxes)
