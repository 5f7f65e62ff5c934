# pragma version 0.4.3
"""
@title   Proofs: what takes from a bond
@license Apache-2.0
@notice  Two signed answers to one request, or an answer that the request's kernel contradicts. A missed reveal needs no
         proof from outside: settling sees it.
@custom:invariant Nothing here judges by distance or by votes. A seat is struck once.
@custom:security  The kernel is one that the member itself let judge it. If a call to it fails, for whatever reason,
                  nothing is proved: a caller that leaves it too little gas gains nothing.
"""

from ...interfaces import ICommittee
from .. import signatures
from . import requests
from . import rounds

uses: requests
uses: rounds

interface IKernel:
    def predict(data: Bytes[8192]) -> DynArray[int256, 256]: view

_TWO_ANSWERS: constant(uint8) = 2
_CONTRADICTED: constant(uint8) = 3
_PROOF_S: constant(uint256) = 3 * 86_400  # after the end of reveals; a bond's delay covers it
_OUTPUTS_MAX: constant(uint256) = 256
_OUTPUT_BYTES_MAX: constant(uint256) = 64 + 32 * _OUTPUTS_MAX


@external
def prove_equivocation(
    request_id: bytes32,
    provider: address,
    output: int256,
    cost: uint256,
    signature: Bytes[65],
    other_output: int256,
    other_cost: uint256,
    other_signature: Bytes[65],
):
    signer: address = self._check_seat(request_id, provider)
    assert output != other_output or cost != other_cost, "proofs: the same answer"
    assert (
        signatures._recovered(requests._answer_digest(request_id, output, cost), signature) == signer
    ), "proofs: not signed by its key"
    assert (
        signatures._recovered(requests._answer_digest(request_id, other_output, other_cost), other_signature) == signer
    ), "proofs: not signed by its key"
    rounds._slash(request_id, provider, _TWO_ANSWERS, msg.sender)


@external
def prove_contradiction(request_id: bytes32, provider: address, input: Bytes[8192]):
    self._check_seat(request_id, provider)
    kernel: address = requests._terms[request_id].kernel
    assert rounds._seats[request_id][provider] & rounds._REVEALED != 0, "proofs: not revealed"
    assert kernel != empty(address), "proofs: no kernel"
    assert sha256(input) == requests._terms[request_id].input_digest, "proofs: wrong input"
    index: uint256 = convert(requests._terms[request_id].output_index, uint256)
    said: int256 = self._kernel_says(kernel, input, index)
    assert said != rounds._outputs[request_id][provider], "proofs: no contradiction"
    rounds._slash(request_id, provider, _CONTRADICTED, msg.sender)


@view
@internal
def _check_seat(request_id: bytes32, provider: address) -> address:
    seat: uint256 = rounds._seats[request_id][provider]
    assert seat != 0, "proofs: nothing at stake"
    assert seat & rounds._SLASHED == 0, "proofs: already slashed"
    deadline: uint256 = requests._reveal_until_in(requests._words[request_id]) + _PROOF_S
    assert block.timestamp <= deadline, "proofs: too late"
    return convert(seat & rounds._ADDRESS_MASK, address)


@view
@internal
def _kernel_says(kernel: address, input: Bytes[8192], index: uint256) -> int256:
    is_answered: bool = False
    answer: Bytes[_OUTPUT_BYTES_MAX] = b""
    is_answered, answer = raw_call(
        kernel,
        abi_encode(input, method_id=method_id("predict(bytes)")),
        max_outsize=_OUTPUT_BYTES_MAX,
        is_static_call=True,
        revert_on_failure=False,
    )
    # One dynamic array: its offset, its length, its words.
    assert is_answered and len(answer) >= 64 + 32 * (index + 1), "proofs: kernel gives no answer"
    assert (
        extract32(answer, 0, output_type=uint256) == 32 and extract32(answer, 32, output_type=uint256) > index
    ), "proofs: kernel gives no answer"
    return extract32(answer, 64 + 32 * index, output_type=int256)
