# pragma version 0.4.3
"""
@title   Signatures by accounts of any kind
@license Apache-2.0
@notice  Whether an account signed a digest: with its key (65 bytes r ‖ s ‖ v, low s), or, where it has code, because it
         says so itself (ERC-1271). The key is tried first, so that an account that delegates to code (EIP-7702) can
         still sign with its key, which rules it in any case.
@custom:invariant The zero address signed nothing, and an account without code only what its key signed.
@custom:security  An ERC-1271 account is asked by a static call: it changes nothing, but may spend all but a 64th of the
                  gas, and may say another thing tomorrow. Whoever pays the gas simulates first.
"""

from . import signatures

_SAYS_YES: constant(bytes32) = 0x1626ba7e00000000000000000000000000000000000000000000000000000000


@view
@internal
def _is_signed_by(account: address, digest: bytes32, signature: Bytes[1024]) -> bool:
    if account == empty(address):
        return False
    if len(signature) == 65 and signatures._recovered(digest, slice(signature, 0, 65)) == account:
        return True
    if not account.is_contract:
        return False
    ok: bool = False
    answer: Bytes[32] = b""
    ok, answer = raw_call(
        account,
        abi_encode(digest, signature, method_id=method_id("isValidSignature(bytes32,bytes)")),
        max_outsize=32,
        is_static_call=True,
        revert_on_failure=False,
    )
    return ok and len(answer) == 32 and convert(answer, bytes32) == _SAYS_YES


@pure
@internal
def _joined(v: uint8, r: bytes32, s: bytes32) -> Bytes[65]:
    return concat(r, s, slice(convert(v, bytes32), 31, 1))
