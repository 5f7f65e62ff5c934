# pragma version 0.4.3
"""
@title   OptimisticModel
@license Apache-2.0
@notice  Answers that are believed unless somebody shows the step that is wrong. The interface IOptimisticModel.vyi
         teaches the contract.
@custom:invariant A claim that follows its stages never falls; one that does not can be felled by whoever computes the
                  model, until its deadline. What came in is what is held as fees and bonds, owed, burned, or was
                  collected. After its deadline no request waits for anybody in particular.
@custom:kill      There is none: no administrator, no pause, no upgrade.
@custom:security  Stages must be functions of their input: claim for models whose code you compared. A proof can be
                  copied from the pending pool and its reward taken; the claim falls all the same. A true claim can be
                  copied too, and its fee taken. A requester who sends a model or an input that nobody computes gets the
                  fee back after its own patience.
"""

from ..interfaces import IOptimisticModel
from ..interfaces import IStagedModel

implements: IOptimisticModel

_STAGES_MAX: constant(uint256) = 67
_VECTOR_BYTES_MAX: constant(uint256) = 32_768
# One word more than the longest vector, so that a longer one is seen and not cut.
_OUTPUT_BYTES: constant(uint256) = _VECTOR_BYTES_MAX + 32

request_count: public(uint256)
burned: public(uint256)
_owed: HashMap[address, uint256]
_requests: HashMap[uint256, IOptimisticModel.Request]


@payable
@external
def request(model: address, data: Bytes[8192], bond: uint256, window: uint32, patience: uint32) -> uint256:
    stages: DynArray[address, _STAGES_MAX] = staticcall IStagedModel(model).stages()
    assert len(stages) > 1, "optimistic: no stages"
    assert bond > 1, "optimistic: no bond"
    assert window != 0, "optimistic: no window"
    assert patience != 0, "optimistic: no patience"
    is_input: bool = False
    vector: Bytes[_OUTPUT_BYTES] = b""
    is_input, vector = raw_call(
        stages[0],
        abi_encode(data, method_id=method_id("predict(bytes)")),
        max_outsize=_OUTPUT_BYTES,
        is_static_call=True,
        revert_on_failure=False,
    )
    assert is_input and len(vector) != 0, "optimistic: not an input"
    assert len(vector) <= _VECTOR_BYTES_MAX, "optimistic: too wide"

    request_id: uint256 = self.request_count + 1
    self.request_count = request_id
    self._requests[request_id] = IOptimisticModel.Request(
        requester=msg.sender,
        fee=msg.value,
        bond=bond,
        window=window,
        patience=patience,
        input_vector=keccak256(vector),
        stages=keccak256(abi_encode(stages)),
        stage_count=len(stages) - 1,
        deadline=block.timestamp + convert(patience, uint256),
        claimant=empty(address),
        trace=empty(bytes32),
        answer=empty(bytes32),
        is_closed=False,
    )
    log IOptimisticModel.Requested(
        request_id=request_id,
        requester=msg.sender,
        model=model,
        data=data,
        fee=msg.value,
        bond=bond,
        window=window,
        patience=patience,
    )
    return request_id


@payable
@external
def claim(request_id: uint256, hashes: DynArray[bytes32, 66], answer: DynArray[int256, 256]):
    asked: IOptimisticModel.Request = self._open(request_id)
    assert asked.claimant == empty(address), "optimistic: already claimed"
    assert block.timestamp < asked.deadline, "optimistic: too late"
    assert msg.value == asked.bond, "optimistic: not the bond"
    assert len(hashes) == asked.stage_count, "optimistic: wrong number"
    digest: bytes32 = self._digest(answer)
    assert hashes[asked.stage_count - 1] == digest, "optimistic: not the answer"

    deadline: uint256 = block.timestamp + convert(asked.window, uint256)
    self._requests[request_id].claimant = msg.sender
    self._requests[request_id].deadline = deadline
    self._requests[request_id].trace = keccak256(abi_encode(hashes))
    self._requests[request_id].answer = digest
    log IOptimisticModel.Claimed(
        request_id=request_id, claimant=msg.sender, hashes=hashes, answer=answer, deadline=deadline
    )


