"""What happened to an account, as values, in the order in which it happened."""

from __future__ import annotations

from dataclasses import dataclass

from tallystick.agents.policy.nouns import LinkKind
from tallystick.core.authorization import Authorization


@dataclass(frozen=True)
class Act:
    """One act of a session that the audit chain has, done or refused.

    seq          its link
    at           Unix seconds of its block
    amount       native coin that went along
    data         its calldata; None: it could not be found, so it cannot be decided again
    token, spent what it spent, where it was done
    reason       why it was refused; "" where it was done
    waited       of an item: how long before it was proposed, and how long it could still run
    approvals    of an item: how many let it pass
    """

    seq: int
    at: int
    kind: LinkKind
    session: str
    target: str
    amount: int
    data: bytes | None
    token: str
    spent: int
    is_done: bool
    reason: str = ""
    waited_s: int = 0
    approvals: int = 0


@dataclass(frozen=True)
class Paid:
    """An EIP-3009 authorization of the account that a token took; it leaves no link."""

    at: int
    token: str
    authorization: Authorization


@dataclass(frozen=True)
class Beat:
    """The owner said that it lives."""

    at: int


@dataclass(frozen=True)
class Seen:
    """A newcomer was introduced."""

    at: int
    payee: str
    usable_at: int


Past = Act | Paid | Beat | Seen


@dataclass(frozen=True)
class History:
    """Everything that happened, and in words what could not be read."""

    events: tuple[Past, ...]
    gaps: tuple[str, ...] = ()
