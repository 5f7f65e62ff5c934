# pragma version 0.4.3
"""
@title   Signed: ERC-1271, deny by default
@license Apache-2.0
@notice  Yes to what the relay knows in whole, an EIP-3009 authorization within a session's slots or a voucher of an own
         channel, and to digests that the owner approved.
@custom:invariant Never to 65 bytes, never frozen, never before sealing.
@custom:security  A view cannot count. What it lets out is bounded by slots and deposits, beside the buckets.
"""

from ....interfaces import IPolicyAccount
from ....interfaces import IPolicyRelay
from . import audit
from . import companions
from . import roles

uses: audit
uses: companions
uses: roles

_KIND_DIGEST: constant(uint8) = 14
_YES: constant(bytes4) = 0x1626ba7e
_NO: constant(bytes4) = 0xffffffff

_digests: HashMap[address, HashMap[bytes32, uint256]]  # by who approved it as the owner: until << 32 | epoch


@external
def approve_digest(digest: bytes32, expires: uint64):
    roles._check_owner()
    self._digests[msg.sender][digest] = convert(expires, uint256) << 32 | roles._word & roles._M32
    log IPolicyAccount.DigestApproved(digest=digest, expires=expires)
    audit._note(_KIND_DIGEST, self, digest)


@view
@external
@nonreentrant
def isValidSignature(digest: bytes32, signature: Bytes[1024]) -> bytes4:
    if len(signature) == 65 or not roles._is_sealed():
        return _NO
    roles._check_not_frozen()
    if len(signature) == 288 or len(signature) == 192:
        if staticcall IPolicyRelay(companions.relay).is_signed(self, digest, signature):
            return _YES
    elif self._digest_until(digest) >= block.timestamp:
        return _YES
    return _NO


@view
@external
def digest_until(digest: bytes32) -> uint64:
    return convert(self._digest_until(digest), uint64)


@view
@internal
def _digest_until(digest: bytes32) -> uint256:
    word: uint256 = self._digests[roles.owner][digest]
    if word & roles._M32 != roles._word & roles._M32:
        return 0
    return word >> 32
