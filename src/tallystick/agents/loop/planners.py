"""Planners that need no model: a script of steps, or rules that answer what was last said. Both are read from TOML.

A rule is an expression to find in the newest text and what to do then, with the names of its groups in `{braces}`. So a
planner that believes every text it reads is a few lines, which is what the drills of prompt injection run.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import orjson

from tallystick.agents.loop.chat import Message, ToolCall
from tallystick.agents.loop.tools import Toolbox, check_json
from tallystick.core import documents
from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import (
    LOOP_GROUPS_MAX,
    LOOP_NAME_CHARS_MAX,
    LOOP_PLAN_BYTES_MAX,
    LOOP_PLAN_STEPS_MAX,
    LOOP_TEXT_CHARS_MAX,
)

_FORMAT: Final = "tallystick-plan-1"
_BRACES: Final = re.compile(r"\{(\w+)\}")


class Planner(Protocol):
    """Says what is done next. `weights` is the SHA-256 of what decides it: a model's weights, or the plan."""

    @property
    def name(self) -> str: ...

    @property
    def weights(self) -> bytes: ...

    def next(self, messages: Sequence[Message], tools: Toolbox) -> Message:
        """Return the assistant's next message; one without calls ends the run, and its text is the answer.

        raises  Unavailable where the planner does not answer, InvalidInput where it answers nonsense
        """
        ...


@dataclass(frozen=True)
class Step:
    """What is done: `call` a tool with these arguments, or end by saying a text.

    when  of a rule: what to find in the newest text; None in a script
    """

    call: str
    arguments: dict[str, Any]
    say: str
    when: re.Pattern[str] | None = None


@dataclass
class ScriptPlanner:
    """Does the steps of a script in their order, whatever it reads."""

    name: str
    weights: bytes
    steps: tuple[Step, ...]
    _done: int = field(default=0, init=False)

    def next(self, messages: Sequence[Message], tools: Toolbox) -> Message:
        """Return the next step's message; the last text that was read where no step is left."""
        if self._done >= len(self.steps):
            return Message("assistant", messages[-1].text)
        step = self.steps[self._done]
        self._done += 1
        return _message(step, self._done, {})


@dataclass
class RulePlanner:
    """Does what the first rule says that fits the newest text; each rule does the same thing once.

    So it ends: a text that repeats itself is obeyed a single time.
    """

    name: str
    weights: bytes
    steps: tuple[Step, ...]
    _done: set[tuple[int, tuple[str, ...]]] = field(default_factory=set, init=False)

    def next(self, messages: Sequence[Message], tools: Toolbox) -> Message:
        """Return what the rules make of the newest text; that text itself where none fits."""
        text = messages[-1].text
        for number, step in enumerate(self.steps):
            for found in step.when.finditer(text) if step.when else ():
                doing = (number, tuple(str(group) for group in found.groups()))
                if doing not in self._done:
                    self._done.add(doing)
                    return _message(step, len(self._done), found.groupdict(""))
        return Message("assistant", text)


def read_plan(data: bytes) -> ScriptPlanner | RulePlanner:
    """Return the planner that a file describes: steps in order, or rules where they say `when`.

    raises  InvalidInput "plan.size", "plan.toml", "plan.format", "plan.step", "document.…"
    """
    if len(data) > LOOP_PLAN_BYTES_MAX:
        raise InvalidInput("plan.size", "the plan is too large", expected=f"≤ {LOOP_PLAN_BYTES_MAX}", got=len(data))
    try:
        value = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InvalidInput("plan.toml", "not a TOML file", got=ascii(str(error))[:120]) from None
    found = documents.members(value, "plan", ("format", "name", "step"))
    if found["format"] != _FORMAT:
        raise InvalidInput("plan.format", "not a plan", expected=_FORMAT, got=ascii(found["format"])[:80])
    steps = tuple(_step(one) for one in documents.listed(found["step"], "step", LOOP_PLAN_STEPS_MAX))
    are_rules = {step.when is not None for step in steps}
    if len(are_rules) != 1:
        raise InvalidInput("plan.step", "a plan is all steps or all rules", hint="give every step `when`, or none")
    kind = RulePlanner if are_rules == {True} else ScriptPlanner
    return kind(documents.text(found["name"], "name", LOOP_NAME_CHARS_MAX), sha256(data), steps)


def _step(value: object) -> Step:
    found = documents.members(value, "step", (), ("when", "call", "arguments", "say"))
    if ("call" in found) == ("say" in found) or ("arguments" in found and "call" not in found):
        raise InvalidInput("plan.step", "a step calls or says", expected="`call` with `arguments`, or `say`")
    arguments = documents.typed(found.get("arguments", {}), dict, "arguments")
    check_json(arguments, "plan.step")
    return Step(
        documents.text(found.get("call", ""), "call", LOOP_NAME_CHARS_MAX),
        arguments,
        documents.text(found.get("say", ""), "say", LOOP_TEXT_CHARS_MAX),
        _pattern(found["when"]) if "when" in found else None,
    )


def _pattern(value: object) -> re.Pattern[str]:
    text = documents.text(value, "when", LOOP_TEXT_CHARS_MAX)
    groups = text.count("(")
    if groups > LOOP_GROUPS_MAX:
        raise InvalidInput("plan.step", "`when` has too many groups", expected=f"≤ {LOOP_GROUPS_MAX}", got=groups)
    try:
        return re.compile(text, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        raise InvalidInput("plan.step", f"`when` is no regular expression: {error}", got=ascii(text)[:80]) from None


def _message(step: Step, number: int, groups: dict[str, str]) -> Message:
    if not step.call:
        return Message("assistant", _filled(step.say, groups))
    arguments = orjson.dumps(_filled(step.arguments, groups)).decode()
    call = ToolCall(f"call-{number}", step.call, arguments)
    return Message("assistant", "", (call,))


def _filled(value: Any, groups: dict[str, str]) -> Any:
    """Return the value with the groups in place of their names; what a group says is not looked through again."""
    if isinstance(value, list):
        return [_filled(one, groups) for one in value]
    if isinstance(value, dict):
        return {name: _filled(one, groups) for name, one in value.items()}
    if not isinstance(value, str):
        return value
    return _BRACES.sub(lambda found: groups.get(found[1], found[0]), value)
