# pragma version 0.4.3
"""
@title   Token
@license Apache-2.0
@notice  A coin for rewards and for local use: ERC-20 with permits (EIP-2612), transfers by signature (EIP-3009, both
         forms) and a readable domain (EIP-5267). The interface IToken.vyi teaches the contract, IOverloadedToken.vyi
         the second forms; this shell composes its modules.

         All units are made when the contract is, for one holder. Rewards need no minter: the holder funds each reward
         contract with what that may ever pay, and its rule pays out. So the right to dilute everybody, the one power
         that a token's keeper usually has, is nobody's. Who wants an emission writes it as the holder.
@custom:invariant Balances sum to the supply, and the supply only falls, by what its holders burn. A permit and an
                  authorization work once, on this chain, for this token.
@custom:kill      There is none: no administrator, no minter, no pause, no list of refused accounts, no upgrade.
@custom:security  Signatures have one spelling (low s, v 27 or 28). Accounts with code answer for themselves (ERC-1271)
                  and may change their mind until the transfer is mined. A stolen key is stopped by cancelling its
                  authorizations, each by nonce, or by moving the units.
"""

from ..interfaces import IOverloadedToken
from ..interfaces import IToken
from .token import eip2612
from .token import eip3009
from .token import eip712
from .token import erc20
from .token import overloads

implements: IToken

initializes: erc20
initializes: eip712[erc20 := erc20]
initializes: eip2612[eip712 := eip712, erc20 := erc20]
initializes: eip3009[eip712 := eip712, erc20 := erc20]
initializes: overloads[eip2612 := eip2612, eip3009 := eip3009]

exports: (
    erc20.name,
    erc20.symbol,
    erc20.decimals,
    erc20.totalSupply,
    erc20.balanceOf,
    erc20.allowance,
    erc20.transfer,
    erc20.transferFrom,
    erc20.approve,
    erc20.burn,
    eip712.version,
    eip712.eip712Domain,
    eip712.DOMAIN_SEPARATOR,
    eip2612.PERMIT_TYPEHASH,
    eip2612.nonces,
    eip2612.permit,
    eip3009.TRANSFER_WITH_AUTHORIZATION_TYPEHASH,
    eip3009.RECEIVE_WITH_AUTHORIZATION_TYPEHASH,
    eip3009.CANCEL_AUTHORIZATION_TYPEHASH,
    eip3009.authorizationState,
    eip3009.transferWithAuthorization,
    eip3009.receiveWithAuthorization,
    eip3009.cancelAuthorization,
    overloads.__default__,
)


@deploy
def __init__(name: String[64], symbol: String[32], decimals: uint8, supply: uint256, holder: address):
    """
    @notice `supply` units exist and belong to `holder`; nobody can make more.
    @dev    Reverts `erc20: zero address`, `erc20: not to the token itself`.
    """
    erc20.__init__(name, symbol, decimals, supply, holder)
    eip712.__init__()
