"""Parsers of what agents of others say: cards, messages, results, arguments."""

from __future__ import annotations

import json
from typing import Any

import orjson
from a2a.types import AgentCard, Message
from google.protobuf.json_format import MessageToJson, Parse, ParseError
from mcp.types import CallToolResult, TextContent

from tallystick.agents.identity.keys import KeyTerm
from tallystick.agents.identity.reference import AgentRef
from tallystick.core.canonical import check_nesting
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import ASGI_DEPTH_MAX
from tallystick.services.a2a.card import agent_of, check_card, read_card, write_card
from tallystick.services.a2a.requests import Wanted, metadata_of, read_wanted
from tallystick.services.abilities.shapes import amount, anything, check_arguments, many, record, text, whole
from tallystick.services.mcp.payment import challenge_in, receipt_in, tool_operation
from tests.fuzz.targets import Target, of_json

AGENT = AgentRef.parse("eip155:1:0x" + "11" * 20 + "/7")
SHAPE = record(
    {"name": text("", 64), "many": many(whole("", 0, 9)), "amount": amount("x"), "any": anything("x")},
    optional=("many", "any"),
)
CARD = {
    "name": "oracle",
    "supportedInterfaces": [{"url": "http://a.test/a2a", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}],
    "capabilities": {
        "extensions": [{"uri": "https://eips.ethereum.org/EIPS/eip-8004", "params": {"agent": str(AGENT)}}]
    },
    "signatures": [{"protected": "eyJhbGciOiJFZERTQSJ9", "signature": "AA"}],
}
DEMAND = {"x402Version": 2, "accepts": [], "error": "payment required"}


def _card(data: bytes) -> AgentCard:
    card = read_card(data)
    agent_of(card)
    assert not check_card(card, AGENT, "http://a.test", [KeyTerm(bytes(32), (0, 0))], None).ok
    return card


def _message(data: bytes) -> Wanted:
    message = Message()
    check_nesting(data, "request", ASGI_DEPTH_MAX)  # as `services.asgi.Bounded` does before the SDK parses
    try:
        Parse(data, message)
    except (ParseError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise InvalidInput("fuzz.protocol", "the SDK refuses it", got=type(error).__name__) from None
    metadata_of(message)
    wanted = read_wanted([message])
    wanted.operation()
    return wanted


def _arguments(value: Any) -> Any:
    if not isinstance(value, dict):
        raise InvalidInput("fuzz.protocol", "the SDK lets only objects pass")
    tool_operation("t", value)
    return check_arguments(SHAPE, value)


def _result(data: bytes) -> Any:
    said = data.decode("utf-8", "replace")
    found = CallToolResult(content=[TextContent(type="text", text=said)], is_error=True)
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        value = None
    receipt_in(CallToolResult(content=[], meta={"x402/payment-response": value}))
    challenge = challenge_in(found)
    if challenge is None:
        raise InvalidInput("fuzz.absent", "no payment is demanded")
    return challenge


def _asking() -> bytes:
    made = Message(message_id="m", parts=[Wanted("s", {"a": [1, 2.5, "x"]}).part()])
    return MessageToJson(made).encode()


TARGETS = [
    Target("a2a.card", _card, lambda: [json.dumps(CARD).encode()], lambda card: json.dumps(write_card(card)).encode()),
    Target("a2a.message", _message, lambda: [_asking()]),
    Target(
        "abilities.arguments", of_json(_arguments), lambda: [b'{"name":"a","amount":"1.5","many":[1],"any":{"b":[]}}']
    ),
    Target("mcp.result", _result, lambda: [orjson.dumps(DEMAND)]),
]
