# pragma version 0.4.3
"""
@title   A token that burns one hundredth of what is moved
"""
import book

initializes: book
exports: (book.balanceOf, book.allowance, book.totalSupply, book.mint, book.approve, book.decimals)


@external
def transfer(receiver: address, amount: uint256) -> bool:
    self._move_less_fee(msg.sender, receiver, amount)
    return True


@external
def transferFrom(owner: address, receiver: address, amount: uint256) -> bool:
    book._spend(owner, msg.sender, amount)
    self._move_less_fee(owner, receiver, amount)
    return True


@internal
def _move_less_fee(sender: address, receiver: address, amount: uint256):
    fee: uint256 = amount // 100
    book._move(sender, receiver, amount - fee)
    book._move(sender, empty(address), fee)
    book.totalSupply -= fee
