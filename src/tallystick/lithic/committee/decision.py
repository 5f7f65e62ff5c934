"""How stake decides: the contract's rule in Python, for those who recheck a settled answer.

A label needs more than half of the stake of all members. A number needs that much stake present, and is the lower
median by stake of what was revealed: the least answer such that at least half of the present stake says no more. So
with an honest majority of stake that answers, a label is theirs and a number lies among theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum


class OutputKind(IntEnum):
    """What an answer is."""

    LABEL = 1
    NUMBER = 2


class RequestState(IntEnum):
    """How a request stands; the last two are for ever."""

    OPEN = 1
    FULFILLED = 2
    TIMED_OUT = 3


@dataclass(frozen=True)
class Ballot:
    """One member's answer and the stake behind it."""

    output: int
    weight: int


def decide(kind: OutputKind, ballots: Sequence[Ballot], threshold: int, total: int) -> int | None:
    """Return the answer that the ballots decide, None where they decide nothing.

    threshold  how many ballots are needed
    total      stake of all members, absent ones included
    """
    if len(ballots) < threshold:
        return None
    in_order = sorted(ballots, key=lambda ballot: ballot.output)
    if kind is OutputKind.LABEL:
        outputs = sorted({ballot.output for ballot in ballots})
        return next((one for one in outputs if 2 * _weight(b for b in ballots if b.output == one) > total), None)
    present = _weight(ballots)
    if 2 * present <= total:
        return None
    below = 0
    for ballot in in_order:
        below += ballot.weight
        if 2 * below >= present:
            return ballot.output
    return None


def is_paid(kind: OutputKind, output: int, decided: int, tolerance: int) -> bool:
    """Tell whether a member that answered `output` keeps its fee; an outlier loses that and nothing else."""
    return abs(output - decided) <= (tolerance if kind is OutputKind.NUMBER else 0)


def _weight(ballots: Iterable[Ballot]) -> int:
    return sum(ballot.weight for ballot in ballots)
