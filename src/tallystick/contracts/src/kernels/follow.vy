# pragma version 0.4.3
"""
@title   Relying on a model
@license Apache-2.0
@notice  For contracts that decide by a model's answer: which kernel is asked follows from terms fixed at construction,
         and asking survives whatever a kernel does. The interface IFollow.vyi tells how to use it.
@custom:invariant A kernel is asked only if the terms name it. A kernel that answers within the gas of the terms cannot
                  be made to look as if it did not, whatever gas the caller sends.
@custom:security  A kernel proves f(x), not x: where the input comes from is the contract's own affair. By the policies
                  follow and time-lock the model's owner decides what is asked; time-lock leaves time to leave.
                  A version announced and then revoked, if nobody proposes again, stops the contract when its time comes.
"""

from ...interfaces import IFollow
from ...interfaces import IKernelDirectory
from ...interfaces import IModel
from ...interfaces import IModelRegistry

implements: IFollow

PIN: constant(uint8) = 1
FOLLOW: constant(uint8) = 2
TIME_LOCK: constant(uint8) = 3

_REVOKED: constant(uint8) = 3
_OUTPUTS_MAX: constant(uint256) = 32
# One word more than the longest answer, so that a longer one does not look exact.
_ANSWER_BYTES: constant(uint256) = 64 + 32 * _OUTPUTS_MAX + 32
_MARGIN: constant(uint256) = 6_000  # a cold account 2,600, the call's memory and copies; the rest is for safety
_U32: constant(uint256) = 2**32 - 1

_POLICY: immutable(uint8)
_DIRECTORY: immutable(IKernelDirectory)
_REGISTRY: immutable(IModelRegistry)
_MODEL_ID: immutable(uint256)
_CHANNEL: immutable(String[32])
_PINNED: immutable(uint32)
_PINNED_KERNEL: immutable(address)
_DELAY: immutable(uint256)
_GAS_LIMIT: immutable(uint256)
_OUTPUTS: immutable(uint256)

_lock: uint256  # version in force in bits 0 to 31, version announced 32 to 63, when that one comes into force 64 to 127


@deploy
def __init__(terms: IFollow.Terms):
    assert terms.policy >= PIN and terms.policy <= TIME_LOCK, "follow: unknown policy"
    assert terms.directory.is_contract, "follow: no directory"
    assert terms.outputs <= _OUTPUTS_MAX, "follow: too many outputs"
    kernel: address = empty(address)
    if terms.policy == PIN:
        kernel = staticcall IKernelDirectory(terms.directory).kernel_of(terms.registry, terms.model_id, terms.seq)
        assert kernel != empty(address), "follow: no kernel"
        assert staticcall IModel(kernel).model_digest() == terms.model_digest, "follow: another digest"
    elif terms.policy == TIME_LOCK:
        assert terms.delay != 0, "follow: no delay"
        first: address = staticcall IKernelDirectory(terms.directory).released(
            terms.registry, terms.model_id, terms.channel
        )
        assert first != empty(address), "follow: no kernel"
        seq: uint32 = staticcall IModelRegistry(terms.registry).released(terms.model_id, terms.channel)
        self._lock = convert(seq, uint256)

    _POLICY = terms.policy
    _DIRECTORY = IKernelDirectory(terms.directory)
    _REGISTRY = IModelRegistry(terms.registry)
    _MODEL_ID = terms.model_id
    _CHANNEL = terms.channel
    _PINNED = terms.seq
    _PINNED_KERNEL = kernel
    _DELAY = convert(terms.delay, uint256)
    _GAS_LIMIT = terms.gas_limit
    _OUTPUTS = terms.outputs


@external
def propose():
    assert _POLICY == TIME_LOCK, "follow: not time-locked"
    current: uint256 = 0
    announced: uint256 = 0
    ready_at: uint256 = 0
    current, announced, ready_at = self._locked()
    wanted: uint256 = convert(staticcall _REGISTRY.released(_MODEL_ID, _CHANNEL), uint256)
    if wanted == 0 or self._is_revoked(wanted):
        wanted = current
    assert wanted != current or announced != 0, "follow: nothing new"
    assert wanted != announced, "follow: already proposed"

    if wanted == current:
        announced = 0
        ready_at = 0
    else:
        assert self._kernel_of(wanted) != empty(address), "follow: no kernel"
        announced = wanted
        ready_at = block.timestamp + _DELAY
    self._lock = current | announced << 32 | ready_at << 64
    log IFollow.Proposed(
        current=convert(current, uint32), seq=convert(announced, uint32), ready_at=convert(ready_at, uint64)
    )


