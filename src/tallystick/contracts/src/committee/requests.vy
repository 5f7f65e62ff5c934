# pragma version 0.4.3
"""
@title   Requests: what was asked, and how it stands
@license Apache-2.0
@notice  Opens requests and keeps their terms. One word per request holds its progress: state in bits 0 to 7, commits in
         8 to 15, reveals in 16 to 23, the end of commits in 24 to 87, of reveals in 88 to 151, and the time of the
         input's features in 152 to 215.
@custom:invariant An id is that of one consumer, one nonce and one set of terms, and is used once. The ceiling is paid
                  when a request is opened. A state leaves 1 once and never again.
@custom:security  The consumer is who opened: nobody can ask in another's name with members or features of their own.
"""

from ...interfaces import ICommittee
from ...interfaces import IFeatureSource
from .. import coins
from ..assurance import answers
from . import offers
from . import providers

uses: coins
uses: providers
uses: offers

_MODE: constant(uint8) = 3
_LABEL: constant(uint8) = 1
_NUMBER: constant(uint8) = 2
_OPEN: constant(uint256) = 1
_DURATION_S_MAX: constant(uint256) = 3 * 86_400  # commits and reveals together; a bond's delay covers it
_REVEAL_S_MIN: constant(uint256) = 60            # less would be a trap: who misses it is slashed
_COMMITS_SHIFT: constant(uint256) = 8
_REVEALS_SHIFT: constant(uint256) = 16
_COMMIT_UNTIL_SHIFT: constant(uint256) = 24
_REVEAL_UNTIL_SHIFT: constant(uint256) = 88
_OBSERVED_SHIFT: constant(uint256) = 152
_U8: constant(uint256) = 2**8 - 1
_U64: constant(uint256) = 2**64 - 1

_words: HashMap[bytes32, uint256]
_consumers: HashMap[bytes32, address]
_nonces: HashMap[bytes32, uint256]
_weights: HashMap[bytes32, uint256]                            # of all members
_seat_weights: HashMap[bytes32, HashMap[address, uint256]]     # request, member
_terms: HashMap[bytes32, ICommittee.Terms]


@payable
@external
def ask(nonce: uint256, terms: Bytes[2816], data: Bytes[8192]) -> bytes32:
    wanted: ICommittee.Terms = empty(ICommittee.Terms)
    observed_at: uint64 = 0
    proof: Bytes[1024] = b""
    wanted, observed_at, proof = abi_decode(terms, (ICommittee.Terms, uint64, Bytes[1024]))
    input_digest: bytes32 = sha256(data)
    # So that a consumer can have the same terms for every input.
    if wanted.input_digest == empty(bytes32):
        wanted.input_digest = input_digest
    assert wanted.input_digest == input_digest, "requests: wrong input"
    request_id: bytes32 = self._id(msg.sender, nonce, wanted)
    assert self._words[request_id] == 0, "requests: already open"
    assert wanted.kind in [_LABEL, _NUMBER], "requests: bad kind"
    assert wanted.low <= wanted.high, "requests: bad bounds"
    threshold: uint256 = convert(wanted.threshold, uint256)
    assert threshold != 0 and threshold <= len(wanted.members), "requests: bad threshold"
    # A static call: the source can refuse, and do nothing else.
    if wanted.demand.checker != empty(address):
        is_vouched: bool = staticcall IFeatureSource(wanted.demand.checker).check_features(
            wanted.demand.source_id, wanted.demand.subject, data, observed_at, wanted.demand.max_age_s, proof
        )
        assert is_vouched, "requests: features refused"
    commit_s: uint256 = convert(wanted.commit_s, uint256)
    reveal_s: uint256 = convert(wanted.reveal_s, uint256)
    assert (
        commit_s != 0 and reveal_s >= _REVEAL_S_MIN and commit_s + reveal_s <= _DURATION_S_MAX
    ), "requests: bad duration"

    commit_until: uint256 = block.timestamp + commit_s
    reveal_until: uint256 = commit_until + reveal_s
    word: uint256 = _OPEN | commit_until << _COMMIT_UNTIL_SHIFT | reveal_until << _REVEAL_UNTIL_SHIFT
    if wanted.demand.checker != empty(address):
        word |= convert(observed_at, uint256) << _OBSERVED_SHIFT

    self._words[request_id] = word
    self._consumers[request_id] = msg.sender
    self._nonces[request_id] = nonce
    self._terms[request_id] = wanted
    self._seat(request_id)

    log ICommittee.RequestOpened(
        request_id=request_id,
        consumer=msg.sender,
        model_digest=wanted.model_digest,
        nonce=nonce,
        commit_until=convert(commit_until, uint64),
        reveal_until=convert(reveal_until, uint64),
        input=data,
    )
    coins._take(wanted.fee * len(wanted.members))
    return request_id


