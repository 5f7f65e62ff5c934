"""What else spends: items of the queue, EIP-3009 authorizations, and the gas of user operations.

Mirrors `agents/policy/queue.vy`, `agents/policy/reader.vy` and `agents/account/operations.vy`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from tallystick.agents.policy.document import Session
from tallystick.agents.policy.engine.buckets import Refused
from tallystick.agents.policy.engine.calldata import Passes
from tallystick.agents.policy.engine.decide import Action, Verdict, perform
from tallystick.agents.policy.engine.state import State
from tallystick.agents.policy.nouns import NATIVE, NOBODY, Level, Scope
from tallystick.core.authorization import Authorization
from tallystick.core.ids import checksum_address

_AHEAD_S_MAX: Final = 86_400  # how far ahead an authorization may still be valid


@dataclass(frozen=True)
class Item:
    """An action that waits in the queue.

    token, max_debit  what it spends beside native coin, and the most of it
    is_supervised     whether its session was of level supervised or above when it asked
    """

    action: Action
    token: str
    max_debit: int
    proposed_at: int
    expires: int
    approvals: int = 0
    is_supervised: bool = False
    is_open: bool = True


def decide_item(state: State, item: Item, at: int) -> Verdict:
    """Return what the account says when somebody wants an item to run; whatever it refuses reverts."""
    try:
        passes = _passes(state, item, at)
        session = state.gate(item.action.session, Level.PROPOSE, at)
        bound = (item.token, item.max_debit)
        reading, spent, buckets = perform(state, session.level, item.action, at, passes, bound)
    except Refused as refusal:
        return Verdict(False, str(refusal), True, state)
    return Verdict(True, "", False, replace(state, buckets=buckets), reading.payee, reading.token, spent)


def _passes(state: State, item: Item, at: int) -> Passes:
    if not item.is_open:
        raise Refused("queue: not open")
    if at > item.expires:
        raise Refused("queue: expired")
    waited_s, queue = at - item.proposed_at, state.queue
    if queue.threshold and item.approvals >= queue.threshold:
        if waited_s < queue.delay_s:
            raise Refused("queue: too early")
        return Passes.APPROVED
    if not (queue.veto_s and item.is_supervised):
        raise Refused("queue: not approved")
    session = state.gate(item.action.session, Level.OBSERVE, at)
    if session.level < Level.SUPERVISED or state.is_owner_silent(session, at):
        raise Refused("queue: not approved")
    if waited_s < queue.veto_s:
        raise Refused("queue: too early")
    return Passes.OPTIMISTIC


@dataclass(frozen=True)
class Slot:
    """What the nonce of an authorization says: whose, of which period, which."""

    session: str
    period: int
    index: int

    @classmethod
    def of_nonce(cls, nonce: bytes) -> Slot:
        """Read a nonce of 32 bytes; any is well formed."""
        return cls(checksum_address(nonce[:20]), int.from_bytes(nonce[20:28], "big"), int.from_bytes(nonce[28:], "big"))

    def nonce(self) -> bytes:
        """Return the EIP-3009 nonce that stands for the slot."""
        return bytes.fromhex(self.session[2:]) + self.period.to_bytes(8, "big") + self.index.to_bytes(4, "big")


def refusal_of(state: State, token: str, paid: Authorization, at: int) -> str:
    """Return why ERC-1271 says no to an authorization of a token, "" for yes. Its signature is not looked at."""
    slot = Slot.of_nonce(paid.nonce)
    known = state.sessions.get(slot.session)
    if known is None:
        return "slots: unknown session"
    reason = _outside_slots(known.terms, slot, token, paid, at)
    if reason:
        return reason
    try:
        session = state.gate(slot.session, Level.BOUNDED, at)
    except Refused as refusal:
        return str(refusal)
    if state.is_owner_silent(session, at):
        return "sessions: owner is silent"
    if not state.is_payee(paid.payee, at):
        return "payees: not allowed"
    if (Scope.COUNTERPARTY, paid.payee, token) in state.buckets:
        return "slots: payee has a bucket"
    return "" if (Scope.ACCOUNT, NOBODY, token) in state.buckets else "buckets: no bucket"


def _outside_slots(terms: Session, slot: Slot, token: str, paid: Authorization, at: int) -> str:
    slots = terms.slots
    if not slots.count or token != slots.token:
        return "slots: none of this token"
    if paid.amount > slots.cap:
        return "slots: over the cap"
    if slot.index >= slots.count:
        return "slots: no such slot"
    if slot.period != at // slots.period_s:
        return "slots: another period"
    if paid.valid_before > min(terms.valid_until, at + _AHEAD_S_MAX):
        return "slots: valid too long"
    return ""


def pay_gas(state: State, key: str, cost: int) -> Verdict:
    """Return what the account says to a user operation's gas: taken from what native buckets had when last counted."""
    session = state.sessions.get(key)
    try:
        if session is None or session.epoch != state.epoch:
            raise Refused("sessions: not live")
        if not state.is_sealed:
            raise Refused("sessions: not sealed")
        if session.level < Level.BOUNDED:
            raise Refused("sessions: level too low")
        buckets = dict(state.buckets)
        for place in ((Scope.SESSION, key, NATIVE), (Scope.ACCOUNT, NOBODY, NATIVE)):
            if place not in buckets:
                raise Refused("buckets: no bucket")
            buckets[place] = buckets[place].debited(cost, None)
    except Refused as refusal:
        return Verdict(False, str(refusal), True, state)
    return Verdict(True, "", False, replace(state, buckets=buckets), spent=cost)
