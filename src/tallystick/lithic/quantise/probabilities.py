"""Scores as probabilities, for those measures that need them; the kernel itself gives scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tallystick.lithic.floats import FloatModel

if TYPE_CHECKING:
    from tallystick.lithic.floats import Array

_SLACK = 1e-3  # sums of single-precision shares are this near to one


def are_probabilities(model: FloatModel, raw: Array) -> bool:
    """Whether the float model's scores on some rows can be read as probabilities: by its link, or as they are."""
    if model.task != "classes":
        return False
    if model.link == "identity":
        sums_up = raw.shape[1] == 1 or bool((abs(raw.sum(axis=1) - 1) < _SLACK).all())
        return sums_up and bool(((raw > -_SLACK) & (raw < 1 + _SLACK)).all())
    width = int(raw.shape[1])
    return width > 1 if model.link == "softmax" else width != 2  # of two sigmoids, the difference says too little


def probabilities(model: FloatModel, scores: Array, width: int) -> Array:
    """Return a probability for each class: of (rows, classes), from scores as `outcome.comparable` gives them.

    width  how many scores the float model has, of which those may be the difference
    """
    import numpy as np

    if width <= 2:
        second = _second(model, scores[:, 0], is_pair=width == 2)
        return np.stack([1 - second, second], axis=1)
    if model.link == "softmax":
        grown = np.exp(scores - scores.max(axis=1, keepdims=True))
    else:
        grown = _logistic(scores) if model.link == "sigmoid" else np.clip(scores, 0, 1)
    return np.asarray(grown / np.maximum(grown.sum(axis=1, keepdims=True), 1e-300))


def _second(model: FloatModel, scores: Array, *, is_pair: bool) -> Array:
    """Return the second of two classes' probability: from a difference of two scores, or from one score."""
    import numpy as np

    if model.link == "softmax":
        return _logistic(scores)
    if model.link == "sigmoid":
        return _logistic(scores + model.threshold)
    return np.clip(scores / 2 + 0.5 if is_pair else scores + model.threshold, 0, 1)


def _logistic(x: Array) -> Array:
    import numpy as np

    return np.asarray(1 / (1 + np.exp(-np.clip(x, -700, 700))))
