"""Parsers of `models`: weights, configurations, data sets and what a version states of itself."""

from __future__ import annotations

from typing import Any

from tallystick.core import merkle
from tallystick.core.commitment import Domain, commit
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import checksum_address
from tallystick.models.dataset import DataDocument, Segment, split_rows
from tallystick.models.formats import configs, onnx, safetensors
from tallystick.models.formats.tensors import Tensor
from tallystick.models.roots import Architecture, TensorList
from tallystick.models.rows import RowProof, encode_row, entry_of, rows_of_csv
from tallystick.models.statement import Listing, Place, VersionStatement
from tests.fuzz.targets import Target, of_file

TENSORS = TensorList((Tensor("a.weight", "F32", (2, 3), bytes(32)), Tensor("b", "I64", (), bytes(32))))


def _header() -> bytes:
    file = safetensors.to_bytes([("a", "F32", (2,), bytes(8)), ("b", "U8", (3,), b"abc")])
    return file[8 : 8 + int.from_bytes(file[:8], "little")]


def _no_file(*_: object) -> Any:
    raise InvalidInput("fuzz.external", "there is no other file")


def _model() -> bytes:
    from onnx import TensorProto, helper

    weights = helper.make_tensor("w", TensorProto.FLOAT, [2, 1], [0.5, -1.0])
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="n")
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])
    return bytes(helper.make_model(helper.make_graph([node], "g", [given], [result], [weights])).SerializeToString())


def _statement() -> bytes:
    place = Place(1_337, checksum_address(b"\x11" * 20), 1, 1, checksum_address(b"\x22" * 20))
    return VersionStatement(
        name="tumour",
        place=place,
        manifest_root=b"\x33" * 32,
        manifest=Listing(2, b"\x44" * 32),
        parameter_root=b"\x55" * 32,
        tensors=Listing(1, b"\x66" * 32),
        environment={"python": "3.11"},
        metrics={"accuracy": "0.97"},
    ).to_bytes()


def _row_proof() -> bytes:
    row, salt = encode_row(["1", "0.5"]), b"\x01" * 32
    leaves = [merkle.leaf_hash(entry_of(commit(Domain.ROW, salt, row))), bytes(32)]
    return RowProof(0, 2, row, salt, tuple(merkle.inclusion_path(leaves, 0))).to_bytes()


TARGETS = [
    Target("models.safetensors_header", safetensors.read_header, lambda: [_header()]),
    Target(
        "models.safetensors_index",
        lambda data: safetensors.read_index(data, "index"),
        lambda: [b'{"metadata":{"total_size":8},"weight_map":{"a":"model-1.safetensors"}}'],
    ),
    Target(
        "models.config",
        lambda data: configs.read_config(data, "config.json"),
        lambda: [b'{"layers": 2, "rate": 1e-3, "most": Infinity, "transformers_version": "4"}', b"[]"],
    ),
    Target("models.onnx", lambda data: onnx.read_model(data, "model.onnx", _no_file), lambda: [_model()]),
    Target("models.tensors", TensorList.from_bytes, lambda: [TENSORS.to_bytes()], TensorList.to_bytes, exact=True),
    Target(
        "models.architecture",
        Architecture.from_bytes,
        lambda: [Architecture.of(TENSORS, {"config.json": {"layers": 2}}).to_bytes()],
        Architecture.to_bytes,
        exact=True,
    ),
    Target(
        "models.data",
        DataDocument.from_bytes,
        lambda: [DataDocument(("x", "y"), (Segment(3, *[bytes(32)] * 3),)).to_bytes()],
        DataDocument.to_bytes,
        exact=True,
    ),
    Target("models.rows", lambda data: split_rows(data, 2), lambda: [b'["1"]\n["2"]\n']),
    Target("models.csv", of_file(rows_of_csv, "rows.csv"), lambda: [b'a,b\n1,"x\ny"\n', "ä\n1\n".encode()]),
    Target("models.row_proof", RowProof.from_bytes, lambda: [_row_proof()], RowProof.to_bytes, exact=True),
    Target("models.statement", VersionStatement.from_bytes, lambda: [_statement()], VersionStatement.to_bytes),
]
