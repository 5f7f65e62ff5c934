"""A watcher sees every claim about its models, refutes the wrong ones, and tells each thing once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from anvil_node import KEYS, Anvil

from tallystick.chain.accounts import Account
from tallystick.chain.calls import Call
from tallystick.chain.connect import connect
from tallystick.chain.deploy import deploy
from tallystick.chain.embedded import EmbeddedProvider, Genesis, create
from tallystick.chain.node import Node
from tallystick.chain.outbox import Outbox
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.lithic.assurance.optimistic import Optimistic
from tallystick.lithic.assurance.staged import compile_staged
from tallystick.lithic.assurance.trace import Fault
from tallystick.lithic.assurance.watcher import Watcher
from tests.lithic import kernel_models
from tests.lithic.assurance.test_optimistic_desk import lie_about

ACCOUNTS = [Account(bytes.fromhex(key[2:])) for key in KEYS[:3]]
X = (10, 20, 30, 40, 50, 60)
BOND, WINDOW_S = 10**16, 600


@dataclass
class Scene:
    """A contract, a model whose stages are on the chain, who asks and lies, and who watches."""

    node: Node
    desk: Optimistic
    asks: Outbox
    watches: Outbox
    now_s: float = 0.0

    def lie(self, key: str) -> bytes:
        """Return a request about which a lie was claimed."""
        asked = self.ask(key)
        told = lie_about(self.desk.staged, self.desk.right(asked), 1)
        call = self.desk.contract.claim(self.desk.asked(asked), told.hashes, told.answer, value=BOND)
        self.asks.send_and_wait(call, key=f"lie {key}")
        return asked

    def ask(self, key: str) -> bytes:
        spans = {"window_s": WINDOW_S, "patience_s": 10 * WINDOW_S}
        return self.desk.ask(self.asks, X, fee=0, bond=BOND, **spans, key=key)

    def watcher(self) -> Watcher:
        return Watcher([self.desk], self.watches)

    def deeds(self, watcher: Watcher) -> list[tuple[str, bytes]]:
        return [(one.deed, one.request_id) for one in watcher.step()]


def staged_on(node: Node, folder: Path, payer: Account, watcher: Account) -> Scene:
    asks, watches = Outbox(folder / "asks.db", node, payer), Outbox(folder / "watches.db", node, watcher)
    staged = compile_staged(kernel_models.mlp())
    staged.deploy(asks)
    contract = deploy(asks, "OptimisticModel", arguments=["0x" + "00" * 20]).address
    return Scene(node, Optimistic(node, contract, staged), asks, watches)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A scene on the embedded chain, whose time the test turns; the watcher has no coins yet."""
    path = tmp_path / "chain.db"
    create(path, Genesis(int(time.time()), balances={bytes.fromhex(ACCOUNTS[0].address[2:]): 10**24}))
    scenes: list[Scene] = []
    clock = lambda: time.time() + (scenes[0].now_s if scenes else 0.0)  # noqa: E731
    with Node(EmbeddedProvider(path, clock=clock)) as node:
        scenes.append(staged_on(node, tmp_path, ACCOUNTS[0], ACCOUNTS[1]))
        yield scenes[0]
        scenes[0].asks.close()
        scenes[0].watches.close()


def fund(scene: Scene) -> None:
    scene.asks.send_and_wait(Call(ACCOUNTS[1].address, b"", 10**18), key="coins for the watcher")


def test_every_claim_is_told_once_and_a_lie_falls(scene: Scene) -> None:
    fund(scene)
    watcher, right = scene.watcher(), scene.ask("right")
    scene.desk.claim(scene.asks, right)
    lie = scene.lie("one")
    assert scene.deeds(watcher) == [("right", right), ("refuted", lie)]
    assert scene.deeds(watcher) == []
    assert scene.desk.standing_claim(lie) is None
    later = scene.lie("two")
    assert scene.deeds(watcher) == [("refuted", later)]
    assert watcher.collect() == BOND  # half of each
    assert watcher.collect() == 0
    assert scene.deeds(scene.watcher()) == [("right", right), ("gone", lie), ("gone", later)]  # one that starts afresh


