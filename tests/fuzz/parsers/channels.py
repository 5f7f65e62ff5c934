"""Parsers of payment channels: calls and receipts in headers, and terms."""

from __future__ import annotations

import orjson

from tallystick.agents.channels import wire
from tallystick.agents.channels.payee import Answered
from tallystick.agents.channels.payee_book import Done
from tallystick.agents.channels.signing import CallReceipt, PaidCall, SignedCall, channel_id
from tallystick.chain.bindings.payment_channels import Terms
from tests.fuzz.targets import Target, of_json

A, B, C = ("0x" + digit * 40 for digit in "123")
TERMS = Terms(A, B, C, 3_600, 2**33, b"s" * 32)
ID = channel_id(TERMS)
SIGNED = SignedCall(PaidCall(ID, 7, b"o" * 32, 5, 50), b"v" * 65, b"s" * 65)
ACCEPTED = wire.requirements("eip155:1", A, B, C, 5)
ANSWERED = Answered(Done(CallReceipt(ID, 7, b"o" * 32, 5, 50, b"a" * 32), b""), b"r" * 65)


TARGETS = [
    Target("channels.call", wire.read_call_header, lambda: [wire.call_header(ACCEPTED, TERMS, SIGNED).encode()]),
    Target(
        "channels.receipt",
        lambda data: wire.read_receipt_header(data, ID),
        lambda: [wire.receipt_header("eip155:1", A, ANSWERED).encode()],
    ),
    Target(
        "channels.payload",
        of_json(wire.read_payload),
        lambda: [orjson.dumps(wire.payload(TERMS, SIGNED))],
        lambda request: orjson.dumps(wire.payload(request.terms, request.signed)),
    ),
    Target(
        "channels.terms",
        of_json(wire.read_terms),
        lambda: [orjson.dumps(wire.terms_document(TERMS))],
        lambda terms: orjson.dumps(wire.terms_document(terms)),
    ),
]
