"""An account as it is on its chain, read back into a policy and into the engine's state, all at one block.

What a policy file calls things is not on chain: names come from the file that it is compared with, or are made up.
"""

from __future__ import annotations

from dataclasses import dataclass

from tallystick.agents.policy.change import live_parts as parts
from tallystick.agents.policy.change.calls import Contracts
from tallystick.agents.policy.change.diff import Change, diff
from tallystick.agents.policy.change.places import find_places
from tallystick.agents.policy.change.plan import Step, plan
from tallystick.agents.policy.document import Policy, Queue, Rates, Terms
from tallystick.agents.policy.durations import say_time
from tallystick.agents.policy.engine.state import Place, State
from tallystick.agents.policy.nouns import Role
from tallystick.chain.bindings.policy_changes import ChangeScheduled
from tallystick.chain.calls import BlockId, Call
from tallystick.chain.node import Node
from tallystick.core.errors import InvalidInput


@dataclass(frozen=True)
class LiveAccount:
    """An account at one block.

    policy     what it holds, as a policy; sessions of this epoch only, each at the level it has now
    state      what the engine decides by
    buckets    every bucket that it keeps
    stale      keys that still hold a session of an epoch before
    scheduled  what was announced in this epoch and neither made nor taken back
    at         Unix seconds of the block
    """

    contracts: Contracts
    policy: Policy
    state: State
    buckets: dict[Place, Rates]
    stale: frozenset[str]
    scheduled: tuple[ChangeScheduled, ...]
    at: int

    def changes_to(self, wanted: Policy) -> tuple[Change, ...]:
        """Return what turns the account into the policy.

        raises  InvalidInput "policy.chain", "policy.account" for a policy of another chain or account
        """
        if wanted.chain_id != self.policy.chain_id:
            raise InvalidInput(
                "policy.chain", "the policy is for another chain", expected=self.policy.chain_id, got=wanted.chain_id
            )
        if wanted.account not in (None, self.contracts.address):
            raise InvalidInput(
                "policy.account",
                "the policy is of another account",
                expected=self.contracts.address,
                got=wanted.account,
            )
        return diff(self.policy, wanted, stale=self.stale, buckets=self.buckets)

    def plan_to(self, wanted: Policy, at: int | None = None, *, is_strict: bool = False) -> tuple[Step, ...]:
        """Return the steps that turn the account into the policy; made and planned again until none is left."""
        return plan(
            self.changes_to(wanted),
            is_sealed=self.state.is_sealed,
            raise_delay_s=self.policy.terms.raise_delay_s,
            due_at=self.contracts.due_at,
            at=self.at if at is None else at,
            is_strict=is_strict,
        )

    def calls_to(self, wanted: Policy, at: int | None = None, *, is_strict: bool = False) -> tuple[Call, ...]:
        """Return the calls that can be sent now, in order: by the owner, who may also make what is due."""
        calls = (self.contracts.call_of_step(step) for step in self.plan_to(wanted, at, is_strict=is_strict))
        return tuple(call for call in calls if call is not None)

    def foreign_to(self, wanted: Policy) -> tuple[ChangeScheduled, ...]:
        """Return what was announced and is not part of the policy: somebody wanted something else."""
        meant = self._meant(wanted)
        return tuple(one for one in self.scheduled if (one.target, one.data) not in meant)

    def cancelling(self, wanted: Policy) -> tuple[Call, ...]:
        """Return the calls that take back what is foreign to the policy: by the owner or any guardian."""
        address, cancel = self.contracts.address, self.contracts.changes.cancel
        return tuple(cancel(address, one.target, one.data) for one in self.foreign_to(wanted))

    def waiting(self, wanted: Policy) -> tuple[str, ...]:
        """Return sentences about what was announced: in the policy's words, or that it is foreign to it."""
        meant = self._meant(wanted)
        return tuple(
            f"from {say_time(one.due)} on anybody may have it made: "
            + meant.get((one.target, one.data), "a change that this policy does not ask for; take it back")
            for one in self.scheduled
        )

    def _meant(self, wanted: Policy) -> dict[tuple[str | None, bytes], str]:
        calls = ((self.contracts.call_of(one.setter), one.words) for one in self.changes_to(wanted))
        return {(call.to, call.data): text for call, text in calls}


def read_account(
    node: Node, address: str, *, names: Policy | None = None, first: int = 0, at: BlockId = "latest"
) -> LiveAccount:
    """Return the account at an address, at the newest block unless told.

    names   a policy whose names are used for what it knows
    first   the block of its creation, or any before
    at      an older block, for a node that still has its state
    raises  what `Node` raises; InvalidInput "chain.no_contract" where there is none
    """
    node.check_contract(address)
    block = node.block(at)
    at = block.hash
    contracts = Contracts.of(node, address, at=at)
    places = find_places(node, contracts, first, block.number)
    reader = parts.Reader(node, contracts, places, at, names)
    account = contracts.account
    epoch = account.epoch(at=at)
    roles = {key: account.role_of(key, at=at) for key in places.keys}
    buckets = reader.buckets()
    rules = reader.rules()
    sessions = reader.sessions(buckets)
    raise_delay_s, unfreeze_delay_s = account.delays(at=at)
    terms = contracts.queue.queue_of(contracts.address, at=at)
    newcomers, introduced = reader.newcomers(buckets)
    policy = Policy(
        chain_id=node.chain_id,
        owner=account.owner(at=at),
        guardians=tuple(key for key, role in roles.items() if role == Role.GUARDIAN),
        approvers=tuple(key for key, role in roles.items() if role == Role.APPROVER),
        terms=Terms(raise_delay_s, unfreeze_delay_s),
        account=contracts.address,
        tokens=reader.tokens(buckets, rules),
        payees=reader.payees(buckets),
        rules=rules,
        sessions=tuple(one.terms for one in sessions if one.epoch == epoch),
        newcomers=newcomers,
        queue=Queue(terms.threshold, terms.open_max, terms.queue_delay_s, terms.veto_delay_s),
        addresses=reader.addresses(),
    )
    state = State(
        account=contracts.address,
        own=contracts.own,
        epoch=epoch,
        is_sealed=account.is_sealed(at=at),
        frozen_until=account.frozen_until(at=at),
        heartbeat=account.last_heartbeat(at=at),
        registry=newcomers.registry,
        queue=policy.queue,
        sessions={one.terms.key: one for one in sessions},
        buckets=buckets,
        rules={one.place: one for one in policy.rules},
        payees={one.address: (one.standing, one.expires) for one in policy.payees},
        newcomers=introduced,
    )
    stale = frozenset(one.terms.key for one in sessions if one.epoch != epoch)
    rates = {place: bucket.rates for place, bucket in buckets.items()}
    return LiveAccount(contracts, policy, state, rates, stale, reader.scheduled(), block.timestamp)
