# pragma version 0.4.3
"""
@title   Coins: the one coin of a contract
@license Apache-2.0
@notice  Takes and sends amounts of one coin that is chosen for ever when the contract is made: the zero address is the
         chain's native coin, any other address an ERC-20. One coin per contract, because bonds are compared and added,
         and amounts of different coins cannot be.
@custom:invariant A verb that takes an amount has exactly that amount when it ends, and one that sends it has exactly so
                  much less; what cannot be so reverts and changes nothing.
@custom:security  Call both after every other effect: a token may call back. Whoever moves this contract's coins while a
                  transfer runs makes its amount wrong, and all of it reverts. Tokens that keep part of a transfer are
                  refused by that too; tokens that answer nothing are taken. A token that changes balances by itself
                  (rebasing) cannot be told apart and breaks conservation: never choose one. A token's owner who can
                  freeze or mint has that power here too: choose the coin as you choose the members.
"""

from ethereum.ercs import IERC20

coin: public(immutable(address))


@deploy
def __init__(coin_: address):
    assert coin_ == empty(address) or coin_.is_contract, "coins: not a token"
    coin = coin_


@payable
@internal
def _take(amount: uint256):
    """
    @dev Take `amount` from the caller: the value of the call, or what the caller allowed this contract to fetch.
    """
    if coin == empty(address):
        assert msg.value == amount, "coins: wrong value"
        return
    assert msg.value == 0, "coins: wrong value"
    if amount == 0:
        return  # some tokens refuse to move nothing
    before: uint256 = self._held()
    self._ask(
        abi_encode(msg.sender, self, amount, method_id=method_id("transferFrom(address,address,uint256)"))
    )
    assert unsafe_sub(self._held(), before) == amount, "coins: other amount moved"


@internal
def _send(account: address, amount: uint256):
    """
    @dev Send `amount` to the account, or revert.
    """
    if coin == empty(address):
        sent: bool = raw_call(account, b"", value=amount, revert_on_failure=False)
        assert sent, "coins: transfer refused"
        return
    before: uint256 = self._held()
    self._ask(abi_encode(account, amount, method_id=method_id("transfer(address,uint256)")))
    assert unsafe_sub(before, self._held()) == amount, "coins: other amount moved"


@internal
def _ask(request: Bytes[100]):
    # No answer is a yes, as many tokens have it; any other word than true is a no.
    is_done: bool = False
    answer: Bytes[32] = b""
    is_done, answer = raw_call(coin, request, max_outsize=32, revert_on_failure=False)
    assert is_done and (len(answer) == 0 or answer == abi_encode(True)), "coins: transfer refused"


@view
@internal
def _held() -> uint256:
    return staticcall IERC20(coin).balanceOf(self)
