"""What the chain says of a log: its state, its keys with their terms, and every anchor."""

from __future__ import annotations

from dataclasses import dataclass

from tallystick.chain.bindings.log_anchor import Anchored, LogAnchor, LogKey, LogState
from tallystick.chain.deploy import find_birth
from tallystick.chain.node import Node
from tallystick.core import merkle
from tallystick.core.errors import VerificationFailed
from tallystick.core.note import VerifierKey


@dataclass(frozen=True)
class AnchoredAt:
    """One step of a log on chain, and where it was made."""

    old_size: int
    size: int
    root: bytes
    block: int
    block_hash: bytes
    transaction: bytes


@dataclass(frozen=True)
class OnChain:
    """What the chain says of a log, at one block."""

    state: LogState
    keys: tuple[LogKey, ...]
    anchors: tuple[AnchoredAt, ...]

    def keys_for(self, size: int) -> list[VerifierKey]:
        """Return the keys whose signature counts on checkpoints of `size`: those in charge while the log came to it.

        More than one where a key changed just there: the chain holds the root of that size, so none can lie about it.

        raises  VerificationFailed "log.key" when there was none
        """
        found = [
            VerifierKey(self.state.origin, key.vkey)
            for key in self.keys
            if key.since_size <= size and (key.until == 0 or size <= key.until_size)
        ]
        if not found:
            raise VerificationFailed("log.key", "no key was in charge at this size", got=size)
        return found


def read_chain(node: Node, contract: str, log_id: int) -> OnChain:
    """Return what the chain says of a log at its newest block.

    raises  Rejected "logs: unknown log"; VerificationFailed "anchor.history" when the anchors do not follow one
            another up to the contract's state
    """
    log_anchor, at = LogAnchor(node, contract), node.block()
    state = log_anchor.log_at(log_id, at=at.hash)
    keys = tuple(log_anchor.key_at(log_id, index, at=at.hash) for index in range(state.key_count))
    topics = (Anchored.topic, log_id.to_bytes(32, "big"))
    anchors = []
    size, root = 0, merkle.EMPTY_ROOT
    for log in node.logs(contract, topics, from_block=find_birth(node, contract), to_block=at.number):
        event = Anchored.decode(log)
        if event.old_size != size or event.size <= size:
            raise VerificationFailed("anchor.history", "anchors do not follow one another", expected=size, got=event)
        size, root = event.size, event.root
        place = (log.block_number, log.block_hash, log.transaction_hash)
        anchors.append(AnchoredAt(event.old_size, size, root, *place))
    if (size, root) != (state.size, state.root):
        message = "the last anchor is not the contract's state"
        raise VerificationFailed("anchor.history", message, expected=state.size, got=size)
    return OnChain(state, keys, tuple(anchors))
