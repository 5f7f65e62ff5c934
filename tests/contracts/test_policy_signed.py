"""What sessions sign counts once and within the policy: actions, delegations, EIP-3009 slots, vouchers; nothing else.

The token is ours, with EIP-3009 as Circle's has it: it asks an account with code for its word.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_abi.abi import encode

from tallystick.agents.policy.slots import slot_period
from tallystick.chain.bindings.policy_account import ActionLogged, Denied
from tallystick.chain.bindings.policy_relay import Redeemed
from tallystick.chain.bindings.token import Token
from tallystick.contracts import artifact
from tallystick.core.digest import keccak
from tallystick.core.eip712 import SECP256K1_ORDER
from tests.contracts.policy_kit import (
    FOREVER,
    HOUR,
    INTENT,
    Wallet,
    World,
    transfer_data,
)
from tests.contracts.token_kit import TestToken

YES, NO = bytes.fromhex("1626ba7e"), b"\xff" * 4
MEMBERS = b"(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
TRANSFER_TYPE = keccak(b"TransferWithAuthorization" + MEMBERS)
RECEIVE_TYPE = keccak(b"ReceiveWithAuthorization" + MEMBERS)


@pytest.fixture(scope="module")
def world(ledger):
    return World(ledger)


@pytest.fixture
def wallet(world):
    return Wallet(world)


class Coin(TestToken):
    """Our token, for whom tests give to."""

    def __init__(self, ledger):
        kinds = ["string", "string", "uint8", "uint256", "address"]
        given = encode(kinds, ["Dollar", "USD", 6, 10**12, ledger.accounts[0]])
        super().__init__(ledger, ledger.deploy(artifact("Token").bytecode + given))
        self.token = Token(ledger, self.address)

    def give(self, account, amount):
        self.ledger.send(self.transfer(account, amount), self.ledger.accounts[0])


def authorization(wallet, amount=100, payee=None, slot=0, *, period=None, before=None, kind=TRANSFER_TYPE, who=None):
    """Return (the token's call, the digest, the signature) of an EIP-3009 authorization."""
    session = who or wallet.session
    period = slot_period(slot, HOUR, wallet.now()) if period is None else period
    before = wallet.now() + 600 if before is None else before
    nonce = wallet.world.relay.slot_nonce(wallet.session, period, slot)
    values = (wallet.address, payee or wallet.payee, amount, 0, before, nonce)
    message = keccak(
        encode(["bytes32", "address", "address", "uint256", "uint256", "uint256", "bytes32"], [kind, *values])
    )
    digest = keccak(b"\x19\x01" + wallet.token.token.domain_separator() + message)
    signed = wallet.sign(digest, session)
    form = [wallet.token.address, *values[1:5], nonce, signed[:32], signed[32:64], signed[64]]
    types = ["address", "address", "uint256", "uint256", "uint256", "bytes32", "bytes32", "bytes32", "uint8"]
    signature = encode(types, form)
    return wallet.token.token.transfer_with_authorization_bytes(*values, signature), digest, signature


def asked(wallet, digest, signature):
    return wallet.account.is_valid_signature(digest, signature)


# --- actions


def test_anybody_brings_what_a_session_signed(wallet):
    action = wallet.action(wallet.token.address, transfer_data(wallet.payee, 100))
    (link,) = wallet.events(wallet.send(wallet.signed(action), wallet.stranger))
    assert isinstance(link, ActionLogged)
    assert (link.kind, link.session, link.result) == (2, wallet.session, True)
    assert wallet.token.balance_of(wallet.payee) == 100
    assert wallet.world.relay.seq_of(wallet.address, wallet.session) == 1


def test_a_signed_action_counts_once_here_now_and_as_it_stands(wallet, refused):
    other = Wallet(wallet.world, token=wallet.token)
    action = wallet.action(wallet.token.address, transfer_data(wallet.payee, 100))
    good = wallet.signed(action)
    with refused("relay: wrong signature"):
        wallet.send(wallet.signed(action, wallet.stranger), wallet.stranger)
    signature = wallet.sign(wallet.world.relay.action_digest(wallet.address, action))
    for changed in (
        {"target": wallet.payee}, {"data": transfer_data(wallet.payee, 101)}, {"amount": 1}, {"gas_limit": 1},
        {"deadline": FOREVER - 1}, {"intent_hash": bytes(32)},
    ):  # fmt: skip
        with refused("relay: wrong signature"):
            wallet.send(
                wallet.world.relay.execute_signed(wallet.address, replace(action, **changed), signature),
                wallet.stranger,
            )
    with refused("relay: wrong signature"):
        wallet.send(wallet.world.relay.execute_signed(other.address, action, signature), wallet.stranger)
    twin = signature[:32] + (SECP256K1_ORDER - int.from_bytes(signature[32:64], "big")).to_bytes(32, "big")
    with refused("relay: wrong signature"):
        mirrored = twin + bytes([55 - signature[64]])
        wallet.send(wallet.world.relay.execute_signed(wallet.address, action, mirrored), wallet.stranger)
    wallet.send(good, wallet.stranger)
    with refused("relay: wrong sequence number"):
        wallet.send(good, wallet.stranger)
    with refused("relay: expired"):
        wallet.send(wallet.signed(replace(action, deadline=wallet.now() - 1)), wallet.stranger)
    with refused("relay: another epoch"):
        wallet.send(wallet.signed(replace(action, epoch=1)), wallet.stranger)


def test_sequence_numbers_never_come_again(wallet, refused):
    action = wallet.action(wallet.token.address, transfer_data(wallet.payee, 100))
    first = wallet.signed(action)
    wallet.send(first, wallet.stranger)
    wallet.send(wallet.account.revoke_session(wallet.session), wallet.owner)
    wallet.change(wallet.account.grant_session(wallet.session, wallet.terms()))
    with refused("relay: wrong sequence number"):
        wallet.send(first, wallet.stranger)


def test_what_a_signed_action_may_not_is_denied_and_its_number_used(wallet):
    action = wallet.action(wallet.token.address, transfer_data(wallet.stranger, 100))
    denied, link = wallet.events(wallet.send(wallet.signed(action), wallet.stranger))
    assert denied == Denied(wallet.session, "payees: not allowed", 1)
    assert not link.result
    assert wallet.world.relay.seq_of(wallet.address, wallet.session) == 1


def test_who_brings_too_little_gas_gets_nowhere_and_counts_no_denial(wallet, refused):
    action = wallet.action(wallet.token.address, transfer_data(wallet.payee, 100), gas_limit=2**40)
    with refused("calls: too little gas"):
        wallet.send(wallet.signed(action), wallet.stranger)
    short = wallet.action(wallet.token.address, transfer_data(wallet.payee, 100), gas_limit=30_000)
    denied, _ = wallet.events(wallet.send(wallet.signed(short), wallet.stranger))
    assert denied == Denied(wallet.session, "", 0)  # it signed too little itself
    assert wallet.level() == 2


def test_only_the_relay_brings_signed_acts(wallet, refused):
    act = wallet.account.act(wallet.session, 2, wallet.token.address, 0, transfer_data(wallet.payee, 1), INTENT, 10**6)
    for who in (wallet.owner, wallet.session, wallet.stranger):
        with refused("calls: not the relay"):
            wallet.send(act, who)


# --- delegations


def delegation(
    wallet, permitted=100, amount=100, payee=None, to=None, nonce=1, deadline=FOREVER, mode=bytes(32), who=None
):
    payee = payee or wallet.payee
    token = wallet.token.address
    digest = wallet.world.relay.delegation_digest(
        wallet.address, wallet.session, token, payee, permitted, deadline, nonce, wallet.account.epoch()
    )
    context = encode(
        ["address", "address", "uint256", "uint64", "uint256", "address", "bytes"],
        [wallet.address, wallet.session, permitted, deadline, nonce, payee, wallet.sign(digest, who)],
    )
    execution = bytes.fromhex(token[2:]) + bytes(32) + transfer_data(to or payee, amount)
    return wallet.world.relay.redeem_delegations([context], [mode], [execution]), digest


def test_a_delegation_is_redeemed_once_by_anybody_and_metered(wallet, refused):
    call, digest = delegation(wallet, 100, 90)
    redeemed, link = wallet.events(wallet.send(call, wallet.stranger))
    assert redeemed == Redeemed(digest, wallet.address, wallet.session)
    assert (link.kind, link.amount, link.intent_hash) == (4, 90, digest)
    assert wallet.available() == 910
    assert wallet.world.relay.is_redeemed(digest)
    with refused("relay: already redeemed"):
        wallet.send(call, wallet.stranger)
    with refused("relay: already redeemed"):
        wallet.send(delegation(wallet, 100, 5)[0], wallet.stranger)
    wallet.send(delegation(wallet, 100, 5, nonce=2)[0], wallet.stranger)


def test_a_delegation_permits_its_transfer_and_nothing_else(wallet, refused):
    for given in ({"amount": 101}, {"to": wallet.stranger}):
        with refused("relay: not what was permitted"):
            wallet.send(delegation(wallet, **given)[0], wallet.stranger)
    with refused("relay: not one single call"):
        wallet.send(delegation(wallet, mode=b"\x01" + bytes(31))[0], wallet.stranger)
    with refused("relay: not one single call"):
        wallet.send(wallet.world.relay.redeem_delegations([], [], []), wallet.stranger)
    with refused("relay: expired"):
        wallet.send(delegation(wallet, deadline=wallet.now() - 1)[0], wallet.stranger)
    with refused("relay: wrong signature"):
        wallet.send(delegation(wallet, who=wallet.stranger)[0], wallet.stranger)
    with refused("relay: refused"):  # beyond the cap of a call
        wallet.send(delegation(wallet, 501, 501)[0], wallet.stranger)
    with refused("relay: refused"):
        wallet.send(delegation(wallet, payee=wallet.stranger)[0], wallet.stranger)
    assert wallet.held() == 1_000_000


# --- the domain


def test_the_domain_of_an_account_is_told(wallet):
    fields, name, version, chain_id, contract, salt, extensions = wallet.world.relay.eip712_domain(wallet.address)
    assert (fields, name, version) == (b"\x0f", "Tallystick PolicyAccount", "1")
    assert (chain_id, contract, salt, extensions) == (wallet.ledger.chain_id, wallet.address, bytes(32), ())
