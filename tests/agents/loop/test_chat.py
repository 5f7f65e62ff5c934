"""What a model's server sends is outside bytes: it is read whole or refused, and never raises anything else."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.agents.loop.chat import Message, ToolCall, read_completion
from tallystick.core.errors import InvalidInput

CALL = {"id": "c1", "type": "function", "function": {"name": "pay", "arguments": '{"amount":"1"}'}}


def _completion(**message: object) -> dict[str, object]:
    return {
        "id": "x",
        "usage": {"total_tokens": 3},
        "choices": [{"index": 0, "message": {"role": "assistant", **message}}],
    }


def test_a_text_and_calls_are_read() -> None:
    assert read_completion(_completion(content="hello")) == Message("assistant", "hello")
    read = read_completion(_completion(content=None, tool_calls=[CALL]))
    assert read == Message("assistant", "", (ToolCall("c1", "pay", '{"amount":"1"}'),))


@given(
    st.text(max_size=50),
    st.lists(
        st.builds(ToolCall, st.text(min_size=1, max_size=9), st.text(max_size=9), st.text(max_size=30)),
        max_size=3,
        unique_by=lambda call: call.id,
    ),
)
def test_a_message_is_read_back_as_it_was_written(text: str, calls: list[ToolCall]) -> None:
    message = Message("assistant", text, tuple(calls))
    shown = message.to_dict()
    del shown["role"]
    assert read_completion(_completion(**shown)) == message


@pytest.mark.parametrize("without", [{"id": ""}, {"id": None}])
def test_calls_without_ids_get_their_own(without: dict[str, object]) -> None:
    read = read_completion(_completion(tool_calls=[{**CALL, **without}, CALL, {**CALL, **without}]))
    assert [call.id for call in read.calls] == ["call-1", "c1", "call-3"]


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_half_an_answer_is_none(reason: str) -> None:
    """A text that the server broke off was once taken for the planner's answer."""
    value: Any = _completion(content="the price is 1")
    value["choices"][0]["finish_reason"] = reason
    with pytest.raises(InvalidInput, match="broke the model's answer off"):
        read_completion(value)
    value["choices"][0]["finish_reason"] = "stop"
    assert read_completion(value).text == "the price is 1"


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        {"choices": []},
        {"choices": ["text"]},
        {"choices": [{"message": "text"}]},
        {"error": {"message": "no such model"}},
        _completion(content=7),
        _completion(content="x" * 300_000),
        _completion(tool_calls={}),
        _completion(tool_calls=[CALL] * 33),
        _completion(tool_calls=[CALL, CALL]),
        _completion(tool_calls=[{**CALL, "id": "call-2"}, {**CALL, "id": ""}]),
        _completion(tool_calls=[{**CALL, "id": 1}]),
        _completion(tool_calls=[{**CALL, "function": {"name": "pay", "arguments": {"amount": "1"}}}]),
        _completion(tool_calls=[{**CALL, "function": {"name": "p" * 300, "arguments": ""}}]),
    ],
)
def test_other_forms_are_refused(value: object) -> None:
    with pytest.raises(InvalidInput):
        read_completion(value)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "message", "content", "tool_calls", "function", "id", "name"]), inner
        )
    ),
    max_leaves=12,
)


@given(_JSON)
def test_nothing_but_our_error_leaves_the_reader(value: object) -> None:
    try:
        message = read_completion(orjson.loads(orjson.dumps(value)))
    except InvalidInput:
        return
    assert message.role == "assistant"
