# pragma version 0.4.3
"""
@title   Books: what each channel holds
@license Apache-2.0
@notice  Two words a channel. The first: payer in bits 0 to 159, when it closes in 160 to 223, closed in 224. The second:
         deposit in bits 0 to 127, claimed in 128 to 255.
@custom:invariant Claimed never exceeds the deposit and neither ever falls; an id is used once; what the contract holds
                  is, over all channels that are not closed, deposit less claimed.
@custom:security  Moves no coins: whoever calls moves them, after these words are written.
"""

from ....interfaces import IPaymentChannels

_CLOSES_SHIFT: constant(uint256) = 160
_CLOSED_SHIFT: constant(uint256) = 224
_CLAIMED_SHIFT: constant(uint256) = 128
_M64: constant(uint256) = 2**64 - 1
_M128: constant(uint256) = 2**128 - 1
_M160: constant(uint256) = 2**160 - 1

_heads: HashMap[bytes32, uint256]
_sums: HashMap[bytes32, uint256]


@view
@external
def channel_of(channel_id: bytes32) -> IPaymentChannels.Channel:
    head: uint256 = self._heads[channel_id]
    sums: uint256 = self._sums[channel_id]
    return IPaymentChannels.Channel(
        payer=self._payer_in(head),
        deposit=self._deposit_in(sums),
        claimed=self._claimed_in(sums),
        closes=self._closes_in(head),
        is_closed=self._is_closed_in(head),
    )


@view
@external
def payer_of(channel_id: bytes32) -> address:
    return self._payer_in(self._heads[channel_id])


@pure
@external
def id_of(terms: IPaymentChannels.Terms) -> bytes32:
    return self._id(terms)


@pure
@internal
def _id(terms: IPaymentChannels.Terms) -> bytes32:
    return keccak256(abi_encode(terms))


@view
@internal
def _open(channel_id: bytes32) -> uint256:
    """
    @dev The first word of a channel that is not closed.
    """
    head: uint256 = self._heads[channel_id]
    assert head != 0, "books: unknown channel"
    assert not self._is_closed_in(head), "books: closed"
    return head


@internal
def _add(channel_id: bytes32, amount: uint128) -> uint128:
    """
    @dev Write that so much came in; answers the deposit.
    """
    sums: uint256 = self._sums[channel_id]
    assert convert(amount, uint256) <= _M128 - (sums & _M128), "books: too much"
    sums += convert(amount, uint256)
    self._sums[channel_id] = sums
    return self._deposit_in(sums)


@pure
@internal
def _payer_in(head: uint256) -> address:
    return convert(convert(head & _M160, uint160), address)


@pure
@internal
def _closes_in(head: uint256) -> uint64:
    return convert(head >> _CLOSES_SHIFT & _M64, uint64)


@pure
@internal
def _is_closed_in(head: uint256) -> bool:
    return head >> _CLOSED_SHIFT != 0


@pure
@internal
def _deposit_in(sums: uint256) -> uint128:
    return convert(sums & _M128, uint128)


@pure
@internal
def _claimed_in(sums: uint256) -> uint128:
    return convert(sums >> _CLAIMED_SHIFT, uint128)
