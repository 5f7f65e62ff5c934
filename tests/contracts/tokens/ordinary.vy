# pragma version 0.4.3
"""
@title   A token as the standard wants it
"""
import book

initializes: book
exports: (book.balanceOf, book.allowance, book.totalSupply, book.mint, book.approve, book.decimals)


@external
def transfer(receiver: address, amount: uint256) -> bool:
    book._move(msg.sender, receiver, amount)
    return True


@external
def transferFrom(owner: address, receiver: address, amount: uint256) -> bool:
    book._spend(owner, msg.sender, amount)
    book._move(owner, receiver, amount)
    return True
