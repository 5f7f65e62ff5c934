"""The bytes of an ONNX file as a graph: inputs of fixed width, constants, and nodes in an order that can be followed.

Nothing here is run. A name that is defined twice, a node that takes what no earlier one gave (so that there is a
cycle), functions, sparse tensors and numbers in other files are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from tallystick.core.errors import InvalidInput
from tallystick.core.limits import KERNEL_FIELDS_MAX, ONNX_KERNEL_BYTES_MAX, ONNX_KERNEL_NODES_MAX
from tallystick.lithic.importers.node import shown
from tallystick.lithic.importers.tensors import array_of
from tallystick.lithic.importers.values import Constant, check_shape

_NUMBERS = frozenset({1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13})  # TensorProto.DataType


@dataclass(frozen=True, eq=False)
class Graph:
    """What is known of a graph before it is followed.

    inputs   the shape of each, a free first axis counted as 1
    opsets   version of each domain
    """

    inputs: dict[str, tuple[int, ...]]
    constants: dict[str, Constant]
    nodes: tuple[Any, ...]
    outputs: tuple[str, ...]
    opsets: dict[str, int]


def read_graph(data: bytes) -> Graph:
    """Return the graph of a serialised ModelProto.

    raises  InvalidInput "onnx.parse", "onnx.graph", "onnx.size", "onnx.unknown", "onnx.shape", and those of `array_of`
    """
    if len(data) > ONNX_KERNEL_BYTES_MAX:
        raise InvalidInput("onnx.size", "the file is too large", expected=f"≤ {ONNX_KERNEL_BYTES_MAX}", got=len(data))
    try:
        model = onnx.ModelProto.FromString(data)
    except DecodeError:
        raise InvalidInput(
            "onnx.parse", "not an ONNX model",
            hint="export the model with skl2onnx, torch.onnx or onnxmltools; a pickle or a checkpoint is none",
        ) from None  # fmt: skip
    if not model.HasField("graph"):
        raise InvalidInput("onnx.graph", "the model holds no graph")
    graph = model.graph
    if len(model.functions) or len(graph.sparse_initializer) or len(graph.quantization_annotation):
        raise InvalidInput("onnx.graph", "functions, sparse and quantised tensors are not read")
    if len(graph.node) > ONNX_KERNEL_NODES_MAX:
        raise InvalidInput("onnx.size", "too many nodes", expected=f"≤ {ONNX_KERNEL_NODES_MAX}", got=len(graph.node))
    for message in _messages(model):
        _check_known(message)
    constants = {_name(tensor.name): array_of(tensor, shown(tensor.name)) for tensor in graph.initializer}
    if len(constants) != len(graph.initializer):
        raise InvalidInput("onnx.graph", "two tensors have one name")
    given = [value for value in graph.input if value.name not in constants]  # old files list their weights as inputs
    inputs = {_name(value.name): _input_shape(value) for value in given}
    if not inputs or len(inputs) != len(given):
        raise InvalidInput("onnx.graph", "the graph has no input, or one twice")
    total = sum(int(np.prod(shape)) for shape in inputs.values())
    if not 1 <= total <= KERNEL_FIELDS_MAX:
        raise InvalidInput("onnx.size", "too many inputs, or none", expected=f"1 to {KERNEL_FIELDS_MAX}", got=total)
    outputs = tuple(_name(value.name) for value in graph.output)
    _check_order(graph, {*inputs, *constants}, outputs)
    opsets = {_domain(item.domain): int(item.version) for item in model.opset_import}
    return Graph(inputs, constants, tuple(graph.node), outputs, opsets)


def domain_of(node: Any) -> str:
    """Return the domain of a node; the standard one has two spellings."""
    return _domain(node.domain)


def _domain(domain: Any) -> str:
    return "" if domain == "ai.onnx" else _name(domain, may_be_empty=True)


def _messages(model: Any) -> Iterator[Any]:
    yield model
    yield model.graph
    yield from model.graph.initializer
    for node in model.graph.node:
        yield node
        for attribute in node.attribute:
            yield attribute
            if attribute.HasField("t"):
                yield attribute.t


def _check_known(message: Any) -> None:
    unknown = UnknownFieldSet(message)
    if len(unknown):
        raise InvalidInput(
            "onnx.unknown",
            "the file has a field that this version does not know",
            got=f"field {unknown[0].field_number} of {message.DESCRIPTOR.name}",
            hint="a newer onnx package may know it",
        )


def _name(value: Any, *, may_be_empty: bool = False) -> str:
    if not isinstance(value, str) or not (value or may_be_empty):
        raise InvalidInput("onnx.text", "a tensor has no name, or one that is not UTF-8", got=shown(value))
    return value


def _input_shape(value: Any) -> tuple[int, ...]:
    """Return the shape of an input, for a batch of one row."""
    place, tensor = f"input {shown(value.name)}", value.type.tensor_type
    if not value.type.HasField("tensor_type") or tensor.elem_type not in _NUMBERS:
        raise InvalidInput("onnx.graph", f"{place} is no tensor of numbers", hint="encode text as numbers first")
    if not tensor.HasField("shape") or not len(tensor.shape.dim):
        raise InvalidInput(
            "onnx.shape", f"{place} has no shape", hint="export the model with a fixed number of features"
        )
    axes = [int(axis.dim_value) if axis.HasField("dim_value") else 0 for axis in tensor.shape.dim]
    if len(axes) > 1 and axes[0] > 1:
        raise InvalidInput(
            "onnx.shape", f"{place} is a fixed batch", expected="1", got=axes[0], hint="export with a free first axis"
        )
    axes[0] = axes[0] or 1
    if min(axes) < 1:
        raise InvalidInput(
            "onnx.shape",
            f"{place} has a free axis beside the first",
            got=shown(axes),
            hint="export the model with a fixed number of features",
        )
    check_shape(tuple(axes))
    return tuple(axes)


def _check_order(graph: Any, known: set[str], outputs: tuple[str, ...]) -> None:
    """Return if every node takes what is known before it and gives what is new: so that there is no cycle."""
    for node in graph.node:
        for name in node.input:
            if name and name not in known:
                raise InvalidInput(
                    "onnx.graph",
                    f"node {shown(node.name or node.op_type)} takes what no node before it gives",
                    got=shown(name),
                )
        for name in node.output:
            if name and _name(name) in known:
                raise InvalidInput("onnx.graph", "two values have one name", got=shown(name))
            known.add(name)
    if not outputs or len(set(outputs)) != len(outputs) or not known.issuperset(outputs):
        raise InvalidInput("onnx.graph", "the outputs of the graph are not all given, or one is named twice")
