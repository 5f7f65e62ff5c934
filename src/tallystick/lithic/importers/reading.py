"""The graph followed once, with symbols for what depends on the input: an abstract interpretation.

Only nodes that an output needs are looked at. How an operator is read stands in `operators`; what comes out becomes a
model in `decision` and `chain`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tallystick.core.errors import InvalidInput
from tallystick.core.limits import ONNX_KERNEL_HELD_MAX
from tallystick.lithic.floats import FloatModel, Task
from tallystick.lithic.importers.chain import steps_of
from tallystick.lithic.importers.decision import decision_of
from tallystick.lithic.importers.graph import Graph, domain_of, read_graph
from tallystick.lithic.importers.linear import Layer, Source
from tallystick.lithic.importers.node import Node, shown
from tallystick.lithic.importers.operators import ML_DOMAIN, OPERATORS
from tallystick.lithic.importers.values import Choice, Curve, Numbers, Value

_OPSET_MIN = 7  # broadcasting was another thing before
_ML_OPSET_MIN = 1


def model_of(
    data: bytes, name: str, output: str | None, task: Task | None, features: Sequence[str], labels: Sequence[str]
) -> FloatModel:
    """Return the model of an ONNX file; see `importers.read_onnx`."""
    graph = read_graph(data)
    if output is not None and output not in graph.outputs:
        raise InvalidInput(
            "onnx.output", "no such output", expected=", ".join(map(shown, graph.outputs[:16])), got=shown(output)
        )
    wanted = (output,) if output is not None else graph.outputs
    with np.errstate(all="ignore"):  # what is no number is looked for after each node
        values = _followed(graph, wanted)
        decision = decision_of({one: values[one] for one in wanted}, task, labels)
        steps = steps_of(decision.scores)
    columns = _columns(graph)
    if features and len(features) != len(columns):
        raise InvalidInput("onnx.output", "a name for each feature", expected=len(columns), got=len(features))
    return FloatModel(
        name=name,
        features=tuple(features) or columns,
        steps=steps,
        task=decision.task,
        labels=decision.labels,
        threshold=decision.threshold,
        link=decision.link,
    )


def _columns(graph: Graph) -> tuple[str, ...]:
    """Return a name for each number of the input."""
    names: list[str] = []
    for name, shape in graph.inputs.items():
        count = int(np.prod(shape))
        names += [name] if count == 1 else [f"{name}_{k}" for k in range(count)]
    return tuple(names)


def _followed(graph: Graph, wanted: Sequence[str]) -> dict[str, Value]:
    values: dict[str, Value] = dict(graph.constants)
    source = Layer(Source(sum(int(np.prod(shape)) for shape in graph.inputs.values())))
    start = 0
    for name, shape in graph.inputs.items():
        count = int(np.prod(shape))
        values[name] = Numbers(shape, source.all.take(np.arange(start, start + count)))
        start += count
    needed = _needed(graph, wanted)
    held = 0
    for node in graph.nodes:
        if needed.isdisjoint(node.output):
            continue
        outputs = _read(graph, node, values)
        for given, value in zip(node.output, outputs, strict=False):
            if given:
                values[given] = value
                held += _checked(value, node.op_type)
        if held > ONNX_KERNEL_HELD_MAX:
            raise InvalidInput(
                "onnx.size", "the values of the graph are too many", expected=f"≤ {ONNX_KERNEL_HELD_MAX}"
            )
    missing = [one for one in wanted if one not in values]
    if missing:
        raise InvalidInput("onnx.graph", "an output is given by no node", got=shown(missing[0]))
    return values


def _needed(graph: Graph, wanted: Sequence[str]) -> set[str]:
    needed = set(wanted)
    for node in reversed(graph.nodes):
        if not needed.isdisjoint(node.output):
            needed.update(node.input)
    return needed - {""}


def _read(graph: Graph, proto: object, values: dict[str, Value]) -> list[Value]:
    domain, name = domain_of(proto), proto.op_type  # type: ignore[attr-defined]
    opset = graph.opsets.get(domain)
    missing = [one for one in proto.input if one and one not in values]  # type: ignore[attr-defined]
    if missing:
        raise InvalidInput("onnx.graph", "an operator gives fewer outputs than are taken", got=shown(missing[0]))
    node = Node(proto, [values[one] if one else None for one in proto.input], opset or 1)  # type: ignore[attr-defined]
    operator = OPERATORS.get((domain, name))
    if operator is None:
        raise node.unsupported("this operator is not supported", "docs/lithic/onnx.md lists those that are")
    if opset is None or opset < (_ML_OPSET_MIN if domain == ML_DOMAIN else _OPSET_MIN):
        raise node.unsupported(
            "the file does not say which version of it, or an old one", f"export with opset {_OPSET_MIN} or later"
        )
    outputs = operator.read(node)
    node.check_attributes()
    return [np.asarray(value) if isinstance(value, np.generic) else value for value in outputs]


def _checked(value: Value, operator: str) -> int:
    """Return how many numbers a value holds; raises InvalidInput "onnx.value" when one is none."""
    if isinstance(value, Numbers | Curve | Choice):
        linear = value.linear if isinstance(value, Numbers) else value.scores
        if not (np.isfinite(linear.weights).all() and np.isfinite(linear.bias).all()):
            raise InvalidInput("onnx.value", f"{shown(operator)} makes what is no number", got="NaN or infinite")
        return linear.size
    return int(value.size) if isinstance(value, np.ndarray) else 0
