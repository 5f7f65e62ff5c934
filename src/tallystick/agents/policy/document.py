"""A policy as values: who holds which role, what may be called, what may be spent, and by whom.

Amounts are integers of a token's smallest unit, durations seconds, instants Unix seconds, addresses checksummed. Names
are for people: two policies that mean the same have the same `digest`, whatever their parts are called and in whatever
order they are written. `reading.py` reads one from TOML, `writing.py` writes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tallystick.agents.policy.nouns import NATIVE, NEVER, NOBODY, UNLIMITED, Level, Scope, Standing
from tallystick.agents.policy.signatures import CallForm
from tallystick.core import canonical
from tallystick.core.amounts import ETHER_DECIMALS, format_amount
from tallystick.core.digest import sha256


@dataclass(frozen=True)
class Rates:
    """How a bucket fills: by `refill` in each `period_s`, evenly, up to `cap`; in all its life it gives `lifetime`."""

    cap: int
    refill: int
    period_s: int
    lifetime: int = UNLIMITED

    def is_within(self, other: Rates) -> bool:
        """Whether nothing of it is more than of `other`: who has `other` loses by the change, or nothing changes."""
        slower = self.refill * other.period_s <= other.refill * self.period_s
        return self.cap <= other.cap and slower and self.lifetime <= other.lifetime

    def most_in(self, window_s: int) -> int:
        """Return the most that is ever spent in any window of so many seconds."""
        return min(self.cap + self.refill * window_s // self.period_s, self.lifetime)

    def to_dict(self) -> dict[str, object]:
        """Return the rates as JSON members."""
        return {
            "cap": str(self.cap), "lifetime": str(self.lifetime), "period_s": self.period_s, "refill": str(self.refill),
        }  # fmt: skip


Budgets = Mapping[str, Rates]  # by the token's address


@dataclass(frozen=True)
class Terms:
    """How long power waits, in seconds: raises, and the end of a freeze that the owner asks for."""

    raise_delay_s: int
    unfreeze_delay_s: int


@dataclass(frozen=True)
class Queue:
    """How actions pass that a session may not do alone.

    threshold   approvals that an item needs; 0: none can be approved
    open_max    open items of one session
    delay_s     an approved item waits so long
    veto_s      an item of level supervised waits so long and then needs no approval; 0: there are none
    """

    threshold: int = 0
    open_max: int = 0
    delay_s: int = 0
    veto_s: int = 0


@dataclass(frozen=True)
class Newcomers:
    """Whom sessions of level supervised may pay unasked: wallets of a registry's agents, so long after introduction."""

    registry: str = NOBODY
    cooling_off_s: int = 0
    budgets: Budgets = field(default_factory=dict)


@dataclass(frozen=True)
class Token:
    """A coin that the account may spend, and how fast all its sessions together may."""

    name: str
    address: str
    decimals: int = ETHER_DECIMALS
    budget: Rates | None = None

    def say(self, units: int) -> str:
        """Return an amount as people read it."""
        return f"{format_amount(units, self.decimals)} {self.name}"


@dataclass(frozen=True)
class Payee:
    """Who may be paid, or never may, by name."""

    name: str
    address: str
    standing: Standing = Standing.ALLOWED
    expires: int = NEVER
    budgets: Budgets = field(default_factory=dict)


@dataclass(frozen=True)
class Constraint:
    """A bound on one word of a call's arguments."""

    word: int
    low: int
    high: int


@dataclass(frozen=True)
class Rule:
    """How one function of one target may be called.

    payee_word   which word of the arguments is the payee; -1: the target is
    amount_word  which is the amount; -1: none
    token        what the amount is an amount of
    call_cap     the most of it in one call
    value_cap    the most native coin in one call
    pulls        the target takes the amount by an allowance, given for this call alone
    """

    name: str
    target: str
    call: CallForm
    token: str = NATIVE
    payee_word: int = -1
    amount_word: int = -1
    call_cap: int = 0
    value_cap: int = 0
    min_level: Level = Level.BOUNDED
    pulls: bool = False
    constraints: tuple[Constraint, ...] = ()

    @property
    def place(self) -> tuple[str, bytes]:
        """What the account knows the rule by."""
        return self.target, self.call.selector

    def to_dict(self) -> dict[str, object]:
        """Return the rule as JSON members, without its name."""
        return {
            "amount_word": self.amount_word,
            "call_cap": str(self.call_cap),
            "constraints": [[one.word, str(one.low), str(one.high)] for one in self.constraints],
            "min_level": int(self.min_level),
            "payee_word": self.payee_word,
            "pulls": self.pulls,
            "selector": self.call.selector.hex(),
            "target": self.target,
            "token": self.token,
            "value_cap": str(self.value_cap),
        }


