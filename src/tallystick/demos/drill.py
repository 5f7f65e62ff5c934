"""The drill: an agent is compromised; its attacker has every session's key and the host, and tries every theft.

What stopped each says the contract; what each cost says an independent count of balances. Then a guardian freezes the
wallet, the attacker tries again, the owner takes the rest out, and the audit has to balance.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tallystick.agents.audit import audit_account
from tallystick.agents.policy.bounds import loss_bounds
from tallystick.demos.drill_chain import Stage, open_stage
from tallystick.demos.drill_gas import GAS_THEFT, has_entry_point
from tallystick.demos.drill_others import OTHER_THEFTS, OUT_OF_REACH
from tallystick.demos.drill_scene import HOUR_S, Scene, holdings, set_scene
from tallystick.demos.drill_thefts import AFTER_FREEZE, THEFTS, Theft
from tallystick.tally.agents.system import ENTRY_POINT

Chapter = Callable[[str, int], contextlib.AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True)
class Tried:
    """One theft as it went: what stopped it, what left the wallet, and whether that was the owner's to lose."""

    name: str
    tried: str
    stopped_by: str
    lost: dict[str, str]
    is_meant: bool

    @property
    def stopped(self) -> bool:
        """Whether something stopped it, and nothing left beyond the budgets or to somebody who is not allowed."""
        return bool(self.stopped_by) and self.is_meant


@dataclass
class Drill:
    """The whole drill, filled in as it happens; amounts are decimals by coin.

    left_out       what was not tried, each with the reason
    freeze_blocks  from the guardian's decision to the block in which the wallet was frozen
    after_freeze   whether nothing left once it was frozen
    swept          what the owner took out at the end, in whole
    """

    chain: str = ""
    wallet: str = ""
    tried: list[Tried] = field(default_factory=list)
    left_out: tuple[str, ...] = ()
    lost: dict[str, str] = field(default_factory=dict)
    loss_bound: dict[str, str] = field(default_factory=dict)
    is_within: bool = False
    freeze_blocks: int = 0
    after_freeze: bool = False
    is_swept: bool = False
    audit_balanced: bool = False
    audit_links: int = 0
    gaps: list[str] = field(default_factory=list)
    window_s: int = 0
    seconds: float = 0.0

    @property
    def is_whole(self) -> bool:
        """Whether every theft was stopped, the loss is within its bound, the freeze held and the audit balances."""
        stopped = bool(self.tried) and all(one.stopped for one in self.tried)
        froze = self.freeze_blocks == 1 and self.after_freeze and self.is_swept
        return stopped and self.is_within and froze and self.audit_balanced

    def summary(self) -> dict[str, object]:
        """Return the figures, fit for JSON."""
        return {
            "thefts_tried": len(self.tried),
            "thefts_stopped": sum(one.stopped for one in self.tried),
            "lost": self.lost,
            "loss_bound": self.loss_bound,
            "audit_balanced": self.audit_balanced,
            "seconds": round(self.seconds, 1),
        }


def tell_drill(rpc: str | None, chapter: Chapter, *, entry_point: str = ENTRY_POINT) -> Drill:
    """Tell the whole drill; return what happened.

    rpc          URL of a development node, whose clock is turned; None tells it on an embedded chain
    chapter      given a title and a number of steps, shows progress while a block runs
    entry_point  of ERC-4337; where the chain has none there, the theft by gas is left out
    raises       what the verbs raise; Unavailable "funding.none" when a node has no account that pays for us
    """
    told, started = Drill(chain=rpc or "embedded"), time.monotonic()
    with tempfile.TemporaryDirectory() as folder, open_stage(Path(folder), rpc) as stage:
        with chapter("a wallet with a policy", 1) as advance:
            scene = set_scene(stage, Path(folder), entry_point)
            told.wallet = scene.address
            advance(1)
        thefts: tuple[Theft, ...] = (*THEFTS, *OTHER_THEFTS)
        told.left_out = OUT_OF_REACH
        if has_entry_point(stage.node, entry_point):
            thefts = (GAS_THEFT, *thefts)
        else:
            told.left_out = (f"{GAS_THEFT.name}: no EntryPoint on this chain", *OUT_OF_REACH)
        _steal(scene, told, thefts, "thefts", chapter)
        _freeze(scene, told, chapter)
        with chapter("audit", 1) as advance:
            _audit(scene, told)
            advance(1)
    told.seconds = time.monotonic() - started
    return told


def _steal(scene: Scene, told: Drill, thefts: tuple[Theft, ...], title: str, chapter: Chapter) -> None:
    with chapter(title, len(thefts)) as advance:
        for theft in thefts:
            stopped_by = theft.attack(scene)
            gone, is_meant = scene.look(by_slots=theft.by_slots)
            lost = {name: scene.coins[name].format(amount) for name, amount in gone.items()}
            told.tried.append(Tried(theft.name, theft.tried, stopped_by, lost, is_meant))
            advance(1)


def _freeze(scene: Scene, told: Drill, chapter: Chapter) -> None:
    """A guardian stops everything; what was lost until then is measured against its bound, and again afterwards."""
    stage, before = scene.stage, scene.stage.node.block_number()
    receipt = stage["guardian"].do(scene.contracts.account.freeze(HOUR_S))
    told.freeze_blocks = receipt.block_number - before
    told.window_s = stage.now_s() - scene.sealed_at
    lost = dict(scene.count.lost)
    bounds = {one.token.name: one.total for one in loss_bounds(scene.policy, told.window_s)}
    told.lost = {name: scene.coins[name].format(units) for name, units in lost.items()}
    told.loss_bound = {name: scene.coins[name].format(bounds[name]) for name in lost}
    told.is_within = all(units <= bounds[name] for name, units in lost.items())
    _steal(scene, told, AFTER_FREEZE, "thefts after the freeze", chapter)
    told.after_freeze = scene.count.lost == lost
    told.is_swept = _sweep(scene, stage)


def _sweep(scene: Scene, stage: Stage) -> bool:
    """The owner takes everything out; return whether nothing is left, and all of it arrived."""
    safe = stage["approver"].address
    sweepable = {
        name: coin for name, coin in scene.coins.items() if name != "SOUR"
    }  # a bad token cannot be moved whole
    had, held = holdings(stage, sweepable, safe), holdings(stage, sweepable, scene.address)
    for coin in sweepable.values():
        stage["owner"].do(scene.contracts.account.sweep(coin.address, safe))
    has = holdings(stage, sweepable, safe)
    return all(has[name] - had[name] == held[name] for name in held)


def _audit(scene: Scene, told: Drill) -> None:
    audit = audit_account(scene.stage.node, scene.address)
    told.audit_balanced, told.audit_links = audit.is_balanced, len(audit.links)
    told.gaps = [one.words for one in audit.gaps]
