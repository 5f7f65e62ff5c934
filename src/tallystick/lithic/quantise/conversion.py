"""From a float model to an integer model: `quantise`, and `convert` which also says how far off it can be.

The same model, ranges, sample and bits give the same integers on every machine: what decides them is integer and
fraction arithmetic (`forms`, `dense`, `trees`), and decimal arithmetic where a sigmoid is tabulated (`activations`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tallystick.core.errors import InvalidInput
from tallystick.lithic import floats
from tallystick.lithic.floats import FloatModel
from tallystick.lithic.integer.intervals import Interval
from tallystick.lithic.integer.model import IntegerModel
from tallystick.lithic.quantise import activations, selections
from tallystick.lithic.quantise.bound import ErrorBound, bound_of
from tallystick.lithic.quantise.choices import Choice, choose
from tallystick.lithic.quantise.dense import push_dense
from tallystick.lithic.quantise.draft import Draft
from tallystick.lithic.quantise.exact import text
from tallystick.lithic.quantise.fitting import check_fit
from tallystick.lithic.quantise.forms import EXACT, Errors, Form, affine
from tallystick.lithic.quantise.grids import Bits, Ranges, encode, ranges_for
from tallystick.lithic.quantise.outcome import Outcome, outcome_for
from tallystick.lithic.quantise.trees import push_trees

_FINAL_VALUE_BITS = 15  # of a table whose values are the scores: no more steps make sums of them


@dataclass(frozen=True)
class Precision:
    """How many bits things have.

    input       of a field; without a choice 16 where trees compare features, which costs nothing, or where a declared
                step has more than 8 bits count, and 8 elsewhere
    weight      of a weight of a hidden step, sign included
    score       of a weight of the step whose sums are the scores: nothing after it needs them narrow
    activation  of what comes out of a hidden layer
    leaf        of a tree's greatest leaf, sign included
    table       of the index into a table of a sigmoid or tanh
    """

    input: Bits | None = None
    weight: int = 8
    score: int = 12
    activation: int = 8
    leaf: int = 16
    table: int = 8

    def __post_init__(self) -> None:
        """Raise InvalidInput "kernel.bits" for numbers of bits that make no sense."""
        for name, value, least, most in (
            ("weight", self.weight, 2, 32), ("score", self.score, 2, 32), ("activation", self.activation, 1, 16),
            ("leaf", self.leaf, 2, 48), ("table", self.table, 2, 12),
        ):  # fmt: skip
            if not least <= value <= most:
                raise InvalidInput(
                    "kernel.bits", f"{name} bits out of range", expected=f"{least} to {most}", got=value,
                    hint="more bits are more exact and cost more gas; leave it out for what usually does",
                )  # fmt: skip
        if self.input not in (None, 8, 16):
            raise InvalidInput("kernel.bits", "input bits out of range", expected="8 or 16", got=self.input)


@dataclass(frozen=True)
class Conversion:
    """An integer model, how far its scores can be from those it was made from, and which grid was chosen for it."""

    integer: IntegerModel
    bound: ErrorBound
    choice: Choice


def check_asked(model: FloatModel, asked: Collection[str]) -> None:
    """Return if the model has all that bits were asked for; raises InvalidInput "kernel.bits", naming what it has not.

    asked   fields of `Precision`
    """
    kinds = [step.function if isinstance(step, floats.Activation) else type(step).__name__ for step in model.steps]
    hidden = kinds[:-1] if kinds[-1:] != ["relu"] else kinds
    mixed = "Affine" in kinds[:-1] and bool({"Squares", "Trees"} & set(kinds[kinds.index("Affine") :]))
    has = {
        "input": True,
        "weight": mixed or bool({"relu", "sigmoid", "tanh", "MaxPool"} & set(kinds)),
        "score": kinds[-1:] != ["Trees"],
        "activation": bool({"relu", "sigmoid", "tanh"} & set(hidden)),
        "leaf": "Trees" in kinds,
        "table": bool({"sigmoid", "tanh"} & set(kinds)),
    }
    for name in sorted(asked):
        if not has[name]:
            raise InvalidInput(
                "kernel.bits", f"{name} bits are asked for, and the model has nothing that has them",
                expected=", ".join(one for one in has if has[one]), got=name,
            )  # fmt: skip


def quantise(
    model: FloatModel,
    ranges: Ranges,
    sample: Any = None,
    *,
    input_bits: Bits | None = None,
    weight_bits: int = 8,
    score_bits: int = 12,
    activation_bits: int = 8,
    leaf_bits: int = 16,
    table_bits: int = 8,
) -> IntegerModel:
    """Return the integer model that comes nearest in so many bits; see `Precision` for what each counts.

    ranges   of each feature, by name or in order: (low, high), or (low, high, step) for numbers that come in steps
    sample   rows that are like those to come: they say how great activations get; without, the greatest possible count
    raises   InvalidInput "kernel.range", "kernel.rows", "kernel.bits", "kernel.float", "kernel.model",
             "kernel.unsupported" when steps are in an order that has no integer form
    """
    bits = Precision(input_bits, weight_bits, score_bits, activation_bits, leaf_bits, table_bits)
    return convert(model, ranges, sample, bits).integer


def convert(model: FloatModel, ranges: Ranges, sample: Any = None, precision: Precision | None = None) -> Conversion:
    """Return the integer model as `quantise` does, with the bound of its error."""
    bits = precision or Precision()
    check_fit(model)
    choice = choose(model, ranges_for(model.features, ranges), sample, bits.input)
    draft = _draft(choice, sample)
    outcome = None
    for at, step in enumerate(model.steps):
        is_last = at == len(model.steps) - 1
        if isinstance(step, floats.Trees):
            outcome = outcome_for(model, len(step.base)) if is_last else None
            _push_trees(draft, step, bits, outcome)
        else:
            _push(draft, step, bits, next(iter(model.steps[at + 1 :]), None))
    if outcome is None:
        outcome = outcome_for(model, len(draft.forms))
        draft.forms = outcome.forms(draft.forms)
    if not draft.steps or not draft.is_ready(alike=True):
        push_dense(draft, bits.score, alike=True)
    scale = text(draft.forms[0].single[1], "scale")
    integer = IntegerModel(model.name, choice.input, tuple(draft.steps), outcome.decision, outcome.labels, scale)
    return Conversion(integer, bound_of(draft.forms), choice)


def _draft(choice: Choice, sample: Any) -> Draft:
    """Return the draft before the first step: each feature is its field's origin and step."""
    into, forms = choice.input, []
    for place, grid in enumerate(choice.grids):
        error = Errors(Fraction(0), Fraction(0), grid.off) if grid.off else EXACT
        forms.append(Form.of(Fraction(grid.field.origin), {place: Fraction(grid.field.step)}, error))
    rows = None if sample is None else encode(into, sample, clip=True)
    return Draft(tuple(forms), tuple(Interval(field.low, field.high) for field in into.fields), rows)


def _push(draft: Draft, step: floats.Step, bits: Precision, following: floats.Step | None) -> None:
    match step:
        case floats.Affine(weights, bias):
            draft.forms = affine(weights.tolist(), bias.tolist(), draft.forms)
        case floats.Activation("relu"):
            alike = not isinstance(following, floats.Affine)
            activations.push_relu(draft, bits.weight, bits.activation, alike=alike)
        case floats.Activation(function):
            push = activations.push_sigmoid if function == "sigmoid" else activations.push_tanh
            push(draft, bits.weight, bits.activation if following else _FINAL_VALUE_BITS, bits.table)
        case floats.Squares():
            selections.push_squares(draft, bits.weight)
        case floats.OneHot(columns):
            selections.push_one_hot(draft, columns)
        case floats.MaxPool(groups):
            selections.push_max_pool(draft, groups, bits.weight)


def _push_trees(draft: Draft, step: floats.Trees, bits: Precision, outcome: Outcome | None) -> None:
    if outcome is None:
        push_trees(draft, step, bits.weight, bits.leaf, lambda leaf: leaf, Fraction(0))
    else:
        push_trees(draft, step, bits.weight, bits.leaf, outcome.reading, outcome.less)
