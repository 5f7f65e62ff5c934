"""A staged model on a test's ledger, and who asks, claims and refutes there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tallystick.chain.bindings.optimistic_model import OptimisticModel
from tallystick.chain.calls import Call
from tallystick.chain.deploy import PROXY, PROXY_COST_WEI, PROXY_DEPLOYER, PROXY_TRANSACTION, creation
from tallystick.contracts import artifact
from tallystick.lithic.assurance.staged import StagedModel, compile_staged
from tallystick.lithic.assurance.trace import Trace, trace, words
from tallystick.lithic.evm.assembler import initcode
from tallystick.lithic.integer.reference import apply, pack
from tests.lithic import kernel_models

FEE, BOND, WINDOW, PATIENCE = 10**15, 10**18, 3_600, 1_800


def put_staged(ledger, model) -> StagedModel:
    """Put the stages of a model on the ledger, where they are on every chain."""
    staged = compile_staged(model)
    if not ledger.node.code(PROXY):
        ledger.send(Call(PROXY_DEPLOYER, b"", PROXY_COST_WEI), ledger.accounts[0])
        ledger.node.send_raw(PROXY_TRANSACTION)
    for name, address, code in staged.contracts:
        if not ledger.node.code(address):
            ledger.send(creation(name, initcode(code))[1], ledger.accounts[0])
    return staged


@dataclass
class Kit:
    """A contract, a staged model of two layers and a decision, and money in known places."""

    ledger: Any
    contract: OptimisticModel
    staged: StagedModel
    inputs: dict[int, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def on(cls, ledger, model=None) -> Kit:
        contract = OptimisticModel(ledger, ledger.deploy(artifact("OptimisticModel").bytecode))
        return cls(ledger, contract, put_staged(ledger, kernel_models.mlp() if model is None else model))

    @property
    def stages(self) -> list[str]:
        return [stage.address for stage in self.staged.stages]

    def middle(self, shift=0):
        """An input in the middle of its ranges, or next to it."""
        return tuple((one.low + one.high) // 2 + shift % 2 for one in self.staged.model.input.fields)

    def asking(self, x, *, model=None, fee=FEE, bond=BOND, window=WINDOW, patience=PATIENCE):
        data = x if isinstance(x, bytes) else pack(self.staged.model.input, x)
        return self.contract.request(model or self.staged.address, data, bond, window, patience, value=fee)

    def ask(self, x=None, who=0, **terms) -> int:
        x = self.middle() if x is None else x
        self.ledger.send(self.asking(x, **terms), self.ledger.accounts[who])
        request_id = self.contract.request_count()
        self.inputs[request_id] = x
        return request_id

    def right(self, request_id) -> Trace:
        return trace(self.staged.model, self.inputs[request_id])

    def lie(self, request_id, stage, *, consistent=True) -> Trace:
        """A trace that is wrong from `stage` on: one more in its first number, and what would follow if it were so."""
        vectors = list(self.right(request_id).vectors)
        first, *others = vectors[stage + 1]
        vectors[stage + 1] = (first + 1, *others)
        if consistent:
            for at in range(stage + 1, len(self.staged.model.steps)):
                vectors[at + 1] = apply(self.staged.model.steps[at], vectors[at])
        return Trace(tuple(vectors))

    def claim(self, request_id, told: Trace, who=1, value=BOND):
        call = self.contract.claim(request_id, told.hashes, told.answer, value=value)
        return self.ledger.send(call, self.ledger.accounts[who])

    def refuting(self, request_id, told: Trace, stage, vector=None, **changes):
        right = self.right(request_id)
        given = {"stages": self.stages, "hashes": told.hashes} | changes
        vector = words(right.vectors[stage]) if vector is None else vector
        return self.contract.refute(request_id, given["stages"], given["hashes"], stage, vector)

    def refute(self, request_id, told: Trace, stage, who=2, **changes):
        return self.ledger.send(self.refuting(request_id, told, stage, **changes), self.ledger.accounts[who])

    def wait_until(self, time):
        """Let a block have this time; simulations see the last block's."""
        self.ledger.time = time
        self.ledger.send(Call(self.ledger.accounts[0], b""), self.ledger.accounts[0])
