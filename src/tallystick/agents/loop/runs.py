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

Ending = Literal["answered", "out of steps", "out of room", "planner failed", "interrupted"]

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
            got = f"{self.steps} steps, {self.calls} calls"
            raise InvalidInput("loop.bounds", "bounds out of range", expected=f"1 to {LOOP_STEPS_MAX}", got=got)
        if not 0 < self.prompt_bytes <= LOOP_PROMPT_BYTES_MAX:
            raise InvalidInput(
                "loop.bounds", "too much to read", expected=f"≤ {LOOP_PROMPT_BYTES_MAX}", got=self.prompt_bytes
            )


@dataclass
class Run:
    """What was said and called, and how it ended; grows while the run goes on.

    tools   what was offered to the planner, as it reads it
    ending  "interrupted" until it ends by itself: then a call without an answer may have been carried out
    answer  the planner's last text where it answered, otherwise why it ended
    """

    goal: str
    planner: str
    weights: bytes
    messages: list[Message] = field(default_factory=list)
    called: list[Called] = field(default_factory=list)
    tools: tuple[dict[str, object], ...] = ()
    ending: Ending = "interrupted"
    answer: str = ""

    def to_dict(self) -> dict[str, object]:
        """Return the transcript as JSON members, whole: it holds all that was read, so it is shown to nobody else."""
        return {
            "format": FORMAT,
            "goal": self.goal,
            "planner": {"name": self.planner, "weights": self.weights.hex()},
            "ending": self.ending,
            "answer": self.answer,
            "tools": list(self.tools),
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
    kept: Callable[[Run], None] | None = None,
) -> Run:
    """Return the run, ended. What its tools did is done, however it ended.

    briefing  what the planner is told before the goal: its limits, in words; they hold without it
    told      hears of each call when it has been answered
    kept      hears of the run after each message and at its end, before what comes next: what it writes down is not
              lost with this process
    raises    Broken for a fault of ours, and whatever interrupts us; `kept` has heard of all until then
    """
    bounds = bounds or RunBounds()
    made = Run(goal, planner.name, planner.weights, tools=tuple(tool.to_dict() for tool in tools))
    growing = _Growing(made, kept or (lambda _: None))
    growing.add(Message("system", briefing), Message("user", goal))
    for _ in range(bounds.steps):
        prompt = growing.prompt()
        if len(prompt) > bounds.prompt_bytes:
            return growing.ended("out of room", "the conversation has become too long")
        try:
            said = planner.next(tuple(made.messages), tools)
        except (InvalidInput, Unavailable) as error:
            return growing.ended("planner failed", str(error))
        growing.add(said)
        if not said.calls:
            return growing.ended("answered", said.text)
        for call in said.calls:
            if len(made.called) >= bounds.calls:
                return growing.ended("out of steps", "all calls of tools are used up")
            moment = Moment(goal, planner.name, planner.weights, prompt, tuple(made.called))
            answered = tools.call(call, moment)
            made.called.append(answered)
            growing.add(Message("tool", answered.answer, answered=call.id))
            if told is not None:
                told(answered)
    return growing.ended("out of steps", "all steps are used up")


class _Growing:
    """A run while it goes on; each message is encoded once, however many follow it."""

    def __init__(self, made: Run, kept: Callable[[Run], None]) -> None:
        self._made = made
        self._kept = kept
        self._encoded: list[bytes] = []

    def add(self, *messages: Message) -> None:
        """Append messages, and have them kept."""
        self._encoded += [canonical.encode(message.to_dict()) for message in messages]
        self._made.messages += messages
        self._kept(self._made)

    def prompt(self) -> bytes:
        """Return the messages so far as one canonical document."""
        return b"[" + b",".join(self._encoded) + b"]"

    def ended(self, ending: Ending, answer: str) -> Run:
        """Return the run, which says how it ended, and have it kept."""
        self._made.ending, self._made.answer = ending, answer
        self._kept(self._made)
        return self._made
