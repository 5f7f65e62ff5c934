"""How an integer model was derived: from what, by which choices, and how far its scores can be from the float model's.

It stands in a kernel's file beside the integer model. The bound is a claim about the two models together: whoever has
the float model, and the sample if there was one, derives the integer model again and has to meet both bit for bit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import Any, Final, TypeVar, get_args

from tallystick.core import documents
from tallystick.core.digest import check_digest, sha256
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import KERNEL_DECIMAL_CHARS_MAX, KERNEL_FIELDS_MAX, KERNEL_NAME_CHARS_MAX, KERNEL_WIDTH_MAX
from tallystick.lithic.floats import FloatModel, Task
from tallystick.lithic.integer.decimals import ratio
from tallystick.lithic.integer.model import IntegerModel
from tallystick.lithic.quantise.bound import ErrorBound
from tallystick.lithic.quantise.choices import BITS_REASONS, STEP_REASONS, BitsReason, StepReason
from tallystick.lithic.quantise.conversion import Conversion, Precision, convert
from tallystick.lithic.quantise.grids import Range

_BOUNDS: Final = ("uncapped", "on_grid", "in_range")
_FRACTION_CHARS_MAX: Final = 2 * KERNEL_DECIMAL_CHARS_MAX + 1
_BITS_MAX: Final = 64

_FRACTION: Final = re.compile(r"-?[0-9]+(?:/[1-9][0-9]*)?\Z", re.ASCII)

Word = TypeVar("Word", bound=str)


@dataclass(frozen=True)
class Graph:
    """How to read an ONNX file, where it does not say so itself; see `importers.read_onnx`."""

    name: str = "model"
    output: str | None = None
    task: Task | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Derivation:
    """What made an integer model of a float model, and what came of it.

    ranges  of each feature, as they were declared or observed
    sample  the digest of the rows that scales and grids were chosen on, if there were any; see `sample_digest`
    """

    bound: ErrorBound
    ranges: tuple[Range, ...]
    bits_reason: BitsReason
    step_reasons: tuple[StepReason, ...]
    precision: Precision = field(default_factory=Precision)
    sample: bytes | None = None
    graph: Graph = field(default_factory=Graph)

    def __post_init__(self) -> None:
        """Raise InvalidInput unless it can be written."""
        if self.sample is not None:
            check_digest(self.sample, "digest of the sample")
        if self.graph.output is not None and len(self.graph.output) > KERNEL_NAME_CHARS_MAX:
            raise InvalidInput("kernel.derivation", "the output's name is too long", expected=KERNEL_NAME_CHARS_MAX)
        for one in self.ranges:
            for what in ("low", "high", "step"):
                if len(str(getattr(one, what))) > _FRACTION_CHARS_MAX:
                    raise InvalidInput(
                        "kernel.decimal", f"the {what} of a range has too many digits", expected=_FRACTION_CHARS_MAX
                    )

    @classmethod
    def of(
        cls, made: Conversion, ranges: tuple[Range, ...], precision: Precision | None, sample: Any, graph: Graph
    ) -> Derivation:
        """Return what led to a conversion, and what it says of itself."""
        reasons = tuple(grid.reason for grid in made.choice.grids)
        digest = None if sample is None else sample_digest(sample)
        return cls(made.bound, ranges, made.choice.bits_reason, reasons, precision or Precision(), digest, graph)

    def again(self, trained: FloatModel, sample: Any) -> Conversion:
        """Return what the same orders make of a float model; raises as `convert`."""
        return convert(trained, self.ranges, sample, self.precision)

    def check_fit(self, model: IntegerModel) -> None:
        """Return if it can be of an integer model: its sizes, and its ranges on the model's grid.

        raises  InvalidInput "kernel.derivation"
        """
        scores = model.outputs - (model.decision != "none")
        for what in _BOUNDS:
            _check_equal(f"bounds, {what}", scores, len(getattr(self.bound, what)))
        for each in zip(*(getattr(self.bound, what) for what in _BOUNDS), strict=True):
            if not 0 <= ratio(each[0]) <= ratio(each[1]) <= ratio(each[2]):
                raise _unfit("bounds are not in order", "0 ≤ uncapped ≤ on_grid ≤ in_range", each)
        _check_equal("ranges", len(model.input.fields), len(self.ranges))
        _check_equal("reasons of steps", len(model.input.fields), len(self.step_reasons))
        for one, given in zip(model.input.fields, self.ranges, strict=True):
            origin, step = ratio(one.origin), ratio(one.step)
            low, high = origin + step * one.low, origin + step * one.high
            if not low <= given.low < low + step or not high - step < given.high <= high:
                raise _unfit(f"the range of {one.name} is not that of its field", f"{low} to {high}", given)

    def to_value(self) -> dict[str, Any]:
        """Return the document as JSON members."""
        graph = self.graph
        ranges = [
            {"high": str(one.high), "is_seen": one.is_seen, "low": str(one.low), "step": one.step and str(one.step)}
            for one in self.ranges
        ]
        return {
            "bits_reason": self.bits_reason,
            "bound": {what: list(getattr(self.bound, what)) for what in _BOUNDS},
            "graph": {"labels": list(graph.labels), "output": graph.output, "task": graph.task},
            "precision": asdict(self.precision),
            "ranges": ranges,
            "sample": self.sample and self.sample.hex(),
            "step_reasons": list(self.step_reasons),
        }

    @classmethod
    def from_value(cls, value: object, name: str) -> Derivation:
        """Read the members of a document; `name` is the model's. Raises InvalidInput."""
        names = ("bits_reason", "bound", "graph", "precision", "ranges", "sample", "step_reasons")
        found = documents.members(value, "derivation", names)
        reasons = documents.listed(found["step_reasons"], "reasons of steps", KERNEL_FIELDS_MAX)
        ranges = documents.listed(found["ranges"], "ranges", KERNEL_FIELDS_MAX)
        return cls(
            bound=_read_bound(found["bound"]),
            ranges=tuple(map(_read_range, ranges)),
            bits_reason=_word(found["bits_reason"], BITS_REASONS, "reason of the bits"),
            step_reasons=tuple(_word(one, STEP_REASONS, "reason of a step") for one in reasons),
            precision=_read_precision(found["precision"]),
            sample=None if found["sample"] is None else documents.digest(found["sample"], "digest of the sample"),
            graph=_read_graph(found["graph"], name),
        )


