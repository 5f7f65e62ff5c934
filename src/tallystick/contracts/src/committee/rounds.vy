# pragma version 0.4.3
"""
@title   Rounds: commit, reveal, settle
@license Apache-2.0
@notice  How members answer and how stake decides. A seat's word holds the signer in bits 0 to 159, revealed in bit 160
         and slashed in bit 161.
@custom:invariant A commitment is made before any answer can be read, and names its maker. A member that reveals in time
                  loses nothing. Settling pays out exactly the ceiling: to members what their answers cost, to the
                  consumer the rest.
@custom:security  Stake is that of the moment of opening. More than half of it must stand behind a label, and take part
                  in a median, so that an honest majority that answers decides; a split committee decides nothing.
"""

from ...interfaces import IAssurance
from ...interfaces import ICommittee
from .. import signatures
from ..assurance import answers
from . import credits
from . import providers
from . import requests

uses: credits
uses: providers
uses: requests

_MEMBERS_MAX: constant(uint256) = 15
_FULFILLED: constant(uint256) = 2
_TIMED_OUT: constant(uint256) = 3
_MISSED_REVEAL: constant(uint8) = 1
_ADDRESS_MASK: constant(uint256) = 2**160 - 1
_REVEALED: constant(uint256) = 2**160
_SLASHED: constant(uint256) = 2**161

struct Ballot:
    member: address
    output: int256
    weight: uint256

burned: public(uint256)
_commitments: HashMap[bytes32, HashMap[address, bytes32]]  # request, member
_seats: HashMap[bytes32, HashMap[address, uint256]]        # request, member
_outputs: HashMap[bytes32, HashMap[address, int256]]       # request, member
_costs: HashMap[bytes32, HashMap[address, uint256]]        # request, member
_settled_outputs: HashMap[bytes32, int256]
_settled_costs: HashMap[bytes32, uint256]
_backings: HashMap[bytes32, uint256]


@external
def commit(request_id: bytes32, commitment: bytes32):
    word: uint256 = requests._open(request_id)
    assert requests._seat_weights[request_id][msg.sender] != 0, "rounds: not a member"
    assert block.timestamp <= requests._commit_until_in(word), "rounds: commits are over"
    assert self._commitments[request_id][msg.sender] == empty(bytes32), "rounds: already committed"
    assert commitment != empty(bytes32), "rounds: empty commitment"

    providers._lock(msg.sender, requests._terms[request_id].stake)
    self._commitments[request_id][msg.sender] = commitment
    # The key of now: one that is replaced later still ends what it began.
    self._seats[request_id][msg.sender] = convert(providers._signer(msg.sender), uint256)
    requests._words[request_id] = word + (1 << requests._COMMITS_SHIFT)

    log ICommittee.Committed(request_id=request_id, provider=msg.sender, commitment=commitment)


@external
def reveal(
    request_id: bytes32, provider: address, output: int256, cost: uint256, salt: bytes32, signature: Bytes[65]
):
    word: uint256 = requests._open(request_id)
    seat: uint256 = self._seats[request_id][provider]
    digest: bytes32 = requests._answer_digest(request_id, output, cost)
    assert seat != 0, "rounds: not committed"
    assert seat & _SLASHED == 0, "rounds: slashed"
    assert seat & _REVEALED == 0, "rounds: already revealed"
    assert self._is_committing_over(request_id, word), "rounds: too early"
    assert block.timestamp <= requests._reveal_until_in(word), "rounds: reveals are over"
    assert (
        output >= requests._terms[request_id].low and output <= requests._terms[request_id].high
    ), "rounds: output out of bounds"
    assert cost <= requests._terms[request_id].fee, "rounds: cost above the fee"
    assert (
        keccak256(abi_encode(digest, provider, salt)) == self._commitments[request_id][provider]
    ), "rounds: other than committed"
    assert (
        signatures._recovered(digest, signature) == convert(seat & _ADDRESS_MASK, address)
    ), "rounds: not signed by its key"

    self._seats[request_id][provider] = seat | _REVEALED
    self._outputs[request_id][provider] = output
    self._costs[request_id][provider] = cost
    requests._words[request_id] = word + (1 << requests._REVEALS_SHIFT)

    log ICommittee.Revealed(
        request_id=request_id, provider=provider, output=output, cost=cost, answer_signature=signature
    )


