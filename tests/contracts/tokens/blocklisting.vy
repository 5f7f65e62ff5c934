# pragma version 0.4.3
"""
@title   A token that neither takes from nor gives to an account on its list
"""
import book

initializes: book
exports: (book.balanceOf, book.allowance, book.totalSupply, book.mint, book.approve, book.decimals)

blocked: public(HashMap[address, bool])


@external
def block(account: address, blocked: bool):
    self.blocked[account] = blocked


@external
def transfer(receiver: address, amount: uint256) -> bool:
    self._move_unless_blocked(msg.sender, receiver, amount)
    return True


@external
def transferFrom(owner: address, receiver: address, amount: uint256) -> bool:
    book._spend(owner, msg.sender, amount)
    self._move_unless_blocked(owner, receiver, amount)
    return True


@internal
def _move_unless_blocked(sender: address, receiver: address, amount: uint256):
    assert not self.blocked[sender] and not self.blocked[receiver], "token: blocked"
    book._move(sender, receiver, amount)
