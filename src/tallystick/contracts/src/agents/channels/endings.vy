# pragma version 0.4.3
"""
@title   Endings: the rest back to payers
@license Apache-2.0
@notice  By the payee at once, by the payer after its channel's delay, by anybody once the channel has expired. For a
         payer with code those speak too whom it names as owner or guardian: a frozen account cannot act itself.
@custom:invariant Between the payer's wish and its fulfilment lies the whole delay, and every voucher counts in it. What
                  goes back goes to the payer alone, once.
@custom:security  A payee that is refused by the coin, or a payer whose code takes none, holds up only what is its own:
                  the payee can claim without closing, the payer's rest waits.
"""

from ....interfaces import IPaymentChannels
from ... import coins
from . import books
from . import claims

uses: coins
uses: books
uses: claims

_GUARDIAN: constant(uint8) = 1  # as PolicyAccount.role_of says it
_OWNER: constant(uint8) = 3


@external
def ask_withdrawal(terms: IPaymentChannels.Terms) -> uint64:
    channel_id: bytes32 = books._id(terms)
    head: uint256 = books._open(channel_id)
    assert self._speaks_for(terms), "endings: not the payer"
    assert books._closes_in(head) == 0, "endings: already asked"

    closes: uint64 = convert(block.timestamp, uint64) + convert(terms.withdraw_delay_s, uint64)
    books._heads[channel_id] = head | convert(closes, uint256) << books._CLOSES_SHIFT
    log IPaymentChannels.WithdrawalAsked(
        channel_id=channel_id, payer=terms.payer, payee=terms.payee, closes=closes
    )
    return closes


@external
def withdraw(terms: IPaymentChannels.Terms) -> uint128:
    channel_id: bytes32 = books._id(terms)
    head: uint256 = books._open(channel_id)
    closes: uint64 = books._closes_in(head)
    assert (
        block.timestamp >= convert(terms.expires, uint256)
        or (closes != 0 and block.timestamp >= convert(closes, uint256))
    ), "endings: too early"
    returned: uint128 = self._end(terms, channel_id, head)
    self._send(terms.payer, returned)
    return returned


@external
def close(terms: IPaymentChannels.Terms, max_amount: uint128, total: uint128, signature: Bytes[1024]) -> uint128:
    assert msg.sender == terms.payee, "endings: not the payee"
    channel_id: bytes32 = books._id(terms)
    head: uint256 = books._open(channel_id)
    amount: uint128 = 0
    if total != books._claimed_in(books._sums[channel_id]):
        amount = claims._claim(terms, channel_id, max_amount, total, signature)
    returned: uint128 = self._end(terms, channel_id, head)
    # Both after all is written: the payee is called first, and may call again.
    self._send(terms.payee, amount)
    self._send(terms.payer, returned)
    return returned


@view
@internal
def _speaks_for(terms: IPaymentChannels.Terms) -> bool:
    """
    @dev Whether the caller may ask for the payer's coins to go back to it.
    """
    if msg.sender == terms.payer or msg.sender == terms.authorizer:
        return True
    if not terms.payer.is_contract:
        return False
    is_answered: bool = False
    role: Bytes[32] = b""
    is_answered, role = raw_call(
        terms.payer,
        abi_encode(msg.sender, method_id=method_id("role_of(address)")),
        max_outsize=32,
        is_static_call=True,
        revert_on_failure=False,
    )
    return is_answered and len(role) == 32 and (role == abi_encode(_OWNER) or role == abi_encode(_GUARDIAN))


@internal
def _end(terms: IPaymentChannels.Terms, channel_id: bytes32, head: uint256) -> uint128:
    sums: uint256 = books._sums[channel_id]
    claimed: uint128 = books._claimed_in(sums)
    returned: uint128 = books._deposit_in(sums) - claimed
    books._heads[channel_id] = head | 1 << books._CLOSED_SHIFT
    log IPaymentChannels.Closed(
        channel_id=channel_id, payer=terms.payer, payee=terms.payee, claimed=claimed, returned=returned
    )
    return returned


@internal
def _send(account: address, amount: uint128):
    if amount != 0:  # some coins, and some accounts, refuse to move nothing
        coins._send(account, convert(amount, uint256))
