"""One wallet of an agent: what its owner, its guardians and its approvers do with it, and how it stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from tallystick.agents.audit import Audit, audit_account
from tallystick.agents.intents_store import IntentStore
from tallystick.agents.policy.change.calls import Contracts
from tallystick.agents.policy.change.live import LiveAccount, read_account
from tallystick.agents.policy.change.plan import Step
from tallystick.agents.policy.document import Policy, Session
from tallystick.agents.policy.nouns import Level, Scope
from tallystick.agents.policy.replay.history import read_history
from tallystick.agents.policy.replay.past import History
from tallystick.agents.rehearsal import Trial, rehearse
from tallystick.chain.bindings.agent_identity import AgentIdentity
from tallystick.chain.bindings.policy_changes import ChangeScheduled
from tallystick.chain.bindings.policy_relay import PolicyRelay
from tallystick.chain.calls import Call
from tallystick.chain.coin import NATIVE, Coin, read_coin
from tallystick.chain.facts import TxReceipt
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address
from tallystick.tally.agents import senders
from tallystick.tally.agents.acting import Acting, Done, read_link
from tallystick.tally.agents.queue import Queue
from tallystick.tally.agents.reasons import Reasons

if TYPE_CHECKING:
    from tallystick.tally.workspace import Tally


@dataclass(frozen=True)
class Applied:
    """What was sent of a plan, in words, and what still waits for its time."""

    sent: tuple[Step, ...]
    waiting: tuple[Step, ...]


class Wallet:
    """A policy account. Verbs of the owner are sent by this workspace's account; others by the key that is named."""

    def __init__(self, tally: Tally, address: str, first_block: int, intents: IntentStore) -> None:
        self._tally = tally
        self.address = address
        self.first_block = first_block
        self._intents = intents

    @cached_property
    def contracts(self) -> Contracts:
        """The account and what it leans on, to read."""
        return Contracts.of(self._tally.node, self.address)

    @cached_property
    def acting(self) -> Acting:
        """What its sessions do."""
        relay = PolicyRelay(self._tally.node, self.contracts.account.relay())
        return Acting(self._tally, self.contracts, relay, self._intents, self.first_block)

    @cached_property
    def queue(self) -> Queue:
        """What waits for approval."""
        return Queue(self._tally, self.contracts, self.first_block, self._intents)

    # --- how it stands

    def live(self, names: Policy | None = None) -> LiveAccount:
        """Return the account as it is now, in the names of a policy."""
        return read_account(self._tally.node, self.address, names=names, first=self.first_block)

    def history(self) -> History:
        """Return all that its sessions did and tried."""
        return read_history(self._tally.node, self.address, first=self.first_block)

    def audit(self, names: Policy | None = None, *, is_proven: bool = False) -> Audit:
        """Return everything that it did and why, with the intent records that are here, and what does not add up.

        names      a policy whose names are told
        is_proven  recompute headers and receipts, so that the node can hide nothing
        """
        return audit_account(
            self._tally.node, self.address, intents=self._intents, first=self.first_block, is_proven=is_proven,
            policy=names,
        )  # fmt: skip

    def holdings(self) -> list[tuple[Coin, int]]:
        """Return what it holds of each coin that it watches, the native one first."""
        node = self._tally.node
        coins = [Coin(), *(read_coin(node, one) for one in self.contracts.account.tokens())]
        return [(one, one.balance(node, self.address)) for one in coins]

    def guardians(self, live: LiveAccount) -> list[tuple[str, bool]]:
        """Return who can stop it, and whether each has any coins to pay for that; on the embedded chain all have."""
        is_free, node = self._tally.workspace.is_embedded, self._tally.node
        return [(one, is_free or node.balance(one) > 0) for one in live.policy.guardians]

    def rehearse(self) -> tuple[Trial, ...]:
        """Return who could freeze it now, and whether its owner could take everything out; nothing is sent."""
        node, is_free = self._tally.node, self._tally.workspace.is_embedded
        return rehearse(node, self.address, self.live().policy.guardians, is_free=is_free)

    # --- the owner

    def fund(self, coin: Coin, units: int) -> TxReceipt:
        """Send the wallet so much from this workspace's account; raises Rejected "coin.balance" and the token's."""
        if coin.is_native:
            call = Call(self.address, b"", units, "PolicyAccount", "fund")
        else:
            from tallystick.chain.bindings.token import Token

            call = Token(self._tally.node, coin.address).transfer(self.address, units)
        return self._send(call, f"fund {self.address} with {units}")

    def seal(self) -> TxReceipt:
        """End the time without delays; sessions may act from here on. Raises Rejected "roles: already sealed"."""
        return self._send(self.contracts.account.seal(), f"seal {self.address}")

    def sweep(self, token: str, receiver: str) -> TxReceipt:
        """Send everything of a token away, frozen or not.

        raises  InvalidInput "agent.receiver" for the zero address; Rejected "owners: call failed"
        """
        if receiver == NATIVE:
            raise InvalidInput("agent.receiver", "what is sent to the zero address is lost", hint="name who gets it")
        return self._send(self.contracts.account.sweep(token, receiver), f"sweep {token} of {self.address}")

    def heartbeat(self) -> TxReceipt:
        """Say that the owner lives."""
        return self._send(self.contracts.account.heartbeat(), f"heartbeat {self.address}")

    def unfreeze(self) -> int:
        """Return when the freeze ends, now that the owner wants it to; raises Rejected "roles: not frozen"."""
        self._send(self.contracts.account.unfreeze(), f"unfreeze {self.address}")
        return self.contracts.account.frozen_until()

    def extend_freeze(self, until: int) -> TxReceipt:
        """Let a running freeze last until then; raises Rejected "roles: not frozen", "roles: freeze too long"."""
        return self._send(self.contracts.account.extend_freeze(until), f"extend freeze of {self.address} to {until}")

    def execute(self, target: str, data: bytes, amount: int, why: Reasons) -> Done:
        """Return what the owner had the wallet do, outside every rule and budget, with a record that the owner signed.

        amount  native coin of the wallet that goes along
        raises  Rejected "roles: not the owner", "roles: frozen", "owners: target denied", and what the target says
        """
        intent_hash = self.acting.record(senders.OWN, why, self.acting.meant(target, data, amount))
        call = self.contracts.account.owner_execute(target, amount, data, intent_hash, value=0)
        receipt = self._send(call, f"execute {intent_hash.hex()}")
        return Done(read_link(receipt.logs, self.address), receipt.transaction_hash, intent_hash, receipt.gas_used)

    def approve_digest(self, digest: bytes, expires: int) -> TxReceipt:
        """Let ERC-1271 say yes to a digest until then, in this epoch; 0 takes it back."""
        return self._send(self.contracts.account.approve_digest(digest, expires), f"digest {digest.hex()} {expires}")

    # --- another owner

    def offer(self, heir: str) -> Applied:
        """Offer the wallet to an heir: at once before sealing, or announced and made once due; then the heir accepts.

        raises  InvalidInput "agent.heir" for the owner and the zero address; Rejected "roles: key has another role"
        """
        live = self.live()
        if heir in (live.policy.owner, NATIVE):
            words = "nobody can accept it there" if heir == NATIVE else f"{heir} owns it already"
            raise InvalidInput(
                "agent.heir", words, hint="name somebody else; `tally agent owner withdraw` ends an offer"
            )
        if heir == self.contracts.account.heir():
            return Applied((), ())
        return self._apply(live, live.plan_to(replace(live.policy, owner=heir), self._now_s()))

    def offers(self, live: LiveAccount) -> list[tuple[str, int]]:
        """Return the heirs whose offers are announced and not made, and when each is due."""
        return [(parse_address(f"0x{one.data[-20:].hex()}"), one.due) for one in self._offers(live)]

    def _offers(self, live: LiveAccount) -> list[ChangeScheduled]:
        selector = self.contracts.account.offer_ownership(NATIVE).data[:4]
        return [one for one in live.scheduled if one.target == self.address and one.data[:4] == selector]

    def withdraw(self, by: str = senders.OWN) -> int:
        """Take back every offer; return how many there were. The owner all, a guardian those that are announced.

        raises  InvalidInput "agent.offer" where there is none; Rejected "changes: not a guardian" for others, and
                "roles: not the owner" for a guardian where the offer was made already
        """
        account, changes = self.contracts.account, self.contracts.changes
        calls = [changes.cancel(self.address, one.target, one.data) for one in self._offers(self.live())]
        is_owner = senders.account_of(self._tally, by).address == account.owner()
        if account.heir() != NATIVE and (is_owner or not calls):
            calls.append(account.offer_ownership(NATIVE))
        if not calls:
            raise InvalidInput("agent.offer", "the wallet is offered to nobody", hint="nothing is to be taken back")
        for number, call in enumerate(calls):
            self._send(call, f"withdraw {number} of {self.address}", by)
        return len(calls)

    def accept(self, by: str = senders.OWN) -> TxReceipt:
        """Take the wallet over, as the heir that it is offered to; raises Rejected "roles: not the heir"."""
        return self._send(self.contracts.account.accept_ownership(), f"accept {self.address}", by)

    # --- whoever may

    def bump_epoch(self, by: str = senders.OWN) -> int:
        """Kill every session, item, digest and announced change for good; return the new epoch. Owner or guardian."""
        self._send(self.contracts.account.bump_epoch(), f"bump epoch of {self.address}", by)
        return self.contracts.account.epoch()

    def introduce(self, agent: int) -> tuple[str, int]:
        """Record that an agent's wallet has been seen; return it, and from when on it may be paid. Anybody may.

        raises  Rejected "payees: no registry", "payees: no wallet"; introduced again, its time stays
        """
        rules = self.contracts.rules
        self._send(rules.introduce(self.address, agent), f"introduce {agent} to {self.address}")
        registry, _ = rules.newcomers_of(self.address)
        payee = AgentIdentity(self._tally.node, registry).get_agent_wallet(agent)
        return payee, rules.newcomer_of(self.address, payee)[1]

    def accrue(self, scope: Scope, holder: str, token: str) -> int:
        """Let a bucket count what has come in, so that user operations may spend it; return what it holds then."""
        self._send(self.contracts.account.accrue(scope, holder, token), f"accrue {scope} {holder} {token}")
        return self.contracts.account.bucket_of(scope, holder, token).balance

    def freeze(self, duration_s: int, by: str = senders.OWN) -> TxReceipt:
        """Stop everything but the owner's sweep, and kill every session for good; a guardian's or the owner's key."""
        return self._send(self.contracts.account.freeze(duration_s), f"freeze {self.address}", by)

    def revoke(self, session: str, by: str = senders.OWN) -> TxReceipt:
        """End a session: the owner's, a guardian's or its own key."""
        return self._send(self.contracts.account.revoke_session(session), f"revoke {session}", by)

    # --- changes

    def apply(self, wanted: Policy, *, is_strict: bool = False, told: Callable[[int], None] | None = None) -> Applied:
        """Send what turns the wallet into the policy: lowerings now, raises announced, and made where they are due.

        told    hears of each step that is done
        raises  InvalidInput "policy.chain", "policy.account"; Rejected with the contracts' reasons
        """
        live = self.live(wanted)
        steps = live.plan_to(wanted, self._now_s(), is_strict=is_strict)
        return self._apply(live, steps, told)

    def make_due(self) -> int:
        """Have every announced change made that is due; return how many that were. Anybody may."""
        live, now_s, changes = self.live(), self._now_s(), self.contracts.changes
        due = [one for one in live.scheduled if one.due <= now_s]
        for one in due:
            self._send(changes.apply(self.address, one.target, one.data), f"make {one.change.hex()}")
        return len(due)

    def cancel_foreign(self, wanted: Policy, by: str = senders.OWN) -> int:
        """Take back every announced change that the policy does not ask for; return how many that were."""
        calls = self.live(wanted).cancelling(wanted)
        for number, call in enumerate(calls):
            self._send(call, f"cancel {number} of {self.address}", by)
        return len(calls)

    def grant(self, session: Session) -> Applied:
        """Let a key act within the session's terms and budgets: at once before sealing, or announced.

        raises  InvalidInput "agent.session" where the key has a session
        """
        live = self.live()
        if any(one.key == session.key for one in live.policy.sessions):
            raise InvalidInput(
                "agent.session", f"{session.key} has a session already",
                hint="`tally agent session level` changes its level; a policy file everything else",
            )  # fmt: skip
        return self._change(live, (*live.policy.sessions, session))

    def set_level(self, session: str, level: Level, by: str = senders.OWN) -> Applied:
        """Change what a session may do alone: lower at once, by whoever may; higher by the owner, announced.

        raises  Rejected "roles: not a guardian", "changes: not the owner"
        """
        live = self.live()
        changed = replace(self._session(live, session), level=level)
        sessions = tuple(changed if one.key == session else one for one in live.policy.sessions)
        return self._change(live, sessions, by)

    def rotate(self, session: str, successor: str) -> TxReceipt:
        """Let a session go on under another key, its limits with it; raises Rejected "sessions: not live"."""
        return self._send(self.contracts.account.rotate_session(session, successor), f"rotate {session} {successor}")

    # --- parts

    def _change(self, live: LiveAccount, sessions: tuple[Session, ...], by: str = senders.OWN) -> Applied:
        return self._apply(live, live.plan_to(replace(live.policy, sessions=sessions), self._now_s()), by=by)

    def _apply(
        self,
        live: LiveAccount,
        steps: tuple[Step, ...],
        told: Callable[[int], None] | None = None,
        by: str = senders.OWN,
    ) -> Applied:
        sent, waiting = [], []
        for number, step in enumerate(steps):
            call = live.contracts.call_of_step(step)
            if call is None:
                waiting.append(step)
            else:
                self._send(call, f"step {number} {step.deed.value} of {self.address}", by)
                sent.append(step)
            if told is not None:
                told(1)
        return Applied(tuple(sent), tuple(waiting))

    def _session(self, live: LiveAccount, key: str) -> Session:
        found = next((one for one in live.policy.sessions if one.key == key), None)
        if found is None:
            raise InvalidInput(
                "agent.session", f"{key} has no session here", hint="`tally agent session list` shows which there are"
            )
        return found

    def _send(self, call: Call, intent: str, by: str = senders.OWN) -> TxReceipt:
        return senders.send(self._tally, by, call, intent)

    def _now_s(self) -> int:
        return senders.now_s(self._tally)
