# pragma version 0.4.3
"""
@title   Authorizations: signatures taken apart
@license Apache-2.0
@notice  The two forms for which ERC-1271 says yes to a session: an EIP-3009 authorization that is written out in the
         signature, and a voucher of a channel.
@custom:invariant A yes means: the digest was made anew here from all that counts, in the domain that the token or channel
                  has now; a live session of level 2 or above signed it; the payee is allowed now.
@custom:security  The bound of authorizations is the token's: it takes each nonce once. Budget only tokens that do.
"""

from ....interfaces import IPolicyAccount
from ....interfaces import IPolicyRules
from ....interfaces import IVoucherChannel
from . import levels

interface ITypedToken:
    def DOMAIN_SEPARATOR() -> bytes32: view

_BOUNDED: constant(uint8) = 2
_ACCOUNT: constant(uint8) = 1
_COUNTERPARTY: constant(uint8) = 3
_AHEAD_S_MAX: constant(uint256) = 86_400  # how far ahead an authorization may still be valid
_TRANSFER_TYPE: constant(bytes32) = keccak256(
    "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
)
_RECEIVE_TYPE: constant(bytes32) = keccak256(
    "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
)
_VOUCHER_TYPE: constant(bytes32) = keccak256("Voucher(bytes32 channelId,uint128 maxClaimableAmount)")
_LOW_S_MAX: constant(uint256) = 57896044618658097711785492504343953926418782139537452191302581570759080747168


@view
@external
def is_signed(account: address, digest: bytes32, signature: Bytes[1024]) -> bool:
    if len(signature) == 288:
        return self._is_authorization(account, digest, signature)
    if len(signature) == 192:
        return self._is_voucher(account, digest, signature)
    return False


@pure
@external
def slot_nonce(session: address, period: uint64, slot: uint32) -> bytes32:
    return convert(
        convert(session, uint256) << 96 | convert(period, uint256) << 32 | convert(slot, uint256), bytes32
    )


@view
@internal
def _is_authorization(account: address, digest: bytes32, signature: Bytes[1024]) -> bool:
    token: address = empty(address)
    payee: address = empty(address)
    amount: uint256 = 0
    valid_after: uint256 = 0
    valid_before: uint256 = 0
    nonce: uint256 = 0
    r: uint256 = 0
    s: uint256 = 0
    v: uint256 = 0
    token, payee, amount, valid_after, valid_before, nonce, r, s, v = abi_decode(
        signature, (address, address, uint256, uint256, uint256, uint256, uint256, uint256, uint256)
    )
    session: address = convert(nonce >> 96, address)
    slot: uint256 = nonce & (2**32 - 1)
    terms: IPolicyAccount.Session = staticcall IPolicyAccount(account).session_of(session)
    period_s: uint256 = convert(terms.slot_period_s, uint256)
    # Odd slots change periods in the middle of even ones': whoever pays has one whose period ends no sooner than in half.
    shift_s: uint256 = (slot & 1) * (period_s // 2)
    if (
        terms.slots == 0
        or token != terms.slot_token
        or amount > convert(terms.slot_cap, uint256)
        or slot >= convert(terms.slots, uint256)
        or (nonce >> 32) & (2**64 - 1) != (block.timestamp + shift_s) // period_s
        or valid_before > min(convert(terms.valid_until, uint256), block.timestamp + _AHEAD_S_MAX)
    ):
        return False
    if not self._may_pay(account, session, terms.heartbeat_s, payee):
        return False
    # A budget that must be debited cannot be met by who can only say yes or no.
    if (staticcall IPolicyAccount(account).bucket_of(_COUNTERPARTY, payee, token)).period_s != 0:
        return False
    if (staticcall IPolicyAccount(account).bucket_of(_ACCOUNT, empty(address), token)).period_s == 0:
        return False
    domain: bytes32 = staticcall ITypedToken(token).DOMAIN_SEPARATOR()
    for kind: bytes32 in [_TRANSFER_TYPE, _RECEIVE_TYPE]:
        message: bytes32 = keccak256(
            abi_encode(kind, account, payee, amount, valid_after, valid_before, nonce)
        )
        if keccak256(concat(0x1901, domain, message)) == digest:
            return self._recovered(digest, r, s, v) == session
    return False


@view
@internal
def _is_voucher(account: address, digest: bytes32, signature: Bytes[1024]) -> bool:
    channels: address = empty(address)
    channel_id: bytes32 = empty(bytes32)
    amount: uint256 = 0
    r: uint256 = 0
    s: uint256 = 0
    v: uint256 = 0
    channels, channel_id, amount, r, s, v = abi_decode(
        signature, (address, bytes32, uint256, uint256, uint256, uint256)
    )
    session: address = self._recovered(digest, r, s, v)
    if session == empty(address):
        return False
    terms: IPolicyAccount.Session = staticcall IPolicyAccount(account).session_of(session)
    if not self._may_pay(account, session, terms.heartbeat_s, channels):
        return False
    domain: bytes32 = staticcall IVoucherChannel(channels).DOMAIN_SEPARATOR()
    message: bytes32 = keccak256(abi_encode(_VOUCHER_TYPE, channel_id, amount))
    return (
        keccak256(concat(0x1901, domain, message)) == digest
        and staticcall IVoucherChannel(channels).payer_of(channel_id) == account
    )


@view
@internal
def _may_pay(account: address, session: address, heartbeat_s: uint32, payee: address) -> bool:
    rules: address = staticcall IPolicyAccount(account).rules()
    return (
        levels._level_now(account, session, heartbeat_s) >= _BOUNDED
        and staticcall IPolicyRules(rules).is_payee(account, payee)
    )


@pure
@internal
def _recovered(digest: bytes32, r: uint256, s: uint256, v: uint256) -> address:
    if s > _LOW_S_MAX or v < 27 or v > 28:
        return empty(address)
    return ecrecover(digest, v, r, s)
