"""What an HTTP request has to do with payment: its header is read, the cashier asked, and each answer gets its headers.

    402   no payment, or one that is refused: what is asked for, in PAYMENT-REQUIRED, and why in its `error`
    400   a payment header that nobody can read
    503   nobody knows yet whether the money moved: the same payment is to be sent again; never a new challenge
    200   with PAYMENT-RESPONSE: settled

Nothing here knows a framework: `asgi.py` and the gateway turn this into their own answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from tallystick.agents.payments import reasons
from tallystick.agents.payments.cashier import Accepted, Answered, Cashier
from tallystick.agents.payments.operation import Operation
from tallystick.agents.payments.outcomes import Outcome, Refused, Settled, Unknown
from tallystick.agents.payments.terms import Terms
from tallystick.agents.payments.wire import (
    PAYMENT_HEADER,
    REQUIRED_HEADER,
    RESPONSE_HEADER,
    Payment,
    read_header,
    read_json,
    write_header,
)
from tallystick.core.errors import InvalidInput

CACHING: Final = "cache-control"  # a cache between would hand what one client bought to whoever asks next
_EXPOSED: Final = f"{REQUIRED_HEADER}, {RESPONSE_HEADER}"


@dataclass(frozen=True)
class Sold:
    """An answer as it leaves: status, headers and body; `headers` are those beyond content type and length."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Return the answer as it is kept, which `from_bytes` reads back the same."""
        head = {"status": self.status, "content_type": self.content_type, "headers": dict(self.headers)}
        return orjson.dumps(head) + b"\n" + self.body

    @classmethod
    def from_bytes(cls, data: bytes) -> Sold:
        """Read a kept answer."""
        head, _, body = data.partition(b"\n")
        found = read_json(head, "kept answer")
        return cls(found["status"], body, found["content_type"], found["headers"])

    def with_settled(self, settled: Settled) -> Sold:
        """Return the answer with word of its payment, and without what it said of caches."""
        kept = {name: value for name, value in self.headers.items() if name.lower() != CACHING}
        return Sold(self.status, self.body, self.content_type, {**kept, **settled_headers(settled)})


def enter(cashier: Cashier, header: str | None, terms: Terms, operation: Operation) -> Accepted | Sold:
    """Return the claim under which the work may be done, or the answer that ends the request."""
    if header is None:
        return challenge(terms, operation)
    try:
        payment = Payment.read(read_header(header, PAYMENT_HEADER))
    except InvalidInput as error:
        return Sold(400, _json({"error": f"{error.code}: {error}"}))
    got = cashier.accept(payment, terms, operation)
    if isinstance(got, Accepted):
        return got
    if isinstance(got, Answered):
        return Sold.from_bytes(got.answer).with_settled(got.settled)
    return unpaid(got, terms, operation)


def leave(outcome: Outcome, sold: Sold, terms: Terms, operation: Operation) -> Sold:
    """Return what leaves after the work was done: the answer if it is settled, and otherwise not."""
    return sold.with_settled(outcome) if isinstance(outcome, Settled) else unpaid(outcome, terms, operation)


def unpaid(outcome: Refused | Unknown, terms: Terms, operation: Operation) -> Sold:
    """Return the answer where no money moved, or nobody knows."""
    network = terms.prices[0].network
    told = {RESPONSE_HEADER: write_header(outcome.to_settlement(network).to_dict()), **_expose()}
    if isinstance(outcome, Refused):
        asked = challenge(terms, operation, outcome.reason, outcome.message)
        return Sold(asked.status, asked.body, headers={**asked.headers, **told})
    words = "nobody knows yet whether this payment is settled; send the same payment again, not a new one"
    body = {"error": words, "reason": outcome.reason, "message": outcome.message}
    return Sold(503, _json(body), headers={**told, "Retry-After": str(outcome.retry_after_s), **_no_store()})


def challenge(terms: Terms, operation: Operation, error: str = "", message: str = "") -> Sold:
    """Return what is asked for, with the reason where a payment was refused."""
    asked = terms.challenge(operation, error).to_dict()
    headers = {REQUIRED_HEADER: write_header(asked), **_expose(), **_no_store()}
    return Sold(402, _json(asked | ({"message": message} if message else {})), headers=headers)


def failed(terms: Terms) -> dict[str, str]:
    """Return the headers of an answer whose work failed: nothing was settled, the payment may be used again."""
    refused = Refused(reasons.WORK, reasons.MEANINGS[reasons.WORK])
    return {RESPONSE_HEADER: write_header(refused.to_settlement(terms.prices[0].network).to_dict()), **_expose()}


def settled_headers(settled: Settled) -> dict[str, str]:
    """Return the headers that say that it is paid."""
    return {RESPONSE_HEADER: write_header(settled.to_settlement().to_dict()), **_expose(), **_no_store()}


def _expose() -> dict[str, str]:
    return {"Access-Control-Expose-Headers": _EXPOSED}


def _no_store() -> dict[str, str]:
    return {CACHING: "no-store"}


def _json(value: Any) -> bytes:
    return orjson.dumps(value)
