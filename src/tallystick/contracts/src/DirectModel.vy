# pragma version 0.4.3
"""
@title   DirectModel
@license Apache-2.0
@notice  Answers of kernels behind the functions of IAssurance. The interface IDirectModel.vyi teaches the contract.
@custom:invariant An answer that can be read is what the kernel said to that consumer's input when it was asked. What is
                  kept is kept for ever; the rest is gone with the transaction. No coin can come in.
@custom:kill      There is none: no administrator, no pause, no upgrade.
@custom:security  What a kernel says of itself is its maker's word: a consumer names the kernel in its terms, and compares
                  its code first. An answer that is not kept can be asked for again under the same id.
"""

from ..interfaces import IAssurance
from ..interfaces import IDirectModel
from ..interfaces import IModel
from .assurance import answers

implements: IAssurance
implements: IDirectModel

exports: answers.eip712Domain

_MODE: constant(uint8) = 1
# Offset, count, and the words of the longest answer; of a longer one the count is too high for what was taken.
_ANSWER_BYTES: constant(uint256) = 64 + 256 * 32

_kept: HashMap[bytes32, bytes32]
_passing: transient(HashMap[bytes32, bytes32])


@payable
@external
def ask(nonce: uint256, terms: Bytes[2816], data: Bytes[8192]) -> bytes32:
    assert msg.value == 0, "direct: nothing to pay"
    kernel: address = empty(address)
    is_kept: bool = False
    kernel, is_kept = abi_decode(terms, (address, bool))
    input_digest: bytes32 = sha256(data)
    request_id: bytes32 = answers._id(msg.sender, nonce, keccak256(terms), input_digest)
    if is_kept:
        assert self._kept[request_id] == empty(bytes32), "direct: already asked"
    model_digest: bytes32 = staticcall IModel(kernel).model_digest()
    output: bytes32 = self._predicted(kernel, data)

    held: bytes32 = answers._hash(
        request_id, msg.sender, model_digest, input_digest, output, _MODE, 0, 0, nonce
    )
    if is_kept:
        self._kept[request_id] = held
    else:
        self._passing[request_id] = held
    log IDirectModel.Answered(
        request_id=request_id,
        consumer=msg.sender,
        kernel=kernel,
        model_digest=model_digest,
        nonce=nonce,
        is_kept=is_kept,
        data=data,
    )
    return request_id


@view
@external
def read_answer(answer: IAssurance.AssuredAnswer) -> DynArray[int256, 256]:
    held: bytes32 = self._passing[answer.request_id]
    if held == empty(bytes32):
        held = self._kept[answer.request_id]
    assert held != empty(bytes32), "direct: no answer"
    return answers._read(answer, held)


@view
@internal
def _predicted(kernel: address, data: Bytes[8192]) -> bytes32:
    """
    @dev The keccak-256 of the words that the kernel answers, which costs less than to decode and encode them.
    """
    answer: Bytes[_ANSWER_BYTES] = raw_call(
        kernel,
        abi_encode(data, method_id=method_id("predict(bytes)")),
        max_outsize=_ANSWER_BYTES,
        is_static_call=True,
    )
    assert len(answer) > 64, "direct: not a kernel"
    count: uint256 = extract32(answer, 32, output_type=uint256)
    is_list: bool = extract32(answer, 0, output_type=uint256) == 32
    assert is_list and count <= 256 and len(answer) == 64 + 32 * count, "direct: not a kernel"
    return keccak256(slice(answer, 64, len(answer) - 64))
