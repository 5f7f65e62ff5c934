"""The four roots of a version: what it is made of, split so that a verifier can say which part changed.

    manifest_root      RFC 6962 over the files                              core.manifest
    parameter_root     RFC 6962 over the tensors, by name                   TensorList.root
    architecture_root  SHA-256 of the architecture document                 Architecture.root
    data_root          RFC 6962 log of salted rows, in order of addition    dataset.py

The exact rules are docs/spec/roots.md. A root of None is "not recorded": a folder with no tensor has no parameter root.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tallystick.contracts import Kind
from tallystick.core import canonical, documents, merkle
from tallystick.core.digest import check_digest, sha256
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import TENSORS_MAX
from tallystick.core.names import check_name
from tallystick.models.formats.tensors import Tensor, sorted_tensors

TENSORS_KIND = "tallystick/tensors/v1"
ARCHITECTURE_KIND = "tallystick/architecture/v1"

NOT_RECORDED = bytes(32)  # how the registry writes a root that a version does not have


def read_kinds(names: list[str]) -> Kind:
    """Return the kinds of these names, each once and in order; raise InvalidInput "kinds.names"."""
    found = Kind(0)
    for kind in Kind:
        if kind.names[0] in names:
            found |= kind
    if found.names != names:
        known = ", ".join((~Kind(0)).names)
        raise InvalidInput("kinds.names", "not kinds of change, each once and in order", expected=known, got=names)
    return found


UNCHANGED = Kind(0)  # also the kinds of a first version, which has nothing to compare with


@dataclass(frozen=True)
class Roots:
    """Everything that the registry records of a version's content. None: not recorded."""

    manifest: bytes
    architecture: bytes | None = None
    parameters: bytes | None = None
    data: bytes | None = None
    data_size: int = 0
    code: bytes | None = None

    def __post_init__(self) -> None:
        check_digest(self.manifest, "manifest root")
        for root in (self.architecture, self.parameters, self.data, self.code):
            if root is not None and check_digest(root, "root") == NOT_RECORDED:
                raise InvalidInput("roots.zero", "a root is zero", hint="zero says that it is not recorded")

    def __str__(self) -> str:
        return ", ".join(f"{name} {root}" for name, root in self.to_dict().items())

    def to_dict(self) -> dict[str, str | None]:
        """Return the roots by name, in hex; the data root with its size before a colon."""
        data = None if self.data is None else f"{self.data_size}:{self.data.hex()}"
        named = {"architecture": self.architecture, "parameters": self.parameters, "code": self.code}
        shown = {name: None if root is None else root.hex() for name, root in named.items()}
        return {"manifest": self.manifest.hex(), **shown, "data": data}

    def changed_from(self, parent: Roots) -> Kind:
        """Return which parts differ, as the registry computes it; metadata is the signer's own word."""
        kinds = UNCHANGED
        if (self.data, self.data_size) != (parent.data, parent.data_size):
            kinds |= Kind.DATA
        if self.parameters != parent.parameters:
            kinds |= Kind.PARAMETERS
        if self.architecture != parent.architecture:
            kinds |= Kind.ARCHITECTURE
        if self.code != parent.code:
            kinds |= Kind.CODE
        return kinds


