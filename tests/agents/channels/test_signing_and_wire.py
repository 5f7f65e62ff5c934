"""Digests are EIP-712's; what travels comes back as it was, and whatever else comes is refused in one way."""

from __future__ import annotations

from base64 import b64encode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.agents.channels import wire
from tallystick.agents.channels.payee import Answered, Request
from tallystick.agents.channels.payee_book import Done
from tallystick.agents.channels.signing import (
    CALL_TYPE,
    RECEIPT_TYPE,
    VOUCHER_TYPE,
    CallReceipt,
    PaidCall,
    SignedCall,
    channel_id,
    domain_of,
    voucher_digest,
)
from tallystick.chain.bindings.payment_channels import Terms
from tallystick.core import eip712
from tallystick.core.errors import InvalidInput

A, B, C = ("0x" + digit * 40 for digit in "123")
DOMAIN = domain_of(31_337, A)
TERMS = Terms(A, B, C, 3_600, 2**33, b"s" * 32)
ID = channel_id(TERMS)

numbers = st.integers(0, 2**128 - 1)
hashes = st.binary(min_size=32, max_size=32)
calls = st.builds(PaidCall, st.just(ID), st.integers(0, 2**64 - 1), hashes, numbers, numbers)
signatures = st.binary(min_size=65, max_size=65)
receipts = st.builds(CallReceipt, st.just(ID), st.integers(0, 2**64 - 1), hashes, numbers, numbers, hashes)


@given(calls, receipts)
def test_digests_are_those_of_eip712(call, receipt):
    assert voucher_digest(DOMAIN, call.channel, call.max_amount) == eip712.typed_digest(
        DOMAIN, VOUCHER_TYPE, (call.channel, call.max_amount)
    )
    members = (call.channel, call.number, call.operation, call.bound, call.max_amount)
    assert call.digest(DOMAIN) == eip712.typed_digest(DOMAIN, CALL_TYPE, members)
    told = (ID, receipt.number, receipt.operation, receipt.charged, receipt.spent, receipt.answer)
    assert receipt.digest(DOMAIN) == eip712.typed_digest(DOMAIN, RECEIPT_TYPE, told)


@given(calls.filter(lambda call: call.number < 2**128), signatures, signatures)
def test_a_call_comes_back_as_it_was(call, voucher, signature):
    signed = SignedCall(call, voucher, signature)
    asked = wire.requirements("eip155:1", A, B, C, 5)
    accepted, request = wire.read_call_header(wire.call_header(asked, TERMS, signed).encode())
    assert (accepted, request) == (asked, Request(TERMS, signed))


@given(receipts, signatures)
def test_a_receipt_comes_back_as_it_was(receipt, signature):
    header = wire.receipt_header("eip155:1", A, Answered(Done(receipt, b""), signature))
    assert wire.read_receipt_header(header.encode(), ID) == (receipt, signature)


def test_terms_come_back_as_they_were():
    assert wire.read_terms(wire.terms_document(TERMS)) == TERMS


SIGNED = SignedCall(PaidCall(ID, 1, b"o" * 32, 5, 5), b"v" * 65, b"s" * 65)


@pytest.mark.parametrize(
    "change",
    [
        {"number": 1}, {"number": "01"}, {"number": "-1"}, {"number": "٣"}, {"number": "1" * 40}, {"number": ""},
        {"number": str(2**128)}, {"operation": "0x"}, {"operation": "0x" + "AB" * 32}, {"operation": "0x" + "zz" * 32},
        {"voucher": "0x" + "00" * 64}, {"voucher": None}, {"signature": ["0x"]}, {"terms": None}, {"terms": {}},
        {"extra": "1"}, {"bound": True}, {"bound": 1.0},
    ],
)  # fmt: skip
def test_what_is_not_a_call_is_refused(change):
    value = wire.payload(TERMS, SIGNED) | change
    with pytest.raises(InvalidInput):
        wire.read_payload(value)


@pytest.mark.parametrize(
    "change",
    [{"payer": "0x12"}, {"payer": None}, {"expires": str(2**64)}, {"withdrawDelay": str(2**32)}, {"salt": "0x00"},
     {"salt": "0x" + "a" * 10_000}],
)  # fmt: skip
def test_what_is_no_terms_is_refused(change):
    with pytest.raises(InvalidInput):
        wire.read_payload(wire.payload(TERMS, SIGNED) | {"terms": wire.terms_document(TERMS) | change})


@given(st.binary(max_size=300))
def test_whatever_bytes_a_header_has_nothing_but_invalid_input_is_raised(data):
    for text in (data, b64encode(data)):
        for read in (wire.read_call_header, lambda text: wire.read_receipt_header(text, ID)):
            with pytest.raises(InvalidInput):
                read(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["x402Version", "accepted", "payload", "scheme", "terms", "extra", "receipt"]),
                inner,
                max_size=4,
            )
        ),
    )
)
def test_whatever_json_a_header_holds_nothing_but_invalid_input_is_raised(value):
    try:
        text = b64encode(orjson.dumps(value))
    except TypeError:  # an integer beyond 64 bits is no JSON that orjson writes
        return
    for read in (wire.read_call_header, lambda text: wire.read_receipt_header(text, ID)):
        with pytest.raises(InvalidInput):
            read(text)


def test_another_scheme_and_another_version_are_told():
    plain = {"x402Version": 2, "accepted": {"scheme": "exact"}, "payload": {}}
    with pytest.raises(InvalidInput) as caught:
        wire.read_call_header(b64encode(orjson.dumps(plain)))
    assert caught.value.code == "channel.scheme"
    with pytest.raises(InvalidInput):
        wire.read_call_header(b64encode(orjson.dumps(plain | {"x402Version": 1})))
    with pytest.raises(InvalidInput):
        wire.read_call_header(b"A" * 9_000)
