"""How `tally lithic` shows kernels: tables for people, and the same facts for programs."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from tallystick.cli.output import printable, table

if TYPE_CHECKING:
    from tallystick.lithic.artifact import Artifact
    from tallystick.lithic.build import Built
    from tallystick.lithic.inspection import GasFigures, Inspection, StepLine
    from tallystick.lithic.integer.model import Vector
    from tallystick.lithic.kernel import Kernel


def identity(artifact: Artifact) -> dict[str, object]:
    """Return which kernel it is and how large."""
    link = artifact.registry
    return {
        "name": artifact.model.name,
        "model_digest": artifact.digest.hex(),
        "address": artifact.address,
        "registry": None if link is None else {"address": link.registry, "model_id": str(link.model_id)},
        "compiler": artifact.compiler,
        "code_bytes": len(artifact.code),
        "parts": [part.address for part in artifact.parts],
        "worst_gas": artifact.worst_gas,
    }


def built_tables(built: Built, written: Mapping[str, Path]) -> list[str | Table]:
    """Return what was made, where it is, and how the integer model compares with the float model."""
    artifact, bound = built.artifact, built.conversion.bound
    lines: list[str | Table] = [
        *(f"{what.ljust(12)} {path}" for what, path in written.items()),
        f"model        {artifact.digest.hex()}",
        f"address      {artifact.address}",
        f"code         {len(artifact.code):,} bytes, {len(artifact.parts)} parts",
        f"gas          {artifact.worst_gas:,} at most, without the 21,000 and calldata",
        f"score error  {_errors(bound.on_grid)} at most on the grid, {_errors(bound.in_range)} off it; proven",
    ]
    if built.quality is None:
        return [*lines, "quality      not measured: no --test"]
    return [*lines, table(f"on {built.quality.rows} rows held out", ("figure", ""), sorted(artifact.quality.items()))]


def inspect_tables(artifact: Artifact, found: Inspection) -> list[str | Table]:
    """Return what a kernel is made of."""
    declared = artifact.model.input
    fields = [(one.name, f"{one.low} to {one.high}", one.origin, one.step) for one in declared.fields[:_FIELDS_SHOWN]]
    more = len(declared.fields) - len(fields)
    columns = ("", "step", "in × out", "numbers", "lanes", "words", "once", "spare", "bytes", "gas", "proof")
    proof = "does not hold: " + found.fault if found.fault else "holds: no lane overflows for any input in range"
    link = artifact.registry
    return [
        f"{printable(artifact.model.name)}, model {artifact.digest.hex()}",
        f"registry {link.registry}, model {link.model_id}" if link else "of no registry",
        table(f"input, {declared.bits} bits a field", ("field", "range", "origin", "step"), fields),
        *([f"… and {more} more"] if more else []),
        table("steps", columns, [*(_step_cells(line, found) for line in found.steps), _rest_cells(found)]),
        f"proof {proof}",
        f"code {found.code_bytes:,} bytes" + "".join(f" + {size:,}" for size in found.part_bytes),
        gas_table(found.typical, found.worst_gas, found.deployment_gas),
    ]


def gas_table(found: GasFigures, worst: int, deployment: int) -> Table:
    """Return gas, execution alone and whole transactions."""
    rows = [
        ("execution, least", found.least),
        ("execution, median", found.median),
        ("execution, most", found.greatest),
        ("execution, proven bound", worst),
        ("transaction, median", found.transaction_median),
        ("transaction, most", found.transaction_greatest),
        ("deployment", deployment),
    ]
    return table(f"gas over {found.inputs} inputs", ("", "gas"), [(name, f"{gas:,}") for name, gas in rows])


def prediction(kernel: Kernel, x: Vector, with_gas: bool) -> dict[str, Any]:
    """Return the answer for one input: decision, scores in the trained model's numbers, and the kernel's own."""
    answer = kernel.predict(x)
    has_decision = kernel.model.decision != "none"
    scale = Fraction(kernel.model.scale)
    label = None
    if has_decision:
        label = kernel.model.labels[answer[0]] if kernel.model.labels else str(answer[0])
    scores = [f"{float(score * scale):.6g}" for score in answer[int(has_decision) :]]
    found: dict[str, Any] = {"decision": label, "scores": scores, "answer": list(answer), "input": list(x)}
    if with_gas:
        run, found["gas"] = kernel.trial(x)
        found["code_agrees"] = run == answer
    return found


def answer_cells(found: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of a prediction."""
    cells = (found["decision"] or "", ", ".join(found["scores"]), ", ".join(map(str, found["answer"])))
    if "gas" not in found:
        return cells
    return (*cells, f"{found['gas']:,}" if found["code_agrees"] else "the code answers otherwise")


def _step_cells(line: StepLine, found: Inspection) -> tuple[str, ...]:
    is_dense = line.lanes is not None
    return (
        str(line.step),
        line.kind,
        f"{line.inputs} × {line.outputs}",
        f"{line.low} to {line.high}",
        f"{line.lanes} × {line.lane_bits}" if is_dense else "",
        str(line.words) if is_dense else "",
        str(line.blocks) if is_dense else "",
        str(line.headroom_bits) if is_dense else "",
        "" if line.code_bytes is None else f"{line.code_bytes:,}",
        "" if line.worst_gas is None else f"{line.worst_gas:,}",
        "✓" if is_dense and not found.fault else "",
    )


def _rest_cells(found: Inspection) -> tuple[str, ...]:
    """Return the line of entry, memory, answer and views; empty where the steps' shares are not known."""
    if any(line.code_bytes is None for line in found.steps):
        return ("",) * 11
    size = found.code_bytes + sum(found.part_bytes) - sum(line.code_bytes or 0 for line in found.steps)
    gas = found.worst_gas - sum(line.worst_gas or 0 for line in found.steps)
    return ("", "the rest", "", "", "", "", "", "", f"{size:,}", f"{gas:,}", "")


def _errors(numbers: tuple[str, ...]) -> str:
    """Return the greatest of some errors, to three digits."""
    return f"{max(map(float, numbers)):.3g}"


_FIELDS_SHOWN = 12
