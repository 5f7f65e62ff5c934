"""What two models say of the same rows: each one's measures, and the rows they see most differently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tallystick.core.errors import InvalidInput
from tallystick.lithic.floats import FloatModel
from tallystick.lithic.quantise import measures
from tallystick.lithic.quantise.exact import measured
from tallystick.lithic.quantise.measures import Bin

if TYPE_CHECKING:
    from tallystick.lithic.quantise.grids import Integers
    from tallystick.lithic.quantise.measures import Floats

WORST = 8  # rows shown of those that the models see most differently
HISTOGRAM_BINS = 31  # odd, so that the middle one is about zero


@dataclass(frozen=True)
class Measures:
    """One model on the rows; what does not apply to it, or cannot be computed from these rows, is nothing.

    auc        of more than two classes, the mean of each against the rest
    ece        expected calibration error over ten bins
    confusion  true classes down, decided ones across
    """

    accuracy: str | None = None
    auc: str | None = None
    log_loss: str | None = None
    ece: str | None = None
    r2: str | None = None
    mae: str | None = None
    confusion: tuple[tuple[int, ...], ...] = ()
    bins: tuple[Bin, ...] = ()


@dataclass(frozen=True)
class Difference:
    """A row that the models see differently.

    scores    of each model, in the float model's numbers
    inputs    the row as it came, and `integers` the same as the kernel gets it
    """

    row: int
    label: str | None
    float_answer: str
    integer_answer: str
    float_scores: tuple[str, ...]
    integer_scores: tuple[str, ...]
    inputs: tuple[str, ...]
    integers: tuple[int, ...]

    @property
    def is_disagreement(self) -> bool:
        """Whether the answers differ, not only the scores behind them."""
        return self.float_answer != self.integer_answer


@dataclass(frozen=True)
class Answers:
    """What one model says of every row: scores as `outcome.comparable` gives them, and what is decided from them."""

    scores: Floats
    decided: Any
    probabilities: Floats | None


def measures_of(model: FloatModel, answers: Answers, truth: Any) -> Measures:
    """Return the measures of one model; `truth` as `truth_of` gives it."""
    if truth is None or model.task == "clusters":
        return Measures()
    if model.task == "value":
        r2 = measures.r_squared(truth, answers.scores)
        mae = measures.mean_error(truth, answers.scores)
        return Measures(r2=None if r2 is None else measured(r2), mae=measured(mae))
    likely = answers.probabilities
    if answers.scores.shape[1] == 1:
        area = measures.auc(truth == 1, answers.scores[:, 0])
    else:
        area = measures.auc_of_classes(truth, answers.scores if likely is None else likely)
    bins = () if likely is None else measures.calibration(truth, likely)
    return Measures(
        accuracy=measured(float((answers.decided == truth).mean())),
        auc=None if area is None else measured(area),
        log_loss=None if likely is None else measured(measures.log_loss(truth, likely)),
        ece=measured(measures.calibration_error(bins)) if bins else None,
        confusion=measures.confusion(truth, answers.decided, max(2, answers.scores.shape[1])),
        bins=bins,
    )


def truth_of(model: FloatModel, labels: Any, rows: int, scores: int) -> Any:
    """Return the true classes as indices, the true values as (rows, scores), or nothing if nothing is known.

    raises  InvalidInput "kernel.rows" when labels do not fit the rows or the model
    """
    import numpy as np

    if labels is None:
        return None
    given = np.asarray(labels)
    if len(given) != rows:
        raise InvalidInput("kernel.rows", "labels do not fit the rows", expected=rows, got=len(given))
    if model.task == "value":
        values = given.astype(np.float64).reshape(rows, -1)
        if values.shape[1] != scores or not np.isfinite(values).all():
            raise InvalidInput("kernel.rows", "true values do not fit", expected=f"{scores} a row", got=values.shape)
        return values
    return _indices(model, given.reshape(rows, -1)[:, 0].tolist(), max(2, scores))


def histogram(differences: Floats) -> tuple[tuple[str, str, int], ...]:
    """Return how differences of scores are spread about zero: (from, to, how many)."""
    import numpy as np

    reach = float(abs(differences).max()) or 1.0
    counts, edges = np.histogram(differences, bins=HISTOGRAM_BINS, range=(-reach, reach))
    ends = [measured(float(edge), 9) for edge in edges]
    return tuple((low, high, int(count)) for low, high, count in zip(ends, ends[1:], counts, strict=False))


def worst(
    model: FloatModel, of_float: Answers, of_integer: Answers, truth: Any, rows: Floats, integers: Integers
) -> tuple[Difference, ...]:
    """Return disagreements first, then the greatest differences of scores."""
    import numpy as np

    apart = abs(of_integer.scores - of_float.scores).max(axis=1)
    differs = np.zeros(len(apart)) if model.task == "value" else of_float.decided != of_integer.decided
    order = np.lexsort((np.arange(len(apart)), -apart, 1 - differs.astype(int)))
    found = []
    for row in order[:WORST].tolist():
        label = None if truth is None else _label(model, truth[row])
        found.append(
            Difference(
                row,
                label,
                _label(model, of_float.decided[row]),
                _label(model, of_integer.decided[row]),
                tuple(measured(float(score)) for score in of_float.scores[row]),
                tuple(measured(float(score)) for score in of_integer.scores[row]),
                tuple(measured(float(value)) for value in rows[row]),
                tuple(int(value) for value in integers[row]),
            )
        )
    return tuple(found)


def _label(model: FloatModel, answer: Any) -> str:
    """Return an answer in words: a class's label, a cluster's index, or values."""
    if model.task == "value":
        return ", ".join(measured(float(value)) for value in answer)
    return model.labels[int(answer)] if model.labels else str(int(answer))


def _indices(model: FloatModel, labels: Sequence[Any], classes: int) -> Any:
    """Return labels as indices: by name if each is the name of a class, else as the index it is."""
    import numpy as np

    names = {name: k for k, name in enumerate(model.labels)}
    said = [str(int(label)) if isinstance(label, float) and label.is_integer() else str(label) for label in labels]
    if names and all(label in names for label in said):
        return np.array([names[label] for label in said])
    strange = [label for label in said if not label.isdecimal() or int(label) >= classes]
    if strange:
        raise InvalidInput(
            "kernel.rows", "a label is no class", got=strange[0][:100],
            expected=f"0 to {classes - 1}" + (f" or {', '.join(model.labels)}"[:200] if names else ""),
        )  # fmt: skip
    return np.array([int(label) for label in said])
