"""ERC-4337's EntryPoint v0.8 on a test ledger, if `tools/install_entry_point.py` has fetched it; operations for it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest
from eth_abi.abi import decode, encode

from tallystick.chain.bindings.policy_account import PackedUserOperation
from tallystick.chain.calls import Call
from tallystick.core.digest import keccak
from tests.contracts.policy_kit import INTENT

PLACE = Path(sys.prefix) / "entry-point" / "EntryPoint-0.8.0.json"
OPERATION = "(address,uint256,bytes,bytes,bytes32,uint256,bytes32,bytes,bytes)"
EXECUTE = bytes.fromhex("8dd7712f")
CARRIED_OUT = keccak(b"UserOperationEvent(bytes32,address,address,uint256,bool,uint256,uint256)")


@cache
def entry_point_code() -> bytes:
    """Return the initcode, or skip the test that needs it."""
    if not PLACE.is_file():
        pytest.skip(f"EntryPoint is not installed: python tools/install_entry_point.py puts it at {PLACE}")
    return bytes.fromhex(json.loads(PLACE.read_text("utf-8"))["bytecode"][2:])


@dataclass(frozen=True)
class Outcome:
    """What the EntryPoint says of one operation."""

    succeeded: bool
    cost: int


class EntryPoint:
    """The contract on a ledger."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.address = ledger.deploy(entry_point_code())

    def hash(self, operation):
        data = keccak(f"getUserOpHash({OPERATION})".encode())[:4] + encode([OPERATION], [operation.to_abi()])
        return self.ledger.call(self.address, data)

    def nonce(self, account, key):
        data = keccak(b"getNonce(address,uint192)")[:4] + encode(["address", "uint192"], [account, key])
        return int.from_bytes(self.ledger.call(self.address, data), "big")

    def deposit_of(self, account):
        data = keccak(b"balanceOf(address)")[:4] + encode(["address"], [account])
        return int.from_bytes(self.ledger.call(self.address, data), "big")

    def handle(self, operations, beneficiary):
        given = encode([f"{OPERATION}[]", "address"], [[one.to_abi() for one in operations], beneficiary])
        return Call(self.address, keccak(f"handleOps({OPERATION}[],address)".encode())[:4] + given)

    def outcomes(self, mined):
        found = []
        for log in mined.logs:
            if log.topics[0] == CARRIED_OUT:
                _, succeeded, cost, _ = decode(["uint256", "bool", "uint256", "uint256"], log.data)
                found.append(Outcome(succeeded, cost))
        return found


def operation_of(
    wallet, entry, target, data, *, amount=0, lane=0, skip=0, fee=10, gas=400_000, who=None, call=None, sponsor=b""
):
    """Return a signed operation of the wallet's session; `skip` is how many of its lane come before it in a bundle."""
    session = int(wallet.session, 16)
    key = session << 32 | lane
    told = EXECUTE + encode(["address", "uint256", "bytes", "bytes32"], [target, amount, data, INTENT])
    bare = PackedUserOperation(
        sender=wallet.address, nonce=entry.nonce(wallet.address, key) + skip, init_code=b"",
        call_data=told if call is None else call,
        account_gas_limits=(300_000).to_bytes(16, "big") + gas.to_bytes(16, "big"), pre_verification_gas=60_000,
        gas_fees=(1).to_bytes(16, "big") + fee.to_bytes(16, "big"), paymaster_and_data=sponsor, signature=b"",
    )  # fmt: skip
    return replace(bare, signature=wallet.sign(entry.hash(bare), who))


def cost_max(operation):
    """Return the most wei that an operation may cost."""
    limits = int.from_bytes(operation.account_gas_limits, "big")
    gas = (limits >> 128) + (limits & (2**128 - 1)) + operation.pre_verification_gas
    return gas * (int.from_bytes(operation.gas_fees, "big") & (2**128 - 1))
