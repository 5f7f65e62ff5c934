"""Safe's contracts on a ledger: what the same acts cost there that `benches/wallets.py` measures of our accounts.

Nothing of Safe is in this repository: `tools/install_safe.py` takes the compiled contracts out of npm packages.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from eth_abi.abi import decode, encode

from tallystick.chain.bindings.policy_account import PackedUserOperation
from tallystick.chain.bindings.token import Token
from tallystick.chain.calls import Call
from tallystick.core.authorization import Authorization
from tallystick.core.digest import keccak
from tallystick.core.eip712 import Domain, sign_digest
from tallystick.core.ids import parse_address
from tests.contracts.entry_point import OPERATION, EntryPoint
from tests.contracts.policy_kit import transfer_data
from tests.contracts.test_policy_signed import Coin

FOLDER = Path(sys.prefix) / "safe"
NOBODY = "0x" + "00" * 20
UNBOUNDED = 2**256 - 1


def is_installed() -> bool:
    """Whether tools/install_safe.py has been run."""
    return (FOLDER / "Safe-1.5.0.json").is_file() and (FOLDER / "Safe4337Module-0.3.0.json").is_file()


def call_of(to: str, signature: str, *values: object) -> Call:
    """Return a call of the function with this signature; its types hold no tuples."""
    types = [one for one in signature[signature.index("(") + 1 : -1].split(",") if one]
    return Call(to, keccak(signature.encode())[:4] + encode(types, values))


class SafeWorld:
    """Safe's contracts that serve all accounts, and a coin to pay with."""

    def __init__(self, ledger: Any, entry: EntryPoint) -> None:
        self.ledger, self.entry, self.coin = ledger, entry, Coin(ledger)
        self.singleton = self._put("Safe-1.5.0")
        self.factory = self._put("SafeProxyFactory-1.5.0")
        self.handler = self._put("CompatibilityFallbackHandler-1.5.0")
        self.module = self._put("Safe4337Module-0.3.0", encode(["address"], [entry.address]))
        self.setup = self._put("SafeModuleSetup-0.3.0")
        self.salts = 0

    def _put(self, name: str, arguments: bytes = b"") -> str:
        made = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))["bytecode"]
        return str(self.ledger.deploy(bytes.fromhex(made[2:]) + arguments))


class Safe:
    """One Safe: a proxy with owners and a threshold, with the module for user operations or without."""

    def __init__(self, world: SafeWorld, owners: list[str], threshold: int, modules: tuple[str, ...] = ()) -> None:
        self.world, self.ledger = world, world.ledger
        self.owners = sorted(owners, key=lambda one: int(one, 16))[:threshold]
        enabling = call_of(world.setup, "enableModules(address[])", list(modules)).data if modules else b""
        handler = world.module if world.module in modules else world.handler
        set_up = call_of(
            NOBODY, "setup(address[],uint256,address,bytes,address,address,uint256,address)",
            owners, threshold, world.setup if modules else NOBODY, enabling, handler, NOBODY, 0, NOBODY,
        )  # fmt: skip
        world.salts += 1
        made = call_of(
            world.factory, "createProxyWithNonce(address,bytes,uint256)", world.singleton, set_up.data, world.salts
        )
        (address,) = decode(["address"], self.ledger.call(made.to, made.data))
        self.address = parse_address(address)
        self.made = self.ledger.send(made, owners[0]).gas_used
        world.coin.give(self.address, 1_000_000)

    def transacting(self, to: str, data: bytes) -> Call:
        """Return the transaction that a quorum of owners signed, which anybody may bring."""
        given = (to, 0, data, 0, 0, 0, 0, NOBODY, NOBODY)
        nonce = self._read("nonce()", (), "uint256")
        types = "address,uint256,bytes,uint8,uint256,uint256,uint256,address,address"
        digest = self._read(f"getTransactionHash({types},uint256)", (*given, nonce), "bytes32")
        return call_of(self.address, f"execTransaction({types},bytes)", *given, self.signed(digest))

    def signed(self, digest: bytes) -> bytes:
        """Return the signatures of as many owners as are needed."""
        return b"".join(sign_digest(self.ledger.secrets[owner], digest) for owner in self.owners)

    def signed_message(self, digest: bytes) -> bytes:
        """Return the signature that this account answers for by ERC-1271."""
        asked = call_of(
            self.world.handler, "getMessageHashForSafe(address,bytes)", self.address, encode(["bytes32"], [digest])
        )
        return self.signed(self.ledger.call(asked.to, asked.data))

    def paying(self, payee: str, amount: int) -> Call:
        """Return the transaction that pays in the world's coin."""
        return self.transacting(self.world.coin.address, transfer_data(payee, amount))

    def operation(self, payee: str, amount: int) -> PackedUserOperation:
        """Return a signed user operation that pays in the world's coin."""
        coin = self.world.coin.address
        execute = "executeUserOp(address,uint256,bytes,uint8)"
        bare = PackedUserOperation(
            sender=self.address, nonce=self.world.entry.nonce(self.address, 0), init_code=b"",
            call_data=call_of(NOBODY, execute, coin, 0, transfer_data(payee, amount), 0).data,
            account_gas_limits=(300_000).to_bytes(16, "big") + (400_000).to_bytes(16, "big"),
            pre_verification_gas=60_000, gas_fees=(1).to_bytes(16, "big") + (10).to_bytes(16, "big"),
            paymaster_and_data=b"", signature=bytes(12),
        )  # fmt: skip
        asked = keccak(f"getOperationHash({OPERATION})".encode())[:4] + encode([OPERATION], [bare.to_abi()])
        digest = self.ledger.call(self.world.module, asked)
        return replace(bare, signature=bytes(12) + self.signed(digest))

    def _read(self, signature: str, values: tuple[object, ...], kind: str) -> Any:
        asked = call_of(self.address, signature, *values)
        return decode([kind], self.ledger.call(asked.to, asked.data))[0]


