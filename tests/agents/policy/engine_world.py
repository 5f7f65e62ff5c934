"""One account on a real ledger and the engine beside it, both asked the same at the same instant.

A transaction is mined at the next block's time whatever comes of it; the engine is asked for that time. What both keep
is compared after every step: verdict and reason, then every bucket, level and counter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tallystick.agents.policy.document import Policy
from tallystick.agents.policy.engine.decide import Action, decide
from tallystick.agents.policy.engine.items import Item, decide_item
from tallystick.agents.policy.engine.state import State
from tallystick.agents.policy.nouns import Level
from tallystick.chain.bindings import policy_queue
from tallystick.chain.bindings.policy_account import EVENTS, Denied
from tallystick.chain.bindings.policy_queue import PolicyQueue, Proposed
from tallystick.chain.bindings.policy_rules import PolicyRules
from tallystick.chain.calls import Call
from tallystick.core.digest import keccak
from tallystick.core.errors import Rejected
from tests.agents.policy.account_kit import DAY_S, Owner, World
from tests.contracts.kernels import compiled

VAULT = """
# pragma version 0.4.3
interface IToken:
    def transferFrom(owner: address, receiver: address, amount: uint256) -> bool: nonpayable

@external
def deposit(amount: uint256, beneficiary: address):
    assert beneficiary != empty(address)
    if amount % 7 == 6:
        raise "vault: closed"
    extcall IToken({token}).transferFrom(msg.sender, self, amount - amount % 3)
"""
REGISTRY = """
# pragma version 0.4.3
wallets: HashMap[uint256, address]

@external
def put(agent_id: uint256, wallet: address):
    self.wallets[agent_id] = wallet

@view
@external
def getAgentWallet(agent_id: uint256) -> address:
    return self.wallets[agent_id]
