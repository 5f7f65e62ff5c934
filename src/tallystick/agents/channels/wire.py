"""Calls and receipts as they travel: members of x402 objects, in base64 where a header carries them.

    PAYMENT-SIGNATURE   {x402Version, accepted, payload: {terms, number, operation, bound, maxClaimableAmount, voucher,
                        signature}}: numbers in decimal, bytes in hex after 0x, as x402 writes them
    PAYMENT-RESPONSE    {success, payer, network, transaction, amount, extra: {receipt: {…, signature}}}

The terms go along with each call, so that a payee needs nothing but the chain to take the first one. What is read here
comes from strangers; whatever it is, nothing but InvalidInput is raised.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import orjson

from tallystick.agents.channels.payee import Answered, Request
from tallystick.agents.channels.signing import CallReceipt, PaidCall, SignedCall, channel_id
from tallystick.chain.bindings.payment_channels import Terms
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address
from tallystick.core.limits import CHANNEL_HEADER_CHARS_MAX

SCHEME: Final = "channel"
VERSION: Final = 2
CALL_HEADER: Final = "PAYMENT-SIGNATURE"
RECEIPT_HEADER: Final = "PAYMENT-RESPONSE"
CHALLENGE_HEADER: Final = "PAYMENT-REQUIRED"

_TERMS: Final = ("payer", "payee", "authorizer", "withdrawDelay", "expires", "salt")
_CALL: Final = ("terms", "number", "operation", "bound", "maxClaimableAmount", "voucher", "signature")
_RECEIPT: Final = ("number", "operation", "charged", "spent", "answer", "signature")


def requirements(network: str, coin: str, contract: str, payee: str, bound: int, **extra: str) -> dict[str, Any]:
    """Return x402 PaymentRequirements of a channel: `bound` is the price, or the most that a call may cost."""
    return {
        "scheme": SCHEME,
        "network": network,
        "asset": coin,
        "amount": str(bound),
        "payTo": payee,
        "maxTimeoutSeconds": 60,
        "extra": {"contract": contract, **extra},
    }


def payload(terms: Terms, signed: SignedCall) -> dict[str, Any]:
    """Return the scheme's own members of a payment."""
    call = signed.call
    return {
        "terms": _terms_members(terms),
        "number": str(call.number),
        "operation": "0x" + call.operation.hex(),
        "bound": str(call.bound),
        "maxClaimableAmount": str(call.max_amount),
        "voucher": "0x" + signed.voucher.hex(),
        "signature": "0x" + signed.signature.hex(),
    }


def read_payload(value: object) -> Request:
    """Return the call that parsed JSON from a stranger holds; raises InvalidInput "channel.wire", "address.…"."""
    found = _members(value, _CALL)
    terms = _members(found["terms"], _TERMS)
    texts = tuple(terms[name] for name in _TERMS)
    if not all(isinstance(one, str) and len(one) <= 80 for one in texts):
        raise _malformed("terms")
    made, channel = _read_terms(*texts)
    call = PaidCall(
        channel,
        _number(found["number"]),
        _bytes(found["operation"], 32),
        _number(found["bound"]),
        _number(found["maxClaimableAmount"]),
    )
    return Request(made, SignedCall(call, _bytes(found["voucher"], 65), _bytes(found["signature"], 65)))


def call_header(accepted: Mapping[str, Any], terms: Terms, signed: SignedCall) -> str:
    """Return the value of PAYMENT-SIGNATURE for a call."""
    return _coded({"x402Version": VERSION, "accepted": accepted, "payload": payload(terms, signed)})


def read_call_header(text: bytes) -> tuple[Mapping[str, Any], Request]:
    """Return what a payer accepted, and its call; raises InvalidInput "channel.wire", "channel.scheme"."""
    found = _decoded(text)
    accepted = found.get("accepted")
    if found.get("x402Version") != VERSION or not isinstance(accepted, dict):
        raise _malformed("payment")
    if accepted.get("scheme") != SCHEME:
        raise InvalidInput("channel.scheme", "a payment of another scheme", expected=SCHEME)
    return accepted, read_payload(found.get("payload"))