@dataclass(frozen=True)
class Slots:
    """How many EIP-3009 authorizations a session may sign in a period, and the most that each moves."""

    count: int = 0
    period_s: int = 0
    cap: int = 0
    token: str = NATIVE

    def most_in(self, window_s: int) -> int:
        """Return the most that they move in any window of so many seconds: a window touches one period more."""
        return self.count * self.cap * (-(-window_s // self.period_s) + 1) if self.count else 0


@dataclass(frozen=True)
class Session:
    """A key that may act.

    operations, operations_s  as many in a period; one more lowers the level to 1
    denials, denials_s        as many refusals in a window lower it too; 0: they are only counted
    heartbeat_s               the owner's silence that lowers it; 0: the owner may be silent
    mandate                   32 bytes: what it was granted for; only recorded
    """

    name: str
    key: str
    level: Level
    valid_after: int
    valid_until: int
    operations: int
    operations_s: int
    denials: int = 0
    denials_s: int = 0
    heartbeat_s: int = 0
    slots: Slots = Slots()
    mandate: bytes = bytes(32)
    budgets: Budgets = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """Return the session as JSON members, without its name and budgets."""
        return {
            "denials": self.denials,
            "denials_s": self.denials_s,
            "heartbeat_s": self.heartbeat_s,
            "key": self.key,
            "level": int(self.level),
            "mandate": self.mandate.hex(),
            "operations": self.operations,
            "operations_s": self.operations_s,
            "slots": [self.slots.count, self.slots.period_s, str(self.slots.cap), self.slots.token],
            "valid_after": str(self.valid_after),
            "valid_until": str(self.valid_until),
        }


@dataclass(frozen=True)
class Policy:
    """All that an account's owner decides. `addresses` are names for people and change nothing."""

    chain_id: int
    owner: str
    guardians: tuple[str, ...]
    approvers: tuple[str, ...]
    terms: Terms
    account: str | None = None
    tokens: tuple[Token, ...] = ()
    payees: tuple[Payee, ...] = ()
    rules: tuple[Rule, ...] = ()
    sessions: tuple[Session, ...] = ()
    newcomers: Newcomers = Newcomers()
    queue: Queue = Queue()
    addresses: Mapping[str, str] = field(default_factory=dict)

    def buckets(self) -> dict[tuple[Scope, str, str], Rates]:
        """Return every bucket by (scope, holder, token)."""
        found = {(Scope.ACCOUNT, NOBODY, one.address): one.budget for one in self.tokens if one.budget}
        for session in self.sessions:
            found |= {(Scope.SESSION, session.key, token): rates for token, rates in session.budgets.items()}
        for payee in self.payees:
            found |= {(Scope.COUNTERPARTY, payee.address, token): rates for token, rates in payee.budgets.items()}
        return found | {(Scope.NEWCOMERS, NOBODY, token): rates for token, rates in self.newcomers.budgets.items()}

    def name_of(self, address: str) -> str:
        """Return what the policy calls an address; the address itself where it has no name."""
        return self.names().get(address, address)

    def names(self) -> dict[str, str]:
        """Return names by address; where an address has several, the first of roles, keys, payees, tokens, others."""
        found: dict[str, str] = {}
        parts = [(one.key, one.name) for one in self.sessions]
        parts += [(one.address, one.name) for one in self.payees]
        parts += [(one.address, one.name) for one in self.tokens]
        parts += [(address, name) for name, address in self.addresses.items()]
        for address, name in parts:
            found.setdefault(address, name)
        return found

    def token(self, address: str) -> Token:
        """Return a token by its address; one that the policy does not know is counted in its smallest units."""
        known = {one.address: one for one in self.tokens}
        fallback = Token("native coin", NATIVE) if address == NATIVE else Token(f"units of {address}", address, 0)
        return known.get(address, fallback)

    def to_dict(self) -> dict[str, object]:
        """Return what the policy means as JSON members, sorted: no names, no decimals, no account."""
        buckets = [[int(scope), *place, rates.to_dict()] for (scope, *place), rates in self.buckets().items()]
        payees = [[one.address, int(one.standing), str(one.expires)] for one in self.payees]
        return {
            "approvers": sorted(self.approvers),
            "buckets": sorted(buckets, key=lambda one: one[:3]),
            "chain_id": self.chain_id,
            "payees": sorted(payees),
            "guardians": sorted(self.guardians),
            "newcomers": [self.newcomers.registry, self.newcomers.cooling_off_s],
            "owner": self.owner,
            "queue": dict(vars(self.queue)),
            "rules": [one.to_dict() for one in sorted(self.rules, key=lambda one: one.place)],
            "sessions": [one.to_dict() for one in sorted(self.sessions, key=lambda one: one.key)],
            "terms": dict(vars(self.terms)),
        }

    def digest(self) -> bytes:
        """Return the policy's name: the SHA-256 of the canonical JSON of what it means."""
        return sha256(canonical.encode(self.to_dict()))