@external
def settle(request_id: bytes32) -> uint8:
    word: uint256 = requests._open(request_id)
    commits: uint256 = requests._commits_in(word)
    reveals: uint256 = requests._reveals_in(word)
    threshold: uint256 = convert(requests._terms[request_id].threshold, uint256)
    assert self._is_over(request_id, word, threshold), "rounds: not over"

    ballots: DynArray[Ballot, _MEMBERS_MAX] = self._ballots(request_id)
    is_decided: bool = False
    output: int256 = 0
    if len(ballots) >= threshold:
        is_decided, output = self._decide(request_id, ballots)
    state: uint256 = _TIMED_OUT
    if is_decided:
        state = _FULFILLED

    requests._words[request_id] = word - requests._OPEN + state
    # Too few commitments: the request had failed before any answer was due, so nobody missed a reveal.
    self._release(request_id, commits >= threshold)
    consumer: address = requests._consumers[request_id]
    ceiling: uint256 = requests._terms[request_id].fee * len(requests._terms[request_id].members)
    if not is_decided:
        credits._credit(consumer, ceiling)
        log ICommittee.TimedOut(
            request_id=request_id,
            consumer=consumer,
            commits=convert(commits, uint8),
            reveals=convert(reveals, uint8),
        )
        return convert(state, uint8)

    backing: uint256 = 0
    cost: uint256 = 0
    backing, cost = self._pay(request_id, ballots, output)
    credits._credit(consumer, ceiling - cost)
    self._settled_outputs[request_id] = output
    self._settled_costs[request_id] = cost
    self._backings[request_id] = backing
    log ICommittee.Fulfilled(request_id=request_id, consumer=consumer, output=output, backing=backing, cost=cost)
    return convert(state, uint8)


@view
@external
def request_at(request_id: bytes32) -> ICommittee.Request:
    word: uint256 = requests._existing(request_id)
    return ICommittee.Request(
        consumer=requests._consumers[request_id],
        nonce=requests._nonces[request_id],
        state=convert(word & requests._U8, uint8),
        commits=convert(requests._commits_in(word), uint8),
        reveals=convert(requests._reveals_in(word), uint8),
        commit_until=convert(requests._commit_until_in(word), uint64),
        reveal_until=convert(requests._reveal_until_in(word), uint64),
        observed_at=requests._observed_in(word),
        weight=requests._weights[request_id],
        output=self._settled_outputs[request_id],
        backing=self._backings[request_id],
        cost=self._settled_costs[request_id],
    )


@view
@external
def seat_of(request_id: bytes32, provider: address) -> ICommittee.Seat:
    seat: uint256 = self._seats[request_id][provider]
    return ICommittee.Seat(
        weight=requests._seat_weights[request_id][provider],
        commitment=self._commitments[request_id][provider],
        signer=convert(seat & _ADDRESS_MASK, address),
        revealed=seat & _REVEALED != 0,
        slashed=seat & _SLASHED != 0,
        output=self._outputs[request_id][provider],
        cost=self._costs[request_id][provider],
    )


@view
@external
def read_answer(answer: IAssurance.AssuredAnswer) -> DynArray[int256, 256]:
    word: uint256 = requests._words[answer.request_id]
    output: int256 = self._settled_outputs[answer.request_id]
    cost: uint256 = self._settled_costs[answer.request_id]
    assert word & requests._U8 == _FULFILLED, "answers: not fulfilled"
    settled: bytes32 = requests._answer_hash(answer.request_id, output, cost, requests._reveal_until_in(word))
    return answers._read(answer, settled)


@internal
def _slash(request_id: bytes32, provider: address, cause: uint8, beneficiary: address):
    """
    @dev Take the request's stake: half to the beneficiary, half to nobody, so that slashing oneself costs.
    """
    taken: uint256 = providers._take(provider, requests._terms[request_id].stake)
    awarded: uint256 = taken // 2
    self._seats[request_id][provider] |= _SLASHED
    self.burned += taken - awarded
    credits._credit(beneficiary, awarded)
    log ICommittee.Slashed(
        request_id=request_id,
        provider=provider,
        cause=cause,
        amount=taken,
        beneficiary=beneficiary,
        awarded=awarded,
    )


