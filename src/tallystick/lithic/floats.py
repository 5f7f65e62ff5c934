"""The float model: what an importer reads out of a trained model, before anything is rounded.

A chain of steps over one feature vector, as `integer.model` but with numbers as the training library had them. It is
evaluated here in double precision, to calibrate the integer model and to say how far that one is from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float64]]

Task = Literal["classes", "value", "clusters"]


@dataclass(frozen=True, eq=False)
class Affine:
    """z = weights · x + bias; weights (outputs, inputs), bias (outputs,), both float64."""

    weights: Array
    bias: Array


@dataclass(frozen=True)
class Activation:
    """y = f(x), number by number."""

    function: Literal["relu", "sigmoid", "tanh"]


@dataclass(frozen=True)
class Squares:
    """y = (x, x · x)."""


@dataclass(frozen=True)
class OneHot:
    """Each column becomes [x = c] for its categories, or stays as it is where it has None."""

    columns: tuple[tuple[float, ...] | None, ...]


@dataclass(frozen=True)
class MaxPool:
    """y_k = the greatest of the x_i whose indices are in `groups[k]`."""

    groups: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Fork:
    """To `left` when x[feature] ≤ threshold, else to `right`; strict says < instead of ≤."""

    feature: int
    threshold: float
    left: Fork | tuple[float, ...]
    right: Fork | tuple[float, ...]
    strict: bool = False


@dataclass(frozen=True)
class Trees:
    """y = base + Σ leaves; every leaf holds one number for each output."""

    base: tuple[float, ...]
    trees: tuple[Fork | tuple[float, ...], ...]


Step = Affine | Activation | Squares | OneHot | MaxPool | Trees


@dataclass(frozen=True)
class FloatModel:
    """A whole model.

    features  names of the inputs, in order
    steps     from the feature vector to the scores
    task      classes: the greatest score wins, or one score above `threshold` where there is but one; value: the scores
              are what is predicted; clusters: the greatest score wins
    labels    of the classes, in the order of the scores; of a single score, (below, above)
    link      what turns scores into probabilities for those who want them: the kernel answers scores
    """

    name: str
    features: tuple[str, ...]
    steps: tuple[Step, ...]
    task: Task
    labels: tuple[str, ...] = ()
    threshold: float = 0.0
    link: Literal["identity", "sigmoid", "softmax"] = "identity"


def evaluate(model: FloatModel, rows: Array) -> list[Array]:
    """Return what goes into the first step, and what comes out of each: arrays of (rows, numbers)."""
    import numpy as np

    vectors = [np.asarray(rows, dtype=np.float64)]
    for step in model.steps:
        vectors.append(apply(step, vectors[-1]))
    return vectors


def decide(model: FloatModel, scores: Array) -> Any:
    """Return the predicted class or cluster of each row as an index, or the values as they are."""
    if model.task == "value":
        return scores
    if scores.shape[1] == 1:
        return (scores[:, 0] > model.threshold).astype(int)
    return scores.argmax(axis=1)


def apply(step: Step, x: Array) -> Array:
    """Return what `step` makes of each row of `x`."""
    import numpy as np

    match step:
        case Affine(weights, bias):
            return np.asarray(x @ weights.T + bias)
        case Activation(function):
            return _FUNCTIONS[function](x)
        case Squares():
            return np.concatenate([x, x * x], axis=1)
        case OneHot(columns):
            parts = [x[:, [k]] if c is None else (x[:, [k]] == np.array(c)) for k, c in enumerate(columns)]
            return np.concatenate([part.astype(np.float64) for part in parts], axis=1)
        case MaxPool(groups):
            return np.stack([x[:, list(group)].max(axis=1) for group in groups], axis=1)
        case Trees(base, trees):
            total = np.tile(np.array(base, dtype=np.float64), (len(x), 1))
            for tree in trees:
                _add_leaves(tree, x, total)
            return total


def _add_leaves(tree: Fork | tuple[float, ...], x: Array, total: Array) -> None:
    """Add to each row of `total` the leaf that the row of `x` reaches: every fork splits the rows."""
    import numpy as np

    waiting = [(tree, np.arange(len(x)))]
    while waiting:
        node, rows = waiting.pop()
        if not isinstance(node, Fork):
            total[rows] += node
            continue
        values = x[rows, node.feature]
        is_left = values < node.threshold if node.strict else values <= node.threshold
        waiting += [(node.left, rows[is_left]), (node.right, rows[~is_left])]


def _relu(x: Array) -> Array:
    import numpy as np

    return np.maximum(x, 0.0)


def _sigmoid(x: Array) -> Array:
    import numpy as np

    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -700, 700))))


def _tanh(x: Array) -> Array:
    import numpy as np

    return np.asarray(np.tanh(x))


_FUNCTIONS = {"relu": _relu, "sigmoid": _sigmoid, "tanh": _tanh}