@view
@external
def request_id_of(consumer: address, nonce: uint256, terms: ICommittee.Terms) -> bytes32:
    return self._id(consumer, nonce, terms)


@view
@external
def terms_of(request_id: bytes32) -> ICommittee.Terms:
    self._existing(request_id)
    return self._terms[request_id]


@view
@external
def answer_digest(request_id: bytes32, output: int256, cost: uint256) -> bytes32:
    return self._answer_digest(request_id, output, cost)


@internal
def _seat(request_id: bytes32):
    """
    @dev Give every member its place, with the stake that it has now.
    """
    model_digest: bytes32 = self._terms[request_id].model_digest
    fee: uint256 = self._terms[request_id].fee
    kernel: address = self._terms[request_id].kernel
    total: uint256 = 0
    for member: address in self._terms[request_id].members:
        weight: uint256 = providers._weight(member)
        assert self._seat_weights[request_id][member] == 0, "requests: named twice"
        assert offers._is_served(member, model_digest, fee, kernel), "requests: no such offer"
        assert weight != 0, "requests: member has no bond"
        self._seat_weights[request_id][member] = weight
        total += weight
    self._weights[request_id] = total


@view
@internal
def _answer_digest(request_id: bytes32, output: int256, cost: uint256) -> bytes32:
    return answers._typed(
        self._answer_hash(request_id, output, cost, self._reveal_until_in(self._words[request_id]))
    )


@view
@internal
def _answer_hash(request_id: bytes32, output: int256, cost: uint256, deadline: uint256) -> bytes32:
    return answers._hash(
        request_id,
        self._consumers[request_id],
        self._terms[request_id].model_digest,
        self._terms[request_id].input_digest,
        keccak256(abi_encode(output)),
        _MODE,
        cost,
        convert(deadline, uint64),
        self._nonces[request_id],
    )


@view
@internal
def _id(consumer: address, nonce: uint256, terms: ICommittee.Terms) -> bytes32:
    return keccak256(abi_encode(chain.id, self, consumer, nonce, terms))


@view
@internal
def _existing(request_id: bytes32) -> uint256:
    word: uint256 = self._words[request_id]
    assert word != 0, "requests: unknown request"
    return word


@view
@internal
def _open(request_id: bytes32) -> uint256:
    word: uint256 = self._words[request_id]
    assert word & _U8 == _OPEN, "requests: not open"
    return word


@pure
@internal
def _commits_in(word: uint256) -> uint256:
    return word >> _COMMITS_SHIFT & _U8


@pure
@internal
def _reveals_in(word: uint256) -> uint256:
    return word >> _REVEALS_SHIFT & _U8


@pure
@internal
def _commit_until_in(word: uint256) -> uint256:
    return word >> _COMMIT_UNTIL_SHIFT & _U64


@pure
@internal
def _reveal_until_in(word: uint256) -> uint256:
    return word >> _REVEAL_UNTIL_SHIFT & _U64


@pure
@internal
def _observed_in(word: uint256) -> uint64:
    return convert(word >> _OBSERVED_SHIFT & _U64, uint64)