def test_a_lie_that_cannot_be_paid_for_is_tried_again(scene: Scene) -> None:
    watcher, lie = scene.watcher(), scene.lie("one")
    (seen,) = watcher.step()
    assert (seen.deed, "chain.insufficient_funds" in seen.detail) == ("failed", True)
    assert seen.detail.startswith("wrong at stage 1 (")
    assert scene.deeds(watcher) == [("failed", lie)]
    fund(scene)
    assert scene.deeds(watcher) == [("refuted", lie)]


def test_a_lie_that_nobody_could_refute_in_time_is_told_and_no_more(scene: Scene) -> None:
    watcher, lie = scene.watcher(), scene.lie("one")
    scene.now_s += WINDOW_S + 60
    scene.asks.send_and_wait(Call(ACCOUNTS[0].address, b""), key="a block")
    assert scene.deeds(watcher) == [("too late", lie)]
    assert scene.deeds(watcher) == []
    scene.desk.settle(scene.asks, lie)
    assert scene.deeds(scene.watcher()) == []  # it is over, and not ours to look at


@pytest.mark.parametrize("is_mined_before", [False, True])
def test_a_lie_that_falls_to_somebody_faster_is_not_told_as_ours(scene: Scene, is_mined_before: bool) -> None:
    class Slow(Optimistic):
        """Lets somebody else be faster: before our look, or between our look and our transaction."""

        def refute(self, outbox: Outbox, request_id: bytes) -> Fault | None:
            if not is_mined_before:
                scene.desk.refute(scene.asks, request_id)
                return super().refute(outbox, request_id)
            standing = self.standing_claim(request_id)
            scene.desk.refute(scene.asks, request_id)
            self.standing_claim = lambda _: standing
            return super().refute(outbox, request_id)

    fund(scene)
    lie = scene.lie("one")
    slow = Slow(scene.node, scene.desk.contract.address, scene.desk.staged)
    watcher = Watcher([slow], scene.watches)
    assert scene.deeds(watcher) == [("gone", lie)]
    assert scene.deeds(watcher) == []
    assert watcher.collect() == 0


def test_a_lie_under_a_small_bond_is_left_alone_by_who_says_so(scene: Scene) -> None:
    fund(scene)
    lie = scene.lie("one")
    frugal = Watcher([scene.desk], scene.watches, bond_min=BOND + 1)
    assert scene.deeds(frugal) == [("left", lie)]
    assert scene.deeds(frugal) == []
    assert scene.deeds(Watcher([scene.desk], scene.watches, bond_min=BOND)) == [("refuted", lie)]


def test_claims_about_other_models_are_left_alone(scene: Scene) -> None:
    other = compile_staged(kernel_models.trees())
    with pytest.raises(VerificationFailed):  # its stages are not there
        Watcher([Optimistic(scene.node, scene.desk.contract.address, other)], scene.watches)
    other.deploy(scene.asks)
    scene.lie("one")
    watcher = Watcher([Optimistic(scene.node, scene.desk.contract.address, other)], scene.watches)
    assert scene.deeds(watcher) == []
    with pytest.raises(InvalidInput) as caught:
        Watcher([], scene.watches)
    assert caught.value.code == "watch.none"


@pytest.mark.anvil
def test_a_refutation_that_a_reorganisation_took_away_is_made_anew(anvil: Anvil, tmp_path: Path) -> None:
    with connect(anvil.url) as node:
        scene = staged_on(node, tmp_path, ACCOUNTS[0], ACCOUNTS[1])
        watcher, lie = scene.watcher(), scene.lie("one")
        before = anvil.rpc("evm_snapshot")
        scene.desk.refute(scene.asks, lie)  # somebody was faster
        assert scene.deeds(watcher) == [("gone", lie)]
        assert anvil.rpc("evm_revert", before) is True
        assert scene.deeds(watcher) == [("refuted", lie)]
        assert scene.desk.standing_claim(lie) is None
        scene.asks.close()
        scene.watches.close()
