"""What the constructor of each contract is given in tests, and what of it stays in the code as an immutable."""

from __future__ import annotations

from eth_abi.abi import encode

from tallystick.chain.coin import NATIVE
from tallystick.chain.deploy import has_coin, relies_on_identity
from tallystick.contracts import artifact
from tallystick.core.digest import keccak

HOLDER = "0x" + "42" * 20
# What policy accounts lean on; their own tests make it.
AROUND = {
    "PolicyAccount": ["0x" + f"{n}{n}" * 20 for n in range(1, 6)],
    "PolicyAccountFactory": ["0x" + "11" * 20],
    "PolicyChanges": ["0x" + "11" * 20, "0x" + "22" * 20],
}
NAME, SYMBOL, DECIMALS, SUPPLY = "Tally Coin", "TALLY", 6, 10**15


def arguments_of(name, holder=HOLDER):
    """Return the constructor's arguments, in order."""
    if name == "Token":
        return [NAME, SYMBOL, DECIMALS, SUPPLY, holder]
    if name in AROUND:
        return AROUND[name]
    return [NATIVE] if has_coin(name) or relies_on_identity(name) else []  # zero: chosen later


def initcode_of(name, *arguments):
    """Return what creates the contract, of these arguments or those of `arguments_of`."""
    made = artifact(name)
    types = [entry["type"] for item in made.abi if item["type"] == "constructor" for entry in item["inputs"]]
    return made.bytecode + encode(types, arguments or arguments_of(name))


def immutables_of(name):
    """Return what Vyper appends to the code: each immutable in its own full size, strings with their length before."""
    if name == "Token":
        texts = [len(text).to_bytes(32, "big") + text.encode().ljust(room, b"\0") for text, room in _TEXTS]
        return b"".join(texts) + DECIMALS.to_bytes(32, "big") + keccak(NAME.encode())
    if name in AROUND:
        return encode(["address"] * len(AROUND[name]), AROUND[name])
    return bytes(32) if has_coin(name) else b""


_TEXTS = ((NAME, 64), (SYMBOL, 32))
