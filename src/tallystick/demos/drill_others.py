"""Thefts with what else an attacker may get hold of, and what the drill cannot try, each with the reason.

A delegation, a late signature, a session of level supervised, a guardian's key.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tallystick.agents.policy.nouns import NATIVE
from tallystick.chain.abi import encode_call
from tallystick.chain.bindings.policy_queue import Proposed
from tallystick.chain.calls import Call
from tallystick.demos.drill_scene import DAY_S, HOUR_S, INTENT, UNIT, Scene
from tallystick.demos.drill_thefts import Theft


def _companion_call(scene: Scene) -> str:
    """Have the wallet itself approve an item, set a rule for the thief, and announce a change."""
    contracts, thief = scene.contracts, scene.stage["thief"].address
    calls = (
        contracts.queue.approve(INTENT),
        contracts.rules.set_payee(scene.address, thief, 1, 2**48 - 1),
        contracts.changes.schedule(scene.address, scene.address, contracts.account.bump_epoch().data),
    )
    reasons = [scene.act("agent", call.to or "", call.data) for call in calls]
    return reasons[0] if all(reasons) else ""


def _late_action(scene: Scene) -> str:
    action, _ = scene.sign("agent", scene.usd.address, scene.usd.transfer(scene.stage["provider"].address, UNIT).data)
    late = replace(action, deadline=scene.stage.now_s() - 1)
    signature = scene.stage["agent"].sign(scene.relay.action_digest(scene.address, late))
    return scene.stage["thief"].attempt(scene.relay.execute_signed(scene.address, late, signature))


def _unasked_to_a_thief(scene: Scene) -> str:
    """Wait until nobody has objected to an item that pays the thief."""
    asked = _proposed(scene, "thief", UNIT)
    scene.stage.wait(HOUR_S)
    return scene.stage["thief"].attempt(scene.contracts.queue.run(scene.address, asked.item))


def _unasked_over_budget(scene: Scene) -> str:
    """Have item after item run unopposed, as long as the budgets hold."""
    for _ in range(8):
        asked = _proposed(scene, "provider", 25 * UNIT)
        scene.stage.wait(HOUR_S)
        if reason := scene.stage["thief"].attempt(scene.contracts.queue.run(scene.address, asked.item)):
            return reason
    return ""


def _delegation_twice(scene: Scene) -> str:
    if reason := scene.stage["thief"].attempt(_redeeming(scene, UNIT, UNIT)):
        return f"too early: {reason}"
    return scene.stage["thief"].attempt(_redeeming(scene, UNIT, UNIT))


def _delegation_of_more(scene: Scene) -> str:
    return scene.stage["thief"].attempt(_redeeming(scene, UNIT, UNIT + 1, nonce=2))


def _guardians_key(scene: Scene) -> str:
    """Sweep, act for the owner, and announce a raise with a guardian's key."""
    account, changes = scene.contracts.account, scene.contracts.changes
    guardian, thief = scene.stage["guardian"], scene.stage["thief"].address
    raised = account.set_level(scene.stage["agent"].address, 4)
    reasons = [
        guardian.attempt(call)
        for call in (
            account.sweep(NATIVE, thief),
            account.owner_execute(scene.usd.address, 0, scene.usd.transfer(thief, UNIT).data, INTENT, value=0),
            raised,
            changes.schedule(scene.address, scene.address, raised.data),
        )
    ]
    return reasons[0] if all(reasons) else ""


def _proposed(scene: Scene, payee: str, amount: int) -> Proposed:
    data, usd = scene.usd.transfer(scene.stage[payee].address, amount).data, scene.usd.address
    call = scene.contracts.queue.propose(scene.address, usd, 0, data, usd, amount, INTENT, DAY_S)
    receipt = scene.stage["scout"].do(call)
    return next(Proposed.decode(log) for log in receipt.logs if log.topics[0] == Proposed.topic)


def _redeeming(scene: Scene, most: int, amount: int, nonce: int = 1) -> Call:
    """Return the redemption of a delegation of the agent's session to the provider (ERC-7710)."""
    session, payee, usd = scene.stage["agent"], scene.stage["provider"].address, scene.usd.address
    until, epoch = 2**48 - 1, scene.contracts.account.epoch()
    digest = scene.relay.delegation_digest(scene.address, session.address, usd, payee, most, until, nonce, epoch)
    kinds = ["address", "address", "uint256", "uint64", "uint256", "address", "bytes"]
    given = [scene.address, session.address, most, until, nonce, payee, session.sign(digest)]
    execution = bytes.fromhex(usd[2:]) + bytes(32) + scene.usd.transfer(payee, amount).data
    return scene.relay.redeem_delegations([encode_call("", kinds, given)], [bytes(32)], [execution])


OTHER_THEFTS: Final = (
    Theft("companion call", "have the wallet call its own queue, rules and changes", _companion_call),
    Theft("late signed action", "bring a signed payment after its time", _late_action),
    Theft("unopposed item to a thief", "pay the thief by an item that nobody vetoes", _unasked_to_a_thief),
    Theft("unopposed items over budget", "have more run unopposed than the budgets hold", _unasked_over_budget),
    Theft("delegation twice", "redeem a delegation a second time", _delegation_twice),
    Theft("delegation of more", "redeem more of a delegation than it permits", _delegation_of_more),
    Theft("guardian's key", "sweep, act as the owner, and raise a level with a guardian's key", _guardians_key),
)

# What stands in the threat model and is no part of this drill.
OUT_OF_REACH: Final = (
    "the owner's key: it is the wallet, and its thief sweeps; nothing here could stop it",
    "approvers who do not read: what they let pass is not in the bound",
    "payees that the owner allowed and that cheat: they are paid within the budgets, as meant",
    "newcomers: this chain has no registry of agents; they have a bucket of their own",
    "vouchers of open channels: this wallet has none; a deposit in one is lost at most",
    "bait prices, swapped payees, payments settled twice: there is no shop's server here",
    "bought ratings: they move no money; docs/spec/agent-scoring.md has what they cost",
)
