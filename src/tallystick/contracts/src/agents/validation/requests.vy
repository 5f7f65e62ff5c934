# pragma version 0.4.3
"""
@title   Requests for validation, and what the validators answered
@license Apache-2.0
@notice  Who acts for an agent asks a validator to check what it did; the validator answers with 0 to 100, as often as
         it likes; the last answer counts. A request is known by its hash, whose first 8 bytes are the agent's id, so
         that only the agent's own people can take it and nobody gains by seeing it early. One word holds the validator
         in bits 0 to 159, the time in 160 to 199, the answer in 200 to 207 and whether there is one in 208.
@custom:invariant A hash has one request for ever. Nobody answers for an agent for which he is authorized, or as whose
                  wallet he stands, when he answers.
@custom:security  An owner may have a second account and name it a validator: a validation is worth what its validator
                  is. Anybody can name you a validator; it obliges to nothing.
"""

from ....interfaces import IAgentValidation
from .. import identities

uses: identities

struct Request:
    word: uint256
    agent_id: uint256
    response_hash: bytes32
    tag: String[64]

_ID_SHIFT: constant(uint256) = 192
_RESPONSE_MAX: constant(uint8) = 100
_OWNER_MASK: constant(uint256) = 2**160 - 1
_U40: constant(uint256) = 2**40 - 1
_ANSWERED: constant(uint256) = 2**208

_requests: HashMap[bytes32, Request]
_of_agent: HashMap[uint256, HashMap[uint256, bytes32]]
_agent_counts: HashMap[uint256, uint256]
_of_validator: HashMap[address, HashMap[uint256, bytes32]]
_validator_counts: HashMap[address, uint256]


@external
def validationRequest(
    validator_address: address, agent_id: uint256, request_uri: String[2048], request_hash: bytes32
):
    assert identities._is_authorized(msg.sender, agent_id), "validation: not authorized"
    assert validator_address != empty(address), "validation: zero address"
    assert convert(request_hash, uint256) >> _ID_SHIFT == agent_id, "validation: not this agents hash"
    assert self._requests[request_hash].word == 0, "validation: already requested"
    assert not self._is_own(validator_address, agent_id), "validation: own agent"

    self._requests[request_hash].word = convert(validator_address, uint256) | block.timestamp << 160
    self._requests[request_hash].agent_id = agent_id
    at: uint256 = self._agent_counts[agent_id]
    self._of_agent[agent_id][at] = request_hash
    self._agent_counts[agent_id] = at + 1
    at = self._validator_counts[validator_address]
    self._of_validator[validator_address][at] = request_hash
    self._validator_counts[validator_address] = at + 1

    log IAgentValidation.ValidationRequest(
        validator_address=validator_address, agent_id=agent_id, request_uri=request_uri, request_hash=request_hash
    )


@external
def validationResponse(
    request_hash: bytes32, response: uint8, response_uri: String[2048], response_hash: bytes32, tag: String[64]
):
    word: uint256 = self._existing(request_hash)
    assert msg.sender == self._validator_in(word), "validation: not the validator"
    assert response <= _RESPONSE_MAX, "validation: response too large"
    agent_id: uint256 = self._requests[request_hash].agent_id
    assert not self._is_own(msg.sender, agent_id), "validation: own agent"

    self._requests[request_hash].word = (
        convert(msg.sender, uint256) | block.timestamp << 160 | convert(response, uint256) << 200 | _ANSWERED
    )
    self._requests[request_hash].response_hash = response_hash
    self._requests[request_hash].tag = tag

    log IAgentValidation.ValidationResponse(
        validator_address=msg.sender,
        agent_id=agent_id,
        request_hash=request_hash,
        response=response,
        response_uri=response_uri,
        response_hash=response_hash,
        tag=tag,
    )


@view
@external
def getValidationStatus(request_hash: bytes32) -> (address, uint256, uint8, bytes32, String[64], uint256):
    word: uint256 = self._existing(request_hash)
    return (
        self._validator_in(word),
        self._requests[request_hash].agent_id,
        self._response_in(word),
        self._requests[request_hash].response_hash,
        self._requests[request_hash].tag,
        word >> 160 & _U40,
    )


@view
@external
def has_response(request_hash: bytes32) -> bool:
    return self._is_answered(self._existing(request_hash))


@view
@external
def request_count(agent_id: uint256) -> uint256:
    return self._agent_counts[agent_id]


@view
@external
def request_at(agent_id: uint256, position: uint256) -> bytes32:
    return self._of_agent[agent_id][position]


@view
@internal
def _is_own(account: address, agent_id: uint256) -> bool:
    return identities._is_authorized(account, agent_id) or account == identities._wallet_of(agent_id)


@view
@internal
def _existing(request_hash: bytes32) -> uint256:
    word: uint256 = self._requests[request_hash].word
    assert word != 0, "validation: unknown request"
    return word


@pure
@internal
def _validator_in(word: uint256) -> address:
    return convert(word & _OWNER_MASK, address)


@pure
@internal
def _response_in(word: uint256) -> uint8:
    return convert(word >> 200 & 255, uint8)


@pure
@internal
def _is_answered(word: uint256) -> bool:
    return word & _ANSWERED != 0
