"""What a check of a policy says: findings, the gravest first, each with its place and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Severity(IntEnum):
    """How grave a finding is."""

    NOTE = 1  # worth knowing
    WARNING = 2  # most likely not meant
    DANGER = 3  # money or control can be lost
    REFUSED = 4  # the contract does not take it


@dataclass(frozen=True)
class Finding:
    """One thing about a policy.

    code   stable, `place.reason`
    place  the part of the file, as it is written there
    says   what is the case
    do     what to do about it
    """

    severity: Severity
    code: str
    place: str
    says: str
    do: str

    def to_dict(self, number: int) -> dict[str, object]:
        """Return the finding as JSON members, with its number in the report."""
        return {
            "number": number,
            "severity": self.severity.name.lower(),
            "code": self.code,
            "place": self.place,
            "says": self.says,
            "do": self.do,
        }


def refused(code: str, place: str, says: str, do: str) -> Finding:
    """Return a finding of what the contract does not take."""
    return Finding(Severity.REFUSED, code, place, says, do)


def danger(code: str, place: str, says: str, do: str) -> Finding:
    """Return a finding of what can lose money or control."""
    return Finding(Severity.DANGER, code, place, says, do)


def warning(code: str, place: str, says: str, do: str) -> Finding:
    """Return a finding of what is most likely not meant."""
    return Finding(Severity.WARNING, code, place, says, do)


def note(code: str, place: str, says: str, do: str) -> Finding:
    """Return a finding that is worth knowing."""
    return Finding(Severity.NOTE, code, place, says, do)
