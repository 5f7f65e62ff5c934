"""Where a payment travels in the protocol: asked for in a result, carried in `_meta` of the call, receipted in `_meta`.

A demand is a result with `isError` whose structured content and first text are x402's PaymentRequired; a payment is in
the request's `_meta` under `x402/payment`; what came of it is in the result's `_meta` under `x402/payment-response`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mcp.types import CallToolResult, TextContent

from tallystick.agents.payments.operation import Operation
from tallystick.agents.payments.wire import Challenge, Settlement, read_json
from tallystick.core.errors import InvalidInput
from tallystick.services.abilities.till import operation_of

PAYMENT: Final = "x402/payment"
RESPONSE: Final = "x402/payment-response"


def tool_operation(name: str, arguments: Mapping[str, Any]) -> Operation:
    """Return what a call is, for payments; raises InvalidInput as `operation_of`."""
    return operation_of("tools/call", f"mcp://tool/{name}", arguments)


def challenge_in(result: CallToolResult) -> Challenge | None:
    """Return the payment that a result demands; None where it demands none.

    raises  InvalidInput as `Challenge.read` where it does, in a form that cannot be read
    """
    if not result.is_error:
        return None
    told = result.structured_content
    if not _demands(told) and result.content and isinstance(result.content[0], TextContent):
        try:
            told = read_json(result.content[0].text.encode("utf-8", "replace"), "challenge")
        except InvalidInput:
            return None
    return Challenge.read(told) if _demands(told) else None


def receipt_in(result: CallToolResult) -> Settlement | None:
    """Return what a result says came of a payment; None where it says nothing that can be read."""
    try:
        return Settlement.read((result.meta or {})[RESPONSE])
    except (KeyError, InvalidInput):
        return None


def _demands(value: object) -> bool:
    return isinstance(value, dict) and "x402Version" in value and "accepts" in value
