"""The safetensors format read as evidence: every byte of the file accounted for, nothing loaded, nothing guessed.

    8 bytes   header length, little-endian
    header    JSON: name → {dtype, shape, data_offsets [begin, end)}, and `__metadata__` of texts; spaces may follow
    data      the tensors, without a gap and without an overlap

Stricter than loading needs: duplicate names and holes are refused, because either lets one file show two readers two
models. A pickle called `.safetensors` is refused by name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from tallystick.core import canonical, documents
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import (
    BLOB_CHUNK_BYTES,
    SAFE_INTEGER_MAX,
    SAFETENSORS_HEADER_BYTES_MAX,
    SAFETENSORS_MARKS_MAX,
    TENSORS_MAX,
)
from tallystick.core.manifest import FileEntry
from tallystick.core.names import check_name
from tallystick.models.formats.configs import parse_json
from tallystick.models.formats.tensors import Tensor, byte_size, check_shape
from tallystick.store.files import open_regular

_METADATA = "__metadata__"
_LENGTH_BYTES = 8
_DEPTH = 3  # the header, a tensor, its shape
# Element types of the format itself; ONNX knows others.
_DTYPES = frozenset(
    {
        "BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64", "F16", "BF16", "F32", "F64", "C64",
        "F8_E4M3", "F8_E4M3FNUZ", "F8_E5M2", "F8_E5M2FNUZ", "F8_E8M0", "F6_E2M3", "F6_E3M2", "F4",
    }
)  # fmt: skip
_DISGUISES = (
    (b"\x80\x02", "a pickle"), (b"\x80\x03", "a pickle"), (b"\x80\x04", "a pickle"), (b"\x80\x05", "a pickle"),
    (b"PK\x03\x04", "a zip archive, as PyTorch saves pickles"), (b"\x89HDF", "an HDF5 file"),
    (b"GGUF", "a GGUF file"),
)  # fmt: skip


@dataclass(frozen=True)
class Span:
    """One tensor of a header and where its bytes lie, counted from the beginning of the data."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def read_header(data: bytes) -> tuple[Span, ...]:
    """Return the tensors that the JSON of a header names, by place.

    raises  InvalidInput "safetensors.header", ".duplicate", ".offsets", ".size", ".metadata", "tensor.…", "name.form"
    """
    if data[:1] != b"{":
        raise InvalidInput("safetensors.header", "header does not begin with an object", got=ascii(data[:8]))
    marks = data.count(b":") + data.count(b",")
    if marks > SAFETENSORS_MARKS_MAX:  # before parsing, which would take thirty times the header's bytes of memory
        raise InvalidInput("safetensors.header", "header says too much", expected=f"≤ {SAFETENSORS_MARKS_MAX} : and ,")
    canonical.check_nesting(data, "header", _DEPTH)
    try:
        found = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("safetensors.header", "header is not UTF-8 JSON", got=str(error)[:120]) from None
    _check_metadata(found.pop(_METADATA, {}))
    if len(found) > TENSORS_MAX:
        raise InvalidInput("tensors.many", "too many tensors", expected=f"≤ {TENSORS_MAX}", got=len(found))
    spans = sorted((_read_span(name, item) for name, item in found.items()), key=lambda span: (span.begin, span.end))
    _check_contiguous(spans)
    return tuple(spans)


def read_file(path: Path, name: str) -> tuple[FileEntry, tuple[Tensor, ...]]:
    """Return the file as a manifest entry called `name` and its tensors, all from one reading.

    raises  InvalidInput as `read_header`, "safetensors.length", "safetensors.disguise" and those of store.files
    """
    with open_regular(path) as file:
        whole = hashlib.sha256()
        spans = _read_header_of(file, whole, name)
        tensors = []
        for span in spans:
            digest = hashlib.sha256()
            for piece in _pieces(file, span.end - span.begin, name):
                whole.update(piece)
                digest.update(piece)
            tensors.append(Tensor(span.name, span.dtype, span.shape, digest.digest()))
        _check_end(file, name)
        return FileEntry(name, file.tell(), whole.digest()), tuple(tensors)


def read_index(data: bytes, what: str) -> dict[str, str]:
    """Return which file each tensor lies in, by an index of shards (`model.safetensors.index.json`).

    raises  InvalidInput "safetensors.index" and those of `configs.parse_json`
    """
    found = parse_json(data, what)
    weights = found.get("weight_map") if isinstance(found, dict) else None
    if not isinstance(weights, dict) or not all(isinstance(shard, str) for shard in weights.values()):
        raise InvalidInput("safetensors.index", f"{what} maps no tensors to files", expected="weight_map")
    return {check_name(name, "tensor name"): check_name(shard) for name, shard in weights.items()}


