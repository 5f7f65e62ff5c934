"""Every operator of the table, alone in a graph, computes what onnxruntime computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from onnx import NodeProto

from tallystick.core.errors import InvalidInput
from tallystick.lithic.floats import Task, decide
from tallystick.lithic.importers import read_onnx, supported_operators
from tests.lithic.importers.onnx_kit import ML, Array, graph, ml_node, node, probabilities, run, scores_of, tensor

DRAW = np.random.default_rng(5)
ROWS = np.round(DRAW.normal(size=(40, 6)), 2)
ROWS[::7, 2] = 1.5  # so that a comparison meets what it compares with
CODES = DRAW.integers(0, 4, size=(40, 6)).astype(float)


@dataclass(frozen=True)
class Case:
    """A graph that is no more than one operator and what it needs, from `x` to `y`."""

    operators: str  # those that it tests, after a space what of them
    nodes: Sequence[NodeProto]
    constants: dict[str, Array] = field(default_factory=dict)
    shape: Sequence[int] = (6,)
    rows: Array = field(default_factory=lambda: ROWS)
    opset: int = 18
    task: Task | None = "value"

    def __str__(self) -> str:
        return self.operators

    @property
    def file(self) -> bytes:
        """The graph as a file."""
        return graph(self.nodes, self.shape, constants=self.constants, opset=self.opset)


def _one(operator: str, *inputs: str, of: str = "", **attributes: Any) -> Any:
    return [(ml_node if of == ML else node)(operator, ["x", *inputs], ["y"], **attributes)]


COLUMNS = {"c": np.array([1.0, -2.0, 0.5, 0.0, 3.0, 1.5])}
MATRIX = {"m": np.round(DRAW.normal(size=(6, 3)), 2), "b": np.array([0.5, -1.0, 2.0])}
PICTURE: dict[str, Any] = {"shape": (2, 6, 5), "rows": np.round(DRAW.normal(size=(6, 2, 6, 5)), 2)}
INDEX = {"i": np.array([4, 0, -1])}
KERNEL = {"w": np.round(DRAW.normal(size=(4, 2, 3, 2)), 2), "b": np.array([0.0, 1.0, -1.0, 0.5])}
SPLIT = [node("Split", ["x", "s"], ["a", "b"], axis=1), node("Add", ["b", "a"], ["y"])]

ARITHMETIC = [
    Case("Add", _one("Add", "c"), COLUMNS),
    Case("Add x", _one("Add", "x")),
    Case("Sum", _one("Sum", "c", "x"), COLUMNS),
    Case("Mean", _one("Mean", "c"), COLUMNS),
    Case("Sub", _one("Sub", "c"), COLUMNS),
    Case("Sub from", [node("Sub", ["c", "x"], ["y"])], COLUMNS),
    Case("Mul", _one("Mul", "c"), COLUMNS),
    Case("Mul x", _one("Mul", "x")),
    Case("Div", _one("Div", "c"), {"c": np.array([0.7])}),
    Case("Neg", _one("Neg")),
    Case("Pow", _one("Pow", "c"), {"c": np.array(2.0)}),
    Case("Relu", _one("Relu")),
    Case("Sigmoid", _one("Sigmoid")),
    Case("Tanh", _one("Tanh")),
    Case("LeakyRelu", _one("LeakyRelu", alpha=0.2)),
    Case("PRelu", _one("PRelu", "c"), COLUMNS),
    Case("Clip", _one("Clip", "low", "high"), {"low": np.array(-0.5), "high": np.array(0.75)}),
    Case("Clip below", _one("Clip", "", "high"), {"high": np.array(0.75)}),
    Case("Clip as it was", _one("Clip", min=-0.5), opset=9),
    Case("Abs", _one("Abs")),
    Case("Max", _one("Max", "c"), COLUMNS),
    Case("Max x", [node("Neg", ["x"], ["n"]), node("Max", ["n", "x"], ["y"])]),
    Case("Min", _one("Min", "c"), COLUMNS),
    Case("Min x", [node("Neg", ["x"], ["n"]), node("Min", ["n", "x"], ["y"])]),
]
COMPARISONS = [
    Case(
        f"{operator} Cast", [node(operator, ["x", "c"], ["z"]), node("Cast", ["z"], ["y"], to=1)], {"c": np.array(1.5)}
    )
    for operator in ("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal")
] + [
    Case(
        "Not",
        [node("Less", ["x", "c"], ["l"]), node("Not", ["l"], ["z"]), node("Cast", ["z"], ["y"], to=1)],
        {"c": np.array(1.5)},
    ),
    Case(
        "Where",
        [node("Greater", ["x", "c"], ["z"]), node("Where", ["z", "c", "n"], ["y"])],
        COLUMNS | {"n": np.array([-2.0])},
    ),
    Case("Where known", [node("Where", ["k", "x", "c"], ["y"])], COLUMNS | {"k": np.array([True, False] * 3)}),
]
REDUCTIONS = [
    Case("ReduceSum", _one("ReduceSum", "i", keepdims=1), {"i": np.array([1])}),
    Case("ReduceSum as it was", _one("ReduceSum", axes=[1], keepdims=1), opset=11),
    Case("ReduceMean", _one("ReduceMean", axes=[2, 3], keepdims=0), opset=13, **PICTURE),
    Case("ReduceSumSquare", _one("ReduceSumSquare", "i", keepdims=1), {"i": np.array([-1])}),
    Case("ReduceMax", _one("ReduceMax", "i"), {"i": np.array([2])}, **PICTURE),
    Case("ReduceMin", _one("ReduceMin", "i"), {"i": np.array([1, 3])}, **PICTURE),
    Case(
        "ReduceProd",
        [node("Gather", ["x", "i"], ["z"], axis=1), node("ReduceProd", ["z", "a"], ["y"])],
        {"i": np.array([1, 4]), "a": np.array([1])},
    ),
]
SHAPES = [
    Case("Identity Dropout", [node("Identity", ["x"], ["z"]), node("Dropout", ["z"], ["y"])]),
    Case(
        "Reshape Transpose Flatten",
        [
            node("Reshape", ["x", "s"], ["a"]),
            node("Transpose", ["a"], ["b"], perm=[0, 2, 1]),
            node("Flatten", ["b"], ["y"]),
        ],
        {"s": np.array([0, 2, -1])},
    ),
    Case(
        "Unsqueeze Squeeze",
        [node("Unsqueeze", ["x", "i"], ["a"]), node("Squeeze", ["a", "i"], ["y"])],
        {"i": np.array([1])},
    ),
    Case(
        "Slice",
        _one("Slice", "s", "e", "a", "t"),
        {"s": np.array([4]), "e": np.array([-100]), "a": np.array([1]), "t": np.array([-2])},
    ),
    Case("Gather", _one("Gather", "i", axis=1), INDEX),
    Case("Concat", [node("Concat", ["x", "x"], ["y"], axis=1)]),
    Case("Split", SPLIT, {"s": np.array([3, 3])}),
    Case(
        "Expand",
        [node("Unsqueeze", ["x", "i"], ["a"]), node("Expand", ["a", "s"], ["b"]), node("Flatten", ["b"], ["y"])],
        {"i": np.array([1]), "s": np.array([1, 2, 6])},
    ),
    Case(
        "Shape ConstantOfShape",
        [
            node("Shape", ["x"], ["s"]),
            node("ConstantOfShape", ["s"], ["k"], value=tensor("", np.array([2.0]))),
            node("Mul", ["x", "k"], ["y"]),
        ],
    ),
    Case("Constant", [node("Constant", [], ["k"], value_floats=[2.0]), node("Mul", ["x", "k"], ["y"])]),
    Case("Pad", _one("Pad", "p"), {"p": np.array([0, 0, 1, 2, 0, 0, 0, 1])}, **PICTURE),
]
PICTURES = [
    Case("MatMul", _one("MatMul", "m"), MATRIX),
    Case("MatMul of rows", _one("MatMul", "m"), {"m": np.ones((5, 2))}, **PICTURE),
    Case("Gemm", _one("Gemm", "m", "b", alpha=0.5, beta=2.0), MATRIX),
    Case("Gemm turned", _one("Gemm", "m", transB=1), {"m": MATRIX["m"].T}),
    Case("Conv", _one("Conv", "w", "b", pads=[1, 0, 2, 1], strides=[2, 1]), KERNEL, **PICTURE),
    Case("Conv in groups", _one("Conv", "w", group=2, dilations=[2, 1]), {"w": KERNEL["w"][:, :1]}, **PICTURE),
    Case("Conv as wide", _one("Conv", "w", auto_pad="SAME_UPPER", strides=[2, 2]), KERNEL, **PICTURE),
    Case("MaxPool", _one("MaxPool", kernel_shape=[2, 2], strides=[2, 1]), **PICTURE),
    Case(
        "MaxPool padded",
        _one("MaxPool", kernel_shape=[3, 2], pads=[1, 1, 1, 0], strides=[2, 2], ceil_mode=1),
        **PICTURE,
    ),
    Case("AveragePool", _one("AveragePool", kernel_shape=[2, 2], pads=[1, 1, 0, 0]), **PICTURE),
    Case(
        "AveragePool with padding",
        _one("AveragePool", kernel_shape=[3, 2], pads=[1, 1, 1, 1], count_include_pad=1),
        **PICTURE,
    ),
    Case("GlobalAveragePool", _one("GlobalAveragePool"), **PICTURE),
    Case("GlobalMaxPool", _one("GlobalMaxPool"), **PICTURE),
    Case(
        "BatchNormalization",
        _one("BatchNormalization", "s", "b", "m", "v", epsilon=0.01),
        {
            "s": np.array([1.5, -2.0]),
            "b": np.array([0.1, 0.2]),
            "m": np.array([0.5, 0.0]),
            "v": np.array([2.0, 0.5]),
        },
        **PICTURE,
    ),
]
CLASSIC = [
    Case("Scaler", _one("Scaler", of=ML, offset=COLUMNS["c"].tolist(), scale=[2.0, 1.0, 0.5, -1.0, 3.0, 1.0])),
    Case("Binarizer", _one("Binarizer", of=ML, threshold=1.5)),
    Case(
        "OneHotEncoder",
        [ml_node("OneHotEncoder", ["x"], ["z"], cats_int64s=[0, 2, 5], zeros=1), node("Flatten", ["z"], ["y"])],
        rows=CODES,
    ),
    Case(
        "LabelEncoder",
        _one("LabelEncoder", of=ML, keys_floats=[0.0, 2.0, 3.0], values_floats=[5.0, -1.5, 2.0], default_float=9.0),
        rows=CODES,
    ),
    Case("Imputer", _one("Imputer", of=ML, imputed_value_floats=[0.0], replaced_value_float=float("nan"))),
    Case("ArrayFeatureExtractor", _one("ArrayFeatureExtractor", "i", of=ML), {"i": np.array([4, 0])}),
    Case("FeatureVectorizer", [ml_node("FeatureVectorizer", ["x", "x"], ["y"], inputdimensions=[6, 6])]),
    Case(
        "LinearRegressor",
        _one("LinearRegressor", of=ML, targets=2, coefficients=DRAW.normal(size=12).tolist(), intercepts=[1.0, -1.0]),
    ),
]
VALUES = [*ARITHMETIC, *COMPARISONS, *REDUCTIONS, *SHAPES, *PICTURES, *CLASSIC]


@pytest.mark.parametrize("case", VALUES, ids=str)
def test_an_operator_computes_what_the_runtime_computes(case: Case) -> None:
    model = read_onnx(case.file, name="case", task=case.task)
    wanted = run(case.file, case.rows)[0].reshape(len(case.rows), -1)
    scores = scores_of(model, case.rows)
    assert scores.shape == wanted.shape
    assert np.abs(scores - wanted).max() < 1e-5


EXPONENTIALS = [
    Case("Softmax", [node("Gemm", ["x", "m", "b"], ["z"]), node("Softmax", ["z"], ["y"], axis=-1)]),
    Case(
        "LogSoftmax Exp",
        [
            node("Gemm", ["x", "m", "b"], ["z"]),
            node("LogSoftmax", ["z"], ["l"]),
            node("Exp", ["l"], ["y"]),
        ],
    ),
    Case(
        "Softmax Log",
        [
            node("Gemm", ["x", "m", "b"], ["z"]),
            node("Softmax", ["z"], ["s"]),
            node("Log", ["s"], ["l"]),
            node("Exp", ["l"], ["y"]),
        ],
    ),
    Case(
        "ReduceLogSumExp",
        [
            node("Gemm", ["x", "m", "b"], ["z"]),
            node("ReduceLogSumExp", ["z", "a"], ["l"]),
            node("Sub", ["z", "l"], ["d"]),
            node("Exp", ["d"], ["y"]),
        ],
    ),
    Case(
        "Exp over its sum",
        [
            node("Gemm", ["x", "m", "b"], ["z"]),
            node("Exp", ["z"], ["e"]),
            node("ReduceSum", ["e", "a"], ["s"]),
            node("Div", ["e", "s"], ["y"]),
        ],
    ),
    Case(
        "Log of the sum of Exp",
        [
            node("Gemm", ["x", "m", "b"], ["z"]),
            node("Exp", ["z"], ["e"]),
            node("ReduceSum", ["e", "a"], ["s"]),
            node("Log", ["s"], ["l"]),
            node("Sub", ["z", "l"], ["d"]),
            node("Exp", ["d"], ["y"]),
        ],
    ),
    Case(
        "Normalizer",
        [
            node("Gemm", ["x", "m", "b"], ["z"]),
            node("Softmax", ["z"], ["s"]),
            ml_node("Normalizer", ["s"], ["y"], norm="L1"),
        ],
    ),
]


@pytest.mark.parametrize("case", EXPONENTIALS, ids=str)
def test_every_spelling_of_a_softmax_is_one(case: Case) -> None:
    file = graph(case.nodes, 6, constants=MATRIX | {"a": np.array([1])})
    model = read_onnx(file, name="case")
    assert (model.task, model.link, model.labels) == ("classes", "softmax", ("0", "1", "2"))
    assert np.abs(probabilities(model, scores_of(model, ROWS)) - run(file, ROWS)[0]).max() < 1e-6


@pytest.mark.parametrize(
    "tail",
    [
        [node("Sigmoid", ["z"], ["y"])],
        [
            node("Neg", ["z"], ["n"]),
            node("Exp", ["n"], ["e"]),
            node("Add", ["one", "e"], ["s"]),
            node("Reciprocal", ["s"], ["y"]),
        ],
        [
            node("Neg", ["z"], ["n"]),
            node("Exp", ["n"], ["e"]),
            node("Add", ["e", "one"], ["s"]),
            node("Div", ["one", "s"], ["y"]),
        ],
    ],
    ids=["Sigmoid", "Reciprocal", "Div"],
)
def test_every_spelling_of_a_sigmoid_is_one(tail: list[NodeProto]) -> None:
    constants = {"m": MATRIX["m"][:, :1], "one": np.array([1.0])}
    file = graph([node("MatMul", ["x", "m"], ["z"]), *tail], 6, constants=constants)
    model = read_onnx(file, name="case")
    assert (model.task, model.link, model.threshold, model.labels) == ("classes", "sigmoid", 0.0, ("0", "1"))
    assert np.abs(probabilities(model, scores_of(model, ROWS))[:, 1:] - run(file, ROWS)[0]).max() < 1e-6


@pytest.mark.parametrize(
    ("operator", "is_read"), [("Relu", True), ("Sigmoid", True), ("Identity", False), ("Tanh", False)]
)
def test_a_share_of_a_sum_keeps_the_order_only_where_nothing_is_negative(operator: str, is_read: bool) -> None:
    nodes = [
        node(operator, ["x"], ["p"]),
        node("ReduceSum", ["p", "a"], ["s"], keepdims=1),
        node("Div", ["p", "s"], ["q"]),
        node("ArgMax", ["q"], ["y"], axis=1, keepdims=0),
    ]
    file = graph(nodes, 6, constants={"a": np.array([1])})
    if not is_read:
        with pytest.raises(InvalidInput, match="depends on the input"):
            read_onnx(file, name="case")
        return
    model = read_onnx(file, name="case")
    assert decide(model, scores_of(model, ROWS)).tolist() == run(file, ROWS)[0].tolist()


@pytest.mark.parametrize(("operator", "task"), [("ArgMax", "classes"), ("ArgMin", "clusters")])
@pytest.mark.parametrize("between", ["Identity", "Sqrt", "Exp"])
def test_the_greatest_and_the_least_are_decisions(operator: str, task: str, between: str) -> None:
    nodes = [
        node("Gemm", ["x", "m", "b"], ["z"]),
        node("Abs", ["z"], ["p"]),
        node(between, ["p"], ["r"]),
        node(operator, ["r"], ["y"], axis=1, keepdims=0),
    ]
    file = graph(nodes, 6, constants=MATRIX)
    model = read_onnx(file, name="case")
    assert model.task == task
    assert decide(model, scores_of(model, ROWS)).tolist() == run(file, ROWS)[0].tolist()


def test_labels_are_looked_up_encoded_and_mapped() -> None:
    nodes = [
        node("Gemm", ["x", "m", "b"], ["z"]),
        node("ArgMax", ["z"], ["a"], axis=1, keepdims=0),
        ml_node("ArrayFeatureExtractor", ["c", "a"], ["f"]),
        node("Reshape", ["f", "s"], ["r"]),
        node("Cast", ["r"], ["i"], to=7),
        ml_node("LabelEncoder", ["i"], ["label"], keys_int64s=[10, 20, 30], values_strings=["ash", "birch", "cedar"]),
        ml_node("ZipMap", ["z"], ["map"], classlabels_strings=["ash", "birch", "cedar"]),
    ]
    constants = MATRIX | {"c": np.array([10, 20, 30]), "s": np.array([-1])}
    file = graph(nodes, 6, constants=constants, outputs=("label", "map"))
    model = read_onnx(file, name="case")
    labels, _ = run(file, ROWS)
    assert model.labels == ("ash", "birch", "cedar")
    assert np.array(model.labels)[decide(model, scores_of(model, ROWS))].tolist() == labels.tolist()


@pytest.mark.parametrize("rows", [1, 2, 3])
@pytest.mark.parametrize("post", ["NONE", "LOGISTIC", "SOFTMAX"])
def test_a_linear_classifier_decides_as_the_runtime_does(rows: int, post: str) -> None:
    made = ml_node(
        "LinearClassifier",
        ["x"],
        ["label", "scores"],
        coefficients=(DRAW.normal(size=6 * rows)).tolist(),
        intercepts=[0.1] * rows,
        classlabels_ints=list(range(3, 3 + max(rows, 2))),
        post_transform=post,
    )
    file = graph([made], 6, outputs=("label", "scores"))
    if rows == 1 and post == "SOFTMAX":  # runtimes write something else there
        with pytest.raises(InvalidInput, match="not defined"):
            read_onnx(file, name="case")
        return
    model = read_onnx(file, name="case")
    labels, _ = run(file, ROWS)
    assert np.array(model.labels)[decide(model, scores_of(model, ROWS))].tolist() == [str(label) for label in labels]


def test_every_operator_of_the_table_is_compared_with_the_runtime() -> None:
    elsewhere = {"ArgMax", "ArgMin", "Exp", "Log", "Sqrt", "Reciprocal", "ZipMap", "LinearClassifier"}  # in this file
    trees = {"TreeEnsemble", "TreeEnsembleClassifier", "TreeEnsembleRegressor"}  # in test_trees
    tested = {made.op_type for case in (*VALUES, *EXPONENTIALS) for made in case.nodes} | elsewhere | trees
    assert tested == {operator for _, operator, _ in supported_operators()}


def test_the_table_tells_what_part_of_an_operator_is_supported() -> None:
    parts = {(domain, operator): part for domain, operator, part in supported_operators()}
    assert parts["", "Pow"] == "squares"
    assert parts["", "Relu"] == ""
    assert "LOGISTIC" in parts[ML, "LinearClassifier"]
