"""Permits and authorizations: their digests beside eth-account's, and what arrives of them in JSON."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_account import Account
from eth_account.messages import _hash_eip191_message, encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core import eip712
from tallystick.core.authorization import (
    CANCEL_TYPE,
    PERMIT_TYPE,
    Authorization,
    Bringer,
    Permit,
    cancel_digest,
    split_signature,
)
from tallystick.core.digest import keccak
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import checksum_address
from tests.core.strategies import hashes, secrets, texts

addresses = st.binary(min_size=20, max_size=20).map(checksum_address)
numbers = st.integers(0, 2**256 - 1)
domains = st.builds(eip712.Domain, texts, texts, numbers, addresses)
authorizations = st.builds(Authorization, addresses, addresses, numbers, numbers, numbers, hashes)
permits = st.builds(Permit, addresses, addresses, numbers, numbers, numbers)
ONE = Authorization(checksum_address(b"\x11" * 20), checksum_address(b"\x22" * 20), 5, 1, 9, b"\xab" * 32)


def peer_digest(domain, struct_type, values):
    """Return the digest that a wallet computes."""
    name, _, rest = struct_type.partition("(")
    fields = [dict(zip(("type", "name"), member.split(" "), strict=True)) for member in rest[:-1].split(",")]
    named = {
        "name": domain.name,
        "version": domain.version,
        "chainId": domain.chain_id,
        "verifyingContract": domain.verifying_contract,
    }
    message = dict(zip((field["name"] for field in fields), values, strict=True))
    return bytes(_hash_eip191_message(encode_typed_data(named, {name: fields}, message)))


@given(domains, authorizations, st.sampled_from(Bringer))
def test_an_authorization_is_what_wallets_sign(domain, made, bringer):
    values = (made.payer, made.payee, made.amount, made.valid_after, made.valid_before, made.nonce)
    assert made.digest(domain, bringer) == peer_digest(domain, bringer.value, values)


@given(domains, permits, hashes)
def test_a_permit_and_a_cancellation_are_what_wallets_sign(domain, permit, nonce):
    values = (permit.owner, permit.spender, permit.amount, permit.nonce, permit.deadline)
    assert permit.digest(domain) == peer_digest(domain, PERMIT_TYPE, values)
    assert cancel_digest(permit.owner, nonce, domain) == peer_digest(domain, CANCEL_TYPE, (permit.owner, nonce))


def test_the_types_are_the_published_ones():
    published = {  # EIP-2612 and EIP-3009
        PERMIT_TYPE: "6e71edae12b1b97f4d1f60370fef10105fa2faae0126114a169c64845d6126c9",
        Bringer.ANYBODY.value: "7c7c6cdb67a18743f49ec6fa9b35f50d52ed05cbed4cc592e13b44501c1a2267",
        Bringer.PAYEE.value: "d099cc98ef71107a616c4f0f941f04c322d8e254fe26b3c6668db87aae413de8",
        CANCEL_TYPE: "158b0a9edf7a828aad02f63cd515c68ef2f50ba807396f6d12842833a1597429",
    }
    for struct_type, digest in published.items():
        assert keccak(struct_type.encode()).hex() == digest


@given(domains, authorizations, permits, secrets)
def test_a_signature_is_of_one_form_in_one_domain(domain, made, permit, secret):
    signer = Account.from_key(secret).address
    signature = made.signature(secret, domain)
    assert eip712.recover(made.digest(domain), signature) == signer
    assert eip712.recover(permit.digest(domain), permit.signature(secret, domain)) == signer
    assert made.digest(domain) != made.digest(domain, Bringer.PAYEE)
    assert made.digest(domain) != made.digest(replace(domain, chain_id=domain.chain_id ^ 1))
    v, r, s = split_signature(signature)
    assert r + s + bytes([v]) == signature


def test_a_signature_of_another_length_has_no_v_r_and_s():
    for length in (0, 64, 66, 288):
        with pytest.raises(InvalidInput) as caught:
            split_signature(bytes(length))
        assert caught.value.code == "authorization.signature"


def test_both_ends_of_its_time_are_exclusive():
    assert [time for time in range(12) if ONE.is_valid_at(time)] == list(range(2, 9))


@given(authorizations)
def test_an_authorization_reads_back_from_its_json(made):
    assert Authorization.from_dict(made.to_dict()) == made


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"nonce": "ab" * 32}, "authorization.nonce"),
        ({"nonce": "0x" + "ab" * 31}, "authorization.nonce"),
        ({"nonce": "0x" + "zz" * 32}, "digest.hex"),
        ({"nonce": 5}, "document.type"),
        ({"value": 5}, "document.type"),
        ({"value": "05"}, "document.decimal"),
        ({"value": str(2**256)}, "document.decimal"),
        ({"validBefore": "-1"}, "document.decimal"),
        ({"to": "0x22"}, "address.form"),
        ({"more": "5"}, "document.unknown"),
    ],
)
def test_what_is_no_authorization_is_refused(change, code):
    with pytest.raises(InvalidInput) as caught:
        Authorization.from_dict(ONE.to_dict() | change)
    assert caught.value.code == code


def test_what_lacks_a_member_is_refused():
    for name in ONE.to_dict():
        less = ONE.to_dict()
        del less[name]
        with pytest.raises(InvalidInput) as caught:
            Authorization.from_dict(less)
        assert caught.value.code == "document.missing"
