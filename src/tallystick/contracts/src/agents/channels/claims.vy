# pragma version 0.4.3
"""
@title   Claims: coins to payees
@license Apache-2.0
@notice  Vouchers are cumulative: a claim says how much the payee shall have had in all, and the difference is sent.
@custom:invariant A payee has had at most what a voucher that counts gives it, and at most the deposit. Bringing a voucher
                  again, or an older one, sends nothing.
@custom:security  Anybody may bring a voucher for the payee, even to its full amount where the payee would have asked for
                  less: that moves coins earlier, and what the payee did not earn it may refund.
"""

from ....interfaces import IPaymentChannels
from ... import coins
from . import books
from . import vouchers

uses: coins
uses: books

_MANY: constant(uint256) = 64  # a block's worth of calldata; each costs about 15,000 gas


@external
def claim(terms: IPaymentChannels.Terms, max_amount: uint128, total: uint128, signature: Bytes[1024]) -> uint128:
    channel_id: bytes32 = books._id(terms)
    books._open(channel_id)
    amount: uint128 = self._claim(terms, channel_id, max_amount, total, signature)
    coins._send(terms.payee, convert(amount, uint256))
    return amount


@external
def claim_many(payee: address, claims: DynArray[IPaymentChannels.Claim, _MANY]) -> uint256:
    separator: bytes32 = vouchers._separator()
    paid: uint256 = 0
    for one: IPaymentChannels.Claim in claims:
        channel_id: bytes32 = books._id(one.terms)
        head: uint256 = books._heads[channel_id]
        sums: uint256 = books._sums[channel_id]
        if (
            head == 0
            or books._is_closed_in(head)
            or one.terms.payee != payee
            or one.total <= books._claimed_in(sums)
            or one.total > one.max_amount
            or one.total > books._deposit_in(sums)
            or not vouchers._is_signed_by_key(separator, one.terms, channel_id, one.max_amount, one.signature)
        ):
            continue
        paid += convert(self._write(one.terms, channel_id, sums, one.total), uint256)
    assert paid != 0, "claims: nothing new"
    coins._send(payee, paid)
    return paid


@internal
def _claim(
    terms: IPaymentChannels.Terms, channel_id: bytes32, max_amount: uint128, total: uint128, signature: Bytes[1024]
) -> uint128:
    """
    @dev Write that the payee has had `total` of a channel that is open; answers what to send it.
    """
    sums: uint256 = books._sums[channel_id]
    assert total > books._claimed_in(sums), "claims: nothing new"
    assert total <= max_amount, "claims: beyond the voucher"
    assert total <= books._deposit_in(sums), "claims: beyond the deposit"
    assert vouchers._is_signed(terms, channel_id, max_amount, signature), "claims: not signed"
    return self._write(terms, channel_id, sums, total)


@internal
def _write(terms: IPaymentChannels.Terms, channel_id: bytes32, sums: uint256, total: uint128) -> uint128:
    amount: uint128 = total - books._claimed_in(sums)
    books._sums[channel_id] = sums & books._M128 | convert(total, uint256) << books._CLAIMED_SHIFT
    log IPaymentChannels.Claimed(
        channel_id=channel_id, payer=terms.payer, payee=terms.payee, amount=amount, total=total
    )
    return amount
