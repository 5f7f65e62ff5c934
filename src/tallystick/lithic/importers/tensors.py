"""Tensors stored in an ONNX file as arrays: floats become float64, every other type stays; what lies in other files
is refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tallystick.core.errors import InvalidInput
from tallystick.lithic.importers.values import Constant, check_shape

_STRING = 8
# TensorProto.DataType → the type of its elements, the typed field that may hold them
_TYPES: dict[int, tuple[str, str]] = {
    1: ("<f4", "float_data"), 2: ("<u1", "int32_data"), 3: ("<i1", "int32_data"), 4: ("<u2", "int32_data"),
    5: ("<i2", "int32_data"), 6: ("<i4", "int32_data"), 7: ("<i8", "int64_data"), 9: ("?", "int32_data"),
    11: ("<f8", "double_data"), 12: ("<u4", "uint64_data"), 13: ("<u8", "uint64_data"),
}  # fmt: skip
_FIELDS = ("raw_data", "string_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data")


def array_of(proto: Any, place: str) -> Constant:
    """Return the tensor of a TensorProto.

    raises  InvalidInput "onnx.external", "onnx.tensor", "onnx.shape", "onnx.size"
    """
    if proto.data_location or len(proto.external_data):
        raise InvalidInput(
            "onnx.external", f"{place} keeps numbers in another file", hint="save the model with its weights inside"
        )
    shape = tuple(int(axis) for axis in proto.dims)
    check_shape(shape)
    count = int(np.prod(shape, dtype=np.int64))
    if proto.data_type == _STRING:
        values = _texts(proto, place)
    elif proto.data_type in _TYPES and not proto.HasField("segment"):
        values = _values(proto, *_TYPES[proto.data_type], place)
    else:
        raise InvalidInput("onnx.tensor", f"{place} has a type that kernels do not read", got=proto.data_type)
    if len(values) != count:
        raise InvalidInput("onnx.tensor", f"{place} does not fill its shape", expected=count, got=len(values))
    return values.reshape(shape)


def _values(proto: Any, dtype: str, field: str, place: str) -> Constant:
    filled = [name for name in _FIELDS if len(getattr(proto, name))]
    if len(filled) > 1 or (filled and filled[0] not in ("raw_data", field)):
        raise InvalidInput("onnx.tensor", f"{place} is not stored as its type is", expected=field, got=filled)
    if filled == ["raw_data"]:
        raw = proto.raw_data
        if len(raw) % np.dtype(dtype).itemsize:
            raise InvalidInput("onnx.tensor", f"{place} ends within an element", got=f"{len(raw)} bytes")
        values = np.frombuffer(raw, "<u1" if dtype == "?" else dtype)
    else:
        values = np.array(getattr(proto, field), dtype=np.float64 if "f" in dtype else object)
    if "f" in dtype:
        return values.astype(np.float64)
    return np.array([bool(value) for value in values]) if dtype == "?" else _within(values, dtype, place)


def _within(values: Constant, dtype: str, place: str) -> Constant:
    bounds = np.iinfo(dtype)
    least, most = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    if least < bounds.min or most > min(bounds.max, np.iinfo(np.int64).max):
        raise InvalidInput("onnx.tensor", f"{place} holds a value beyond its type, or 64 bits", expected=dtype)
    return values.astype(np.int64)


def _texts(proto: Any, place: str) -> Constant:
    try:
        return np.array([bytes(value).decode() for value in proto.string_data], dtype=object)
    except UnicodeDecodeError:
        raise InvalidInput("onnx.text", f"{place} holds text that is not UTF-8") from None
