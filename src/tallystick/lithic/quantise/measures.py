"""How good answers are: the usual measures, by their textbook definitions, from numpy alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Floats = np.ndarray[Any, np.dtype[np.float64]]
    Indices = np.ndarray[Any, np.dtype[np.int64]]

BINS = 10  # of equal width between 0 and 1, as calibration is usually drawn
_LEAST_PROBABILITY = 1e-15  # one wrong certainty would make the whole log loss infinite


@dataclass(frozen=True)
class Bin:
    """Rows whose probability lies between `low` and `high`: how many, its mean, and how often it came true."""

    low: float
    high: float
    rows: int
    mean: float
    observed: float


def confusion(labels: Indices, decided: Indices, classes: int) -> tuple[tuple[int, ...], ...]:
    """Return how many rows of each class (down) were decided to be of each (across)."""
    import numpy as np

    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (labels, decided), 1)
    return tuple(tuple(int(count) for count in row) for row in counts)


def auc(is_positive: Any, scores: Floats) -> float | None:
    """Return how often a positive row scores higher than a negative one, ties half; None where there are not both."""
    import numpy as np

    positive = np.asarray(is_positive, dtype=bool)
    here, there = int(positive.sum()), int((~positive).sum())
    if not here or not there:
        return None
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return float((ranks[positive].sum() - here * (here + 1) / 2) / (here * there))


def auc_of_classes(labels: Indices, scores: Floats) -> float | None:
    """Return the mean of each class's AUC against the rest; None where a class is missing or is all there is."""
    found = [auc(labels == k, scores[:, k]) for k in range(scores.shape[1])]
    known = [value for value in found if value is not None]
    return sum(known) / len(known) if len(known) == len(found) else None


def log_loss(labels: Indices, probabilities: Floats) -> float:
    """Return the mean of -log of the probability that was given to what is true."""
    import numpy as np

    given = np.clip(probabilities[np.arange(len(labels)), labels], _LEAST_PROBABILITY, 1)
    return float(-np.log(given).mean())


def calibration(labels: Indices, probabilities: Floats) -> tuple[Bin, ...]:
    """Return the bins that have rows: of two classes, of the second one's probability; of more, of the greatest."""
    import numpy as np

    if probabilities.shape[1] == 2:
        claimed, came_true = probabilities[:, 1], labels == 1
    else:
        claimed, came_true = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    places = np.minimum((claimed * BINS).astype(np.int64), BINS - 1)
    found = []
    for place in range(BINS):
        inside = places == place
        if inside.any():
            mean, observed = float(claimed[inside].mean()), float(came_true[inside].mean())
            found.append(Bin(place / BINS, (place + 1) / BINS, int(inside.sum()), mean, observed))
    return tuple(found)


def calibration_error(bins: tuple[Bin, ...]) -> float:
    """Return the expected calibration error: how far off the bins are, each by its share of the rows."""
    rows = sum(one.rows for one in bins)
    return sum(one.rows * abs(one.mean - one.observed) for one in bins) / rows


def r_squared(truth: Floats, values: Floats) -> float | None:
    """Return 1 - residual / total variance, the mean over the columns; None where a column never changes."""
    total = ((truth - truth.mean(axis=0)) ** 2).sum(axis=0)
    if not (total > 0).all():
        return None
    return float((1 - ((truth - values) ** 2).sum(axis=0) / total).mean())


def mean_error(truth: Floats, values: Floats) -> float:
    """Return the mean absolute error."""
    return float(abs(truth - values).mean())
