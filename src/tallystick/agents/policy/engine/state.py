"""What an account knows when it decides, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tallystick.agents.policy.document import Policy, Queue, Rule, Session
from tallystick.agents.policy.engine.buckets import Bucket, Refused
from tallystick.agents.policy.nouns import NOBODY, Level, Scope, Standing

_COUNT_MAX = 2**16 - 1  # where the contract's counters stay

Place = tuple[Scope, str, str]  # scope, holder, token


@dataclass(frozen=True)
class Counter:
    """How many since when."""

    count: int = 0
    since: int = 0

    def one_more(self, window_s: int, at: int) -> Counter:
        """Return the counter with one more; a window that is over begins anew."""
        if at >= self.since + window_s:
            return Counter(1, at)
        return Counter(min(self.count + 1, _COUNT_MAX), self.since)

    def within(self, window_s: int, at: int) -> int:
        """Return how many count at this instant: none once the window is over."""
        return self.count if at < self.since + window_s else 0


@dataclass(frozen=True)
class SessionState:
    """A session as it is: its terms, the level it has now, the epoch it was granted in, and its counters."""

    terms: Session
    level: Level
    epoch: int = 0
    operations: Counter = Counter()
    denials: Counter = Counter()


@dataclass(frozen=True)
class State:
    """An account as it is. Introduced newcomers are by wallet, with the instant from which they may be paid."""

    account: str
    own: frozenset[str]
    epoch: int = 0
    is_sealed: bool = True
    frozen_until: int = 0
    heartbeat: int = 0
    registry: str = NOBODY
    queue: Queue = field(default_factory=Queue)
    sessions: Mapping[str, SessionState] = field(default_factory=dict)
    buckets: Mapping[Place, Bucket] = field(default_factory=dict)
    rules: Mapping[tuple[str, bytes], Rule] = field(default_factory=dict)
    payees: Mapping[str, tuple[Standing, int]] = field(default_factory=dict)
    newcomers: Mapping[str, int] = field(default_factory=dict)

    def gate(self, key: str, least: Level, at: int) -> SessionState:
        """Return the session if it has a say now; raises Refused: what the contract reverts, without counting it."""
        if self.frozen_until > at:
            raise Refused("roles: frozen")
        session = self.sessions.get(key)
        if session is None or session.epoch != self.epoch:
            raise Refused("sessions: not live")
        if not session.terms.valid_after <= at <= session.terms.valid_until:
            raise Refused("sessions: not live")
        if not self.is_sealed:
            raise Refused("sessions: not sealed")
        if session.level < least:
            raise Refused("sessions: level too low")
        return session

    def is_owner_silent(self, session: SessionState, at: int) -> bool:
        """Tell whether the owner has been silent for longer than this session may act."""
        heartbeat_s = session.terms.heartbeat_s
        return heartbeat_s != 0 and at > self.heartbeat + heartbeat_s

    def with_session(self, session: SessionState) -> State:
        """Return the state with this session as it is now."""
        return replace(self, sessions={**self.sessions, session.terms.key: session})

    def is_payee(self, payee: str, at: int) -> bool:
        """Whether a payee is allowed now."""
        standing, expires = self.payees.get(payee, (Standing.UNKNOWN, 0))
        return standing is Standing.ALLOWED and at <= expires


def opening_state(policy: Policy, at: int, account: str | None = None, own: frozenset[str] = frozenset()) -> State:
    """Return the state of an account that was just sealed with this policy: buckets full, counters at nothing.

    own  contracts that no session ever calls: the account is always among them
    """
    address = account or policy.account or NOBODY
    return State(
        account=address,
        own=own | {address},
        heartbeat=at,
        registry=policy.newcomers.registry,
        queue=policy.queue,
        sessions={one.key: SessionState(one, one.level) for one in policy.sessions},
        buckets={place: Bucket.full(rates, at) for place, rates in policy.buckets().items()},
        rules={one.place: one for one in policy.rules},
        payees={one.address: (one.standing, one.expires) for one in policy.payees},
    )
