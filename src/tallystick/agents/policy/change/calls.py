"""Setters and steps as calls that can be sent: calldata by the bindings, to the right one of an account's contracts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tallystick.agents.policy.change.plan import Deed, Step
from tallystick.agents.policy.change.setters import Home, Setter
from tallystick.agents.policy.document import Queue, Rule, Session
from tallystick.agents.policy.nouns import NATIVE
from tallystick.chain.bindings import policy_account, policy_changes, policy_queue, policy_rules
from tallystick.chain.calls import BlockId, Call, Caller


@dataclass(frozen=True)
class Contracts:
    """An account and the contracts that it leans on, as it names them itself."""

    address: str
    account: policy_account.PolicyAccount
    rules: policy_rules.PolicyRules
    queue: policy_queue.PolicyQueue
    changes: policy_changes.PolicyChanges
    relay: str
    own: frozenset[str]

    @classmethod
    def of(cls, node: Caller, address: str, *, at: BlockId = "latest") -> Contracts:
        """Return the contracts of the account at an address."""
        account = policy_account.PolicyAccount(node, address)
        rules, queue, changes = account.rules(at=at), account.queue(at=at), account.changes(at=at)
        relay = account.relay(at=at)
        return cls(
            account.address,
            account,
            policy_rules.PolicyRules(node, rules),
            policy_queue.PolicyQueue(node, queue),
            policy_changes.PolicyChanges(node, changes),
            relay,
            frozenset((account.address, rules, queue, changes, relay)),
        )

    def call_of(self, setter: Setter) -> Call:
        """Return the setter as a call by the owner."""
        arguments = [_as_abi(one) for one in setter.arguments]
        if setter.home is Home.ACCOUNT:
            call: Call = getattr(self.account, setter.function)(*arguments)
            return call
        binding: Any = self.rules if setter.home is Home.RULES else self.queue
        made: Call = getattr(binding, setter.function)(self.address, *arguments)
        return made

    def call_of_step(self, step: Step) -> Call | None:
        """Return the call that a step makes; None for one that waits."""
        call = self.call_of(step.setter)
        if step.deed is Deed.WAIT:
            return None
        if step.deed is Deed.SET:
            return call
        target = _target(call)
        if step.deed is Deed.SCHEDULE:
            return self.changes.schedule(self.address, target, call.data)
        return self.changes.apply(self.address, target, call.data)

    def due_at(self, setter: Setter, *, at: BlockId = "latest") -> int:
        """Return when an announced setter may be made; 0 if it was not announced in this epoch."""
        call = self.call_of(setter)
        return self.changes.due_at(self.address, _target(call), call.data, at=at)


def _target(call: Call) -> str:
    assert call.to is not None
    return call.to


def _as_abi(value: object) -> object:
    """Return a part of a policy as the contract's struct; everything else as it is."""
    if isinstance(value, Session):
        return _session(value)
    if isinstance(value, Queue):
        return policy_queue.QueueTerms(value.threshold, value.open_max, value.delay_s, value.veto_s)
    if isinstance(value, Rule):
        return _rule(value)
    if value is None:
        return policy_rules.Rule(False, False, 0, -1, -1, NATIVE, 0, 0, ())
    return value


def _session(session: Session) -> policy_account.Session:
    slots = session.slots
    return policy_account.Session(
        level=session.level,
        valid_after=session.valid_after,
        valid_until=session.valid_until,
        ops_max=session.operations,
        ops_period_s=session.operations_s,
        denials_max=session.denials,
        denials_window_s=session.denials_s,
        heartbeat_s=session.heartbeat_s,
        slots=slots.count,
        slot_period_s=slots.period_s,
        slot_cap=slots.cap,
        slot_token=slots.token,
        mandate_hash=session.mandate,
    )


def _rule(rule: Rule) -> policy_rules.Rule:
    return policy_rules.Rule(
        is_allowed=True,
        pulls=rule.pulls,
        min_level=rule.min_level,
        recipient_word=rule.payee_word,
        amount_word=rule.amount_word,
        token=rule.token,
        call_cap=rule.call_cap,
        value_cap=rule.value_cap,
        constraints=tuple(policy_rules.Constraint(one.word, one.low, one.high) for one in rule.constraints),
    )
