"""Which Ed25519 key signed for an agent at which time, from the events of its registry alone.

A key is the agent's metadata `signingKey`: 32 bytes, or none. Setting it rotates, emptying it revokes, and a transfer
of the agent ends it too: metadata stays, but the seller's key must not speak for the buyer. So a contract that reads
`getMetadata` alone would trust a seller's key; a verifier goes by the history. It works on any ERC-8004 registry.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tallystick.chain.bindings.agent_identity import AgentIdentity, MetadataSet, Transfer
from tallystick.chain.calls import Call
from tallystick.chain.node import Node
from tallystick.core.errors import InvalidInput, VerificationFailed

KEY: Final = "signingKey"


@dataclass(frozen=True)
class KeyTerm:
    """A key that signed for the agent from `since` until `until` (None: still does), each a (block, log index)."""

    key: bytes
    since: tuple[int, int]
    until: tuple[int, int] | None = None

    def holds_at(self, place: tuple[int, int]) -> bool:
        """Whether the key was the agent's at a place of the chain."""
        return self.since <= place and (self.until is None or place < self.until)


def rotate_key(identity: AgentIdentity, agent_id: int, key: bytes) -> Call:
    """Return the call that puts a new key in charge; empty bytes revoke the one before.

    raises  InvalidInput "agent.key"
    """
    if len(key) not in (0, 32):
        raise InvalidInput("agent.key", "not an Ed25519 key", expected="32 bytes, or none", got=f"{len(key)} bytes")
    return identity.set_metadata(agent_id, KEY, key)


def key_terms(events: Iterable[tuple[tuple[int, int], MetadataSet | Transfer]]) -> list[KeyTerm]:
    """Return the agent's keys in order, from its events with their places in order.

    A value that is no key, such as 31 bytes, ends the key before and begins none.
    """
    terms: list[KeyTerm] = []
    for place, event in events:
        if isinstance(event, MetadataSet) and event.metadata_key != KEY:
            continue
        if terms and terms[-1].until is None:
            terms[-1] = replace(terms[-1], until=place)
        if isinstance(event, MetadataSet) and len(event.metadata_value) == 32:
            terms.append(KeyTerm(event.metadata_value, place))
    return terms


def read_key_terms(node: Node, registry: str, agent_id: int, *, first_block: int = 0) -> list[KeyTerm]:
    """Return the agent's keys in order, from the chain.

    raises  what a node raises
    """
    word = agent_id.to_bytes(32, "big")
    sets = node.logs([registry], [MetadataSet.topic, word], from_block=first_block)
    moves = node.logs([registry], [Transfer.topic, None, None, word], from_block=first_block)
    found: list[tuple[tuple[int, int], MetadataSet | Transfer]] = []
    found += [((log.block_number, log.log_index), MetadataSet.decode(log)) for log in sets]
    found += [((log.block_number, log.log_index), Transfer.decode(log)) for log in moves]
    return key_terms(sorted(found, key=lambda pair: pair[0]))


def check_key(terms: Sequence[KeyTerm], key: bytes, place: tuple[int, int]) -> KeyTerm:
    """Return the term in which `key` signed for the agent at a place of the chain.

    raises  VerificationFailed "agent.key_term"
    """
    for term in terms:
        if term.key == key and term.holds_at(place):
            return term
    held = [term for term in terms if term.holds_at(place)]
    raise VerificationFailed(
        "agent.key_term", f"not the agent's key at block {place[0]}",
        expected=held[0].key.hex() if held else "no key", got=key.hex(),
    )  # fmt: skip
