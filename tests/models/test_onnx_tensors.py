"""One ONNX tensor as bytes: the same whichever field or file holds it, refused when it contradicts itself."""

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
from onnx import TensorProto, helper, numpy_helper

from tallystick.core.errors import InvalidInput
from tallystick.models.formats.onnx import read_file, read_model
from tallystick.models.formats.onnx_tensors import read_tensor
from tests.models.makers import linear_model, no_files

NUMBERS = {
    TensorProto.FLOAT: np.float32, TensorProto.DOUBLE: np.float64, TensorProto.INT64: np.int64,
    TensorProto.INT32: np.int32, TensorProto.INT16: np.int16, TensorProto.INT8: np.int8,
    TensorProto.UINT8: np.uint8, TensorProto.UINT16: np.uint16, TensorProto.UINT32: np.uint32,
    TensorProto.UINT64: np.uint64, TensorProto.BOOL: np.bool_, TensorProto.FLOAT16: np.float16,
    TensorProto.COMPLEX64: np.complex64, TensorProto.COMPLEX128: np.complex128,
}  # fmt: skip

SMALL = [
    TensorProto.BFLOAT16, TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT8E4M3FNUZ, TensorProto.FLOAT8E5M2,
    TensorProto.FLOAT8E5M2FNUZ, TensorProto.UINT4, TensorProto.INT4, TensorProto.FLOAT4E2M1, TensorProto.UINT2,
    TensorProto.INT2, TensorProto.FLOAT6E2M3, TensorProto.FLOAT6E3M2, TensorProto.FLOAT8E8M0,
]  # fmt: skip


class TestTensors:
    """The same elements are the same bytes, whichever field holds them."""

    @given(st.sampled_from(sorted(NUMBERS)), st.lists(st.integers(0, 4), max_size=3), st.integers(0, 99))
    def test_typed_and_raw_elements_are_the_same_tensor(self, kind: int, shape: list[int], seed: int) -> None:
        values = np.random.default_rng(seed).integers(-3, 90, size=shape).astype(NUMBERS[kind])
        raw = numpy_helper.from_array(values, "t")
        typed = helper.make_tensor("t", kind, shape, values.ravel().tolist())
        assert not typed.raw_data
        found = [read_tensor(proto, "t", no_files()) for proto in (raw, typed)]
        assert found[0] == found[1]
        assert found[0].sha256 == hashlib.sha256(values.tobytes()).digest()

    @pytest.mark.parametrize("kind", SMALL)
    @pytest.mark.parametrize("count", [1, 4, 7])
    def test_small_types_typed_and_raw_are_the_same_tensor(self, kind: int, count: int) -> None:
        values = np.array([1, 0, 1, 1, 0, 1, 0][:count], helper.tensor_dtype_to_np_dtype(kind))
        raw = numpy_helper.from_array(values, "t")
        typed = helper.make_tensor("t", kind, [count], values.tolist())
        assert typed.int32_data
        assert read_tensor(raw, "t", no_files()) == read_tensor(typed, "t", no_files())

    def test_texts_are_told_apart_by_where_they_end(self) -> None:
        protos = [helper.make_tensor("t", TensorProto.STRING, [2], items) for items in ([b"ab", b"c"], [b"a", b"bc"])]
        first, second = (read_tensor(proto, "t", no_files()) for proto in protos)
        assert (first.dtype, first.shape, first.sha256 != second.sha256) == ("STRING", (2,), True)

    @pytest.mark.parametrize(
        "edit",
        [
            lambda t: t.dims.append(2),
            lambda t: t.dims.__setitem__(0, -1),
            lambda t: t.dims.__setitem__(0, 2**60),
            lambda t: t.float_data.append(1.0),
            lambda t: setattr(t, "data_type", 0),
            lambda t: setattr(t, "data_type", 99),
            lambda t: setattr(t, "data_type", TensorProto.STRING),
            lambda t: setattr(t, "data_type", TensorProto.DOUBLE),
            lambda t: setattr(t, "raw_data", t.raw_data[:-1]),
            lambda t: setattr(t, "raw_data", t.raw_data + b"x"),
            lambda t: t.segment.SetInParent(),
            lambda t: setattr(t, "data_location", TensorProto.EXTERNAL),
            lambda t: t.external_data.add(key="location", value="x"),
        ],
    )
    def test_a_tensor_that_contradicts_itself_is_refused(self, edit: Callable[[TensorProto], Any]) -> None:
        proto = numpy_helper.from_array(np.ones(3, np.float32), "t")
        read_tensor(proto, "t", no_files())
        edit(proto)
        with pytest.raises(InvalidInput):
            read_tensor(proto, "t", no_files())

    @pytest.mark.parametrize(
        ("kind", "field", "values"),
        [
            (TensorProto.UINT8, "int32_data", [256]),
            (TensorProto.INT8, "int32_data", [-129]),
            (TensorProto.UINT32, "uint64_data", [2**32]),
            (TensorProto.FLOAT6E2M3, "int32_data", [64]),
            (TensorProto.FLOAT6E2M3, "int32_data", [1, 1]),
            (TensorProto.INT64, "float_data", [1.0]),
            (TensorProto.FLOAT, "double_data", [1.0]),
            (TensorProto.UINT8, "string_data", [b"x"]),
        ],
    )
    def test_an_element_beyond_its_type_is_refused(self, kind: int, field: str, values: list[Any]) -> None:
        proto = TensorProto(data_type=kind, dims=[1], **{field: values})
        with pytest.raises(InvalidInput):
            read_tensor(proto, "t", no_files())


