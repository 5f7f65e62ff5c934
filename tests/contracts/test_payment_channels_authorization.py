"""A payment channel opened by an EIP-3009 authorization that names it: the payer needs no gas, the bringer no trust."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_abi.abi import encode

from tallystick.agents.channels.signing import channel_id
from tallystick.chain.bindings.payment_channels import Opened
from tallystick.contracts import artifact
from tallystick.core.authorization import Authorization, Bringer, split_signature
from tests.contracts.channel_kit import Channels
from tests.contracts.coin_kit import Coin
from tests.contracts.kernels import compiled


@pytest.fixture
def authorized(ledger):
    """Channels in a token that takes authorizations, and a way to open one by such."""
    coin = Coin(ledger)
    channels = Channels(ledger, _Plain(coin))
    coin.send(coin.contract.transfer(channels.payer, 10_000), ledger.accounts[0])

    def opening(terms, amount=100, nonce=None, signed=None, brought=None):
        made = Authorization(
            terms.payer, channels.address, amount, 0, 2**64, channel_id(terms) if nonce is None else nonce
        )
        signature = made.signature(ledger.secrets[signed or terms.payer], coin.domain, Bringer.PAYEE)
        return channels.contract.open_with_authorization(
            brought or terms, amount, 0, 2**64, *split_signature(signature)
        )

    channels.authorized = opening
    return channels


class _Plain:
    """A `Coin` where a test token is wanted: nobody is given any."""

    def __init__(self, coin):
        self.contract, self.address = coin.contract, coin.contract.address

    def give(self, account, amount, spender):
        pass

    def balance_of(self, account):
        return self.contract.balance_of(account)


def test_a_payer_without_gas_opens_by_an_authorization_that_names_the_channel(authorized, refused):
    channels = authorized
    terms = channels.terms()
    mined = channels.send(channels.authorized(terms), channels.stranger)
    assert Opened(channel_id(terms), terms.payer, terms.payee, terms, 100) in channels.events(mined)
    assert (channels.held(), channels.state(terms).deposit) == (100, 100)
    with refused("deposits: already opened"):
        channels.send(channels.authorized(terms), channels.stranger)


def test_an_authorization_opens_no_other_channel_than_its_own(authorized, refused):
    """Whoever brings it may not choose the payee: the nonce is the hash of all terms."""
    channels = authorized
    terms = channels.terms()
    with refused("eip3009: not signed by the payer"):
        channels.send(channels.authorized(terms, brought=replace(terms, payee=channels.stranger)), channels.stranger)
    with refused("eip3009: not signed by the payer"):
        channels.send(channels.authorized(terms, nonce=b"n" * 32), channels.stranger)
    with refused("eip3009: not signed by the payer"):
        channels.send(channels.authorized(terms, signed=channels.stranger), channels.stranger)
    assert channels.held() == 0


def test_no_authorization_moves_the_native_coin_and_none_moves_another_amount(ledger, refused):
    native = Channels(ledger)
    call = native.contract.open_with_authorization(native.terms(), 5, 0, 2**64, 27, b"r" * 32, b"s" * 32)
    with refused("deposits: native coin"):
        native.send(call, native.stranger)
    short = Channels(ledger, _Plain(Coin(ledger)))
    short.contract.address = deployed_with(ledger, SILENT)
    call = short.contract.open_with_authorization(short.terms(), 5, 0, 2**64, 27, b"r" * 32, b"s" * 32)
    with refused("deposits: other amount moved"):
        short.send(call, short.stranger)


SILENT = """
# pragma version 0.4.3
@external
def receiveWithAuthorization(
    a: address, b: address, c: uint256, d: uint256, e: uint256, f: bytes32, v: uint8, r: bytes32, s: bytes32
):
    pass

@view
@external
def balanceOf(account: address) -> uint256:
    return 7
"""


def deployed_with(ledger, token):
    coin = ledger.deploy(compiled(token))
    return ledger.deploy(artifact("PaymentChannels").bytecode + encode(["address"], [coin]))
