"""What a session does: it signs an action with the hash of its intent record, and this workspace's account brings it.

So a session's key needs no coins, and the account that pays for gas needs no power. The record is kept before the
action leaves: nothing is on chain that nobody can explain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tallystick.agents.intents import Payment
from tallystick.agents.intents_openings import OpeningStore
from tallystick.agents.intents_signed import SignedIntent
from tallystick.agents.intents_store import IntentStore
from tallystick.agents.policy.change.calls import Contracts
from tallystick.agents.policy.change.live import read_account
from tallystick.agents.policy.nouns import Level
from tallystick.chain.abi import bounded
from tallystick.chain.bindings.policy_account import ActionLogged, Denied
from tallystick.chain.bindings.policy_relay import Action, PolicyRelay
from tallystick.chain.bindings.token import Token
from tallystick.chain.calls import Log
from tallystick.chain.coin import NATIVE, Coin
from tallystick.core.eip712 import sign_digest
from tallystick.core.errors import InvalidInput, Rejected
from tallystick.tally.agents import senders
from tallystick.tally.agents.reasons import Reasons, write_record

if TYPE_CHECKING:
    from tallystick.tally.workspace import Tally

ACT_GAS: Final = 1_000_000  # for the call and all checks of it; what is not used is not paid
_DATA_BYTES_MAX: Final = 2_048  # as the account takes it; beyond, it reverts without a reason
_APPROVED: Final = 2  # a call is read as an approved item's: beyond caps and payees, within the rules
VALID_S: Final = 600  # a signed action that nobody brought is void after ten minutes


@dataclass(frozen=True)
class Done:
    """What an act became: its link in the audit chain, and the record that says why."""

    link: ActionLogged
    transaction: bytes
    intent_hash: bytes
    gas_used: int

    def to_dict(self) -> dict[str, object]:
        """Return the act as JSON members; the amount in smallest units."""
        link = self.link
        shown = {"seq": link.seq, "session": link.session, "target": link.target, "token": link.token}
        hashes = {"intent": self.intent_hash.hex(), "transaction": "0x" + self.transaction.hex()}
        return {**shown, "spent": str(link.amount), "head": link.head.hex(), **hashes, "gas_used": self.gas_used}


class Acting:
    """The acts of a wallet's sessions, each by the name of its key in this workspace's keystore."""

    def __init__(
        self, tally: Tally, contracts: Contracts, relay: PolicyRelay, intents: IntentStore, first_block: int
    ) -> None:
        self._tally = tally
        self._contracts = contracts
        self._first_block = first_block
        self._relay = relay
        self._intents = intents
        self._openings = OpeningStore(tally.workspace.openings_path)

    def pay(self, session: str, coin: Coin, payee: str, units: int, why: Reasons) -> Done:
        """Return the payment of so much to a payee; raises Rejected with the policy's reason."""
        target, data, amount = self.payment_call(coin, payee, units)
        return self.act(session, target, data, amount, why, payment=Payment(payee, coin.address, units))

    def payment_call(self, coin: Coin, payee: str, units: int) -> tuple[str, bytes, int]:
        """Return the call that pays so much of a coin to a payee: target, calldata, native coin that goes along."""
        if coin.is_native:
            return payee, b"", units
        return coin.address, Token(self._tally.node, coin.address).transfer(payee, units).data, 0

    def act(
        self,
        session: str,
        target: str,
        data: bytes,
        amount: int,
        why: Reasons,
        *,
        payment: Payment | None = None,
        gas: int = ACT_GAS,
    ) -> Done:
        """Return the call of a target, done; raises Rejected with the policy's reason, InvalidInput "abi.length".

        amount   native coin that goes along
        payment  what it is meant to pay; None: what the account's rules read in it
        gas      for the call and all checks of it
        """
        account = senders.account_of(self._tally, session)
        bounded(data, _DATA_BYTES_MAX, "calldata")
        intent_hash = self.record(session, why, payment or self.meant(target, data, amount))
        address, secret = self._contracts.address, self._tally.secret(session).reveal()
        action = Action(
            session=account.address,
            seq=self._relay.seq_of(address, account.address),
            target=target,
            amount=amount,
            data=data,
            gas_limit=gas,
            deadline=senders.now_s(self._tally) + VALID_S,
            intent_hash=intent_hash,
            epoch=self._contracts.account.epoch(),
        )
        signature = sign_digest(secret, self._relay.action_digest(address, action))
        call = self._relay.execute_signed(address, action, signature)
        receipt = senders.send(self._tally, senders.OWN, call, f"act {account.address} {action.seq}")
        link = read_link(receipt.logs, address)
        return Done(link, receipt.transaction_hash, intent_hash, receipt.gas_used)

    def meant(self, target: str, data: bytes, amount: int) -> Payment | None:
        """Return what a call pays as the account's rules read it; None where it pays nothing.

        Of a call that no rule lets pass, what is known is the native coin that goes along.
        """
        rules, account = self._contracts.rules, self._contracts.address
        try:
            found = rules.read_call(account, Level.AUTONOMOUS, target, amount, data, _APPROVED)
        except (Rejected, InvalidInput):
            return Payment(target, NATIVE, amount) if amount else None
        return Payment(found.payee, found.token, found.debit) if found.debit else None

    def record(self, session: str, why: Reasons, payment: Payment | None) -> bytes:
        """Return the hash of a new intent record, which is signed and kept, and so is what opens its commitments."""
        key, node, address = senders.account_of(self._tally, session), self._tally.node, self._contracts.address
        written = write_record(
            why,
            address,
            node.chain_id,
            key.address,
            created_at=senders.now_s(self._tally),
            policy=read_account(node, address, first=self._first_block).policy.digest(),
            payment=payment,
        )
        signed = SignedIntent.sign(written.intent, self._tally.secret(session).reveal())
        self._openings.keep(written.intent.hash(), written.opening, written.contents)
        return self._intents.keep(signed)


