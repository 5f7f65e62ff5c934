"""httpx with a purse: a 402 is paid within limits, and while the outcome is unknown the same payment is sent again.

    httpx.Client(transport=PayingTransport(purse))

What is never done: to sign a second payment for a request whose first is undecided, even after a crash; to pay a second
challenge that answers a payment; to follow a redirect with a payment.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from tallystick.agents.payments import reasons
from tallystick.agents.payments.operation import Operation
from tallystick.agents.payments.purse import Purse
from tallystick.agents.payments.purse_book import Booked
from tallystick.agents.payments.wire import (
    PAYMENT_HEADER,
    REQUIRED_HEADER,
    RESPONSE_HEADER,
    Challenge,
    Settlement,
    read_header,
    write_header,
)
from tallystick.core.errors import Broken, InvalidInput, Unavailable
from tallystick.core.limits import PAYING_BACKOFF_S, PAYING_TRIES_MAX
from tallystick.services.extra import agents_extra

with agents_extra():
    import httpx

BOOKED: Final = "tallystick.payment"  # in a response's extensions: the payment as the purse has it

_PAYMENT_REQUIRED: Final = 402
_TOO_MANY: Final = 429
_SERVER: Final = 500


class PayingTransport(httpx.BaseTransport):
    """Sends requests through `transport` and pays for those that cost something.

    payee    whom the payer means to pay, where it knows: the agent's wallet; else whoever the origin named first
    transport  beneath; httpx's own if left out
    """

    def __init__(
        self,
        purse: Purse,
        transport: httpx.BaseTransport | None = None,
        *,
        payee: str | None = None,
        pause: Callable[[float], None] = time.sleep,
        tries_max: int = PAYING_TRIES_MAX,
    ) -> None:
        self._purse = purse
        self._transport = transport or httpx.HTTPTransport(trust_env=False)
        self._payee = payee
        self._pause = pause
        self._tries_max = tries_max

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer, paid for where that was asked.

        raises  Rejected as `Purse.pay`; Unavailable "payment.unknown" where the outcome is still not known: the same
                request, made again, sends the same payment
        """
        operation = Operation.of_http(request.method, str(request.url), request.read())
        booked = self._purse.undecided(operation)
        if booked is None:
            response = self._transport.handle_request(request)
            challenge = _challenge(response)
            if challenge is None:
                return response
            response.close()
            booked = self._purse.pay(challenge, operation, origin_of(request.url), self._payee)
        return self._send(request, booked)

    def close(self) -> None:
        """Close the transport beneath."""
        self._transport.close()

    def _send(self, request: httpx.Request, booked: Booked) -> httpx.Response:
        """Send a payment until somebody says what came of it."""
        if booked.payment is None:
            raise Broken("payment.unsigned", "a payment was to be sent that is not signed", got=booked.id)
        request.headers[PAYMENT_HEADER] = write_header(booked.payment.to_dict())
        pause_s = PAYING_BACKOFF_S
        for left in reversed(range(self._tries_max)):
            try:
                response = self._transport.handle_request(request)
            except httpx.TransportError as error:
                booked = self._purse.learn(booked, None, f"no answer: {type(error).__name__}")
            else:
                told = _settlement(response)
                if not _is_unknown(response.status_code, told):
                    booked = self._purse.learn(booked, told, f"status {response.status_code}")
                    response.extensions[BOOKED] = booked
                    return response
                response.close()
                booked = self._purse.learn(booked, told, f"status {response.status_code}")
            if left:
                self._pause(pause_s)
                pause_s *= 2
        raise Unavailable(
            "payment.unknown", f"nobody knows yet whether payment {booked.id} is settled", got=booked.note,
            hint="ask again: the same payment is sent, and no second one",
        )  # fmt: skip


def origin_of(url: httpx.URL) -> str:
    """Return scheme, host and port of a URL, as payees are pinned by."""
    port = f":{url.port}" if url.port is not None else ""
    return f"{url.scheme}://{url.host}{port}"


def _challenge(response: httpx.Response) -> Challenge | None:
    """Return what a server asks for, None where it does not or nobody can read it."""
    header = response.headers.get(REQUIRED_HEADER)
    if response.status_code != _PAYMENT_REQUIRED or header is None:
        return None
    try:
        return Challenge.read(read_header(header, REQUIRED_HEADER))
    except InvalidInput:
        return None


def _settlement(response: httpx.Response) -> Settlement | None:
    header = response.headers.get(RESPONSE_HEADER)
    if header is None:
        return None
    try:
        return Settlement.read(read_header(header, RESPONSE_HEADER))
    except InvalidInput:
        return None


def _is_unknown(status: int, told: Settlement | None) -> bool:
    """Whether an answer leaves open what came of the payment; a word that it is settled, or is not, does not."""
    if told is not None and (told.success or told.reason not in (reasons.PENDING, reasons.IN_WORK, reasons.NOT_THERE)):
        return False
    return told is not None or status >= _SERVER or status == _TOO_MANY
