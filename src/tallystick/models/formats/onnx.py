"""ONNX read as evidence: which tensors a model holds, and the rest of it, its architecture, as a digest.

The graph is read with the protobuf classes of the `onnx` package and nothing of it is run. Two rules keep it honest:
a field that this reader does not know is refused, and every tensor of every graph, function and attribute is counted.
Learned arrays that ONNX keeps as attributes (trees, coefficients, vocabularies) are tensors here too.

A tensor is called `FILE/NAME`, an attribute's `FILE/OUTPUT@ATTRIBUTE` after the first output of its node; what is no
safe name in NAME, OUTPUT or ATTRIBUTE is percent-encoded. See docs/spec/roots.md.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from tallystick.core import canonical
from tallystick.core.digest import sha256, sha256_hex
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import ONNX_BYTES_MAX, ONNX_DEPTH_MAX, ONNX_NODES_MAX, TENSORS_MAX
from tallystick.core.manifest import FileEntry
from tallystick.models.formats.configs import number
from tallystick.models.formats.onnx_tensors import External, external_in, read_tensor, text_bytes
from tallystick.models.formats.tensors import Tensor
from tallystick.store.files import read_bounded, safe_join

ONNX_KIND = "tallystick/onnx/v1"

# tallystick/onnx/v1: who wrote the file and what it says to people; nothing here changes what the model computes.
_DROPPED: Final = {
    "ModelProto": {
        "ir_version", "producer_name", "producer_version", "domain", "model_version", "doc_string", "metadata_props",
        "configuration",
    },
    "GraphProto": {"name", "doc_string", "value_info", "metadata_props"},
    "NodeProto": {"name", "doc_string", "metadata_props", "device_configurations"},
    "FunctionProto": {"doc_string", "value_info", "metadata_props"},
    "ValueInfoProto": {"doc_string", "metadata_props"},
    "AttributeProto": {"doc_string"},
}  # fmt: skip
# AttributeProto.AttributeType → its name and the one field that holds the value.
_ATTRIBUTES: Final = {
    1: ("FLOAT", "f"), 2: ("INT", "i"), 3: ("STRING", "s"), 4: ("TENSOR", "t"), 5: ("GRAPH", "g"),
    6: ("FLOATS", "floats"), 7: ("INTS", "ints"), 8: ("STRINGS", "strings"), 9: ("TENSORS", "tensors"),
    10: ("GRAPHS", "graphs"), 11: ("SPARSE_TENSOR", "sparse_tensor"), 12: ("SPARSE_TENSORS", "sparse_tensors"),
    13: ("TYPE_PROTO", "tp"), 14: ("TYPE_PROTOS", "type_protos"),
}  # fmt: skip
_ML_DOMAIN: Final = "ai.onnx.ml"
_LEARNED: Final = {("", "Constant"), ("", "TfIdfVectorizer")}  # beside all of ai.onnx.ml: their arrays are parameters
_ARRAYS: Final = {"FLOATS": ("F32", "<f4"), "INTS": ("I64", "<i8"), "STRINGS": ("STRING", "")}


def read_file(root: Path, name: str) -> tuple[FileEntry, tuple[Tensor, ...], dict[str, object]]:
    """Return the file `name` under `root` as a manifest entry, its tensors, and its architecture.

    raises  as `read_model`, and InvalidInput of store.files
    """
    data = read_bounded(safe_join(root, name), ONNX_BYTES_MAX)
    tensors, architecture = read_model(data, name, external_in(root, name))
    return FileEntry(name, len(data), sha256(data)), tensors, architecture


def read_model(data: bytes, name: str, external: External) -> tuple[tuple[Tensor, ...], dict[str, object]]:
    """Return the tensors of a serialised ModelProto, and its architecture as a small canonical document.

    name      of the file; begins the name of each tensor
    external  reads what the model keeps in other files
    raises    InvalidInput "onnx.parse", "onnx.graph", "onnx.unknown", "onnx.attribute", "onnx.text", "onnx.size",
              "onnx.depth", and those of `read_tensor`; "models.extra" where the `onnx` package is missing
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError:
        raise InvalidInput(
            "models.extra", "reading ONNX needs the onnx package", hint="pip install 'tallystick[models]'"
        ) from None
    try:
        model = onnx.ModelProto.FromString(data)
    except DecodeError:
        raise InvalidInput(
            "onnx.parse", f"{name} is not an ONNX model",
            hint="export the model with skl2onnx, torch.onnx or onnxmltools; a pickle or a checkpoint is none",
        ) from None  # fmt: skip
    if not model.HasField("graph"):
        raise InvalidInput("onnx.graph", f"{name} holds no graph")
    reader = _Reader(external)
    architecture = {"kind": ONNX_KIND, **reader.message(model, name, ONNX_DEPTH_MAX)}
    architecture["operators"] = dict(sorted(reader.operators.items()))
    canonical.encode(architecture)
    return tuple(reader.tensors), architecture


