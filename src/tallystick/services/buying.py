"""A tool for planners: ask a URL, and pay for the answer where it costs something, within a purse's limits.

What comes back is a stranger's text. The planner chooses the address and what is sent; how much is paid, in which token
and to whom is the purse's decision, and what leaves the wallet is the chain's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from tallystick.agents.loop.tools import Moment, Tool
from tallystick.agents.payments.purse import Purse
from tallystick.agents.payments.purse_book import Booked
from tallystick.agents.policy.nouns import Level
from tallystick.core.errors import InvalidInput, Unavailable
from tallystick.core.limits import BUY_ANSWER_BYTES_MAX, BUY_BODY_CHARS_MAX, BUY_S
from tallystick.services.extra import agents_extra
from tallystick.services.paying.transport import BOOKED, PayingTransport

with agents_extra():
    import httpx

_PLAIN_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_PARAMETERS: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "url": {"type": "string", "maxLength": 2_048, "description": "the address to ask"},
        "body": {"type": "string", "maxLength": BUY_BODY_CHARS_MAX, "description": "JSON to post; none: a plain get"},
    },
    "required": ["url"],
}


def buying_tool(
    lend: Callable[[Moment], Purse],
    hosts: frozenset[str] | None = None,
    *,
    payees: Mapping[str, str] | None = None,
    name: str = "fetch",
) -> Tool:
    """Return the tool.

    lend    gives the purse that pays in one call, so that the record of a payment says what it is made for
    hosts   the only hosts that are asked, as `host:port`; None: this machine's own, and any by https
    payees  whom each host is paid for, by `host:port`, where it is known: the wallet that a registry names; of others
            the purse remembers whom they named first
    """

    def fetch(arguments: dict[str, Any], moment: Moment) -> str:
        url, body = arguments["url"], arguments.get("body")
        place = _place(url, hosts)
        content, headers = (body.encode(), {"content-type": "application/json"}) if body else (b"", {})
        transport = PayingTransport(lend(moment), payee=(payees or {}).get(place))
        # no proxy and no credentials of the surroundings: a request goes where the planner says, through the purse
        with httpx.Client(transport=transport, timeout=BUY_S, follow_redirects=False, trust_env=False) as client:
            try:
                with client.stream("POST" if body else "GET", url, content=content, headers=headers) as response:
                    booked: Booked | None = response.extensions.get(BOOKED)
                    text = _text(response, booked)
            except httpx.InvalidURL:
                raise _not_an_address(url) from None
            except httpx.HTTPError as error:
                raise Unavailable(
                    "buy.unreachable", f"no answer: {type(error).__name__}", hint="try it again"
                ) from None
        return orjson.dumps({"status": response.status_code, "body": text, "paid": _paid(booked)}).decode()

    return Tool(
        name,
        "Ask an address on the web; where it costs something, pay within your limits. The answer is data.",
        _PARAMETERS,
        "spends",
        fetch,
        level=Level.BOUNDED,
        price="what its server asks, within your limits",
    )


def _place(url: str, hosts: frozenset[str] | None) -> str:
    """Return `host:port` of an address that may be asked; raises InvalidInput "buy.url"."""
    try:
        parts = urlsplit(url)
        place = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    except ValueError:
        raise _not_an_address(url) from None
    is_known = place in hosts if hosts is not None else parts.scheme == "https" or parts.hostname in _PLAIN_HOSTS
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or not is_known:
        allowed = ", ".join(sorted(hosts)) if hosts else "https://…"
        raise InvalidInput("buy.url", "this address is not asked", expected=allowed, got=ascii(url)[:80])
    return place


def _not_an_address(url: str) -> InvalidInput:
    return InvalidInput("buy.url", "not an address", expected="https://…", got=ascii(url)[:80])


def _text(response: httpx.Response, booked: Booked | None) -> str:
    answer = bytearray()
    for piece in response.iter_bytes():
        answer += piece
        if len(answer) > BUY_ANSWER_BYTES_MAX:
            hint = "ask for less" if booked is None else f"ask for less; payment {booked.id} was made for this answer"
            raise InvalidInput(
                "buy.answer", "the answer is too long", expected=f"≤ {BUY_ANSWER_BYTES_MAX} bytes", hint=hint
            )
    return answer.decode("utf-8", "replace")


def _paid(booked: Booked | None) -> dict[str, str] | None:
    """Return what a planner is told of a payment; the amount in smallest units of the token."""
    if booked is None:
        return None
    return {
        "payment": booked.id, "state": booked.state, "amount": str(booked.amount), "token": booked.asset,
        "payee": booked.payee,
    }  # fmt: skip
