# pragma version 0.4.3
"""
@title   ERC-20 with a supply that never grows
@license Apache-2.0
@notice  Balances and allowances. All units are made once, for one holder; from then on they move, or are burnt by who
         holds them. An allowance of 2**256 - 1 is without end and is not counted down.
@custom:invariant The balances sum to the supply, and the supply only falls. Nothing lies with the zero address or with
                  this contract, from where nobody could move it.
@custom:security  Changing an allowance from one number to another lets a quick spender take both: set it to zero first,
                  or sign a permit, whose nonce works once. No receiver is called.
"""

from ...interfaces import IToken

name: public(immutable(String[64]))
symbol: public(immutable(String[32]))
decimals: public(immutable(uint8))

totalSupply: public(uint256)
_balances: HashMap[address, uint256]
_allowances: HashMap[address, HashMap[address, uint256]]  # owner, spender


@deploy
def __init__(name_: String[64], symbol_: String[32], decimals_: uint8, supply: uint256, holder: address):
    name = name_
    symbol = symbol_
    decimals = decimals_
    self._check_receiver(holder)
    self.totalSupply = supply
    self._balances[holder] = supply
    log IToken.Transfer(sender=empty(address), receiver=holder, amount=supply)


@view
@external
def balanceOf(account: address) -> uint256:
    return self._balances[account]


@view
@external
def allowance(owner: address, spender: address) -> uint256:
    return self._allowances[owner][spender]


@external
def transfer(receiver: address, amount: uint256) -> bool:
    self._move(msg.sender, receiver, amount)
    return True


@external
def transferFrom(owner: address, receiver: address, amount: uint256) -> bool:
    allowed: uint256 = self._allowances[owner][msg.sender]
    if allowed != max_value(uint256):
        assert amount <= allowed, "erc20: allowance too low"
        self._allowances[owner][msg.sender] = allowed - amount
    self._move(owner, receiver, amount)
    return True


@external
def approve(spender: address, amount: uint256) -> bool:
    self._approve(msg.sender, spender, amount)
    return True


@external
def burn(amount: uint256):
    held: uint256 = self._balances[msg.sender]
    assert amount <= held, "erc20: balance too low"
    self._balances[msg.sender] = held - amount
    self.totalSupply -= amount
    log IToken.Transfer(sender=msg.sender, receiver=empty(address), amount=amount)


@internal
def _move(sender: address, receiver: address, amount: uint256):
    self._check_receiver(receiver)
    held: uint256 = self._balances[sender]
    assert amount <= held, "erc20: balance too low"
    self._balances[sender] = held - amount
    self._balances[receiver] += amount
    log IToken.Transfer(sender=sender, receiver=receiver, amount=amount)


@internal
def _approve(owner: address, spender: address, amount: uint256):
    assert spender != empty(address), "erc20: zero address"
    self._allowances[owner][spender] = amount
    log IToken.Approval(owner=owner, spender=spender, amount=amount)


@view
@internal
def _check_receiver(receiver: address):
    assert receiver != empty(address), "erc20: zero address"
    assert receiver != self, "erc20: not to the token itself"
