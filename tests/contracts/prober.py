"""An account of tests that breaks the rules of validation as it is told, and the code that it calls to do so.

The code is a few instructions by hand: what is wrong is wrong in one place, and no compiler is in the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from eth_abi.abi import encode

from tallystick.chain.bindings.policy_account import PackedUserOperation
from tests.contracts.kernels import compiled

CALLS_IT, BORROWS_IT, DEPOSITS, DEPOSITS_FOR_OTHERS = range(4)

ACCOUNT = """
# pragma version 0.4.3
struct Operation:
    sender: address
    nonce: uint256
    init_code: Bytes[64]
    call_data: Bytes[64]
    account_gas_limits: bytes32
    pre_verification_gas: uint256
    gas_fees: bytes32
    paymaster_and_data: Bytes[64]
    signature: Bytes[65]

HELPER: immutable(address)
MODE: immutable(uint256)

@deploy
@payable
def __init__(helper: address, mode: uint256):
    HELPER = helper
    MODE = mode

@external
def validateUserOp(operation: Operation, digest: bytes32, missing: uint256) -> uint256:
    answer: bool = False
    if MODE == 0:
        answer = raw_call(HELPER, b"", gas=40_000, revert_on_failure=False)
    elif MODE == 1:
        answer = raw_call(HELPER, b"", gas=40_000, is_delegate_call=True, revert_on_failure=False)
    else:
        owner: address = self
        if MODE == 3:
            owner = HELPER
        data: Bytes[36] = abi_encode(owner, method_id=method_id("depositTo(address)"))
        raw_call(msg.sender, data, value=1, gas=100_000)
    return 0

@external
@payable
def __default__():
    pass
"""


@dataclass(frozen=True)
class Prober:
    """An account at an address that misbehaves in one way."""

    address: str

    def operation(self, nonce=0):
        """Return an operation that costs nothing, so that nothing but the probing happens."""
        return PackedUserOperation(
            sender=self.address, nonce=nonce, init_code=b"", call_data=b"",
            account_gas_limits=(300_000).to_bytes(16, "big") + (50_000).to_bytes(16, "big"), pre_verification_gas=0,
            gas_fees=bytes(32), paymaster_and_data=b"", signature=b"",
        )  # fmt: skip


def make_prober(ledger, code, mode=CALLS_IT):
    """Deploy a contract of this code, and an account that does with it what the mode says while it validates."""
    length = len(code).to_bytes(2, "big")
    helper = ledger.deploy(b"\x61" + length + b"\x80\x60\x0a\x5f\x39\x5f\xf3" + code)
    return Prober(ledger.deploy(_account_code() + encode(["address", "uint256"], [helper, mode])))


@cache
def _account_code():
    return compiled(ACCOUNT)