def escape(name: str) -> str:
    """Return `name` as parts of a safe name, one to one: what is unsafe is percent-encoded; `@` is, being ours.

    raises  InvalidInput "onnx.text" when empty
    """
    if not name:
        raise InvalidInput("onnx.text", "a tensor or attribute has no name")
    coded = "".join(char if _is_plain(char) else quote(char, safe="", errors="surrogatepass") for char in name)
    return "/".join(_escape_part(part) for part in _split_kept(coded))


def _split_kept(name: str) -> list[str]:
    """Split at slashes, but turn those into `%2F` that would leave an empty part."""
    parts = [""]
    for at, char in enumerate(name):
        if char == "/" and parts[-1] and name[at + 1 : at + 2] not in ("", "/"):
            parts.append("")
        else:
            parts[-1] += "%2F" if char == "/" else char
    return parts


def _escape_part(part: str) -> str:
    return part.replace(".", "%2E") if part in (".", "..") else part


def _is_plain(char: str) -> bool:
    return char.isascii() and char.isprintable() and char not in "%@\\"  # ASCII: the same in every Unicode version


class _Reader:
    """Walks a model once, gathering tensors and counting operators; returns canonical values for the rest."""

    def __init__(self, external: External) -> None:
        self.tensors: list[Tensor] = []
        self.operators: Counter[str] = Counter()
        self._external = external
        self._nodes = 0

    def message(self, message: Any, place: str, depth: int, done: frozenset[str] = frozenset()) -> dict[str, Any]:
        """Return the set fields of any message, canonical, without those that are dropped or were `done` already."""
        if depth == 0:
            raise InvalidInput("onnx.depth", f"{place} is nested too deeply", expected=f"≤ {ONNX_DEPTH_MAX}")
        kind = message.DESCRIPTOR.name
        _check_known(message, place)
        dropped = _DROPPED.get(kind, ())
        found: dict[str, Any] = {}
        for field, value in message.ListFields():
            if field.name in dropped or field.name in done:
                continue
            if field.message_type is None:
                found[field.name] = _plain(value, place)
            elif hasattr(value, "DESCRIPTOR"):
                # the graph of a model begins its names; each graph of a training step is a place of its own
                where = f"{place}/@{field.name}" if kind == "TrainingInfoProto" else place
                found[field.name] = self.value(value, where, depth - 1)
            else:
                found[field.name] = self._repeated(kind, field.name, value, place, depth - 1)
        return found

    def value(self, message: Any, place: str, depth: int) -> Any:
        """Return one message; the kinds that carry tensors or nodes have a form of their own."""
        kind = message.DESCRIPTOR.name
        if kind == "GraphProto":
            return self._graph(message, place, depth)
        if kind == "TensorProto":
            return self._tensor(message, place)
        if kind == "SparseTensorProto":
            return self._sparse(message, place)
        return self.message(message, place, depth)

    def _repeated(self, kind: str, field: str, items: Any, place: str, depth: int) -> Any:
        if field == "node":
            return self._node_digest(items, place, depth)
        if field == "opset_import":
            forms = {canonical.encode(self.message(item, place, depth)) for item in items}  # converters repeat them
            return [canonical.decode(form) for form in sorted(forms)]
        if kind == "ModelProto":  # functions, training_info: each is a place of its own
            return [self.value(item, f"{place}/@{field}/{at}", depth) for at, item in enumerate(items)]
        if field == "attribute_proto":  # defaults of a function's attributes
            return [self._attribute(item, place, depth, learned=False) for item in items]
        return [self.value(item, place, depth) for item in items]

    def _graph(self, graph: Any, place: str, depth: int) -> dict[str, Any]:
        for tensor in graph.initializer:
            self._tensor(tensor, f"{place}/{escape(_text(tensor.name, place))}")
        sparse = [
            self._sparse(item, f"{place}/{escape(_text(item.values.name, place))}") for item in graph.sparse_initializer
        ]
        found = self.message(graph, place, depth, frozenset({"initializer", "sparse_initializer"}))
        return found | ({"sparse_initializer": sparse} if sparse else {})

    def _node_digest(self, nodes: Iterable[Any], place: str, depth: int) -> dict[str, object]:
        """Return how many nodes there are and the SHA-256 of their canonical forms, a line each."""
        hasher = hashlib.sha256()
        count = 0
        for count, node in enumerate(nodes, 1):
            hasher.update(canonical.encode(self._node(node, place, count, depth)) + b"\n")
        return {"count": count, "sha256": hasher.hexdigest()}

    def _node(self, node: Any, place: str, position: int, depth: int) -> dict[str, Any]:
        self._nodes += 1
        if self._nodes > ONNX_NODES_MAX:
            raise InvalidInput("onnx.size", "too many nodes", expected=f"≤ {ONNX_NODES_MAX}")
        domain = _text(node.domain, place)
        domain = "" if domain == "ai.onnx" else domain  # two spellings of the standard operators
        operator = _text(node.op_type, place)
        self.operators[f"{domain}:{operator}" if domain else operator] += 1
        outputs = [_text(output, place) for output in node.output]
        here = f"{place}/" + next((escape(output) for output in outputs if output), f"@{position}")
        learned = domain == _ML_DOMAIN or (domain, operator) in _LEARNED
        attributes: dict[str, Any] = {}
        for attribute in node.attribute:
            name = _text(attribute.name, here)
            if name in attributes:
                raise InvalidInput("onnx.attribute", f"{here} has an attribute twice", got=ascii(name)[:120])
            attributes[name] = self._attribute(attribute, here, depth, learned=learned)
        return self.message(node, here, depth, frozenset({"attribute"})) | {"domain": domain, "attribute": attributes}

    def _attribute(self, attribute: Any, place: str, depth: int, *, learned: bool) -> list[Any]:
        """Return [type, value] or ["REF", name]; exactly the field that the type says may be set."""
        _check_known(attribute, place)
        if attribute.type not in _ATTRIBUTES:
            raise InvalidInput("onnx.attribute", f"{place} has an attribute of no known type", got=attribute.type)
        here = f"{place}@{escape(_text(attribute.name, place))}"
        kind, field = _ATTRIBUTES[attribute.type]
        filled = {found.name for found, _ in attribute.ListFields()} - {"name", "type", "doc_string"}
        if filled == {"ref_attr_name"}:
            return ["REF", kind, _text(attribute.ref_attr_name, here)]
        if not filled <= {field}:
            raise InvalidInput(
                "onnx.attribute", f"{here} is not stored as its type is", expected=field, got=sorted(filled)
            )
        value = getattr(attribute, field)
        if kind in ("GRAPH", "GRAPHS"):
            graphs = [value] if kind == "GRAPH" else value
            places = [here if kind == "GRAPH" else f"{here}/{at}" for at in range(len(graphs))]
            forms = [self._graph(graph, where, depth - 1) for graph, where in zip(graphs, places, strict=True)]
            return [kind, *(sha256_hex(canonical.encode(form)) for form in forms)]
        if kind in _ARRAYS and learned:
            return [kind, self._array(value, here, kind)]
        if hasattr(value, "DESCRIPTOR"):
            return [kind, self.value(value, here, depth - 1)]
        if kind in ("TENSORS", "SPARSE_TENSORS", "TYPE_PROTOS"):
            return [kind, *(self.value(item, f"{here}/{at}", depth - 1) for at, item in enumerate(value))]
        return [kind, _plain(value, here)]

    def _array(self, values: Any, place: str, kind: str) -> dict[str, str]:
        """Count a learned array as a tensor of one axis."""
        import numpy as np

        dtype, stored = _ARRAYS[kind]
        data = np.fromiter(values, stored, len(values)).tobytes() if stored else text_bytes(list(values))
        return self._counted(Tensor(place, dtype, (len(values),), sha256(data)))

    def _tensor(self, tensor: Any, place: str) -> dict[str, str]:
        _check_known(tensor, place)
        return self._counted(read_tensor(tensor, place, self._external))

    def _counted(self, tensor: Tensor) -> dict[str, str]:
        if len(self.tensors) >= TENSORS_MAX:
            raise InvalidInput("tensors.many", "too many tensors", expected=f"≤ {TENSORS_MAX}")
        self.tensors.append(tensor)
        return {"tensor": tensor.name}

    def _sparse(self, sparse: Any, place: str) -> dict[str, object]:
        _check_known(sparse, place)
        self._tensor(sparse.values, place)
        self._tensor(sparse.indices, f"{place}@indices")
        return {"tensor": place, "dims": [number(axis) for axis in sparse.dims]}


def _plain(value: Any, place: str) -> Any:
    """Return a scalar field or a list of them, canonical."""
    if isinstance(value, bool | str):
        return _text(value, place) if isinstance(value, str) else value
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"$hex": value.hex()}
    return [_plain(item, place) for item in value]


def _text(value: Any, place: str) -> str:
    """Return a text field; protobuf hands over bytes where a string is not UTF-8."""
    if not isinstance(value, str):
        raise InvalidInput("onnx.text", f"{place} holds a name that is not UTF-8", got=ascii(value)[:80])
    return value


def _check_known(message: Any, place: str) -> None:
    from google.protobuf.unknown_fields import UnknownFieldSet

    unknown = UnknownFieldSet(message)
    if len(unknown):
        raise InvalidInput(
            "onnx.unknown",
            f"{place} has a field that this version does not know",
            got=f"field {unknown[0].field_number} of {message.DESCRIPTOR.name}",
            hint="a newer onnx package may know it",
        )
