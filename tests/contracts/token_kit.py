"""Tokens for the tests of whoever moves money: one that keeps the standard and many that bend it, under tokens/.

All share `mint(address,uint256)`, which anybody may call, `approve` and six decimals; what each does wrong stands in
its first lines. `TestToken` speaks to any of them, `make_token` deploys one.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from eth_abi.abi import decode, encode
from vyper.compiler import compile_from_file_input
from vyper.compiler.input_bundle import FilesystemInputBundle
from vyper.compiler.settings import Settings

from tallystick.chain.calls import Call
from tallystick.core.digest import keccak
from tallystick.core.ids import parse_address

TOKENS = Path(__file__).parent / "tokens"
KINDS = tuple(sorted(path.stem for path in TOKENS.glob("*.vy") if path.stem != "book"))


@cache
def token_code(kind: str) -> bytes:
    """Return the initcode of the token of this kind; no kind takes constructor arguments."""
    bundle = FilesystemInputBundle([TOKENS])
    made = compile_from_file_input(
        bundle.load_file(TOKENS / f"{kind}.vy"),
        input_bundle=bundle,
        settings=Settings(),
        output_formats=["bytecode"],
    )
    return bytes.fromhex(made["bytecode"][2:])


def make_token(ledger, kind="ordinary"):
    """Deploy a token of this kind on the ledger."""
    return TestToken(ledger, ledger.deploy(token_code(kind)))


def put_token(outbox, holders, amount, kind="ordinary"):
    """Put a token of this kind on the outbox's chain, give each holder so much of it, and return its address."""
    made = outbox.send_and_wait(Call(None, token_code(kind)), key=f"a token, {kind}")
    address = parse_address(made.contract_address)
    for holder in holders:
        data = keccak(b"mint(address,uint256)")[:4] + encode(["address", "uint256"], [holder, amount])
        outbox.send_and_wait(Call(address, data), key=f"{amount} of {address} for {holder}")
    return address


class TestToken:
    """Any of the test tokens at an address: calls as values to send, and reads."""

    __test__ = False

    def __init__(self, ledger, address):
        self.ledger = ledger
        self.address = address

    def call(self, signature, *values):
        """Return a call of the function with this signature, `transfer(address,uint256)` say."""
        types = signature[signature.index("(") + 1 : -1].split(",")
        return Call(self.address, keccak(signature.encode())[:4] + encode([t for t in types if t], values))

    def read(self, signature, *values):
        """Return the number that a view answers."""
        return decode(["uint256"], self.ledger.call(self.address, self.call(signature, *values).data))[0]

    def mint(self, account, amount):
        return self.call("mint(address,uint256)", account, amount)

    def approve(self, spender, amount):
        return self.call("approve(address,uint256)", spender, amount)

    def transfer(self, receiver, amount):
        return self.call("transfer(address,uint256)", receiver, amount)

    def transfer_from(self, owner, receiver, amount):
        return self.call("transferFrom(address,address,uint256)", owner, receiver, amount)

    def balance_of(self, account):
        return self.read("balanceOf(address)", account)

    def allowance(self, owner, spender):
        return self.read("allowance(address,address)", owner, spender)

    def give(self, account, amount, spender=None):
        """Mint to an account and, where a spender is named, let it take as much."""
        self.ledger.send(self.mint(account, amount), self.ledger.accounts[0])
        if spender is not None:
            self.ledger.send(self.approve(spender, amount), account)

    def arm(self, call, *, before=False, insists=False):
        """Make a `reentrant` token do this call, once, while it moves next."""
        return self.call("arm(address,bytes,bool,bool)", call.to, call.data, before, insists)
