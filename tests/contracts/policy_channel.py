"""A contract of payment channels as policy accounts use one: deposits by a pull, vouchers that an account's word backs.

It asks the account (ERC-1271) when a voucher is claimed, so what a freeze forbids is not paid out here either.
"""

from __future__ import annotations

from eth_abi.abi import encode

from tallystick.chain.calls import Call
from tallystick.core.digest import keccak
from tests.contracts.kernels import compiled

CHANNELS = """
# pragma version 0.4.3
interface IToken:
    def transferFrom(owner: address, receiver: address, amount: uint256) -> bool: nonpayable
    def transfer(receiver: address, amount: uint256) -> bool: nonpayable
interface IPayer:
    def isValidSignature(digest: bytes32, signature: Bytes[1024]) -> bytes4: view

token: immutable(address)
payer_of: public(HashMap[bytes32, address])
receiver_of: HashMap[bytes32, address]
left: HashMap[bytes32, uint256]
claimed: HashMap[bytes32, uint256]
count: uint256

@deploy
def __init__(token_: address):
    token = token_

@view
@internal
def _domain() -> bytes32:
    return keccak256(abi_encode(chain.id, self))

@view
@external
def DOMAIN_SEPARATOR() -> bytes32:
    return self._domain()

@external
def open(amount: uint256, receiver: address) -> bytes32:
    self.count += 1
    id: bytes32 = convert(self.count, bytes32)
    self.payer_of[id] = msg.sender
    self.receiver_of[id] = receiver
    self.left[id] = amount
    assert extcall IToken(token).transferFrom(msg.sender, self, amount)
    return id

@external
def claim(id: bytes32, amount: uint256, signature: Bytes[1024]):
    message: bytes32 = keccak256(
        abi_encode(keccak256("Voucher(bytes32 channelId,uint128 maxClaimableAmount)"), id, amount)
    )
    digest: bytes32 = keccak256(concat(0x1901, self._domain(), message))
    assert staticcall IPayer(self.payer_of[id]).isValidSignature(digest, signature) == 0x1626ba7e, "no"
    owed: uint256 = amount - self.claimed[id]
    self.claimed[id] = amount
    self.left[id] -= owed
    assert extcall IToken(token).transfer(self.receiver_of[id], owed)
"""
OPEN = keccak(b"open(uint256,address)")[:4]
VOUCHER_TYPE = keccak(b"Voucher(bytes32 channelId,uint128 maxClaimableAmount)")


class Channels:
    """The contract above on a ledger; channels have numbers from 1."""

    def __init__(self, ledger, token):
        self.ledger = ledger
        self.address = ledger.deploy(compiled(CHANNELS) + encode(["address"], [token]))

    def opening(self, amount, receiver):
        """Return calldata that opens a channel."""
        return OPEN + encode(["uint256", "address"], [amount, receiver])

    def claim(self, wallet, number, amount, session):
        """Return the call that claims a voucher which a session signed."""
        domain = keccak(encode(["uint256", "address"], [self.ledger.chain_id, self.address]))
        message = keccak(encode(["bytes32", "uint256", "uint256"], [VOUCHER_TYPE, number, amount]))
        signed = wallet.sign(keccak(b"\x19\x01" + domain + message), session)
        kinds = ["address", "uint256", "uint256", "bytes32", "bytes32", "uint8"]
        form = encode(kinds, [self.address, number, amount, signed[:32], signed[32:64], signed[64]])
        given = encode(["uint256", "uint256", "bytes"], [number, amount, form])
        return Call(self.address, keccak(b"claim(bytes32,uint256,bytes)")[:4] + given)
