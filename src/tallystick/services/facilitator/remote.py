"""Any facilitator of x402, ours or another's, asked over HTTP; what it says is read strictly and proves nothing.

`agents.payments.witnessed` asks the chain. Redirects are not followed: they would carry a token elsewhere.
"""

from __future__ import annotations

from typing import Any, Final

from tallystick.agents.payments.wire import VERSION, Payment, Requirements, Settlement, read_json
from tallystick.core.errors import InvalidInput, Unavailable
from tallystick.core.limits import DIAL_CONNECT_S, FACILITATOR_ANSWER_S, PAYMENT_BODY_BYTES_MAX
from tallystick.services.dialer import Place
from tallystick.services.extra import agents_extra

with agents_extra():
    import httpx


class RemoteFacilitator:
    """The facilitator at a URL; safe among threads. Close it.

    url    `http(s)://host[:port][/prefix]`
    token  shown to it, where it wants one
    """

    def __init__(self, url: str, token: str | None = None, *, transport: httpx.BaseTransport | None = None) -> None:
        Place.parse(url)
        self._url: Final = url.rstrip("/")
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        timeout = httpx.Timeout(FACILITATOR_ANSWER_S + 5, connect=DIAL_CONNECT_S)
        self._client = httpx.Client(headers=headers, timeout=timeout, transport=transport, trust_env=False)

    def settle(self, payment: Payment, requirements: Requirements) -> Settlement:
        """Return what it says came of a payment.

        raises  Unavailable "facilitator.lost", "facilitator.status"; InvalidInput where its answer is no settlement
        """
        return Settlement.read(self._ask("settle", payment, requirements))

    def supports(self, scheme: str, network: str) -> bool:
        """Return whether it says that it settles a scheme on a network; raises as `settle`."""
        kinds = self._send("GET", "supported", None).get("kinds")
        return isinstance(kinds, list) and any(
            isinstance(one, dict) and (one.get("x402Version"), one.get("scheme")) == (VERSION, scheme)
            and one.get("network") in (network, "eip155:*")
            for one in kinds
        )  # fmt: skip

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def _ask(self, question: str, payment: Payment, requirements: Requirements) -> dict[str, Any]:
        body = {
            "x402Version": VERSION, "paymentPayload": payment.to_dict(),
            "paymentRequirements": dict(requirements.raw),
        }  # fmt: skip
        return self._send("POST", question, body)

    def _send(self, method: str, path: str, body: object) -> dict[str, Any]:
        try:
            with self._client.stream(method, f"{self._url}/{path}", json=body) as answer:
                status, data = answer.status_code, b""
                for part in answer.iter_bytes():
                    data += part
                    if len(data) > PAYMENT_BODY_BYTES_MAX:
                        raise InvalidInput("payment.header", "the facilitator's answer is too large", got=len(data))
        except httpx.HTTPError as error:
            raise Unavailable(
                "facilitator.lost", "the facilitator did not answer", got=type(error).__name__,
                hint="ask again with the same payment",
            ) from None  # fmt: skip
        if status != httpx.codes.OK:
            raise Unavailable(
                "facilitator.status", "the facilitator answered with an error", got=status,
                hint="ask again with the same payment",
            )  # fmt: skip
        return read_json(data, "the facilitator's answer")
