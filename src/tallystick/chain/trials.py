"""Calls that are tried and not sent: what a node is asked, and what it answers."""

from __future__ import annotations

from typing import Final

from tallystick.chain.calls import Call
from tallystick.chain.wire import read_data, read_quantity, write_data, write_quantity
from tallystick.core.ids import parse_address

WENT_THROUGH: Final = 0  # of a call that was tried with a limit; nothing costs no gas at all


def call_object(to: str | None, data: bytes, sender: str | None, value: int) -> dict[str, object]:
    """Return a call as JSON-RPC has it."""
    params: dict[str, object] = {"data": write_data(data)}
    if to is not None:
        params["to"] = parse_address(to)
    if sender is not None:
        params["from"] = parse_address(sender)
    if value:
        params["value"] = write_quantity(value)
    return params


def trial(call: Call, sender: str, gas: int | None, at: object) -> tuple[str, list[object]]:
    """Return the request that tries a call: how much gas it needs, or whether it gets by with so much."""
    params = call_object(call.to, call.data, sender, call.value)
    if gas is None:
        return "eth_estimateGas", [params, at]
    return "eth_call", [params | {"gas": write_quantity(gas)}, at]


def read_trial(value: object, method: str) -> int:
    """Return the gas that was estimated, or WENT_THROUGH."""
    if method == "eth_estimateGas":
        return read_quantity(value, method)
    read_data(value, method)
    return WENT_THROUGH
