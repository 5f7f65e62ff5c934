"""What the directory of kernels costs, and what relying on a model adds to a decision, by policy."""

from __future__ import annotations

from eth_abi.abi import encode

from tallystick.chain.bindings.kernel_directory import KernelDirectory
from tallystick.chain.bindings.model_registry import ModelRegistry, Roots
from tallystick.chain.calls import Call
from tallystick.contracts import artifact
from tests.contracts.kernels import DIGEST, FALLS_BACK, GOOD, compiled, manifest, model, proof_of, selector

TERMS = "(uint8,address,address,uint256,string,uint32,bytes32,uint32,uint256,uint256)"


def kernel_costs(ledger, execution):
    """Return gas by step; `execution` measures a view inside a larger transaction."""
    alice = ledger.accounts[0]
    registry = ModelRegistry(ledger, ledger.deploy(artifact("ModelRegistry").bytecode))
    directory = KernelDirectory(ledger, ledger.deploy(artifact("KernelDirectory").bytecode))
    files = manifest(others=7)
    kernel = ledger.deploy(model(GOOD, registry.address, 1))
    for call in (
        registry.register("one", ""),
        registry.rotate_key(b"k" * 32),
        registry.add_version(1, 1, [], b"1" * 32, Roots(files.root, *[b"r" * 32] * 3, 400, b"c" * 32), 0),
    ):
        ledger.send(call, alice)
    recording = directory.record(registry.address, 1, 1, kernel, *proof_of(files))
    recorded = ledger.send(recording, alice).gas_used - sum(16 if byte else 4 for byte in recording.data)
    ledger.send(registry.release(1, "production", 1), alice)
    asked = selector("released(address,uint256,string)") + encode(
        ["address", "uint256", "string"], [registry.address, 1, "production"]
    )
    made = {
        "KernelDirectory: record a kernel (version of 8 files), calldata apart": recorded,
        "KernelDirectory: find the released kernel, execution": execution(asked, directory.address),
    }
    question = selector("decision(bytes)") + encode(["bytes"], [bytes(60)])
    for policy, name in ((1, "pinned"), (2, "followed"), (3, "time-locked")):
        terms = (policy, directory.address, registry.address, 1, "production", 1, DIGEST, 86_400, 100_000, 2)
        consumer = ledger.deploy(compiled(FALLS_BACK) + encode([TERMS], [terms]))
        cost = ledger.send(Call(consumer, question), ledger.accounts[1]).gas_used
        made[f"follow: decide by a {name} model, input of 60 bytes, kernel of 1,000 gas"] = cost
    return made
