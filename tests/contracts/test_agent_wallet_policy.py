"""An agent whose wallet is a PolicyAccount: its owner proves it, a session key cannot, and the agent can live in it."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode

from tallystick.chain.bindings.agent_identity import AgentIdentity
from tests.contracts.agent_kit import NOBODY, wallet_digest
from tests.contracts.constructors import initcode_of
from tests.contracts.policy_kit import FOREVER, INTENT, Wallet, World

FORMS = [b"", b"\x01", bytes(192), bytes(288)]  # none of 65 bytes, whatever the account decodes


@pytest.fixture(scope="module")
def wallet(ledger):
    return Wallet(World(ledger))


@pytest.fixture
def identity(ledger):
    made = AgentIdentity(ledger, ledger.deploy(initcode_of("AgentIdentity")))
    ledger.send(made.register(""), ledger.accounts[6])
    return made


def test_an_account_proves_itself_by_a_digest_that_its_owner_approved(ledger, identity, wallet, refused):
    stranger, deadline = wallet.stranger, ledger.time + 200
    digest = wallet_digest(ledger, identity, 0, wallet.address, stranger, deadline)
    call = identity.set_agent_wallet(0, wallet.address, deadline, b"\x01")
    with refused("wallets: wallet has not signed"):
        ledger.send(call, stranger)
    wallet.send(wallet.account.approve_digest(digest, FOREVER), wallet.owner)
    ledger.send(call, stranger)
    assert identity.get_agent_wallet(0) == wallet.address
    ledger.send(identity.transfer_from(stranger, wallet.owner, 0), stranger)
    with refused("wallets: wallet has not signed"):  # approved for the agent under another owner
        ledger.send(call, wallet.owner)


@pytest.mark.parametrize("form", ["key", *range(len(FORMS))])
def test_a_session_key_cannot_make_its_account_anybodys_wallet(ledger, identity, wallet, refused, form):
    deadline = ledger.time + 200
    digest = wallet_digest(ledger, identity, 0, wallet.address, wallet.stranger, deadline)
    signature = wallet.sign(digest) if form == "key" else FORMS[form]
    with refused("wallets: wallet has not signed"):
        ledger.send(identity.set_agent_wallet(0, wallet.address, deadline, signature), wallet.stranger)


def test_the_slot_form_around_another_digest_proves_nothing(ledger, identity, wallet, refused):
    """288 bytes that decode to an EIP-3009 transfer recompute to that transfer's digest, never to a wallet's claim."""
    deadline = ledger.time + 200
    digest = wallet_digest(ledger, identity, 0, wallet.address, wallet.stranger, deadline)
    key = wallet.sign(digest)
    nonce = bytes.fromhex(wallet.session[2:]) + bytes(12)
    kinds = ["address", "address", "uint256", "uint256", "uint256", "bytes32", "bytes32", "bytes32", "uint256"]
    decoded = [wallet.token.address, wallet.payee, 1, 0, FOREVER, nonce, key[:32], key[32:64], key[64]]
    signature = encode(kinds, decoded)
    assert len(signature) == 288
    with refused("wallets: wallet has not signed"):
        ledger.send(identity.set_agent_wallet(0, wallet.address, deadline, signature), wallet.stranger)


def test_an_agent_may_live_in_an_account_and_its_wallet_ends_with_the_move(ledger, identity, wallet):
    stranger = wallet.stranger
    ledger.send(identity.safe_transfer_from(stranger, wallet.address, 0), stranger)
    assert (identity.owner_of(0), identity.get_agent_wallet(0)) == (wallet.address, NOBODY)
    call = identity.set_agent_uri(0, "ipfs://moved")
    wallet.send(wallet.account.owner_execute(call.to, 0, call.data, INTENT, value=0), wallet.owner)
    assert identity.token_uri(0) == "ipfs://moved"
