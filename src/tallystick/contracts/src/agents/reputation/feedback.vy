# pragma version 0.4.3
"""
@title   Feedback: what clients say of agents
@license Apache-2.0
@notice  A client's feedback on an agent is numbered from 1. What a contract may want to read is kept: value, decimals,
         tags, whether it was revoked. The rest is in the event alone. One word holds the value in bits 0 to 127 (two's
         complement), its decimals in 128 to 135 and the revocation in 136.
@custom:invariant Feedback is never edited and never removed; its client alone revokes it, once.
@custom:security  Anybody who is not authorized for the agent may give feedback, any number of times, under any number
                  of accounts. Averages over strangers mean nothing: name the clients you believe, or score off chain.
"""

from ....interfaces import IAgentReputation
from .. import identities

uses: identities

_DECIMALS_MAX: constant(uint8) = 18
_VALUE_MAX: constant(int128) = 10**38
_U128: constant(uint256) = 2**128 - 1
_REVOKED: constant(uint256) = 2**136

_words: HashMap[uint256, HashMap[address, HashMap[uint64, uint256]]]       # agent, client, index
_tags1: HashMap[uint256, HashMap[address, HashMap[uint64, String[64]]]]
_tags2: HashMap[uint256, HashMap[address, HashMap[uint64, String[64]]]]
_counts: HashMap[uint256, HashMap[address, uint64]]                        # agent, client: the last index
_clients: HashMap[uint256, HashMap[uint256, address]]                      # agent, position from 0
_client_counts: HashMap[uint256, uint256]


@external
def giveFeedback(
    agent_id: uint256,
    feedback_value: int128,
    value_decimals: uint8,
    tag1: String[64],
    tag2: String[64],
    endpoint: String[512],
    feedback_uri: String[2048],
    feedback_hash: bytes32,
):
    assert value_decimals <= _DECIMALS_MAX, "feedback: too many decimals"
    assert -_VALUE_MAX <= feedback_value and feedback_value <= _VALUE_MAX, "feedback: value out of range"
    assert not identities._is_authorized(msg.sender, agent_id), "feedback: own agent"

    index: uint64 = self._counts[agent_id][msg.sender] + 1

    if index == 1:
        position: uint256 = self._client_counts[agent_id]
        self._clients[agent_id][position] = msg.sender
        self._client_counts[agent_id] = position + 1
    self._counts[agent_id][msg.sender] = index
    self._words[agent_id][msg.sender][index] = (
        convert(convert(feedback_value, bytes32), uint256) & _U128 | convert(value_decimals, uint256) << 128
    )
    if len(tag1) != 0:
        self._tags1[agent_id][msg.sender][index] = tag1
    if len(tag2) != 0:
        self._tags2[agent_id][msg.sender][index] = tag2

    log IAgentReputation.NewFeedback(
        agent_id=agent_id,
        client_address=msg.sender,
        feedback_index=index,
        feedback_value=feedback_value,
        value_decimals=value_decimals,
        indexed_tag1=tag1,
        tag1=tag1,
        tag2=tag2,
        endpoint=endpoint,
        feedback_uri=feedback_uri,
        feedback_hash=feedback_hash,
    )


@external
def revokeFeedback(agent_id: uint256, feedback_index: uint64):
    word: uint256 = self._existing(agent_id, msg.sender, feedback_index)
    assert not self._is_revoked(word), "feedback: already revoked"
    self._words[agent_id][msg.sender][feedback_index] = word | _REVOKED
    log IAgentReputation.FeedbackRevoked(
        agent_id=agent_id, client_address=msg.sender, feedback_index=feedback_index
    )


@view
@external
def readFeedback(
    agent_id: uint256, client_address: address, feedback_index: uint64
) -> (int128, uint8, String[64], String[64], bool):
    word: uint256 = self._existing(agent_id, client_address, feedback_index)
    return (
        self._value_in(word),
        self._decimals_in(word),
        self._tags1[agent_id][client_address][feedback_index],
        self._tags2[agent_id][client_address][feedback_index],
        self._is_revoked(word),
    )


@view
@external
def getLastIndex(agent_id: uint256, client_address: address) -> uint64:
    return self._counts[agent_id][client_address]


@view
@external
def client_count(agent_id: uint256) -> uint256:
    return self._client_counts[agent_id]


@view
@external
def client_at(agent_id: uint256, position: uint256) -> address:
    return self._clients[agent_id][position]


@view
@internal
def _existing(agent_id: uint256, client: address, index: uint64) -> uint256:
    assert index != 0 and index <= self._counts[agent_id][client], "feedback: no such feedback"
    return self._words[agent_id][client][index]


@view
@internal
def _has_tags(agent_id: uint256, client: address, index: uint64, tag1: String[64], tag2: String[64]) -> bool:
    """
    @dev An empty tag asks for nothing.
    """
    if len(tag1) != 0 and tag1 != self._tags1[agent_id][client][index]:
        return False
    return len(tag2) == 0 or tag2 == self._tags2[agent_id][client][index]


@pure
@internal
def _value_in(word: uint256) -> int128:
    # Shifting the sign bit to the top and back extends it.
    return convert(convert(convert(word << 128, bytes32), int256) >> 128, int128)


@pure
@internal
def _decimals_in(word: uint256) -> uint8:
    return convert(word >> 128 & 255, uint8)


@pure
@internal
def _is_revoked(word: uint256) -> bool:
    return word & _REVOKED != 0
