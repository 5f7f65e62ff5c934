"""The committed form of a kernel: `NAME.kernel.json`, canonical JSON, all that anybody needs to check or deploy it.

Integer model, code, parts, packings as the proof, and what its maker says of its quality and of the file it came from.
Reading believes nothing and compiles nothing; `checking.py` recomputes all that can be. The page docs/spec/kernel.md
says the same for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

from tallystick.core import canonical, documents
from tallystick.core.digest import check_digest
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.core.ids import parse_address
from tallystick.core.limits import (
    CODE_BYTES_MAX,
    KERNEL_DECIMAL_CHARS_MAX,
    KERNEL_NAME_CHARS_MAX,
    KERNEL_PARTS_MAX,
    KERNEL_QUALITY_FIGURES_MAX,
    KERNEL_STEPS_MAX,
    KERNEL_WIDTH_MAX,
)
from tallystick.lithic.contract import Registration
from tallystick.lithic.integer import document
from tallystick.lithic.integer.decimals import ratio
from tallystick.lithic.integer.intervals import Interval, intervals
from tallystick.lithic.integer.model import IntegerModel
from tallystick.lithic.kernel import Kernel, KernelPart, compile_integer
from tallystick.lithic.lanes.packing import WORD_BITS, InputSet, Packing
from tallystick.lithic.lanes.source import Place
from tallystick.lithic.quantise.derivation import Derivation

KIND: Final = "tallystick/kernel/v1"
COMPILER: Final = "tallystick kernels 1"  # raised when a release makes other code of some model than the one before

_BLOCKS_MAX: Final = 256
_MEMORY_MAX: Final = 1 << 24  # an address in memory or calldata; gas ends long before


@dataclass(frozen=True)
class SourceFile:
    """The file that a kernel was made from: its name for people, and its SHA-256."""

    name: str
    sha256: bytes

    def __post_init__(self) -> None:
        check_digest(self.sha256, "digest of the source file")


@dataclass(frozen=True)
class Artifact:
    """What a file says of a kernel; nothing here is checked but its form.

    compiler  what made it: another may make other code of the same model
    spans     for each vector, from the input on, the least and the greatest that any of its numbers can be
    quality     figures that the maker measured, by name, as decimal strings
    source      the file that the model was imported from
    derivation  how the model was made of that file, and how far off its scores can be
    """

    model: IntegerModel
    digest: bytes
    registry: Registration | None
    density_permille: int
    address: str
    code: bytes
    parts: tuple[KernelPart, ...]
    packings: Mapping[int, Packing]
    worst_gas: int
    compiler: str
    spans: tuple[Interval, ...]
    quality: Mapping[str, str] = field(default_factory=dict)
    source: SourceFile | None = None
    derivation: Derivation | None = None

    @classmethod
    def of(
        cls, kernel: Kernel, *, quality: Mapping[str, str] | None = None, source: SourceFile | None = None
    ) -> Artifact:
        """Return the artifact of a kernel; raises InvalidInput "kernel.decimal" for a figure that is no decimal."""
        for name, figure in (quality or {}).items():
            ratio(figure, name)
        return cls(
            model=kernel.model,
            digest=kernel.digest,
            registry=kernel.registry,
            density_permille=kernel.density_permille,
            address=kernel.address,
            code=kernel.code,
            parts=kernel.parts,
            packings=kernel.packings,
            worst_gas=kernel.worst_gas,
            compiler=COMPILER,
            spans=spans(kernel.model),
            quality=dict(quality or {}),
            source=source,
            derivation=kernel.derivation,
        )

    @property
    def kernel(self) -> Kernel:
        """The kernel as the file has it, believed."""
        return Kernel(
            self.model, self.registry, self.density_permille, self.code, self.parts, self.packings, self.worst_gas,
            derivation=self.derivation,
        )  # fmt: skip

    @cached_property
    def recompiled(self) -> Kernel:
        """The kernel that this compiler makes of the file's model; raises as `compile_integer`."""
        made = compile_integer(self.model, registry=self.registry, density_permille=self.density_permille)
        return replace(made, derivation=self.derivation)

    def check_digest(self) -> None:
        """Return if the digest is the model's; raises VerificationFailed "kernel.artifact"."""
        found = document.digest(self.model)
        if found != self.digest:
            raise VerificationFailed(
                "kernel.artifact", "the file's digest is not its model's", expected=found.hex(), got=self.digest.hex()
            )

    @property
    def difference(self) -> str | None:
        """What of the file is not what its model compiles to: digest, code, parts or address; None, if all of it is."""
        made = Artifact.of(self.recompiled)
        names = ("digest", "code", "parts", "address")
        return next((name for name in names if getattr(made, name) != getattr(self, name)), None)

    def require(self) -> Kernel:
        """Return the kernel if the file's code is what its model compiles to.

        raises  VerificationFailed "kernel.artifact" naming what is not, and the compilers where they are two
        """
        different = self.difference
        if different is not None:
            is_ours = self.compiler == COMPILER
            raise VerificationFailed(
                "kernel.artifact", f"the file's {different} is not what its model compiles to",
                expected=None if is_ours else COMPILER, got=None if is_ours else self.compiler,
                hint="`tally lithic model check` tells more; build it again from the model",
            )  # fmt: skip
        return self.recompiled

    def to_bytes(self) -> bytes:
        """Return the canonical document."""
        link = self.registry
        return canonical.encode(
            {
                "address": self.address,
                "code": self.code.hex(),
                "compiler": self.compiler,
                "density_permille": self.density_permille,
                "derivation": None if self.derivation is None else self.derivation.to_value(),
                "kind": KIND,
                "model": document.to_value(self.model),
                "model_digest": self.digest.hex(),
                "packings": [_write_packing(at, packing) for at, packing in sorted(self.packings.items())],
                "parts": [
                    {"address": one.address, "code": one.code.hex(), "worst_gas": one.worst_gas} for one in self.parts
                ],
                "quality": dict(self.quality),
                "registry": None if link is None else {"address": link.registry, "model_id": str(link.model_id)},
                "source": None
                if self.source is None
                else {"name": self.source.name, "sha256": self.source.sha256.hex()},
                "spans": [[document.write_integer(one.low), document.write_integer(one.high)] for one in self.spans],
                "worst_gas": self.worst_gas,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Artifact:
        """Read the canonical document; raises InvalidInput for anything that `to_bytes` would not write."""
        names = (
            "address", "code", "compiler", "density_permille", "derivation", "kind", "model", "model_digest",
            "packings", "parts", "quality", "registry", "source", "spans", "worst_gas",
        )  # fmt: skip
        found = documents.members(canonical.decode(data, "kernel"), "kernel", names)
        if found["kind"] != KIND:
            raise InvalidInput("kernel.kind", "not a kernel", expected=KIND, got=ascii(found["kind"])[:80])
        packings = documents.listed(found["packings"], "packings", KERNEL_STEPS_MAX)
        read_packings = dict(map(_read_packing, packings))
        if list(read_packings) != sorted(read_packings) or len(read_packings) != len(packings):
            raise InvalidInput("kernel.packing", "packings are not in the order of their steps, or a step has two")
        parts = documents.listed(found["parts"], "parts", KERNEL_PARTS_MAX)
        listed = documents.listed(found["spans"], "spans", KERNEL_STEPS_MAX + 1)
        model = document.from_value(found["model"])
        made = found["derivation"]
        return cls(
            model=model,
            digest=documents.digest(found["model_digest"], "model_digest"),
            registry=None if found["registry"] is None else _read_registration(found["registry"]),
            density_permille=documents.integer(found["density_permille"], "density_permille", 0, 1_000),
            address=_address(found["address"], "address"),
            code=documents.hexed(found["code"], "code", CODE_BYTES_MAX),
            parts=tuple(_read_part(part) for part in parts),
            packings=read_packings,
            worst_gas=documents.integer(found["worst_gas"], "worst_gas"),
            compiler=documents.text(found["compiler"], "compiler", KERNEL_NAME_CHARS_MAX),
            spans=tuple(_read_span(span) for span in listed),
            quality=_read_quality(found["quality"]),
            source=None if found["source"] is None else _read_source(found["source"]),
            derivation=None if made is None else Derivation.from_value(made, model.name),
        )


def spans(model: IntegerModel) -> tuple[Interval, ...]:
    """Return for each vector of a model, from the input on, the interval that holds all its numbers."""
    return tuple(Interval(min(z.low for z in one), max(z.high for z in one)) for one in intervals(model))


def _write_packing(at: int, packing: Packing) -> dict[str, Any]:
    sets = [[one.place.address, one.place.offset, one.place.bits, list(one.indices)] for one in packing.sets]
    return {
        "blocks": packing.blocks, "lane_bits": packing.lane_bits, "lanes": packing.lanes, "sets": sets, "step": at,
        "stride": packing.stride,
    }  # fmt: skip


def _read_packing(value: object) -> tuple[int, Packing]:
    names = ("blocks", "lane_bits", "lanes", "sets", "step", "stride")
    found = documents.members(value, "packing", names)
    sets = documents.listed(found["sets"], "sets", KERNEL_WIDTH_MAX)
    packing = Packing(
        lane_bits=documents.integer(found["lane_bits"], "lane_bits", 1, WORD_BITS),
        lanes=documents.integer(found["lanes"], "lanes", 1, WORD_BITS),
        blocks=documents.integer(found["blocks"], "blocks", 1, _BLOCKS_MAX),
        stride=documents.integer(found["stride"], "stride", 1, WORD_BITS),
        sets=tuple(_read_set(one) for one in sets),
    )
    return documents.integer(found["step"], "step", 0, KERNEL_STEPS_MAX), packing


def _read_set(value: object) -> InputSet:
    found = documents.listed(value, "set", 4)
    if len(found) != 4:
        raise InvalidInput("kernel.packing", "a set is an address, an offset, a width and indices", got=len(found))
    place = Place(
        documents.integer(found[0], "address of a set", 0, _MEMORY_MAX),
        documents.integer(found[1], "offset of a set", 0, WORD_BITS),
        documents.integer(found[2], "width of a set", 1, WORD_BITS),
    )
    indices = documents.listed(found[3], "indices", _BLOCKS_MAX)
    return InputSet(place, tuple(documents.integer(index, "index", 0, KERNEL_WIDTH_MAX) for index in indices))


def _read_part(value: object) -> KernelPart:
    found = documents.members(value, "part", ("address", "code", "worst_gas"))
    return KernelPart(
        _address(found["address"], "address of a part"),
        documents.hexed(found["code"], "code of a part", CODE_BYTES_MAX),
        documents.integer(found["worst_gas"], "worst_gas of a part"),
    )


def _read_registration(value: object) -> Registration:
    found = documents.members(value, "registry", ("address", "model_id"))
    return Registration(_address(found["address"], "registry"), documents.decimal(found["model_id"], "model_id"))


def _read_source(value: object) -> SourceFile:
    found = documents.members(value, "source", ("name", "sha256"))
    return SourceFile(
        documents.text(found["name"], "name of the source", KERNEL_NAME_CHARS_MAX),
        documents.digest(found["sha256"], "digest of the source"),
    )


def _read_span(value: object) -> Interval:
    found = documents.listed(value, "span", 2)
    if len(found) != 2:
        raise InvalidInput("kernel.span", "a span is a least and a greatest number", got=len(found))
    return Interval(document.read_integer(found[0], "span"), document.read_integer(found[1], "span"))


def _read_quality(value: object) -> dict[str, str]:
    found = documents.typed(value, dict, "quality")
    if len(found) > KERNEL_QUALITY_FIGURES_MAX:
        raise InvalidInput(
            "document.length", "quality has too many figures", expected=KERNEL_QUALITY_FIGURES_MAX, got=len(found)
        )
    read = {}
    for name, figure in found.items():
        read[documents.text(name, "name of a figure", KERNEL_NAME_CHARS_MAX)] = figure
        ratio(documents.text(figure, "figure", KERNEL_DECIMAL_CHARS_MAX), "figure")
    return read


def _address(value: object, what: str) -> str:
    found = parse_address(documents.text(value, what, 42))
    if found != value:
        raise InvalidInput("address.checksum", f"{what} has another spelling", expected=found, got=value)
    return found
