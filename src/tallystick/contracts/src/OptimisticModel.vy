# pragma version 0.4.3
"""
@title   OptimisticModel
@license Apache-2.0
@notice  Answers that are believed unless somebody shows the step that is wrong. The interface IOptimisticModel.vyi
         teaches the contract.
@custom:invariant A claim that follows its stages never falls; one that does not can be felled by whoever computes the
                  model, until its deadline. What came in is what is held as fees and bonds, owed, burned, or was
                  collected. After its deadline no request waits for anybody in particular. An id is used once.
@custom:kill      There is none: no administrator, no pause, no upgrade.
@custom:security  Stages must be functions of their input: claim for models whose code you compared. A proof can be
                  copied from the pending pool and its reward taken; the claim falls all the same. A true claim can be
                  copied too, and its fee taken. A consumer that names a model or an input that nobody computes gets the
                  fee back after its own patience. What the table says of its digest is its maker's word: a consumer
                  names the table, and compares the code of its stages first.
"""

from ..interfaces import IAssurance
from ..interfaces import IOptimisticModel
from ..interfaces import IStagedModel
from . import coins
from .assurance import answers

implements: IAssurance
implements: IOptimisticModel

initializes: coins

exports: (
    coins.coin,
    answers.eip712Domain,
)

_MODE: constant(uint8) = 2
_OPEN: constant(uint8) = 1
_CLAIMED: constant(uint8) = 2
_FINAL: constant(uint8) = 3
_GIVEN_BACK: constant(uint8) = 4
_DEADLINE_SHIFT: constant(uint256) = 8
_CLAIMANT_SHIFT: constant(uint256) = 72
_U8: constant(uint256) = 2**8 - 1
_U64: constant(uint256) = 2**64 - 1
_STAGES_MAX: constant(uint256) = 67
_VECTOR_BYTES_MAX: constant(uint256) = 32_768
# One word more than the longest vector, so that a longer one is seen and not cut.
_OUTPUT_BYTES: constant(uint256) = _VECTOR_BYTES_MAX + 32

burned: public(uint256)
_owed: HashMap[address, uint256]
# Two words a request. The first: state in bits 0 to 7, deadline in 8 to 71, claimant in 72 to 231. The second is a hash,
# and whoever acts on the request shows what is in it: what was asked; while a claim stands, that and the claim's
# hashes; in the end, the receipt. A hash costs a fifth of the words that it stands for, and nobody needs them here.
_words: HashMap[bytes32, uint256]
_held: HashMap[bytes32, bytes32]


@deploy
def __init__(coin: address):
    coins.__init__(coin)


@payable
@external
def ask(nonce: uint256, terms: Bytes[2816], data: Bytes[8192]) -> bytes32:
    wanted: IOptimisticModel.Terms = abi_decode(terms, IOptimisticModel.Terms)
    assert wanted.bond > 1, "optimistic: no bond"
    assert wanted.window != 0, "optimistic: no window"
    assert wanted.patience != 0, "optimistic: no patience"
    input_digest: bytes32 = sha256(data)
    request_id: bytes32 = answers._id(msg.sender, nonce, keccak256(terms), input_digest)
    assert self._words[request_id] == 0, "optimistic: already asked"
    stages: DynArray[address, _STAGES_MAX] = staticcall IStagedModel(wanted.model).stages()
    assert len(stages) > 1, "optimistic: no stages"

    asked: IOptimisticModel.Asked = IOptimisticModel.Asked(
        request_id=request_id,
        consumer=msg.sender,
        nonce=nonce,
        model_digest=staticcall IStagedModel(wanted.model).model_digest(),
        input_digest=input_digest,
        input_vector=self._unpacked(stages[0], data),
        stages=keccak256(abi_encode(stages)),
        stage_count=len(stages) - 1,
        fee=wanted.fee,
        bond=wanted.bond,
        window=wanted.window,
        patience=wanted.patience,
    )
    self._words[request_id] = self._word(_OPEN, wanted.patience, empty(address))
    self._held[request_id] = keccak256(abi_encode(asked))
    log IOptimisticModel.Requested(
        request_id=request_id, consumer=msg.sender, model=wanted.model, asked=asked, data=data
    )
    coins._take(wanted.fee)
    return request_id


