"""One request that may cost something, asked and paid for, its receipt checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tallystick.agents.payments.operation import Operation
from tallystick.agents.payments.purse import Purse
from tallystick.agents.payments.purse_book import Booked
from tallystick.agents.payments.receipts import EXTENSION, SignedReceipt, check_receipt
from tallystick.agents.payments.terms import OPERATION
from tallystick.chain.node import Node
from tallystick.core.checks import Check, Report
from tallystick.core.digest import parse_hex32
from tallystick.core.errors import InvalidInput, Unavailable
from tallystick.core.limits import FETCH_ANSWER_S, FETCH_BODY_BYTES_MAX
from tallystick.services.extra import agents_extra
from tallystick.services.paying.transport import BOOKED, PayingTransport
from tallystick.services.paywall.joined import entry_leaf

with agents_extra():
    import httpx


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Got:
    """An answer, the payment that bought it, and the checks of the seller's receipt where it gave one."""

    status: int
    content_type: str
    body: bytes
    booked: Booked | None
    receipt: Report | None


def fetch_paid(
    purse: Purse, node: Node, asked: Asked, *, payee: str | None = None, transport: httpx.BaseTransport | None = None
) -> Got:
    """Return the answer to a request, paid for where that was asked; redirects are not followed.

    raises  as `PayingTransport.handle_request`; Unavailable "fetch.lost" where nothing was paid and nobody answered;
            InvalidInput "fetch.size", "fetch.url"
    """
    timeout = httpx.Timeout(FETCH_ANSWER_S)
    paying = PayingTransport(purse, transport, payee=payee)
    try:
        with httpx.Client(transport=paying, timeout=timeout, follow_redirects=False, trust_env=False) as client:
            made = client.build_request(asked.method, asked.url, headers=dict(asked.headers), content=asked.body)
            response = client.send(made, stream=True)
            body = _read(response)
    except httpx.InvalidURL as error:
        raise InvalidInput("fetch.url", "not a URL", got=str(error)[:80]) from None
    except httpx.HTTPError as error:
        raise Unavailable(
            "fetch.lost", "the server did not answer", got=f"{type(error).__name__}: {error}"[:120],
            hint="nothing was paid anew; `tally agent payments reconcile` asks the chain about what is open",
        ) from None  # fmt: skip
    booked = response.extensions.get(BOOKED)
    kind = response.headers.get("content-type", "")
    operation = Operation.of_http(asked.method, asked.url, asked.body)
    receipt = None if booked is None else _receipt(booked, operation, body, node)
    return Got(response.status_code, kind, body, booked, receipt)


def _read(response: httpx.Response) -> bytes:
    parts, size = [], 0
    for part in response.iter_bytes():
        parts.append(part)
        size += len(part)
        if size > FETCH_BODY_BYTES_MAX:
            response.close()
            raise InvalidInput("fetch.size", "the answer is too large", expected=f"≤ {FETCH_BODY_BYTES_MAX} bytes")
    return b"".join(parts)


def _receipt(booked: Booked, operation: Operation, body: bytes, node: Node) -> Report | None:
    """Return the checks of the receipt in a settlement, None where there is none: a stock seller gives none.

    The operation is the one that was signed for: under which name the server knows itself is its own business.
    """
    info = {} if booked.settlement is None else booked.settlement.extensions.get(EXTENSION)
    if not isinstance(info, dict) or "info" not in info:
        return None
    named = booked.requirements.extra.get(OPERATION)
    try:
        signed = SignedReceipt.read(info["info"])
        meant = parse_hex32(named, "operation") if isinstance(named, str) else operation.hash()
        known = body if signed.receipt.answer is not None else None
        return check_receipt(signed, operation=meant, answer=known, entry=entry_leaf(body), node=node)
    except InvalidInput as error:
        return Report.of([Check.failed("receipt", error)])