class TestExternalData:
    """A model may keep tensors beside it, never outside its folder."""

    @staticmethod
    def _folder(tmp_path: Path, **places: str) -> None:
        (tmp_path / "sub").mkdir()
        model = linear_model()
        weight = model.graph.initializer[0]
        (tmp_path / "sub" / "weights.data").write_bytes(b"pad!" + weight.raw_data)
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        for key, value in places.items():
            weight.external_data.add(key=key, value=value)
        (tmp_path / "sub" / "m.onnx").write_bytes(model.SerializeToString())

    @pytest.mark.parametrize("length", [{}, {"length": "24"}, {"length": "24", "checksum": "abc"}])
    def test_external_and_internal_elements_are_the_same_tensor(self, tmp_path: Path, length: dict[str, str]) -> None:
        self._folder(tmp_path, location="weights.data", offset="4", **length)
        _, tensors, _ = read_file(tmp_path, "sub/m.onnx")
        inside, _ = read_model(linear_model().SerializeToString(), "m.onnx", no_files())
        assert {tensor.name.removeprefix("sub/"): tensor.sha256 for tensor in tensors} == {
            tensor.name: tensor.sha256 for tensor in inside
        }

    @pytest.mark.parametrize(
        "places",
        [
            {}, {"location": "missing"}, {"location": "../outside"}, {"location": "/etc/passwd"}, {"location": ""},
            {"location": "link"}, {"location": "a\\b"}, {"location": "weights.data", "offset": "-1"},
            {"location": "weights.data", "offset": "5"}, {"location": "weights.data", "offset": "0x4"},
            {"location": "weights.data", "offset": str(2**70)},
            {"location": "weights.data", "offset": str(2**63 - 1)}, {"location": "weights.data", "offset": str(2**62)},
            {"location": "weights.data", "length": "23"},
            {"location": "weights.data", "other": "1"},
        ],
    )  # fmt: skip
    def test_a_place_outside_or_of_another_size_is_refused(self, tmp_path: Path, places: dict[str, str]) -> None:
        self._folder(tmp_path, **places)
        (tmp_path / "outside").write_bytes(bytes(64))
        (tmp_path / "sub" / "link").symlink_to(tmp_path / "outside")
        with pytest.raises(InvalidInput):
            read_file(tmp_path, "sub/m.onnx")

    @pytest.mark.parametrize(("tensors", "is_read"), [(8, True), (10, False)])
    def test_tensors_may_share_a_file_but_not_have_it_hashed_for_ever(
        self, tmp_path: Path, tensors: int, is_read: bool
    ) -> None:
        self._folder(tmp_path, location="weights.data", offset="4")  # 24 of the file's 28 bytes
        path = tmp_path / "sub" / "m.onnx"
        model = onnx.ModelProto.FromString(path.read_bytes())
        for number in range(tensors - 1):
            model.graph.initializer.add().CopyFrom(model.graph.initializer[0])
            model.graph.initializer[-1].name = f"W{number}"
        path.write_bytes(model.SerializeToString())
        if is_read:
            read_file(tmp_path, "sub/m.onnx")
        else:
            with pytest.raises(InvalidInput, match="overlap"):
                read_file(tmp_path, "sub/m.onnx")

    def test_a_place_named_twice_is_refused(self, tmp_path: Path) -> None:
        self._folder(tmp_path, location="weights.data", offset="4")
        path = tmp_path / "sub" / "m.onnx"
        model = onnx.ModelProto.FromString(path.read_bytes())
        model.graph.initializer[0].external_data.add(key="location", value="weights.data")
        path.write_bytes(model.SerializeToString())
        with pytest.raises(InvalidInput, match="repeated places"):
            read_file(tmp_path, "sub/m.onnx")
