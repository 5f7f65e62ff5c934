"""Accounts sign what eth_account signs, byte for byte, and show nothing but their address."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from eth_account import Account as Peer
from hypothesis import given
from hypothesis import strategies as st

from tallystick.chain.accounts import Account, TransactionFields
from tallystick.chain.fees import Fees
from tallystick.core.digest import keccak
from tallystick.core.eip712 import recover
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import checksum_address

SECRETS = st.integers(1, 2**256 - 2**129).map(lambda number: number.to_bytes(32, "big"))
ADDRESSES = st.binary(min_size=20, max_size=20).map(checksum_address)
PRICES = st.tuples(st.integers(0, 2**64), st.integers(0, 2**64)).map(lambda pair: (max(pair), min(pair)))
ACCESS = st.lists(
    st.tuples(ADDRESSES, st.lists(st.binary(min_size=32, max_size=32), max_size=2).map(tuple)), max_size=2
).map(tuple)


@st.composite
def transactions(draw: st.DrawFn) -> TransactionFields:
    cap, tip = draw(PRICES)
    is_legacy = draw(st.booleans())
    return TransactionFields(
        chain_id=draw(st.integers(1, 2**40)),
        nonce=draw(st.integers(0, 2**64 - 2)),
        to=draw(st.none() | ADDRESSES),
        value=draw(st.integers(0, 2**128)),
        data=draw(st.binary(max_size=80)),
        gas=draw(st.integers(0, 2**64 - 1)),
        fees=Fees(cap, cap if is_legacy else tip, is_legacy),
        access_list=draw(ACCESS),
    )


def for_peer(fields: TransactionFields) -> dict[str, Any]:
    """Return the fields as eth_account names them."""
    peer: dict[str, Any] = {
        "chainId": fields.chain_id,
        "nonce": fields.nonce,
        "to": fields.to or b"",
        "value": fields.value,
        "data": fields.data,
        "gas": fields.gas,
    }
    if fields.fees.is_legacy:
        peer["gasPrice"] = fields.fees.cap
    else:
        peer |= {"maxFeePerGas": fields.fees.cap, "maxPriorityFeePerGas": fields.fees.tip, "type": 2}
    if fields.access_list:
        listed = [{"address": a, "storageKeys": ["0x" + s.hex() for s in slots]} for a, slots in fields.access_list]
        peer |= {"accessList": listed, "type": 1 if fields.fees.is_legacy else 2}
    return peer


@given(secret=SECRETS, fields=transactions())
def test_every_form_is_signed_as_eth_account_signs_it(secret: bytes, fields: TransactionFields) -> None:
    ours = Account(secret).sign_transaction(fields)
    theirs = Peer.sign_transaction(for_peer(fields), secret)
    assert ours.raw == bytes(theirs.raw_transaction)
    assert ours.hash == bytes(theirs.hash) == keccak(ours.raw)
    assert Peer.recover_transaction(ours.raw) == Account(secret).address


@given(secret=SECRETS, other=SECRETS, target=ADDRESSES, nonce=st.integers(0, 2**32))
def test_an_authorization_is_signed_as_eth_account_signs_it(
    secret: bytes, other: bytes, target: str, nonce: int
) -> None:
    authorization = Account(other).authorize(31_337, target, nonce)
    fees = Fees(10**9, 10**9)
    fields = TransactionFields(31_337, 1, target, 0, b"", 100_000, fees, authorizations=(authorization,))
    signed = Peer.sign_authorization({"chainId": 31_337, "address": target, "nonce": nonce}, other)
    peer = {**for_peer(fields), "type": 4, "authorizationList": [signed]}
    assert Account(secret).sign_transaction(fields).raw == bytes(Peer.sign_transaction(peer, secret).raw_transaction)


@given(secret=SECRETS, digest=st.binary(min_size=32, max_size=32))
def test_a_digest_is_signed_by_the_address_shown(secret: bytes, digest: bytes) -> None:
    assert (
        recover(digest, Account(secret).sign_digest(digest)) == Account(secret).address == Peer.from_key(secret).address
    )


@pytest.mark.parametrize("secret", [b"", b"1" * 31, bytes(32), b"\xff" * 32])
def test_what_is_no_key_is_refused(secret: bytes) -> None:
    with pytest.raises(InvalidInput):
        Account(secret)


def test_an_account_shows_its_address_and_cannot_be_copied() -> None:
    account = Account(b"\x11" * 32)
    assert repr(account) == f"Account({account.address})"
    assert "11" * 32 not in str(account)
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(InvalidInput):
            attempt(account)


def test_numbers_that_no_transaction_can_hold_are_refused() -> None:
    good = {"chain_id": 1, "nonce": 0, "to": None, "value": 0, "data": b"", "gas": 1, "fees": Fees(1, 1)}
    assert TransactionFields(**good)
    for bad in ({"nonce": -1}, {"value": -1}, {"nonce": 2**64 - 1}, {"gas": 2**64}, {"fees": Fees(1, 2)}):
        with pytest.raises(InvalidInput):
            TransactionFields(**{**good, **bad})
    authorization = Account(b"\x11" * 32).authorize(1, "0x" + "22" * 20, 0)
    with pytest.raises(InvalidInput):
        TransactionFields(**good, authorizations=(authorization,))
