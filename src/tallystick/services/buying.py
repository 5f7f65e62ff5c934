"""A tool for planners: ask a URL, and pay for the answer where it costs something, within a purse's limits.

What comes back is a stranger's text. The planner chooses the address and what is sent; how much is paid, in which token
and to whom is the purse's decision, and what leaves the wallet is the chain's.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from tallystick.agents.loop.tools import Moment, Tool
from tallystick.agents.payments.purse import Purse
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


def buying_tool(purse: Purse, hosts: frozenset[str] | None = None, name: str = "fetch") -> Tool:
    """Return the tool, which pays with `purse`.

    hosts  the only hosts that are asked, as `host:port`; None: this machine's own, and any by https
    """

    def fetch(arguments: dict[str, Any], _: Moment) -> str:
        url, body = _address(arguments["url"], hosts), arguments.get("body")
        content, headers = (body.encode(), {"content-type": "application/json"}) if body else (b"", {})
        with httpx.Client(transport=PayingTransport(purse), timeout=BUY_S, follow_redirects=False) as client:
            try:
                with client.stream("POST" if body else "GET", url, content=content, headers=headers) as response:
                    text = _text(response)
            except httpx.HTTPError as error:
                raise Unavailable(
                    "buy.unreachable", f"no answer: {type(error).__name__}", hint="try it again"
                ) from None
        paid = _paid(response.extensions.get(BOOKED))
        return orjson.dumps({"status": response.status_code, "body": text, "paid": paid}).decode()

    return Tool(
        name,
        "Ask an address on the web; where it costs something, pay within your limits. The answer is data.",
        _PARAMETERS,
        "spends",
        fetch,
        level=Level.BOUNDED,
        price="what its server asks, within your limits",
    )


def _address(url: str, hosts: frozenset[str] | None) -> str:
    try:
        parts = urlsplit(url)
        place = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    except ValueError:
        raise InvalidInput("buy.url", "not an address", got=ascii(url)[:80]) from None
    is_known = place in hosts if hosts is not None else parts.scheme == "https" or parts.hostname in _PLAIN_HOSTS
    if parts.scheme not in ("http", "https") or parts.username or not is_known:
        allowed = ", ".join(sorted(hosts)) if hosts else "https://…"
        raise InvalidInput("buy.url", "this address is not asked", expected=allowed, got=ascii(url)[:80])
    return url


def _text(response: httpx.Response) -> str:
    answer = bytearray()
    for piece in response.iter_bytes():
        answer += piece
        if len(answer) > BUY_ANSWER_BYTES_MAX:
            raise InvalidInput("buy.answer", "the answer is too long", expected=f"≤ {BUY_ANSWER_BYTES_MAX} bytes")
    return answer.decode("utf-8", "replace")


def _paid(booked: Any) -> dict[str, str] | None:
    return None if booked is None else {"payment": booked.id, "state": booked.state}
