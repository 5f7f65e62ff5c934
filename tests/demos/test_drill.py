"""The drill holds on both chains: every theft is stopped, the loss is within its bound, the audit balances."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tallystick.chain.abi import encode_call
from tallystick.chain.calls import Call
from tallystick.chain.connect import connect
from tallystick.chain.node import Node
from tallystick.chain.wire import read_hash
from tallystick.cli.main import run
from tallystick.demos.drill import Drill, Tried, tell_drill
from tallystick.demos.drill_chain import open_stage
from tallystick.demos.drill_code import went_through
from tallystick.demos.drill_count import Budget, Count
from tallystick.demos.drill_gas import GAS_THEFT
from tallystick.demos.drill_others import OTHER_THEFTS, OUT_OF_REACH
from tallystick.demos.drill_scene import BUY, INTENT, UNIT, Scene, set_scene
from tallystick.demos.drill_thefts import AFTER_FREEZE, THEFTS
from tallystick.tally.agents.system import ENTRY_POINT
from tests.contracts.entry_point import entry_point_code

MEMBERS = ["thefts_tried", "thefts_stopped", "lost", "loss_bound", "audit_balanced", "seconds"]

# What must stop each theft: another reason would mean that something else happened to be in its way.
REASONS = {
    "over budget": "buckets: over budget",
    "all sessions together": "buckets: over budget",
    "over the cap": "rules: over the cap",
    "unlisted payee": "payees: not allowed",
    "approve": "rules: no rule",
    "permit": "eip2612: not signed by the owner",
    "transferFrom": "rules: no rule",
    "multicall": "rules: no rule",
    "padded transfer": "rules: malformed call",
    "self call": "calls: target denied",
    "EntryPoint call": "rules: no rule",
    "raised level": "changes: not the owner",
    "re-entrancy": "the account's lock: the call from within was refused",
    "fee on transfer": "calls: moved more",
    "replay": "relay: wrong sequence number",
    "changed signed action": "relay: wrong signature",
    "starved gas": "calls: too little gas",
    "queue flooding": "queue: too many open",
    "changed item": "queue: not open",
    "unapproved item": "queue: not approved",
    "guessing": "sessions: level too low",
    "arbitrary digest": "ERC-1271 answers no",
    "every slot and one more": "eip3009: not signed by the payer",
    "over the slot cap": "eip3009: not signed by the payer",
    "wrong period": "eip3009: not signed by the payer",
    "burst at a period's edge": "buckets: over budget",
    "after expiry": "sessions: not live",
    "companion call": "calls: target denied",
    "late signed action": "relay: expired",
    "unopposed item to a thief": "payees: not allowed",
    "unopposed items over budget": "buckets: over budget",
    "delegation twice": "relay: already redeemed",
    "delegation of more": "relay: not what was permitted",
    "guardian's key": "roles: not the owner",
    "after the freeze": "roles: frozen",
    "after the freeze ended": "sessions: not live",
}
LOST = {
    "over budget": "50", "all sessions together": "40", "every slot and one more": "2", "delegation twice": "1",
    "unopposed items over budget": "50",
}  # fmt: skip


# What of the threat model's table about wallets is tried by what, or is out of reach ("-"), row by row.
THREATS = {
    "has it pay a stranger, or too much": ("unlisted payee", "over the cap"),
    "pays until nothing is left; twice at a period's edge": ("over budget", "burst at a period's edge"),
    "approve, permit, `transferFrom`, multicall, hidden calls": ("approve", "permit", "transferFrom", "multicall"),
    "calls the wallet itself, its companions or the EntryPoint": ("self call", "companion call", "EntryPoint call"),
    "raises its own level, schedules changes": ("raised level",),
    "signs outside its slots, over their cap, in another period": ("over the slot cap", "wrong period"),
    "floods the queue": ("queue flooding",),
    "has items run that nobody vetoes": ("unopposed item to a thief", "unopposed items over budget"),
    "waits until a freeze is over": ("after the freeze ended",),
    "pays itself by the gas of user operations": ("gas",),
    "calls back; takes more than it was told; says false": ("re-entrancy", "fee on transfer"),
    "brings it twice, changed, late, or with too little gas": (
        "replay", "changed signed action", "late signed action", "starved gas", "delegation twice",
    ),
    "has one approved and runs another": ("changed item",),
    "freezes, vetoes, lowers": ("guardian's key",),
    "sweeps": ("-the owner's key",),
    "let through what they should not": ("-approvers who do not read",),
}  # fmt: skip


@contextlib.contextmanager
def quietly(title: str, steps: int) -> Iterator[Any]:
    yield lambda done: None


def test_every_theft_is_stopped_on_the_embedded_chain(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    page = tmp_path / "drill.html"
    assert run(["demo", "drill", "--json", "--report", str(page)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == MEMBERS
    assert found["thefts_tried"] == found["thefts_stopped"] == len(REASONS)
    assert found["audit_balanced"] is True
    assert found["lost"] == {"ETH": "0", "USD": "193", "SOUR": "0"}
    assert all(float(lost) <= float(found["loss_bound"][coin]) for coin, lost in found["lost"].items())
    text = page.read_text("utf-8")
    assert all(words in text for words in ("36 of 36", "Not tried: the owner&#x27;s key", "calls: moved more"))
    assert "http" not in text.split("<body>")[1]


@pytest.mark.anvil
def test_every_theft_is_stopped_for_its_own_reason_on_anvil(anvil: Any) -> None:
    with connect(anvil.url) as node:
        entry_point = _place_entry_point(node)
    told = tell_drill(anvil.url, quietly, entry_point=entry_point)
    assert {one.name: one.stopped_by for one in told.tried[1:]} == REASONS
    assert (told.tried[0].name, told.tried[0].stopped_by) == (GAS_THEFT.name, "buckets: over budget")
    assert 0 < float(told.tried[0].lost["ETH"]) <= 0.01
    lost = {one.name: one.lost.get("USD") for one in told.tried}
    assert {name: lost[name] for name in LOST} == LOST
    assert (told.freeze_blocks, told.left_out, told.gaps) == (1, OUT_OF_REACH, [])
    assert told.is_whole


def _place_entry_point(node: Node) -> str:
    (payer, *_) = node.request("eth_accounts", [], lambda value, _: value)
    transfer = {"from": payer, "data": "0x" + entry_point_code().hex(), "gas": hex(8_000_000)}
    sent = node.request("eth_sendTransaction", [transfer], read_hash)
    while (receipt := node.receipt(sent)) is None:
        time.sleep(0.05)
    assert receipt.contract_address is not None
    return receipt.contract_address


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with open_stage(tmp_path, None) as stage:
        yield set_scene(stage, tmp_path, ENTRY_POINT)


def test_the_count_sees_what_reaches_the_thief_and_what_is_beyond_the_budget(scene: Scene) -> None:
    account, usd, thief = scene.contracts.account, scene.usd, scene.stage["thief"].address
    data = usd.transfer(thief, UNIT).data
    scene.stage["owner"].do(account.owner_execute(usd.address, 0, data, INTENT, value=0))
    assert scene.look() == ({"USD": UNIT}, False)
    data = usd.transfer(scene.stage["provider"].address, 200 * UNIT).data
    scene.stage["owner"].do(account.owner_execute(usd.address, 0, data, INTENT, value=0))
    assert scene.look() == ({"USD": 200 * UNIT}, False)
    assert scene.look() == ({}, True)


def test_the_hostile_contracts_do_what_they_are_for(scene: Scene) -> None:
    """Without the account's lock the shop's payment goes through; without the account the token takes a tenth more."""
    buy = Call(scene.shop, encode_call(BUY.selector.hex(), ["uint256"], [0]))
    scene.stage["thief"].do(buy)
    assert went_through(scene.stage.node.storage(scene.shop, 0))
    assert scene.look() == ({"USD": 10 * UNIT}, True)
    data = scene.sour.transfer(scene.stage["thief"].address, 10 * UNIT).data
    scene.stage["owner"].attempt(scene.contracts.account.owner_execute(scene.sour.address, 0, data, INTENT, value=0))
    assert scene.look() == ({"SOUR": 11 * UNIT}, False)


def test_a_budget_is_even_and_exact() -> None:
    budget = Budget(10, 10, 100)
    budget.start(0)
    assert budget.spend(0, 10)
    assert not budget.spend(9, 1)  # nine tenths of one have come in
    assert budget.spend(110, 10)
    count = Count({"X": Budget(5, 0, 1)}, {"X": 2}, {"X": 9}, {"X": 0}, {"X": 0})
    count.budgets["X"].start(0)
    assert count.judge(0, {"X": 2}, {"X": 0}, by_slots=True) == ({"X": 7}, True)
    assert count.judge(0, {"X": 1}, {"X": 0}, by_slots=False) == ({"X": 1}, False)
    assert count.lost == {"X": 8}


def test_a_drill_in_which_anything_failed_is_not_whole() -> None:
    good = Tried("a", "b", "c", {}, True)
    whole = Drill(
        tried=[good], is_within=True, freeze_blocks=1, after_freeze=True, is_swept=True, audit_balanced=True
    )  # fmt: skip
    assert whole.is_whole
    bad = (replace(good, stopped_by=""), replace(good, is_meant=False))
    changes = [{"tried": [good, one]} for one in bad] + [{"tried": []}, {"is_within": False}, {"freeze_blocks": 2}]
    changes += [{"after_freeze": False}, {"is_swept": False}, {"audit_balanced": False}]
    for change in changes:
        assert not replace(whole, **change).is_whole
    assert replace(whole, tried=[good, bad[0]]).summary()["thefts_stopped"] == 1


def test_every_row_of_the_threat_model_is_tried_or_named_as_out_of_reach() -> None:
    text = (Path(__file__).parents[2] / "docs/threat-model.md").read_text("utf-8")
    part = text.split("## Agents' wallets")[1].split("## Keys")[0]
    rows = [line.split("|")[3].strip() for line in part.splitlines() if line.startswith("| ")][1:]
    assert rows == list(THREATS)
    tried = {one.name for one in (GAS_THEFT, *THEFTS, *OTHER_THEFTS, *AFTER_FREEZE)}
    for names in THREATS.values():
        for name in names:
            assert name in tried or any(one.startswith(f"{name[1:]}:") for one in OUT_OF_REACH), name
    assert tried == {GAS_THEFT.name, *REASONS}
