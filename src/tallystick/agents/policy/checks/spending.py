"""Findings about tokens, budgets, payees and newcomers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from tallystick.agents.policy.document import Budgets, Policy, Rates
from tallystick.agents.policy.durations import format_duration, say_time
from tallystick.agents.policy.findings import Finding, danger, note, refused, warning
from tallystick.agents.policy.nouns import NATIVE, NEVER, NOBODY, UNLIMITED, Level, Standing

TOKENS_MAX: Final = 8  # watched tokens, as the contract counts them; the native coin is not among them
_DAY_S: Final = 86_400


def token_findings(policy: Policy) -> Iterator[Finding]:
    """Yield what is wrong with tokens and with the account's own budgets."""
    yield from _twice("tokens", [(one.name, one.address) for one in policy.tokens])
    watched = [one for one in policy.tokens if one.budget and one.address != NATIVE]
    if len(watched) > TOKENS_MAX:
        yield refused("tokens.too_many", "tokens", f"{len(watched)} tokens have budgets", f"keep {TOKENS_MAX}")
    for token in policy.tokens:
        place = f"tokens.{token.name}"
        if token.budget is None:
            yield note(
                "tokens.no_budget", place, "no session can spend it", "give it cap, refill and period if one shall"
            )
        elif token.budget.lifetime == UNLIMITED:
            yield note(
                "tokens.unlimited_lifetime", place, "nothing bounds what is spent over the years",
                "give it a lifetime, which a raise renews",
            )  # fmt: skip


def budget_findings(policy: Policy) -> Iterator[Finding]:
    """Yield budgets that bound nothing or that nothing can spend."""
    for session in policy.sessions:
        place = f"sessions.{session.name}.budgets"
        if not session.budgets and session.level >= Level.BOUNDED and not session.slots.count:
            yield warning(
                "budgets.none", place, "the session may spend nothing", "give it a budget of each token it needs"
            )
        yield from _unspendable(policy, session.budgets, place)
    for payee in policy.payees:
        yield from _unspendable(policy, payee.budgets, f"payees.{payee.name}.budgets")
    yield from _unspendable(policy, policy.newcomers.budgets, "newcomers.budgets")


def _unspendable(policy: Policy, budgets: Budgets, place: str) -> Iterator[Finding]:
    for address, rates in budgets.items():
        token = policy.token(address)
        where = f"{place}.{token.name}"
        if token.budget is None:
            yield warning(
                "budgets.no_account_budget", where, f"the account has no budget of {token.name}",
                f"give [tokens.{token.name}] cap, refill and period",
            )  # fmt: skip
        elif rates.cap > token.budget.cap:
            yield note(
                "budgets.wider_than_account", where,
                f"{token.say(rates.cap)} at once, all sessions together {token.say(token.budget.cap)}",
                "what the account allows counts; lower the one or raise the other",
            )  # fmt: skip
        if address != NATIVE and not any(rule.token == address for rule in policy.rules):
            yield warning("budgets.no_rule", where, f"no rule spends {token.name}", "add a rule or drop the budget")
        yield from _bursts(rates, where)


def _bursts(rates: Rates, where: str) -> Iterator[Finding]:
    if rates.refill > rates.cap and rates.period_s > 1:
        yield note(
            "budgets.refill_above_cap", where, "more comes in within a period than the bucket holds: the rest is lost",
            "raise the cap, or shorten the period and the refill alike",
        )  # fmt: skip


def payee_findings(policy: Policy, at: int | None) -> Iterator[Finding]:
    """Yield what is wrong with payees; `at`, where it is given, is now."""
    yield from _twice("payees", [(one.name, one.address) for one in policy.payees])
    own = {policy.owner, policy.account, *policy.guardians, *policy.approvers, *(one.key for one in policy.sessions)}
    last = max((one.valid_until for one in policy.sessions), default=0)
    for payee in policy.payees:
        place = f"payees.{payee.name}"
        if payee.standing is Standing.DENIED:
            continue
        if payee.address in {one.key for one in policy.sessions}:
            yield danger(
                "payees.session", place, "an agent's key may be paid: who steals it has a purse", "take it out"
            )
        elif payee.address in own:
            yield note("payees.own", place, "one of the account's own keys may be paid", "is this meant?")
        if payee.address == NOBODY:
            yield warning("payees.zero", place, "the zero address is nobody: what it gets is lost", "take it out")
        if at is not None and payee.expires < at:
            yield warning(
                "payees.over", place, f"it was allowed until {say_time(payee.expires)}", "extend it or drop it"
            )
        elif payee.expires < last:
            yield warning(
                "payees.before_sessions", place,
                f"its allowance ends {say_time(payee.expires)}, sessions go on until {say_time(last)}",
                "extend it, or expect refusals, which are counted against the sessions",
            )  # fmt: skip
        elif payee.expires == NEVER:
            yield note("payees.for_ever", place, "it is allowed for ever", "let it expire, like the sessions")


def newcomer_findings(policy: Policy) -> Iterator[Finding]:
    """Yield what is wrong with newcomers and free levels."""
    newcomers = policy.newcomers
    is_used = any(one.level is Level.SUPERVISED for one in policy.sessions)
    if newcomers.registry != NOBODY:
        if newcomers.cooling_off_s < _DAY_S:
            yield danger(
                "newcomers.no_cooling_off", "newcomers.cooling_off",
                f"an attacker registers an agent and is paid after {format_duration(newcomers.cooling_off_s)}",
                "let newcomers wait for days",
            )  # fmt: skip
        if not newcomers.budgets:
            yield warning(
                "newcomers.no_budget", "newcomers", "newcomers have no budget and are never paid", "give them one"
            )
        if not is_used:
            yield note("newcomers.unused", "newcomers", "no session is supervised, so no newcomer is paid", "drop it")
    elif newcomers.budgets:
        yield warning("newcomers.no_registry", "newcomers.registry", "no registry says who is one", "name the registry")
    elif is_used:
        yield note("newcomers.none", "newcomers", "supervised sessions know no newcomers", "nothing, if that is meant")


def _twice(kind: str, named: list[tuple[str, str]]) -> Iterator[Finding]:
    times = Counter(address for _, address in named)
    for name, address in named:
        if times[address] > 1:
            yield refused(f"{kind}.twice", f"{kind}.{name}", f"{address} stands there under several names", "keep one")