@internal
def _release(request_id: bytes32, is_reveal_due: bool):
    stake: uint256 = requests._terms[request_id].stake
    consumer: address = requests._consumers[request_id]
    for member: address in requests._terms[request_id].members:
        seat: uint256 = self._seats[request_id][member]
        if seat == 0:
            continue
        providers._unlock(member, stake)
        if is_reveal_due and seat & (_REVEALED | _SLASHED) == 0:
            self._slash(request_id, member, _MISSED_REVEAL, consumer)


@internal
def _pay(
    request_id: bytes32, ballots: DynArray[Ballot, _MEMBERS_MAX], output: int256
) -> (uint256, uint256):
    tolerance: uint256 = 0
    if requests._terms[request_id].kind == requests._NUMBER:
        tolerance = requests._terms[request_id].tolerance
    backing: uint256 = 0
    cost: uint256 = 0
    for ballot: Ballot in ballots:
        if self._distance(ballot.output, output) <= tolerance:
            backing += ballot.weight
            cost += self._costs[request_id][ballot.member]
            credits._credit(ballot.member, self._costs[request_id][ballot.member])
    return backing, cost


@view
@internal
def _is_committing_over(request_id: bytes32, word: uint256) -> bool:
    return (
        block.timestamp > requests._commit_until_in(word)
        or requests._commits_in(word) == len(requests._terms[request_id].members)
    )


@view
@internal
def _is_over(request_id: bytes32, word: uint256, threshold: uint256) -> bool:
    """
    @dev Tell whether no answer can come any more, or none that would matter.
    """
    commits: uint256 = requests._commits_in(word)
    return block.timestamp > requests._reveal_until_in(word) or (
        self._is_committing_over(request_id, word)
        and (commits < threshold or commits == requests._reveals_in(word))
    )


@view
@internal
def _ballots(request_id: bytes32) -> DynArray[Ballot, _MEMBERS_MAX]:
    """
    @dev Return the revealed answers of members that no proof has struck, in order of their outputs.
    """
    ballots: DynArray[Ballot, _MEMBERS_MAX] = []
    for member: address in requests._terms[request_id].members:
        if self._seats[request_id][member] & (_REVEALED | _SLASHED) != _REVEALED:
            continue
        ballot: Ballot = Ballot(
            member=member,
            output=self._outputs[request_id][member],
            weight=requests._seat_weights[request_id][member],
        )
        ballots.append(ballot)
        at: uint256 = len(ballots) - 1
        for i: uint256 in range(_MEMBERS_MAX):
            if at == 0 or ballots[at - 1].output <= ballot.output:
                break
            ballots[at] = ballots[at - 1]
            at -= 1
        ballots[at] = ballot
    return ballots


@view
@internal
def _decide(request_id: bytes32, ballots: DynArray[Ballot, _MEMBERS_MAX]) -> (bool, int256):
    """
    @dev Return whether stake decides, and for what. The ballots are in order of their outputs.
    """
    total: uint256 = requests._weights[request_id]
    if requests._terms[request_id].kind == requests._LABEL:
        run: uint256 = 0
        previous: int256 = 0
        for ballot: Ballot in ballots:
            if ballot.output != previous:
                run = 0
            previous = ballot.output
            run += ballot.weight
            if 2 * run > total:
                return True, ballot.output
        return False, 0

    present: uint256 = 0
    for ballot: Ballot in ballots:
        present += ballot.weight
    if 2 * present <= total:
        return False, 0
    below: uint256 = 0
    for ballot: Ballot in ballots:
        below += ballot.weight
        if 2 * below >= present:
            return True, ballot.output
    return False, 0


@pure
@internal
def _distance(left: int256, right: int256) -> uint256:
    # Two's complement: the difference of any two fits 256 bits without a sign.
    low: int256 = min(left, right)
    high: int256 = max(left, right)
    return unsafe_sub(
        convert(convert(high, bytes32), uint256), convert(convert(low, bytes32), uint256)
    )
