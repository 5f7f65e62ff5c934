"""The past of an account, read from its chain: every link of the audit chain that a session made, with its calldata.

The audit chain has only the hash of an act's calldata. The bytes are looked for in the transaction: whatever way the
act came (by itself, signed, as a user operation, as a delegation), they lie in its input, and bytes with this hash are
those bytes. An act in the middle of another contract's call may have them nowhere in the input: a gap, which is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from tallystick.agents.policy.change.calls import Contracts
from tallystick.agents.policy.change.places import account_logs
from tallystick.agents.policy.nouns import NATIVE, NOBODY, LinkKind
from tallystick.agents.policy.replay.past import Act, Beat, History, Paid, Past, Seen
from tallystick.chain.bindings import token as token_events
from tallystick.chain.bindings.policy_account import ActionLogged, Denied, Heartbeat
from tallystick.chain.bindings.policy_queue import Approved, ItemRun, Proposed
from tallystick.chain.bindings.policy_rules import Introduced
from tallystick.chain.calls import Log
from tallystick.chain.node import Node
from tallystick.core.authorization import Authorization
from tallystick.core.digest import keccak

DATA_BYTES_MAX: Final = 2_048  # of an act's calldata, as the contract takes it
_TRANSFER: Final = bytes.fromhex("a9059cbb")
_TRANSFER_BYTES: Final = 68
_ACTS: Final = frozenset(
    (
        LinkKind.CALL,
        LinkKind.SIGNED_CALL,
        LinkKind.USER_OPERATION,
        LinkKind.DELEGATION,
        LinkKind.QUEUE_ITEM,
        LinkKind.GAS,
    )
)


def find_data(sent: bytes, data_hash: bytes) -> bytes | None:
    """Return the bytes with this hash that lie in a transaction's input, behind their length or as a bare transfer."""
    if data_hash == keccak(b""):
        return b""
    for at in range(32, len(sent)):
        length = int.from_bytes(sent[at - 2 : at], "big")
        if 0 < length <= DATA_BYTES_MAX and not any(sent[at - 32 : at - 2]):
            found = sent[at : at + length]
            if len(found) == length and keccak(found) == data_hash:
                return found
    at = sent.find(_TRANSFER)
    while at >= 0:
        found = sent[at : at + _TRANSFER_BYTES]
        if keccak(found) == data_hash:
            return found
        at = sent.find(_TRANSFER, at + 1)
    return None


def read_history(
    node: Node, address: str, tokens: Sequence[str] = (), *, first: int = 0, last: int | None = None
) -> History:
    """Return what happened to an account in the blocks `first` to `last`.

    tokens  whose authorizations are looked for, beside those that the account watches
    """
    contracts = Contracts.of(node, address)
    end = node.block_number() if last is None else last
    reader = _Reader(node, contracts)
    for log in account_logs(node, contracts, first, end):
        reader.take(log)
    watched = [one for one in (*tokens, *contracts.account.tokens()) if one != NATIVE]
    paid = reader.paid(tuple(dict.fromkeys(watched)), first, end)
    events = sorted([*reader.events, *paid], key=lambda one: one[0])
    return History(tuple(event for _, event in events))


