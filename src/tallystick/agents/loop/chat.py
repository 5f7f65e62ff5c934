"""Messages of a conversation with a planner, as the chat completions interface of OpenAI and its many servers has them.

Only what a tool loop needs: texts, calls of functions, and their answers. What a server sends is outside bytes: every
member is checked, and what is too long or has another form is refused, never cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from tallystick.core import documents
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import LOOP_CALLS_MAX, LOOP_NAME_CHARS_MAX, LOOP_TEXT_CHARS_MAX

Role = Literal["system", "user", "assistant", "tool"]

_CUT: Final = ("length", "content_filter")  # why a text ended that is not its end


@dataclass(frozen=True)
class ToolCall:
    """One call that a planner asks for; `arguments` is JSON text as the planner wrote it, right or wrong."""

    id: str
    name: str
    arguments: str

    def to_dict(self) -> dict[str, object]:
        """Return the call as the interface has it."""
        return {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": self.arguments}}


@dataclass(frozen=True)
class Message:
    """One message.

    calls     of an assistant's: what it asks for
    answered  of a tool's: the id of the call that it answers
    """

    role: Role
    text: str
    calls: tuple[ToolCall, ...] = ()
    answered: str = ""

    def to_dict(self) -> dict[str, object]:
        """Return the message as the interface has it."""
        found: dict[str, object] = {"role": self.role, "content": self.text}
        if self.calls:
            found["tool_calls"] = [call.to_dict() for call in self.calls]
        if self.role == "tool":
            found["tool_call_id"] = self.answered
        return found


def read_completion(value: object) -> Message:
    """Return the assistant's message that parsed JSON of a chat completion holds.

    Members that servers add (logprobs, reasoning, usage) are passed over. A call without an id, as some servers send
    it, gets one; ids that repeat are refused, since no answer could be told from another.
    raises  InvalidInput "completion.form", "document.…"; "completion.cut" for a text that the server broke off
    """
    choices = _member(value, "choices", list)
    if not choices:
        raise InvalidInput("completion.form", "the completion has no choice", expected="choices[0].message")
    message = _member(choices[0], "message", dict)
    content = message.get("content")
    text = "" if content is None else documents.text(content, "content", LOOP_TEXT_CHARS_MAX)
    listed = [] if message.get("tool_calls") is None else message["tool_calls"]
    calls = tuple(
        _read_call(one, number) for number, one in enumerate(documents.listed(listed, "tool_calls", LOOP_CALLS_MAX), 1)
    )
    if len({call.id for call in calls}) != len(calls):
        raise InvalidInput("completion.form", "two calls have one id", expected="an id for each call")
    if not calls and choices[0].get("finish_reason") in _CUT:
        raise InvalidInput(
            "completion.cut", "the server broke the model's answer off", got=choices[0]["finish_reason"],
            hint="let the endpoint give longer answers; half an answer is none",
        )  # fmt: skip
    return Message("assistant", text, calls)


def _read_call(value: object, number: int) -> ToolCall:
    function = _member(value, "function", dict)
    found = cast("dict[str, object]", value).get("id")
    return ToolCall(
        documents.text(found, "id", LOOP_NAME_CHARS_MAX) if found not in (None, "") else f"call-{number}",
        documents.text(function.get("name"), "name", LOOP_NAME_CHARS_MAX),
        documents.text(function.get("arguments"), "arguments", LOOP_TEXT_CHARS_MAX),
    )


def _member(value: object, name: str, kind: type[Any]) -> Any:
    found = cast("dict[str, object]", value).get(name) if type(value) is dict else None
    if type(found) is not kind:
        raise InvalidInput(
            "completion.form",
            f"the completion lacks {name}",
            expected=kind.__name__,
            got=type(found).__name__,
            hint="the endpoint must speak the chat completions interface",
        )
    return found
