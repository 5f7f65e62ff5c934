"""Float against integer model on rows that neither was made from, and the floor below which the integer one is refused.

A row outside the declared ranges is clipped to them, as whoever sends it to the kernel must, and counted; the float
model gets it as it is. Figures are decimal strings, fit for documents that are signed.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from tallystick.core.errors import InvalidInput
from tallystick.lithic.floats import FloatModel, Task, decide, evaluate
from tallystick.lithic.integer.batch import predict_rows
from tallystick.lithic.integer.model import IntegerModel
from tallystick.lithic.quantise.comparison import Answers, Difference, Measures, histogram, measures_of, truth_of, worst
from tallystick.lithic.quantise.exact import Number, declared, measured
from tallystick.lithic.quantise.grids import encode, is_inside, table_of
from tallystick.lithic.quantise.measures import r_squared
from tallystick.lithic.quantise.outcome import comparable
from tallystick.lithic.quantise.probabilities import are_probabilities, probabilities

if TYPE_CHECKING:
    from tallystick.lithic.quantise.measures import Floats

MEASURES = ("accuracy", "auc", "log_loss", "ece", "r2", "mae")


@dataclass(frozen=True)
class Quality:
    """How the models compare on `rows` rows.

    clipped            rows that left the declared ranges
    agreement          share of rows with the same decision; of regressors, R² of the one's values against the other's
    difference_mean    of the absolute differences of scores, in the float model's numbers
    difference_inside  the greatest of them on rows that no range clipped: what the proven bound speaks of
    histogram          of the differences, integer less float: (from, to, how many)
    worst              disagreements first, then the greatest differences of scores
    """

    task: Task
    rows: int
    clipped: int
    of_float: Measures
    of_integer: Measures
    agreement: str
    difference_mean: str
    difference_max: str
    difference_inside: str
    histogram: tuple[tuple[str, str, int], ...]
    worst: tuple[Difference, ...]

    def figures(self) -> dict[str, str]:
        """Return every figure by its name, fit for an artifact."""
        found = {"rows": str(self.rows), "rows_clipped": str(self.clipped), "agreement": self.agreement}
        for name in MEASURES:
            for whose, of in (("float", self.of_float), ("integer", self.of_integer)):
                value = getattr(of, name)
                if value is not None:
                    found[f"{name}_{whose}"] = value
        for name in ("mean", "max", "inside"):
            found[f"score_difference_{name}"] = getattr(self, f"difference_{name}")
        return found


@dataclass(frozen=True)
class Floor:
    """What an integer model must reach: a drop is the float model's figure less its own, one point is 0.01."""

    accuracy_drop: Number = "0.01"
    auc_drop: Number = "0.01"
    r2_drop: Number = "0.01"
    agreement: Number = "0.98"


def quality(model: FloatModel, integer: IntegerModel, rows: Any, labels: Any = None) -> Quality:
    """Return how the models compare on `rows`.

    labels   of classes, their index or their name; of regressors, the true values; nothing if unknown
    raises   InvalidInput "kernel.rows" when there are none, or they or the labels do not fit the model
    """

    table = table_of(model.features, rows)
    if not len(table):
        raise InvalidInput("kernel.rows", "no rows to compare on", expected="≥ 1 row", got=0)
    integers = encode(integer.input, table, clip=True)
    of_float, of_integer = _answers(model, integer, table, integers)
    truth = truth_of(model, labels, len(table), of_float.scores.shape[1])
    apart, inside = of_integer.scores - of_float.scores, is_inside(integer.input, table)
    return Quality(
        task=model.task,
        rows=len(table),
        clipped=int((~inside).sum()),
        of_float=measures_of(model, of_float, truth),
        of_integer=measures_of(model, of_integer, truth),
        agreement=measured(_agreement(model, of_float, of_integer)),
        difference_mean=measured(float(abs(apart).mean()), 9),
        difference_max=measured(float(abs(apart).max()), 9),
        difference_inside=measured(float(abs(apart[inside]).max(initial=0.0)), 9),
        histogram=histogram(apart),
        worst=worst(model, of_float, of_integer, truth, table, integers),
    )


def check_quality(found: Quality, floor: Floor | None = None) -> None:
    """Return if the integer model is good enough; raises InvalidInput "kernel.quality", naming what is not."""
    least = floor or Floor()
    for name in ("accuracy", "auc", "r2"):
        before, after = getattr(found.of_float, name), getattr(found.of_integer, name)
        allowed = declared(getattr(least, f"{name}_drop"), f"{name} drop")
        if before is not None and (after is None or Fraction(before) - Fraction(after) > allowed):
            raise _below(f"{name} drops too far", f"≥ {before} - {float(allowed):g}", after)
    if Fraction(found.agreement) < declared(least.agreement, "agreement"):
        raise _below("the models agree too rarely", f"≥ {least.agreement}", found.agreement)


def _answers(model: FloatModel, integer: IntegerModel, rows: Floats, integers: Any) -> tuple[Answers, Answers]:
    """Return what each model says, in numbers that compare."""
    import numpy as np

    raw = evaluate(model, rows)[-1]
    answers = predict_rows(integer, integers)
    seen = comparable(model, raw)
    has_decision = integer.decision != "none"
    found = answers[:, int(has_decision) :].astype(np.float64) * float(Fraction(integer.scale))
    if found.shape != seen.shape:
        raise InvalidInput(
            "kernel.rows", "the integer model was not made of this one", expected=seen.shape[1], got=found.shape[1]
        )
    likely, width = are_probabilities(model, raw), raw.shape[1]
    of_float = Answers(
        seen, decide(model, raw) if has_decision else seen, probabilities(model, seen, width) if likely else None
    )
    decided = answers[:, 0].astype(np.int64) if has_decision else found
    return of_float, Answers(found, decided, probabilities(model, found, width) if likely else None)


def _agreement(model: FloatModel, of_float: Answers, of_integer: Answers) -> float:
    if model.task != "value":
        return float((of_float.decided == of_integer.decided).mean())
    found = r_squared(of_float.scores, of_integer.scores)
    return float(abs(of_float.scores - of_integer.scores).max() == 0) if found is None else found


def _below(message: str, expected: object, got: object) -> InvalidInput:
    hint = "take more input, weight or activation bits, or declare ranges that are nearer to the data"
    return InvalidInput("kernel.quality", message, expected=expected, got=got, hint=hint)
