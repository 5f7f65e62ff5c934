"""Files of strangers: hostile graphs are refused with a code, and what is refused stands beside what is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tallystick.core.errors import InvalidInput
from tallystick.core.limits import ONNX_KERNEL_BYTES_MAX, ONNX_KERNEL_NODES_MAX
from tallystick.lithic.importers import read_onnx
from tests.lithic.importers.onnx_kit import Array, graph, ml_node, node, run, scores_of, tensor

MATRIX = {"m": np.array([[1.0, 2.0], [3.0, 4.0]])}


def simple() -> onnx.ModelProto:
    """Return a model that is read: y = relu(x · m)."""
    nodes = [node("MatMul", ["x", "m"], ["z"], name="first"), node("Relu", ["z"], ["y"], name="second")]
    return onnx.ModelProto.FromString(graph(nodes, 2, constants=MATRIX))


def code_of(data: bytes, **options: Any) -> str:
    """Return the code that a file is refused with."""
    with pytest.raises(InvalidInput) as caught:
        read_onnx(data, name="hostile", **options)
    return caught.value.code


def test_the_model_that_the_others_differ_from_is_read() -> None:
    model = read_onnx(simple().SerializeToString(), name="simple")
    assert [type(step).__name__ for step in model.steps] == ["Affine", "Activation"]
    assert (model.name, model.features, model.task) == ("simple", ("x_0", "x_1"), "value")


Change = Callable[[onnx.ModelProto], object]


def _external(model: onnx.ModelProto) -> None:
    held = model.graph.initializer[0]
    held.data_location = TensorProto.EXTERNAL
    held.external_data.add(key="location", value="../../secret")


def _twice(model: onnx.ModelProto) -> None:
    model.graph.node[1].output[0] = "z"


def _cycle(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = "y"


def _sub_graph(model: onnx.ModelProto) -> None:
    inner = helper.make_graph([], "inner", [], [])
    model.graph.node[1].CopyFrom(helper.make_node("If", ["z"], ["y"], then_branch=inner, else_branch=inner))


def _graph_attribute(model: onnx.ModelProto) -> None:
    model.graph.node[1].CopyFrom(
        helper.make_node("LeakyRelu", ["z"], ["y"], alpha=helper.make_graph([], "inner", [], []))
    )


def _attribute_twice(model: onnx.ModelProto) -> None:
    model.graph.node[1].CopyFrom(helper.make_node("LeakyRelu", ["z"], ["y"], alpha=0.5))
    model.graph.node[1].attribute.add(name="alpha", type=1, f=0.25)


def _wrong_type(model: onnx.ModelProto) -> None:
    model.graph.node[1].CopyFrom(helper.make_node("LeakyRelu", ["z"], ["y"], alpha=2))


def _set(path: str, value: Any) -> Change:
    def change(model: onnx.ModelProto) -> None:
        owner: Any = model
        *names, last = path.split(".")
        for name in names:
            owner = owner[int(name)] if name.isdigit() else getattr(owner, name)
        if last.isdigit():
            owner[int(last)] = value
        else:
            setattr(owner, last, value)

    return change


def _weights(values: Array, **changes: Any) -> Change:
    def change(model: onnx.ModelProto) -> None:
        model.graph.initializer[0].CopyFrom(tensor("m", values))
        for name, value in changes.items():
            setattr(model.graph.initializer[0], name, value)

    return change


HOSTILE: dict[str, tuple[Change, str]] = {
    "weights in another file": (_external, "onnx.external"),
    "two values of one name": (_twice, "onnx.graph"),
    "a cycle": (_cycle, "onnx.graph"),
    "a graph within the graph": (_sub_graph, "onnx.unsupported"),
    "a graph as an attribute": (_graph_attribute, "onnx.unsupported"),
    "an attribute twice": (_attribute_twice, "onnx.attribute"),
    "an attribute of another type": (_wrong_type, "onnx.attribute"),
    "an unknown operator": (_set("graph.node.1.op_type", "Surprise"), "onnx.unsupported"),
    "an operator of a stranger": (_set("graph.node.1.domain", "com.example"), "onnx.unsupported"),
    "an output that nobody gives": (_set("graph.output.0.name", "w"), "onnx.graph"),
    "a weight that is no number": (_weights(np.array([[np.nan, 0.0], [0.0, 1.0]])), "onnx.value"),
    "an infinite weight": (_weights(np.array([[np.inf, 0.0], [0.0, 1.0]])), "onnx.value"),
    "weights that do not fit": (_weights(np.ones((3, 2))), "onnx.shape"),
    "weights of text": (_weights(np.array([["a", "b"], ["c", "d"]], dtype=object)), "onnx.graph"),
    "weights of an unknown type": (_weights(np.ones((2, 2)), data_type=99), "onnx.tensor"),
    "weights stored twice": (_weights(np.ones((2, 2)), raw_data=bytes(16)), "onnx.tensor"),
    "weights beyond their type": (_set("graph.initializer.0.data_type", TensorProto.INT8), "onnx.tensor"),
    "a huge shape": (lambda model: model.graph.initializer[0].dims.__setitem__(0, 2**62), "onnx.size"),
    "a negative shape": (lambda model: model.graph.initializer[0].dims.__setitem__(0, -2), "onnx.shape"),
    "an old version": (_set("opset_import.0.version", 5), "onnx.unsupported"),
    "no version": (lambda model: model.ClearField("opset_import"), "onnx.unsupported"),
    "no graph": (lambda model: model.ClearField("graph"), "onnx.graph"),
    "no input": (lambda model: model.graph.ClearField("input"), "onnx.graph"),
    "no output": (lambda model: model.graph.ClearField("output"), "onnx.graph"),
    "a function": (lambda model: model.functions.add(name="f"), "onnx.graph"),
    "an input of text": (_set("graph.input.0.type.tensor_type.elem_type", TensorProto.STRING), "onnx.graph"),
    "an input of no shape": (lambda model: model.graph.input[0].type.tensor_type.ClearField("shape"), "onnx.shape"),
    "a batch of two": (_set("graph.input.0.type.tensor_type.shape.dim.0.dim_value", 2), "onnx.shape"),
    "a free width": (_set("graph.input.0.type.tensor_type.shape.dim.1.dim_param", "n"), "onnx.shape"),
    "a huge input": (_set("graph.input.0.type.tensor_type.shape.dim.1.dim_value", 2**40), "onnx.size"),
    "a negative width": (_set("graph.input.0.type.tensor_type.shape.dim.1.dim_value", -2), "onnx.shape"),
    "too wide an input": (_set("graph.input.0.type.tensor_type.shape.dim.1.dim_value", 5_000), "onnx.size"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_graph_is_refused(name: str) -> None:
    change, code = HOSTILE[name]
    model = simple()
    change(model)
    assert code_of(model.SerializeToString()) == code


def test_an_unsupported_operator_is_named_with_its_node_and_a_hint() -> None:
    model = simple()
    model.graph.node[1].op_type = "Gelu"
    with pytest.raises(InvalidInput) as caught:
        read_onnx(model.SerializeToString(), name="simple")
    assert str(caught.value) == "Gelu (node second): this operator is not supported"
    assert "docs/lithic/onnx.md" in caught.value.hint


@pytest.mark.parametrize("data", [b"", b"\x00", b"not a model", bytes(100)])
def test_what_is_no_model_is_refused(data: bytes) -> None:
    assert code_of(data) in ("onnx.parse", "onnx.graph", "onnx.unknown")


def test_a_field_of_a_later_version_is_refused() -> None:
    assert code_of(simple().SerializeToString() + b"\xfa\x3f\x01a") == "onnx.unknown"


def test_a_file_beyond_the_bound_is_not_even_parsed() -> None:
    assert code_of(bytes(ONNX_KERNEL_BYTES_MAX + 1)) == "onnx.size"


def test_a_graph_of_too_many_nodes_is_refused() -> None:
    nodes = [node("Neg", [f"x{k}" if k else "x"], [f"x{k + 1}"]) for k in range(ONNX_KERNEL_NODES_MAX + 1)]
    assert code_of(graph(nodes, 1, outputs=[f"x{len(nodes)}"])) == "onnx.size"


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        ([node("Expand", ["x", "s"], ["y"])], {"s": np.array([2**40, 2])}),
        ([node("ConstantOfShape", ["s"], ["y"])], {"s": np.array([2**31, 2**31])}),
        ([node("Reshape", ["x", "s"], ["y"])], {"s": np.array([1] * 40)}),
        ([node("Pad", ["x", "s"], ["y"])], {"s": np.array([0, 0, 0, 2**60])}),
        ([node("Tanh", [f"t{k}" if k else "x"], [f"t{k + 1}"]) for k in range(70)] + [node("Neg", ["t70"], ["y"])], {}),
        ([node("Expand", ["x", "s"], ["e"]), node("MatMul", ["e", "m"], ["y"])], {"s": np.array([30_000, 2])} | MATRIX),
    ],
    ids=["expand", "constant", "rank", "pad", "deep", "matrix"],
)
def test_what_would_fill_memory_is_refused(nodes: list[Any], constants: dict[str, Array]) -> None:
    assert code_of(graph(nodes, 2, constants=constants)) in (
        "onnx.size",
        "onnx.shape",
        "onnx.unsupported",
        "onnx.output",
    )


def test_work_adds_up_over_the_nodes_of_a_graph() -> None:
    wide = np.ones((1_000, 1_000))
    nodes = [node("MatMul", [f"x{k}" if k else "x", "m"], [f"x{k + 1}"]) for k in range(200)]
    assert code_of(graph(nodes, 1_000, outputs=["x200"], constants={"m": wide / 1_000})) == "onnx.size"


def test_only_what_the_output_needs_is_looked_at() -> None:
    nodes = [node("Surprise", ["x"], ["unused"]), node("Neg", ["x"], ["y"])]
    assert read_onnx(graph(nodes, 2), name="simple").task == "value"
    assert code_of(graph(nodes, 2, outputs=("unused", "y"))) == "onnx.unsupported"
    assert read_onnx(graph(nodes, 2, outputs=("unused", "y")), name="simple", output="y").task == "value"


# branches


def test_branches_of_one_activation_stand_side_by_side() -> None:
    nodes = [
        node("Relu", ["x"], ["a"]),
        node("MatMul", ["x", "m"], ["b"]),
        node("Add", ["a", "b"], ["c"]),
        node("Relu", ["c"], ["d"]),
        node("Concat", ["d", "x"], ["y"], axis=1),
    ]
    file = graph(nodes, 2, constants=MATRIX)
    rows = np.random.default_rng(1).normal(size=(20, 2))
    assert np.abs(scores_of(read_onnx(file, name="branches"), rows) - run(file, rows)[0]).max() < 1e-6


@pytest.mark.parametrize(("left", "right"), [("Sigmoid", "Identity"), ("Relu", "Tanh"), ("Relu", "Sigmoid")])
def test_branches_that_no_step_computes_are_refused(left: str, right: str) -> None:
    nodes = [node(left, ["x"], ["a"]), node(right, ["x"], ["b"]), node("Concat", ["a", "b"], ["y"], axis=1)]
    assert code_of(graph(nodes, 2)) == "onnx.branches"


def test_a_tree_beside_a_linear_model_is_refused_and_a_tree_beside_a_tree_is_not() -> None:
    tree = ml_node(
        "TreeEnsembleRegressor", ["x"], ["a"], n_targets=1, nodes_treeids=[0], nodes_nodeids=[0], nodes_featureids=[0],
        nodes_values=[0.0], nodes_modes=["LEAF"], nodes_truenodeids=[0], nodes_falsenodeids=[0],
        target_treeids=[0], target_nodeids=[0], target_ids=[0], target_weights=[2.0],
    )  # fmt: skip
    assert code_of(graph([tree, node("Concat", ["a", "x"], ["y"], axis=1)], 2)) == "onnx.branches"
    assert read_onnx(graph([tree, node("Add", ["a", "a"], ["y"])], 2), name="trees").task == "value"


def test_a_whole_part_is_compared_and_not_computed_with() -> None:
    cast = node("Cast", ["x"], ["i"], to=TensorProto.INT64)
    assert code_of(graph([cast, node("Add", ["i", "i"], ["y"])], 2)) == "onnx.unsupported"
    encoder = ml_node("OneHotEncoder", ["i"], ["h"], cats_int64s=[1, 2], zeros=1)
    assert read_onnx(graph([cast, encoder, node("Flatten", ["h"], ["y"])], 2), name="codes").task == "value"


# what the caller says


def test_the_caller_may_say_that_scores_are_for_classes() -> None:
    file = graph([node("MatMul", ["x", "m"], ["y"])], 2, constants=MATRIX)
    model = read_onnx(file, name="logits", task="classes", labels=("no", "yes"), features=("age", "income"))
    assert (model.task, model.labels, model.features) == ("classes", ("no", "yes"), ("age", "income"))
    assert read_onnx(file, name="logits", task="clusters").labels == ("0", "1")


@pytest.mark.parametrize(
    "options",
    [
        {"output": "z"},
        {"features": ("age",)},
        {"labels": ("no", "yes")},
        {"task": "classes", "labels": ("no", "yes", "perhaps")},
    ],
)
def test_what_the_caller_says_must_fit_the_graph(options: dict[str, Any]) -> None:
    file = graph([node("MatMul", ["x", "m"], ["y"])], 2, constants=MATRIX)
    assert code_of(file, **options) == "onnx.output"


def test_a_label_decides_what_a_model_is_for() -> None:
    file = graph([node("ArgMin", ["x"], ["y"], axis=1)], 3)
    assert read_onnx(file, name="nearest", task="clusters").task == "clusters"
    assert code_of(file, task="classes") == "onnx.output"


def test_several_outputs_are_refused_until_one_is_named() -> None:
    file = graph([node("Neg", ["x"], ["a"]), node("Relu", ["x"], ["b"])], 2, outputs=("a", "b"))
    assert code_of(file) == "onnx.output"
    assert len(read_onnx(file, name="one", output="b").steps) == 1