def receipt_header(network: str, payer: str, answered: Answered) -> str:
    """Return the value of PAYMENT-RESPONSE for a call that was answered."""
    charged = str(answered.done.receipt.charged)
    settled = {"success": True, "payer": payer, "network": network, "transaction": "", "amount": charged}
    return _coded({**settled, "extra": {"receipt": receipt_members(answered)}})


def receipt_members(answered: Answered) -> dict[str, str]:
    """Return a receipt as JSON members, with its signature."""
    receipt = answered.done.receipt
    return {
        "number": str(receipt.number),
        "operation": "0x" + receipt.operation.hex(),
        "charged": str(receipt.charged),
        "spent": str(receipt.spent),
        "answer": "0x" + receipt.answer.hex(),
        "signature": "0x" + answered.signature.hex(),
    }


def read_receipt(value: object, channel: bytes) -> tuple[CallReceipt, bytes]:
    """Return the receipt that JSON members from a payee hold, and its signature; raises InvalidInput "channel.wire"."""
    found = _members(value, _RECEIPT)
    receipt = CallReceipt(
        channel,
        _number(found["number"]),
        _bytes(found["operation"], 32),
        _number(found["charged"]),
        _number(found["spent"]),
        _bytes(found["answer"], 32),
    )
    return receipt, _bytes(found["signature"], 65)


def read_receipt_header(text: bytes, channel: bytes) -> tuple[CallReceipt, bytes]:
    """Return the receipt that a payee sent, and its signature; raises InvalidInput "channel.wire"."""
    extra = _decoded(text).get("extra")
    return read_receipt(extra.get("receipt") if isinstance(extra, dict) else None, channel)


def terms_document(terms: Terms) -> dict[str, str]:
    """Return the terms as JSON members."""
    return dict(_terms_members(terms))


def read_terms(value: object) -> Terms:
    """Return the terms that JSON members hold; raises InvalidInput "channel.wire", "address.…"."""
    found = _members(value, _TERMS)
    if not all(isinstance(found[name], str) and len(found[name]) <= 80 for name in _TERMS):
        raise _malformed("terms")
    return _read_terms(*(found[name] for name in _TERMS))[0]


def _terms_members(terms: Terms) -> dict[str, str]:
    numbers = (str(terms.withdraw_delay_s), str(terms.expires), "0x" + terms.salt.hex())
    return dict(zip(_TERMS, (terms.payer, terms.payee, terms.authorizer, *numbers), strict=True))


@lru_cache(maxsize=4_096)  # a payee serves few channels many times: addresses and id are worked out once for each
def _read_terms(payer: str, payee: str, authorizer: str, delay: str, expires: str, salt: str) -> tuple[Terms, bytes]:
    terms = Terms(
        parse_address(payer), parse_address(payee), parse_address(authorizer), _number(delay, 32), _number(expires, 64),
        _bytes(salt, 32),
    )  # fmt: skip
    return terms, channel_id(terms)


def _members(value: object, names: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(value, dict) or value.keys() != set(names):
        raise _malformed(f"members {', '.join(names)}")
    return value


def _number(text: object, bits: int = 128) -> int:
    if (
        not isinstance(text, str)
        or not text.isascii()
        or not text.isdigit()
        or len(text) > 39
        or text != str(int(text))
    ):
        raise _malformed("a number")
    number = int(text)
    if number >> bits:
        raise _malformed(f"a number of {bits} bits")
    return number


def _bytes(text: object, length: int) -> bytes:
    if not isinstance(text, str) or len(text) != 2 + 2 * length or text[:2] != "0x" or text != text.lower():
        raise _malformed(f"{length} bytes in hex")
    try:
        return binascii.unhexlify(text[2:])
    except (binascii.Error, ValueError):
        raise _malformed(f"{length} bytes in hex") from None


def _coded(value: object) -> str:
    return b64encode(orjson.dumps(value)).decode("ascii")


def _decoded(text: bytes) -> dict[str, Any]:
    if len(text) > CHANNEL_HEADER_CHARS_MAX:
        raise _malformed(f"at most {CHANNEL_HEADER_CHARS_MAX} characters")
    try:
        found = orjson.loads(b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        raise _malformed("base64 of JSON") from None
    if not isinstance(found, dict):
        raise _malformed("an object")
    return found


def _malformed(expected: str) -> InvalidInput:
    return InvalidInput("channel.wire", "not a call or receipt of a channel", expected=expected)
