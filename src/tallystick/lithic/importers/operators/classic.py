"""The classic operators of `ai.onnx.ml`: scalers, encoders, linear models; trees are in `ensembles`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tallystick.core.errors import InvalidInput
from tallystick.lithic.importers.functions import applied, is_never_negative, stacked_with_negative
from tallystick.lithic.importers.linear import Function, Linear, mapped
from tallystick.lithic.importers.node import Node, shown
from tallystick.lithic.importers.operators.reader import Operator
from tallystick.lithic.importers.operators.shapes import check_places, looked_up
from tallystick.lithic.importers.values import (
    Choice,
    Constant,
    Curve,
    Numbers,
    Unclear,
    Value,
    check_shape,
    joined,
    moved,
    scaled,
    sum_of,
)


def _scaler(node: Node) -> list[Value]:
    value = node.numbers(0)
    offset, scale = node.floats("offset", (0.0,)), node.floats("scale", (1.0,))
    _check_width(node, value, offset, scale)
    return [scaled(sum_of(value, -offset), scale)]


def _check_width(node: Node, value: Numbers, *lists: Constant) -> None:
    for one in lists:
        if len(one) not in (1, value.shape[-1] if value.shape else 1):
            raise InvalidInput(
                "onnx.shape", f"{node} takes a number for each column", expected=value.shape, got=len(one)
            )


def _row(node: Node) -> Linear:
    """Return the input of an operator that takes one row of features."""
    value = node.numbers(0)
    if len(value.shape) not in (1, 2) or (len(value.shape) == 2 and value.shape[0] != 1):
        raise InvalidInput("onnx.shape", f"{node} takes a row of features", got=value.shape)
    return value.linear


def _weighted(node: Node, row: Linear, count: int | None) -> Linear:
    """Return what a linear model makes of a row."""
    coefficients, intercepts = node.floats("coefficients", None), node.floats("intercepts")
    count = count or len(intercepts) or 1
    if len(coefficients) != count * len(row) or len(intercepts) not in (0, count):
        raise InvalidInput(
            "onnx.shape",
            f"{node} does not fit its input",
            expected=f"{count} × {len(row)} coefficients",
            got=len(coefficients),
        )
    scores = row.through(coefficients.reshape(count, len(row)))
    return scores.plus(intercepts) if len(intercepts) else scores


def labels_of(node: Node, integers: str, strings: str) -> Constant:
    """Return the labels of a classifier; raises InvalidInput "onnx.attribute" unless there is one list of them."""
    numbers, texts = node.integers(integers), node.texts(strings)
    if bool(numbers) == bool(texts):
        raise InvalidInput("onnx.attribute", f"{node} takes labels of one kind")
    return np.array(numbers, dtype=np.int64) if numbers else np.array(texts, dtype=object)


def _linear_classifier(node: Node) -> list[Value]:
    row, labels = _row(node), labels_of(node, "classlabels_ints", "classlabels_strings")
    node.integer("multi_class", 0)
    post = node.text("post_transform", "NONE")
    scores = _weighted(node, row, None)
    if len(scores) == 1 and len(labels) == 2:
        both = stacked_with_negative(scores).take(np.array([1, 0]))
        # runtimes write 1 - score beside a bare score, as if it were a probability
        plain = stacked_with_negative(scores).plus(np.array([0.0, 1.0])).take(np.array([1, 0]))
        written: Value = {
            "NONE": Numbers((1, 2), plain),
            "LOGISTIC": applied(Numbers((1, 2), both), Function("sigmoid")),
        }.get(post, Unclear(f"{node}: {post} of one score is not defined", "take the label alone"))
        return [Choice((1,), both, labels), written]
    if len(scores) != len(labels):
        raise InvalidInput("onnx.shape", f"{node} lacks labels", expected=len(scores), got=len(labels))
    return [Choice((1,), scores, labels), after_scores(node, scores, post)]


def after_scores(node: Node, scores: Linear, post: str) -> Value:
    """Return the scores of a classifier after its post_transform."""
    shape = (1, len(scores))
    if post == "SOFTMAX":
        return Curve("softmax", shape, scores)
    if post == "LOGISTIC":
        return applied(Numbers(shape, scores), Function("sigmoid"))
    if post == "NONE":
        return Numbers(shape, scores)
    raise node.unsupported(f"post_transform {post!a} is not supported")


def _linear_regressor(node: Node) -> list[Value]:
    row, targets = _row(node), node.integer("targets", 1)
    if node.text("post_transform", "NONE") != "NONE":
        raise node.unsupported("a post_transform of a regression is not supported")
    check_shape((targets,))
    scores = _weighted(node, row, targets)
    return [Numbers((1, targets), scores)]


def _binarizer(node: Node) -> list[Value]:
    value, bound = node.numbers(0), node.real("threshold", 0.0)
    return [applied(value, Function("above", bound))]


def _one_hot(node: Node) -> list[Value]:
    value = node.given(0)
    categories, texts = node.integers("cats_int64s"), node.texts("cats_strings")
    node.integer("zeros", 1)  # an unknown category is all zeros either way: a kernel cannot fail where a runtime would
    if not isinstance(value, Numbers) or texts or not categories:
        raise node.unsupported("encodes what is no number", "give categories as numbers")
    if len(set(categories)) != len(categories):
        raise InvalidInput("onnx.attribute", f"{node} has a category twice", got=shown(categories))
    shape = (*value.shape, len(categories))
    check_shape(shape)
    rows = value.linear.take(np.repeat(np.arange(len(value.linear)), len(categories)))
    functions = tuple(Function("equals", float(category)) for category in categories) * len(value.linear)
    return [Numbers(shape, mapped(rows, functions))]


def _label_encoder(node: Node) -> list[Value]:
    value = node.given(0)
    keys, values, default = _encoding(node)
    if len(keys) != len(values) or not len(keys):
        raise InvalidInput("onnx.attribute", f"{node} lacks values for its keys", expected=len(keys), got=len(values))
    if isinstance(value, Choice):
        table = {key: at for at, key in reversed(list(enumerate(keys.tolist())))}
        found = [table.get(entry) for entry in value.table.tolist()]
        entries = [default if at is None else values[at] for at in found]
        kind = object if values.dtype.kind == "O" else values.dtype
        return [replace(value, table=np.array(entries, dtype=kind))]
    if isinstance(value, Numbers) and keys.dtype.kind != "O" and values.dtype.kind != "O":
        return [_encoded(value, keys.astype(np.float64), values.astype(np.float64), float(str(default)))]
    raise node.unsupported("encodes text", "give categories as numbers")


def _encoding(node: Node) -> tuple[Constant, Constant, object]:
    lists: list[Constant] = []
    for side in ("keys", "values"):
        if node.has(f"{side}_tensor"):
            lists.append(node.array(f"{side}_tensor").ravel())
        elif node.has(f"{side}_strings"):
            lists.append(np.array(node.texts(f"{side}_strings"), dtype=object))
        elif node.has(f"{side}_floats"):
            lists.append(node.floats(f"{side}_floats"))
        else:
            lists.append(np.array(node.integers(f"{side}_int64s"), dtype=np.int64))
    kind = lists[1].dtype.kind
    defaults = {"O": node.text("default_string", "_Unused"), "f": node.real("default_float", 0.0)}
    default: object = defaults.get(kind, node.integer("default_int64", -1))
    if node.has("default_tensor"):
        given = node.array("default_tensor").ravel()
        default = given[0] if len(given) == 1 and given.dtype.kind == kind else default
    return lists[0], lists[1], default


def _encoded(value: Numbers, keys: Constant, values: Constant, default: float) -> Numbers:
    """Return default + Σ [x = key] · (value - default)."""
    count, each = len(value.linear), len(keys)
    check_shape((count, count * each))
    rows = value.linear.take(np.repeat(np.arange(count), each))
    found = mapped(rows, tuple(Function("equals", float(key)) for key in keys) * count)
    matrix = np.kron(np.eye(count), (values - default)[None, :]).astype(np.float64)
    return Numbers(value.shape, found.through(matrix).plus(np.full(count, default)))


def _imputer(node: Node) -> list[Value]:
    node.floats("imputed_value_floats")
    if not np.isnan(node.real("replaced_value_float", 0.0)):
        raise node.unsupported(
            "replaces a number", "kernels have no missing values: only the replacement of NaN may be left out"
        )
    return [node.numbers(0)]


def _extract(node: Node) -> list[Value]:
    index = node.given(1)
    if isinstance(index, Choice):
        chosen = looked_up(node, node.constant(0), index)
        return [replace(chosen, shape=(1, *chosen.shape) if len(chosen.shape) < 2 else chosen.shape)]
    value, places = node.given(0), node.constant(1).ravel()
    if not isinstance(value, np.ndarray):
        value = node.numbers(0) if not isinstance(value, Numbers) else value
    if not value.shape:
        raise InvalidInput("onnx.shape", f"{node} takes columns of a scalar")
    check_places(node, places, value.shape[-1])
    lead = value.shape[:-1] or (1,)
    check_shape((*lead, len(places)))
    return [moved(value, lambda held: held.reshape(*lead, -1)[..., places])]


def _vectorizer(node: Node) -> list[Value]:
    parts = [node.tensor(place) for place in range(len(node.inputs))]
    widths = node.integers("inputdimensions", None)
    if widths != tuple(part.shape[-1] if part.shape else 0 for part in parts):
        raise node.unsupported("cuts or pads its inputs", "give each its own width")
    return [joined(parts, -1)]


def _normalizer(node: Node) -> list[Value]:
    value, norm = node.value(0), node.text("norm", "MAX")
    if norm == "L1" and isinstance(value, Curve) and value.kind in ("softmax", "share"):
        return [value]  # its parts make one already
    numbers = node.numbers(0)
    if norm != "L1" or not is_never_negative(numbers.linear):
        raise node.unsupported("only the sum of probabilities is made one", "scale features with a scaler")
    total = numbers.linear.through(np.ones((1, len(numbers.linear))))
    if not total.dense().any() and total.bias[0] > 0.0:
        return [scaled(numbers, 1.0 / total.bias)]
    return [Curve("share", numbers.shape, numbers.linear)]


def _zip_map(node: Node) -> list[Value]:
    node.integers("classlabels_int64s")
    node.texts("classlabels_strings")
    return [node.given(0)]


OPERATORS = {
    "Scaler": Operator(_scaler),
    "Normalizer": Operator(_normalizer, "of probabilities"),
    "Binarizer": Operator(_binarizer),
    "OneHotEncoder": Operator(_one_hot, "of whole numbers"),
    "LabelEncoder": Operator(_label_encoder, "of labels, and of numbers as numbers"),
    "Imputer": Operator(_imputer, "left out: a kernel's input has no missing values"),
    "ArrayFeatureExtractor": Operator(_extract),
    "FeatureVectorizer": Operator(_vectorizer),
    "LinearClassifier": Operator(_linear_classifier, "post_transform NONE, LOGISTIC or SOFTMAX"),
    "LinearRegressor": Operator(_linear_regressor, "post_transform NONE"),
    "ZipMap": Operator(_zip_map),
}
