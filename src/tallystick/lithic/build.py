"""From a trained model to a kernel in one go: read, put into integers, compiled.

    kernel = compile_model(onnx_bytes, ranges={"age": (18, 90, 1), "income": (0, 200_000)})

The same file, ranges, sample and options give the same kernel, byte for byte, on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput
from tallystick.lithic.artifact import Artifact, SourceFile
from tallystick.lithic.contract import Registration
from tallystick.lithic.floats import FloatModel
from tallystick.lithic.importers import read_onnx
from tallystick.lithic.integer import document
from tallystick.lithic.integer.model import IntegerModel
from tallystick.lithic.kernel import DENSE, Kernel, compile_integer
from tallystick.lithic.quantise.conversion import Conversion, Precision, check_asked, convert
from tallystick.lithic.quantise.derivation import Derivation, Graph
from tallystick.lithic.quantise.grids import encode, observed_ranges, ranges_for
from tallystick.lithic.quantise.quality import Floor, Quality, check_quality, quality
from tallystick.lithic.tables import Rows

if TYPE_CHECKING:
    from tallystick.lithic.quantise.grids import Ranges


@dataclass(frozen=True)
class Order:
    """What to build a kernel's file from.

    source    bytes of an ONNX file, and `file_name` what it is called
    columns   what people call the features; see `read_model`
    sample    rows like those to come
    test      rows held out, with labels, that float and integer model are compared on
    asked     which bits of `precision` somebody asked for, so that they must matter
    """

    source: bytes
    file_name: str
    graph: Graph
    columns: tuple[str, ...] = ()
    ranges: Ranges | None = None
    sample: Callable[[Sequence[str]], Rows] | None = None
    test: Callable[[Sequence[str]], Rows] | None = None
    floor: Floor = field(default_factory=Floor)
    precision: Precision | None = None
    asked: frozenset[str] = frozenset()
    registry: Registration | None = None


@dataclass(frozen=True)
class Built:
    """A kernel's file, and what it was made from."""

    trained: FloatModel
    conversion: Conversion
    kernel: Kernel
    artifact: Artifact
    quality: Quality | None
    floor: Floor

    def document(self) -> bytes:
        """Return the integer model alone, as a version's manifest lists it."""
        return document.to_bytes(self.conversion.integer)

    def report(self) -> bytes:
        """Return the comparison as one HTML file; raises InvalidInput "kernel.rows" when there were no rows for it."""
        from tallystick.lithic.inspection import inspect
        from tallystick.lithic.report import Costs, html_report

        if self.quality is None:
            raise InvalidInput(
                "kernel.rows", "there is no comparison to report on", hint="give rows that were held out"
            )
        found = inspect(self.kernel)
        costs = Costs(
            code_bytes=self.kernel.bytes_total,
            contracts=len(self.kernel.codes),
            worst_gas=found.worst_gas,
            typical_gas=found.typical.median,
            deployment_gas=found.deployment_gas,
        )
        return html_report(
            self.conversion.integer,
            self.quality,
            digest=self.artifact.digest.hex(),
            derivation=self.kernel.derivation,
            proof=self.kernel.proof(),
            costs=costs,
            floor=self.floor,
        ).encode()


def build(order: Order, note: Callable[[str], None]) -> Built:
    """Return the file of a kernel that is good enough.

    note     called with what is being done
    raises   InvalidInput "kernel.quality" when the integer model lost more than the floor allows, "kernel.bits" for
             bits of what the model does not have, and as `compile_model`
    """
    note("reading the model")
    trained = read_model(order.source, order.graph, order.columns)
    check_asked(trained, order.asked)
    sample = None if order.sample is None else order.sample(trained.features).values
    note("putting it into integers")
    made, derivation = to_integers(trained, order.ranges, sample, order.precision, order.graph)
    found = None
    if order.test is not None:
        note("comparing float and integer model")
        rows = order.test(trained.features)
        found = quality(trained, made.integer, rows.values, rows.labels or None)
        check_quality(found, order.floor)
    note("compiling")
    density = density_of(made.integer, sample)
    kernel = compile_integer(made.integer, registry=order.registry, density_permille=density)
    kernel = replace(kernel, derivation=derivation)
    kernel.proof()
    source = SourceFile(order.file_name, sha256(order.source))
    artifact = Artifact.of(kernel, quality=None if found is None else found.figures(), source=source)
    return Built(trained, made, kernel, artifact, found, order.floor)


