"""What a compromised agent tries: each theft a function that returns what stopped it, in the contract's words.

A theft that was not stopped returns "". What it cost the wallet is not for it to say: `drill_count` sees the balances.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from tallystick.agents.policy.slots import slot_period
from tallystick.chain.abi import encode_call
from tallystick.chain.bindings.policy_queue import Proposed
from tallystick.chain.calls import Call
from tallystick.core.authorization import Authorization, Permit
from tallystick.core.digest import keccak
from tallystick.core.eip712 import Domain
from tallystick.core.errors import Rejected
from tallystick.demos.drill_code import went_through
from tallystick.demos.drill_scene import BUY, DAY_S, HOUR_S, INTENT, SIGNED_GAS, SLOT_CAP, SLOTS, UNIT, Scene

_NO: Final = "ERC-1271 answers no"


@dataclass(frozen=True)
class Theft:
    """One theft: its name, what is tried in a sentence, and how. `by_slots`: what it takes, no bucket counts."""

    name: str
    tried: str
    attack: Callable[[Scene], str]
    by_slots: bool = False


def _over_budget(scene: Scene) -> str:
    for _ in range(2):
        if reason := scene.pay("agent", "provider", 25 * UNIT):
            return f"too early: {reason}"
    return scene.pay("agent", "provider", 25 * UNIT)


def _all_sessions_together(scene: Scene) -> str:
    for _ in range(8):
        if reason := scene.pay("brief", "provider", 20 * UNIT):
            return reason
    return ""


def _over_the_cap(scene: Scene) -> str:
    return scene.pay("agent", "provider", 26 * UNIT)


def _edge_burst(scene: Scene) -> str:
    to_edge = DAY_S - scene.stage.now_s() % DAY_S
    scene.stage.wait(to_edge + DAY_S - 20)  # full again, just before a day begins
    _over_budget(scene)
    scene.stage.wait(20)
    return scene.pay("agent", "provider", 25 * UNIT)


def _unlisted_payee(scene: Scene) -> str:
    return scene.pay("agent", "thief", UNIT)


def _approve(scene: Scene) -> str:
    return scene.act("agent", scene.usd.address, scene.usd.approve(scene.stage["thief"].address, UNIT).data)


def _transfer_from(scene: Scene) -> str:
    thief = scene.stage["thief"].address
    return scene.act("agent", scene.usd.address, scene.usd.transfer_from(scene.address, thief, UNIT).data)


def _multicall(scene: Scene) -> str:
    inner = scene.usd.transfer(scene.stage["thief"].address, UNIT).data
    return scene.act("agent", scene.usd.address, encode_call("ac9650d8", ["bytes[]"], [[inner]]))


def _padded_transfer(scene: Scene) -> str:
    data = scene.usd.transfer(scene.stage["provider"].address, UNIT).data
    return scene.act("agent", scene.usd.address, data + bytes(32))


def _permit(scene: Scene) -> str:
    thief, until = scene.stage["thief"].address, scene.stage.now_s() + DAY_S
    signed = Permit(scene.address, thief, UNIT, scene.usd.nonces(scene.address), until)
    signature = scene.stage["agent"].sign(signed.digest(_domain(scene)))
    return scene.stage["thief"].attempt(scene.usd.permit_bytes(scene.address, thief, UNIT, until, signature))


def _own_contracts(scene: Scene) -> str:
    account = scene.contracts.account
    call = account.set_level(scene.stage["agent"].address, 4)
    return scene.act("agent", scene.address, call.data)


def _entry_point(scene: Scene) -> str:
    data = encode_call("b760faf9", ["address"], [scene.stage["thief"].address])  # depositTo(address)
    return scene.act("agent", scene.entry_point, data, 1)


def _raised_level(scene: Scene) -> str:
    call = scene.contracts.account.set_level(scene.stage["agent"].address, 4)
    scheduled = scene.contracts.changes.schedule(scene.address, scene.address, call.data)
    return scene.stage["agent"].attempt(call) and scene.stage["agent"].attempt(scheduled)


def _reentrancy(scene: Scene) -> str:
    data = encode_call(BUY.selector.hex(), ["uint256"], [0])
    if reason := scene.act("agent", scene.shop, data):
        return reason
    went = went_through(scene.stage.node.storage(scene.shop, 0))
    return "" if went else "the account's lock: the call from within was refused"


def _greedy_token(scene: Scene) -> str:
    return scene.pay("agent", "provider", 5 * UNIT, scene.sour)


def _replay(scene: Scene) -> str:
    return scene.stage["thief"].attempt(scene.relay.execute_signed(scene.address, *scene.signed))


def _other_calldata_signed(scene: Scene) -> str:
    action, signature = scene.sign("agent", scene.usd.address, _to_provider(scene))
    changed = replace(action, data=scene.usd.transfer(scene.stage["thief"].address, UNIT).data)
    return scene.stage["thief"].attempt(scene.relay.execute_signed(scene.address, changed, signature))


def _starved_gas(scene: Scene) -> str:
    """Make a refusal of what is allowed, by too little gas, until the session is demoted."""
    account, agent = scene.contracts.account, scene.stage["agent"].address
    before = account.state_of(agent).denials
    signed = scene.sign("agent", scene.usd.address, _to_provider(scene))
    call = scene.relay.execute_signed(scene.address, *signed)
    reason = scene.stage["thief"].attempt(call, gas=SIGNED_GAS - 100_000)
    return reason if account.state_of(agent).denials == before else ""


def _flooded_queue(scene: Scene) -> str:
    call = _proposing(scene, "thief")
    return next(filter(None, (scene.stage["brief"].attempt(call) for _ in range(8))), "")


def _changed_item(scene: Scene) -> str:
    """Have something approved, then run something else."""
    event = _proposed(scene, "provider")
    scene.stage["approver"].do(scene.contracts.queue.approve(event.id))
    other = replace(event.item, data=scene.usd.transfer(scene.stage["thief"].address, UNIT).data)
    return scene.stage["thief"].attempt(scene.contracts.queue.run(scene.address, other))


def _unapproved_item(scene: Scene) -> str:
    event, queue = _proposed(scene, "thief"), scene.contracts.queue
    approved = scene.stage["agent"].attempt(queue.approve(event.id))
    return approved and scene.stage["thief"].attempt(queue.run(scene.address, event.item))


def _guessing(scene: Scene) -> str:
    for _ in range(3):
        scene.pay("helper", "thief", UNIT)
    return scene.pay("helper", "provider", UNIT)


def _arbitrary_digest(scene: Scene) -> str:
    digest = keccak(b"an order on some exchange")
    signature = scene.stage["agent"].sign(digest)
    forms = (signature, *(signature.ljust(size, b"\0") for size in (96, 192, 288)))
    answers = [_asked(scene, digest, form) for form in forms]
    return "" if any(answers) else _NO


def _every_slot(scene: Scene) -> str:
    """Use all slots of a period, which is allowed, then one more, and one of the next period."""
    if (reason := _by_slot(scene, 0, SLOT_CAP)) or (reason := _by_slot(scene, 1, SLOT_CAP)):
        return f"too early: {reason}"
    return _by_slot(scene, SLOTS, SLOT_CAP)


def _over_slot_cap(scene: Scene) -> str:
    scene.stage.wait(HOUR_S)
    return _by_slot(scene, 0, SLOT_CAP + 1)


def _wrong_period(scene: Scene) -> str:
    return _by_slot(scene, 0, SLOT_CAP, periods_ahead=1)


def _expired(scene: Scene) -> str:
    return scene.pay("brief", "provider", UNIT)


def _after_freeze(scene: Scene) -> str:
    reasons = [scene.pay(who, "provider", UNIT) for who in ("agent", "helper")]
    by_slot = _by_slot(scene, 0, SLOT_CAP)
    return reasons[0] if all((*reasons, by_slot)) else ""


def _after_an_ended_freeze(scene: Scene) -> str:
    scene.stage.wait(scene.contracts.account.frozen_until() - scene.stage.now_s() + 1)
    reasons = [scene.pay(who, "provider", UNIT) for who in ("agent", "helper")]
    action, signature = scene.sign("agent", scene.usd.address, _to_provider(scene))
    reasons.append(scene.stage["thief"].attempt(scene.relay.execute_signed(scene.address, action, signature)))
    return reasons[0] if all(reasons) else ""


# --- parts


def _to_provider(scene: Scene) -> bytes:
    return scene.usd.transfer(scene.stage["provider"].address, UNIT).data


def _proposing(scene: Scene, payee: str) -> Call:
    data, usd = scene.usd.transfer(scene.stage[payee].address, UNIT).data, scene.usd.address
    return scene.contracts.queue.propose(scene.address, usd, 0, data, usd, UNIT, INTENT, DAY_S)


def _proposed(scene: Scene, payee: str) -> Proposed:
    receipt = scene.stage["agent"].do(_proposing(scene, payee))
    return next(Proposed.decode(log) for log in receipt.logs if log.topics[0] == Proposed.topic)


def _domain(scene: Scene) -> Domain:
    return Domain("Drill Dollar", "1", scene.stage.node.chain_id, scene.usd.address)


def _asked(scene: Scene, digest: bytes, signature: bytes) -> bool:
    call = encode_call("1626ba7e", ["bytes32", "bytes"], [digest, signature])
    try:
        return scene.stage.node.call(scene.address, call)[:4] == bytes.fromhex("1626ba7e")
    except Rejected:
        return False


def _by_slot(scene: Scene, slot: int, amount: int, *, periods_ahead: int = 0) -> str:
    """Bring an EIP-3009 authorization that the agent's key signed; return why the token refused it."""
    agent, provider = scene.stage["agent"], scene.stage["provider"].address
    period = slot_period(slot, HOUR_S, scene.stage.now_s()) + periods_ahead
    nonce = scene.relay.slot_nonce(agent.address, period, slot)
    paid = Authorization(scene.address, provider, amount, 0, scene.stage.now_s() + HOUR_S, nonce)
    r_s_v = agent.sign(paid.digest(_domain(scene)))
    words = [scene.usd.address, provider, amount, 0, paid.valid_before, nonce, r_s_v[:32], r_s_v[32:64], r_s_v[64]]
    kinds = ["address", "address", "uint256", "uint256", "uint256", "bytes32", "bytes32", "bytes32", "uint256"]
    call = scene.usd.transfer_with_authorization_bytes(
        scene.address, provider, amount, 0, paid.valid_before, nonce, encode_call("", kinds, words)
    )
    return scene.stage["thief"].attempt(call)


