"""Findings about rules and sessions: what may be called, and by whom how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from tallystick.agents.policy.denied import denied_selectors
from tallystick.agents.policy.document import Policy, Rule, Session
from tallystick.agents.policy.durations import format_duration, say_time
from tallystick.agents.policy.findings import Finding, danger, note, refused, warning
from tallystick.agents.policy.nouns import NATIVE, Level, Scope, Standing
from tallystick.agents.policy.signatures import TRANSFER_OF_COIN

CONSTRAINTS_MAX: Final = 4  # of one rule, as the contract holds them
WORD_MAX: Final = 62  # the last word that 2,048 bytes of calldata have
OPERATIONS_MAX: Final = 2**16 - 2  # in a period: counters stay at 65,535
TIME_MAX: Final = 2**48 - 1  # of a session's window
_YEAR_S: Final = 366 * 86_400


def rule_findings(policy: Policy) -> Iterator[Finding]:
    """Yield what is wrong with rules."""
    denied = denied_selectors()
    times = Counter(rule.place for rule in policy.rules)
    payees = {one.address for one in policy.payees if one.standing is Standing.ALLOWED}
    for rule in policy.rules:
        place = f"rules.{rule.name}"
        if rule.call.selector in denied:
            yield refused(
                "rules.selector_denied", place, f"{denied[rule.call.selector]} gives power away, whoever allows it",
                "take the rule out; where a target pulls its pay, write a rule of that function with pulls = true",
            )  # fmt: skip
        if times[rule.place] > 1:
            yield refused("rules.twice", place, "another rule is about the same function", "keep one of them")
        if rule.target == policy.account:
            yield refused("rules.target_denied", place, "no session calls the account itself", "take the rule out")
        yield from _unsound(rule, place)
        yield from _spending(policy, rule, place)
        yield from _unchecked(rule, place)
        if rule.payee_word < 0 and rule.target not in payees and rule.min_level < Level.AUTONOMOUS:
            yield warning(
                "rules.payee_unknown", place, "the target is the payee and is not allowed: bounded calls are refused",
                "say which argument is the payee, or allow the target as one",
            )  # fmt: skip


def _unsound(rule: Rule, place: str) -> Iterator[Finding]:
    if len(rule.constraints) > CONSTRAINTS_MAX:
        yield refused("rules.constraints", place, f"{len(rule.constraints)} constraints", f"keep {CONSTRAINTS_MAX}")
    words = [rule.payee_word, rule.amount_word, *(one.word for one in rule.constraints)]
    if max(words) > WORD_MAX:
        yield refused("rules.word", place, f"word {max(words)} lies beyond any calldata", f"at most {WORD_MAX}")
    if rule.call == TRANSFER_OF_COIN and (rule.payee_word >= 0 or rule.token != NATIVE or rule.constraints):
        yield refused(
            "rules.native", place, "a native transfer has no arguments", "leave payee, token, constraints out"
        )
    if rule.token == NATIVE and (rule.amount_word >= 0 or rule.pulls or rule.call_cap):
        yield refused(
            "rules.no_token",
            place,
            "amount, pulls or call_cap without a token",
            "name the token; value_cap is for coin",
        )
    if rule.token != NATIVE and rule.value_cap:
        yield refused("rules.two_coins", place, "one call spends a token and native coin", "keep one of the two")
    if rule.pulls and (rule.amount_word < 0 or rule.target == rule.token):
        yield refused(
            "rules.pulls", place, "pulls needs an amount, and a target that is not the token", "mend the rule"
        )


def _spending(policy: Policy, rule: Rule, place: str) -> Iterator[Finding]:
    token = policy.token(rule.token)
    cap = rule.value_cap if rule.token == NATIVE else rule.call_cap
    spends = rule.amount_word >= 0 if rule.token != NATIVE else bool(cap) or rule.call == TRANSFER_OF_COIN
    if spends and not cap:
        yield warning(
            "rules.no_cap", place, "nothing may be spent in a call: the cap is 0", "set call_cap or value_cap"
        )
    if cap and token.budget is None:
        yield warning(
            "rules.no_budget", place, f"the account has no budget of {token.name}: the rule pays nothing",
            "give the token cap, refill and period",
        )  # fmt: skip
    held = [
        rates.cap for (scope, _, one), rates in policy.buckets().items() if scope is Scope.SESSION and one == rule.token
    ]
    if cap and held and cap > max(held):
        yield note(
            "rules.cap_above_budget", place, f"{token.say(cap)} a call, no session holds {token.say(cap)}",
            "lower the cap to what one payment may be",
        )  # fmt: skip


def _unchecked(rule: Rule, place: str) -> Iterator[Finding]:
    if rule.call.text == "transfer(address,uint256)":
        if rule.payee_word != 0:
            yield danger(
                "rules.payee_unread", place, "who is paid is argument 0, which nobody checks", "write payee = 0"
            )
        if rule.amount_word != 1 or rule.token != rule.target:
            yield refused(
                "rules.amount_unread", place, "what is paid is argument 1 of the target's token",
                "write token = the target and amount = 1",
            )  # fmt: skip
        return
    seen = {rule.payee_word, *(one.word for one in rule.constraints)}
    for at, (kind, word) in enumerate(zip(rule.call.kinds, rule.call.words, strict=True)):
        if kind == "address" and word not in seen:
            yield warning(
                "rules.address_unchecked", place, f"argument {at} is an address that nobody checks",
                "make it the payee or constrain it: whom does the target serve?",
            )  # fmt: skip


def session_findings(policy: Policy, at: int | None) -> Iterator[Finding]:
    """Yield what is wrong with sessions; `at`, where it is given, is now."""
    for session in policy.sessions:
        place = f"sessions.{session.name}"
        yield from _window(session, place, at)
        if session.operations > OPERATIONS_MAX:
            yield refused("sessions.operations", place, "more operations than are counted", f"at most {OPERATIONS_MAX}")
        if session.level >= Level.BOUNDED and not session.denials:
            yield warning(
                "sessions.no_denials", place, "it may be refused without end and keeps its level",
                "let a few refusals lower it: denials = { max = 5, per = \"1h\" }",
            )  # fmt: skip
        if session.level is Level.AUTONOMOUS:
            yield danger(
                "sessions.autonomous", place, "it pays whomever it wants, up to its budgets",
                "give it level bounded and allow payees, unless the whole budget may be lost to a stranger",
            )  # fmt: skip
        if session.level >= Level.SUPERVISED and not session.heartbeat_s:
            yield note("sessions.no_heartbeat", place, "it acts on when the owner is gone", "give it a heartbeat")
        yield from _slots(policy, session, place)


def _window(session: Session, place: str, at: int | None) -> Iterator[Finding]:
    if session.valid_after >= session.valid_until or session.valid_until > TIME_MAX:
        yield refused("sessions.window", place, "it ends before it begins, or never", "set valid_after and valid_until")
        return
    if at is not None and session.valid_until < at:
        yield warning("sessions.over", place, f"it ended {say_time(session.valid_until)}", "extend it or drop it")
        return
    length_s = session.valid_until - max(session.valid_after, at or 0)
    if (at is not None or session.valid_after) and length_s > _YEAR_S:
        yield warning(
            "sessions.long", place, f"a stolen key is good for {format_duration(length_s)}", "let sessions last weeks"
        )


def _slots(policy: Policy, session: Session, place: str) -> Iterator[Finding]:
    slots = session.slots
    if not slots.count:
        return
    token, where = policy.token(slots.token), f"{place}.slots"
    if token.address == NATIVE or token.budget is None:
        yield warning(
            "slots.no_budget", where, f"no budget of {token.name}: none is ever good", "give the token a budget"
        )
        return
    most = slots.count * slots.cap
    if most > token.budget.cap:
        yield danger(
            "slots.above_cap", where,
            f"{token.say(most)} in {format_duration(slots.period_s)}, the bucket holds {token.say(token.budget.cap)}",
            "fewer slots or a lower cap: no bucket counts them",
        )  # fmt: skip
    caps = [rule.call_cap for rule in policy.rules if rule.token == slots.token and rule.call_cap]
    if caps and slots.cap > max(caps):
        yield warning(
            "slots.above_call_cap", where,
            f"one authorization moves {token.say(slots.cap)}, one call {token.say(max(caps))}",
            "lower the cap of a slot to what one payment may be",
        )  # fmt: skip
    for payee in policy.payees:
        if slots.token in payee.budgets:
            yield note(
                "slots.payee_budget", where, f"{payee.name} has a budget and cannot be paid by authorization",
                "nothing, if it is paid by calls",
            )  # fmt: skip
