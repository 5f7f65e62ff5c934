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
    output: DynArray[int256, 256] = staticcall IModel(kernel).predict(data)

    held: bytes32 = answers._hash_of(
        request_id, msg.sender, model_digest, input_digest, answers._words(output), _MODE, 0, 0, nonce
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
        output=output,
    )
    return request_id


@view
@external
def read_answer(answer: IAssurance.AssuredAnswer) -> DynArray[int256, 256]:
    assert msg.sender == answer.consumer, "direct: not the consumer"
    held: bytes32 = self._passing[answer.request_id]
    if held == empty(bytes32):
        held = self._kept[answer.request_id]
    assert held != empty(bytes32), "direct: no answer"
    assert answers._hash(answer) == held, "direct: not the receipt"
    return answers._numbers(answer.output)