def sample_digest(rows: Any) -> bytes:
    """Return the SHA-256 of rows of features: their number and width in decimal, then doubles, little-endian.

    rows    finite, and as many numbers in each, as `convert` has seen
    """
    import numpy as np

    table = np.ascontiguousarray(rows, dtype="<f8")
    count, width = table.shape
    return sha256(f"{count} {width}\n".encode() + table.tobytes())


def _read_bound(value: object) -> ErrorBound:
    found = documents.members(value, "bound", _BOUNDS)
    return ErrorBound(*(tuple(map(_decimal, documents.listed(found[one], one, KERNEL_WIDTH_MAX))) for one in _BOUNDS))


def _decimal(value: object) -> str:
    found = documents.text(value, "bound", KERNEL_DECIMAL_CHARS_MAX)
    ratio(found, "bound")
    return found


def _read_range(value: object) -> Range:
    found = documents.members(value, "range", ("high", "is_seen", "low", "step"))
    step = None if found["step"] is None else _fraction(found["step"])
    is_seen = documents.typed(found["is_seen"], bool, "is_seen")
    return Range(_fraction(found["low"]), _fraction(found["high"]), step, is_seen)


def _fraction(value: object) -> Fraction:
    written = documents.text(value, "end of a range", _FRACTION_CHARS_MAX)
    found = Fraction(written) if _FRACTION.match(written) else None
    if found is None or str(found) != written:
        raise InvalidInput("kernel.derivation", "not a fraction in lowest terms", got=ascii(written)[:80])
    return found


def _read_precision(value: object) -> Precision:
    names = tuple(Precision.__dataclass_fields__)
    found = documents.members(value, "precision", names)
    bits: dict[str, Any] = {
        one: None
        if one == "input" and found[one] is None
        else documents.integer(found[one], f"{one} bits", 1, _BITS_MAX)
        for one in names
    }
    return Precision(**bits)


def _read_graph(value: object, name: str) -> Graph:
    found = documents.members(value, "graph", ("labels", "output", "task"))
    labels = documents.listed(found["labels"], "labels", KERNEL_WIDTH_MAX)
    output = None if found["output"] is None else documents.text(found["output"], "output", KERNEL_NAME_CHARS_MAX)
    task: Task | None = None
    if found["task"] is not None:
        task = _word(found["task"], dict.fromkeys(get_args(Task), ""), "task")
    return Graph(name, output, task, tuple(documents.text(one, "label", KERNEL_NAME_CHARS_MAX) for one in labels))


def _word(value: object, known: Mapping[Word, str], what: str) -> Word:
    for one in known:
        if one == value:
            return one
    raise InvalidInput("kernel.derivation", f"no {what}", expected=", ".join(known), got=ascii(value)[:80])


def _check_equal(what: str, expected: int, got: int) -> None:
    if expected != got:
        raise _unfit(f"{what} do not fit the model", expected, got)


def _unfit(message: str, expected: object, got: object) -> InvalidInput:
    return InvalidInput("kernel.derivation", message, expected=expected, got=got)