@view
@external
def following() -> (uint32, address, uint32, uint64):
    current: uint256 = 0
    announced: uint256 = 0
    ready_at: uint256 = 0
    current, announced, ready_at = self._in_force()
    return (
        convert(current, uint32), self._kernel(current), convert(announced, uint32), convert(ready_at, uint64)
    )


@internal
def _ask(data: Bytes[1024]) -> (bool, DynArray[int256, 32]):
    """
    @notice Ask the model about one packed input, and leave an event.
    @dev    Reverts `follow: too little gas`; otherwise whatever happens is an answer or (False, []).
    @return Whether the model answered, and its numbers: the decision, where it makes one, then every score.
    """
    current: uint256 = 0
    announced: uint256 = 0
    ready_at: uint256 = 0
    current, announced, ready_at = self._in_force()
    kernel: address = self._kernel(current)
    ok: bool = False
    values: DynArray[int256, 32] = []
    if kernel != empty(address):
        ok, values = self._answer(kernel, data)
    log IFollow.Asked(kernel=kernel, input_digest=keccak256(data), ok=ok)
    return ok, values


@view
@internal
def _answer(kernel: address, data: Bytes[1024]) -> (bool, DynArray[int256, 32]):
    went_through: bool = False
    answer: Bytes[_ANSWER_BYTES] = b""
    request: Bytes[1092] = abi_encode(data, method_id=method_id("predict(bytes)"))
    # A callee is given at most 63/64 of what is left. Whoever sends less than enough stops here, and cannot bring the
    # contract to go on without the answer. Memory is paid for before, so that a contract with much of it is as safe.
    assert msg.gas >= _GAS_LIMIT + _GAS_LIMIT // 63 + _MARGIN, "follow: too little gas"
    went_through, answer = raw_call(
        kernel,
        request,
        max_outsize=_ANSWER_BYTES,
        gas=_GAS_LIMIT,
        is_static_call=True,
        revert_on_failure=False,
    )
    # An address without code goes through with nothing; a kernel of another shape answers at another length.
    if not went_through or len(answer) != 64 + 32 * _OUTPUTS:
        return False, []
    if extract32(answer, 0, output_type=uint256) != 32 or extract32(answer, 32, output_type=uint256) != _OUTPUTS:
        return False, []
    return True, abi_decode(answer, DynArray[int256, 32])


@view
@internal
def _in_force() -> (uint256, uint256, uint256):
    """
    @dev (version in force, version announced, when it comes into force), zeros where there is none.
    """
    if _POLICY == PIN:
        return convert(_PINNED, uint256), 0, 0
    if _POLICY == FOLLOW:
        return convert(staticcall _REGISTRY.released(_MODEL_ID, _CHANNEL), uint256), 0, 0
    return self._locked()


@view
@internal
def _locked() -> (uint256, uint256, uint256):
    lock: uint256 = self._lock
    announced: uint256 = lock >> 32 & _U32
    ready_at: uint256 = lock >> 64
    if announced != 0 and block.timestamp >= ready_at:
        return announced, 0, 0
    return lock & _U32, announced, ready_at


@view
@internal
def _kernel(seq: uint256) -> address:
    """
    @dev The kernel to ask while `seq` is in force; zero if none.
    """
    if _POLICY == PIN:
        return _PINNED_KERNEL
    if seq == 0 or self._is_revoked(seq):
        return empty(address)
    return self._kernel_of(seq)


@view
@internal
def _is_revoked(seq: uint256) -> bool:
    return staticcall _REGISTRY.status_of(_MODEL_ID, convert(seq, uint32)) == _REVOKED


@view
@internal
def _kernel_of(seq: uint256) -> address:
    return staticcall _DIRECTORY.kernel_of(_REGISTRY.address, _MODEL_ID, convert(seq, uint32))
