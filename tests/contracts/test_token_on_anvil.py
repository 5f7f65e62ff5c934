"""The token in another implementation of the machine, over a fork, and for an account that delegates to code."""

from __future__ import annotations

from dataclasses import replace

import pytest
from anvil_node import KEYS, running_anvil

from tallystick.chain.accounts import Account
from tallystick.chain.bindings.token import Token
from tallystick.chain.connect import connect
from tallystick.chain.deploy import deploy
from tallystick.chain.outbox import Outbox
from tallystick.core.authorization import Authorization, Bringer, Permit, split_signature
from tallystick.core.eip712 import Domain
from tallystick.core.errors import Rejected
from tests.contracts.constructors import NAME, SUPPLY, arguments_of

ALICE, BOB = (Account(bytes.fromhex(key[2:])) for key in KEYS[:2])
SECRET = bytes.fromhex(KEYS[0][2:])
ENDLESS = 2**256 - 1


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A fresh anvil, an outbox of Bob's and a token that is all Alice's."""
    folder = tmp_path_factory.mktemp("anvil")
    with (
        running_anvil() as anvil,
        connect(anvil.url) as node,
        Outbox(folder / "outbox.db", node, BOB) as outbox,
    ):
        token = Token(node, deploy(outbox, "Token", arguments=arguments_of("Token", ALICE.address)).address)
        yield anvil, outbox, token, Domain(NAME, "1", node.chain_id, token.address)


def authorization(number):
    return Authorization(ALICE.address, BOB.address, 10, 0, ENDLESS, bytes([number]) * 32)


def form(token, made, signature):
    given = (made.payer, made.payee, made.amount, made.valid_after, made.valid_before, made.nonce)
    return token.transfer_with_authorization_bytes(*given, signature)


@pytest.mark.anvil
def test_both_forms_and_a_permit_work_there_too(world):
    _, outbox, token, domain = world
    one, two = authorization(1), authorization(2)
    outbox.send_and_wait(form(token, one, one.signature(SECRET, domain)), key="one")
    given = (two.payer, two.payee, two.amount, two.valid_after, two.valid_before, two.nonce)
    signature = split_signature(two.signature(SECRET, domain, Bringer.PAYEE))
    outbox.send_and_wait(token.receive_with_authorization(*given, *signature), key="two")
    permit = Permit(ALICE.address, BOB.address, 5, 0, ENDLESS)
    call = token.permit(permit.owner, permit.spender, 5, ENDLESS, *split_signature(permit.signature(SECRET, domain)))
    outbox.send_and_wait(call, key="permit")
    outbox.send_and_wait(token.transfer_from(ALICE.address, BOB.address, 5), key="take")
    assert (token.balance_of(BOB.address), token.balance_of(ALICE.address)) == (25, SUPPLY - 25)
    assert token.nonces(ALICE.address) == 1
    with pytest.raises(Rejected, match="eip3009: nonce is spent"):
        outbox.node.call(token.address, form(token, one, one.signature(SECRET, domain)).data)


@pytest.mark.anvil
def test_an_account_that_delegates_to_code_still_signs_with_its_key(world):
    anvil, outbox, token, domain = world
    anvil.rpc("anvil_setCode", ALICE.address, "0xef0100" + token.address[2:].lower())  # EIP-7702
    made = authorization(3)
    before = token.balance_of(BOB.address)
    outbox.send_and_wait(form(token, made, made.signature(SECRET, domain)), key="delegated")
    assert token.balance_of(BOB.address) == before + 10


@pytest.mark.anvil
def test_after_a_fork_nothing_that_was_signed_before_counts(world):
    anvil, outbox, token, domain = world
    made = authorization(4)
    old = form(token, made, made.signature(SECRET, domain))
    assert outbox.node.call(token.address, old.data) == b""
    try:
        anvil.rpc("anvil_setChainId", 99)
        forked = replace(domain, chain_id=99)
        assert token.domain_separator() == forked.separator()
        assert token.eip712_domain()[3] == 99
        with pytest.raises(Rejected, match="eip3009: not signed by the payer"):
            outbox.node.call(token.address, old.data)
        new = form(token, made, made.signature(SECRET, forked))
        assert outbox.node.call(token.address, new.data) == b""
    finally:
        anvil.rpc("anvil_setChainId", domain.chain_id)
