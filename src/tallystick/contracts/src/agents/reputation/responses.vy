# pragma version 0.4.3
"""
@title   Responses to feedback
@license Apache-2.0
@notice  Anybody may answer a piece of feedback: the agent with a refund, a watcher with a warning of spam. The answers
         are events; here they are counted.
@custom:invariant The responses of all responders to one piece of feedback sum to its count.
@custom:security  A response is a stranger's until you know the responder.
"""

from ....interfaces import IAgentReputation
from . import feedback

uses: feedback

_LOOKED_AT_MAX: constant(uint256) = 1_024

_totals: HashMap[uint256, HashMap[address, HashMap[uint64, uint64]]]                           # agent, client, index
_counts: HashMap[uint256, HashMap[address, HashMap[uint64, HashMap[address, uint64]]]]         # … and responder


@external
def appendResponse(
    agent_id: uint256,
    client_address: address,
    feedback_index: uint64,
    response_uri: String[2048],
    response_hash: bytes32,
):
    feedback._existing(agent_id, client_address, feedback_index)
    assert len(response_uri) != 0, "responses: empty uri"
    self._totals[agent_id][client_address][feedback_index] += 1
    self._counts[agent_id][client_address][feedback_index][msg.sender] += 1
    log IAgentReputation.ResponseAppended(
        agent_id=agent_id,
        client_address=client_address,
        feedback_index=feedback_index,
        responder=msg.sender,
        response_uri=response_uri,
        response_hash=response_hash,
    )


@view
@external
def getResponseCount(
    agent_id: uint256, client_address: address, feedback_index: uint64, responders: DynArray[address, 256]
) -> uint64:
    if client_address != empty(address):
        return self._of_client(agent_id, client_address, feedback_index, responders)
    total: uint64 = 0
    count: uint256 = feedback._client_counts[agent_id]
    assert count <= _LOOKED_AT_MAX, "responses: too many to count"
    for position: uint256 in range(count, bound=_LOOKED_AT_MAX):
        total += self._of_client(agent_id, feedback._clients[agent_id][position], feedback_index, responders)
    return total


@view
@internal
def _of_client(agent_id: uint256, client: address, index: uint64, responders: DynArray[address, 256]) -> uint64:
    if index != 0:
        return self._of_one(agent_id, client, index, responders)
    total: uint64 = 0
    last: uint256 = convert(feedback._counts[agent_id][client], uint256)
    assert last <= _LOOKED_AT_MAX, "responses: too many to count"
    for i: uint256 in range(last, bound=_LOOKED_AT_MAX):
        total += self._of_one(agent_id, client, convert(i + 1, uint64), responders)
    return total


@view
@internal
def _of_one(agent_id: uint256, client: address, index: uint64, responders: DynArray[address, 256]) -> uint64:
    if len(responders) == 0:
        return self._totals[agent_id][client][index]
    total: uint64 = 0
    for responder: address in responders:
        total += self._counts[agent_id][client][index][responder]
    return total
