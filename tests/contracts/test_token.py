"""The token's coins: what ERC-20 says, what a fixed supply means, and what it refuses."""

from __future__ import annotations

import pytest

from tallystick.chain.bindings import token as binding
from tallystick.chain.calls import Call
from tallystick.contracts import artifact
from tallystick.core.digest import keccak
from tallystick.core.errors import Rejected
from tests.contracts.coin_kit import Coin
from tests.contracts.constructors import DECIMALS, NAME, SUPPLY, SYMBOL, initcode_of

NOBODY = "0x" + "00" * 20
WITHOUT_END = 2**256 - 1


@pytest.fixture
def coin(ledger):
    return Coin(ledger)


@pytest.fixture
def alice(ledger):
    return ledger.accounts[0]


@pytest.fixture
def bob(ledger):
    return ledger.accounts[1]


@pytest.fixture
def carol(ledger):
    return ledger.accounts[2]


# --- being made


def test_all_units_are_made_once_for_one_holder(ledger, alice, bob, events):
    mined = ledger.send(Call(None, initcode_of("Token", NAME, SYMBOL, DECIMALS, SUPPLY, bob)), alice)
    token = binding.Token(ledger, mined.created)
    assert events(mined, binding.EVENTS) == [binding.Transfer(NOBODY, bob, SUPPLY)]
    assert (token.name(), token.symbol(), token.decimals()) == (NAME, SYMBOL, DECIMALS)
    assert (token.total_supply(), token.balance_of(bob), token.balance_of(alice)) == (SUPPLY, SUPPLY, 0)


def test_nobody_can_make_more(coin):
    functions = [entry for entry in artifact("Token").abi if entry["type"] == "function"]
    writes = {entry["name"] for entry in functions if entry["stateMutability"] not in ("view", "pure")}
    assert writes == {
        "transfer", "transferFrom", "approve", "burn", "permit", "transferWithAuthorization",
        "receiveWithAuthorization", "cancelAuthorization",
    }  # fmt: skip


def test_a_token_is_made_for_somebody(ledger, alice, refused):
    with refused("erc20: zero address"):
        ledger.node.estimate_gas(None, initcode_of("Token", NAME, SYMBOL, 6, 1, NOBODY), sender=alice)


def test_the_functions_and_events_are_those_of_the_standards():
    entries = artifact("Token").abi
    signatures = {f"{e['name']}({','.join(i['type'] for i in e['inputs'])})": e for e in entries if "name" in e}
    standard = {
        "totalSupply()": "18160ddd", "balanceOf(address)": "70a08231", "transfer(address,uint256)": "a9059cbb",
        "transferFrom(address,address,uint256)": "23b872dd", "approve(address,uint256)": "095ea7b3",
        "allowance(address,address)": "dd62ed3e", "nonces(address)": "7ecebe00", "DOMAIN_SEPARATOR()": "3644e515",
        "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)": "d505accf", "eip712Domain()": "84b0196e",
        "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)": "e3ee160e",
        "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)": "cf092995",
        "receiveWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)": "ef55bec6",
        "receiveWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)": "88b7ab63",
        "cancelAuthorization(address,bytes32,uint8,bytes32,bytes32)": "5a049a70",
        "cancelAuthorization(address,bytes32,bytes)": "b7b72899",
        "permit(address,address,uint256,uint256,bytes)": "9fd5a6cf",
        "authorizationState(address,bytes32)": "e94a0102",
    }  # fmt: skip
    for signature, selector in standard.items():
        assert signature in signatures
        assert keccak(signature.encode())[:4].hex() == selector
    for event, indexed in {
        "Transfer(address,address,uint256)": [True, True, False],
        "Approval(address,address,uint256)": [True, True, False],
        "AuthorizationUsed(address,bytes32)": [True, True],
        "AuthorizationCanceled(address,bytes32)": [True, True],
    }.items():
        assert [item["indexed"] for item in signatures[event]["inputs"]] == indexed


# --- moving


def test_a_transfer_moves_what_it_says_and_no_more(coin, alice, bob, events, refused):
    assert events(coin.send(coin.contract.transfer(bob, 300), alice), binding.EVENTS) == [
        binding.Transfer(alice, bob, 300)
    ]
    assert coin.balances(alice, bob) == [SUPPLY - 300, 300]
    with refused("erc20: balance too low"):
        coin.send(coin.contract.transfer(alice, 301), bob)
    coin.send(coin.contract.transfer(alice, 300), bob)
    assert coin.balances(alice, bob) == [SUPPLY, 0]


