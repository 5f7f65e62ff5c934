"""What a verifier needs stands in the state where docs/spec says, so that eth_getProof can prove it.

Each word is found by its documented slot and unpacked by its documented bits, then compared with the view.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick.chain.bindings.model_registry import Roots
from tallystick.chain.evidence import verify_account_proof
from tallystick.contracts import artifact
from tallystick.core.digest import keccak
from tallystick.core.errors import VerificationFailed
from tests.contracts.coin_kit import Coin
from tests.contracts.constructors import SUPPLY

ROOTS = Roots(b"m" * 32, b"a" * 32, b"p" * 32, b"d" * 32, 400, b"c" * 32)
FIRST, SECOND, THIRD = b"1" * 32, b"2" * 32, b"3" * 32


def word(value):
    return value.to_bytes(32, "big") if isinstance(value, int) else value.rjust(32, b"\0")


def slot_of(contract, module, variable, *keys, member=0):
    """Return the slot of a mapping's value: Vyper hashes slot ‖ key, the other way round than Solidity."""
    slot = artifact(contract).storage_layout
    slot = (slot[module] if module else slot)[variable]["slot"]
    for key in keys:
        slot = int.from_bytes(keccak(word(slot) + word(key)), "big")
    return slot + member


def bits(value, low, high):
    return (int.from_bytes(value, "big") >> low) & ((1 << (high - low + 1)) - 1)


@pytest.fixture
def registry_word(ledger, registry):
    def read(module, variable, *keys, member=0):
        return ledger.node.storage(registry.address, slot_of("ModelRegistry", module, variable, *keys, member=member))

    return read


@pytest.fixture
def grown(ledger, registry):
    """Model 1 with three versions, the last a merge of the two before; version 1 released."""
    alice = ledger.accounts[0]
    ledger.send(registry.register("one", ""), alice)
    ledger.send(registry.rotate_key(b"k" * 32), alice)
    ledger.send(registry.rotate_key(b"l" * 32), alice)
    ledger.send(registry.add_version(1, 1, [], FIRST, ROOTS, 0), alice)
    ledger.send(registry.add_version(1, 2, [FIRST], SECOND, ROOTS, 16), alice)
    ledger.send(registry.add_version(1, 3, [SECOND, FIRST], THIRD, ROOTS, 0), alice)
    ledger.send(registry.release(1, "production", 1), alice)
    return registry


def test_a_record_lies_where_the_spec_says(ledger, grown, registry_word):
    version = grown.version(1, 2)
    assert registry_word("versions", "_statements", 1, 2) == SECOND
    place, head = (registry_word("versions", "_records", SECOND, member=m) for m in (0, 1))
    assert (bits(place, 0, 63), bits(place, 64, 95), bits(place, 96, 159)) == (1, 2, 400)
    assert (bits(place, 160, 191), bits(place, 192, 255)) == (1, 1)  # the first parent: seq 1 of model 1
    assert bits(head, 0, 159) == int(version.signer, 16)
    assert (bits(head, 160, 199), bits(head, 200, 231)) == (version.registered_at, version.key_index)
    assert (bits(head, 232, 239), bits(head, 240, 247), bits(head, 248, 255)) == (16, 1, 1)
    members = [registry_word("versions", "_records", SECOND, member=m) for m in range(2, 7)]
    roots = ROOTS
    assert members == [
        roots.manifest_root,
        roots.architecture_root,
        roots.parameter_root,
        roots.data_root,
        roots.code_digest,
    ]
    assert registry_word("versions", "_other_parents", THIRD, 1) == FIRST


