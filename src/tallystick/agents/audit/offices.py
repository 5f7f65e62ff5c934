"""Who held what office when: owner, keys, sessions, payees and digests, followed event by event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tallystick.agents.audit.evidence import place_of
from tallystick.agents.audit.findings import Place
from tallystick.agents.policy.nouns import NOBODY, Level, Role, Standing
from tallystick.chain.bindings import policy_account as account_events
from tallystick.chain.bindings import policy_queue, policy_rules
from tallystick.chain.calls import Log


@dataclass(frozen=True)
class Office:
    """A session as it was granted, with its level of the moment."""

    terms: account_events.Session
    epoch: int
    level: int


@dataclass
class Offices:
    """An account at one place of the chain; `move_to` a later one, never back."""

    events: Sequence[tuple[Log, Any]]
    owner: str = NOBODY
    epoch: int = 0
    frozen_until: int = 0
    queue: policy_queue.QueueTerms = policy_queue.QueueTerms(0, 0, 0, 0)  # noqa: RUF009  a value
    keys: dict[str, int] = field(default_factory=dict)
    sessions: dict[str, Office] = field(default_factory=dict)
    payees: dict[str, tuple[int, int]] = field(default_factory=dict)
    digests: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    _next: int = 0

    def move_to(self, place: Place) -> None:
        """Take in all events before this place."""
        while self._next < len(self.events) and place_of(self.events[self._next][0]) < place:
            self._take(self.events[self._next][1])
            self._next += 1

    def session_at(self, key: str, at: int) -> Office | None:
        """Return a session that had a say at this time; None where it had none."""
        office = self.sessions.get(key)
        if office is None or office.epoch != self.epoch or at < self.frozen_until:
            return None
        return office if office.terms.valid_after <= at <= office.terms.valid_until else None

    def level_of(self, key: str) -> int:
        """Return the level of a session, 0 where it is none."""
        office = self.sessions.get(key)
        return office.level if office is not None and office.epoch == self.epoch else Level.OBSERVE

    def may_be_paid(self, payee: str, at: int) -> bool:
        """Whether a payee was allowed."""
        standing, expires = self.payees.get(payee, (Standing.UNKNOWN, 0))
        return standing == Standing.ALLOWED and at <= expires

    def is_approved(self, digest: bytes, at: int) -> bool:
        """Whether the owner's word for a digest held."""
        expires, epoch = self.digests.get(digest, (0, -1))
        return at <= expires and epoch == self.epoch

    def approvers(self) -> set[str]:
        """Return who may approve items."""
        return {key for key, role in self.keys.items() if role == Role.APPROVER}

    def _take(self, event: Any) -> None:
        if isinstance(event, account_events.OwnerChanged):
            self.owner = event.owner
        elif isinstance(event, account_events.RoleSet):
            self.keys[event.account] = event.role if event.is_held else 0
        elif isinstance(event, account_events.EpochBumped | account_events.Frozen):
            self.epoch = event.epoch
            self.frozen_until = getattr(event, "until", self.frozen_until)
        elif isinstance(event, account_events.FreezeMoved):
            self.frozen_until = event.until
        elif isinstance(event, account_events.DigestApproved):
            self.digests[event.digest] = (event.expires, self.epoch)
        elif isinstance(event, policy_rules.PayeeSet):
            self.payees[event.payee] = (event.standing, event.expires)
        elif isinstance(event, policy_queue.QueueTermsSet):
            self.queue = event.terms
        else:
            self._take_session(event)

    def _take_session(self, event: Any) -> None:
        if isinstance(event, account_events.SessionGranted):
            self.sessions[event.session] = Office(event.terms, event.epoch, event.terms.level)
        elif isinstance(event, account_events.SessionRevoked):
            self.sessions.pop(event.session, None)
        elif isinstance(event, account_events.SessionRotated) and event.session in self.sessions:
            self.sessions[event.successor] = self.sessions.pop(event.session)
        elif isinstance(event, account_events.LevelSet) and event.session in self.sessions:
            self.sessions[event.session] = replace(self.sessions[event.session], level=event.level)


def is_able(office: Office | None) -> bool:
    """Whether a session may act alone."""
    return office is not None and office.level >= Level.BOUNDED