def test_nothing_can_be_transferred_and_to_oneself_too(coin, alice, bob, events):
    assert events(coin.send(coin.contract.transfer(alice, 0), bob), binding.EVENTS) == [binding.Transfer(bob, alice, 0)]
    coin.send(coin.contract.transfer(alice, SUPPLY), alice)
    assert coin.balances(alice) == [SUPPLY]


def test_units_go_nowhere_from_where_nobody_can_move_them(coin, alice, refused):
    for nowhere, reason in ((NOBODY, "erc20: zero address"), (coin.contract.address, "erc20: not to the token itself")):
        with refused(reason):
            coin.send(coin.contract.transfer(nowhere, 1), alice)
        with refused(reason):
            coin.send(coin.contract.transfer(nowhere, 0), alice)


def test_a_holder_may_burn_its_own(coin, alice, bob, events, refused):
    assert events(coin.send(coin.contract.burn(400), alice), binding.EVENTS) == [binding.Transfer(alice, NOBODY, 400)]
    assert (coin.contract.total_supply(), *coin.balances(alice, NOBODY)) == (SUPPLY - 400, SUPPLY - 400, 0)
    with refused("erc20: balance too low"):
        coin.send(coin.contract.burn(1), bob)


# --- allowances


def test_a_spender_moves_what_it_is_allowed(coin, alice, bob, carol, events, refused):
    token = coin.contract
    assert events(coin.send(token.approve(bob, 50), alice), binding.EVENTS) == [binding.Approval(alice, bob, 50)]
    moved = events(coin.send(token.transfer_from(alice, carol, 20), bob), binding.EVENTS)
    assert moved == [binding.Transfer(alice, carol, 20)]
    assert (token.allowance(alice, bob), token.allowance(bob, alice), *coin.balances(carol)) == (30, 0, 20)
    with refused("erc20: allowance too low"):
        coin.send(token.transfer_from(alice, carol, 31), bob)
    with refused("erc20: allowance too low"):
        coin.send(token.transfer_from(alice, bob, 1), carol)
    coin.send(token.approve(bob, 7), alice)
    assert token.allowance(alice, bob) == 7


def test_an_owner_needs_an_allowance_to_act_as_a_spender(coin, alice, bob, refused):
    with refused("erc20: allowance too low"):
        coin.send(coin.contract.transfer_from(alice, bob, 1), alice)


def test_an_allowance_without_end_is_not_counted_down_and_one_below_is(coin, alice, bob, carol):
    for allowed, left in ((WITHOUT_END, WITHOUT_END), (WITHOUT_END - 1, WITHOUT_END - 6)):
        coin.send(coin.contract.approve(bob, allowed), alice)
        coin.send(coin.contract.transfer_from(alice, carol, 5), bob)
        assert coin.contract.allowance(alice, bob) == left


def test_an_allowance_moves_no_more_than_there_is_and_nowhere_forbidden(coin, alice, bob, carol, refused):
    coin.send(coin.contract.approve(alice, WITHOUT_END), bob)
    with refused("erc20: balance too low"):
        coin.send(coin.contract.transfer_from(bob, carol, 1), alice)
    with refused("erc20: zero address"):
        coin.send(coin.contract.transfer_from(bob, NOBODY, 0), alice)
    with refused("erc20: zero address"):
        coin.send(coin.contract.approve(NOBODY, 1), alice)


# --- calls that are none


def test_a_call_of_no_function_and_ether_are_refused(coin, alice, refused):
    to = coin.contract.address
    for data in (b"", b"\x01\x02\x03", b"\xde\xad\xbe\xef", keccak(b"mint(address,uint256)")[:4] + bytes(64)):
        with refused("overloads: unknown function"):
            coin.send(Call(to, data), alice)
    for data in (b"", coin.contract.transfer(alice, 0).data):
        with pytest.raises(Rejected):
            coin.send(Call(to, data, value=1), alice)


def test_names_are_bounded(ledger, alice):
    token = binding.Token(ledger, ledger.deploy(initcode_of("Token", "n" * 64, "s" * 32, 255, 2**256 - 1, alice)))
    assert (token.name(), token.symbol(), token.decimals()) == ("n" * 64, "s" * 32, 255)
    assert token.eip712_domain()[1] == "n" * 64
    for name, symbol in (("n" * 65, "s"), ("n", "s" * 33)):
        with pytest.raises(Rejected):
            ledger.node.estimate_gas(None, initcode_of("Token", name, symbol, 6, 1, alice), sender=alice)
