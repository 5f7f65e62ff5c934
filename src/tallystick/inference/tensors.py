"""Open Inference Protocol v2 tensors in JSON: read strictly into numpy, and written back.

Strict means: no duplicate or unknown tensors, exact datatypes, shapes that fit the model and the data, numbers that the
datatype holds, no NaN and no infinity, bounded sizes. What cannot be read one way only is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import orjson

from tallystick.core import canonical, documents
from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import (
    PREDICT_BODY_BYTES_MAX,
    PREDICT_ELEMENTS_MAX,
    PREDICT_JSON_DEPTH_MAX,
    PREDICT_NAME_CHARS_MAX,
    PREDICT_RANK_MAX,
    PREDICT_TENSORS_MAX,
)

if TYPE_CHECKING:
    import numpy as np

_FLOATS = {"FP16": "float16", "FP32": "float32", "FP64": "float64"}
_INTEGERS = {f"{sign}INT{bits}": f"{sign.lower()}int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)}

DTYPES = {"BOOL": "bool", "BYTES": "object", **_FLOATS, **_INTEGERS}
"""numpy dtype of each datatype of the protocol; BYTES are strings here."""


@dataclass(frozen=True)
class Tensor:
    """What a model wants or gives: a name, a datatype of the protocol, and a shape where -1 varies."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Request:
    """A request that was read: arrays by input name, the outputs asked for in order, and what digests to its params."""

    id: str
    arrays: Mapping[str, np.ndarray[Any, Any]]
    outputs: tuple[str, ...]
    params_digest: bytes


def read_request(body: bytes, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> Request:
    """Return the request that `body` makes of a model with these inputs and outputs.

    raises  InvalidInput "predict.*", "document.*", "canonical.*"
    """
    found = documents.members(_parse(body), "request", ("inputs",), ("id", "outputs", "parameters"))
    request_id = documents.text(found.get("id", ""), "id", PREDICT_NAME_CHARS_MAX)
    known = {tensor.name: tensor for tensor in inputs}
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for value in documents.listed(found["inputs"], "inputs", PREDICT_TENSORS_MAX):
        names = ("name", "shape", "datatype", "data")
        tensor = documents.members(value, "input", names, ("parameters",))
        _check_parameters(tensor.get("parameters"), "input")
        name = documents.text(tensor["name"], "input name", PREDICT_NAME_CHARS_MAX)
        if name not in known or name in arrays:
            raise InvalidInput(
                "predict.input", "unknown or repeated input", expected=", ".join(known), got=ascii(name)[:80]
            )
        arrays[name] = _read_tensor(known[name], tensor)
    if len(arrays) != len(known):
        missing = ", ".join(sorted(set(known) - set(arrays)))
        raise InvalidInput("predict.input", "request lacks inputs", expected=missing)
    wanted = _read_outputs(found.get("outputs"), outputs)
    return Request(request_id, arrays, wanted, _params_digest(found.get("parameters", {}), wanted))


def write_answer(
    request_id: str, model_name: str, model_version: str, outputs: Sequence[tuple[Tensor, np.ndarray[Any, Any]]]
) -> bytes:
    """Return the response body: flat data, floats in the fewest digits that read back to the same bits.

    raises  InvalidInput "predict.not_finite" when the model answered NaN or infinity, which JSON cannot say
    """
    import numpy as np

    written = []
    for tensor, array in outputs:
        if tensor.datatype in _FLOATS and not np.isfinite(array).all():
            raise InvalidInput("predict.not_finite", f"the model's {tensor.name} is not finite for this input")
        flat = array.reshape(-1)
        data = flat.tolist() if tensor.datatype in ("BYTES", "FP16") else flat
        written.append({"name": tensor.name, "shape": list(array.shape), "datatype": tensor.datatype, "data": data})
    answer: dict[str, object] = {"id": request_id} if request_id else {}
    answer |= {"model_name": model_name, "model_version": model_version, "outputs": written}
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)


def read_answer(body: bytes) -> dict[str, np.ndarray[Any, Any]]:
    """Return the arrays of a response that `write_answer` wrote, by output name.

    raises  InvalidInput
    """
    required = ("model_name", "model_version", "outputs")
    found = documents.members(_parse(body), "answer", required, ("id",))
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for value in documents.listed(found["outputs"], "outputs", PREDICT_TENSORS_MAX):
        tensor = documents.members(value, "output", ("name", "shape", "datatype", "data"))
        name = documents.text(tensor["name"], "output name", PREDICT_NAME_CHARS_MAX)
        shape = _read_shape(tensor["shape"])
        arrays[name] = _read_tensor(Tensor(name, _datatype(tensor["datatype"]), shape), tensor)
    return arrays


def _parse(body: bytes) -> object:
    if len(body) > PREDICT_BODY_BYTES_MAX:
        raise InvalidInput("predict.size", "body is too large", expected=f"≤ {PREDICT_BODY_BYTES_MAX}", got=len(body))
    canonical.check_nesting(body, "request", PREDICT_JSON_DEPTH_MAX)
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("predict.json", "body is not UTF-8 JSON", got=str(error)[:120]) from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise InvalidInput("predict.duplicate", "an object has a duplicate key")
    return members