def safe_costs(ledger: Any, entry: EntryPoint) -> dict[str, int]:
    """Return what acts of Safes cost, each after one of its kind, in gas of whole transactions."""
    world = SafeWorld(ledger, entry)
    one, two, three, payee, stranger = (ledger.accounts[at] for at in (0, 2, 3, 5, 6))

    def last(*calls: Call, who: str = stranger) -> int:
        return int([ledger.send(call, who).gas_used for call in calls][-1])

    alone = Safe(world, [one], 1)
    made = {"make an account": alone.made}
    last(alone.paying(payee, 1))
    made["pay by one key"] = last(alone.paying(payee, 10))
    together = Safe(world, [one, two, three], 2)
    last(together.paying(payee, 1))
    made["pay what two of three signed"] = last(together.paying(payee, 10))
    by_module = Safe(world, [one], 1, (stranger,))
    floor = "execTransactionFromModule(address,uint256,bytes,uint8)"
    coin = world.coin.address
    made["pay by a module that checks nothing"] = last(
        *(call_of(by_module.address, floor, coin, 0, transfer_data(payee, amount), 0) for amount in (1, 10))
    )
    first = NOBODY[:-1] + "1"
    removing = call_of(NOBODY, "disableModule(address,address)", first, stranger).data
    made["cut a key off"] = last(by_module.transacting(by_module.address, removing))
    made |= _signatures(world, alone, payee, stranger) | _operations(world, one, payee, stranger)
    return made


def _signatures(world: SafeWorld, safe: Safe, payee: str, stranger: str) -> dict[str, int]:
    domain = Domain("Dollar", "1", world.ledger.chain_id, world.coin.address)
    given = Authorization(safe.address, payee, 10, 0, UNBOUNDED, b"n" * 32)
    digest = given.digest(domain)
    signature = safe.signed_message(digest)
    if len(signature) == 65:
        signature = signature + bytes(1)  # facilitators take 65 bytes for a key's; Safe reads as many as it needs
    token = Token(world.ledger, world.coin.address)
    paying = token.transfer_with_authorization_bytes(safe.address, payee, 10, 0, UNBOUNDED, given.nonce, signature)
    asking = call_of(safe.address, "isValidSignature(bytes32,bytes)", digest, signature)
    return {
        "check a signature (ERC-1271)": world.ledger.send(asking, stranger).gas_used,
        "pay by EIP-3009 through ERC-1271": world.ledger.send(paying, stranger).gas_used,
    }


def _operations(world: SafeWorld, owner: str, payee: str, stranger: str) -> dict[str, int]:
    safe = Safe(world, [owner], 1, (world.module,))
    world.ledger.send(Call(safe.address, b"", 10**12), stranger)
    used = 0
    for amount in (1, 1, 10):
        mined = world.ledger.send(world.entry.handle([safe.operation(payee, amount)], stranger), stranger)
        (outcome,) = world.entry.outcomes(mined)
        if not outcome.succeeded:
            raise RuntimeError("Safe's user operation did not succeed")
        used = mined.gas_used
    return {"one user operation": used}
