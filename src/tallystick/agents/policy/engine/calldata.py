"""What a call means under the account's rules and payees: who gets how much of what.

Mirrors `agents/policy/rules.vy` and `agents/policy/payees.vy`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from tallystick.agents.policy.document import Rule
from tallystick.agents.policy.engine.buckets import Refused
from tallystick.agents.policy.engine.state import State
from tallystick.agents.policy.nouns import NATIVE, NOBODY, Level, Standing
from tallystick.core.ids import checksum_address

_TRANSFER: Final = bytes.fromhex("a9059cbb")  # transfer(address,uint256), whose calldata has one length


class Passes(IntEnum):
    """What an item of the queue lifts."""

    WITHIN = 0  # nothing: an act of a session alone
    OPTIMISTIC = 1  # the caps of a call
    APPROVED = 2  # buckets, caps, payees and the least level of a rule


@dataclass(frozen=True)
class Reading:
    """What a call spends and on whom."""

    payee: str
    token: str
    debit: int
    pulls: bool
    is_newcomer: bool


def read_call(
    state: State, level: Level, target: str, amount: int, data: bytes, at: int, passes: Passes = Passes.WITHIN
) -> Reading:
    """Return what the call means, if rules and payees let a session of this level make it; raises Refused."""
    rule = _rule(state, level, target, data, passes)
    payee = target
    if rule.payee_word >= 0:
        recipient = _argument(data, rule.payee_word)
        if recipient >> 160:
            raise Refused("rules: malformed call")
        payee = checksum_address(recipient.to_bytes(20, "big"))
    debit = _debit(rule, amount, data, passes)
    for one in rule.constraints:
        if not one.low <= _argument(data, one.word) <= one.high:
            raise Refused("rules: word out of bounds")
    return Reading(payee, rule.token, debit, rule.pulls, _is_newcomer(state, level, payee, at, passes))


def _rule(state: State, level: Level, target: str, data: bytes, passes: Passes) -> Rule:
    selector = bytes(4)
    if data:
        selector = data[:4]
        if len(data) < 4 or selector == bytes(4):
            raise Refused("rules: malformed call")
    rule = state.rules.get((target, selector))
    if rule is None:
        raise Refused("rules: no rule")
    if level < rule.min_level and passes is not Passes.APPROVED:
        raise Refused("rules: level too low")
    if selector == _TRANSFER and len(data) != 68:
        raise Refused("rules: malformed call")
    return rule


def _debit(rule: Rule, amount: int, data: bytes, passes: Passes) -> int:
    if rule.token == NATIVE:
        if amount > rule.value_cap and passes is Passes.WITHIN:
            raise Refused("rules: over the value cap")
        return amount
    if amount:
        raise Refused("rules: over the value cap")
    debit = _argument(data, rule.amount_word) if rule.amount_word >= 0 else 0
    if debit > rule.call_cap and passes is Passes.WITHIN:
        raise Refused("rules: over the cap")
    return debit


def _argument(data: bytes, word: int) -> int:
    start = 4 + 32 * word
    if start + 32 > len(data):
        raise Refused("rules: malformed call")
    return int.from_bytes(data[start : start + 32], "big")


def _is_newcomer(state: State, level: Level, payee: str, at: int, passes: Passes) -> bool:
    standing, _ = state.payees.get(payee, (Standing.UNKNOWN, 0))
    if standing is Standing.DENIED:
        raise Refused("payees: denied")
    if passes is Passes.APPROVED or level >= Level.AUTONOMOUS or state.is_payee(payee, at):
        return False
    usable_at = state.newcomers.get(payee)
    if level < Level.SUPERVISED or usable_at is None:
        raise Refused("payees: not allowed")
    if usable_at > at:
        raise Refused("payees: cooling off")
    if state.registry == NOBODY:
        raise Refused("payees: not allowed")
    return True
