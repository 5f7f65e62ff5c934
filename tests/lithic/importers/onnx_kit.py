"""What the tests of the importer share: small graphs, onnxruntime as the judge, and probabilities from scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
from onnx import NodeProto, TensorProto, helper

from tallystick.lithic.floats import FloatModel, evaluate

ML = "ai.onnx.ml"
Array = np.ndarray[Any, np.dtype[Any]]


def graph(
    nodes: Sequence[NodeProto],
    width: int | Sequence[int],
    *,
    outputs: Sequence[str] = ("y",),
    constants: dict[str, Array] | None = None,
    opset: int = 18,
    ml: int = 3,
) -> bytes:
    """Return a model of these nodes, from `x` of so many columns, or of this shape after the free axis."""
    shape = [None, *([width] if isinstance(width, int) else width)]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    results = [helper.make_empty_tensor_value_info(name) for name in outputs]
    tensors = [tensor(name, value) for name, value in (constants or {}).items()]
    made = helper.make_graph(list(nodes), "g", [given], results, tensors)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(ML, ml)]
    return bytes(helper.make_model(made, opset_imports=opsets, ir_version=9).SerializeToString())


def tensor(name: str, value: Array) -> TensorProto:
    """Return an array as a tensor: float32, int64 or text."""
    array = np.asarray(value)
    kind = {"f": TensorProto.FLOAT, "i": TensorProto.INT64, "b": TensorProto.BOOL}.get(
        array.dtype.kind, TensorProto.STRING
    )
    return helper.make_tensor(name, kind, array.shape, array.ravel().tolist())


def node(operator: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: object) -> NodeProto:
    """Return a node of the standard operators."""
    return helper.make_node(operator, inputs, outputs, **attributes)


def ml_node(operator: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: object) -> NodeProto:
    """Return a node of the operators of classical models."""
    return helper.make_node(operator, inputs, outputs, domain=ML, **attributes)


def run(data: bytes, rows: Array) -> list[Any]:
    """Return what onnxruntime answers, row by row, each output as an array of (rows, …)."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    name, shape = session.get_inputs()[0].name, session.get_inputs()[0].shape
    rows = rows.astype(np.float32)
    if isinstance(shape[0], int):  # a fixed batch of one
        answers = [session.run(None, {name: row.reshape(shape)}) for row in rows]
        return [_array([entry for answer in answers for entry in answer[k]]) for k in range(len(answers[0]))]
    return [_array(answer) for answer in session.run(None, {name: rows.reshape(-1, *shape[1:])})]


def _array(answer: Any) -> Array:
    """Return an output as an array; a list of maps from labels to probabilities loses the labels."""
    if isinstance(answer, list) and isinstance(answer[0], dict):
        return np.array([list(row.values()) for row in answer])
    return np.asarray(answer)


def scores_of(model: FloatModel, rows: Array) -> Array:
    """Return the scores for rows as a runtime sees them, rounded to float32."""
    flat = rows.astype(np.float32).astype(np.float64).reshape(len(rows), -1)
    return np.asarray(evaluate(model, flat)[-1])


def probabilities(model: FloatModel, scores: Array) -> Array:
    """Return the probabilities that the link of a model makes of its scores, a column for each class."""
    if model.link == "sigmoid":
        share = 1.0 / (1.0 + np.exp(-np.clip(scores[:, 0], -700, 700)))
        return np.stack([1.0 - share, share], axis=1)
    if model.link == "softmax":
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))
    return scores
