"""Accounts with code that sign for themselves (ERC-1271): they pay what they said yes to, and for nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick.core import eip712
from tallystick.core.authorization import CANCEL_TYPE, Bringer
from tests.contracts.coin_kit import REVERTS, REVERTS_WITH_YES, SHORT, TRUE, WRONG_WORD, Coin


@pytest.fixture
def coin(ledger):
    return Coin(ledger)


@pytest.fixture
def alice(ledger):
    return ledger.accounts[0]


@pytest.fixture
def bob(ledger):
    return ledger.accounts[1]


@pytest.mark.parametrize("length", [0, 1, 31, 32, 33, 64, 66, 288, 1_024])
def test_an_account_with_code_pays_by_a_signature_of_any_length(coin, alice, bob, length):
    wallet = coin.wallet(500)
    for bringer in Bringer:
        made = coin.authorization(wallet.address, bob, 10, nonce=bringer.name.encode().ljust(32))
        signature = wallet.sign(made.digest(coin.domain, bringer), length)
        coin.send(coin.bringing(made, signature, bringer, split=False), bob)
    assert coin.balances(wallet.address, bob) == [480, 20]


def test_an_account_with_code_signs_permits_and_cancellations(coin, bob, alice):
    wallet = coin.wallet(500)
    permit = coin.permit(wallet.address, bob, 20)
    coin.send(coin.permitting(permit, wallet.sign(permit.digest(coin.domain), 288), split=False), alice)
    assert (coin.contract.allowance(wallet.address, bob), coin.contract.nonces(wallet.address)) == (20, 1)
    digest = eip712.typed_digest(coin.domain, CANCEL_TYPE, (wallet.address, b"n" * 32))
    coin.send(coin.cancelling(wallet.address, b"n" * 32, wallet.sign(digest, 96), split=False), alice)
    assert coin.contract.authorization_state(wallet.address, b"n" * 32)


def test_an_account_with_code_is_asked_in_the_first_form_too(coin, bob):
    wallet = coin.wallet(500)
    made = coin.authorization(wallet.address, bob, 10)
    coin.send(coin.bringing(made, wallet.sign(made.digest(coin.domain), 65)), bob)
    assert coin.balances(bob) == [10]


@pytest.mark.parametrize("mode", [REVERTS, WRONG_WORD, TRUE, SHORT, REVERTS_WITH_YES])
def test_an_account_with_code_that_does_not_say_yes_pays_nothing(coin, bob, refused, mode):
    wallet = coin.wallet(500)
    made = coin.authorization(wallet.address, bob, 10)
    call = coin.bringing(made, wallet.sign(made.digest(coin.domain), 96, mode), split=False)
    with refused("eip3009: not signed by the payer"):
        coin.send(call, bob)


def test_an_account_with_code_pays_only_what_it_signed(ledger, coin, alice, bob, refused):
    wallet = coin.wallet(500)
    made = coin.authorization(wallet.address, bob, 10)
    signature = wallet.sign(made.digest(coin.domain), 96)
    with refused("eip3009: not signed by the payer"):
        coin.send(coin.bringing(replace(made, amount=11), signature, split=False), bob)
    with refused("eip3009: not signed by the payer"):  # nor by the key of whoever made it
        coin.send(coin.bringing(made, coin.signature(made, alice)), bob)
    code = coin.authorization(coin.contract.address, bob, 0)  # code that knows no ERC-1271
    with refused("eip3009: not signed by the payer"):
        coin.send(coin.bringing(code, b"", split=False), bob)


def test_an_account_without_code_signs_by_its_key_alone(coin, alice, bob, refused):
    made = coin.authorization(alice, bob)
    signature = coin.signature(made)
    for wrong in (b"", signature[:64], signature + b"\0", signature + bytes(223)):
        with refused("eip3009: not signed by the payer"):
            coin.send(coin.bringing(made, wrong, split=False), bob)


def test_a_contract_that_is_paid_brings_its_own_authorization(coin, alice, bob, refused):
    till = coin.wallet()
    made = coin.authorization(alice, till.address, 30)
    call = coin.bringing(made, coin.signature(made, bringer=Bringer.PAYEE), Bringer.PAYEE)
    with refused("eip3009: caller is not the payee"):  # the one who saw it in the pool
        coin.send(call, bob)
    coin.send(till.run(call), bob)
    assert coin.balances(till.address) == [30]
