"""How what a tool did looks on the wire: a result, or an error with the code and the hint that the command line has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from mcp.types import CallToolResult, TextContent

from tallystick.core.errors import TallystickError, Unavailable
from tallystick.services.abilities.till import Demanded, Given, Sale
from tallystick.services.mcp.payment import RESPONSE


def given(value: Mapping[str, Any], meta: Mapping[str, Any] | None = None) -> CallToolResult:
    """Return a result: its members, and the same as text for those who read only text."""
    return _result(value, is_error=False, meta=meta)


def refused(error: TallystickError, hidden: str = "", meta: Mapping[str, Any] | None = None) -> CallToolResult:
    """Return an error that its caller can act on; `hidden` is a path of this machine that nobody else is told."""
    told = error.to_dict()
    if hidden:
        told = {name: text.replace(hidden, "the workspace") for name, text in told.items()}
    return _result(told, is_error=True, meta=meta)


def challenged(required: Mapping[str, Any], meta: Mapping[str, Any] | None = None) -> CallToolResult:
    """Return the demand of a payment: x402's PaymentRequired, as members and as the first text."""
    return _result(required, is_error=True, meta=meta)


def sold(sale: Sale) -> CallToolResult:
    """Return what came of a call that costs something."""
    if isinstance(sale, Given):
        return given(sale.answer, {RESPONSE: sale.settlement})
    if isinstance(sale, Demanded):
        return challenged(sale.challenge, {RESPONSE: sale.settlement} if sale.settlement else None)
    error = Unavailable(
        "payment.unknown", "nobody knows yet whether this payment moved", got=sale.unknown.reason,
        hint=f"repeat the same payment in {sale.unknown.retry_after_s} s; do not make another",
    )  # fmt: skip
    return refused(error, meta={RESPONSE: sale.settlement})


def _result(value: Mapping[str, Any], *, is_error: bool, meta: Mapping[str, Any] | None = None) -> CallToolResult:
    words = orjson.dumps(value, default=str).decode()
    made = CallToolResult(
        content=[TextContent(type="text", text=words)], structured_content=dict(value), is_error=is_error
    )
    made.meta = dict(meta) if meta else None
    return made
