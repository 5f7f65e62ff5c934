"""A model as stages: one contract for each step, which takes the words of a vector and returns those of the next.

The first stage unpacks an input and checks its ranges, the last makes the decision where the model makes one. A table,
one more contract, lists them and says which model they are. Compiling is pure, as that of a kernel: the same model
gives the same bytes and addresses on every chain, so whoever is to rely on stages compiles them and compares.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from tallystick.core.checks import Check, Report
from tallystick.core.digest import keccak
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import OUTBOX_WAIT_S, STAGED_ANSWER_MAX, STAGED_WIDTH_MAX, TRANSACTION_GAS_MAX
from tallystick.lithic.contract import DIGEST, REGISTRY, Registration, views
from tallystick.lithic.evm.assembler import Assembler, initcode
from tallystick.lithic.evm.emit import emit_stage
from tallystick.lithic.evm.extract import emit_unpacked
from tallystick.lithic.evm.interface import Refusals, emit_entry, emit_views, packed
from tallystick.lithic.integer import document
from tallystick.lithic.integer.model import Input, IntegerModel
from tallystick.lithic.kernel import KernelPart

if TYPE_CHECKING:
    from tallystick.chain.calls import BlockId
    from tallystick.chain.deploy_code import Code, PlacedCode
    from tallystick.chain.node import Node
    from tallystick.chain.outbox import Outbox

STAGES: Final = "stages()"

_WORD: Final = 32
_WORD_GAS: Final = _WORD * 16 + 100  # of a word in a proof: calldata without a zero byte, and copying it about


@dataclass(frozen=True)
class Stage:
    """One contract of a staged model, with the parts that it calls."""

    name: str
    address: str
    code: bytes
    parts: tuple[KernelPart, ...]
    worst_gas: int


@dataclass(frozen=True, eq=False)
class StagedModel:
    """A model, its stages, and the table that lists them.

    registry  which model of which registry the table says it is a version of, if any
    """

    model: IntegerModel
    registry: Registration | None
    stages: tuple[Stage, ...]
    table: bytes

    @cached_property
    def address(self) -> str:
        """Where the table is on every chain that has it: what a request names."""
        return _locate(self.table)

    @cached_property
    def contracts(self) -> tuple[tuple[str, str, bytes], ...]:
        """(name, address, code) of every contract: of each stage its parts and then itself, last the table."""
        found = []
        for stage in self.stages:
            found += [(f"part {at} of {stage.name}", part.address, part.code) for at, part in enumerate(stage.parts)]
            found.append((stage.name, stage.address, stage.code))
        return (*found, ("table", self.address, self.table))

    def deploy(self, outbox: Outbox, *, timeout_s: float = OUTBOX_WAIT_S) -> list[PlacedCode]:
        """Return where all contracts are on the outbox's chain, after putting there what is not yet.

        raises  as `chain.deploy_code.deploy_codes`
        """
        from tallystick.chain.deploy_code import deploy_codes

        return deploy_codes(outbox, self._codes, timeout_s=timeout_s)

    def check(self, node: Node, at: BlockId = "latest") -> Report:
        """Return whether the chain has exactly this code at every address: what to ask before putting up a bond."""
        return Report.of(self._compared(node, at))

    @property
    def _codes(self) -> list[Code]:
        from tallystick.chain.deploy_code import Code

        digest = document.digest(self.model).hex()[:16]
        return [Code(f"{name} of {digest}", initcode(code), code) for name, _, code in self.contracts]

    def _compared(self, node: Node, at: BlockId) -> Iterator[Check]:
        for name, address, code in self.contracts:
            yield Check.equal(name, keccak(code), keccak(node.code(address, at)), f"at {address}, by Keccak-256")


def compile_staged(model: IntegerModel, *, registry: Registration | tuple[str, int] | None = None) -> StagedModel:
    """Return the stages of an integer model.

    raises  InvalidInput "kernel.stages" when a vector or the answer is wider than the referee takes, or a proof could
            need more gas than a transaction has; "kernel.size", "kernel.overflow", "kernel.registry"
    """
    link = Registration(*registry) if isinstance(registry, tuple) else registry
    if max(model.widths) > STAGED_WIDTH_MAX or model.outputs > STAGED_ANSWER_MAX:
        raise InvalidInput(
            "kernel.stages", "a vector is wider than the referee takes", got=max(*model.widths, model.outputs),
            expected=f"≤ {STAGED_WIDTH_MAX} numbers, {STAGED_ANSWER_MAX} in the answer",
        )  # fmt: skip
    stages = [_unpacking(model.input), *(_stage(model, at) for at in range(_steps_and_decision(model)))]
    for stage, width in zip(stages, (0, *model.widths), strict=False):
        if stage.worst_gas + width * _WORD_GAS > TRANSACTION_GAS_MAX // 2:
            raise InvalidInput(
                "kernel.stages", f"a proof of {stage.name} could need more gas than a transaction has",
                expected=f"≤ {TRANSACTION_GAS_MAX // 2}", got=stage.worst_gas,
            )  # fmt: skip
    return StagedModel(model, link, tuple(stages), _table(model, link, stages))


def _steps_and_decision(model: IntegerModel) -> int:
    return len(model.steps) + (model.decision != "none")


def _unpacking(declared: Input) -> Stage:
    asm = Assembler()
    others = asm.new_label("others")
    refusals = Refusals(*map(asm.new_label, ("malformed", "range", "part")))
    emit_entry(asm, declared, others, refusals)
    emit_unpacked(asm, packed(declared), 0)
    asm.push(_WORD * len(declared.fields), 0)
    asm.op("RETURN")
    asm.place(others)
    emit_views(asm, {}, refusals)
    return Stage("unpacking", _locate(asm.assemble()), asm.assemble(), (), asm.worst_gas())


def _stage(model: IntegerModel, at: int) -> Stage:
    emitted = emit_stage(model, at, _locate)
    what = type(model.steps[at]).__name__ if at < len(model.steps) else model.decision
    parts = tuple(KernelPart(_locate(part.code), part.code, part.worst_gas) for part in emitted.parts)
    return Stage(f"stage {at} ({what})", _locate(emitted.code), emitted.code, parts, emitted.worst_gas)


def _table(model: IntegerModel, link: Registration | None, stages: list[Stage]) -> bytes:
    said = views(model, document.digest(model), link)
    listed = [_WORD, len(stages), *(int(stage.address, 16) for stage in stages)]
    asm = Assembler()
    refusals = Refusals(*map(asm.new_label, ("malformed", "range", "part")))
    emit_views(asm, {STAGES: listed, DIGEST: said[DIGEST], REGISTRY: said[REGISTRY]}, refusals)
    return asm.assemble()


def _locate(code: bytes) -> str:
    from tallystick.chain.deploy_code import code_address

    return code_address(initcode(code))
