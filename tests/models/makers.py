"""Small model files for tests, well-formed and not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from tallystick.models.formats import safetensors
from tallystick.models.formats.onnx_tensors import External

_NAMES = {"f4": "F32", "f8": "F64", "f2": "F16", "i8": "I64", "i4": "I32", "u1": "U8", "b1": "BOOL"}

Array = np.ndarray[Any, Any]


def parts(weights: Mapping[str, Array]) -> list[tuple[str, str, tuple[int, ...], bytes]]:
    """Return arrays as the writer takes them."""
    return [
        (name, _NAMES[f"{array.dtype.kind}{array.dtype.itemsize}"], array.shape, array.tobytes())
        for name, array in weights.items()
    ]


def raw_file(header: object, data: bytes = b"", *, length: int | None = None) -> bytes:
    """Return a safetensors file with any header at all; `header` may be JSON text already."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def tensor(begin: int, end: int, *, dtype: str = "U8", shape: Sequence[int] | None = None) -> dict[str, object]:
    """Return one entry of a header, by default bytes that fill their place."""
    return {"dtype": dtype, "shape": [end - begin] if shape is None else list(shape), "data_offsets": [begin, end]}


def write_shards(folder: Path, weights: Mapping[str, Array], shards: int) -> None:
    """Write the weights into so many files with an index, dealing them out in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    index: dict[str, str] = {}
    for shard in range(shards):
        name = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        chosen = dict(list(weights.items())[shard::shards])
        (folder / name).write_bytes(safetensors.to_bytes(parts(chosen)))
        index |= dict.fromkeys(chosen, name)
    document = {"metadata": {"total_size": sum(array.nbytes for array in weights.values())}, "weight_map": index}
    (folder / "model.safetensors.index.json").write_text(json.dumps(document))


def linear_model(weight: Array | None = None, **options: Any) -> onnx.ModelProto:
    """Return y = x · W + b as ONNX."""
    weight = np.arange(6, dtype=np.float32).reshape(3, 2) if weight is None else weight
    nodes = [
        helper.make_node("MatMul", ["x", "W"], ["h"], name="first"),
        helper.make_node("Add", ["h", "b"], ["y"], name="second"),
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2])],
        [onnx.numpy_helper.from_array(weight, "W"), onnx.numpy_helper.from_array(np.ones(2, np.float32), "b")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], **options)


def node_model(*nodes: onnx.NodeProto, initializers: Sequence[TensorProto] = ()) -> onnx.ModelProto:
    """Return a model of these nodes and no declared inputs; nothing here is ever run."""
    return helper.make_model(helper.make_graph(list(nodes), "graph", [], [], list(initializers)))


def no_files() -> External:
    """Return a reader of external data that fails the test when asked."""

    def read(location: str, offset: int, size: int) -> Any:
        raise AssertionError(f"asked for {location}")

    return read