@payable
@external
def claim(asked: IOptimisticModel.Asked, hashes: DynArray[bytes32, 66], answer: DynArray[int256, 256]):
    word: uint256 = self._open(asked.request_id)
    assert self._state_in(word) == _OPEN, "optimistic: already claimed"
    question: bytes32 = keccak256(abi_encode(asked))
    assert question == self._held[asked.request_id], "optimistic: other request"
    assert block.timestamp < self._deadline_in(word), "optimistic: too late"
    assert len(hashes) == asked.stage_count, "optimistic: wrong number"
    assert hashes[asked.stage_count - 1] == self._digest(answer), "optimistic: not the answer"

    word = self._word(_CLAIMED, asked.window, msg.sender)
    self._words[asked.request_id] = word
    self._held[asked.request_id] = self._claim_hash(question, hashes)
    log IOptimisticModel.Claimed(
        request_id=asked.request_id,
        claimant=msg.sender,
        hashes=hashes,
        answer=answer,
        deadline=self._deadline_in(word),
    )
    coins._take(asked.bond)


@external
def refute(
    asked: IOptimisticModel.Asked,
    stages: DynArray[address, _STAGES_MAX],
    hashes: DynArray[bytes32, 66],
    stage: uint256,
    vector: Bytes[_VECTOR_BYTES_MAX],
):
    word: uint256 = self._claimed(asked, hashes)
    assert block.timestamp < self._deadline_in(word), "optimistic: too late"
    assert keccak256(abi_encode(stages)) == asked.stages, "optimistic: other stages"
    assert stage < asked.stage_count, "optimistic: wrong number"
    before: bytes32 = asked.input_vector
    if stage != 0:
        before = hashes[stage - 1]
    assert keccak256(vector) == before, "optimistic: other vector"
    # Little gas makes the stage fail, and then nothing was shown; it never makes another vector come out.
    went_through: bool = False
    after: Bytes[_OUTPUT_BYTES] = b""
    went_through, after = raw_call(
        stages[stage + 1], vector, max_outsize=_OUTPUT_BYTES, is_static_call=True, revert_on_failure=False
    )
    assert went_through, "optimistic: stage failed"
    assert len(after) <= _VECTOR_BYTES_MAX, "optimistic: too wide"
    assert keccak256(after) != hashes[stage], "optimistic: no fault"

    # Half is burned: a claimant who refutes itself loses by it, and buys no time for less.
    reward: uint256 = asked.bond // 2
    self.burned += asked.bond - reward
    self._owed[msg.sender] += reward
    self._words[asked.request_id] = self._word(_OPEN, asked.patience, empty(address))
    self._held[asked.request_id] = keccak256(abi_encode(asked))
    log IOptimisticModel.Refuted(
        request_id=asked.request_id,
        claimant=self._claimant_in(word),
        challenger=msg.sender,
        stage=stage,
        reward=reward,
    )


@external
def finalise(asked: IOptimisticModel.Asked, hashes: DynArray[bytes32, 66]):
    word: uint256 = self._claimed(asked, hashes)
    deadline: uint256 = self._deadline_in(word)
    assert block.timestamp >= deadline, "optimistic: too early"

    claimant: address = self._claimant_in(word)
    answer: bytes32 = hashes[asked.stage_count - 1]
    self._words[asked.request_id] = word ^ convert(_CLAIMED ^ _FINAL, uint256)
    self._held[asked.request_id] = answers._hash(
        asked.request_id,
        asked.consumer,
        asked.model_digest,
        asked.input_digest,
        answer,
        _MODE,
        asked.fee,
        convert(deadline, uint64),
        asked.nonce,
    )
    self._owed[claimant] += asked.fee + asked.bond
    log IOptimisticModel.Finalised(request_id=asked.request_id, claimant=claimant, answer=answer)


