"""What a kernel is made of, as a table: a line for each step, and the sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

from tallystick.core.errors import VerificationFailed
from tallystick.lithic.artifact import spans
from tallystick.lithic.contract import calldata
from tallystick.lithic.evm.emit import StepCode
from tallystick.lithic.integer import document, reference, samples
from tallystick.lithic.integer.model import Vector
from tallystick.lithic.kernel import Kernel
from tallystick.lithic.lanes.model_proof import StepProof

Advance = Callable[[int], None]

_TYPICAL = 9  # inputs whose median stands for what to expect


@dataclass(frozen=True)
class StepLine:
    """One step: its kind, how many numbers go in and come out, what they can be, and how it lies in words.

    lanes, lane_bits, words, blocks, headroom_bits   of a dense step; else none
    code_bytes, worst_gas                            of a kernel that was compiled here; else none
    """

    step: int
    kind: str
    inputs: int
    outputs: int
    low: int
    high: int
    lanes: int | None = None
    lane_bits: int | None = None
    words: int | None = None
    blocks: int | None = None
    headroom_bits: int | None = None
    code_bytes: int | None = None
    worst_gas: int | None = None


@dataclass(frozen=True)
class GasFigures:
    """Gas over some inputs: execution alone, and whole transactions with their 21,000 and calldata."""

    inputs: int
    least: int
    median: int
    greatest: int
    transaction_median: int
    transaction_greatest: int


@dataclass(frozen=True)
class Inspection:
    """A kernel, told. `fault` says why the proof does not hold, where it does not."""

    steps: tuple[StepLine, ...]
    fault: str
    typical: GasFigures
    worst_gas: int
    deployment_gas: int
    code_bytes: int
    part_bytes: tuple[int, ...]

    def to_dict(self) -> dict[str, object]:
        """Return it as plain values, fit for JSON."""
        return {**asdict(self), "is_proved": not self.fault}


def inspect(kernel: Kernel) -> Inspection:
    """Return what a kernel is made of; its lanes are proved again, and its code runs on a few inputs.

    raises  InvalidInput "kernel.overflow"; Rejected where the code does not answer
    """
    fault, proofs = "", {}
    try:
        proofs = {one.at: one for one in kernel.proof()}
    except VerificationFailed as error:
        fault = str(error)
    model = kernel.model
    bounds = spans(model)
    lines = []
    for at, step in enumerate(model.steps):
        line = StepLine(at, type(step).__name__, model.widths[at], model.widths[at + 1], *bounds[at + 1])
        line = _with_lanes(line, proofs[at]) if at in proofs else line
        lines.append(_with_code(line, kernel.steps[at]) if kernel.steps else line)
    typical = measure(kernel, samples.draws(model, _TYPICAL, document.digest(model)))
    return Inspection(
        steps=tuple(lines),
        fault=fault,
        typical=typical,
        worst_gas=kernel.worst_gas,
        deployment_gas=kernel.deployment_gas,
        code_bytes=len(kernel.code),
        part_bytes=tuple(len(part.code) for part in kernel.parts),
    )


def measure(kernel: Kernel, inputs: Sequence[Vector], advance: Advance | None = None) -> GasFigures:
    """Return what predictions of these inputs take, one transaction each on a warm kernel and cold parts.

    raises  InvalidInput "kernel.input"; Rejected where the code does not answer
    """
    from tallystick.chain.scratch import transaction_gas

    executed, whole = [], []
    for x in inputs:
        executed.append(kernel.gas(x))
        whole.append(transaction_gas(calldata(reference.pack(kernel.model.input, x)), executed[-1]))
        if advance is not None:
            advance(1)
    executed.sort()
    whole.sort()
    middle = len(executed) // 2
    return GasFigures(len(executed), executed[0], executed[middle], executed[-1], whole[middle], whole[-1])


def _with_lanes(line: StepLine, proof: StepProof) -> StepLine:
    return replace(
        line, lanes=proof.lanes, lane_bits=proof.lane_bits, words=proof.words, blocks=proof.blocks,
        headroom_bits=proof.headroom_bits,
    )  # fmt: skip


def _with_code(line: StepLine, code: StepCode) -> StepLine:
    return replace(line, code_bytes=code.code_bytes, worst_gas=code.worst_gas)
