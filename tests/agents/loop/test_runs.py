"""The loop: what a planner asks for is checked, answered and kept; neither planner nor tool ends it otherwise.

Invariant: a run ends within its bounds whatever planner and tools do, and its transcript holds every call and answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.agents.loop import Message, Moment, RunBounds, Tool, Toolbox, ToolCall, run
from tallystick.agents.loop.tools import CUT
from tallystick.core import canonical
from tallystick.core.errors import Broken, InvalidInput, Rejected, Unavailable

NUMBER = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0}}, "required": ["n"]}


def _tool(name: str = "double", answer: Any = None) -> Tool:
    def compute(arguments: dict[str, Any], moment: Moment) -> str:
        if answer is not None:
            return answer(arguments, moment)  # type: ignore[no-any-return]
        return str(2 * arguments["n"])

    return Tool(name, "Double a number.", NUMBER, "reads", compute)


class Says:
    """A planner that says what it was given, in order, and then what it last read."""

    name = "says"
    weights = bytes(32)

    def __init__(self, *messages: Message | Exception) -> None:
        self.left = list(messages)
        self.read: list[Sequence[Message]] = []

    def next(self, messages: Sequence[Message], tools: Toolbox) -> Message:
        self.read.append(messages)
        if not self.left:
            return Message("assistant", messages[-1].text)
        said = self.left.pop(0)
        if isinstance(said, Exception):
            raise said
        return said


def _asks(*arguments: str, name: str = "double") -> Message:
    return Message("assistant", "", tuple(ToolCall(f"c{n}", name, one) for n, one in enumerate(arguments)))


def test_a_planner_calls_reads_the_answer_and_ends_with_a_text() -> None:
    planner = Says(_asks('{"n": 21}'))
    made = run("double 21", planner, Toolbox([_tool()]), briefing="be brief")
    assert (made.ending, made.answer, made.called[0].answer) == ("answered", "42", "42")
    assert [message.role for message in made.messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert planner.read[1][-1] == Message("tool", "42", answered="c0")


def test_a_tool_learns_what_was_read_and_called_before() -> None:
    seen: list[Moment] = []
    tool = _tool(answer=lambda arguments, moment: seen.append(moment) or "ok")
    run("go", Says(_asks('{"n": 1}'), _asks('{"n": 2}')), Toolbox([tool]), briefing="")
    assert [len(moment.called) for moment in seen] == [0, 1]
    assert b'"go"' in seen[0].prompt
    assert seen[1].prompt != seen[0].prompt
    assert (seen[1].called[0].call.arguments, seen[1].goal, seen[1].planner) == ('{"n": 1}', "go", "says")


@pytest.mark.parametrize("arguments", ["", "{", "[]", '{"n": "1"}', '{"n": -1}', '{"n": 1, "m": 2}', '{"m": 1}', "NaN"])
def test_arguments_that_do_not_fit_never_reach_the_tool(arguments: str) -> None:
    def never(*_: Any) -> str:
        pytest.fail("the tool ran")

    made = run("go", Says(_asks(arguments)), Toolbox([_tool(answer=never)]), briefing="")
    assert (made.called[0].code, made.called[0].is_refused) == ("loop.arguments", True)


def test_a_tool_that_is_not_there_is_refused_with_those_that_are() -> None:
    made = run("go", Says(_asks("{}", name="drain")), Toolbox([_tool()]), briefing="")
    assert made.called[0].code == "loop.tool"
    assert "double" in made.called[0].answer


@pytest.mark.parametrize("error", [InvalidInput("a.b", "no"), Rejected("c.d", "no"), Unavailable("e.f", "later")])
def test_a_refusal_is_an_answer_and_the_run_goes_on(error: Exception) -> None:
    def refuse(*_: Any) -> str:
        raise error

    made = run(
        "go", Says(_asks('{"n": 1}'), Message("assistant", "well")), Toolbox([_tool(answer=refuse)]), briefing=""
    )
    assert (made.ending, made.answer, made.called[0].code) == ("answered", "well", error.args[0])


def test_a_fault_of_ours_is_not_talked_over() -> None:
    def fail(*_: Any) -> str:
        raise Broken("x.y", "we are wrong")

    with pytest.raises(Broken):
        run("go", Says(_asks('{"n": 1}')), Toolbox([_tool(answer=fail)]), briefing="")


@pytest.mark.parametrize(
    "error", [Unavailable("completion.unreachable", "gone"), InvalidInput("completion.form", "odd")]
)
def test_a_planner_that_fails_ends_the_run_and_what_was_done_is_told(error: Exception) -> None:
    made = run("go", Says(_asks('{"n": 1}'), error), Toolbox([_tool()]), briefing="")
    assert (made.ending, len(made.called)) == ("planner failed", 1)


def test_a_long_answer_is_cut_and_says_so() -> None:
    made = run("go", Says(_asks('{"n": 1}')), Toolbox([_tool(answer=lambda *_: "x" * 100_000)]), briefing="")
    assert made.called[0].answer.endswith(CUT)
    assert len(made.called[0].answer) < 70_000


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 4))
def test_a_run_ends_within_its_bounds(steps: int, calls: int, at_once: int) -> None:
    class Endless(Says):
        def next(self, messages: Sequence[Message], tools: Toolbox) -> Message:
            return _asks(*['{"n": 1}'] * at_once)

    made = run("go", Endless(), Toolbox([_tool()]), briefing="", bounds=RunBounds(steps, calls))
    assert made.ending == "out of steps"
    assert len(made.called) == min(calls, steps * at_once)
    assert sum(message.role == "assistant" for message in made.messages) <= steps


def test_a_conversation_that_grows_too_long_ends() -> None:
    tool = _tool(answer=lambda *_: "x" * 5_000)
    bounds = RunBounds(prompt_bytes=8_000)
    made = run("go", Says(*[_asks('{"n": 1}')] * 9), Toolbox([tool]), briefing="", bounds=bounds)
    assert made.ending == "out of room"


@pytest.mark.parametrize("bounds", [(0, 1), (1, 0), (1_001, 1), (1, 1, 0), (1, 1, 2**40)])
def test_bounds_that_bound_nothing_are_refused(bounds: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput):
        RunBounds(*bounds)


def test_what_was_said_and_done_is_kept_before_what_comes_next() -> None:
    """An interruption in the middle once lost the transcript, which is all that says why a payment was made."""
    kept: list[dict[str, Any]] = []

    def interrupt(*_: Any) -> str:
        assert kept[-1]["messages"][-1]["tool_calls"][0]["id"] == "c0", "the call is on record before it is made"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(
            "go",
            Says(_asks('{"n": 1}')),
            Toolbox([_tool(answer=interrupt)]),
            briefing="",
            kept=lambda made: kept.append(made.to_dict()),
        )
    assert (kept[0]["messages"][-1]["content"], kept[0]["tools"][0]["function"]["name"]) == ("go", "double")
    assert (kept[-1]["ending"], kept[-1]["messages"][-1]["role"]) == ("interrupted", "assistant")

    run("go", Says(_asks('{"n": 1}')), Toolbox([_tool()]), briefing="", kept=lambda made: kept.append(made.to_dict()))
    assert (kept[-1]["ending"], kept[-1]["answer"]) == ("answered", "2")


def test_the_prompt_is_the_canonical_form_of_the_messages_before() -> None:
    """So whoever has the transcript can open what an intent record commits to."""
    seen: list[bytes] = []
    tool = _tool(answer=lambda arguments, moment: seen.append(moment.prompt) or "ok")
    made = run("gø", Says(_asks('{"n": 1}', '{"n": 2}'), _asks('{"n": 3}')), Toolbox([tool]), briefing="")
    shown = [message.to_dict() for message in made.messages]
    assert seen == [canonical.encode(shown[:2])] * 2 + [canonical.encode(shown[:5])]


TREE = {"$defs": {"tree": {"properties": {"n": {"$ref": "#/$defs/tree"}}}}, "$ref": "#/$defs/tree"}
TWO = {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"items": {"$ref": "#/$defs/a"}}}}
DEEP: dict[str, Any] = {}
for _ in range(40):
    DEEP = {"properties": {"n": DEEP}}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array"},
        {"type": ["object", "null"]},
        {"type": "sequence"},
        {"$ref": "#"},
        {"properties": {"n": {"$ref": "#"}}},
        {"$ref": "http://127.0.0.1:9/elsewhere"},
        {"$id": "http://["},
        {"$dynamicRef": "#/$defs/tree", "$defs": {"tree": {}}},
        TREE,
        TWO,
        DEEP,
    ],
    ids=str,
)
def test_parameters_that_are_no_object_or_lead_elsewhere_or_nowhere_are_refused(schema: dict[str, Any]) -> None:
    """A schema that refers to itself once ended the whole process: checking it overran the interpreter's stack."""
    with pytest.raises(InvalidInput) as error:
        Toolbox([Tool("odd", "", schema, "reads", lambda *_: "")])
    assert error.value.code == "loop.tool"


def test_references_to_definitions_of_its_own_are_followed() -> None:
    schema = {
        "$defs": {"price": {"$ref": "#/$defs/count"}, "count": {"type": "integer"}},
        "properties": {"n": {"$ref": "#/$defs/price"}, "$ref": {"type": "string"}},
    }
    tool = Tool("double", "", schema, "reads", lambda *_: "ran")
    made = run("go", Says(_asks('{"n": 1, "$ref": "x"}', '{"n": "1"}')), Toolbox([tool]), briefing="")
    assert [called.code for called in made.called] == ["", "loop.arguments"]


def test_a_reference_to_nothing_and_arguments_too_deep_are_refusals() -> None:
    tool = Tool("odd", "", {"properties": {"n": {"$ref": "#/$defs/no"}, "m": {}}}, "reads", lambda *_: "ran")
    deep = '{"m":' * 900 + "{}" + "}" * 900
    made = run("go", Says(_asks('{"n": 1}', deep, '{"m": {}}', name="odd")), Toolbox([tool]), briefing="")
    assert [called.code for called in made.called] == ["loop.tool", "loop.arguments", ""]


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidInput, match="one name"):
        Toolbox([_tool(), _tool()])
