"""What tests of our own `Token` share: a token whose holders have keys, its domain, accounts with code that sign."""

from __future__ import annotations

from eth_abi.abi import encode

from tallystick.chain.bindings.token import Token
from tallystick.chain.calls import Call
from tallystick.core import eip712
from tallystick.core.authorization import Authorization, Bringer, Permit, cancel_digest, split_signature
from tallystick.core.digest import keccak
from tests.contracts.constructors import NAME, SUPPLY, initcode_of
from tests.contracts.kernels import compiled

# What an account with code answers when asked for a digest that it was told to sign; for any other it says no.
YES, REVERTS, WRONG_WORD, TRUE, SHORT, REVERTS_WITH_YES = range(6)

WALLET = """
# pragma version 0.4.3
mode: uint256
signs: HashMap[bytes32, uint256]  # digest: length of the signature, plus 1

@external
def sign(digest: bytes32, length: uint256, mode: uint256):
    self.signs[digest] = length + 1
    self.mode = mode

@external
def run(target: address, data: Bytes[2048]):
    raw_call(target, data)

@raw_return
@view
@external
def isValidSignature(digest: bytes32, signature: Bytes[1024]) -> Bytes[32]:
    assert self.mode != 1, "wallet: no"
    yes: bytes32 = 0x1626ba7e00000000000000000000000000000000000000000000000000000000
    if self.mode == 2 or self.signs[digest] != len(signature) + 1:
        yes = 0xffffffff00000000000000000000000000000000000000000000000000000000
    if self.mode == 3:
        yes = convert(1, bytes32)
    if self.mode == 5:
        raw_revert(abi_encode(yes))
    if self.mode == 4:
        return slice(abi_encode(yes), 0, 31)
    return abi_encode(yes)
"""


class Coin:
    """A token on a ledger; all of it is the first account's, and every account's key is known."""

    def __init__(self, ledger, supply=SUPPLY):
        self.ledger = ledger
        code = initcode_of("Token", NAME, "TALLY", 6, supply, ledger.accounts[0])
        self.contract = Token(ledger, ledger.deploy(code))
        self.domain = eip712.Domain(NAME, "1", ledger.chain_id, self.contract.address)

    @property
    def now(self):
        """The time of the newest block, and of the next: `send` mines there, where a view is asked too."""
        return self.ledger.node.block().timestamp

    def send(self, call, who):
        self.ledger.time = self.now
        return self.ledger.send(call, who)

    def wait(self, seconds):
        self.ledger.time = self.now + seconds
        return self.ledger.send(Call(self.ledger.accounts[7], b""), self.ledger.accounts[7])

    def balances(self, *accounts):
        return [self.contract.balance_of(account) for account in accounts]

    def authorization(self, payer, payee, amount=100, nonce=b"n" * 32, after=0, before=2**256 - 1):
        return Authorization(payer, payee, amount, after, before, nonce)

    def signature(self, made, who=None, bringer=Bringer.ANYBODY):
        """Return the signature of an authorization by its payer, or by somebody else."""
        return made.signature(self.ledger.secrets[who or made.payer], self.domain, bringer)

    def bringing(self, made, signature, bringer=Bringer.ANYBODY, *, split=True):
        """Return the call that brings an authorization, in its first form or in its second."""
        token, given = self.contract, (made.payer, made.payee, made.amount, made.valid_after, made.valid_before)
        is_anybody = bringer is Bringer.ANYBODY
        if split:
            form = token.transfer_with_authorization if is_anybody else token.receive_with_authorization
            return form(*given, made.nonce, *split_signature(signature))
        form = token.transfer_with_authorization_bytes if is_anybody else token.receive_with_authorization_bytes
        return form(*given, made.nonce, signature)

    def cancelling(self, payer, nonce, signature=None, *, split=True):
        """Return the call that takes a nonce back."""
        signature = signature or self.cancellation(payer, nonce)
        if split:
            return self.contract.cancel_authorization(payer, nonce, *split_signature(signature))
        return self.contract.cancel_authorization_bytes(payer, nonce, signature)

    def cancellation(self, payer, nonce):
        return eip712.sign_digest(self.ledger.secrets[payer], cancel_digest(payer, nonce, self.domain))

    def permit(self, owner, spender, amount=100, deadline=2**256 - 1, nonce=None):
        return Permit(owner, spender, amount, self.contract.nonces(owner) if nonce is None else nonce, deadline)

    def permitting(self, made, signature=None, *, split=True):
        """Return the call that brings a permit."""
        signature = signature or made.signature(self.ledger.secrets[made.owner], self.domain)
        given = (made.owner, made.spender, made.amount, made.deadline)
        if split:
            return self.contract.permit(*given, *split_signature(signature))
        return self.contract.permit_bytes(*given, signature)

    def wallet(self, amount=0):
        """Return an account with code, which holds so much."""
        wallet = Wallet(self)
        if amount:
            self.send(self.contract.transfer(wallet.address, amount), self.ledger.accounts[0])
        return wallet


class Wallet:
    """An account with code that signs whatever it is told to, or misbehaves."""

    def __init__(self, coin):
        self.coin = coin
        self.address = coin.ledger.deploy(compiled(WALLET))

    def sign(self, digest, length=0, mode=YES):
        """From now on it says yes to this digest under a signature of this length; return such a signature."""
        data = encode(["bytes32", "uint256", "uint256"], [digest, length, mode])
        call = Call(self.address, keccak(b"sign(bytes32,uint256,uint256)")[:4] + data)
        self.coin.send(call, self.coin.ledger.accounts[0])
        return b"\x05" * length

    def run(self, call):
        """Return a call that makes the wallet do this call."""
        return Call(
            self.address, keccak(b"run(address,bytes)")[:4] + encode(["address", "bytes"], [call.to, call.data])
        )


def high_s(signature):
    """Return the other spelling of a signature, which ecrecover takes as well."""
    s = eip712.SECP256K1_ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])
