# pragma version 0.4.3
"""
@title   Deposits: coins into channels
@license Apache-2.0
@notice  Opening, by the payer or by its EIP-3009 authorization; more by the payer; back from the payee.
@custom:invariant A channel's deposit grows by exactly what came in. Only the payer's own call or signature spends its
                  coins, and what it signed for one channel opens no other.
@custom:security  Not everybody may top up: a session of a PolicyAccount could otherwise feed a channel between
                  strangers. Its rules read payee and amount in the same words of both calls.
"""

from ....interfaces import IPaymentChannels
from ....interfaces import IToken
from ... import coins
from . import books

uses: coins
uses: books

_DELAY_S_MIN: constant(uint32) = 900  # less would not let a payee look, sign and get into a block
_DELAY_S_MAX: constant(uint32) = 2_592_000  # 30 days: nobody's coins are out of reach for longer


@payable
@external
def open(terms: IPaymentChannels.Terms, amount: uint128) -> bytes32:
    assert msg.sender == terms.payer, "deposits: not the payer"
    channel_id: bytes32 = self._make(terms, amount)
    coins._take(convert(amount, uint256))
    return channel_id


@external
def open_with_authorization(
    terms: IPaymentChannels.Terms,
    amount: uint128,
    valid_after: uint256,
    valid_before: uint256,
    v: uint8,
    r: bytes32,
    s: bytes32,
) -> bytes32:
    assert coins.coin != empty(address), "deposits: native coin"
    channel_id: bytes32 = self._make(terms, amount)
    before: uint256 = coins._held()
    extcall IToken(coins.coin).receiveWithAuthorization(
        terms.payer, self, convert(amount, uint256), valid_after, valid_before, channel_id, v, r, s
    )
    assert unsafe_sub(coins._held(), before) == convert(amount, uint256), "deposits: other amount moved"
    return channel_id


@payable
@external
def top_up(terms: IPaymentChannels.Terms, amount: uint128):
    assert msg.sender == terms.payer, "deposits: not the payer"
    channel_id: bytes32 = books._id(terms)
    log IPaymentChannels.ToppedUp(
        channel_id=channel_id,
        payer=terms.payer,
        payee=terms.payee,
        amount=amount,
        deposit=self._more(channel_id, amount),
    )
    coins._take(convert(amount, uint256))


@payable
@external
def refund(terms: IPaymentChannels.Terms, amount: uint128):
    assert msg.sender == terms.payee, "deposits: not the payee"
    channel_id: bytes32 = books._id(terms)
    log IPaymentChannels.Refunded(
        channel_id=channel_id,
        payer=terms.payer,
        payee=terms.payee,
        amount=amount,
        deposit=self._more(channel_id, amount),
    )
    coins._take(convert(amount, uint256))


@internal
def _make(terms: IPaymentChannels.Terms, amount: uint128) -> bytes32:
    assert terms.payee != empty(address), "deposits: no payee"
    assert terms.withdraw_delay_s >= _DELAY_S_MIN and terms.withdraw_delay_s <= _DELAY_S_MAX, "deposits: bad delay"
    assert convert(terms.expires, uint256) > block.timestamp, "deposits: already expired"
    assert amount != 0, "deposits: no amount"
    channel_id: bytes32 = books._id(terms)
    assert books._heads[channel_id] == 0, "deposits: already opened"

    books._heads[channel_id] = convert(terms.payer, uint256)
    books._sums[channel_id] = convert(amount, uint256)
    log IPaymentChannels.Opened(
        channel_id=channel_id, payer=terms.payer, payee=terms.payee, terms=terms, amount=amount
    )
    return channel_id


@internal
def _more(channel_id: bytes32, amount: uint128) -> uint128:
    assert amount != 0, "deposits: no amount"
    books._open(channel_id)
    return books._add(channel_id, amount)