def read_link(logs: tuple[Log, ...], account: str) -> ActionLogged:
    """Return the act's link; raises Rejected with the reason for which the policy or the target refused it."""
    own = [log for log in logs if log.address == account]
    denied = [Denied.decode(log) for log in own if log.topics[0] == Denied.topic]
    if denied:
        raise Rejected(
            denied[0].reason, f"the wallet refused: {denied[0].reason}", hint=HINTS.get(denied[0].reason, "")
        )
    return next(ActionLogged.decode(log) for log in reversed(own) if log.topics[0] == ActionLogged.topic)


# What to do about a refusal, where its words leave that open.
HINTS: Final[Mapping[str, str]] = {
    "buckets: over budget": "`tally agent policy explain` says what is left; wait, or propose it to the queue",
    "buckets: lifetime spent": "a raise renews it: raise the lifetime in the policy file and apply it",
    "buckets: no bucket": "session and account both need a budget of this token",
    "payees: not allowed": "name the payee in the policy file and apply it, or propose it to the queue",
    "payees: denied": "nobody pays this address, whoever approves",
    "payees: cooling off": "wait until its time has come",
    "rules: no rule": "the policy has no rule for this function of this target",
    "rules: over the cap": "pay less at once, or propose it to the queue",
    "rules: over the value cap": "send less along at once, or propose it to the queue",
    "rules: level too low": "the rule wants a session of a higher level; propose it to the queue",
    "rules: malformed call": "the calldata is not what the rule's function takes",
    "rules: word out of bounds": "`tally agent policy explain` says what this argument may be",
    "calls: beyond the item": "propose it again, with the token and the most that it spends",
    "calls: moved more": "the target took more than the rule reads in the call; do not use it",
    "calls: call failed": "the target refused; ask it why",
    "calls: target denied": "no session calls the wallet's own contracts",
    "sessions: owner is silent": "the owner's `tally agent heartbeat` comes first",
    "sessions: too many operations": "the session is at level propose now; the owner raises it again",
}
