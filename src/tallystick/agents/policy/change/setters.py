"""The setters of a policy account, its rules and its queue, as values: what is to be called, not yet calldata."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tallystick.agents.policy.document import Newcomers, Queue, Rates, Rule, Session, Terms
from tallystick.agents.policy.engine.state import Place
from tallystick.agents.policy.nouns import NOBODY, Level, Role, Standing


class Home(Enum):
    """Which of an account's three contracts a setter is of."""

    ACCOUNT = "account"
    RULES = "rules"
    QUEUE = "queue"


@dataclass(frozen=True)
class Setter:
    """One call that changes what an account may do: a function of one of its contracts, and its arguments.

    Functions of rules and queue take the account as their first argument; it is not among these.
    """

    home: Home
    function: str
    arguments: tuple[object, ...]

    def to_dict(self) -> dict[str, object]:
        """Return the setter as JSON members; numbers are decimal, a struct is its members."""
        shown = [_shown(one) for one in self.arguments]
        return {"contract": self.home.value, "function": self.function, "arguments": shown}


def _shown(argument: object) -> object:
    if isinstance(argument, Session | Rule):
        return argument.to_dict()
    if isinstance(argument, Queue):
        return dict(vars(argument))
    if argument is None or isinstance(argument, bool):
        return argument
    return argument.hex() if isinstance(argument, bytes) else str(argument)


def set_delays(terms: Terms) -> Setter:
    """How long power waits."""
    return Setter(Home.ACCOUNT, "set_delays", (terms.raise_delay_s, terms.unfreeze_delay_s))


def set_role(key: str, role: Role, is_held: bool) -> Setter:
    """Who is a guardian or an approver."""
    return Setter(Home.ACCOUNT, "set_role", (key, role, is_held))


def offer_ownership(heir: str) -> Setter:
    """Who may take the account over."""
    return Setter(Home.ACCOUNT, "offer_ownership", (heir,))


def set_bucket(place: Place, rates: Rates) -> Setter:
    """How fast a bucket fills."""
    scope, holder, token = place
    return Setter(
        Home.ACCOUNT, "set_bucket",
        (scope, holder, token, rates.cap, rates.refill, rates.period_s, rates.lifetime),
    )  # fmt: skip


def forget_token(token: str) -> Setter:
    """What is watched no more."""
    return Setter(Home.ACCOUNT, "forget_token", (token,))


def grant_session(session: Session) -> Setter:
    """Whose key may act."""
    return Setter(Home.ACCOUNT, "grant_session", (session.key, session))


def revoke_session(key: str) -> Setter:
    """Whose key may not."""
    return Setter(Home.ACCOUNT, "revoke_session", (key,))


def set_level(key: str, level: Level) -> Setter:
    """What a session may do alone."""
    return Setter(Home.ACCOUNT, "set_level", (key, level))


def set_rule(rule: Rule) -> Setter:
    """What may be called."""
    return Setter(Home.RULES, "set_rule", (rule.target, rule.call.selector, rule))


def drop_rule(rule: Rule) -> Setter:
    """What may not."""
    return Setter(Home.RULES, "set_rule", (rule.target, rule.call.selector, None))


def set_payee(payee: str, standing: Standing, expires: int) -> Setter:
    """Who may be paid."""
    return Setter(Home.RULES, "set_payee", (payee, standing, expires))


def set_newcomers(newcomers: Newcomers) -> Setter:
    """Whose agents may be paid unasked."""
    return Setter(Home.RULES, "set_newcomers", (newcomers.registry, newcomers.cooling_off_s))


def set_queue(queue: Queue) -> Setter:
    """How items pass."""
    return Setter(Home.QUEUE, "set_queue", (queue,))


def seal() -> Setter:
    """From here on raises wait, and sessions may act."""
    return Setter(Home.ACCOUNT, "seal", ())


def ends_newcomers(newcomers: Newcomers) -> bool:
    """Whether there are none any more."""
    return newcomers.registry == NOBODY