THEFTS: Final = (
    Theft("over budget", "pay an allowed payee until the session's bucket is empty, and once more", _over_budget),
    Theft("all sessions together", "go on with another session's own bucket", _all_sessions_together),
    Theft("over the cap", "pay more in one call than a call may", _over_the_cap),
    Theft("unlisted payee", "pay the thief", _unlisted_payee),
    Theft("approve", "give the thief an allowance", _approve),
    Theft("permit", "sign the thief an allowance with a session's key", _permit),
    Theft("transferFrom", "pull the wallet's own tokens", _transfer_from),
    Theft("multicall", "hide a transfer in another call", _multicall),
    Theft("padded transfer", "append bytes to a transfer, so that others read it differently", _padded_transfer),
    Theft("self call", "let the wallet call its own setter", _own_contracts),
    Theft("EntryPoint call", "deposit the wallet's coins for the thief", _entry_point),
    Theft("raised level", "make the session autonomous, at once or by schedule", _raised_level),
    Theft("re-entrancy", "buy from a shop that brings another signed payment meanwhile", _reentrancy),
    Theft("fee on transfer", "pay in a token that takes a tenth more than it is told", _greedy_token),
    Theft("replay", "bring a signed payment a second time", _replay),
    Theft("changed signed action", "bring a signed payment with another payee", _other_calldata_signed),
    Theft("starved gas", "bring a signed payment with too little gas, to have it counted as a denial", _starved_gas),
    Theft("queue flooding", "propose until approvers drown", _flooded_queue),
    Theft("changed item", "run other calldata than was approved", _changed_item),
    Theft("unapproved item", "approve and run an own proposal", _unapproved_item),
    Theft("guessing", "try until something passes", _guessing),
    Theft("arbitrary digest", "have ERC-1271 accept what a session signed, in every length", _arbitrary_digest),
    Theft("every slot and one more", "use up the signed authorizations, then one that is not there", _every_slot, True),
    Theft("over the slot cap", "sign an authorization of more than a slot moves", _over_slot_cap),
    Theft("wrong period", "use a slot of the next period now", _wrong_period),
    Theft("burst at a period's edge", "empty the bucket just before a day begins, and again just after", _edge_burst),
    Theft("after expiry", "act with a session whose time is over", _expired),
)
AFTER_FREEZE: Final = (
    Theft("after the freeze", "act with every session, and by an authorization", _after_freeze),
    Theft("after the freeze ended", "wait until the freeze is over, and act again", _after_an_ended_freeze),
)
