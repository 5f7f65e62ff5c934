"""Which places of an account were ever set: the keys of its mappings, collected from its events.

A contract does not list its mappings, so events say where to look and views what is there. Every event that is read
here names its account, or is the account's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tallystick.agents.policy.change.calls import Contracts
from tallystick.agents.policy.engine.state import Place
from tallystick.agents.policy.nouns import NATIVE, Scope
from tallystick.chain.bindings import policy_account, policy_changes, policy_queue, policy_rules
from tallystick.chain.calls import Log
from tallystick.chain.node import Node


@dataclass
class Places:
    """Everything that may be set, in the order in which it first was."""

    keys: dict[str, None] = field(default_factory=dict)
    sessions: dict[str, None] = field(default_factory=dict)
    buckets: dict[Place, None] = field(default_factory=dict)
    rules: dict[tuple[str, bytes], None] = field(default_factory=dict)
    payees: dict[str, None] = field(default_factory=dict)
    newcomers: dict[str, None] = field(default_factory=dict)
    changes: dict[bytes, policy_changes.ChangeScheduled] = field(default_factory=dict)
    items: dict[bytes, policy_queue.Proposed] = field(default_factory=dict)

    def add(self, event: object) -> None:
        """Take in what an event says may be set."""
        if isinstance(event, policy_account.RoleSet):
            self.keys[event.account] = None
        elif isinstance(event, policy_account.SessionGranted):
            self.sessions[event.session] = None
        elif isinstance(event, policy_account.SessionRotated):
            self.sessions[event.successor] = None
            moved = [
                token for scope, holder, token in self.buckets if (scope, holder) == (Scope.SESSION, event.session)
            ]
            self.buckets |= dict.fromkeys((Scope.SESSION, event.successor, token) for token in (NATIVE, *moved))
        elif isinstance(event, policy_account.BucketSet):
            self.buckets[Scope(event.scope), event.holder, event.token] = None
        elif isinstance(event, policy_rules.RuleSet):
            self.rules[event.target, event.selector] = None
        elif isinstance(event, policy_rules.PayeeSet):
            self.payees[event.payee] = None
        elif isinstance(event, policy_rules.Introduced):
            self.newcomers[event.payee] = None
        elif isinstance(event, policy_changes.ChangeScheduled):
            self.changes[event.change] = event
        elif isinstance(event, policy_queue.Proposed):
            self.items[event.id] = event


def find_places(node: Node, contracts: Contracts, first: int, last: int) -> Places:
    """Return what the events of an account in the blocks `first` to `last` say may be set."""
    places = Places()
    for log in account_logs(node, contracts, first, last):
        known = _EVENTS.get(log.topics[0])
        if known is not None:
            places.add(known.decode(log))
    return places


def account_logs(node: Node, contracts: Contracts, first: int, last: int) -> list[Log]:
    """Return all logs of an account, its rules, queue and changes, in chain order."""
    logs = node.logs(contracts.address, from_block=first, to_block=last)
    word = bytes(12) + bytes.fromhex(contracts.address[2:])
    others = [contracts.rules.address, contracts.changes.address]
    logs += node.logs(others, (list(_BY_FIRST), word), from_block=first, to_block=last)
    logs += node.logs(others, (list(_BY_SECOND), None, word), from_block=first, to_block=last)
    logs += node.logs(contracts.queue.address, (list(_BY_SECOND), None, word), from_block=first, to_block=last)
    logs += node.logs(contracts.queue.address, (list(_BY_FIRST), word), from_block=first, to_block=last)
    return sorted(logs, key=lambda log: (log.block_number, log.log_index))


_RULES, _CHANGES = policy_rules, policy_changes
_BY_FIRST = frozenset(
    event.topic
    for event in (_RULES.RuleSet, _RULES.PayeeSet, _RULES.NewcomersSet, _RULES.Introduced, policy_queue.QueueTermsSet)
)
_BY_SECOND = frozenset(
    event.topic
    for event in (_CHANGES.ChangeScheduled, _CHANGES.ChangeApplied, _CHANGES.ChangeCancelled, policy_queue.Proposed)
)
_EVENTS = {**policy_account.EVENTS, **policy_rules.EVENTS, **policy_changes.EVENTS, **policy_queue.EVENTS}