def test_tokens_keys_and_channels_lie_where_the_spec_says(ledger, grown, registry_word):
    alice = ledger.accounts[0]
    token = registry_word("erc721", "_words", 1)
    assert (bits(token, 0, 159), bits(token, 160, 207), bits(token, 208, 255)) == (int(alice, 16), 0, 3)
    account = bytes.fromhex(alice[2:])
    counted = registry_word("keys", "_accounts", account)
    assert (bits(counted, 0, 31), bits(counted, 32, 32)) == (2, 1)
    assert registry_word("keys", "_keys", account, 0) == b"k" * 32
    lifetime, key = registry_word("keys", "_lifetimes", account, 0), grown.key_at(alice, 0)
    assert (bits(lifetime, 0, 63), bits(lifetime, 64, 127), bits(lifetime, 128, 191)) == (key.since, key.until, 0)
    channel = registry_word("releases", "_channels", 1, keccak(b"production"))
    assert (bits(channel, 0, 31), bits(channel, 32, 63)) == (1, 1)
    assert registry_word("", "model_count") == word(1)


def test_an_anchor_lies_where_the_spec_says(ledger, anchor):
    alice, bob, carol = ledger.accounts[:3]
    ledger.send(anchor.open_log("example.com/log", b"v" * 32, bob, carol), alice)
    mined = ledger.send(anchor.anchor(1, 2**63 - 1, b"r" * 32, []), carol)

    def read(module, variable, *keys):
        return ledger.node.storage(anchor.address, slot_of("LogAnchor", module, variable, *keys))

    head = read("anchors", "_heads", 1)
    assert (bits(head, 0, 159), bits(head, 160, 222), bits(head, 223, 255)) == (int(carol, 16), 2**63 - 1, mined.time)
    assert read("anchors", "_roots", 1) == b"r" * 32
    log = read("logs", "_words", 1)
    assert (bits(log, 0, 159), bits(log, 160, 191), bits(log, 192, 223), bits(log, 224, 224)) == (
        int(alice, 16),
        1,
        1,
        0,
    )
    assert read("vkeys", "_vkeys", 1, 0) == b"v" * 32
    start, term = read("vkeys", "_starts", 1, 0), read("tickets", "_terms", 1, 0)
    opened = anchor.key_at(1, 0).since
    assert (bits(start, 0, 63), bits(start, 64, 127)) == (0, opened)
    assert (bits(term, 0, 159), bits(term, 160, 223)) == (int(bob, 16), opened)
    ledger.send(anchor.retire(1, 0), alice)
    assert bits(read("logs", "_words", 1), 224, 224) == 1


def test_a_tokens_books_lie_where_the_spec_says(ledger):
    coin = Coin(ledger)
    alice, bob = ledger.accounts[:2]
    made = coin.authorization(alice, bob, 30)
    coin.send(coin.bringing(made, coin.signature(made)), bob)
    coin.send(coin.permitting(coin.permit(alice, bob, 40)), bob)

    def read(module, variable, *keys):
        keys = [bytes.fromhex(key[2:]) if isinstance(key, str) else key for key in keys]
        return ledger.node.storage(coin.contract.address, slot_of("Token", module, variable, *keys))

    assert read("erc20", "totalSupply") == word(SUPPLY)
    assert (read("erc20", "_balances", alice), read("erc20", "_balances", bob)) == (word(SUPPLY - 30), word(30))
    assert read("erc20", "_allowances", alice, bob) == word(40)
    assert read("eip2612", "_nonces", alice) == word(1)
    assert (read("eip3009", "_spent", alice, made.nonce), read("eip3009", "_spent", bob, made.nonce)) == (
        word(1),
        word(0),
    )


def test_a_record_is_proved_against_a_block_without_trusting_the_node(ledger, grown):
    slots = [slot_of("ModelRegistry", "versions", "_records", SECOND, member=m) for m in range(7)]
    block = ledger.node.block()
    proof = ledger.node.proof(grown.address, slots, block.hash)
    verify_account_proof(block.state_root, proof)
    assert proof.slots[2].value == int.from_bytes(ROOTS.manifest_root, "big")
    forged = replace(proof, slots=(*proof.slots[:2], replace(proof.slots[2], value=1), *proof.slots[3:]))
    with pytest.raises(VerificationFailed):
        verify_account_proof(block.state_root, forged)
