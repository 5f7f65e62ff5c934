"""One ONNX tensor as bytes: whichever field or file holds its elements, the same little-endian row-major bytes.

ONNX stores an element either raw, in a typed list, or in a file beside the model. A tensor that fills two of them, or
too much or too little of one, would read differently in different runtimes and is refused.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from tallystick.core import documents
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import BLOB_CHUNK_BYTES, ONNX_EXTERNAL_READS_MAX
from tallystick.core.names import check_name
from tallystick.models.formats.tensors import DTYPE_BITS, Tensor, byte_size, check_shape
from tallystick.store.files import open_regular, safe_join

# TensorProto.DataType → our name of the element type and the typed field that may hold it.
_TYPES: Final = {
    1: ("F32", "float_data"), 2: ("U8", "int32_data"), 3: ("I8", "int32_data"), 4: ("U16", "int32_data"),
    5: ("I16", "int32_data"), 6: ("I32", "int32_data"), 7: ("I64", "int64_data"), 8: ("STRING", "string_data"),
    9: ("BOOL", "int32_data"), 10: ("F16", "int32_data"), 11: ("F64", "double_data"), 12: ("U32", "uint64_data"),
    13: ("U64", "uint64_data"), 14: ("C64", "float_data"), 15: ("C128", "double_data"), 16: ("BF16", "int32_data"),
    17: ("F8_E4M3", "int32_data"), 18: ("F8_E4M3FNUZ", "int32_data"), 19: ("F8_E5M2", "int32_data"),
    20: ("F8_E5M2FNUZ", "int32_data"), 21: ("U4", "int32_data"), 22: ("I4", "int32_data"), 23: ("F4", "int32_data"),
    24: ("F8_E8M0", "int32_data"), 25: ("U2", "int32_data"), 26: ("I2", "int32_data"), 27: ("F6_E2M3", "int32_data"),
    28: ("F6_E3M2", "int32_data"),
}  # fmt: skip
_STORED: Final = {"float_data": "<f4", "double_data": "<f8", "int64_data": "<i8", "uint64_data": "<u8"}
_DATA_FIELDS: Final = ("raw_data", "string_data", "int32_data", *_STORED)
_EXTERNAL: Final = 1  # TensorProto.DataLocation

# Lends the bytes [offset, offset + size) of a file beside the model.
External = Callable[[str, int, int], Iterator[bytes]]


def external_in(root: Path, model: str) -> External:
    """Return how to read files that the model file `model`, a name under `root`, keeps its tensors in.

    The reader raises InvalidInput "name.form" for a location outside the folder, "files.symlink", "files.missing",
    and "onnx.external" when the file is too short, or read so often that hashing it would never end.
    """
    asked: Counter[str] = Counter()

    def read(location: str, offset: int, size: int) -> Iterator[bytes]:
        name = check_name(posixpath.join(posixpath.dirname(model), location), "external data location")
        with open_regular(safe_join(root, name)) as file:
            held = os.fstat(file.fileno()).st_size
            if offset + size > held:  # before seeking, which fails in its own way beyond what a file system can hold
                raise InvalidInput("onnx.external", f"{name} is too short", expected=f"{offset + size} bytes", got=held)
            asked[name] += size
            if asked[name] > ONNX_EXTERNAL_READS_MAX * held:
                raise InvalidInput(
                    "onnx.external", f"the tensors in {name} overlap", expected=f"≤ {ONNX_EXTERNAL_READS_MAX} readings"
                )
            file.seek(offset)
            while size:
                piece = file.read(min(size, BLOB_CHUNK_BYTES))
                if not piece:
                    raise InvalidInput("onnx.external", f"{name} is too short", expected=f"{size} bytes more")
                size -= len(piece)
                yield piece

    return read


def read_tensor(proto: Any, name: str, external: External) -> Tensor:
    """Return the tensor of a TensorProto under the name `name`.

    raises  InvalidInput "onnx.tensor", "onnx.external", "tensor.dtype", "tensor.shape", and those of `external`
    """
    if proto.data_type not in _TYPES or proto.HasField("segment"):
        raise InvalidInput("onnx.tensor", f"tensor {name!a} has an unknown type or is a segment", got=proto.data_type)
    dtype, field = _TYPES[proto.data_type]
    shape = tuple(proto.dims)
    check_shape(shape, dtype, name)
    digest = hashlib.sha256()
    for piece in _pieces(proto, name, dtype, field, shape, external):
        digest.update(piece)
    return Tensor(name, dtype, shape, digest.digest())


def text_bytes(items: list[bytes]) -> bytes:
    """Return texts as tensor bytes: each as its length, 8 bytes little-endian, and itself."""
    return b"".join(len(item).to_bytes(8, "little") + item for item in items)


def _pieces(
    proto: Any, name: str, dtype: str, field: str, shape: tuple[int, ...], external: External
) -> Iterator[bytes]:
    filled = [candidate for candidate in _DATA_FIELDS if _is_filled(proto, candidate)]
    if proto.data_location == _EXTERNAL:
        if filled or dtype == "STRING":
            raise InvalidInput("onnx.tensor", f"tensor {name!a} lies both inside and outside", got=", ".join(filled))
        yield from _read_external(proto, name, byte_size(shape, dtype, name), external)
        return
    if proto.external_data or len(filled) > 1 or (filled and filled[0] not in ("raw_data", field)):
        raise InvalidInput(
            "onnx.tensor", f"tensor {name!a} is not stored as its type is", expected=field, got=", ".join(filled)
        )
    if dtype == "STRING":
        if filled == ["raw_data"]:
            raise InvalidInput("onnx.tensor", f"tensor {name!a} has raw text", expected="string_data")
        _check_count(name, count(shape), len(proto.string_data))
        yield text_bytes(list(proto.string_data))
        return
    data = proto.raw_data if filled == ["raw_data"] else _typed(proto, name, dtype, field, shape)
    _check_count(name, byte_size(shape, dtype, name), len(data))
    yield data


def count(shape: tuple[int, ...]) -> int:
    """Return how many elements a tensor of this shape has."""
    return byte_size(shape, "U8", "")


def _is_filled(proto: Any, field: str) -> bool:
    return bool(proto.HasField(field) if field == "raw_data" else len(getattr(proto, field)))


def _typed(proto: Any, name: str, dtype: str, field: str, shape: tuple[int, ...]) -> bytes:
    import numpy as np  # here: reading ONNX needs it, the rest of the room does not

    values = getattr(proto, field)
    if field != "int32_data":
        stored = np.fromiter(values, _STORED[field], len(values))
        if dtype == "U32":
            if stored.size and stored.max() >= 2**32:
                raise InvalidInput("onnx.tensor", f"tensor {name!a} holds a value beyond its type", expected="< 2**32")
            stored = stored.astype("<u4")
        return stored.tobytes()
    stored = np.fromiter(values, "<i4", len(values))
    bits = DTYPE_BITS[dtype]
    if bits == 32:
        return stored.tobytes()
    if bits == 6:
        _check_range(stored, 0, 64, name)
        _check_count(name, count(shape), stored.size)
        return np.packbits(
            np.unpackbits(stored.astype("u1")[:, None], axis=1, bitorder="little")[:, :6].ravel(), bitorder="little"
        ).tobytes()
    width = max(bits, 8)
    _check_range(stored, -(2 ** (width - 1)), 2**width, name)
    return stored.astype(f"<i{width // 8}").tobytes()


def _check_range(stored: Any, least: int, below: int, name: str) -> None:
    if stored.size and not (stored.min() >= least and stored.max() < below):
        raise InvalidInput(
            "onnx.tensor", f"tensor {name!a} holds a value beyond its type", expected=f"{least} to {below - 1}"
        )


def _check_count(name: str, expected: int, got: int) -> None:
    if expected != got:
        raise InvalidInput("onnx.tensor", f"tensor {name!a} does not fill its shape", expected=expected, got=got)


def _read_external(proto: Any, name: str, size: int, external: External) -> Iterator[bytes]:
    entries = {entry.key: entry.value for entry in proto.external_data}
    if len(entries) != len(proto.external_data) or not {*entries} <= {"location", "offset", "length", "checksum"}:
        raise InvalidInput("onnx.external", f"tensor {name!a} has unknown or repeated places", got=ascii(entries)[:120])
    offset = documents.decimal(entries.get("offset", "0"), "external offset", 2**63 - 1)
    length = documents.decimal(entries.get("length", str(size)), "external length", 2**63 - 1)
    if length != size:
        raise InvalidInput("onnx.external", f"tensor {name!a} does not fill its shape", expected=size, got=length)
    yield from external(documents.text(entries.get("location"), "external location", 1_024), offset, size)
