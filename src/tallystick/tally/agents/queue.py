"""What a wallet's sessions asked for because they may not do it alone: shown, proposed, approved, vetoed, run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tallystick.agents.intents_store import IntentStore
from tallystick.agents.policy.change.calls import Contracts
from tallystick.chain.bindings.policy_queue import Item, ItemRun, ItemState, Proposed, Vetoed
from tallystick.chain.coin import NATIVE, Coin, read_coin
from tallystick.chain.facts import TxReceipt
from tallystick.core.errors import InvalidInput, Rejected, Unavailable, VerificationFailed
from tallystick.core.ids import parse_address
from tallystick.tally.agents import senders
from tallystick.tally.agents.acting import Done, read_link

if TYPE_CHECKING:
    from tallystick.tally.workspace import Tally

_TRANSFER: Final = bytes.fromhex("a9059cbb") + bytes(12)  # transfer(address,uint256), to a whole address
_TRANSFER_BYTES: Final = 68
_ENDS: Final = {ItemRun.topic: "ran", Vetoed.topic: "vetoed"}
_IDS_A_QUERY: Final = 100  # nodes take some hundreds of values for a topic


@dataclass(frozen=True)
class Waiting:
    """One item, and how it stands: "open", "expired", "ran", "vetoed", or "void" where its epoch is over."""

    id: bytes
    item: Item
    state: ItemState
    words: str

    def to_dict(self) -> dict[str, object]:
        """Return the item as JSON members; amounts in smallest units."""
        item = self.item
        return {
            "item": self.id.hex(),
            "state": self.words,
            "session": item.session,
            "target": item.target,
            "amount": str(item.amount),
            "data": item.data.hex(),
            "token": item.token,
            "max_debit": str(item.max_debit),
            "intent": item.intent_hash.hex(),
            "approvals": self.state.approvals,
            "proposed_at": item.proposed_at,
            "expires": item.expires,
        }


class Queue:
    """The queue of one wallet."""

    def __init__(self, tally: Tally, contracts: Contracts, first_block: int, intents: IntentStore) -> None:
        self._tally = tally
        self._contracts = contracts
        self._intents = intents
        self._first_block = first_block

    def items(self) -> list[Waiting]:
        """Return everything that was ever proposed, the newest first."""
        account = bytes(12) + bytes.fromhex(self._contracts.address[2:])
        topics = (Proposed.topic, None, account)
        logs = self._tally.node.logs(self._contracts.queue.address, topics, from_block=self._first_block)
        found = [Proposed.decode(log) for log in reversed(logs)]
        ends = self._ends([one.id for one in found])
        return [self._waiting(one, ends.get(one.id)) for one in found]

    def find(self, item: bytes) -> Waiting:
        """Return one item; raises InvalidInput "agent.item"."""
        found = next((one for one in self.items() if one.id == item), None)
        if found is None:
            raise InvalidInput(
                "agent.item", "no such item was proposed to this wallet", got=item.hex(),
                hint="`tally agent queue list` shows the items",
            )  # fmt: skip
        return found

    def say(self, item: Item) -> tuple[str, ...]:
        """Return in words what an item does, exactly, and what it is for where its record is here."""
        native = f"{Coin().format(item.amount)} of native coin"
        lines = [f"sends {native} to {item.target}"]
        if item.data:
            lines = [f"calls {item.target} with 0x{item.data.hex()}" + (f" and {native}" if item.amount else "")]
        if item.data[:16] == _TRANSFER and len(item.data) == _TRANSFER_BYTES:
            payee, units = parse_address(f"0x{item.data[16:36].hex()}"), int.from_bytes(item.data[36:], "big")
            lines.append(f"that is, as a token: moves {self._amount(item.target, units)} to {payee}")
        if item.token != NATIVE:
            lines.append(f"spends at most {self._amount(item.token, item.max_debit)}")
        try:
            record = self._intents.find(item.intent_hash).intent
        except (InvalidInput, Unavailable, VerificationFailed):
            return (*lines, "no record of it is here: ask who operates the agent what it is for")
        return (*lines, f"for {record.purpose!r}, asked by {record.asked_by!r}, says the session's record")

    def _amount(self, token: str, units: int) -> str:
        """Return an amount of a token that a session named: it may call itself anything, or be none."""
        try:
            return f"{read_coin(self._tally.node, token).named(units)} of {token}"
        except (InvalidInput, Rejected):
            return f"{units} units of {token}, which is no token"

    def propose(
        self, session: str, target: str, data: bytes, amount: int, token: Coin, max_debit: int, intent_hash: bytes,
        valid_s: int,
    ) -> Waiting:  # fmt: skip
        """Return an action that a session asks for, now in the queue; the session's key sends it.

        amount             native coin that goes along
        token, max_debit   what it may spend beside, and the most of it
        raises             Rejected with the queue's reasons
        """
        queue, account = self._contracts.queue, self._contracts.address
        call = queue.propose(account, target, amount, data, token.address, max_debit, intent_hash, valid_s)
        receipt = senders.send(self._tally, session, call, f"propose {intent_hash.hex()}")
        log = next(log for log in receipt.logs if log.topics[0] == Proposed.topic)
        return self._waiting(Proposed.decode(log))

    def approve(self, item: bytes, by: str = senders.OWN) -> TxReceipt:
        """Let an item pass, as one of several; raises Rejected "queue: not an approver", "queue: not open"."""
        return senders.send(self._tally, by, self._contracts.queue.approve(item), f"approve {item.hex()} {by}")

    def veto(self, item: bytes, by: str = senders.OWN) -> TxReceipt:
        """Take an item out of the queue; raises Rejected "queue: not yours to veto", "queue: not open"."""
        return senders.send(self._tally, by, self._contracts.queue.veto(item), f"veto {item.hex()} {by}")

    def run(self, item: bytes) -> Done:
        """Return what an item whose time has come became; raises Rejected with the queue's and the policy's reasons."""
        address, wanted = self._contracts.address, self.find(item).item
        call = self._contracts.queue.run(address, wanted)
        receipt = senders.send(self._tally, senders.OWN, call, f"run {item.hex()}")
        link = read_link(receipt.logs, address)
        return Done(link, receipt.transaction_hash, wanted.intent_hash, receipt.gas_used)

    def _ends(self, ids: list[bytes]) -> dict[bytes, str]:
        """Return how items ended, of those that ran or were vetoed."""
        node, address = self._tally.node, self._contracts.queue.address
        found: dict[bytes, str] = {}
        for at in range(0, len(ids), _IDS_A_QUERY):
            topics = (tuple(_ENDS), tuple(ids[at : at + _IDS_A_QUERY]))
            logs = node.logs(address, topics, from_block=self._first_block)
            found |= {log.topics[1]: _ENDS[log.topics[0]] for log in logs}
        return found

    def _waiting(self, proposed: Proposed, end: str | None = None) -> Waiting:
        state = self._contracts.queue.item_of(proposed.id)
        return Waiting(proposed.id, proposed.item, state, end or self._still(proposed))

    def _still(self, proposed: Proposed) -> str:
        """Return how an item stands that neither ran nor was vetoed; its id tells of which epoch it is."""
        contracts = self._contracts
        if contracts.queue.item_id(contracts.address, contracts.account.epoch(), proposed.item) != proposed.id:
            return "void"
        return "expired" if senders.now_s(self._tally) > proposed.item.expires else "open"
