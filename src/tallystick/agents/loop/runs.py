"""One run of the loop: planner and tools in turn, within bounds, until the planner answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from tallystick.agents.loop.chat import Message
from tallystick.agents.loop.planners import Planner
from tallystick.agents.loop.tools import Called, Moment, Toolbox
from tallystick.core import canonical
from tallystick.core.errors import InvalidInput, Unavailable
from tallystick.core.limits import LOOP_PROMPT_BYTES_MAX, LOOP_STEPS_MAX

Ending = Literal["answered", "out of steps", "out of room", "planner failed"]

FORMAT: Final = "tallystick-run-1"


@dataclass(frozen=True)
class RunBounds:
    """How far a run may go; beyond it the run ends and says so.

    steps         messages of the planner
    calls         calls of tools, all together
    prompt_bytes  of the conversation, as the planner reads it
    """

    steps: int = 32
    calls: int = 64
    prompt_bytes: int = LOOP_PROMPT_BYTES_MAX

    def __post_init__(self) -> None:
        """Raises InvalidInput "loop.bounds"."""
        if not (0 < self.steps <= LOOP_STEPS_MAX and 0 < self.calls <= LOOP_STEPS_MAX):
            raise InvalidInput("loop.bounds", "bounds out of range", expected=f"1 to {LOOP_STEPS_MAX}", got=self.steps)
        if not 0 < self.prompt_bytes <= LOOP_PROMPT_BYTES_MAX:
            raise InvalidInput(
                "loop.bounds", "too much to read", expected=f"≤ {LOOP_PROMPT_BYTES_MAX}", got=self.prompt_bytes
            )


@dataclass
class Run:
    """What was said and called, and how it ended; grows while the run goes on.

    answer  the planner's last text where it answered, otherwise why it ended
    """

    goal: str
    planner: str
    weights: bytes
    messages: list[Message] = field(default_factory=list)
    called: list[Called] = field(default_factory=list)
    ending: Ending = "out of steps"
    answer: str = ""

    def to_dict(self) -> dict[str, object]:
        """Return the transcript as JSON members, whole: it holds all that was read, so it is shown to nobody else."""
        return {
            "format": FORMAT,
            "goal": self.goal,
            "planner": {"name": self.planner, "weights": self.weights.hex()},
            "ending": self.ending,
            "answer": self.answer,
            "messages": [message.to_dict() for message in self.messages],
            "refused": [{"call": one.call.name, "code": one.code} for one in self.called if one.is_refused],
        }


def run(
    goal: str,
    planner: Planner,
    tools: Toolbox,
    *,
    briefing: str,
    bounds: RunBounds | None = None,
    told: Callable[[Called], None] | None = None,
) -> Run:
    """Return the run, ended. What its tools did is done, however it ended.

    briefing  what the planner is told before the goal: its limits, in words; they hold without it
    told      hears of each call when it has been answered
    """
    bounds = bounds or RunBounds()
    made = Run(goal, planner.name, planner.weights, [Message("system", briefing), Message("user", goal)])
    for _ in range(bounds.steps):
        prompt = _prompt(made.messages)
        if len(prompt) > bounds.prompt_bytes:
            return _ended(made, "out of room", "the conversation has become too long")
        try:
            said = planner.next(tuple(made.messages), tools)
        except (InvalidInput, Unavailable) as error:
            return _ended(made, "planner failed", str(error))
        made.messages.append(said)
        if not said.calls:
            return _ended(made, "answered", said.text)
        for call in said.calls:
            if len(made.called) >= bounds.calls:
                return _ended(made, "out of steps", "all calls of tools are used up")
            moment = Moment(goal, planner.name, planner.weights, prompt, tuple(made.called))
            answered = tools.call(call, moment)
            made.called.append(answered)
            made.messages.append(Message("tool", answered.answer, answered=call.id))
            if told is not None:
                told(answered)
    return _ended(made, "out of steps", "all steps are used up")


def _prompt(messages: list[Message]) -> bytes:
    return canonical.encode([message.to_dict() for message in messages])


def _ended(made: Run, ending: Ending, answer: str) -> Run:
    made.ending, made.answer = ending, answer
    return made
