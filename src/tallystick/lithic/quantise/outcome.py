"""What is asked of a model in the end: which scores the kernel gives, and how a decision is read off them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from tallystick.core.errors import InvalidInput
from tallystick.lithic.floats import FloatModel
from tallystick.lithic.integer.model import Decision
from tallystick.lithic.quantise.exact import trained
from tallystick.lithic.quantise.forms import Form, combined

if TYPE_CHECKING:
    from tallystick.lithic.floats import Array


@dataclass(frozen=True)
class Outcome:
    """How the float model's scores become the kernel's.

    is_difference  of two classes' scores, the second less the first: positive exactly where the second wins, and the
                   first keeps the ties, as it does where the greatest of two wins
    less           subtracted from a single score: what it must exceed for the second class
    """

    decision: Decision
    labels: tuple[str, ...]
    is_difference: bool
    less: Fraction

    def reading(self, values: tuple[int, ...]) -> tuple[int, ...]:
        """Return what the kernel gives of a sum's scores, but for what is subtracted once."""
        return (values[1] - values[0],) if self.is_difference else values

    def forms(self, scores: tuple[Form, ...]) -> tuple[Form, ...]:
        """Return what the kernel gives of the float model's scores."""
        if self.is_difference:
            return (combined((-1, 1), Fraction(0), scores),)
        return tuple(combined((1,), -self.less, (score,)) for score in scores) if self.less else scores


def outcome_for(model: FloatModel, width: int) -> Outcome:
    """Return the outcome of a model with `width` scores; raises InvalidInput "kernel.float" if labels do not fit."""
    is_pair = model.task == "classes" and width == 2
    is_single = model.task == "classes" and width == 1
    labels = () if model.task == "value" else model.labels
    if labels and len(labels) != (2 if is_single else width):
        raise InvalidInput("kernel.float", "labels do not fit the scores", expected=width, got=len(labels))
    if is_pair or is_single:
        less = trained(model.threshold, "the threshold") if is_single else Fraction(0)
        return Outcome("positive", labels, is_pair, less)
    return Outcome("none" if model.task == "value" else "argmax", labels, False, Fraction(0))


def comparable(model: FloatModel, scores: Array) -> Array:
    """Return what the kernel's scores, times their scale, are near to: of (rows, scores of the float model)."""
    if model.task == "classes" and scores.shape[1] == 2:
        return scores[:, [1]] - scores[:, [0]]
    if model.task == "classes" and scores.shape[1] == 1:
        return scores - model.threshold
    return scores
