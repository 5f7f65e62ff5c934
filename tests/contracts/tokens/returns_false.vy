# pragma version 0.4.3
"""
@title   A token that answers false where others revert
"""
import book

initializes: book
exports: (book.balanceOf, book.allowance, book.totalSupply, book.mint, book.approve, book.decimals)


@external
def transfer(receiver: address, amount: uint256) -> bool:
    if book.balanceOf[msg.sender] < amount:
        return False
    book._move(msg.sender, receiver, amount)
    return True


@external
def transferFrom(owner: address, receiver: address, amount: uint256) -> bool:
    if book.balanceOf[owner] < amount or book.allowance[owner][msg.sender] < amount:
        return False
    book._spend(owner, msg.sender, amount)
    book._move(owner, receiver, amount)
    return True