def compile_model(
    model: bytes | FloatModel | IntegerModel,
    *,
    ranges: Ranges | None = None,
    sample: Any = None,
    registry: Registration | tuple[str, int] | None = None,
    precision: Precision | None = None,
    graph: Graph | None = None,
    density_permille: int | None = None,
) -> Kernel:
    """Return the kernel of a trained model: ONNX bytes, a float model, or an integer model that is finished.

    What is made of a float model says in `derivation` how, and in `bound` how far its scores can be from that model's.

    ranges            of each feature, by name or in order: (low, high), or (low, high, step); without, the sample's own
                      with a margin
    sample            rows like those to come: they say how great activations get and how many inputs are zero
    registry          which model of which registry it is a version of: (address, model id)
    precision         bits of inputs, weights, activations and leaves
    graph             how to read an ONNX file; of a float model, how whoever checks it later is to read its file
    density_permille  how many in a thousand inputs are expected not to be zero; without, as in the sample, or all
    raises            InvalidInput "kernel.kind" for anything else, and as `read_onnx`, `quantise` and `compile_integer`
    """
    derivation = None
    if isinstance(model, IntegerModel):
        integer = model
    else:
        how = graph or Graph()
        trained = model if isinstance(model, FloatModel) else read_model(_file(model), how)
        made, derivation = to_integers(trained, ranges, sample, precision, how)
        integer = made.integer
    density = density_of(integer, sample) if density_permille is None else density_permille
    return replace(compile_integer(integer, registry=registry, density_permille=density), derivation=derivation)


def _file(model: object) -> bytes:
    """Refuse what is no file's bytes: a path, or a model as the library that trained it has it."""
    if not isinstance(model, bytes):
        raise InvalidInput(
            "kernel.kind", "not a model to compile", expected="bytes of an ONNX file", got=type(model).__name__,
            hint="Path(file).read_bytes(), or export it: skl2onnx.to_onnx(model, rows[:1]).SerializeToString()",
        )  # fmt: skip
    return model


def read_model(data: bytes, graph: Graph, columns: Sequence[str] = ()) -> FloatModel:
    """Return the model of an ONNX file.

    columns  what people call the features: the graph's own names, among others and in any order, or one for each in its
             order
    raises   as `importers.read_onnx`
    """
    model = read_onnx(data, name=graph.name, output=graph.output, task=graph.task, labels=graph.labels)
    if not columns or set(model.features) <= set(columns):
        return model
    if len(columns) != len(model.features):
        raise InvalidInput(
            "kernel.features", "the model has another number of features", expected=len(model.features),
            got=f"{len(columns)} names",
            hint="name each feature once, in the model's order; a column of labels is no feature (--label)",
        )  # fmt: skip
    return replace(model, features=tuple(columns))


def to_integers(
    model: FloatModel, ranges: Ranges | None, sample: Any, precision: Precision | None, graph: Graph
) -> tuple[Conversion, Derivation]:
    """Return the integer model, and how it came about; raises InvalidInput "kernel.range" and as `quantise`."""
    if ranges is None:
        if sample is None:
            raise InvalidInput(
                "kernel.range", "nothing says what the features can be", expected="ranges, or rows to take them from",
                hint="declare a range for each feature: inputs outside are refused",
            )  # fmt: skip
        ranges = observed_ranges(model.features, sample)
    given = ranges_for(model.features, ranges)
    made = convert(model, given, sample, precision)
    return made, Derivation.of(made, given, precision, sample, graph)


def density_of(model: IntegerModel, sample: Any) -> int:
    """Return how many in a thousand inputs of the sample are not zero once they are integers; all without a sample."""
    if sample is None:
        return DENSE
    rows = encode(model.input, sample, clip=True)
    return -(-DENSE * int((rows != 0).sum()) // rows.size) if rows.size else DENSE
