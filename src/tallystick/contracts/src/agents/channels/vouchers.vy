# pragma version 0.4.3
"""
@title   Vouchers: what payers sign
@license Apache-2.0
@notice  The EIP-712 domain of a contract of channels, the digest of a voucher, and whose signature makes one count.
@custom:invariant A voucher counts for one channel of one contract on one chain, and only if the authorizer's key signed
                  it or, where there is none, the payer.
@custom:security  The domain is made anew each time: after a fork of the chain the other side has another id. A payer
                  with code answers for itself and may change its mind; a key cannot.
"""

from ....interfaces import IPaymentChannels
from ... import signatures
from ... import signers

_NAME: constant(String[64]) = "Tallystick PaymentChannels"
_VERSION: constant(String[8]) = "1"
_DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
_VOUCHER_TYPE: constant(bytes32) = keccak256("Voucher(bytes32 channelId,uint128 maxClaimableAmount)")


@view
@external
def eip712Domain() -> (bytes1, String[64], String[8], uint256, address, bytes32, DynArray[uint256, 1]):
    # 0x0f: name, version, chain id and contract are in use; salt is not.
    return 0x0f, _NAME, _VERSION, chain.id, self, empty(bytes32), []


@view
@external
def DOMAIN_SEPARATOR() -> bytes32:
    return self._separator()


@view
@external
def voucher_digest(channel_id: bytes32, max_amount: uint128) -> bytes32:
    return self._digest(self._separator(), channel_id, max_amount)


@view
@internal
def _is_signed(
    terms: IPaymentChannels.Terms, channel_id: bytes32, max_amount: uint128, signature: Bytes[1024]
) -> bool:
    digest: bytes32 = self._digest(self._separator(), channel_id, max_amount)
    if terms.authorizer == empty(address):
        return signers._is_signed_by(terms.payer, digest, signature)
    return len(signature) == 65 and signatures._recovered(digest, slice(signature, 0, 65)) == terms.authorizer


@view
@internal
def _is_signed_by_key(
    separator: bytes32, terms: IPaymentChannels.Terms, channel_id: bytes32, max_amount: uint128, signature: Bytes[65]
) -> bool:
    """
    @dev Whether a key signed it: asks no other contract.
    """
    signer: address = terms.authorizer
    if signer == empty(address):
        signer = terms.payer
    return signatures._recovered(self._digest(separator, channel_id, max_amount), signature) == signer


@view
@internal
def _separator() -> bytes32:
    return keccak256(abi_encode(_DOMAIN_TYPE, keccak256(_NAME), keccak256(_VERSION), chain.id, self))


@pure
@internal
def _digest(separator: bytes32, channel_id: bytes32, max_amount: uint128) -> bytes32:
    message: bytes32 = keccak256(abi_encode(_VOUCHER_TYPE, channel_id, max_amount))
    return keccak256(concat(0x1901, separator, message))
