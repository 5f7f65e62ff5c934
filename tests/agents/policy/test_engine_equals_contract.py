"""The engine and the contract say the same: random policies, acts, items and times; verdict, reason, buckets, counters.

What a session tries is chosen near the edges: amounts at caps and balances, calldata cut or dirty, targets that are the
account's own, payees allowed, denied, over, new or nobody. Long runs behind TALLYSTICK_LONG.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tallystick.agents.policy.document import Newcomers, Payee, Policy, Queue, Rates, Session
from tallystick.agents.policy.engine.decide import Action
from tallystick.agents.policy.nouns import NATIVE, NEVER, UNLIMITED, Level
from tallystick.core.digest import keccak
from tests.agents.policy import policies
from tests.agents.policy.account_kit import DAY_S, HOUR_S, Owner, World
from tests.agents.policy.engine_world import Twins, make_registry, make_vault

IS_LONG = bool(os.environ.get("TALLYSTICK_LONG"))
TRANSFER, DEPOSIT = (keccak(text)[:4] for text in (b"transfer(address,uint256)", b"deposit(uint256,address)"))
amounts = st.sampled_from([0, 1, 2, 6, 13, 49, 50, 51, 99, 100, 101, 10**6, 2**128, 2**256 - 1]) | st.integers(0, 120)
rates = st.builds(
    Rates,
    st.sampled_from([0, 50, 100, 100, 1_000, 1_000, 2**128 - 1]) | st.integers(50, 300),
    st.sampled_from([0, 1, 7, 100, 2**128 - 1]) | st.integers(0, 200),
    st.sampled_from([1, 7, 3_600, 86_400, 86_399]),
    st.sampled_from([UNLIMITED, UNLIMITED, 150, 400]),
)
levels = st.sampled_from([Level.BOUNDED, Level.BOUNDED, Level.SUPERVISED, Level.SUPERVISED, Level.AUTONOMOUS])
deeds = st.sampled_from(
    ["act"] * 12 + ["propose"] * 3 + ["approve"] * 2 + ["run"] * 4 + ["lower", "raise", "raise", "speak", "new"]
)
pauses = st.sampled_from([1, 59, HOUR_S - 1, HOUR_S, HOUR_S + 1, 2 * HOUR_S, DAY_S])


@st.composite
def policies_for(draw: st.DrawFn, owner: Owner, vault: str, registry: str) -> Policy:
    """A policy of every part, its numbers drawn."""
    base = owner.policy((policies.VAULT, vault), (policies.REGISTRY, registry))
    usd, now = owner.world.token.address, owner.ledger.time

    def session(one: Session) -> Session:
        budgets = {token: draw(rates) for token in (usd, NATIVE) if draw(st.integers(0, 9))}
        denials = draw(st.sampled_from([0, 0, 0, 4, 9]))
        return replace(
            one, level=draw(levels),
            valid_after=draw(st.sampled_from([1] * 9 + [now + DAY_S])),
            valid_until=now + draw(st.integers(5, 60)) * DAY_S,
            operations=draw(st.sampled_from([3, 50, 50, 50])), operations_s=draw(st.sampled_from([1, HOUR_S])),
            denials=denials, denials_s=draw(st.sampled_from([60, HOUR_S] if denials else [0, 60, HOUR_S])),
            heartbeat_s=draw(st.sampled_from([0] * 5 + [2 * DAY_S])), budgets=budgets,
        )  # fmt: skip

    def payee(one: Payee) -> Payee:
        expires = draw(st.sampled_from([NEVER, now + 3 * DAY_S, now + 5 * HOUR_S]))
        budgets = {usd: draw(rates)} if draw(st.booleans()) and one.budgets else {}
        return replace(one, expires=expires, budgets=budgets) if one.name != "crook" else one

    caps = st.sampled_from([100, 2**128 - 1, 2**128 - 1])
    least = st.sampled_from([Level.BOUNDED] * 5 + [Level.SUPERVISED])
    pay, deposit, tip = base.rules
    return replace(
        base,
        tokens=tuple(replace(one, budget=draw(rates)) for one in base.tokens),
        sessions=tuple(session(one) for one in base.sessions),
        payees=tuple(payee(one) for one in base.payees),
        rules=(
            replace(pay, call_cap=draw(caps), min_level=draw(least)),
            replace(deposit, call_cap=draw(caps), min_level=Level.BOUNDED),
            replace(tip, value_cap=draw(caps)),
        ),
        newcomers=Newcomers(registry, DAY_S, {usd: draw(rates)} if draw(st.booleans()) else {}),
        queue=Queue(draw(st.integers(0, 1)), 3, HOUR_S, draw(st.sampled_from([0, 2 * HOUR_S]))),
    )


def _call(draw: st.DrawFn, twins: Twins, vault: str) -> tuple[str, int, bytes]:
    """Draw a target, native coin and calldata."""
    owner, usd = twins.owner, twins.world.token.address
    who = [
        *[owner.shop] * 6,
        policies.PROVIDER,
        policies.STRANGER,
        owner.stranger,
        owner.agent,
        NATIVE,
        owner.guardian,
    ]
    payee, amount = draw(st.sampled_from(who)), draw(amounts)
    word, much = bytes(12) + bytes.fromhex(payee[2:]), amount.to_bytes(32, "big")
    kind = draw(st.sampled_from(["pay"] * 16 + ["deposit"] * 6 + ["tip"] * 4 + ["own", "bad", "bad", "none"]))
    if kind == "pay":
        return usd, draw(st.sampled_from([0] * 9 + [1])), TRANSFER + word + much
    if kind == "deposit":
        served = draw(st.sampled_from([owner.address, owner.address, owner.agent]))
        return vault, 0, DEPOSIT + much + bytes(12) + bytes.fromhex(served[2:])
    if kind == "tip":
        return policies.PROVIDER, amount % 2**100, b""
    if kind == "own":
        own = [owner.address, twins.world.queue, twins.world.rules, twins.world.changes, twins.world.relay]
        return draw(st.sampled_from(own)), 0, TRANSFER + word + much
    data = TRANSFER + word + much
    bad = [data[:67], data + b"\0", data[:4], data[:3], bytes(4), TRANSFER + b"\1" + word[1:] + much, DEPOSIT + much]
    return draw(st.sampled_from([usd, vault])), 0, draw(st.sampled_from(bad)) if kind == "bad" else b"\1\2\3\4" + much


@pytest.fixture(scope="module")
def places(world: World) -> tuple[str, str]:
    """A target that pulls, and a registry of newcomers."""
    return make_vault(world), make_registry(world)


def test_both_say_the_same_to_random_acts_at_random_times(world: World, places: tuple[str, str]) -> None:
    seen: set[str] = set()

    @settings(
        max_examples=30 if IS_LONG else 5, deadline=None, phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(data=st.data())
    def live(data: Any) -> None:
        vault, registry = places
        twins = Twins(world, lambda owner: data.draw(policies_for(owner, vault, registry)))
        for _ in range(40 if IS_LONG else 25):
            seen.add(_step(data.draw, twins, vault))

    live()
    assert len(seen) > 6, f"hardly anything was tried: {seen}"


def _step(draw: st.DrawFn, twins: Twins, vault: str) -> str:
    """Let something happen, to both; return what the account said to it."""
    twins.pass_time(draw(pauses) if draw(st.integers(0, 2)) == 0 else 0)
    deed = draw(deeds)
    key = draw(st.sampled_from([twins.owner.agent, twins.owner.agent, twins.owner.helper]))
    action = Action(key, *_call(draw, twins, vault))
    amount = int.from_bytes(action.data[4:36], "big") if action.target == vault else 0
    action = replace(action, succeeds=_succeeds(twins, action, vault), spent=amount - amount % 3)
    if deed == "act":
        return twins.act(action)[0]
    if deed == "propose":
        twins.propose(action, draw(st.sampled_from([twins.world.token.address, NATIVE])), draw(amounts))
    elif deed == "approve" and twins.items:
        twins.approve(draw(st.integers(0, len(twins.items) - 1)))
    elif deed == "run" and twins.items:
        return twins.run(draw(st.integers(0, len(twins.items) - 1)))
    elif deed == "lower":
        twins.lower(key, draw(st.sampled_from([Level.BOUNDED, Level.SUPERVISED, Level.PROPOSE])))
    elif deed == "raise":
        twins.raise_level(key, draw(levels))
    elif deed == "speak":
        twins.speak()
    elif deed == "new":
        twins.introduce(draw(st.integers(1, 3)), twins.owner.stranger, DAY_S)
    return ""


def _succeeds(twins: Twins, action: Action, vault: str) -> bool:
    """Whether the target lets the call pass; a call that is refused before it never asks."""
    word = int.from_bytes(action.data[4:36], "big") if len(action.data) >= 36 else 0
    if action.target == vault:
        return len(action.data) >= 68 and word % 7 != 6 and word <= 10**11
    if action.target == twins.world.token.address and action.data[:4] == TRANSFER and len(action.data) == 68:
        return int.from_bytes(action.data[36:], "big") <= 10**11
    return action.amount <= 10**16
