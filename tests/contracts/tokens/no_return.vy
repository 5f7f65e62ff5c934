# pragma version 0.4.3
"""
@title   A token that answers nothing, and wants an allowance to be reset to zero before it is changed
"""
import book

initializes: book
exports: (book.balanceOf, book.allowance, book.totalSupply, book.mint, book.decimals)


@external
def approve(spender: address, amount: uint256):
    assert amount == 0 or book.allowance[msg.sender][spender] == 0, "token: reset the allowance first"
    book._approve(msg.sender, spender, amount)


@external
def transfer(receiver: address, amount: uint256):
    book._move(msg.sender, receiver, amount)


@external
def transferFrom(owner: address, receiver: address, amount: uint256):
    book._spend(owner, msg.sender, amount)
    book._move(owner, receiver, amount)
