"""Raw transactions: what eth-account signs is read back; nothing else gets in, and nothing but a refusal comes out."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import pytest
import rlp
from eth.vm.forks.prague.transactions import PragueTransactionBuilder
from eth_account import Account
from eth_keys import keys
from eth_keys.backends import CoinCurveECCBackend
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.chain.embedded.fault import RpcFault
from tallystick.chain.embedded.transaction import Transaction, decode_transaction, recover
from tallystick.core.digest import keccak
from tests.chain.embedded.ledger_kit import Hand

LONG = bool(os.environ.get("TALLYSTICK_LONG"))

N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
CHAIN = 1337
HAND = Hand(7)

addresses = st.binary(min_size=20, max_size=20)
access_lists = st.lists(
    st.builds(
        lambda address, slots: {"address": "0x" + address.hex(), "storageKeys": ["0x" + s.hex() for s in slots]},
        addresses,
        st.lists(st.binary(min_size=32, max_size=32), max_size=3),
    ),
    max_size=3,
)
fees = st.one_of(
    st.builds(lambda price: {"gasPrice": price}, st.integers(0, 2**100)),
    st.builds(lambda price, entries: {"gasPrice": price, "accessList": entries}, st.integers(0, 2**100), access_lists),
    st.builds(
        lambda tip, more, entries: {"maxPriorityFeePerGas": tip, "maxFeePerGas": tip + more, "accessList": entries},
        st.integers(0, 2**100),
        st.integers(0, 2**100),
        access_lists,
    ),
)
plain = st.fixed_dictionaries(
    {
        "nonce": st.integers(0, 2**64 - 2),
        "gas": st.integers(21_000, 2**60),
        "to": st.one_of(st.none(), addresses),
        "value": st.integers(0, 2**256 - 1),
        "data": st.binary(max_size=100),
    }
)


def _signed(**fields: Any) -> bytes:
    return HAND.sign(**{"nonce": 0, **fields})


@given(plain, fees)
@settings(max_examples=2_000 if LONG else 60, deadline=None)
def test_what_was_signed_is_read_back_as_py_evm_reads_it(fields: dict[str, Any], fee: dict[str, Any]) -> None:
    raw = HAND.sign(**fields, **fee)
    tx = decode_transaction(raw, CHAIN)
    peer = PragueTransactionBuilder.decode(raw)
    assert tx.sender == HAND.raw_address == peer.sender
    assert (tx.hash, tx.raw, tx.chain_id) == (peer.hash, raw, CHAIN)
    for name in ("nonce", "gas", "to", "value", "data", "max_fee_per_gas", "max_priority_fee_per_gas", "r", "s"):
        assert getattr(tx, name) == getattr(peer, name), name
    assert tx.intrinsic_gas == peer.intrinsic_gas
    assert [(bytes(a), tuple(s)) for a, s in peer.access_list] == list(tx.access_list)


def test_an_authorization_list_is_read_back() -> None:
    entry = HAND.account.sign_authorization({"chainId": 0, "address": b"\x05" * 20, "nonce": 9})
    tx = decode_transaction(_signed(authorizationList=[entry], maxFeePerGas=5, maxPriorityFeePerGas=1), CHAIN)
    (found,) = tx.authorization_list
    assert (found.chain_id, found.address, found.nonce) == (0, b"\x05" * 20, 9)
    assert recover(keccak(b"\x05" + rlp.encode([0, b"\x05" * 20, 9])), found.y_parity, found.r, found.s) == tx.sender


@given(
    st.one_of(st.binary(max_size=200), st.integers(1, 4).flatmap(lambda kind: st.binary().map(bytes([kind]).__add__)))
)
@settings(max_examples=5_000 if LONG else 200, deadline=None)
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with contextlib.suppress(RpcFault):
        decode_transaction(raw, CHAIN)


@given(st.data())
@settings(max_examples=5_000 if LONG else 100, deadline=None)
def test_no_other_bytes_are_taken_for_a_transaction_of_the_same_sender(data: st.DataObject) -> None:
    raw = bytearray(_signed(data=b"hello", accessList=[{"address": "0x" + "22" * 20, "storageKeys": []}]))
    position = data.draw(st.integers(0, len(raw) - 1))
    raw[position] ^= 1 << data.draw(st.integers(0, 7))
    try:
        read = decode_transaction(bytes(raw), CHAIN)
    except RpcFault:
        return
    assert read.sender != HAND.raw_address


def _items(raw: bytes) -> list[Any]:
    return list(rlp.decode(raw[1:]))


def _reason(raw: bytes) -> str:
    with pytest.raises(RpcFault) as fault:
        decode_transaction(raw, CHAIN)
    assert fault.value.number == -32000
    return fault.value.message


def test_a_high_s_is_refused_though_it_recovers_to_the_signer() -> None:
    items = _items(_signed())
    parity, s = int.from_bytes(items[-3]), int.from_bytes(items[-1])
    items[-3], items[-1] = (b"" if parity else b"\1"), (N - s).to_bytes(32).lstrip(b"\0")
    assert "invalid sender" in _reason(b"\x02" + rlp.encode(items))
    assert decode_transaction(_signed(), CHAIN).sender == HAND.raw_address


@pytest.mark.parametrize("field", range(12))
def test_a_leading_zero_or_a_list_in_any_field_is_refused(field: int) -> None:
    items = _items(_signed(value=5, data=b"\x01"))
    for wrong in (
        b"\0" + (items[field] if isinstance(items[field], bytes) else b"\0"),
        [b"\x01"] if field != 8 else b"x",
    ):
        spoiled = [*items[:field], wrong, *items[field + 1 :]]
        if field == 7 and isinstance(wrong, bytes):
            continue  # data may begin with a zero: it is then another transaction
        assert _reason(b"\x02" + rlp.encode(spoiled))


@pytest.mark.parametrize("change", [lambda items: items[:-1], lambda items: [*items, b""]])
def test_a_field_too_few_or_too_many_is_refused(change: Any) -> None:
    assert _reason(b"\x02" + rlp.encode(change(_items(_signed())))) == "rlp: expected 12 fields"


def test_bytes_after_the_end_are_refused() -> None:
    assert _reason(_signed() + b"\0").startswith("rlp:")
    assert _reason(_signed(gasPrice=1) + b"\0").startswith("rlp:")


def test_blobs_are_refused_by_name() -> None:
    assert (
        _reason(b"\x03" + _signed()[1:])
        == "transaction type not supported: blobs (type 3) have no place on this ledger"
    )


@pytest.mark.parametrize("kind", [0, 5, 0x7F, 0x80, 0xBF])
def test_types_that_do_not_exist_are_refused(kind: int) -> None:
    assert _reason(bytes([kind]) + _signed()[1:]).startswith(("transaction type not supported", "rlp:"))


def test_a_signature_without_chain_id_is_refused() -> None:
    signed = Account.from_key(b"\x07" * 32).sign_transaction(
        {"nonce": 0, "to": b"\1" * 20, "value": 0, "gas": 21_000, "gasPrice": 1}
    )
    assert _reason(bytes(signed.raw_transaction)) == "only replay-protected (EIP-155) transactions allowed over RPC"


@pytest.mark.parametrize("fee", [{"gasPrice": 1}, {}])
def test_a_transaction_of_another_chain_is_refused(fee: dict[str, int]) -> None:
    assert _reason(_signed(chainId=5, **fee)) == "invalid chain id for signer: have 5 want 1337"


def test_an_oversized_transaction_is_refused_before_it_is_parsed() -> None:
    assert _reason(_signed(data=bytes(128 * 2**10))) == "oversized data"


def test_the_key_library_recovers_with_coincurve_too() -> None:
    assert isinstance(keys.PrivateKey(b"\1" * 32).public_key.backend, CoinCurveECCBackend)
    assert isinstance(decode_transaction(_signed(), CHAIN), Transaction)