@dataclass
class _Reader:
    node: Node
    contracts: Contracts
    events: list[tuple[tuple[int, int], Past]] = field(default_factory=list)
    denied: dict[tuple[bytes, str], str] = field(default_factory=dict)
    proposed: dict[bytes, Proposed] = field(default_factory=dict)
    approvals: dict[bytes, int] = field(default_factory=dict)
    run: dict[tuple[bytes, bytes], bytes] = field(default_factory=dict)
    times: dict[int, int] = field(default_factory=dict)
    sent: dict[bytes, bytes] = field(default_factory=dict)

    def take(self, log: Log) -> None:
        topic, at = log.topics[0], (log.block_number, log.log_index)
        if topic == Heartbeat.topic:
            self.events.append((at, Beat(self._time(log))))
        elif topic == Introduced.topic:
            seen = Introduced.decode(log)
            self.events.append((at, Seen(self._time(log), seen.payee, seen.usable_at)))
        elif topic == Denied.topic:
            denied = Denied.decode(log)
            self.denied[log.transaction_hash, denied.session] = denied.reason
        elif topic == Proposed.topic:
            proposed = Proposed.decode(log)
            self.proposed[proposed.id] = proposed
            self._look_up_approvals(proposed.id, log.block_number)
        elif topic == ActionLogged.topic:
            link = ActionLogged.decode(log)
            if link.kind in _ACTS and link.session != NOBODY:
                self.events.append((at, self._act(link, log)))

    def _look_up_approvals(self, item: bytes, first: int) -> None:
        queue = self.contracts.queue.address
        logs = self.node.logs(queue, ([Approved.topic, ItemRun.topic], item), from_block=first)
        self.approvals[item] = sum(log.topics[0] == Approved.topic for log in logs)
        data_hash = keccak(self.proposed[item].item.data)
        self.run |= {(log.transaction_hash, data_hash): item for log in logs if log.topics[0] == ItemRun.topic}

    def _act(self, link: ActionLogged, log: Log) -> Act:
        kind, at = LinkKind(link.kind), self._time(log)
        reason = "" if link.result else self.denied.get((log.transaction_hash, link.session), "")
        is_native = not link.result or link.token == NATIVE  # a refused act logs the coin that was to go along
        amount = link.amount if is_native and kind is not LinkKind.GAS else 0
        spent = link.amount if link.result else 0
        plain = Act(link.seq, at, kind, link.session, link.target, amount, None, link.token, spent, link.result, reason)
        if kind is LinkKind.GAS:
            return plain
        if kind is LinkKind.QUEUE_ITEM:
            return self._item(plain, self.run.get((log.transaction_hash, link.data_hash)))
        return replace(plain, data=find_data(self._input(log.transaction_hash), link.data_hash))

    def _item(self, act: Act, id_: bytes | None) -> Act:
        if id_ is None:
            return act
        item = self.proposed[id_].item
        waited_s, approvals = act.at - item.proposed_at, self.approvals[id_]
        return replace(act, amount=item.amount, data=item.data, waited_s=waited_s, approvals=approvals)

    def _input(self, transaction: bytes) -> bytes:
        if transaction not in self.sent:
            found = self.node.transaction(transaction)
            self.sent[transaction] = found.data if found else b""
        return self.sent[transaction]

    def _time(self, log: Log) -> int:
        if log.block_number not in self.times:
            self.times[log.block_number] = self.node.block(log.block_number).timestamp
        return self.times[log.block_number]

    # --- authorizations, which leave no link

    def paid(self, tokens: tuple[str, ...], first: int, last: int) -> Iterator[tuple[tuple[int, int], Past]]:
        if not tokens:
            return
        word = bytes(12) + bytes.fromhex(self.contracts.address[2:])
        used, moved = token_events.AuthorizationUsed, token_events.Transfer
        logs = self.node.logs(tokens, ([used.topic, moved.topic], word), from_block=first, to_block=last)
        for index, log in enumerate(logs):
            if log.topics[0] != used.topic:
                continue
            # The standard lets a token log the two in either order; they follow each other in one transaction.
            near = [one for one in logs[max(index - 1, 0) : index + 2] if one.topics[0] == moved.topic]
            mine = [one for one in near if (one.transaction_hash, one.address) == (log.transaction_hash, log.address)]
            if mine:
                transfer = moved.decode(min(mine, key=lambda one: -one.log_index))
                nonce = used.decode(log).nonce
                signed = Authorization(self.contracts.address, transfer.receiver, transfer.amount, 0, 0, nonce)
                yield (log.block_number, log.log_index), Paid(self._time(log), log.address, signed)
