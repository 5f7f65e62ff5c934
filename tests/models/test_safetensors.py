"""Safetensors as evidence: what the format allows is read right, and what it does not is refused with InvalidInput."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import example, given
from hypothesis import strategies as st

from tallystick.core.errors import InvalidInput
from tallystick.core.limits import SAFETENSORS_HEADER_BYTES_MAX
from tallystick.models.formats import safetensors as format
from tallystick.models.formats.safetensors import check_index, read_file, read_header, read_index, to_bytes
from tests.models.makers import Array, parts, raw_file, tensor

DTYPES = [np.float32, np.float64, np.float16, np.int64, np.int32, np.uint8, np.bool_]

names = st.from_regex(r"[a-z]{1,5}(\.[a-z0-9]{1,4}){0,2}", fullmatch=True)


@st.composite
def arrays(draw: st.DrawFn) -> Array:
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    dtype = draw(st.sampled_from(DTYPES))
    return np.random.default_rng(draw(st.integers(0, 99))).normal(size=shape).astype(dtype)


weights = st.dictionaries(names, arrays(), min_size=1, max_size=5)


def _read(folder: Path, data: bytes) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    path = folder / "model.safetensors"
    path.write_bytes(data)
    entry, tensors = read_file(path, "model.safetensors")
    assert (entry.size, entry.sha256) == (len(data), hashlib.sha256(data).digest())
    return {tensor.name: (tensor.dtype, tensor.shape, tensor.sha256) for tensor in tensors}


def _expected(arrays: dict[str, Array]) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    return {name: (dtype, shape, hashlib.sha256(data).digest()) for name, dtype, shape, data in parts(arrays)}


class TestReading:
    """Every byte has one owner: a tensor, or the header."""

    @given(weights)
    def test_tensors_that_the_safetensors_library_wrote_are_read_right(
        self, tmp_path: Path, weights: dict[str, Array]
    ) -> None:
        assert _read(tmp_path, safetensors.numpy.save(weights)) == _expected(weights)

    @given(weights)
    def test_the_safetensors_library_reads_what_we_write(self, tmp_path: Path, weights: dict[str, Array]) -> None:
        data = to_bytes(parts(weights))
        loaded = safetensors.numpy.load(data)
        assert {name: (array.shape, array.tobytes()) for name, array in loaded.items()} == {
            name: (array.shape, array.tobytes()) for name, array in weights.items()
        }
        assert _read(tmp_path, data) == _expected(weights)

    @given(weights, st.randoms(use_true_random=False))
    def test_the_order_of_header_keys_and_of_data_changes_no_tensor(
        self, tmp_path: Path, weights: dict[str, Array], random: object
    ) -> None:
        items = parts(weights)
        random.shuffle(items)  # type: ignore[attr-defined]
        header, body, at = {}, b"", 0
        for name, dtype, shape, data in items:
            header[name] = {"data_offsets": [at, at + len(data)], "shape": list(shape), "dtype": dtype}
            body, at = body + data, at + len(data)
        keys = list(header)
        random.shuffle(keys)  # type: ignore[attr-defined]
        assert _read(tmp_path, raw_file({key: header[key] for key in keys}, body)) == _expected(weights)

    def test_metadata_and_trailing_spaces_of_a_header_are_allowed(self, tmp_path: Path) -> None:
        header = json.dumps({"__metadata__": {"format": "pt"}, "a": tensor(0, 2)}).encode() + b"   "
        assert list(_read(tmp_path, raw_file(header, b"xy"))) == ["a"]

    def test_the_same_tensors_give_the_same_bytes_in_any_order(self) -> None:
        arrays = parts({"b": np.zeros(2, np.float32), "a": np.ones(3, np.uint8)})
        assert to_bytes(arrays) == to_bytes(reversed(arrays))

    def test_a_header_that_would_fill_the_memory_is_refused_before_it_is_parsed(self) -> None:
        for header in (b'{"a":[' + b"1," * 2_000_000 + b"1]}", b'{"__metadata__":{"a":"' + b":" * 2_000_000 + b'"}}'):
            with pytest.raises(InvalidInput, match="says too much"):
                read_header(header)

    def test_a_writer_that_is_given_a_name_twice_refuses(self) -> None:
        with pytest.raises(InvalidInput, match="two tensors have one name"):
            to_bytes([("a", "U8", (1,), b"x"), ("a", "U8", (1,), b"y")])


HOSTILE = {
    "empty file": b"",
    "half a length": b"\0\0\0",
    "no header": bytes(8),
    "header longer than the file": raw_file({}, length=100),
    "header longer than any": raw_file({}, length=SAFETENSORS_HEADER_BYTES_MAX + 1),
    "header length of 2**64 - 1": raw_file({}, length=2**64 - 1),
    "header is a list": raw_file([]),
    "header begins with a space": raw_file(b" {}"),
    "header is not UTF-8": raw_file(b'{"\xff":1}'),
    "header ends early": raw_file(b'{"a":'),
    "deeply nested": raw_file(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "nested in objects": raw_file(b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
    "a huge number": raw_file(b'{"a":{"dtype":"U8","shape":[1' + b"0" * 5_000 + b'],"data_offsets":[0,1]}}', b"x"),
    "duplicate tensor": raw_file(b'{"a":%b,"a":%b}' % (2 * (json.dumps(tensor(0, 1)).encode(),)), b"x"),
    "duplicate member": raw_file(b'{"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}', b"x"),
    "offsets overlap": raw_file({"a": tensor(0, 2), "b": tensor(1, 3)}, b"xyz"),
    "one range for two tensors": raw_file({"a": tensor(0, 2), "b": tensor(0, 2)}, b"xy"),
    "a hole between": raw_file({"a": tensor(0, 1), "b": tensor(2, 3)}, b"xyz"),
    "a hole in front": raw_file({"a": tensor(1, 2)}, b"xy"),
    "offsets out of range": raw_file({"a": tensor(0, 4)}, b"xyz"),
    "bytes after the last tensor": raw_file({"a": tensor(0, 1)}, b"xy"),
    "offsets backwards": raw_file({"a": tensor(2, 1)}, b"xy"),
    "negative offset": raw_file({"a": tensor(-1, 1, shape=[2])}, b"xy"),
    "float offset": raw_file(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1.0]}}', b"x"),
    "three offsets": raw_file({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1, 1]}}, b"x"),
    "shape larger than the data": raw_file({"a": tensor(0, 1, shape=[2])}, b"x"),
    "shape of the wrong size": raw_file({"a": tensor(0, 4, dtype="F32", shape=[2])}, b"wxyz"),
    "negative axis": raw_file({"a": tensor(0, 1, shape=[-1, -1])}, b"x"),
    "boolean axis": raw_file({"a": tensor(0, 1, shape=[True])}, b"x"),
    "overflowing shape": raw_file({"a": tensor(0, 0, shape=[2**40, 2**40])}),
    "too many axes": raw_file({"a": tensor(0, 1, shape=[1] * 33)}, b"x"),
    "unknown type": raw_file({"a": tensor(0, 1, dtype="Q8")}, b"x"),
    "a type of ONNX alone": raw_file({"a": tensor(0, 1, dtype="STRING")}, b"x"),
    "unknown member": raw_file({"a": {**tensor(0, 1), "extra": 1}}, b"x"),
    "missing member": raw_file({"a": {"dtype": "U8", "shape": [1]}}, b"x"),
    "a tensor that is a number": raw_file({"a": 1}),
    "metadata that is no text": raw_file({"__metadata__": {"a": 1}}),
    "metadata that is a list": raw_file({"__metadata__": []}),
    "climbing name": raw_file({"../a": tensor(0, 1)}, b"x"),
    "absolute name": raw_file({"/a": tensor(0, 1)}, b"x"),
    "empty name": raw_file({"": tensor(0, 1)}, b"x"),
    "name with a lone surrogate": raw_file(b'{"\\ud800":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"x"),
    "name that is not NFC": raw_file({"e\u0301": tensor(0, 1)}, b"x"),
    "not a number": raw_file(b'{"a":NaN}'),
}  # fmt: skip


class TestHostileFiles:
    """Only InvalidInput ever leaves the reader."""

    @pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
    def test_a_malformed_file_is_refused(self, tmp_path: Path, data: bytes) -> None:
        with pytest.raises(InvalidInput):
            _read(tmp_path, data)

    @pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
    def test_a_pickle_in_disguise_is_refused_by_name(self, tmp_path: Path, protocol: int) -> None:
        with pytest.raises(InvalidInput) as caught:
            _read(tmp_path, pickle.dumps({"weights": [1.0, 2.0]}, protocol))
        assert (caught.value.code, "pickle" in str(caught.value)) == ("safetensors.disguise", True)

    @pytest.mark.parametrize("magic", [b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"GGUF\x03\0\0\0"])
    def test_an_archive_in_disguise_is_refused_by_name(self, tmp_path: Path, magic: bytes) -> None:
        with pytest.raises(InvalidInput) as caught:
            _read(tmp_path, magic + bytes(64))
        assert caught.value.code == "safetensors.disguise"

    @given(st.binary(max_size=200))
    @example(raw_file({"a": tensor(0, 1)}, b"x"))
    def test_any_bytes_are_read_or_refused(self, tmp_path: Path, data: bytes) -> None:
        try:
            _read(tmp_path, data)
        except InvalidInput:
            pass

    @given(st.binary(max_size=200).map(lambda tail: b"{" + tail))
    def test_any_header_is_read_or_refused(self, data: bytes) -> None:
        try:
            read_header(data)
        except InvalidInput:
            pass

    @given(weights, st.data())
    def test_a_changed_byte_of_data_changes_the_one_tensor_that_owns_it(
        self, tmp_path: Path, weights: dict[str, Array], data: st.DataObject
    ) -> None:
        whole = bytearray(to_bytes(parts(weights)))
        start = 8 + int.from_bytes(whole[:8], "little")
        if start == len(whole):
            return
        whole[data.draw(st.integers(start, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
        found, expected = _read(tmp_path, bytes(whole)), _expected(weights)
        assert sum(found[name] != expected[name] for name in expected) == 1

    @given(weights, st.data())
    def test_a_changed_byte_of_the_header_is_refused_or_read(
        self, tmp_path: Path, weights: dict[str, Array], data: st.DataObject
    ) -> None:
        whole = bytearray(to_bytes(parts(weights)))
        whole[data.draw(st.integers(0, 7 + int.from_bytes(whole[:8], "little")))] ^= data.draw(st.integers(1, 255))
        try:
            _read(tmp_path, bytes(whole))
        except InvalidInput:
            pass

    def test_a_tensor_list_longer_than_any_model_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(format, "TENSORS_MAX", 2)
        with pytest.raises(InvalidInput, match="too many tensors"):
            read_header(json.dumps({name: tensor(0, 0) for name in "abc"}).encode())


class TestIndices:
    """An index says where each tensor lies, and is believed only when it is right."""

    INDEX = json.dumps({"metadata": {"total_size": 1e3}, "weight_map": {"a": "one", "b": "two"}}).encode()

    def test_an_index_that_fits_its_shards_is_accepted(self) -> None:
        check_index(read_index(self.INDEX, "index"), {"one": ["a"], "two": ["b"], "other": ["c"]}, "index")

    @pytest.mark.parametrize(
        "shards",
        [{"one": ["a"]}, {"one": ["a"], "two": []}, {"one": ["a", "c"], "two": ["b"]}, {"one": ["b"], "two": ["a"]}],
    )
    def test_an_index_that_does_not_fit_is_refused(self, shards: dict[str, list[str]]) -> None:
        with pytest.raises(InvalidInput) as caught:
            check_index(read_index(self.INDEX, "index"), shards, "index")
        assert caught.value.code == "safetensors.index"

    @pytest.mark.parametrize(
        "data", [b"{}", b"[]", b'{"weight_map":[]}', b'{"weight_map":{"a":1}}', b'{"weight_map":{"a":"../x"}}']
    )
    def test_an_index_of_another_shape_is_refused(self, data: bytes) -> None:
        with pytest.raises(InvalidInput):
            read_index(data, "index")
