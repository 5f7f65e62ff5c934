"""The token side of the registry, against the text of ERC-721, ERC-165 and the metadata extension."""

from __future__ import annotations

import pytest
from eth_abi.abi import decode
from vyper import compile_code

from tallystick.chain.bindings import model_registry as binding
from tallystick.core.digest import keccak

ZERO = "0x" + "00" * 20

RECEIVER = """
# pragma version 0.4.3
mode: uint256
data: public(Bytes[1024])
operator: public(address)

@deploy
def __init__(mode: uint256):
    self.mode = mode

@external
def onERC721Received(operator: address, sender: address, token_id: uint256, data: Bytes[1024]) -> bytes4:
    assert self.mode != 2, "receiver: closed"
    self.data = data
    self.operator = operator
    if self.mode == 1:
        return 0xdeadbeef
    return 0x150b7a02
"""
MUTE = "# pragma version 0.4.3\n@external\ndef something_else():\n    pass\n"


@pytest.fixture
def token(ledger, registry):
    """A registry in which the first account owns token 1."""
    ledger.send(registry.register("one", "ipfs://one"), ledger.accounts[0])
    return registry


@pytest.fixture(scope="module")
def receivers(ledger):
    """Addresses of contracts that accept, answer wrongly, revert, and do not know the call."""
    code = bytes.fromhex(compile_code(RECEIVER, output_formats=["bytecode"])["bytecode"][2:])
    mute = bytes.fromhex(compile_code(MUTE, output_formats=["bytecode"])["bytecode"][2:])
    made = [ledger.deploy(code + mode.to_bytes(32, "big")) for mode in (0, 1, 2)]
    return dict(zip(("kind", "wrong", "closed", "mute"), [*made, ledger.deploy(mute)], strict=True))


def test_a_new_model_is_a_token_of_the_caller_and_says_so(ledger, registry, events):
    alice = ledger.accounts[0]
    made = events(ledger.send(registry.register("one", "ipfs://one"), alice), binding.EVENTS)
    assert made == [binding.Transfer(ZERO, alice, 1), binding.ModelRegistered(1, alice, "one", "ipfs://one")]
    assert (registry.owner_of(1), registry.balance_of(alice), registry.token_uri(1)) == (alice, 1, "ipfs://one")
    assert (registry.name(), registry.symbol()) == ("Tallystick Models", "TALLY")


@pytest.mark.parametrize("interface_id", ["01ffc9a7", "80ac58cd", "5b5e139f"])
def test_the_promised_interfaces_are_announced(registry, interface_id):
    assert registry.supports_interface(bytes.fromhex(interface_id))


@pytest.mark.parametrize("interface_id", ["ffffffff", "00000000", "780e9d63"])
def test_no_other_interface_is_announced(registry, interface_id):
    assert not registry.supports_interface(bytes.fromhex(interface_id))


def test_a_token_that_does_not_exist_has_no_owner_no_approval_no_uri(ledger, token, refused):
    alice, bob = ledger.accounts[:2]
    for read in (token.owner_of, token.get_approved, token.token_uri, token.model):
        for missing in (0, 2, 2**256 - 1):
            with refused("erc721: no such token"):
                read(missing)
    with refused("erc721: no such token"):
        ledger.send(token.transfer_from(alice, bob, 2), alice)
    with refused("erc721: no such token"):
        ledger.send(token.approve(bob, 2), alice)
    with refused("erc721: zero address"):
        token.balance_of(ZERO)


def test_an_owner_transfers_and_the_world_is_told(ledger, token, events):
    alice, bob = ledger.accounts[:2]
    moved = ledger.send(token.transfer_from(alice, bob, 1), alice)
    assert events(moved, binding.EVENTS) == [binding.Transfer(alice, bob, 1)]
    assert (token.owner_of(1), token.balance_of(alice), token.balance_of(bob)) == (bob, 0, 1)
    assert token.model(1).transfers == 1


