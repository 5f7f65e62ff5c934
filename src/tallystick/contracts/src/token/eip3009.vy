# pragma version 0.4.3
"""
@title   Authorizations: a transfer by signature
@license Apache-2.0
@notice  EIP-3009: a payer signs one transfer with a nonce of its own choice, and anybody brings it; or only the payee,
         where the payer signed that. Payers are keys or contracts.
@custom:invariant A nonce of a payer is spent at most once, by a transfer or by cancelling, and then stays spent.
@custom:security  A contract that acts on being paid takes `receiveWithAuthorization`: a transfer that anybody may bring
                  can be brought past it. Times are those of blocks, and both ends are exclusive.
"""

from ...interfaces import IToken
from .. import signers
from . import eip712
from . import erc20

uses: eip712
uses: erc20

TRANSFER_WITH_AUTHORIZATION_TYPEHASH: public(constant(bytes32)) = keccak256(
    "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
)
RECEIVE_WITH_AUTHORIZATION_TYPEHASH: public(constant(bytes32)) = keccak256(
    "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
)
CANCEL_AUTHORIZATION_TYPEHASH: public(constant(bytes32)) = keccak256(
    "CancelAuthorization(address authorizer,bytes32 nonce)"
)

struct Authorization:
    payer: address
    payee: address
    amount: uint256
    valid_after: uint256
    valid_before: uint256
    nonce: bytes32


_spent: HashMap[address, HashMap[bytes32, bool]]  # payer, nonce


@view
@external
def authorizationState(payer: address, nonce: bytes32) -> bool:
    return self._spent[payer][nonce]


@external
def transferWithAuthorization(
    payer: address,
    payee: address,
    amount: uint256,
    valid_after: uint256,
    valid_before: uint256,
    nonce: bytes32,
    v: uint8,
    r: bytes32,
    s: bytes32,
):
    given: Authorization = Authorization(
        payer=payer, payee=payee, amount=amount, valid_after=valid_after, valid_before=valid_before, nonce=nonce
    )
    self._transfer(given, signers._joined(v, r, s))


@external
def receiveWithAuthorization(
    payer: address,
    payee: address,
    amount: uint256,
    valid_after: uint256,
    valid_before: uint256,
    nonce: bytes32,
    v: uint8,
    r: bytes32,
    s: bytes32,
):
    given: Authorization = Authorization(
        payer=payer, payee=payee, amount=amount, valid_after=valid_after, valid_before=valid_before, nonce=nonce
    )
    self._receive(given, signers._joined(v, r, s))


@external
def cancelAuthorization(payer: address, nonce: bytes32, v: uint8, r: bytes32, s: bytes32):
    self._cancel(payer, nonce, signers._joined(v, r, s))


@internal
def _transfer(given: Authorization, signature: Bytes[1024]):
    self._pay(given, TRANSFER_WITH_AUTHORIZATION_TYPEHASH, signature)


@internal
def _receive(given: Authorization, signature: Bytes[1024]):
    assert given.payee == msg.sender, "eip3009: caller is not the payee"
    self._pay(given, RECEIVE_WITH_AUTHORIZATION_TYPEHASH, signature)


@internal
def _cancel(payer: address, nonce: bytes32, signature: Bytes[1024]):
    self._spend(payer, nonce, keccak256(abi_encode(CANCEL_AUTHORIZATION_TYPEHASH, payer, nonce)), signature)
    log IToken.AuthorizationCanceled(authorizer=payer, nonce=nonce)


@internal
def _pay(given: Authorization, type_hash: bytes32, signature: Bytes[1024]):
    assert given.valid_after < block.timestamp, "eip3009: not yet valid"
    assert block.timestamp < given.valid_before, "eip3009: expired"
    self._spend(given.payer, given.nonce, keccak256(abi_encode(type_hash, given)), signature)
    log IToken.AuthorizationUsed(authorizer=given.payer, nonce=given.nonce)
    erc20._move(given.payer, given.payee, given.amount)


@internal
def _spend(payer: address, nonce: bytes32, message: bytes32, signature: Bytes[1024]):
    assert not self._spent[payer][nonce], "eip3009: nonce is spent"
    assert signers._is_signed_by(payer, eip712._digest(message), signature), "eip3009: not signed by the payer"
    self._spent[payer][nonce] = True
