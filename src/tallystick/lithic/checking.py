"""Checks an artifact: everything that a kernel's file says is recomputed from the integer model in it.

 1  the file is a kernel's, in its one form
 2  the model digest is the SHA-256 of the model
 3  it was made by this compiler: another may make other code
 4  the spans of its numbers follow from the declared ranges
 5  no lane of any dense step overflows, by the packings in the file, from weights and ranges alone
 6  what the file says of the model's derivation fits it; given the file that it came from, and the sample if there was
    one, the model derived from them again is the one in the file, and so is the bound of its error
 7  the model compiles to the code in the file, byte for byte, with these parts at these addresses, and to this bound
 8  the code in the file says of itself what it should, computes what the reference computes, on corners and on draws,
    within the bound, and refuses what leaves its ranges

Figures of quality are their maker's word; so is the bound of the error to whoever does not have the file it came from.
A check after a failed one goes on as far as it can, so that the report names all that is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from tallystick.core.checks import Check, Report
from tallystick.core.digest import keccak, sha256
from tallystick.core.errors import Broken, InvalidInput, TallystickError
from tallystick.core.limits import KERNEL_CORNERS_MAX, KERNEL_DRAWS_MAX
from tallystick.lithic.artifact import COMPILER, Artifact, spans
from tallystick.lithic.build import read_model
from tallystick.lithic.contract import calldata, view_call, views
from tallystick.lithic.evm.interface import BAD_INPUT, OUT_OF_RANGE
from tallystick.lithic.integer import document, reference, samples
from tallystick.lithic.integer.model import IntegerModel, Vector
from tallystick.lithic.kernel import Kernel
from tallystick.lithic.lanes.model_proof import prove
from tallystick.lithic.quantise.derivation import Derivation, sample_digest

if TYPE_CHECKING:
    from tallystick.chain.scratch import Executed

_GAS_BUDGET: Final = 50_000_000  # executed in one check: about a minute of Python

Advance = Callable[[int], None]


@dataclass(frozen=True)
class Origin:
    """What a kernel is said to be made of: the ONNX file, and rows of the sample."""

    source: bytes
    sample: Any = None


def check_artifact(data: bytes, *, origin: Origin | None = None, progress: Advance | None = None) -> Report:
    """Return what holds of a kernel's file.

    origin    what it is said to be made of, to derive it again
    progress  called with the number of inputs run, as they are run
    """
    return Report.of(_check(data, origin, progress or _nobody))


def inputs_to_try(model: IntegerModel, worst_gas: int) -> list[Vector]:
    """Return the inputs that a check runs: corners, then draws from the model's own digest; fewer where gas is much."""
    most = max(4, _GAS_BUDGET // max(worst_gas, 1))
    drawn = samples.draws(model, min(KERNEL_DRAWS_MAX, max(2, most // 4)), document.digest(model))
    return [*samples.corners(model, min(KERNEL_CORNERS_MAX, most - len(drawn))), *drawn]


def _check(data: bytes, origin: Origin | None, progress: Advance) -> Iterator[Check]:
    # 1
    try:
        artifact = Artifact.from_bytes(data)
    except InvalidInput as error:
        yield Check.failed("document", error)
        return
    yield Check("document", True, f"{len(data)} bytes")
    # 2
    yield Check.equal("model digest", document.digest(artifact.model), artifact.digest)
    # 3
    yield Check.equal("compiler", COMPILER, artifact.compiler)
    # 4, 5
    yield from _check_numbers(artifact)
    # 6
    yield from _check_derivation(artifact, origin)
    # 7
    try:
        made = artifact.recompiled
    except TallystickError as error:
        yield Check.failed("code", error)
        return
    yield from _check_code(artifact, made)
    # 8
    yield from _check_behaviour(artifact, made.worst_gas, progress)


def _check_derivation(artifact: Artifact, origin: Origin | None) -> Iterator[Check]:
    derivation = artifact.derivation
    if derivation is None:
        if origin is not None:
            yield Check("derivation", False, "the file does not say how its model was made")
        return
    try:
        derivation.check_fit(artifact.model)
    except InvalidInput as error:
        yield Check.failed("derivation", error)
        return
    again = "" if origin else "; its bound is the maker's word until the source is given"
    yield Check("derivation", True, f"{len(derivation.ranges)} ranges, bits and grid fit the model{again}")
    if origin is not None:
        yield from _check_origin(artifact, derivation, origin)


def _check_origin(artifact: Artifact, derivation: Derivation, origin: Origin) -> Iterator[Check]:
    """Derive the model again from what it is said to be made of."""
    if artifact.source is not None:
        yield Check.equal("source", artifact.source.sha256, sha256(origin.source), artifact.source.name)
    if derivation.sample is None:
        sample = None
    elif origin.sample is None:
        yield Check("sample", False, "the model was made on a sample, which is not given", derivation.sample.hex())
        return
    else:
        sample = origin.sample
        yield Check.equal("sample", derivation.sample, sample_digest(sample), f"{len(sample)} rows")
    try:
        trained = read_model(origin.source, derivation.graph, [one.name for one in artifact.model.input.fields])
        made = derivation.again(trained, sample)
    except TallystickError as error:
        yield Check.failed("model of the source", error)
        return
    reasons = (made.choice.bits_reason, *(grid.reason for grid in made.choice.grids))
    yield Check.equal("model of the source", document.digest(made.integer), artifact.digest)
    yield Check.equal("reasons of the grid", reasons, (derivation.bits_reason, *derivation.step_reasons))
    for what, bounds in asdict(made.bound).items():
        greatest = max(getattr(derivation.bound, what), key=Fraction)
        yield Check.equal(f"score error {what}", bounds, getattr(derivation.bound, what), f"{greatest} at most")


def _check_numbers(artifact: Artifact) -> Iterator[Check]:
    try:
        yield Check.equal("spans of numbers", _shown(spans(artifact.model)), _shown(artifact.spans))
        proofs = prove(artifact.model, artifact.packings)
    except TallystickError as error:
        yield Check.failed("proof", error)
        return
    for one in proofs:
        detail = f"{one.lanes} lanes of {one.lane_bits} bits hold {one.low} to {one.high}"
        yield Check(f"proof of step {one.at}", True, detail)


def _check_code(artifact: Artifact, made: Kernel) -> Iterator[Check]:
    yield Check.equal("code", keccak(made.code), keccak(artifact.code), f"{len(made.code)} bytes, by Keccak-256")
    yield Check.equal("address", made.address, artifact.address)
    yield Check.equal("parts", len(made.parts), len(artifact.parts))
    for at, (ours, theirs) in enumerate(zip(made.parts, artifact.parts, strict=False)):
        yield Check.equal(f"code of part {at}", keccak(ours.code), keccak(theirs.code), f"{len(ours.code)} bytes")
        yield Check.equal(f"address of part {at}", ours.address, theirs.address)
        yield Check.equal(f"gas of part {at}", ours.worst_gas, theirs.worst_gas)
    for at, packing in made.packings.items():
        yield Check(f"packing of step {at}", artifact.packings.get(at) == packing, "the one that the code has")
    yield Check.equal("worst gas", made.worst_gas, artifact.worst_gas)


def _check_behaviour(artifact: Artifact, gas: int, progress: Advance) -> Iterator[Check]:
    """Run the code in the file, with no more gas than the model's own code can need."""
    kernel, model = artifact.kernel, artifact.model
    for signature, words in views(model, document.digest(model), artifact.registry).items():
        done = _called(kernel, view_call(signature), gas)
        yield Check.equal(signature, b"".join(word.to_bytes(32) for word in words), done.output if done.ok else b"")
    tried = inputs_to_try(model, gas)
    wrong: list[tuple[Vector, object, object]] = []
    most = 0
    for x in tried:
        expected = reference.predict(model, x)
        answer, used = _answer(kernel, x, gas)
        if answer != expected:
            wrong.append((x, expected, answer))
        most = max(most, used)
        progress(1)
    if wrong:
        first, right, came = wrong[0]
        where = f"{len(wrong)} of {len(tried)} inputs differ, the first {str(first)[:120]}"
        yield Check("answers", False, where, str(right)[:200], str(came)[:200])
    else:
        yield Check("answers", True, f"{len(tried)} inputs, code and reference agree; at most {most} gas")
    yield from _check_refusals(kernel, gas)


def _called(kernel: Kernel, data: bytes, gas: int) -> Executed:
    """Call the code; a stranger's may be such that the EVM itself fails, which is no answer and no fault of ours."""
    from tallystick.chain.scratch import Executed

    try:
        return kernel.execute(data, gas)
    except Broken:
        return Executed(b"", gas, ok=False)


def _answer(kernel: Kernel, x: Vector, gas: int) -> tuple[object, int]:
    try:
        return kernel.trial(x, gas)
    except TallystickError as error:
        return f"{error.code}: {error}", 0


def _check_refusals(kernel: Kernel, gas: int) -> Iterator[Check]:
    declared = kernel.model.input
    packed = reference.pack(declared, [field.low for field in declared.fields])
    refused = {"input too short": (packed[:-1], BAD_INPUT), "input too long": (packed + b"\0", BAD_INPUT)}
    size = declared.bits // 8
    for at, field in enumerate(declared.fields):
        for outside in (field.low - 1, field.high + 1):
            if 0 <= outside < 1 << declared.bits and len(refused) < 2 + _OUTSIDE_MAX:
                changed = packed[: at * size] + outside.to_bytes(size) + packed[(at + 1) * size :]
                refused[f"{outside} in field {at}"] = (changed, OUT_OF_RANGE)
    taken = []
    for what, (data, reason) in refused.items():
        done = _called(kernel, calldata(data), gas)
        if done.ok or reason not in done.output:
            taken.append(what)
    yield Check("refusals", not taken, f"{len(refused)} inputs that are none", "", ", ".join(taken[:5]))


_OUTSIDE_MAX: Final = 64  # inputs just outside a field's range


def _shown(found: tuple[object, ...]) -> str:
    return ", ".join(str(tuple(one)) for one in found)  # type: ignore[arg-type]


def _nobody(steps: int) -> None:
    """Stand for whoever does not want to know."""
