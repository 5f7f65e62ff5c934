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
from tallystick.core.limits import LOOP_DEPTH_MAX, LOOP_RESULT_CHARS_MAX

Effect = Literal["reads", "computes", "spends"]

_DEFINITIONS: Final = "#/$defs/"
_REFERENCES: Final = frozenset({"$ref", "$dynamicRef", "$recursiveRef", "$id"})

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

    parameters  JSON schema of its arguments, an object; it refers to nothing outside itself
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
    if _depth(arguments) > LOOP_DEPTH_MAX:
        raise _unfit(f"at most {LOOP_DEPTH_MAX} levels", "more")
    try:
        wrong = jsonschema.exceptions.best_match(_validator(tool).iter_errors(arguments))
    except (referencing.exceptions.Unresolvable, ValueError) as error:
        raise _no_schema(tool, type(error).__name__) from None
    if wrong is not None:
        raise _unfit("what the tool's schema says", f"{wrong.json_path}: {wrong.message}"[:200])
    found: dict[str, Any] = arguments
    return found


def _validator(tool: Tool) -> Any:
    """Return what checks a tool's arguments; it looks up no schema that lies elsewhere."""
    schema = {"type": "object", "additionalProperties": False, **tool.parameters}
    return jsonschema.Draft202012Validator(schema, registry=referencing.Registry())


def _check_schema(tool: Tool) -> None:
    """Raise InvalidInput "loop.tool" unless the tool's parameters are the schema of an object.

    It ends: a schema that refers to itself would be followed until the interpreter's own stack is used up.
    """
    schema = dict(tool.parameters)
    if _depth(schema) > LOOP_DEPTH_MAX:
        raise _no_schema(tool, f"more than {LOOP_DEPTH_MAX} levels")
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
        _check_references(tool, schema)
    except (jsonschema.SchemaError, ValueError) as error:
        raise _no_schema(
            tool, error.message if isinstance(error, jsonschema.SchemaError) else type(error).__name__
        ) from None
    if schema.get("type", "object") != "object":
        raise _no_schema(tool, f"type {schema['type']}")


def _check_references(tool: Tool, schema: dict[str, Any]) -> None:
    """Raise InvalidInput unless each reference names one of the schema's own `$defs`, and none leads back to itself."""
    definitions = schema.get("$defs", {})
    left = {name: _references(tool, one) for name, one in definitions.items()}
    _references(tool, schema)
    while left:
        ends = {name for name, names in left.items() if not names & left.keys()}
        if not ends:
            raise _no_schema(tool, f"{min(left)} refers to itself")
        left = {name: names for name, names in left.items() if name not in ends}


def _references(tool: Tool, schema: object) -> set[str]:
    """Return the names of the definitions that a part of a schema refers to."""
    found: set[str] = set()
    parts = [schema]
    while parts:
        part = parts.pop()
        if isinstance(part, list):
            parts += part
        if not isinstance(part, dict):
            continue
        parts += part.values()
        for word in _REFERENCES & part.keys():
            name = part[word]
            if isinstance(name, str) and (word != "$ref" or not name.startswith(_DEFINITIONS) or "/" in name[8:]):
                raise _no_schema(tool, f"{word} {name}")
            if isinstance(name, str):
                found.add(name.removeprefix(_DEFINITIONS))
    return found


def _depth(value: object) -> int:
    """Return how deep lists and objects nest, counted no further than one beyond what is allowed."""
    depth, level = 0, [value]
    while level and depth <= LOOP_DEPTH_MAX:
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        depth += 1
    return depth


def _no_schema(tool: Tool, got: str) -> InvalidInput:
    return InvalidInput(
        "loop.tool",
        f"{ascii(tool.name)[:80]} has no JSON schema that ends",
        expected="draft 2020-12 of an object; references to its own $defs alone",
        got=ascii(got)[:120],
    )


def check_json(value: object, code: str) -> None:
    """Raise InvalidInput of this code where a value of TOML is none of JSON: numbers beyond 64 bits, too deep."""
    try:
        orjson.dumps(value)
    except TypeError as error:
        raise InvalidInput(code, "not a value of JSON", got=ascii(str(error))[:80], hint="write it as text") from None


def _unfit(expected: str, got: str) -> InvalidInput:
    return InvalidInput(
        "loop.arguments", "the arguments do not fit the tool", expected=expected, got=got, hint="call it again"
    )
