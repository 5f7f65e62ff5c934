"""The error tree, split by who must act.

    TallystickError         stable `code`, human `hint`, the compared values as fields
    ├── InvalidInput        the caller must change the request
    ├── Rejected            the chain said no; `code` is the contract's reason string
    ├── Unavailable         nobody is wrong; try again later
    ├── VerificationFailed  the evidence is wrong; stop, never retry
    └── Broken              we are wrong; crash loudly

Bytes from outside may only raise `InvalidInput` or `VerificationFailed`. Codes are `place.reason` in lower case
and never change once released; messages may.
"""

from __future__ import annotations


class TallystickError(Exception):
    """Base of every error that this package raises on purpose.

    code      stable identifier, `place.reason`, for programs
    message   what happened, lower case, one line
    expected  what would have been right, where two values were compared
    got       what came instead
    hint      what to do next, one sentence
    """

    def __init__(self, code: str, message: str, *, expected: object = None, got: object = None, hint: str = "") -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.expected = expected
        self.got = got
        self.hint = hint

    def __str__(self) -> str:
        named = (("expected", self.expected), ("got", self.got))
        compared = ", ".join(f"{name} {value}" for name, value in named if value is not None)
        return f"{self.message}: {compared}" if compared else self.message

    def to_dict(self) -> dict[str, str]:
        """Return the error as flat strings, fit for JSON output."""
        fields = {"code": self.code, "message": self.message, "hint": self.hint}
        compared = {"expected": self.expected, "got": self.got}
        fields |= {name: str(value) for name, value in compared.items() if value is not None}
        return {"error": type(self).__name__, **fields}


class InvalidInput(TallystickError):
    """The request or document cannot be accepted as it is; the caller must change it."""


class Rejected(TallystickError):
    """A contract or a node refused a well-formed request; `code` is the revert reason where there is one."""


class Unavailable(TallystickError):
    """A resource did not answer; nothing is known to be wrong and the same request may succeed later."""


class VerificationFailed(TallystickError):
    """Evidence contradicts a claim. Never retried, never ignored."""


class Broken(TallystickError):
    """An invariant of ours does not hold, or the machine under us failed; stop and report."""