def check_index(index: Mapping[str, str], shards: Mapping[str, Iterable[str]], what: str) -> None:
    """Return if each tensor is in the shard that the index names, and each named shard holds no other.

    shards  file name → names of the tensors in it
    raises  InvalidInput "safetensors.index"
    """
    held = {name: {*names} for name, names in shards.items()}
    for shard in sorted({*index.values()}):
        listed = {name for name, place in index.items() if place == shard}
        if shard not in held:
            raise InvalidInput("safetensors.index", f"{what} names a shard that is not there", got=ascii(shard))
        if listed != held[shard]:
            strays = ", ".join(sorted(listed ^ held[shard])[:5])
            raise InvalidInput("safetensors.index", f"{what} and {shard!a} disagree", got=ascii(strays))


def to_bytes(tensors: Iterable[tuple[str, str, tuple[int, ...], bytes]]) -> bytes:
    """Return a safetensors file of these (name, dtype, shape, bytes), sorted by name; the same input, the same bytes.

    raises  InvalidInput as `read_header`, "safetensors.size" when bytes and shape disagree
    """
    header: dict[str, object] = {}
    body = []
    end = 0
    for name, dtype, shape, data in sorted(tensors):
        begin, end = end, end + len(data)
        if name in header:
            raise InvalidInput("safetensors.duplicate", "two tensors have one name", got=ascii(name)[:200])
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
        body.append(data)
    encoded = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % _LENGTH_BYTES)  # so that the data is aligned, as other writers do
    read_header(encoded)
    return b"".join([len(encoded).to_bytes(_LENGTH_BYTES, "little"), encoded, *body])


def _read_header_of(file: BinaryIO, whole: Any, name: str) -> tuple[Span, ...]:
    start = file.read(_LENGTH_BYTES)
    length = int.from_bytes(start, "little")
    data = file.read(min(length, SAFETENSORS_HEADER_BYTES_MAX))
    if data[:1] != b"{":
        _refuse_disguise(start + data[:8], name)
    if len(start) < _LENGTH_BYTES or len(data) != length:
        raise InvalidInput("safetensors.length", f"{name} ends within its header", expected=length, got=len(data))
    whole.update(start + data)
    return read_header(data)


def _refuse_disguise(start: bytes, name: str) -> None:
    """Raise naming what a file that is no safetensors file looks like, where it is one of the usual."""
    for magic, disguise in _DISGUISES:
        if start.startswith(magic):
            raise InvalidInput(
                "safetensors.disguise",
                f"{name} is not safetensors but {disguise}",
                hint="it is never loaded here; convert it where it was made, or keep it under its own suffix",
            )


def _pieces(file: BinaryIO, size: int, name: str) -> Iterator[bytes]:
    while size:
        piece = file.read(min(size, BLOB_CHUNK_BYTES))
        if not piece:
            raise InvalidInput("safetensors.length", f"{name} ends within its data", expected=f"{size} bytes more")
        size -= len(piece)
        yield piece


def _check_end(file: BinaryIO, name: str) -> None:
    end = file.tell()
    if file.read(1):
        raise InvalidInput("safetensors.length", f"{name} goes on after its last tensor", expected=f"{end} bytes")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise InvalidInput("safetensors.duplicate", "header names something twice")
    return members


def _integer(text: str) -> int:
    if len(text) > 20:
        raise InvalidInput("safetensors.header", "header holds a huge number", got=f"{len(text)} digits")
    return int(text)


def _check_metadata(value: object) -> None:
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise InvalidInput("safetensors.metadata", "metadata is not a map of texts")


def _read_span(name: str, item: object) -> Span:
    check_name(name, "tensor name")
    what = f"tensor {name!a}"
    found = documents.members(item, what, ("dtype", "shape", "data_offsets"))
    dtype = documents.text(found["dtype"], f"{what} dtype", 40)
    shape = tuple(documents.listed(found["shape"], f"{what} shape", 1_024))
    if dtype not in _DTYPES:
        raise InvalidInput("tensor.dtype", f"{what} has an unknown element type", got=ascii(dtype))
    check_shape(shape, dtype, name)
    offsets = documents.listed(found["data_offsets"], f"{what} offsets", 2)
    if len(offsets) != 2:
        raise InvalidInput("safetensors.offsets", f"{what} has no begin and end", got=ascii(offsets))
    begin = documents.integer(offsets[0], f"{what} begin", 0, SAFE_INTEGER_MAX)
    end = documents.integer(offsets[1], f"{what} end", begin, SAFE_INTEGER_MAX)
    if end - begin != byte_size(shape, dtype, name):
        raise InvalidInput(
            "safetensors.size",
            f"{what} does not fill its bytes",
            expected=byte_size(shape, dtype, name),
            got=end - begin,
        )
    return Span(name, dtype, shape, begin, end)


def _check_contiguous(spans: list[Span]) -> None:
    at = 0
    for span in spans:
        if span.begin != at:
            fault = "overlaps the one before" if span.begin < at else "leaves a hole before it"
            raise InvalidInput("safetensors.offsets", f"tensor {span.name!a} {fault}", expected=at, got=span.begin)
        at = span.end
