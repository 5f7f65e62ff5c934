"""A server whose work is paid for over channels: take the call, do the work, charge, answer.

Each request needs a call of a channel in PAYMENT-SIGNATURE, signed for exactly this request: method, URL and body are
in the operation hash. Without one, or with one that is not taken, the answer is 402 with what is asked for and why;
where nobody knows, it is 503, and the same call is to be repeated. What the work cost, at most the price that was
asked, is in the receipt in PAYMENT-RESPONSE. Work that fails costs nothing.
"""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import orjson

from tallystick.agents.channels import wire
from tallystick.agents.channels.payee import Answered, Payee
from tallystick.agents.channels.payee import Request as Call
from tallystick.agents.channels.payee_book import Taken
from tallystick.agents.channels.signing import signer_of
from tallystick.core.errors import InvalidInput, TallystickError, Unavailable, VerificationFailed
from tallystick.core.limits import CHANNEL_ANSWER_BYTES_MAX, CHANNEL_BATCH_MAX
from tallystick.services.batches import Batches
from tallystick.services.channels.frame import frame, unframed
from tallystick.services.channels.operations import Operations
from tallystick.services.http1 import RETRY_SOON, Request, Response, error_response

_HEADER = wire.CALL_HEADER.lower().encode()
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sold:
    """An answer and what it cost, at most the price that was asked for."""

    response: Response
    cost: int


Work = Callable[[Request], Coroutine[Any, Any, Sold]]
Price = Callable[[Request], int]


@dataclass(frozen=True)
class Offering:
    """What is sold where, and for what.

    origin   `http://host:port` as clients address it: it is in the operation hash
    network  of the channels, CAIP-2
    coin     of the channels, zero for the chain's own
    price    of a request, or the most that it may cost
    work     does it, once it is paid for
    """

    origin: str
    network: str
    coin: str
    contract: str
    price: Price
    work: Work


class ChannelServer:
    """Answers requests that are paid for over channels; lives on one event loop. `handle` is a `Listener`'s handler."""

    def __init__(self, payee: Payee, offering: Offering) -> None:
        self._payee = payee
        self._offering = offering
        self._operations = Operations(offering.origin)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="channels")
        self._taking: Batches[Call, Taken | Answered | TallystickError] = Batches(
            payee.take, CHANNEL_BATCH_MAX, self._pool
        )
        self._finishing: Batches[tuple[Taken, int, bytes], Answered] = Batches(
            payee.finish, CHANNEL_BATCH_MAX, self._pool
        )

    def close(self) -> None:
        """End the thread that writes; what it writes is written first."""
        self._pool.shutdown()

    async def handle(self, request: Request) -> Response:
        """Return the answer to one request."""
        price = self._offering.price(request)
        header = request.headers.get(_HEADER)
        if header is None:
            return self._challenge(price, "payment required")
        try:
            _, call = wire.read_call_header(header)
            self._check(request, call, price)
            found = await self._taking.do(call)
        except TallystickError as error:
            return self._refusal(price, error)
        if isinstance(found, TallystickError):
            return self._refusal(price, found)
        if isinstance(found, Taken):
            sold = await self._sold(request, price)
            answer = frame(sold.response.status, sold.response.content_type, sold.response.body)
            found = await self._finishing.do((found, sold.cost, answer))
        return self._answered(call, found)

    # --- parts

    def _check(self, request: Request, call: Call, price: int) -> None:
        signed = call.signed.call
        if signed.operation != self._operations.hash(request.method, request.path, request.query, request.body):
            raise InvalidInput("channel.operation", "the call was signed for another request")
        if signed.bound < price:
            raise InvalidInput("channel.price", "the call costs more", expected=f"≥ {price}", got=signed.bound)

    async def _sold(self, request: Request, price: int) -> Sold:
        """Return what came of the work; nothing that it does goes uncharged or charged twice."""
        try:
            sold = await self._offering.work(request)
        except Exception:  # noqa: BLE001  whatever it was, the client learns only that it was, and pays nothing
            _log.exception("paid work failed")
            return Sold(error_response(500, "the work failed; nothing was charged"), 0)
        if len(sold.response.body) > CHANNEL_ANSWER_BYTES_MAX // 2:
            return Sold(error_response(500, "the answer is too large; nothing was charged"), 0)
        return Sold(sold.response, 0 if sold.response.status >= 400 else min(sold.cost, price))

    def _answered(self, call: Call, answered: Answered) -> Response:
        found = unframed(answered.done.answer)
        header = wire.receipt_header(self._offering.network, signer_of(call.terms), answered)
        line = f"{wire.RECEIPT_HEADER}: {header}\r\n".encode("ascii")
        return Response(found.status, found.body, found.content_type, line)

    def _refusal(self, price: int, error: TallystickError) -> Response:
        if isinstance(error, Unavailable):
            return error_response(503, f"{error.code}: repeat the same payment", RETRY_SOON)
        if isinstance(error, InvalidInput | VerificationFailed):
            return self._challenge(price, f"{error.code}: {error}")
        raise error

    def _challenge(self, price: int, why: str) -> Response:
        one = self._offering
        accepts = wire.requirements(
            one.network, one.coin, one.contract, self._payee.address, price, receiptKey=self._payee.receipt_key
        )
        body = orjson.dumps({"x402Version": wire.VERSION, "error": why[:500], "accepts": [accepts]})
        line = f"{wire.CHALLENGE_HEADER}: {b64encode(body).decode('ascii')}\r\n".encode("ascii")
        return Response(402, body, headers=line)
