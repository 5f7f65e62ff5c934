"""Parsers of agents: policy files and intent records."""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.agents.intents import Intent
from tallystick.agents.intents_signed import SignedIntent
from tallystick.agents.loop import read_plan
from tallystick.agents.loop.chat import read_completion
from tallystick.agents.loop.code import read_tool_head
from tallystick.agents.policy import read_policy, write_policy
from tallystick.agents.policy.signatures import parse_call
from tests.agents.loop.test_planners import RULES, SCRIPT
from tests.agents.policy.policies import WHOLE
from tests.agents.test_intents import INTENT, SECRET
from tests.fuzz.targets import Target, of_json, of_text


def _signed() -> Sequence[bytes]:
    return [SignedIntent.sign(INTENT, SECRET).to_bytes()]


_CALL = b'{"id":"c","type":"function","function":{"name":"pay","arguments":"{}"}}'
_COMPLETIONS = [
    b'{"choices":[{"message":{"role":"assistant","content":"done"},"finish_reason":"stop"}]}',
    b'{"choices":[{"message":{"content":null,"tool_calls":[' + _CALL + b"]}}]}",
]
_TOOL = b"""# /// tool
# name = "mean"
# description = "The mean of numbers."
# [parameters]
# properties.values = { type = "array", items = { type = "number" } }
# ///
"""

TARGETS = [
    Target("agents.completion", of_json(read_completion), lambda: _COMPLETIONS),
    Target("agents.plan", read_plan, lambda: [SCRIPT, RULES]),
    Target("agents.tool_head", read_tool_head, lambda: [_TOOL]),
    Target("agents.policy", read_policy, lambda: [WHOLE], write_policy),
    Target("agents.call", of_text(lambda text: parse_call(text, "call")), lambda: [b"f((address,uint8)[2],bytes)"]),
    Target("agents.intent", Intent.from_bytes, lambda: [INTENT.to_bytes()], Intent.to_bytes, exact=True),
    Target("agents.signed_intent", SignedIntent.from_bytes, _signed, SignedIntent.to_bytes, exact=True),
]
