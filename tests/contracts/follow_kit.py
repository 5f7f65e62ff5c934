"""A registry, a directory, and contracts that rely on one of its models, for tests to move as they like."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from eth_abi.abi import decode, encode

from tallystick.chain.bindings.kernel_directory import KernelDirectory
from tallystick.chain.bindings.model_registry import ModelRegistry, Roots
from tallystick.chain.calls import Call
from tallystick.contracts import Status, artifact
from tallystick.core.errors import Rejected
from tests.contracts.kernels import FALLS_BACK, GOOD, compiled, manifest, model, proof_of, selector

PIN, FOLLOW, TIME_LOCK = 1, 2, 3
NOBODY = "0x" + "00" * 20
DAY = 86_400
TERMS = "(uint8,address,address,uint256,string,uint32,bytes32,uint32,uint256,uint256)"
FILES = manifest()
YES, NO = 1, 2  # what FALLS_BACK decided by: the model, or its fallback


@dataclass(frozen=True)
class Terms:
    """What a consumer is made with; the last four are for a kernel that answers two numbers."""

    policy: int
    directory: str
    registry: str
    model_id: int = 1
    channel: str = "production"
    seq: int = 0
    model_digest: bytes = bytes(32)
    delay: int = 0
    gas_limit: int = 100_000
    outputs: int = 2

    def encoded(self) -> bytes:
        return encode([TERMS], [tuple(self.__dict__.values())])


@dataclass
class Consumer:
    """A contract of a test that relies on a model."""

    ledger: Any
    address: str
    sender: str
    made: list = field(default_factory=list)

    def write(self, signature, *values, sender=None):
        types = signature.partition("(")[2][:-1]
        data = selector(signature) + encode(types.split(",") if types else [], values)
        return self.ledger.send(Call(self.address, data), sender or self.sender)

    def read(self, signature, outputs, *values):
        types = signature.partition("(")[2][:-1]
        data = selector(signature) + encode(types.split(",") if types else [], values)
        return decode(outputs, self.ledger.call(self.address, data))

    def decides(self, features=b"\x07"):
        """Let it decide; return by what, and with which numbers."""
        self.made = self.write("decide(bytes)", features).logs
        decided = self.read("decided()", ["uint256"])[0]
        values = []
        for n in range(2 if decided == YES else 0):
            values += self.read("values(uint256)", ["int256"], n)
        return decided, values

    @property
    def following(self):
        seq, kernel, announced, ready_at = self.read("following()", ["uint32", "address", "uint32", "uint64"])
        return seq, kernel.lower(), announced, ready_at


@dataclass
class World:
    """A registry with model 1 of the first account, a directory, and who makes consumers."""

    ledger: Any
    registry: ModelRegistry
    directory: KernelDirectory

    def add(self, mode=GOOD):
        """Add a version with a kernel; return its number and its kernel."""
        alice, seq = self.ledger.accounts[0], self.registry.version_count(1) + 1
        roots = Roots(FILES.root, b"a" * 32, b"p" * 32, b"d" * 32, 400, b"c" * 32)
        self.ledger.send(self.registry.add_version(1, seq, [], bytes([seq]) * 32, roots, 0), alice)
        kernel = self.ledger.deploy(model(mode, self.registry.address, 1))
        self.ledger.send(self.directory.record(self.registry.address, 1, seq, kernel, *proof_of(FILES)), alice)
        return seq, kernel.lower()

    def release(self, seq):
        self.ledger.send(self.registry.release(1, "production", seq), self.ledger.accounts[0])

    def revoke(self, seq):
        self.ledger.send(self.registry.set_status(1, seq, Status.REVOKED, "wrong"), self.ledger.accounts[0])

    def wait_until(self, time):
        """Let a block have this time; views see the last block's."""
        self.ledger.time = time
        self.ledger.send(self.registry.set_uri(1, ""), self.ledger.accounts[0])

    def terms(self, policy, **changes):
        return replace(Terms(policy, self.directory.address, self.registry.address), **changes)

    def make(self, terms, source=FALLS_BACK):
        address = self.ledger.deploy(compiled(source) + terms.encoded())
        return Consumer(self.ledger, address, self.ledger.accounts[1])

    def refuses(self, terms):
        """Return the reason for which no consumer is made with these terms."""
        initcode = compiled(FALLS_BACK) + terms.encoded()
        with pytest.raises(Rejected) as caught:
            self.ledger.node.estimate_gas(None, initcode, sender=self.ledger.accounts[1])
        return caught.value.code


def world_on(ledger, registry):
    """Return a registry with model 1 of the first account, and a new directory."""
    alice = ledger.accounts[0]
    ledger.send(registry.register("one", ""), alice)
    ledger.send(registry.rotate_key(b"k" * 32), alice)
    return World(ledger, registry, KernelDirectory(ledger, ledger.deploy(artifact("KernelDirectory").bytecode)))