def test_a_stranger_cannot_transfer(ledger, token, refused):
    alice, bob = ledger.accounts[:2]
    with refused("erc721: not owner or approved"):
        ledger.send(token.transfer_from(alice, bob, 1), bob)
    with refused("erc721: not owner or approved"):  # eth_call's default sender, although nobody is approved
        ledger.call(token.address, token.transfer_from(alice, bob, 1).data)


def test_the_named_sender_must_be_the_owner(ledger, token, refused):
    alice, bob = ledger.accounts[:2]
    with refused("erc721: wrong owner"):
        ledger.send(token.transfer_from(bob, bob, 1), alice)


def test_nothing_goes_to_the_zero_address(ledger, token, refused):
    alice = ledger.accounts[0]
    with refused("erc721: zero address"):
        ledger.send(token.transfer_from(alice, ZERO, 1), alice)


def test_an_approved_account_transfers_once_and_no_more(ledger, token, refused, events):
    alice, bob, carol = ledger.accounts[:3]
    granted = ledger.send(token.approve(bob, 1), alice)
    assert events(granted, binding.EVENTS) == [binding.Approval(alice, bob, 1)]
    assert token.get_approved(1) == bob
    ledger.send(token.transfer_from(alice, carol, 1), bob)
    assert (token.owner_of(1), token.get_approved(1)) == (carol, ZERO)
    with refused("erc721: not owner or approved"):
        ledger.send(token.transfer_from(carol, bob, 1), bob)


def test_an_approval_is_not_the_right_to_approve(ledger, token, refused):
    alice, bob, carol = ledger.accounts[:3]
    ledger.send(token.approve(bob, 1), alice)
    with refused("erc721: not owner or operator"):
        ledger.send(token.approve(carol, 1), bob)


def test_an_operator_acts_for_every_token_until_dismissed(ledger, token, refused, events):
    alice, bob, carol = ledger.accounts[:3]
    ledger.send(token.register("two", ""), alice)
    named = ledger.send(token.set_approval_for_all(bob, True), alice)
    assert events(named, binding.EVENTS) == [binding.ApprovalForAll(alice, bob, True)]
    assert token.is_approved_for_all(alice, bob)
    ledger.send(token.approve(carol, 1), bob)
    ledger.send(token.transfer_from(alice, carol, 1), bob)
    ledger.send(token.set_approval_for_all(bob, False), alice)
    with refused("erc721: not owner or approved"):
        ledger.send(token.transfer_from(alice, carol, 2), bob)


def test_a_safe_transfer_reaches_people_and_contracts_that_accept(ledger, token, receivers):
    alice, bob = ledger.accounts[:2]
    ledger.send(token.safe_transfer_from(alice, bob, 1), alice)
    ledger.send(token.safe_transfer_from(bob, receivers["kind"], 1, b"hello"), bob)
    assert token.owner_of(1) == receivers["kind"]
    told = [ledger.call(receivers["kind"], keccak(name)[:4]) for name in (b"operator()", b"data()")]
    assert decode(["address"], told[0]) == (bob.lower(),)
    assert decode(["bytes"], told[1]) == (b"hello",)


@pytest.mark.parametrize(
    ("receiver", "reason"), [("wrong", "erc721: receiver refused"), ("closed", "receiver: closed"), ("mute", None)]
)
def test_a_safe_transfer_to_a_contract_that_does_not_accept_is_undone(
    ledger, token, receivers, receiver, reason, refused
):
    alice = ledger.accounts[0]
    with refused(reason or "chain.reverted"):
        ledger.send(token.safe_transfer_from(alice, receivers[receiver], 1), alice)
    assert token.owner_of(1) == alice


def test_a_plain_transfer_asks_nobody(ledger, token, receivers):
    alice = ledger.accounts[0]
    ledger.send(token.transfer_from(alice, receivers["mute"], 1), alice)
    assert token.owner_of(1) == receivers["mute"]


def test_ether_is_refused(ledger, token, refused):
    with refused("chain.reverted"):
        ledger.call(token.address, b"", sender=ledger.accounts[0], value=1)
    register = token.register("paid", "")
    with refused("chain.reverted"):
        ledger.call(token.address, register.data, sender=ledger.accounts[0], value=1)
