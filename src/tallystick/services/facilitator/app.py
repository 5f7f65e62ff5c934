"""The facilitator's answers: /verify, /settle and /supported as x402 version 2 has them, with bounds.

Who may ask: anybody, or who shows a token. How often: each token, or all without one together; and each payer, whose
settlements cost gas. What a request cannot do is make us pay for a known revert, for a token nobody listed, or twice.
An outcome that is not known is answered `settlement_pending`, and the same request asked again goes on.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import Callable, Collection, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import orjson

from tallystick.agents.payments import reasons
from tallystick.agents.payments.outcomes import Outcome, Refused, Scheme, Settled, Unknown, Verdict
from tallystick.agents.payments.wire import VERSION, Payment, Requirements, read_json
from tallystick.core.errors import InvalidInput, TallystickError
from tallystick.core.limits import (
    FACILITATOR_BURST,
    FACILITATOR_PAYER_BURST,
    FACILITATOR_PAYER_RATE,
    FACILITATOR_QUEUE_MAX,
    FACILITATOR_RATE,
    FACILITATOR_THREADS,
    PAYMENT_BODY_BYTES_MAX,
    PAYMENT_RETRY_AFTER_S,
)
from tallystick.services.facilitator.rates import Rates
from tallystick.services.http1 import JSON, Request, Response, error_response

_RETRY: Final = b"retry-after: %d\r\n" % PAYMENT_RETRY_AFTER_S
_NO_STORE: Final = b"cache-control: no-store\r\n"
_ANYBODY: Final = ""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Offer:
    """One scheme on one network that is settled here."""

    scheme: Scheme
    network: str
    signer: str


class FacilitatorDoor:
    """Answers requests; `handle` goes to a Listener, `close` after it.

    tokens  of clients that may ask; none: anybody may
    """

    def __init__(
        self,
        offers: Collection[Offer],
        tokens: Collection[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._offers = {(one.scheme.name, one.network): one for one in offers}
        self._tokens = tuple(token.encode() for token in tokens)
        self._threads = ThreadPoolExecutor(FACILITATOR_THREADS, "facilitator")
        self._clients = Rates(FACILITATOR_RATE, FACILITATOR_BURST, clock)
        self._payers = Rates(FACILITATOR_PAYER_RATE, FACILITATOR_PAYER_BURST, clock)
        self._waiting = 0

    def close(self) -> None:
        """Wait for requests in work."""
        self._threads.shutdown()

    def handle(self, request: Request) -> Response | Coroutine[Any, Any, Response]:
        """Return the answer, or the coroutine that will."""
        if request.path == "/supported":
            return self._supported() if request.method in ("GET", "HEAD") else _not_allowed(b"GET, HEAD")
        if request.path not in ("/verify", "/settle"):
            return error_response(404, "not found")
        if request.method != "POST":
            return _not_allowed(b"POST")
        client = self._client(request)
        if client is None:
            return error_response(401, "show a token", b"www-authenticate: Bearer\r\n")
        if not self._clients.take(client):
            return error_response(429, "too many requests", _RETRY)
        if len(request.body) > PAYMENT_BODY_BYTES_MAX:
            return error_response(413, f"a request has at most {PAYMENT_BODY_BYTES_MAX} bytes")
        try:
            payment, requirements = _read(request.body)
        except InvalidInput as error:
            return error_response(400, f"{error.code}: {error}")
        offer = self._offers.get((requirements.scheme, requirements.network))
        if self._waiting >= FACILITATOR_QUEUE_MAX:
            return error_response(503, "too many payments wait", _RETRY)
        if request.path == "/verify":
            return self._verify(offer, payment, requirements)
        return self._settle(offer, payment, requirements)

    # --- the two questions

    async def _verify(self, offer: Offer | None, payment: Payment, requirements: Requirements) -> Response:
        if offer is None:
            return _json(200, _verdict(_unsupported(requirements)))
        verdict = await self._work(lambda: offer.scheme.verify(payment, requirements))
        if isinstance(verdict, Response):
            return verdict
        if isinstance(verdict, Unknown):
            return _json(503, {"error": verdict.message}, _RETRY)
        return _json(200, _verdict(verdict))

    async def _settle(self, offer: Offer | None, payment: Payment, requirements: Requirements) -> Response:
        if offer is None:
            refused = Refused(reasons.SCHEME, _unsupported(requirements).message)
            return _json(200, refused.to_settlement(requirements.network).to_dict())
        key = offer.scheme.claim(payment, requirements)
        if not isinstance(key, Refused) and not self._payers.take(key.payer):
            return error_response(429, "too many settlements of this payer", _RETRY)
        outcome = await self._work(lambda: offer.scheme.settle(payment, requirements))
        if isinstance(outcome, Response):
            return outcome
        return _json(200, _settlement(outcome, requirements), _RETRY if isinstance(outcome, Unknown) else b"")

    async def _work(self, ask: Any) -> Any:
        """Return what a thread found out, or the answer for an error of ours."""
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        except TallystickError as error:
            _log.error("a payment cannot be worked on", exc_info=error)
            return _json(503, {"error": "the facilitator cannot go on; ask again with the same payment"}, _RETRY)
        finally:
            self._waiting -= 1

    # --- parts

    def _client(self, request: Request) -> str | None:
        """Return who asks, None where it does not show a token that it needs."""
        if not self._tokens:
            return _ANYBODY
        kind, _, shown = request.headers.get(b"authorization", b"").partition(b" ")
        known = [hmac.compare_digest(shown.strip(), token) for token in self._tokens]
        return f"token {known.index(True)}" if kind.lower() == b"bearer" and any(known) else None

    def _supported(self) -> Response:
        kinds = [{"x402Version": VERSION, "scheme": name, "network": network} for name, network in self._offers]
        signers = sorted({one.signer for one in self._offers.values()})
        return _json(200, {"kinds": kinds, "extensions": [], "signers": {"eip155:*": signers}})


def _read(body: bytes) -> tuple[Payment, Requirements]:
    found = read_json(body, "request")
    return Payment.read(found.get("paymentPayload")), Requirements.read(found.get("paymentRequirements"))


def _unsupported(requirements: Requirements) -> Verdict:
    return Verdict(False, "", reasons.SCHEME, f"{requirements.scheme} on {requirements.network} is not settled here")


def _verdict(verdict: Verdict) -> dict[str, Any]:
    named = (("payer", verdict.payer), ("invalidReason", verdict.reason), ("invalidMessage", verdict.message))
    return {"isValid": verdict.is_valid} | {name: value for name, value in named if value}


def _settlement(outcome: Outcome, requirements: Requirements) -> dict[str, Any]:
    if isinstance(outcome, Settled):
        return outcome.to_settlement().to_dict()
    return outcome.to_settlement(requirements.network).to_dict()


def _json(status: int, value: object, headers: bytes = b"") -> Response:
    return Response(status, orjson.dumps(value), JSON, _NO_STORE + headers)


def _not_allowed(methods: bytes) -> Response:
    return error_response(405, "not allowed", b"allow: " + methods + b"\r\n")
