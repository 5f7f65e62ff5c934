"""Tree ensembles, as scikit-learn, XGBoost and LightGBM are written to ONNX.

The specification leaves open what a classifier of two classes says; this follows what converters write and runtimes
agree on, and refuses the rest. A missing value cannot reach a kernel, so where one would go is not read.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tallystick.core.errors import InvalidInput
from tallystick.core.limits import KERNEL_TREE_NODES_MAX
from tallystick.lithic.importers.forest import MODES, Grower, Split
from tallystick.lithic.importers.functions import applied, stacked_with_negative
from tallystick.lithic.importers.linear import Forest, Function, Layer, Linear, Tree
from tallystick.lithic.importers.node import Node
from tallystick.lithic.importers.operators.classic import after_scores, labels_of
from tallystick.lithic.importers.operators.reader import Operator
from tallystick.lithic.importers.values import Choice, Constant, Numbers, Unclear, Value, check_shape

_DOUBLES = "nodes_values_as_tensor"
_PROBABILITIES = 'take the probabilities: output="probabilities", or as the model calls them'


def _classifier(node: Node) -> list[Value]:
    labels = labels_of(node, "classlabels_int64s", "classlabels_strings")
    post = node.text("post_transform", "NONE")
    ids, weights = node.integers("class_ids", None), node.floats("class_weights", None)
    base, count = node.floats("base_values"), len(labels)
    if count < 2 or min(ids, default=0) < 0 or max(ids, default=0) >= count:
        raise InvalidInput("onnx.attribute", f"{node} gives weight to classes without labels", got=count)
    if count > 2:
        scores = _forest(node, "class", count, ids, weights, base)
        return [Choice((1,), scores, labels), after_scores(node, scores, post)]
    if set(ids) == {0} and len(base) < 2:
        return _one_score(node, ids, weights, labels, post)
    if set(ids) == {0, 1} and not len(base):
        scores = _forest(node, "class", 2, ids, weights, base)
        label = Unclear(f"{node}: runtimes disagree on the label of two classes that both have weights", _PROBABILITIES)
        return [label, after_scores(node, scores, post)]
    raise node.unsupported(
        "runtimes disagree on two classes written like this", "give weights to the first class id alone"
    )


def _one_score(node: Node, ids: Sequence[int], weights: Constant, labels: Constant, post: str) -> list[Value]:
    """Return label and probabilities of two classes of which only the second has a score."""
    base, is_positive = node.floats("base_values"), bool(np.all(weights >= 0.0))
    if post == "NONE" and is_positive and not len(base):
        shares = _forest(node, "class", 1, ids, weights, base, has_rest=True)
        return [Choice((1,), shares, labels), Numbers((1, 2), shares)]
    both = stacked_with_negative(_forest(node, "class", 1, ids, weights, base)).take(np.array([1, 0]))
    if post == "NONE" and is_positive:
        both = both.plus(np.array([1.0, 0.0]))
    if post == "NONE":
        return [Choice((1,), both, labels), Numbers((1, 2), both)]
    if post != "LOGISTIC":
        raise node.unsupported(f"post_transform {post!a} of one score is not supported")
    label: Value = Choice((1,), both, labels)
    if is_positive:  # the runtime takes it for a probability and compares with a half
        label = Unclear(
            f"{node}: runtimes disagree on the label of a logistic whose leaves are all positive", _PROBABILITIES
        )
    return [label, applied(Numbers((1, 2), both), Function("sigmoid"))]


def _regressor(node: Node) -> list[Value]:
    count = node.integer("n_targets", 1)
    check_shape((count,))
    if node.text("post_transform", "NONE") != "NONE":
        raise node.unsupported("a post_transform of a regression is not supported")
    ids, weights = node.integers("target_ids", None), node.floats("target_weights", None)
    if min(ids, default=0) < 0 or max(ids, default=0) >= count:
        raise InvalidInput("onnx.attribute", f"{node} gives weight to targets that are not there", expected=count)
    scores = _forest(node, "target", count, ids, weights, node.floats("base_values"))
    return [Numbers((1, count), scores)]


def _forest(
    node: Node, kind: str, count: int, ids: Sequence[int], weights: Constant, base: Constant, *, has_rest: bool = False
) -> Linear:
    """Return the outputs of an ensemble of the lists that every version up to 4 has.

    has_rest  put before the one output what is left of it to one, leaf by leaf: then trees that vote half and half make
              two equal sums, as they do in scikit-learn, and rounding does not decide
    """
    row = _row(node)
    trees, names = node.integers("nodes_treeids", None), node.integers("nodes_nodeids", None)
    places = {key: at for at, key in enumerate(zip(trees, names, strict=False))}
    if len(places) != len(trees) or len(names) != len(trees) or len(trees) > KERNEL_TREE_NODES_MAX:
        raise InvalidInput("onnx.graph", f"{node} has a node twice, or too many", expected=f"≤ {KERNEL_TREE_NODES_MAX}")
    check_shape((len(trees), count))
    leaves = np.zeros((len(trees), count))
    owners = list(zip(node.integers(f"{kind}_treeids"), node.integers(f"{kind}_nodeids"), strict=False))
    if not len(owners) == len(ids) == len(weights) or not all(owner in places for owner in owners):
        raise InvalidInput("onnx.graph", f"{node} gives weights to nodes that are not there")
    for owner, at, weight in zip(owners, ids, weights, strict=True):
        leaves[places[owner], at] += weight
    _check_finite(node, leaves)
    if has_rest:
        leaves = np.concatenate([float(np.float32(1.0 / len(set(trees)))) - leaves, leaves], axis=1)
    row.layer.meter.spend(0, steps=leaves.size)
    nodes = _splits(node, trees, places, leaves, len(row))
    inner = {side for split in nodes if isinstance(split, Split) for side in (split.yes, split.no)}
    roots = [at for at in range(len(nodes)) if at not in inner]
    if len(roots) != len(set(trees)) or len({trees[root] for root in roots}) != len(roots):
        raise InvalidInput("onnx.graph", f"{node} has trees of no root, or of several")
    grower = Grower(nodes, is_single=not (node.has(_DOUBLES) and node.is_double(_DOUBLES)))
    grown = [grower.grow(root) for root in roots]
    if len(grower.reached) != len(nodes):
        raise InvalidInput("onnx.graph", f"{node} has nodes that no root leads to")
    return _summed(node, row, grown, leaves.shape[1], base)


def _splits(
    node: Node, trees: Sequence[int], places: dict[tuple[int, int], int], leaves: Constant, width: int
) -> list[Split | tuple[float, ...]]:
    modes, features = node.texts("nodes_modes"), node.integers("nodes_featureids")
    values, yes, no = (
        node.floats("nodes_values"),
        node.integers("nodes_truenodeids"),
        node.integers("nodes_falsenodeids"),
    )
    if not len(modes) == len(features) == len(values) == len(yes) == len(no) == len(trees):
        raise InvalidInput("onnx.graph", f"{node} has lists of different lengths")
    nodes: list[Split | tuple[float, ...]] = []
    for at, mode in enumerate(modes):
        if mode == "LEAF":
            nodes.append(tuple(leaves[at].tolist()))
            continue
        sides = [places.get((trees[at], side)) for side in (yes[at], no[at])]
        if mode not in MODES or None in sides or not 0 <= features[at] < width:
            raise InvalidInput("onnx.graph", f"{node} has a fork without sides, feature or mode", got=ascii(mode)[:40])
        nodes.append(Split(mode, features[at], float(values[at]), sides[0] or 0, sides[1] or 0))
    return nodes


def _check_finite(node: Node, leaves: Constant) -> None:
    if not np.isfinite(leaves).all():
        raise InvalidInput("onnx.value", f"{node} has a leaf that is no number")


def _row(node: Node) -> Linear:
    value = node.numbers(0)
    if len(value.linear) != (value.shape[-1] if value.shape else 0):
        raise InvalidInput("onnx.shape", f"{node} takes a row of features", got=value.shape)
    return value.linear


def _summed(node: Node, row: Linear, trees: list[Tree], count: int, base: Constant) -> Linear:
    """Return base + Σ leaves, or their average, as the outputs of a layer."""
    if not trees or len(base) not in (0, count):
        raise InvalidInput("onnx.graph", f"{node} has no trees, or a base for other outputs", got=len(base))
    outputs = Layer(Forest(row, tuple(trees), count)).all
    how = node.text("aggregate_function", "SUM")
    if how not in ("SUM", "AVERAGE"):
        raise node.unsupported(f"takes the {how!a} of its trees, not their sum or average")
    if how == "AVERAGE":
        outputs = outputs.times(np.full(count, 1.0 / len(trees)))
    return outputs.plus(base) if len(base) else outputs


def _ensemble(node: Node) -> list[Value]:
    """Read the operator of version 5: one list of forks, one of leaves."""
    row, count = _row(node), node.integer("n_targets", 1)
    check_shape((count,))
    if node.integer("post_transform", 0):
        raise node.unsupported("a post_transform is not supported")
    ids, weights = node.integers("leaf_targetids", None), node.array("leaf_weights").ravel()
    modes = node.array("nodes_modes").ravel()
    thresholds = node.array("nodes_splits").ravel()
    features, roots = node.integers("nodes_featureids", None), node.integers("tree_roots", None)
    sides = [
        (node.integers(f"nodes_{side}nodeids", None), node.integers(f"nodes_{side}leafs", None))
        for side in ("true", "false")
    ]
    lists = (features, modes, thresholds, *(one for side in sides for one in side))
    if len({len(one) for one in lists}) != 1 or len(ids) != len(weights) or not len(features) <= KERNEL_TREE_NODES_MAX:
        raise InvalidInput("onnx.graph", f"{node} has lists of different lengths, or too long")
    if any(not 0 <= at < count for at in ids) or any(not 0 <= at < len(row) for at in features):
        raise InvalidInput("onnx.graph", f"{node} uses targets or features that are not there")
    if any(not 0 <= mode < len(MODES) for mode in modes.tolist()):
        raise node.unsupported("tests for membership of a set", "write categories as equal or not equal")
    nodes = _listed(node, modes, features, thresholds, sides, _leaves(node, ids, weights, count))
    if any(not 0 <= root < len(features) for root in roots):
        raise InvalidInput("onnx.graph", f"{node} has a root that is not there")
    grower = Grower(nodes, is_single=not node.is_double("nodes_splits"))
    how = {0: "AVERAGE", 1: "SUM"}.get(node.integer("aggregate_function", 1))
    if how is None:
        raise node.unsupported("takes the least or greatest of its trees, not their sum or average")
    if not roots:
        raise InvalidInput("onnx.graph", f"{node} has no trees")
    outputs = Layer(Forest(row, tuple(grower.grow(root) for root in roots), count)).all
    factor = 1.0 / len(roots) if how == "AVERAGE" else 1.0
    return [Numbers((1, count), outputs.times(np.full(count, factor)))]


def _leaves(node: Node, ids: Sequence[int], weights: Constant, count: int) -> list[tuple[float, ...]]:
    check_shape((len(ids), count))
    leaves = np.zeros((len(ids), count))
    leaves[np.arange(len(ids)), list(ids)] = weights
    _check_finite(node, leaves)
    return [tuple(leaf) for leaf in leaves.tolist()]


def _listed(
    node: Node,
    modes: Constant,
    features: Sequence[int],
    thresholds: Constant,
    sides: list[tuple[tuple[int, ...], tuple[int, ...]]],
    leaves: list[tuple[float, ...]],
) -> list[Split | tuple[float, ...]]:
    count = len(features)
    nodes: list[Split | tuple[float, ...]] = []
    for at in range(count):
        ends = []
        for places, is_leaf in sides:
            if not 0 <= places[at] < (len(leaves) if is_leaf[at] else count):
                raise InvalidInput("onnx.graph", f"{node} has a fork to a node that is not there", got=places[at])
            ends.append(places[at] + (count if is_leaf[at] else 0))
        nodes.append(Split(MODES[int(modes[at])], features[at], float(thresholds[at]), ends[0], ends[1]))
    return [*nodes, *leaves]


OPERATORS = {
    "TreeEnsembleClassifier": Operator(_classifier, "post_transform NONE, LOGISTIC or SOFTMAX"),
    "TreeEnsembleRegressor": Operator(_regressor, "post_transform NONE; sums and averages"),
    "TreeEnsemble": Operator(_ensemble, "sums and averages, without sets"),
}
