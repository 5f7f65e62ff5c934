"""What a verifier found: a numbered list of checks, each with what it compared.

A verifier never stops at the first fault: it records it and goes on with what can still be checked, so that a report
names everything that is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tallystick.core.errors import TallystickError, VerificationFailed


@dataclass(frozen=True)
class Check:
    """One comparison: what was checked, whether it held, and the two values."""

    name: str
    ok: bool
    detail: str = ""
    expected: str = ""
    got: str = ""

    @classmethod
    def equal(cls, name: str, expected: object, got: object, detail: str = "") -> Check:
        """Return the check that the two values are the same; bytes are shown in hex."""
        return cls(name, expected == got, detail, _shown(expected), _shown(got))

    @classmethod
    def failed(cls, name: str, error: TallystickError) -> Check:
        """Return the failed check that `error` describes."""
        shown = ("" if value is None else _shown(value) for value in (error.expected, error.got))
        return cls(name, False, f"{error.code}: {error}", *shown)

    def to_dict(self) -> dict[str, object]:
        """Return the check as plain values, fit for JSON."""
        return {
            "name": self.name, "ok": self.ok, "detail": self.detail, "expected": self.expected, "got": self.got,
        }  # fmt: skip


@dataclass(frozen=True)
class Report:
    """The checks of one verification, in the order they were made."""

    checks: tuple[Check, ...]

    @classmethod
    def of(cls, checks: Iterable[Check]) -> Report:
        """Run the checks that a generator yields and keep them."""
        return cls(tuple(checks))

    def __add__(self, other: Report) -> Report:
        return Report(self.checks + other.checks)

    @property
    def total(self) -> int:
        """How many checks were made."""
        return len(self.checks)

    @property
    def passed(self) -> int:
        """How many of them held."""
        return sum(check.ok for check in self.checks)

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that did not hold."""
        return tuple(check for check in self.checks if not check.ok)

    @property
    def ok(self) -> bool:
        """Whether there were checks and all of them held."""
        return bool(self.checks) and not self.failures

    def require(self) -> None:
        """Raise VerificationFailed "report.failed" naming the first fault, unless every check held."""
        if not self.checks:
            raise VerificationFailed("report.empty", "nothing was checked")
        if self.failures:
            first = self.failures[0]
            raise VerificationFailed(
                "report.failed",
                f"{len(self.failures)} of {self.total} checks failed, first: {first.name}; {first.detail}",
                expected=first.expected or None,
                got=first.got or None,
            )


def _shown(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
