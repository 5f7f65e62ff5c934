"""A shop that policy accounts buy from, hostile as need be."""

from __future__ import annotations

from eth_abi.abi import encode

from tallystick.chain.calls import Call
from tallystick.core.digest import keccak
from tests.contracts.kernels import compiled
from tests.contracts.policy_kit import INTENT, NOBODY, pay_rule

# Takes its price by an allowance, or less, or more often; does what it was told to in between.
SHOP = """
# pragma version 0.4.3
interface IToken:
    def transferFrom(owner: address, receiver: address, amount: uint256) -> bool: nonpayable

token: address
takes: uint256
hook: address
call: Bytes[4096]
tried: public(bool)
went: public(bool)

@external
def set(token: address, takes: uint256, hook: address, call: Bytes[4096]):
    self.token = token
    self.takes = takes
    self.hook = hook
    self.call = call

@external
@payable
def buy(price: uint256):
    if self.takes != 0:
        extcall IToken(self.token).transferFrom(msg.sender, self, self.takes)
    if self.hook != empty(address):
        self.tried = True
        self.went = raw_call(self.hook, self.call, revert_on_failure=False)

@external
@payable
def __default__():
    if self.hook != empty(address):
        self.tried = True
        self.went = raw_call(self.hook, self.call, revert_on_failure=False)
"""
BUY = keccak(b"buy(uint256)")[:4]


class Shop:
    """The contract above on a ledger, with what it was told last."""

    def __init__(self, wallet):
        self.wallet = wallet
        self.address = wallet.ledger.deploy(compiled(SHOP))

    def set(self, takes=0, call=None, token=None):
        given = (token or self.wallet.token.address, takes, call.to if call else NOBODY, call.data if call else b"")
        data = keccak(b"set(address,uint256,address,bytes)")[:4] + encode(
            ["address", "uint256", "address", "bytes"], given
        )
        self.wallet.send(Call(self.address, data), self.wallet.owner)

    def saw(self, name):
        return bool(int.from_bytes(self.wallet.ledger.call(self.address, keccak(f"{name}()".encode())[:4]), "big"))


def open_for(wallet, shop, **rule):
    """Let an unsealed wallet buy at the shop, then seal it."""
    given = {"pulls": True, "recipient_word": -1, "amount_word": 0, **rule}
    wallet.rule(shop.address, BUY, pay_rule(wallet.token.address, **given))
    wallet.allow(shop.address)
    wallet.send(wallet.account.seal(), wallet.owner)


def buy(wallet, shop, price, amount=0):
    call = wallet.account.execute(shop.address, amount, BUY + encode(["uint256"], [price]), INTENT)
    return wallet.send(call, wallet.session)