"""


class Twins:
    """The account and its engine."""

    def __init__(self, world: World, make_policy: Callable[[Owner], Policy]) -> None:
        self.world, self.ledger = world, world.ledger
        self.owner = Owner(world)
        self.policy = make_policy(self.owner)
        self.owner.begin(self.policy)
        self.ledger.send(Call(self.owner.address, b"", 10**17), self.owner.stranger)
        self.rules, self.queue = PolicyRules(self.ledger, world.rules), PolicyQueue(self.ledger, world.queue)
        self.state: State = self.owner.live(self.policy).state
        self.items: list[tuple[policy_queue.Item, Item]] = []

    # --- steps

    def pass_time(self, seconds: int) -> None:
        """Let the next transaction be so much later."""
        self.ledger.time += seconds

    def act(self, action: Action) -> tuple[str, bool]:
        """Let a session act; return the reason, and whether all was reverted, having compared both."""
        call = self.owner.account.execute(action.target, action.amount, action.data, bytes(32))
        at, reason, is_reverted = self._mined(call, action.session)
        verdict = decide(self.state, action, at)
        assert (verdict.reason, verdict.reverts) == (reason, is_reverted), (action, at)
        self.state = verdict.state
        self.compare(at)
        return reason, is_reverted

    def propose(self, action: Action, token: str, most: int) -> None:
        """Let a session ask; both know the item from here on, if it was taken."""
        call = self.queue.propose(
            self.owner.address, action.target, action.amount, action.data, token, most, bytes(32), 10 * 86_400
        )
        at, _, is_reverted = self._mined(call, action.session)
        if not is_reverted:
            newest = self.ledger.node.block_number()
            (log,) = self.ledger.node.logs(self.world.queue, (Proposed.topic,), from_block=newest)
            made = Proposed.decode(log).item
            is_supervised = self.state.sessions[action.session].level >= Level.SUPERVISED
            item = Item(action, token, most, at, made.expires, is_supervised=is_supervised)
            self.items.append((made, item))

    def approve(self, index: int) -> None:
        """Let the approver pass an item."""
        made, item = self.items[index]
        if item.approvals or not item.is_open:
            return
        id_ = self.queue.item_id(self.owner.address, self.state.epoch, made)
        _, _, is_reverted = self._mined(self.queue.approve(id_), self.owner.approver)
        if not is_reverted:
            self.items[index] = (made, replace(item, approvals=1))

    def run(self, index: int) -> str:
        """Let anybody run an item; return the reason, having compared both."""
        made, item = self.items[index]
        at, reason, is_reverted = self._mined(self.queue.run(self.owner.address, made), self.owner.stranger)
        verdict = decide_item(self.state, item, at)
        assert (verdict.reason, verdict.reverts) == (reason, is_reverted), (item, at)
        self.state = verdict.state
        if verdict.is_allowed:
            self.items[index] = (made, replace(item, is_open=False))
        self.compare(at)
        return reason

    def lower(self, key: str, level: Level) -> None:
        """Let a guardian lower a session."""
        session = self.state.sessions[key]
        if level <= session.level:
            self._mined(self.owner.account.set_level(key, level), self.owner.guardian)
            self.state = self.state.with_session(replace(session, level=level))

    def raise_level(self, key: str, level: Level) -> None:
        """Let the owner raise a session, which takes a day."""
        session, call = self.state.sessions[key], self.owner.account.set_level(key, level)
        if level <= session.level:
            return
        changes, place = self.owner.live(self.policy).contracts.changes, (self.owner.address, self.owner.address)
        self._mined(changes.schedule(*place, call.data), self.owner.owner)
        self.pass_time(DAY_S)
        _, reason, is_reverted = self._mined(changes.apply(*place, call.data), self.owner.stranger)
        assert not is_reverted, reason
        self.state = self.state.with_session(replace(session, level=level))

    def speak(self) -> None:
        """Let the owner say that it lives."""
        at, _, _ = self._mined(self.owner.account.heartbeat(), self.owner.owner)
        self.state = replace(self.state, heartbeat=at)

    def introduce(self, agent: int, wallet: str, cooling_off_s: int) -> None:
        """Let a registry's agent be seen."""
        self.ledger.send(Call(self.policy.newcomers.registry, put_data(agent, wallet)), self.owner.stranger)
        at, _, is_reverted = self._mined(self.rules.introduce(self.owner.address, agent), self.owner.stranger)
        assert not is_reverted
        if wallet not in self.state.newcomers:
            self.state = replace(self.state, newcomers={**self.state.newcomers, wallet: at + cooling_off_s})

    # --- comparing

    def compare(self, at: int) -> None:
        """Hold everything that the account keeps against the engine's."""
        account = self.owner.account
        for place, bucket in self.state.buckets.items():
            found = account.bucket_of(*place)
            now = bucket.counted(at)
            assert (found.balance, found.since, found.lifetime_spent) == (now.balance, now.since, now.spent), place
        for key, session in self.state.sessions.items():
            found_state = account.state_of(key)
            assert account.session_of(key).level == session.level
            assert (found_state.ops, found_state.ops_since) == (session.operations.count, session.operations.since)
            assert (found_state.denials, found_state.denials_since) == (session.denials.count, session.denials.since)

    def _mined(self, call: Call, sender: str) -> tuple[int, str, bool]:
        """Mine a call whatever comes of it; return its time, why it was refused, and whether all was reverted."""
        receipt, at = self.ledger.attempt(call, sender)
        if receipt.succeeded:
            denials = [EVENTS[log.topics[0]].decode(log) for log in receipt.logs if log.topics[0] == Denied.topic]
            return at, denials[0].reason if denials else "", False
        assert call.to is not None
        try:  # asked again at the same instant, in the state that the failure left untouched
            self.ledger.call(call.to, call.data, sender=sender, value=call.value)
        except Rejected as rejection:
            return at, rejection.code, True
        raise AssertionError("it failed and would not fail again")


def put_data(agent: int, wallet: str) -> bytes:
    """Return calldata that gives a registry's agent a wallet."""
    return keccak(b"put(uint256,address)")[:4] + agent.to_bytes(32, "big") + bytes(12) + bytes.fromhex(wallet[2:])


def make_vault(world: World) -> str:
    """Deploy a target that takes an allowance, or a little less, or fails."""
    return world.ledger.deploy(compiled(VAULT.format(token=world.token.address)))


def make_registry(world: World) -> str:
    """Deploy a registry in which anybody gives any agent any wallet."""
    return world.ledger.deploy(compiled(REGISTRY))
