"""How `tally lithic` shows kernels: tables for people, and the same facts for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from fractions import Fraction
from itertools import zip_longest
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


def derived(artifact: Artifact) -> dict[str, object]:
    """Return what the file says of how its model was made: bits, grid, and how far its scores can be off."""
    made = artifact.derivation
    if made is None:
        return {"score_error_max": None, "input_bits": None, "input_steps": None}
    steps = zip(artifact.model.input.fields, made.step_reasons, strict=True)
    return {
        "score_error_max": {what: list(errors) for what, errors in asdict(made.bound).items()},
        "input_bits": {"bits": artifact.model.input.bits, "reason": made.bits_reason},
        "input_steps": [{"field": one.name, "step": one.step, "reason": reason} for one, reason in steps],
    }


def built_tables(built: Built, written: Mapping[str, Path]) -> list[str | Table]:
    """Return what was made, where it is, and how the integer model compares with the float model."""
    artifact = built.artifact
    lines: list[str | Table] = [
        *(f"{what.ljust(12)} {path}" for what, path in written.items()),
        f"model        {artifact.digest.hex()}",
        f"address      {artifact.address}",
        f"code         {len(artifact.code):,} bytes, {len(artifact.parts)} parts",
        f"gas          {artifact.worst_gas:,} at most, without the 21,000 and calldata",
        f"input        {_bits(artifact)}",
        f"score error  {_error(artifact)}; proven",
    ]
    if built.quality is None:
        return [*lines, "quality      not measured: no --test"]
    return [*lines, table(f"on {built.quality.rows} rows held out", ("figure", ""), sorted(artifact.quality.items()))]


def inspect_tables(artifact: Artifact, found: Inspection, differs: str | None) -> list[str | Table]:
    """Return what a kernel is made of, and what of it is not what its model compiles to."""
    from tallystick.lithic.quantise.choices import STEP_REASONS

    declared = artifact.model.input
    reasons = artifact.derivation.step_reasons if artifact.derivation else ()
    fields = [
        (one.name, f"{one.low} to {one.high}", one.origin, one.step, STEP_REASONS[reason] if reason else "")
        for one, reason in zip_longest(declared.fields[:_FIELDS_SHOWN], reasons[:_FIELDS_SHOWN])
    ]
    more = len(declared.fields) - len(fields)
    columns = ("", "step", "in × out", "numbers", "lanes", "words", "once", "spare", "bytes", "gas", "proof")
    proof = "does not hold: " + found.fault if found.fault else "holds: no lane overflows for any input in range"
    link = artifact.registry
    return [
        f"{printable(artifact.model.name)}, model {artifact.digest.hex()}",
        f"registry {link.registry}, model {link.model_id}" if link else "of no registry",
        table(f"input, {_bits(artifact)}", ("field", "range", "origin", "step", "why that step"), fields),
        *([f"… and {more} more"] if more else []),
        table("steps", columns, [*(_step_cells(line, found) for line in found.steps), _rest_cells(found)]),
        f"proof {proof}",
        f"score error {_error(artifact)}" + (_BELIEVED if artifact.derivation else ""),
        f"code {found.code_bytes:,} bytes" + "".join(f" + {size:,}" for size in found.part_bytes),
        gas_table(found.typical, found.worst_gas, found.deployment_gas),
        *(
            [f"its {differs} is not what its model compiles to; `tally lithic model check` says more"]
            if differs
            else ()
        ),
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


def _bits(artifact: Artifact) -> str:
    """Return how many bits a field has, and why."""
    from tallystick.lithic.quantise.choices import BITS_REASONS

    why = f" ({BITS_REASONS[artifact.derivation.bits_reason]})" if artifact.derivation else ""
    return f"{artifact.model.input.bits} bits a field{why}"


def _error(artifact: Artifact) -> str:
    """Return how far the scores can be from the float model's: the greatest of each bound, to three digits."""
    if artifact.derivation is None:
        return "unknown: the file does not say which model it was made of"
    bound = artifact.derivation.bound
    free, grid, anywhere = (f"{max(map(float, one)):.3g}" for one in (bound.uncapped, bound.on_grid, bound.in_range))
    capped = f", {free} where nothing is capped" if free != grid else ""
    return f"{grid} at most on the grid{capped}, {anywhere} off it"


_FIELDS_SHOWN = 12
_BELIEVED = "; `tally lithic model check` derives it again with --source"
