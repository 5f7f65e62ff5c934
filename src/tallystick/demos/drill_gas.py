"""The theft by gas: user operations whose gas goes to the thief, as long as the wallet pays for it (ERC-4337)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tallystick.chain.abi import encode_call
from tallystick.chain.bindings.policy_account import PackedUserOperation
from tallystick.chain.calls import Call
from tallystick.chain.node import Node
from tallystick.core.errors import Rejected
from tallystick.demos.drill_scene import INTENT, UNIT, Scene
from tallystick.demos.drill_thefts import Theft

_OPERATION: Final = "(address,uint256,bytes,bytes,bytes32,uint256,bytes32,bytes,bytes)"
_LIMITS: Final = (300_000).to_bytes(16, "big") + (400_000).to_bytes(16, "big")
_FEE: Final = 5 * 10**9  # a high price: the thief is the bundler, and keeps the difference
_FEES: Final = (1).to_bytes(16, "big") + _FEE.to_bytes(16, "big")
_TRIES: Final = 6


def has_entry_point(node: Node, address: str) -> bool:
    """Return whether there is a contract at the EntryPoint's address."""
    return bool(node.code(address))


def drain_gas(scene: Scene) -> str:
    """Send operations that pay the thief for their gas, until the wallet pays no more; return its reason."""
    for _ in range(_TRIES):
        operation, digest = _operation(scene)
        call = scene.contracts.account.validate_user_op(operation, digest, 0)
        try:
            scene.stage.node.call(scene.address, call.data, sender=scene.entry_point)
            reason = ""
        except Rejected as error:
            reason = error.code
        refused = scene.stage["thief"].attempt(_handle(scene, operation))
        if refused:
            return reason
    return ""


def _operation(scene: Scene) -> tuple[PackedUserOperation, bytes]:
    """Return an operation of the agent's session, which pays the provider and much gas; and its hash."""
    session = scene.stage["agent"]
    key = int(session.address, 16) << 32
    nonce = scene.stage.node.call(
        scene.entry_point, encode_call("35567e1a", ["address", "uint192"], [scene.address, key])
    )
    data = scene.usd.transfer(scene.stage["provider"].address, UNIT).data
    told = encode_call("8dd7712f", ["address", "uint256", "bytes", "bytes32"], [scene.usd.address, 0, data, INTENT])
    bare = PackedUserOperation(
        sender=scene.address, nonce=int.from_bytes(nonce, "big"), init_code=b"", call_data=told,
        account_gas_limits=_LIMITS, pre_verification_gas=60_000, gas_fees=_FEES, paymaster_and_data=b"", signature=b"",
    )  # fmt: skip
    digest = scene.stage.node.call(scene.entry_point, encode_call("22cdde4c", [_OPERATION], [bare.to_abi()]))
    return replace(bare, signature=session.sign(digest)), digest


def _handle(scene: Scene, operation: PackedUserOperation) -> Call:
    kinds, given = [f"{_OPERATION}[]", "address"], [[operation.to_abi()], scene.stage["thief"].address]
    return Call(scene.entry_point, encode_call("765e827f", kinds, given), 0, "EntryPoint", "handleOps")


GAS_THEFT: Final = Theft("gas", "be paid for the gas of user operations until the wallet is empty", drain_gas)