def _no_constant(text: str) -> object:
    raise InvalidInput("predict.not_finite", "JSON has no such number", got=text)


def _datatype(value: object) -> str:
    datatype = documents.text(value, "datatype", 16)
    if datatype not in DTYPES:
        raise InvalidInput("predict.datatype", "unknown datatype", expected=", ".join(DTYPES), got=ascii(datatype))
    return datatype


def _read_shape(value: object) -> tuple[int, ...]:
    sizes = documents.listed(value, "shape", PREDICT_RANK_MAX)
    shape = tuple(documents.integer(size, "dimension", 0, PREDICT_ELEMENTS_MAX) for size in sizes)
    if prod(shape) > PREDICT_ELEMENTS_MAX:
        raise InvalidInput("predict.shape", "tensor is too large", expected=f"≤ {PREDICT_ELEMENTS_MAX}", got=shape)
    return shape


def _read_tensor(wanted: Tensor, found: Mapping[str, object]) -> np.ndarray[Any, Any]:
    import numpy as np

    datatype = _datatype(found["datatype"])
    if datatype != wanted.datatype:
        raise InvalidInput("predict.datatype", f"{wanted.name} is not that", expected=wanted.datatype, got=datatype)
    shape = _read_shape(found["shape"])
    fits = len(shape) == len(wanted.shape)
    if not fits or any(size != want for size, want in zip(shape, wanted.shape, strict=True) if want >= 0):
        raise InvalidInput("predict.shape", f"{wanted.name} has another shape", expected=wanted.shape, got=shape)
    flat = _flatten(documents.typed(found["data"], list, "data"), shape)
    _check_values(flat, datatype, wanted.name)
    try:
        with np.errstate(over="ignore"):
            array = np.array(flat, dtype=DTYPES[datatype])
    except OverflowError:
        raise InvalidInput("predict.range", f"{wanted.name} holds a number that {datatype} cannot") from None
    if datatype in _FLOATS and not np.isfinite(array).all():
        raise InvalidInput("predict.range", f"{wanted.name} holds a number that {datatype} cannot")
    return array.reshape(shape)


def _flatten(data: list[Any], shape: tuple[int, ...]) -> list[Any]:
    """Return the elements in row-major order; nested as the shape says, or flat already."""
    if not data or type(data[0]) is not list:
        if len(data) != prod(shape):
            raise InvalidInput("predict.data", "data does not fill its shape", expected=prod(shape), got=len(data))
        return data
    for place, size in enumerate(shape):
        rows = data if place else [data]
        if any(type(row) is not list or len(row) != size for row in rows):
            raise InvalidInput("predict.data", "data is not nested as its shape says", expected=shape)
        data = [item for row in rows for item in row]
    return data


def _check_values(flat: list[Any], datatype: str, name: str) -> None:
    kinds = set(map(type, flat))
    allowed: set[type] = {float, int} if datatype in _FLOATS else {int}
    if datatype in ("BOOL", "BYTES"):
        allowed = {bool} if datatype == "BOOL" else {str}
    if not kinds <= allowed:
        strange = ", ".join(sorted(kind.__name__ for kind in kinds - allowed))
        raise InvalidInput("predict.type", f"{name} holds values that are not {datatype}", got=strange)


def _read_outputs(value: object, outputs: Sequence[Tensor]) -> tuple[str, ...]:
    known = tuple(tensor.name for tensor in outputs)
    if value is None or value == []:
        return known
    wanted = []
    for item in documents.listed(value, "outputs", PREDICT_TENSORS_MAX):
        found = documents.members(item, "output", ("name",), ("parameters",))
        _check_parameters(found.get("parameters"), "output")
        name = documents.text(found["name"], "output name", PREDICT_NAME_CHARS_MAX)
        if name not in known or name in wanted:
            expected = ", ".join(known)
            raise InvalidInput("predict.output", "unknown or repeated output", expected=expected, got=ascii(name)[:80])
        wanted.append(name)
    return tuple(wanted)


def _check_parameters(parameters: object, what: str) -> None:
    """Refuse parameters of a tensor, which have no meaning here; `"binary_data": false` only says what is so anyway."""
    is_plain = (
        isinstance(parameters, dict) and list(parameters) == ["binary_data"] and parameters["binary_data"] is False
    )
    if parameters and not is_plain:
        raise InvalidInput(
            "predict.parameters",
            f"parameters of an {what} have no meaning here, and tensors are JSON",
            expected='none, or {"binary_data":false}',
        )


def _params_digest(parameters: object, outputs: tuple[str, ...]) -> bytes:
    """Return SHA-256 of the canonical JSON of what shaped the answer besides the inputs."""
    found = documents.typed(parameters, dict, "parameters")
    return sha256(canonical.encode({"outputs": list(outputs), "parameters": found}))
