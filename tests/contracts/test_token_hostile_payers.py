"""Payers who mean ill: accounts with code that call back, burn gas or answer too much; and the largest amounts."""

from __future__ import annotations

from functools import cache

import pytest
from eth_abi.abi import encode

from tallystick.chain.calls import Call
from tallystick.core.authorization import Bringer
from tallystick.core.digest import keccak
from tallystick.core.errors import Rejected
from tests.contracts.coin_kit import Coin
from tests.contracts.kernels import compiled

LARGEST = 2**256 - 1
CALLS_BACK, BURNS_GAS, ANSWERS_AT_LENGTH, SAYS_YES = range(4)

# Not a view: the token must see to it that nothing changes while it asks.
PAYER = """
# pragma version 0.4.3
mode: uint256
target: address
data: Bytes[2048]
calls: uint256

@external
def arm(mode: uint256, target: address, data: Bytes[2048]):
    self.mode = mode
    self.target = target
    self.data = data

@external
def spoil():
    self.calls += 1

@raw_return
@external
def isValidSignature(digest: bytes32, signature: Bytes[1024]) -> Bytes[2080]:
    yes: bytes32 = 0x1626ba7e00000000000000000000000000000000000000000000000000000000
    if self.mode == 0:
        is_done: bool = raw_call(self.target, self.data, gas=msg.gas // 2, revert_on_failure=False)
        is_done = raw_call(self, method_id("spoil()"), gas=msg.gas // 2, revert_on_failure=False)
    assert self.mode != 1, UNREACHABLE
    if self.mode == 2:
        return concat(yes, self.data)
    return slice(abi_encode(yes), 0, 32)
"""


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
def payer(coin, alice):
    """Return (the address of an account with code that holds 500, a way to arm it)."""
    address = coin.ledger.deploy(_payer_code())
    coin.send(coin.contract.transfer(address, 500), alice)

    def arm(mode, data=bytes(2_000)):
        given = encode(["uint256", "address", "bytes"], [mode, coin.contract.address, data])
        coin.send(Call(address, keccak(b"arm(uint256,address,bytes)")[:4] + given), alice)

    return address, arm


@cache
def _payer_code():
    return compiled(PAYER)


@pytest.mark.parametrize("bringer", Bringer)
def test_a_payer_that_calls_back_while_it_is_asked_pays_once_and_changes_nothing(coin, bob, payer, bringer):
    address, arm = payer
    made = coin.authorization(address, bob, 10)
    call = coin.bringing(made, b"\x05" * 96, bringer, split=False)
    for inner in (
        call,  # the same again, before its nonce is spent
        coin.cancelling(address, made.nonce, b"\x05" * 96, split=False),
        coin.permitting(coin.permit(address, bob, LARGEST), b"\x05" * 96, split=False),
        coin.contract.transfer(bob, 500),
        coin.contract.approve(bob, LARGEST),
    ):
        arm(CALLS_BACK, inner.data)
        made = coin.authorization(address, bob, 10, nonce=keccak(inner.data))
        coin.send(coin.bringing(made, b"\x05" * 96, bringer, split=False), bob)
    assert coin.balances(address, bob) == [450, 50]
    assert (coin.contract.allowance(address, bob), coin.contract.nonces(address)) == (0, 0)
    assert not coin.contract.authorization_state(address, b"n" * 32)


def test_a_payer_that_burns_all_gas_pays_nothing_and_spends_nothing(coin, bob, payer):
    address, arm = payer
    arm(BURNS_GAS)
    made = coin.authorization(address, bob, 10)
    for call in (
        coin.bringing(made, b"\x05" * 96, split=False),
        coin.cancelling(address, made.nonce, b"\x05" * 96, split=False),
        coin.permitting(coin.permit(address, bob), b"\x05" * 96, split=False),
    ):
        with pytest.raises(Rejected):
            coin.send(call, bob)
    assert coin.balances(address, bob) == [500, 0]


def test_what_comes_after_a_yes_is_not_looked_at(coin, bob, payer):
    """The standards' own tokens take 32 bytes or more."""
    address, arm = payer
    arm(ANSWERS_AT_LENGTH)
    coin.send(coin.bringing(coin.authorization(address, bob, 10), b"\x05" * 96, split=False), bob)
    assert coin.balances(bob) == [10]


def test_what_an_account_said_yes_to_is_spent_whatever_it_says_next(coin, bob, payer, refused):
    address, arm = payer
    arm(SAYS_YES)
    made = coin.authorization(address, bob, 10)
    coin.send(coin.bringing(made, b"\x05" * 96, split=False), bob)
    for again in (Bringer.ANYBODY, Bringer.PAYEE):
        with refused("eip3009: nonce is spent"):
            coin.send(coin.bringing(made, b"\x07" * 288, again, split=False), bob)


def test_a_compact_signature_of_a_key_is_not_taken(coin, alice, bob, refused):
    """EIP-2098 would be a second spelling of the same signature."""
    made = coin.authorization(alice, bob)
    signature = coin.signature(made)
    high_bit = (signature[64] - 27) << 7
    compact = signature[:32] + bytes([signature[32] | high_bit]) + signature[33:64]
    with refused("eip3009: not signed by the payer"):
        coin.send(coin.bringing(made, compact, split=False), bob)
    coin.send(coin.bringing(made, signature), bob)


def test_a_permit_that_somebody_else_brings_first_gives_the_same_allowance(coin, alice, bob, refused):
    carol = coin.ledger.accounts[2]
    call = coin.permitting(coin.permit(alice, bob, 70))
    coin.send(call, carol)
    with refused("eip2612: not signed by the owner"):
        coin.send(call, bob)
    coin.send(coin.contract.transfer_from(alice, bob, 70), bob)
    assert coin.balances(bob) == [70]


def test_the_largest_supply_moves_whole_and_never_overflows(ledger, alice, bob, refused):
    coin = Coin(ledger, LARGEST)
    coin.send(coin.contract.transfer(alice, LARGEST), alice)
    assert coin.balances(alice) == [LARGEST]
    made = coin.authorization(alice, bob, LARGEST)
    coin.send(coin.bringing(made, coin.signature(made)), bob)
    with refused("erc20: balance too low"):
        coin.send(coin.contract.transfer(bob, 1), alice)
    coin.send(coin.contract.approve(alice, LARGEST), bob)
    coin.send(coin.contract.transfer_from(bob, alice, LARGEST), alice)
    assert coin.contract.allowance(bob, alice) == LARGEST
    coin.send(coin.permitting(coin.permit(alice, bob, LARGEST - 1)), bob)
    coin.send(coin.contract.transfer_from(alice, bob, LARGEST - 1), bob)
    assert (coin.contract.allowance(alice, bob), coin.balances(alice, bob)) == (0, [1, LARGEST - 1])
    coin.send(coin.contract.burn(LARGEST - 1), bob)
    assert coin.contract.total_supply() == 1
