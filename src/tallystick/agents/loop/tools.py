"""Tools: what a planner may call. Arguments are checked against the tool's schema before it runs.

A refusal is an answer too: the planner reads what was wrong and what to do, in the words of our errors, and the loop
goes on. Only an error of ours ends it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import jsonschema
import orjson
import referencing
import referencing.exceptions

from tallystick.agents.loop.chat import ToolCall
from tallystick.core.errors import Broken, InvalidInput, TallystickError
from tallystick.core.limits import LOOP_RESULT_CHARS_MAX

Effect = Literal["reads", "computes", "spends"]

CUT: Final = "\n[cut: the answer was longer]"


@dataclass(frozen=True)
class Called:
    """A call that was answered; `is_refused` when the tool did not do what it was asked for.

    code  of the refusal, stable; "" where there was none
    """

    call: ToolCall
    answer: str
    is_refused: bool = False
    code: str = ""


@dataclass(frozen=True)
class Moment:
    """What a tool may know of the run that calls it, so that an act can say why it is done.

    goal     what the run is for
    planner  whose word it is: a name, and the SHA-256 of its weights or plan
    prompt   all that the planner had read when it asked, canonical
    called   what was called before, in order
    """

    goal: str
    planner: str
    weights: bytes
    prompt: bytes
    called: tuple[Called, ...] = ()


@dataclass(frozen=True)
class Tool:
    """One tool.

    parameters  JSON schema of its arguments, an object
    effect      reads: it changes nothing; computes: it runs code, in the sandbox; spends: it acts with the wallet
    level       lowest level of autonomy at which it can do anything for its caller
    price       what a call costs, in words; "" for nothing
    run         does it; what it raises of ours is the answer
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    effect: Effect
    run: Callable[[dict[str, Any], Moment], str] = field(compare=False)
    level: int = 0
    price: str = ""

    def to_dict(self) -> dict[str, object]:
        """Return the tool as the chat completions interface declares functions."""
        told = self.description + (f" Costs {self.price}." if self.price else "")
        shown = {"name": self.name, "description": told, "parameters": dict(self.parameters)}
        return {"type": "function", "function": shown}


class Toolbox:
    """The tools of one run, each by a name of its own; raises InvalidInput "loop.tool" for two of one name."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            if tool.name in self._tools:
                raise InvalidInput("loop.tool", "two tools have one name", got=tool.name, hint="rename one")
            _check_schema(tool)
            self._tools[tool.name] = tool

    def __iter__(self) -> Any:
        return iter(self._tools.values())

    def call(self, call: ToolCall, moment: Moment) -> Called:
        """Return what the tool answered, or why it did not; raises Broken alone, for what is our fault."""
        try:
            tool = self._find(call.name)
            answer = tool.run(_arguments(call, tool), moment)
        except Broken:
            raise
        except TallystickError as error:
            told = {"refused": str(error), "code": error.code, "hint": error.hint}
            return Called(call, orjson.dumps(told).decode(), is_refused=True, code=error.code)
        is_whole = len(answer) <= LOOP_RESULT_CHARS_MAX
        return Called(call, answer if is_whole else answer[:LOOP_RESULT_CHARS_MAX] + CUT)

    def _find(self, name: str) -> Tool:
        tool = self._tools.get(name)
        if tool is None:
            raise InvalidInput(
                "loop.tool",
                "there is no such tool",
                expected=", ".join(sorted(self._tools)),
                got=ascii(name)[:80],
                hint="call one of these",
            )
        return tool


def _arguments(call: ToolCall, tool: Tool) -> dict[str, Any]:
    """Return the arguments that fit the tool's schema; raises InvalidInput "loop.arguments"."""
    try:
        arguments = orjson.loads(call.arguments or "{}")
    except orjson.JSONDecodeError:
        raise _unfit("JSON text", ascii(call.arguments)[:120]) from None
    try:
        wrong = jsonschema.exceptions.best_match(_validator(tool).iter_errors(arguments))
    except referencing.exceptions.Unresolvable:
        raise InvalidInput("loop.tool", "the tool's schema refers to what it does not hold", got=tool.name) from None
    if wrong is not None:
        raise _unfit("what the tool's schema says", f"{wrong.json_path}: {wrong.message}"[:200])
    found: dict[str, Any] = arguments
    return found


def _validator(tool: Tool) -> Any:
    """Return what checks a tool's arguments; it looks up no schema that lies elsewhere."""
    schema = {"type": "object", "additionalProperties": False, **tool.parameters}
    return jsonschema.Draft202012Validator(schema, registry=referencing.Registry())


def _check_schema(tool: Tool) -> None:
    try:
        jsonschema.Draft202012Validator.check_schema(dict(tool.parameters))
    except jsonschema.SchemaError as error:
        raise InvalidInput(
            "loop.tool", f"{tool.name} has no JSON schema", expected="draft 2020-12", got=error.message[:120]
        ) from None


def _unfit(expected: str, got: str) -> InvalidInput:
    return InvalidInput(
        "loop.arguments", "the arguments do not fit the tool", expected=expected, got=got, hint="call it again"
    )