@dataclass(frozen=True)
class TensorList:
    """The tensors of a version, sorted by the UTF-8 bytes of their names, each name once."""

    tensors: tuple[Tensor, ...]

    def __post_init__(self) -> None:
        if self.tensors != sorted_tensors(self.tensors):
            raise InvalidInput("tensors.order", "tensors are not sorted by name")

    @property
    def count(self) -> int:
        """How many tensors there are; recorded beside the root, which does not bind it."""
        return len(self.tensors)

    @cached_property
    def root(self) -> bytes | None:
        """The RFC 6962 root over the tensor leaves; None without tensors."""
        return merkle.root(self._leaf_hashes) if self.tensors else None

    @cached_property
    def _leaf_hashes(self) -> list[bytes]:
        return merkle.leaf_hashes(tensor.leaf() for tensor in self.tensors)

    def inclusion_path(self, name: str) -> list[bytes]:
        """Return the proof that the tensor called `name` is under `root`; raise InvalidInput "tensors.name"."""
        for at, tensor in enumerate(self.tensors):
            if tensor.name == name:
                return merkle.inclusion_path(self._leaf_hashes, at)
        raise InvalidInput("tensors.name", "there is no such tensor", got=name)

    def to_bytes(self) -> bytes:
        """Return the canonical document."""
        return canonical.encode({"kind": TENSORS_KIND, "tensors": [tensor.to_dict() for tensor in self.tensors]})

    @classmethod
    def from_bytes(cls, data: bytes) -> TensorList:
        """Read the canonical document; raise InvalidInput for anything that `to_bytes` would not write."""
        found = documents.members(canonical.decode(data, "tensor list"), "tensor list", ("kind", "tensors"))
        if found["kind"] != TENSORS_KIND:
            raise InvalidInput(
                "tensors.kind", "not a tensor list", expected=TENSORS_KIND, got=ascii(found["kind"])[:80]
            )
        return cls(tuple(_read_tensor(item) for item in documents.listed(found["tensors"], "tensors", TENSORS_MAX)))


@dataclass(frozen=True)
class Architecture:
    """A model without its weights: (name, dtype, shape) of each tensor, and each canonical configuration."""

    layout: tuple[tuple[str, str, tuple[int, ...]], ...]
    configs: Mapping[str, Any]

    @classmethod
    def of(cls, tensors: TensorList, configs: Mapping[str, Any]) -> Architecture:
        """Return the architecture of these tensors under these canonical configurations, keyed by file name."""
        return cls(tuple((tensor.name, tensor.dtype, tensor.shape) for tensor in tensors.tensors), configs)

    @cached_property
    def root(self) -> bytes | None:
        """SHA-256 of the document, which can hence be fetched by the root; None when there is nothing in it."""
        return sha256(self.to_bytes()) if self.layout or self.configs else None

    def to_bytes(self) -> bytes:
        """Return the canonical document."""
        layout = [[name, dtype, list(shape)] for name, dtype, shape in self.layout]
        return canonical.encode({"config": dict(self.configs), "kind": ARCHITECTURE_KIND, "tensors": layout})

    @classmethod
    def from_bytes(cls, data: bytes) -> Architecture:
        """Read the canonical document; raise InvalidInput for anything that is none."""
        found = documents.members(canonical.decode(data, "architecture"), "architecture", ("config", "kind", "tensors"))
        if found["kind"] != ARCHITECTURE_KIND:
            raise InvalidInput(
                "architecture.kind", "not an architecture", expected=ARCHITECTURE_KIND, got=ascii(found["kind"])[:80]
            )
        layout = documents.listed(found["tensors"], "tensors", TENSORS_MAX)
        return cls(tuple(_read_layout(item) for item in layout), documents.typed(found["config"], dict, "config"))


def _read_tensor(item: object) -> Tensor:
    found = documents.members(item, "tensor", ("dtype", "name", "sha256", "shape"))
    return Tensor(
        check_name(found["name"], "tensor name"),
        documents.text(found["dtype"], "dtype", 40),
        tuple(documents.listed(found["shape"], "shape", 1_024)),
        documents.digest(found["sha256"], "sha256"),
    )


def _read_layout(item: object) -> tuple[str, str, tuple[int, ...]]:
    found = documents.listed(item, "tensor", 3)
    if len(found) != 3:
        raise InvalidInput("architecture.tensor", "tensor is not [name, dtype, shape]", got=len(found))
    name, dtype, shape = found
    # the digest is no part of a layout, so any serves to have name, type and shape checked as a tensor's are
    read = _read_tensor({"name": name, "dtype": dtype, "shape": shape, "sha256": "0" * 64})
    return read.name, read.dtype, read.shape
