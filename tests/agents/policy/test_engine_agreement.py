"""Where no act is made the engine and the contract agree too: denied functions, authorizations by signature, gas."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode

import tallystick
from tallystick.agents.policy.denied import DENIED_CALLS, denied_selectors
from tallystick.agents.policy.engine.items import Slot, pay_gas, refusal_of
from tallystick.agents.policy.nouns import NATIVE, NOBODY, Scope
from tallystick.chain.bindings.policy_account import PackedUserOperation
from tallystick.chain.bindings.policy_rules import PolicyRules
from tallystick.chain.bindings.token import Token
from tallystick.chain.calls import Call
from tallystick.contracts import artifact
from tallystick.core import eip712
from tallystick.core.authorization import Authorization, Bringer
from tallystick.core.digest import keccak
from tallystick.core.errors import Rejected
from tests.agents.policy import policies
from tests.agents.policy.account_kit import DAY_S, Owner, World

YES = bytes.fromhex("1626ba7e")
SELECTORS = Path(tallystick.__file__).parent / "contracts/src/agents/policy/selectors.vy"


def test_the_denied_functions_are_the_contracts(world: World) -> None:
    rules = PolicyRules(world.ledger, world.rules)
    written = re.search(r'x"([0-9a-f]+)"', SELECTORS.read_text("utf-8"))
    assert written
    assert set(denied_selectors()) == {bytes.fromhex(written[1][at : at + 8]) for at in range(0, len(written[1]), 8)}
    assert all(rules.is_denied(keccak(text.encode())[:4]) for text in DENIED_CALLS)
    assert not rules.is_denied(keccak(b"transfer(address,uint256)")[:4])


@pytest.fixture(scope="module")
def signing(world: World) -> tuple[Owner, Token, eip712.Domain]:
    """A sealed account whose dollars are our own token, and that token's domain."""
    ledger, owner = world.ledger, Owner(world)
    values = ["Example dollar", "USD", 6, 10**12, owner.address]
    code = artifact("Token").bytecode + encode(["string", "string", "uint8", "uint256", "address"], values)
    token = Token(ledger, ledger.deploy(code))
    owner.begin(owner.policy((world.token.address, token.address)))
    _, name, version, chain_id, contract, _, _ = token.eip712_domain()
    return owner, token, eip712.Domain(name, version, chain_id, contract)


class TestAuthorizations:
    """ERC-1271 says yes exactly where the engine has no reason to refuse."""

    @pytest.mark.parametrize(
        ("slot", "edit"),
        [
            ({}, {}),
            ({"index": 9}, {"amount": 0}),
            ({"index": 10}, {}),
            ({"period": -1}, {}),
            ({"period": 1}, {}),
            ({"session": "helper"}, {}),
            ({"session": "stranger"}, {}),
            ({}, {"amount": 500_001}),
            ({}, {"valid_before": 2 * DAY_S}),
            ({}, {"payee": "shop"}),
            ({}, {"payee": "stranger"}),
        ],
    )  # fmt: skip
    def test_yes_and_no_are_the_same(
        self, signing: tuple[Owner, Token, eip712.Domain], slot: dict[str, Any], edit: dict[str, Any]
    ) -> None:
        owner, token, domain = signing
        live = owner.live()
        session = getattr(owner, slot.get("session", "agent"))
        nonce = Slot(session, live.at // DAY_S + slot.get("period", 0), slot.get("index", 0)).nonce()
        payee = getattr(owner, edit["payee"]) if "payee" in edit else policies.PROVIDER
        before = live.at + edit.get("valid_before", 60)
        paid = Authorization(owner.address, payee, edit.get("amount", 500_000), 0, before, nonce)
        for bringer in Bringer:
            digest = paid.digest(domain, bringer)
            signature = eip712.sign_digest(owner.ledger.secrets[session], digest)
            parts = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:64], signature[64:]))
            words = (paid.amount, paid.valid_after, paid.valid_before, int.from_bytes(nonce, "big"), *parts)
            form = encode(["address", "address", *["uint256"] * 7], [token.address, paid.payee, *words])
            is_yes = owner.account.is_valid_signature(digest, form) == YES
            assert is_yes == (refusal_of(live.state, token.address, paid, live.at) == "")


def user_operation(owner: Owner, session: str, cost: int) -> tuple[PackedUserOperation, bytes]:
    """Return a session's operation whose gas costs at most so much, and the digest that it signed."""
    digest = keccak(b"an operation")
    signature = eip712.sign_digest(owner.ledger.secrets[session], digest)
    nonce, execute = int(session, 16) << 96, bytes.fromhex("8dd7712f")
    fees = (10).to_bytes(32, "big")
    return PackedUserOperation(
        owner.address, nonce, b"", execute, bytes(32), cost // 10, fees, b"", signature
    ), digest  # fmt: skip


@pytest.mark.parametrize(
    ("key", "cost"), [("agent", 10**15), ("agent", 2 * 10**16), ("agent", 2 * 10**16 + 10), ("helper", 10)]
)
def test_gas_is_let_and_refused_for_the_same_reason(world: World, key: str, cost: int) -> None:
    owner = Owner(world)
    owner.begin(owner.policy())
    owner.send(Call(owner.address, b"", 10**17), owner.stranger)
    session = getattr(owner, key)
    operation, digest = user_operation(owner, session, cost)
    verdict = pay_gas(owner.live().state, session, cost)
    call = owner.account.validate_user_op(operation, digest, 0)
    if not verdict.is_allowed:
        with pytest.raises(Rejected) as caught:
            owner.ledger.call(owner.address, call.data, sender=world.entry_point)
        assert caught.value.code == verdict.reason
        return
    owner.send(call, world.entry_point)
    for scope, holder in ((Scope.SESSION, session), (Scope.ACCOUNT, NOBODY)):
        kept = verdict.state.buckets[scope, holder, NATIVE]
        at = owner.ledger.node.block().timestamp
        assert owner.account.bucket_of(scope, holder, NATIVE).balance == kept.counted(at).balance


def test_a_bucket_that_was_full_for_days_is_not_spent_twice_through_gas(world: World) -> None:
    owner = Owner(world)
    owner.begin(owner.policy())
    owner.send(Call(owner.address, b"", 10**17), owner.stranger)
    owner.wait(5 * DAY_S)
    held, cap = owner.ledger.node.balance(owner.address), 2 * 10**16
    operation, digest = user_operation(owner, owner.agent, cap)
    owner.send(owner.account.validate_user_op(operation, digest, cap), world.entry_point)
    for _ in range(2):
        owner.send(owner.account.execute(policies.PROVIDER, 10**16, b"", bytes(32)), owner.agent)
    assert held - owner.ledger.node.balance(owner.address) == cap
