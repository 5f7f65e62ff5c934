"""Graphs drawn from a seed, with attributes that make no sense, are accepted or refused and nothing else."""

from __future__ import annotations

import os
import random
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import NodeProto, TensorProto, helper

from tallystick.core.errors import InvalidInput
from tallystick.lithic.importers import read_onnx, supported_operators
from tests.lithic.importers.onnx_kit import Array, graph, run, scores_of, tensor

GRAPHS = 20_000 if os.environ.get("TALLYSTICK_LONG") else 600
RUNTIME_REFUSALS = tuple(
    getattr(onnxruntime.capi.onnxruntime_pybind11_state, name)
    for name in ("Fail", "InvalidArgument", "InvalidGraph", "NotImplemented", "RuntimeException")
)
KINDS = ("INT", "FLOAT", "STRING", "INTS", "FLOATS", "STRINGS", "TENSOR")
OPERATORS = supported_operators()
INTEGERS = (0, 1, 2, 3, -1, -2, 5, 7, 64, 2**31, -(2**63), 2**63 - 1)
REALS = (0.0, 1.0, -1.0, 0.5, 1e30, float("nan"), float("inf"), -float("inf"))
TEXTS = (
    "",
    "NONE",
    "SOFTMAX",
    "LOGISTIC",
    "L1",
    "SAME_UPPER",
    "VALID",
    "BRANCH_LEQ",
    "LEAF",
    "BRANCH_EQ",
    "a",
    "\u00e9",
)


def _attribute(kind: str, draw: random.Random) -> Any:
    size = draw.choice((1, 2, 3, 4))
    match kind:
        case "INT":
            return draw.choice((0, 1, draw.choice(INTEGERS)))
        case "FLOAT":
            return draw.choice((0.5, 1.0, draw.choice(REALS)))
        case "STRING":
            return draw.choice(TEXTS)
        case "INTS":
            return [draw.choice((0, 1, 1, 2, draw.choice(INTEGERS))) for _ in range(size)]
        case "FLOATS":
            return [draw.choice((0.5, 1.0, draw.choice(REALS))) for _ in range(size)]
        case "STRINGS":
            return [draw.choice(TEXTS) for _ in range(size)]
    return tensor("t", _array(draw))


def _node(draw: random.Random, known: list[str], output: str, opset: int) -> NodeProto:
    """Return a node with attributes that its operator has, now and then of another type, or with an output too many."""
    domain, operator, _ = draw.choice(OPERATORS)
    try:
        schema = onnx.defs.get_schema(operator, 5 if domain else opset, domain)
    except onnx.defs.SchemaError:  # of a later version
        schema = onnx.defs.get_schema(operator, domain=domain)
    attributes = {}
    for name, attribute in schema.attributes.items():
        if attribute.required or draw.random() < 0.15:
            kind = draw.choice(KINDS) if draw.random() < 0.05 else attribute.type.name
            if kind in KINDS:
                attributes[name] = _attribute(kind, draw)
    count = draw.randint(schema.min_input, min(schema.max_input, schema.min_input + 2))
    inputs = [draw.choice([known[-1], known[-1], draw.choice(known), ""][: 4 if at else 2]) for at in range(count)]
    outputs = [output, f"{output}_more"][: 2 if draw.random() < 0.05 else schema.min_output]
    return helper.make_node(operator, inputs, outputs, domain=domain, **attributes)


def _array(draw: random.Random) -> Array:
    shape = [draw.choice((0, 1, 2, 3, 4)) for _ in range(draw.randrange(4))]
    count = int(np.prod(shape, dtype=int))
    match draw.randrange(4):
        case 0:
            return np.array([draw.choice(INTEGERS[:8]) for _ in range(count)], dtype=np.int64).reshape(shape)
        case 1:
            return np.array([draw.choice(TEXTS) for _ in range(count)], dtype=object).reshape(shape)
        case 2:
            return np.array([draw.choice((True, False)) for _ in range(count)], dtype=bool).reshape(shape)
    return np.array([draw.choice(REALS) for _ in range(count)], dtype=float).reshape(shape)


def drawn(seed: int) -> bytes:
    """Return a graph of a few nodes, mostly of operators that are known, over constants of odd shapes."""
    draw = random.Random(seed)
    constants = {f"c{k}": _array(draw) for k in range(3)}
    constants |= {"i": np.array([0, 1]), "m": np.ones((4, 4)), "one": np.array(1.0), "a": np.array([1])}
    known, nodes = [*constants, "x"], []
    opset = draw.choice((7, 9, 11, 13, 18, 21))
    for at in range(draw.randrange(1, 5)):
        nodes.append(_node(draw, known, f"y{at}", opset))
        known.append(f"y{at}")
    width: Any = draw.choice((1, 4, 6, (1, 4, 4), (2, 3), (2, 2, 2)))
    return graph(
        nodes, width, outputs=[known[-1]], constants=constants, opset=draw.choice((7, 9, 11, 13, 18, 21)), ml=5
    )


def test_a_random_graph_is_accepted_or_refused_and_nothing_else() -> None:
    accepted = 0
    for seed in range(GRAPHS):
        try:
            read_onnx(drawn(seed), name="random", task=(None, "classes", "clusters")[seed % 3])
        except InvalidInput:
            continue
        except Exception as error:
            raise AssertionError(f"graph {seed}: {type(error).__name__}: {error}") from error
        accepted += 1
    assert accepted > GRAPHS // 50, "hardly any graph is accepted: the draw has gone stale"


def test_a_random_graph_that_the_runtime_accepts_too_computes_the_same() -> None:
    compared = 0
    for seed in range(GRAPHS):
        file = drawn(seed)
        made = onnx.ModelProto.FromString(file).graph
        operators = {one.op_type for one in made.node}
        shape = [axis.dim_value for axis in made.input[0].type.tensor_type.shape.dim[1:]]
        row = np.round(np.random.default_rng(seed).normal(size=(1, *shape)), 1)
        if "OneHotEncoder" in operators:
            row = np.trunc(row)  # categories are whole numbers; a runtime cuts off the rest
        if "ZipMap" in operators:
            continue  # a map has each label once, however often the graph names it
        try:
            model = read_onnx(file, name="random")
            wanted = np.asarray(run(file, row)[0])
        except (InvalidInput, *RUNTIME_REFUSALS):
            continue
        if model.task == "value" and np.isfinite(wanted).all():
            assert np.allclose(scores_of(model, row)[0], wanted.ravel(), rtol=1e-4, atol=1e-4), f"graph {seed}"
            compared += 1
    assert compared > GRAPHS // 100


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.COMPLEX64, TensorProto.BFLOAT16])
def test_a_tensor_of_an_odd_type_is_refused(kind: int) -> None:
    held: NodeProto = helper.make_node("Constant", [], ["k"], value=helper.make_tensor("k", kind, [1], [1.0]))
    with pytest.raises(InvalidInput) as caught:
        read_onnx(graph([held, helper.make_node("Mul", ["x", "k"], ["y"])], 2), name="odd")
    assert caught.value.code == "onnx.tensor"
