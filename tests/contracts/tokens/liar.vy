# pragma version 0.4.3
"""
@title   A token that says what it was told to: of a balance, and of a transfer that it never makes
"""
import book

initializes: book
exports: (book.allowance, book.totalSupply, book.mint, book.approve, book.decimals)

added: HashMap[address, int256]
pretends: public(bool)


@external
def lie(account: address, added: int256):
    """
    @notice From now on, `added` is added to the account's true balance when asked.
    """
    self.added[account] = added


@external
def pretend(pretends: bool):
    """
    @notice While true, a transfer answers true and moves nothing.
    """
    self.pretends = pretends


@external
def transfer(receiver: address, amount: uint256) -> bool:
    if not self.pretends:
        book._move(msg.sender, receiver, amount)
    return True


@external
def transferFrom(owner: address, receiver: address, amount: uint256) -> bool:
    if not self.pretends:
        book._spend(owner, msg.sender, amount)
        book._move(owner, receiver, amount)
    return True


@view
@external
def balanceOf(account: address) -> uint256:
    told: int256 = convert(book.balanceOf[account], int256) + self.added[account]
    return convert(max(told, 0), uint256)


@view
@external
def true_balance(account: address) -> uint256:
    return book.balanceOf[account]
