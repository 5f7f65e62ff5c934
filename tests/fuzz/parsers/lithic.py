"""Parsers of `lithic`: integer models, kernels, tables and decimal numbers."""

from __future__ import annotations

from collections.abc import Callable

from tallystick.lithic.artifact import Artifact, SourceFile
from tallystick.lithic.build import compile_model
from tallystick.lithic.floats import Affine, FloatModel
from tallystick.lithic.importers.reading import model_of  # not the door, which imports this too late to be watched
from tallystick.lithic.integer import decimals, document
from tallystick.lithic.kernel import compile_integer
from tallystick.lithic.tables import read_ranges, read_rows
from tests.fuzz.targets import Target, of_text
from tests.lithic import kernel_models


def _kernels() -> list[bytes]:
    made = compile_integer(kernel_models.mlp(), registry=("0x5FbDB2315678afecb367f032d93F642f64180aa3", 7))
    whole = Artifact.of(made, quality={"auc": "0.9"}, source=SourceFile("model.onnx", bytes(32)))
    return [whole.to_bytes(), Artifact.of(compile_integer(kernel_models.trees())).to_bytes(), _derived()]


def _derived() -> bytes:
    """Return the file of a kernel that says how it was derived of a float model."""
    import numpy as np

    line = FloatModel("line", ("a", "b"), (Affine(np.array([[0.5, -2.0]]), np.array([1.0])),), "value")
    ranges = {"a": (0, "0.3"), "b": (0, 9, 1)}
    return Artifact.of(compile_model(line, ranges=ranges, sample=[[0.1, 3.0], [0.2, 0.0]])).to_bytes()


def _onnx() -> list[bytes]:
    """Return a small network, a picture, an encoder and trees, as strangers would send them."""
    import numpy as np

    from tests.lithic.importers.onnx_kit import graph, ml_node, node

    weights = {"m": np.array([[1.0, -2.0], [0.5, 3.0]]), "b": np.array([0.25, -1.0])}
    net = [
        ml_node("Scaler", ["x"], ["s"], offset=[1.0, 2.0], scale=[0.5, 2.0]),
        node("Gemm", ["s", "m", "b"], ["h"]),
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["r", "m"], ["z"]),
        node("Softmax", ["z"], ["p"]),
        node("ArgMax", ["p"], ["y"], axis=1),
    ]
    picture = [
        node("Reshape", ["x", "s"], ["a"]),
        node("Conv", ["a", "w"], ["c"], pads=[1, 0, 0, 1]),
        node("MaxPool", ["c"], ["y"], kernel_shape=[2, 2]),
    ]
    codes = [
        node("Cast", ["x"], ["i"], to=7),
        ml_node("OneHotEncoder", ["i"], ["h"], cats_int64s=[1, 2], zeros=1),
        node("Flatten", ["h"], ["y"]),
    ]
    tree = ml_node(
        "TreeEnsembleClassifier", ["x"], ["label", "y"], nodes_treeids=[0] * 3, nodes_nodeids=[0, 1, 2],
        nodes_featureids=[0] * 3, nodes_values=[0.5, 0.0, 0.0], nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"],
        nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[2, 0, 0], class_treeids=[0, 0], class_nodeids=[1, 2],
        class_ids=[0, 0], class_weights=[-1.0, 1.0], classlabels_int64s=[0, 1], post_transform="LOGISTIC",
    )  # fmt: skip
    shape = {"s": np.array([1, 1, 3, 3]), "w": np.ones((2, 1, 2, 2))}
    return [
        graph(net, 2, constants=weights),
        graph(picture, 9, constants=shape),
        graph(codes, 2),
        graph([tree], 2, outputs=("label", "y")),
    ]


def _rows(data: bytes) -> object:
    return read_rows(data, ("a", "b"), label="y")


def _ranges(is_toml: bool) -> Callable[[bytes], object]:
    return lambda data: read_ranges(data, is_toml=is_toml)


TARGETS = [
    Target("lithic.rows", _rows, lambda: [b"a,b,y\n1,-2.5e3,yes\n", b'y,a,b\r\n"n,o",1,.5\r\n']),
    Target("lithic.ranges_toml", _ranges(True), lambda: [b'age = [18, 90, 1]\n"mean radius" = [0, "30.5"]\n']),
    Target("lithic.ranges_csv", _ranges(False), lambda: [b"feature,low,high,step\nage,18,90,1\nrate,0.1,0.3,\n"]),
    Target(
        "lithic.integer_model",
        document.from_bytes,
        lambda: [
            document.to_bytes(one) for one in (kernel_models.mlp(), kernel_models.trees(), kernel_models.menagerie())
        ],
        document.to_bytes,
        exact=True,
    ),
    Target("lithic.kernel", Artifact.from_bytes, _kernels, Artifact.to_bytes, exact=True),
    Target("lithic.onnx", lambda data: model_of(data, "fuzz", None, None, (), ()), _onnx),
    Target("lithic.decimal", of_text(decimals.ratio), lambda: [b"0", b"-1.50", b"0.001", b"9" * 77]),
]
