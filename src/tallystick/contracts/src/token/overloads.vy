# pragma version 0.4.3
"""
@title   The second forms of signed calls: one signature of any length, instead of v, r and s
@license Apache-2.0
@notice  Vyper has one function per name, and the token standards have two. What the compiler's own dispatch does not
         know arrives here, is told apart by its selector and read from the call data: words in place, then the
         signature, whose offset must be the one that every ABI encoder writes. Next: IOverloadedToken.vyi.
@custom:invariant A call that is taken here does what its form with v, r and s does, and nothing else.
@custom:security  Anything unknown reverts, ether included: there is no way to send this contract coins by mistake.
"""

from . import eip2612
from . import eip3009

uses: eip2612
uses: eip3009

_TRANSFER: constant(bytes4) = method_id(
    "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)", output_type=bytes4
)
_RECEIVE: constant(bytes4) = method_id(
    "receiveWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)", output_type=bytes4
)
_CANCEL: constant(bytes4) = method_id("cancelAuthorization(address,bytes32,bytes)", output_type=bytes4)
_PERMIT: constant(bytes4) = method_id("permit(address,address,uint256,uint256,bytes)", output_type=bytes4)
_SIGNATURE_BYTES_MAX: constant(uint256) = 1024
_SIGNATURE_WORDS_MAX: constant(uint256) = 32


@external
def __default__():
    assert len(msg.data) >= 4, "overloads: unknown function"
    selector: bytes4 = convert(slice(msg.data, 0, 4), bytes4)
    if selector == _TRANSFER:
        signature: Bytes[1024] = self._last(6)
        eip3009._transfer(abi_decode(slice(msg.data, 4, 192), eip3009.Authorization), signature)
    elif selector == _RECEIVE:
        signature: Bytes[1024] = self._last(6)
        eip3009._receive(abi_decode(slice(msg.data, 4, 192), eip3009.Authorization), signature)
    elif selector == _CANCEL:
        signature: Bytes[1024] = self._last(2)
        payer: address = empty(address)
        nonce: bytes32 = empty(bytes32)
        payer, nonce = abi_decode(slice(msg.data, 4, 64), (address, bytes32))
        eip3009._cancel(payer, nonce, signature)
    else:
        assert selector == _PERMIT, "overloads: unknown function"
        signature: Bytes[1024] = self._last(4)
        owner: address = empty(address)
        spender: address = empty(address)
        amount: uint256 = 0
        deadline: uint256 = 0
        owner, spender, amount, deadline = abi_decode(slice(msg.data, 4, 128), (address, address, uint256, uint256))
        eip2612._permit(owner, spender, amount, deadline, signature)


@view
@internal
def _last(place: uint256) -> Bytes[1024]:
    """
    @dev Read the bytes that are the last argument, after `place` arguments of one word.
    """
    offset: uint256 = self._word(4 + 32 * place)
    assert offset == 32 * (place + 1), "overloads: malformed call"
    length: uint256 = self._word(4 + offset)
    assert length <= _SIGNATURE_BYTES_MAX, "overloads: malformed call"

    # Offset, length and words, as abi_decode wants them.
    words: DynArray[bytes32, _SIGNATURE_WORDS_MAX + 2] = [convert(32, bytes32), convert(length, bytes32)]
    for i: uint256 in range(_SIGNATURE_WORDS_MAX):
        if 32 * i >= length:
            break
        words.append(convert(self._word(4 + offset + 32 * (i + 1)), bytes32))
    return abi_decode(slice(abi_encode(words), 64, 32 * len(words)), Bytes[1024])


@view
@internal
def _word(at: uint256) -> uint256:
    assert at + 32 <= len(msg.data), "overloads: malformed call"
    return convert(slice(msg.data, at, 32), uint256)