@external
def refute(
    request_id: uint256,
    stages: DynArray[address, _STAGES_MAX],
    hashes: DynArray[bytes32, 66],
    stage: uint256,
    vector: Bytes[_VECTOR_BYTES_MAX],
):
    asked: IOptimisticModel.Request = self._claimed(request_id)
    assert block.timestamp < asked.deadline, "optimistic: too late"
    assert keccak256(abi_encode(stages)) == asked.stages, "optimistic: other stages"
    assert keccak256(abi_encode(hashes)) == asked.trace, "optimistic: other hashes"
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
    self._requests[request_id].claimant = empty(address)
    self._requests[request_id].trace = empty(bytes32)
    self._requests[request_id].answer = empty(bytes32)
    self._requests[request_id].deadline = block.timestamp + convert(asked.patience, uint256)
    log IOptimisticModel.Refuted(
        request_id=request_id, claimant=asked.claimant, challenger=msg.sender, stage=stage, reward=reward
    )


@external
def finalise(request_id: uint256):
    asked: IOptimisticModel.Request = self._claimed(request_id)
    assert block.timestamp >= asked.deadline, "optimistic: too early"

    self._requests[request_id].is_closed = True
    self._requests[request_id].fee = 0
    self._owed[asked.claimant] += asked.fee + asked.bond
    log IOptimisticModel.Finalised(request_id=request_id, claimant=asked.claimant, answer=asked.answer)


@external
def give_back(request_id: uint256):
    asked: IOptimisticModel.Request = self._open(request_id)
    assert asked.claimant == empty(address), "optimistic: already claimed"
    assert block.timestamp >= asked.deadline, "optimistic: too early"

    self._requests[request_id].is_closed = True
    self._requests[request_id].fee = 0
    self._owed[asked.requester] += asked.fee
    log IOptimisticModel.GivenBack(request_id=request_id, requester=asked.requester)


@external
def collect() -> uint256:
    amount: uint256 = self._owed[msg.sender]
    assert amount != 0, "optimistic: nothing owed"

    self._owed[msg.sender] = 0
    log IOptimisticModel.Collected(account=msg.sender, amount=amount)
    sent: bool = raw_call(msg.sender, b"", value=amount, revert_on_failure=False)
    assert sent, "optimistic: transfer refused"
    return amount


@view
@external
def is_final(request_id: uint256, answer: DynArray[int256, 256]) -> bool:
    asked: IOptimisticModel.Request = self._requests[request_id]
    return asked.is_closed and asked.claimant != empty(address) and self._digest(answer) == asked.answer


@view
@external
def request_of(request_id: uint256) -> IOptimisticModel.Request:
    return self._known(request_id)


@view
@external
def owed(account: address) -> uint256:
    return self._owed[account]


@view
@internal
def _known(request_id: uint256) -> IOptimisticModel.Request:
    asked: IOptimisticModel.Request = self._requests[request_id]
    assert asked.requester != empty(address), "optimistic: unknown request"
    return asked


@view
@internal
def _open(request_id: uint256) -> IOptimisticModel.Request:
    asked: IOptimisticModel.Request = self._known(request_id)
    assert not asked.is_closed, "optimistic: closed"
    return asked


@view
@internal
def _claimed(request_id: uint256) -> IOptimisticModel.Request:
    asked: IOptimisticModel.Request = self._open(request_id)
    assert asked.claimant != empty(address), "optimistic: no claim"
    return asked


@pure
@internal
def _digest(answer: DynArray[int256, 256]) -> bytes32:
    return keccak256(slice(abi_encode(answer), 64, 32 * len(answer)))
