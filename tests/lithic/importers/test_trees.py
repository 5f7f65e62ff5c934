"""Decision trees: every comparison, the float32 edge of every threshold, what classifiers of two classes say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from tallystick.core.errors import InvalidInput
from tallystick.lithic.floats import Fork, Trees, decide
from tallystick.lithic.importers import read_onnx
from tests.lithic.importers.onnx_kit import Array, graph, ml_node, node, probabilities, run, scores_of

MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ")
STUMP = {
    "nodes_treeids": [0, 0, 0],
    "nodes_nodeids": [0, 1, 2],
    "nodes_featureids": [0, 0, 0],
    "nodes_values": [0.1, 0.0, 0.0],
    "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
    "nodes_truenodeids": [1, 0, 0],
    "nodes_falsenodeids": [2, 0, 0],
}
TARGETS = {"n_targets": 1, "target_treeids": [0, 0], "target_nodeids": [1, 2], "target_ids": [0, 0]}
REGRESSOR = STUMP | TARGETS | {"target_weights": [1.0, -1.0]}
FLOATS = st.floats(-(2.0**90), 2.0**90, width=32)


def regressor(**changes: Any) -> bytes:
    """Return a model of one tree of one fork, with some attributes changed."""
    return graph([ml_node("TreeEnsembleRegressor", ["x"], ["y"], **(REGRESSOR | changes))], 2)


def around(value: float) -> Array:
    """Return rows whose first column is a float32 number, its neighbours, and numbers between in double precision."""
    here = np.float32(value)
    below, above = (float(np.nextafter(here, np.float32(end))) for end in (-np.inf, np.inf))
    middle = float(here)
    column = [below, middle, above, (below + middle) / 2, (middle + above) / 2, (3 * middle + above) / 4, value]
    return np.stack([column, np.zeros(len(column))], axis=1)


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=15, deadline=None)
@given(value=FLOATS)
def test_a_fork_goes_where_the_runtime_goes_for_any_real_number(mode: str, value: float) -> None:
    file = regressor(nodes_modes=[mode, "LEAF", "LEAF"], nodes_values=[value, 0.0, 0.0])
    rows = around(value)
    wanted = run(file, rows)[0]  # which rounds the rows to float32
    model = read_onnx(file, name="stump")
    (step,) = model.steps
    assert isinstance(step, Trees)
    found = [[_leaf(step.trees[0], row)] for row in rows.tolist()]  # and this does not
    assert found == wanted.tolist()


def _leaf(tree: Any, row: list[float]) -> float:
    while isinstance(tree, Fork):
        value = row[tree.feature]
        tree = tree.left if (value < tree.threshold if tree.strict else value <= tree.threshold) else tree.right
    return float(tree[0])


@settings(max_examples=15, deadline=None)
@given(scale=st.sampled_from([2.0, -0.5, 0.25, 0.0]), offset=st.sampled_from([0.0, 3.0]), value=st.integers(-8, 8))
def test_a_scaler_goes_into_the_thresholds(scale: float, offset: float, value: int) -> None:
    nodes = [
        ml_node("Scaler", ["x"], ["s"], offset=[offset, 0.0], scale=[scale, 1.0]),
        ml_node("TreeEnsembleRegressor", ["s"], ["y"], **(REGRESSOR | {"nodes_values": [float(value), 0.0, 0.0]})),
    ]
    file = graph(nodes, 2)
    rows = np.stack([np.arange(-40, 40) / 2, np.zeros(80)], axis=1)  # all sums and products are exact
    model = read_onnx(file, name="scaled")
    assert [type(step) for step in model.steps] == [Trees]
    assert np.array_equal(scores_of(model, rows), run(file, rows)[0])


def test_trees_over_sums_come_after_an_affine_step() -> None:
    nodes = [node("MatMul", ["x", "m"], ["s"]), ml_node("TreeEnsembleRegressor", ["s"], ["y"], **REGRESSOR)]
    file = graph(nodes, 2, constants={"m": np.array([[1.0], [1.0]])})
    rows = np.array([[0.5, -0.5], [0.5, 0.5], [-3.0, 1.0]])
    model = read_onnx(file, name="sums")
    assert [type(step).__name__ for step in model.steps] == ["Affine", "Trees"]
    assert np.array_equal(scores_of(model, rows), run(file, rows)[0])


def test_forests_side_by_side_are_one_and_are_scaled_leaf_by_leaf() -> None:
    nodes = [
        ml_node("TreeEnsembleRegressor", ["x"], ["a"], **REGRESSOR),
        ml_node("TreeEnsembleRegressor", ["x"], ["b"], **(REGRESSOR | {"nodes_values": [-1.0, 0.0, 0.0]})),
        node("Mul", ["b", "c"], ["d"]),
        node("Add", ["a", "d"], ["y"]),
    ]
    file = graph(nodes, 2, constants={"c": np.array([4.0])})
    rows = np.array([[-2.0, 0.0], [0.0, 0.0], [2.0, 0.0]])
    model = read_onnx(file, name="two")
    (step,) = model.steps
    assert isinstance(step, Trees)
    assert len(step.trees) == 2
    assert np.array_equal(scores_of(model, rows), run(file, rows)[0])


def classifier(weights: list[float], post: str, **more: Any) -> bytes:
    """Return a classifier of two classes, of which the second alone has weights."""
    kept = {
        "class_treeids": [0, 0],
        "class_nodeids": [1, 2],
        "class_ids": [0, 0],
        "class_weights": weights,
        "classlabels_int64s": [4, 7],
        "post_transform": post,
    }
    return graph(
        [ml_node("TreeEnsembleClassifier", ["x"], ["label", "p"], **(STUMP | kept | more))], 2, outputs=("label", "p")
    )


ROWS = np.array([[0.0, 0.0], [1.0, 0.0]])


@pytest.mark.parametrize("post", ["NONE", "LOGISTIC"])
@pytest.mark.parametrize("weights", [[0.25, 0.75], [-0.25, 0.75], [-0.25, 0.375], [0.5, 0.25]])
@pytest.mark.parametrize("base", [{}, {"base_values": [0.125]}], ids=["no base", "base"])
def test_a_classifier_of_two_classes_says_what_the_runtime_says(weights: list[float], post: str, base: Any) -> None:
    file = classifier(weights, post, **base)
    labels, written = run(file, ROWS)
    if post == "LOGISTIC" and min(weights) > 0:  # the runtime's label contradicts its probability
        with pytest.raises(InvalidInput, match="runtimes disagree"):
            read_onnx(file, name="two")
        model = read_onnx(file, name="two", output="p", labels=("4", "7"))
        labels = np.where(written[:, 1] > 0.5, 7, 4)
    else:
        model = read_onnx(file, name="two")
    scores = scores_of(model, ROWS)
    assert [model.labels[k] for k in decide(model, scores)] == [str(label) for label in labels]
    assert model.link == ("sigmoid" if post == "LOGISTIC" else "identity")
    if post == "LOGISTIC":
        assert np.abs(probabilities(model, scores) - written).max() < 1e-6


def test_a_classifier_that_weighs_both_classes_has_probabilities_and_no_label() -> None:
    both = {"class_treeids": [0] * 4, "class_nodeids": [1, 1, 2, 2], "class_ids": [0, 1, 0, 1]}
    file = classifier([0.75, 0.25, 0.125, 0.875], "NONE", **both)
    with pytest.raises(InvalidInput, match="runtimes disagree") as caught:
        read_onnx(file, name="two")
    assert caught.value.code == "onnx.unsupported"
    model = read_onnx(file, name="two", output="p", task="classes")
    assert decide(model, scores_of(model, ROWS)).tolist() == run(file, ROWS)[1].argmax(axis=1).tolist()


@pytest.mark.parametrize("aggregate", [0, 1])
def test_the_ensemble_of_version_five_is_read(aggregate: int) -> None:
    file = graph([ensemble(aggregate)], 2, ml=5)
    rows = np.array([[0.0, 0.0], [0.1, 5.0], [0.2, 2.0], [3.0, 1.0]])
    model = read_onnx(file, name="five")
    assert np.abs(scores_of(model, rows) - run(file, rows)[0]).max() < 1e-6


def ensemble(aggregate: int = 1, mode: int = 1, root: int = 0) -> Any:
    """Return two trees over one list of forks: x0 < 0.1, then x1 ≤ 2; and the second of these alone."""
    floats = TensorProto.FLOAT
    return ml_node(
        "TreeEnsemble",
        ["x"],
        ["y"],
        n_targets=2,
        aggregate_function=aggregate,
        tree_roots=[root, 2],
        nodes_featureids=[0, 1, 1],
        nodes_modes=helper.make_tensor("modes", TensorProto.UINT8, [3], [mode, 0, 0]),
        nodes_splits=helper.make_tensor("splits", floats, [3], [0.1, 2.0, 2.0]),
        nodes_truenodeids=[0, 1, 1],
        nodes_trueleafs=[1, 1, 1],
        nodes_falsenodeids=[1, 2, 2],
        nodes_falseleafs=[0, 1, 1],
        leaf_targetids=[0, 1, 0],
        leaf_weights=helper.make_tensor("weights", floats, [3], [1.0, 2.0, -4.0]),
    )


REFUSED = {
    "a cycle": ({"nodes_truenodeids": [0, 0, 0]}, "onnx.graph"),
    "a side that is not there": ({"nodes_truenodeids": [9, 0, 0]}, "onnx.graph"),
    "a node twice": ({"nodes_nodeids": [0, 1, 1]}, "onnx.graph"),
    "a feature that is not there": ({"nodes_featureids": [2, 0, 0]}, "onnx.graph"),
    "a negative feature": ({"nodes_featureids": [-1, 0, 0]}, "onnx.graph"),
    "an unknown mode": ({"nodes_modes": ["BRANCH_MAYBE", "LEAF", "LEAF"]}, "onnx.graph"),
    "a list too short": ({"nodes_values": [0.1]}, "onnx.graph"),
    "two roots": ({"nodes_modes": ["LEAF", "LEAF", "LEAF"]}, "onnx.graph"),
    "a weight of no node": ({"target_nodeids": [1, 7]}, "onnx.graph"),
    "a weight of no target": ({"target_ids": [0, 1]}, "onnx.attribute"),
    "a threshold that is no number": ({"nodes_values": [float("nan"), 0.0, 0.0]}, "onnx.value"),
    "a leaf that is infinite": ({"target_weights": [float("inf"), 0.0]}, "onnx.value"),
    "a base for other outputs": ({"base_values": [0.0, 1.0]}, "onnx.graph"),
    "the least of its trees": ({"aggregate_function": "MIN"}, "onnx.unsupported"),
    "a link": ({"post_transform": "LOGISTIC"}, "onnx.unsupported"),
    "an attribute that nobody knows": ({"nodes_colours": [1, 2, 3]}, "onnx.unsupported"),
    "an attribute of another type": ({"nodes_values": [1, 2, 3]}, "onnx.attribute"),
    "a huge number of targets": ({"n_targets": 2**40}, "onnx.size"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_malformed_tree_is_refused(name: str) -> None:
    changes, code = REFUSED[name]
    read_onnx(regressor(), name="stump")
    with pytest.raises(InvalidInput) as caught:
        read_onnx(regressor(**changes), name="stump")
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("changes", "code"), [({"root": 0}, ""), ({"root": 3}, "onnx.graph"), ({"mode": 6}, "onnx.unsupported")]
)
def test_a_malformed_ensemble_of_version_five_is_refused(changes: dict[str, int], code: str) -> None:
    file = graph([ensemble(**changes)], 2, ml=5)
    if not code:
        assert read_onnx(file, name="five").task == "value"
        return
    with pytest.raises(InvalidInput) as caught:
        read_onnx(file, name="five")
    assert caught.value.code == code


def test_shared_nodes_are_counted_as_often_as_they_are_reached() -> None:
    def ladder(height: int) -> bytes:
        """Each node has the next one on both sides: as a tree, 2 ** height leaves."""
        ids = list(range(height + 1))
        after = [*ids[1:], 0]
        modes = ["BRANCH_LEQ"] * height + ["LEAF"]
        return regressor(
            nodes_treeids=[0] * len(ids),
            nodes_nodeids=ids,
            nodes_featureids=[0] * len(ids),
            nodes_modes=modes,
            nodes_values=[0.0] * len(ids),
            nodes_truenodeids=after,
            nodes_falsenodeids=after,
            target_treeids=[0],
            target_nodeids=[height],
            target_ids=[0],
            target_weights=[1.0],
        )

    read_onnx(ladder(6), name="ladder")
    with pytest.raises(InvalidInput, match="too large") as caught:
        read_onnx(ladder(40), name="ladder")
    assert caught.value.code == "onnx.size"
