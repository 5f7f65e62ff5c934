"""How each kind of change is told: one sentence, with what was and what will be."""

from __future__ import annotations

from tallystick.agents.policy.document import Newcomers, Policy, Queue, Rates, Rule, Session, Terms, Token
from tallystick.agents.policy.durations import format_duration, say_time
from tallystick.agents.policy.engine.state import Place
from tallystick.agents.policy.nouns import NATIVE, NOBODY, UNLIMITED, Level, Role, Scope, Standing


def named(address: str, *policies: Policy) -> str:
    """Return the first name that one of the policies has for an address, or the address."""
    return next((name for one in policies if (name := one.name_of(address)) != address), address)


def say_rates(rates: Rates, token: Token) -> str:
    """Return how a bucket fills, as people read it."""
    text = f"{token.say(rates.cap)} at once"
    if rates.refill:
        text += f", then {token.say(rates.refill)} each {format_duration(rates.period_s)}"
    return text if rates.lifetime == UNLIMITED else f"{text}, {token.say(rates.lifetime)} in all"


def delays(old: Terms, new: Terms) -> str:
    """Tell how long power waits."""
    return (
        f"raises wait {format_duration(new.raise_delay_s)} (now {format_duration(old.raise_delay_s)}), unfreezing "
        f"{format_duration(new.unfreeze_delay_s)} (now {format_duration(old.unfreeze_delay_s)})"
    )


def role(name: str, which: Role, is_held: bool) -> str:
    """Tell who comes or goes."""
    noun = f"a{'n' if which is Role.APPROVER else ''} {which.name.lower()}"
    return f"{name} becomes {noun}" if is_held else f"{name} is no longer {noun}"


def queue(old: Queue, new: Queue) -> str:
    """Tell how items pass."""
    return f"items pass {say_queue(new)} (now {say_queue(old)})"


def say_queue(queue: Queue) -> str:
    """Return how items pass, as people read it."""
    ways = []
    if queue.threshold:
        ways.append(f"with {queue.threshold} approvals after {format_duration(queue.delay_s)}")
    if queue.veto_s:
        ways.append(f"unopposed after {format_duration(queue.veto_s)} at level supervised")
    if not ways or not queue.open_max:
        return "never"
    return f"{' or '.join(ways)}, {queue.open_max} open at a time"


def newcomers(old: Newcomers, new: Newcomers) -> str:
    """Tell whose agents may be paid unasked."""
    if new.registry == NOBODY:
        return "newcomers are paid no more"
    was = "" if old.registry == NOBODY else f" (now {old.registry}, {format_duration(old.cooling_off_s)})"
    return f"agents of {new.registry} may be paid {format_duration(new.cooling_off_s)} after their introduction{was}"


def bucket(place: Place, old: Rates | None, new: Rates | None, now: Policy, wanted: Policy) -> str:
    """Tell what may be spent."""
    scope, holder, address = place
    token = (wanted if any(one.address == address for one in wanted.tokens) else now).token(address)
    who = {
        Scope.ACCOUNT: "all sessions together spend",
        Scope.SESSION: f"{named(holder, wanted, now)} spends",
        Scope.COUNTERPARTY: f"{named(holder, wanted, now)} is paid",
        Scope.NEWCOMERS: "newcomers are paid",
    }[scope]
    if new is None:
        return f"{who} {'without a bound of its own' if scope is Scope.COUNTERPARTY else f'no {token.name} any more'}"
    return f"{who} {say_rates(new, token)}" + (f" (now {say_rates(old, token)})" if old else "")


def forgotten(token: Token) -> str:
    """Tell what is watched no more."""
    return f"{token.name} is watched no more: calls may move it without being charged"


def payee(name: str, was: Standing, until: int, standing: Standing, expires: int) -> str:
    """Tell who may be paid."""
    if standing is Standing.DENIED:
        return f"{name} is never paid, whoever approves"
    if standing is Standing.UNKNOWN:
        return f"{name} is {'denied' if was is Standing.DENIED else 'allowed'} no more"
    before = f" (now until {say_time(until)})" if was is Standing.ALLOWED else ""
    return f"{name} may be paid, {_until(expires)}{before}"


def _until(instant: int) -> str:
    text = say_time(instant)
    return text if text == "for ever" else f"until {text}"


def say_rule(rule: Rule, policy: Policy) -> str:
    """Return what a rule allows, as people read it."""
    token = policy.token(rule.token)
    target = policy.name_of(rule.target)
    if rule.call.text == "native":
        return f"send native coin to {target}, at most {token.say(rule.value_cap)} each"
    text = f"call {rule.call.text} of {target}"
    if rule.token == NATIVE:
        return f"{text}, with at most {token.say(rule.value_cap)} each" if rule.value_cap else text
    if rule.amount_word < 0:
        return f"{text}, spending nothing"
    return f"{text}, {'taking' if rule.pulls else 'moving'} at most {token.say(rule.call_cap)} each"


def rule(old: Rule | None, new: Rule, policy: Policy) -> str:
    """Tell what may be called."""
    level_text = f", from level {new.min_level.name.lower()}"
    held = f", under {len(new.constraints)} constraints" if new.constraints else ""
    before = "" if old is None else f" (now: {say_rule(old, policy)}, from level {old.min_level.name.lower()})"
    return f"sessions may {say_rule(new, policy)}{level_text}{held}{before}"


def rule_dropped(old: Rule, policy: Policy) -> str:
    """Tell what may be called no more."""
    return f"sessions may no longer {say_rule(old, policy)}"


def session_granted(session: Session) -> str:
    """Tell whose key may act."""
    return f"{session.name} may act at level {session.level.name.lower()}, {_until(session.valid_until)}"


def session_ended(name: str) -> str:
    """Tell whose key may act no more."""
    return f"{name} may act no more"


def session_changed(old: Session, new: Session) -> str:
    """Tell which terms of a session are others."""
    fields = {
        "level": (old.level.name.lower(), new.level.name.lower()),
        "start": (say_time(old.valid_after), say_time(new.valid_after)),
        "end": (say_time(old.valid_until), say_time(new.valid_until)),
        "operations": (_pace(old.operations, old.operations_s), _pace(new.operations, new.operations_s)),
        "denials": (_pace(old.denials, old.denials_s), _pace(new.denials, new.denials_s)),
        "heartbeat": (format_duration(old.heartbeat_s), format_duration(new.heartbeat_s)),
        "slots": (_slots(old), _slots(new)),
        "mandate": (old.mandate.hex()[:8], new.mandate.hex()[:8]),
    }
    changed = [f"{name} {after} (now {before})" for name, (before, after) in fields.items() if before != after]
    return f"{new.name} is granted anew: {', '.join(changed)}"


def _pace(count: int, period_s: int) -> str:
    return f"{count} per {format_duration(period_s)}" if count else "unbounded"


def _slots(session: Session) -> str:
    slots = session.slots
    return (
        f"{slots.count} of {slots.cap} {slots.token[:8]} per {format_duration(slots.period_s)}"
        if slots.count
        else "none"
    )


def level(name: str, old: Level, new: Level) -> str:
    """Tell what a session may do alone."""
    return f"{name} acts at level {new.name.lower()} (now {old.name.lower()})"


def owner(heir: str) -> str:
    """Tell who may take the account over."""
    return f"{heir} may take the account over, and must then accept it"
