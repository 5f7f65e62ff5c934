# pragma version 0.4.3
"""
@title   Signatures by plain accounts
@license Apache-2.0
@notice  Recovers who signed a digest with secp256k1, in the one spelling that we take: 65 bytes r ‖ s ‖ v.
@custom:invariant A digest and an account have at most one signature that is taken for each nonce of the signer: high
                  s and other v are refused, so nobody can make a second one out of the first.
@custom:security  Zero says that nobody signed; whoever compares must not compare with an account that may be zero.
"""

# EIP-2: half the order of secp256k1; a higher s is the same signature written another way.
_LOW_S_MAX: constant(uint256) = 57896044618658097711785492504343953926418782139537452191302581570759080747168


@pure
@internal
def _recovered(digest: bytes32, signature: Bytes[65]) -> address:
    if len(signature) != 65:
        return empty(address)
    r: uint256 = extract32(signature, 0, output_type=uint256)
    s: uint256 = extract32(signature, 32, output_type=uint256)
    v: uint256 = convert(slice(signature, 64, 1), uint256)
    if s > _LOW_S_MAX or v < 27 or v > 28:
        return empty(address)
    return ecrecover(digest, v, r, s)