@external
def give_back(asked: IOptimisticModel.Asked):
    word: uint256 = self._open(asked.request_id)
    assert self._state_in(word) == _OPEN, "optimistic: already claimed"
    assert keccak256(abi_encode(asked)) == self._held[asked.request_id], "optimistic: other request"
    assert block.timestamp >= self._deadline_in(word), "optimistic: too early"

    self._words[asked.request_id] = word ^ convert(_OPEN ^ _GIVEN_BACK, uint256)
    self._owed[asked.consumer] += asked.fee
    log IOptimisticModel.GivenBack(request_id=asked.request_id, consumer=asked.consumer)


@external
def collect() -> uint256:
    amount: uint256 = self._owed[msg.sender]
    assert amount != 0, "optimistic: nothing owed"

    self._owed[msg.sender] = 0
    log IOptimisticModel.Collected(account=msg.sender, amount=amount)
    coins._send(msg.sender, amount)
    return amount


@view
@external
def read_answer(answer: IAssurance.AssuredAnswer) -> DynArray[int256, 256]:
    assert self._state_in(self._words[answer.request_id]) == _FINAL, "optimistic: not final"
    return answers._read(answer, self._held[answer.request_id])


@view
@external
def request_of(request_id: bytes32) -> IOptimisticModel.Request:
    word: uint256 = self._known(request_id)
    return IOptimisticModel.Request(
        state=self._state_in(word),
        deadline=convert(self._deadline_in(word), uint64),
        claimant=self._claimant_in(word),
    )


@view
@external
def owed(account: address) -> uint256:
    return self._owed[account]


@view
@internal
def _unpacked(unpacking: address, data: Bytes[8192]) -> bytes32:
    """
    @dev The keccak-256 of the vector that the first stage makes of an input.
    """
    is_input: bool = False
    vector: Bytes[_OUTPUT_BYTES] = b""
    is_input, vector = raw_call(
        unpacking,
        abi_encode(data, method_id=method_id("predict(bytes)")),
        max_outsize=_OUTPUT_BYTES,
        is_static_call=True,
        revert_on_failure=False,
    )
    assert is_input and len(vector) != 0, "optimistic: not an input"
    assert len(vector) <= _VECTOR_BYTES_MAX, "optimistic: too wide"
    return keccak256(vector)


@view
@internal
def _known(request_id: bytes32) -> uint256:
    word: uint256 = self._words[request_id]
    assert word != 0, "optimistic: unknown request"
    return word


@view
@internal
def _open(request_id: bytes32) -> uint256:
    word: uint256 = self._known(request_id)
    assert self._state_in(word) < _FINAL, "optimistic: closed"
    return word


@view
@internal
def _claimed(asked: IOptimisticModel.Asked, hashes: DynArray[bytes32, 66]) -> uint256:
    word: uint256 = self._open(asked.request_id)
    assert self._state_in(word) == _CLAIMED, "optimistic: no claim"
    held: bytes32 = self._claim_hash(keccak256(abi_encode(asked)), hashes)
    assert held == self._held[asked.request_id], "optimistic: other claim"
    return word


@pure
@internal
def _claim_hash(question: bytes32, hashes: DynArray[bytes32, 66]) -> bytes32:
    return keccak256(concat(question, keccak256(abi_encode(hashes))))


@view
@internal
def _word(state: uint8, span: uint32, claimant: address) -> uint256:
    deadline: uint256 = block.timestamp + convert(span, uint256)
    return convert(state, uint256) | deadline << _DEADLINE_SHIFT | convert(claimant, uint256) << _CLAIMANT_SHIFT


@pure
@internal
def _state_in(word: uint256) -> uint8:
    return convert(word & _U8, uint8)


@pure
@internal
def _deadline_in(word: uint256) -> uint256:
    return word >> _DEADLINE_SHIFT & _U64


@pure
@internal
def _claimant_in(word: uint256) -> address:
    return convert(convert(word >> _CLAIMANT_SHIFT, uint160), address)


@pure
@internal
def _digest(answer: DynArray[int256, 256]) -> bytes32:
    """
    @dev The keccak-256 of the numbers' words.
    """
    return keccak256(slice(abi_encode(answer), 64, 32 * len(answer)))
