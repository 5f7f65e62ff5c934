"""ONNX as evidence: every tensor counted whatever field holds it, and an architecture that only architecture moves."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from tallystick.core.errors import InvalidInput
from tallystick.models.formats.folder import inspect
from tallystick.models.formats.onnx import escape, read_model
from tallystick.models.formats.tensors import Tensor
from tests.models.makers import linear_model, no_files, node_model


def _read(model: onnx.ModelProto | bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
    data = model if isinstance(model, bytes) else model.SerializeToString()
    tensors, architecture = read_model(data, "m.onnx", no_files())
    assert len({tensor.name for tensor in tensors}) == len(tensors)
    return {tensor.name: tensor for tensor in tensors}, architecture


def _changed(edit: Callable[[onnx.ModelProto], Any]) -> onnx.ModelProto:
    model = linear_model()
    edit(model)
    return model


SAME = [
    lambda m: setattr(m, "producer_name", "other"),
    lambda m: setattr(m, "producer_version", "9"),
    lambda m: setattr(m, "ir_version", 9),
    lambda m: setattr(m, "doc_string", "words"),
    lambda m: m.metadata_props.add(key="a", value="b"),
    lambda m: setattr(m.graph, "name", "other"),
    lambda m: setattr(m.graph.node[0], "name", "other"),
    lambda m: setattr(m.graph.node[0], "domain", "ai.onnx"),
    lambda m: m.graph.value_info.append(helper.make_tensor_value_info("h", TensorProto.FLOAT, [None, 2])),
    lambda m: m.opset_import.append(helper.make_opsetid("", 18)),
    lambda m: m.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.zeros((3, 2), np.float32), "W")),
    lambda m: m.graph.initializer.reverse(),
]

OTHER = [
    lambda m: setattr(m.graph.node[0], "op_type", "Gemm"),
    lambda m: setattr(m.graph.node[0], "domain", "com.other"),
    lambda m: m.graph.node[0].input.reverse(),
    lambda m: m.graph.node.reverse(),
    lambda m: m.graph.node[0].attribute.append(helper.make_attribute("a", 1)),
    lambda m: m.graph.input.pop(),
    lambda m: setattr(m.opset_import[0], "version", 19),
    lambda m: m.opset_import.append(helper.make_opsetid("other", 1)),
    lambda m: setattr(m.graph.output[0].type.tensor_type, "elem_type", TensorProto.DOUBLE),
    lambda m: m.functions.append(helper.make_function("d", "f", ["a"], ["b"], [], [helper.make_opsetid("", 18)])),
]


class TestArchitecture:
    """What the model computes, without its weights and without who wrote it."""

    @pytest.mark.parametrize("edit", SAME)
    def test_who_wrote_it_and_the_weights_leave_the_architecture(self, edit: Callable[[onnx.ModelProto], Any]) -> None:
        assert _read(_changed(edit))[1] == _read(linear_model())[1]

    @pytest.mark.parametrize("edit", OTHER)
    def test_what_it_computes_moves_the_architecture(self, edit: Callable[[onnx.ModelProto], Any]) -> None:
        assert _read(_changed(edit))[1] != _read(linear_model())[1]

    def test_an_attribute_of_another_value_or_type_moves_the_architecture(self) -> None:
        values = [1, 2, 1.0, "1", b"\xff", [1], [1, 2], [1.0], ["1"], helper.make_tensor_type_proto(1, [1])]
        found = [_read(node_model(helper.make_node("Op", [], ["y"], a=value)))[1] for value in values]
        assert all(left != right for at, left in enumerate(found) for right in found[:at])

    def test_a_weight_of_another_value_moves_its_tensor_alone(self) -> None:
        before, after = (_read(linear_model(np.full((3, 2), value, np.float32)))[0] for value in (1, 2))
        assert {name for name in before if before[name] != after[name]} == {"m.onnx/W"}


class TestLearnedAttributes:
    """Trees, coefficients and vocabularies are parameters, wherever ONNX keeps them."""

    def test_arrays_of_ml_operators_are_tensors_and_leave_the_architecture(self) -> None:
        def scaler(offset: float) -> onnx.NodeProto:
            return helper.make_node("Scaler", ["x"], ["y"], domain="ai.onnx.ml", offset=[offset, 0.5], scale=[1.0, 2.0])

        first, architecture = _read(node_model(scaler(0.25)))
        second, other = _read(node_model(scaler(0.75)))
        assert sorted(first) == ["m.onnx/y@offset", "m.onnx/y@scale"]
        assert first["m.onnx/y@offset"].sha256 == hashlib.sha256(np.array([0.25, 0.5], "<f4").tobytes()).digest()
        assert (first["m.onnx/y@scale"], architecture) == (second["m.onnx/y@scale"], other)
        assert first["m.onnx/y@offset"] != second["m.onnx/y@offset"]

    @pytest.mark.parametrize(("value", "dtype"), [([1.5], "F32"), ([7], "I64"), (["a", "b"], "STRING")])
    def test_each_kind_of_array_has_its_type(self, value: list[Any], dtype: str) -> None:
        node = helper.make_node("TreeEnsembleClassifier", ["x"], ["y"], domain="ai.onnx.ml", learned=value)
        assert _read(node_model(node))[0]["m.onnx/y@learned"].dtype == dtype

    def test_arrays_of_ordinary_operators_are_architecture(self) -> None:
        tensors, _ = _read(node_model(helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[3, 3])))
        assert not tensors

    def test_constants_are_tensors_however_written(self) -> None:
        value = numpy_helper.from_array(np.ones(2, np.float32))
        nodes = [
            helper.make_node("Constant", [], ["a"], value=value),
            helper.make_node("Constant", [], ["b"], value_floats=[1.0, 1.0]),
        ]
        tensors, _ = _read(node_model(*nodes))
        assert tensors["m.onnx/a@value"].sha256 == tensors["m.onnx/b@value_floats"].sha256

    def test_tensors_within_branches_and_functions_are_counted(self) -> None:
        weight = numpy_helper.from_array(np.ones(1, np.float32), "w")
        branch = helper.make_graph([helper.make_node("Identity", ["w"], ["o"])], "g", [], [], [weight])
        node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
        model = node_model(node)
        inner = helper.make_node("Constant", [], ["k"], value=weight)
        model.functions.append(helper.make_function("d", "f", [], ["k"], [inner], [helper.make_opsetid("", 18)]))
        assert sorted(_read(model)[0]) == [
            "m.onnx/@functions/0/k@value", "m.onnx/y@else_branch/w", "m.onnx/y@then_branch/w",
        ]  # fmt: skip

    def test_tensors_of_training_graphs_are_told_apart(self) -> None:
        weight = numpy_helper.from_array(np.ones(1, np.float32), "w")
        graph = helper.make_graph([], "g", [], [], [weight])
        model = node_model(initializers=[weight])
        model.training_info.add(initialization=graph, algorithm=graph)
        assert sorted(_read(model)[0]) == [
            "m.onnx/@training_info/0/@algorithm/w", "m.onnx/@training_info/0/@initialization/w", "m.onnx/w",
        ]  # fmt: skip

    def test_a_branch_that_changes_moves_the_architecture(self) -> None:
        def choose(operator: str) -> onnx.ModelProto:
            branch = helper.make_graph([helper.make_node(operator, ["x"], ["o"])], "g", [], [])
            return node_model(helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch))

        assert _read(choose("Relu"))[1] != _read(choose("Tanh"))[1]

    def test_sparse_tensors_are_counted_with_their_places(self) -> None:
        values = numpy_helper.from_array(np.ones(1, np.float32), "s")
        indices = numpy_helper.from_array(np.array([3], np.int64), "i")
        model = node_model()
        model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [9]))
        tensors, architecture = _read(model)
        assert sorted(tensors) == ["m.onnx/s", "m.onnx/s@indices"]
        model.graph.sparse_initializer[0].dims[0] = 10
        assert _read(model)[1] != architecture


free_names = st.text(st.sampled_from("a/.%@\\é\n2F"), min_size=1, max_size=8)


class TestNames:
    """Names in ONNX are free; ours are safe, and no two become one."""

    @pytest.mark.parametrize(
        ("name", "escaped"),
        [
            ("layer.0.weight", "layer.0.weight"), ("onnx::MatMul_1", "onnx::MatMul_1"), ("/a/b", "%2Fa/b"),
            ("a//b", "a%2F/b"), ("a/", "a%2F"), (".", "%2E"), ("a/../b", "a/%2E%2E/b"),
            ("a@b", "a%40b"), ("100%", "100%25"), ("a\\b", "a%5Cb"), ("\n", "%0A"), ("é", "%C3%A9"),
        ],
    )  # fmt: skip
    def test_a_name_is_escaped_only_where_it_must_be(self, name: str, escaped: str) -> None:
        assert escape(name) == escaped

    @given(
        free_names,
        free_names,
    )
    def test_two_names_never_become_one_and_each_is_safe(self, left: str, right: str) -> None:
        assert (escape(left) == escape(right)) == (left == right)
        Tensor(f"m/{escape(left)}@x", "U8", (0,), bytes(32))

    def test_two_tensors_of_one_name_are_refused_when_they_are_listed(self, tmp_path: Path) -> None:
        model = linear_model()
        model.graph.initializer.append(model.graph.initializer[0])
        (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
        with pytest.raises(InvalidInput) as caught:
            inspect(tmp_path)
        assert caught.value.code == "tensors.duplicate"


def _unknown_field(model: onnx.ModelProto) -> bytes:
    return model.SerializeToString() + b"\xf8\x3f\x01"  # field 1023, a varint


HOSTILE = {
    "empty": b"",
    "not protobuf": b"\xff" * 40,
    "a pickle": b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x04eval",
    "truncated": linear_model().SerializeToString()[:-3],
    "unknown field": _unknown_field(linear_model()),
    "unknown field inside": _changed(
        lambda m: m.graph.node[0].MergeFromString(b"\xf8\x3f\x01")
    ).SerializeToString(),
    "name that is not UTF-8": linear_model().SerializeToString().replace(b"MatMul", b"Mat\xff\xfel"),
    "attribute twice": _changed(
        lambda m: m.graph.node[0].attribute.extend([helper.make_attribute("a", 1)] * 2)
    ).SerializeToString(),
    "attribute of no type": _changed(lambda m: m.graph.node[0].attribute.add(name="a", i=1)).SerializeToString(),
    "attribute of two values": _changed(
        lambda m: m.graph.node[0].attribute.add(name="a", i=1, f=1.0, type=AttributeProto.INT)
    ).SerializeToString(),
    "attribute of the wrong field": _changed(
        lambda m: m.graph.node[0].attribute.add(name="a", f=1.0, type=AttributeProto.INT)
    ).SerializeToString(),
    "initializer without a name": _changed(lambda m: m.graph.initializer[0].ClearField("name")).SerializeToString(),
}  # fmt: skip


class TestHostileModels:
    """Only InvalidInput ever leaves the reader."""

    @pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
    def test_a_malformed_model_is_refused(self, data: bytes) -> None:
        with pytest.raises(InvalidInput):
            _read(data)

    @pytest.mark.parametrize(("levels", "is_read"), [(20, True), (40, False), (5_000, False)])
    def test_graphs_within_graphs_are_read_to_a_depth_and_then_refused(self, levels: int, is_read: bool) -> None:
        data = _nested(levels)
        if is_read:
            _read(data)
        else:
            with pytest.raises(InvalidInput):
                _read(data)

    @given(st.binary(max_size=300))
    def test_any_bytes_are_read_or_refused(self, data: bytes) -> None:
        try:
            _read(data)
        except InvalidInput:
            pass

    @given(st.data())
    def test_a_model_with_changed_bytes_is_read_or_refused(self, data: st.DataObject) -> None:
        tensor = linear_model().graph.initializer[0]
        node = helper.make_node("If", ["c"], ["y"], then_branch=linear_model().graph, a=[1.0], s="text", t=tensor)
        scaler = helper.make_node("Scaler", ["x"], ["z"], domain="ai.onnx.ml", offset=[1.0])
        whole = bytearray(node_model(node, scaler).SerializeToString())
        for _ in range(data.draw(st.integers(1, 4))):
            whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
        try:
            _read(bytes(whole))
        except InvalidInput:
            pass


def _nested(levels: int) -> bytes:
    """Return a model of branches within branches, written by hand since protobuf's writer refuses to go deep."""

    def field(number: int, data: bytes) -> bytes:
        size, length = len(data), b""
        while size > 127:
            length, size = length + bytes([size & 127 | 128]), size >> 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + data

    graph = b""
    for _ in range(levels):
        attribute = field(1, b"branch") + field(6, graph) + b"\xa0\x01\x05"
        graph = field(1, field(2, b"y") + field(4, b"If") + field(5, attribute))
    return field(7, graph)
