"""The exact steps from what an account has to what its owner wants: lowerings at once, raises announced, made once due.

Pure and repeatable: planned again after some steps were made, only the rest is left; after all of them, nothing is.
Before sealing everything is made at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from tallystick.agents.policy.change.diff import Change
from tallystick.agents.policy.change.setters import Setter
from tallystick.agents.policy.durations import format_duration, say_time

CHANGE_VALID_S: Final = 14 * 86_400  # an announced change is void so long after it is due, as the contract has it


class Deed(Enum):
    """What a step does."""

    SET = "set"  # the setter itself, by the owner
    SCHEDULE = "schedule"  # announces it, by the owner
    WAIT = "wait"  # nothing yet
    APPLY = "apply"  # makes what was announced; anybody may


@dataclass(frozen=True)
class Step:
    """One step.

    due  when an announced change may be made; 0 where nothing was announced
    """

    deed: Deed
    setter: Setter
    words: str
    due: int = 0

    def to_dict(self, number: int) -> dict[str, object]:
        """Return the step as JSON members, with its number in the plan."""
        shown = {"number": number, "deed": self.deed.value, "words": self.words, "due": self.due}
        return {**shown, "call": self.setter.to_dict()}


def plan(
    changes: Sequence[Change],
    *,
    is_sealed: bool,
    raise_delay_s: int,
    due_at: Callable[[Setter], int],
    at: int,
    is_strict: bool = False,
) -> tuple[Step, ...]:
    """Return the steps, in order.

    changes    what `diff` found
    due_at     when an announced setter may be made, 0 if it was not announced in this epoch
    at         Unix seconds of now
    is_strict  take away at once what is only to become tighter; it comes back when its raise is due
    """
    return tuple(step for change in changes for step in _steps(change, is_sealed, raise_delay_s, due_at, at, is_strict))


def _steps(
    change: Change, is_sealed: bool, raise_delay_s: int, due_at: Callable[[Setter], int], at: int, is_strict: bool
) -> Iterator[Step]:
    if not is_sealed or not change.is_raise:
        if change.first:
            yield Step(Deed.SET, change.first, f"{change.part}: ends, to come back with other terms")
        yield Step(Deed.SET, change.setter, change.words)
        return
    due = due_at(change.setter)
    is_open = due != 0 and at <= due + CHANGE_VALID_S
    if is_open and at >= due:
        if change.first:
            yield Step(Deed.SET, change.first, f"{change.part}: ends, to come back with other terms")
        yield Step(Deed.APPLY, change.setter, change.words, due)
        return
    if is_strict and change.meanwhile:
        yield Step(Deed.SET, change.meanwhile, f"{change.part}: ends now, until it may come back tighter")
    if is_open:
        yield Step(Deed.WAIT, change.setter, f"{change.words}: waits until {say_time(due)}", due)
    else:
        yield Step(Deed.SCHEDULE, change.setter, f"{change.words}: after {format_duration(raise_delay_s)}")
