# pragma version 0.4.3
"""
@title   A token whose balances all grow or shrink at once, without a transfer
"""
import book

initializes: book
exports: (book.allowance, book.mint, book.approve, book.decimals)

numerator: uint256
denominator: uint256


@deploy
def __init__():
    self.numerator = 1
    self.denominator = 1


@external
def rebase(numerator: uint256, denominator: uint256):
    self.numerator = numerator
    self.denominator = denominator


@external
def transfer(receiver: address, amount: uint256) -> bool:
    book._move(msg.sender, receiver, self._shares(amount))
    return True


@external
def transferFrom(owner: address, receiver: address, amount: uint256) -> bool:
    book._spend(owner, msg.sender, amount)
    book._move(owner, receiver, self._shares(amount))
    return True


@view
@external
def balanceOf(account: address) -> uint256:
    return book.balanceOf[account] * self.numerator // self.denominator


@view
@external
def totalSupply() -> uint256:
    return book.totalSupply * self.numerator // self.denominator


@view
@internal
def _shares(amount: uint256) -> uint256:
    return amount * self.denominator // self.numerator
