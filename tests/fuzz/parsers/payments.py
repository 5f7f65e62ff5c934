"""Parsers of payments: headers, the objects of x402, receipts, operations."""

from __future__ import annotations

import base64
import json

from tallystick.agents.payments.exact import read_exact
from tallystick.agents.payments.operation import Operation
from tallystick.agents.payments.receipts import PaymentReceipt, SignedReceipt, sign_receipt
from tallystick.agents.payments.wire import Challenge, Payment, Requirements, Settlement, read_header, read_json
from tallystick.chain.accounts import Account
from tests.fuzz.targets import Target, of_text

_SELLER = Account(b"\x05" * 32)
_REQUIREMENTS = Requirements.make(
    "eip155:1337", "0x" + "11" * 20, 10_000, _SELLER.address, 300, {"name": "Dollar", "version": "1"}
)
_AUTHORIZATION = {
    "from": "0x" + "22" * 20, "to": "0x" + "33" * 20, "value": "1", "validAfter": "0", "validBefore": "9",
    "nonce": "0x" + "44" * 32,
}  # fmt: skip
_PAYMENT = Payment(_REQUIREMENTS, {"signature": "0x" + "55" * 65, "authorization": _AUTHORIZATION})
_RECEIPT = PaymentReceipt(
    "eip155:1337", _REQUIREMENTS.asset, _SELLER.address, _SELLER.address, 1, bytes(32), bytes(32), "0x" + "66" * 32,
    bytes(32), None, 1,
)  # fmt: skip


def _pay(data: bytes) -> object:
    payment = Payment.read(read_json(data, "payment"))
    payment.digest()
    payment.extension_info("payment-identifier")
    return read_exact(payment)


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


TARGETS = [
    Target("payments.header", of_text(read_header), lambda: [base64.b64encode(_json(_PAYMENT.to_dict()))]),
    Target("payments.payment", _pay, lambda: [_json(_PAYMENT.to_dict())]),
    Target(
        "payments.challenge",
        lambda data: Challenge.read(read_json(data, "challenge")),
        lambda: [_json(Challenge((_REQUIREMENTS,), {"url": "http://shop"}, "why").to_dict())],
    ),
    Target(
        "payments.settlement",
        lambda data: Settlement.read(read_json(data, "settlement")),
        lambda: [_json(Settlement(True, "eip155:1337", "0x" + "66" * 32, _SELLER.address, "1").to_dict())],
    ),
    Target(
        "payments.receipt", SignedReceipt.from_bytes, lambda: [sign_receipt(_RECEIPT, _SELLER).to_bytes()],
        SignedReceipt.to_bytes, exact=True,
    ),
    Target(
        "payments.operation", of_text(lambda text: Operation.of_http("GET", text)),
        lambda: [b"HTTPS://Shop.example:443/a/../%7Eb?q=%2f#part"],
    ),
]  # fmt: skip
