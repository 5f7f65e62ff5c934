# pragma version 0.4.3
"""
@title   Reading validations in bulk
@license Apache-2.0
@notice  Loops over what requests.vy keeps. They have bounds, and say so when there is more: read it off chain.
@custom:invariant A request without an answer counts in no summary.
@custom:security  An agent's own people decide how long its list is; anybody lengthens a validator's.
"""

from . import requests

uses: requests

_LISTED_MAX: constant(uint256) = 1_024


@view
@external
def getSummary(agent_id: uint256, validator_addresses: DynArray[address, 256], tag: String[64]) -> (uint64, uint8):
    count: uint256 = requests._agent_counts[agent_id]
    assert count <= _LISTED_MAX, "validation: too many to read"
    total: uint256 = 0
    found: uint256 = 0
    for at: uint256 in range(count, bound=_LISTED_MAX):
        request_hash: bytes32 = requests._of_agent[agent_id][at]
        word: uint256 = requests._requests[request_hash].word
        if not requests._is_answered(word):
            continue
        if len(validator_addresses) != 0 and requests._validator_in(word) not in validator_addresses:
            continue
        if len(tag) != 0 and tag != requests._requests[request_hash].tag:
            continue
        total += convert(requests._response_in(word), uint256)
        found += 1
    if found == 0:
        return 0, 0
    return convert(found, uint64), convert(total // found, uint8)


@view
@external
def getAgentValidations(agent_id: uint256) -> DynArray[bytes32, 1024]:
    count: uint256 = requests._agent_counts[agent_id]
    assert count <= _LISTED_MAX, "validation: too many to read"
    found: DynArray[bytes32, 1024] = []
    for at: uint256 in range(count, bound=_LISTED_MAX):
        found.append(requests._of_agent[agent_id][at])
    return found


@view
@external
def getValidatorRequests(validator_address: address) -> DynArray[bytes32, 1024]:
    count: uint256 = requests._validator_counts[validator_address]
    assert count <= _LISTED_MAX, "validation: too many to read"
    found: DynArray[bytes32, 1024] = []
    for at: uint256 in range(count, bound=_LISTED_MAX):
        found.append(requests._of_validator[validator_address][at])
    return found
