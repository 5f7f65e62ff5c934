"""From the outputs of a graph to a model: what is decided, from which scores, and what makes probabilities of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NoReturn

import numpy as np

from tallystick.core.errors import InvalidInput
from tallystick.lithic.floats import Task
from tallystick.lithic.importers.functions import negative
from tallystick.lithic.importers.linear import Linear, Mapped, added
from tallystick.lithic.importers.values import Choice, Curve, Numbers, Unclear, Value

Link = Literal["identity", "sigmoid", "softmax"]
_SOFTMAX = ("softmax", "log softmax")  # the curves whose scores have a softmax for probabilities


@dataclass(frozen=True, eq=False)
class Decision:
    """What a model answers; the fields are those of `FloatModel`."""

    scores: Linear
    task: Task
    labels: tuple[str, ...] = ()
    threshold: float = 0.0
    link: Link = "identity"


def decision_of(outputs: dict[str, Value], task: Task | None, labels: Sequence[str]) -> Decision:
    """Return the decision that some outputs of a graph make together.

    task    what the caller says the scores are for, where the graph has no label
    labels  likewise
    raises  InvalidInput "onnx.output" when they make none, or several; "onnx.unsupported"
    """
    for value in outputs.values():
        if isinstance(value, Unclear):
            raise InvalidInput("onnx.unsupported", value.why, hint=value.hint)
        if isinstance(value, Numbers) and value.whole:
            raise InvalidInput("onnx.unsupported", "the graph ends with the whole part of a number")
    choices = [value for value in outputs.values() if isinstance(value, Choice)]
    written = [value for value in outputs.values() if isinstance(value, Numbers | Curve)]
    if len(choices) > 1 or len(written) > 1 or (not choices and not written):
        _several(outputs)
    decision = _chosen(choices[0], written) if choices else _unlabelled(written[0], task)
    if task is not None and task != decision.task:
        raise InvalidInput("onnx.output", "the graph decides something else", expected=task, got=decision.task)
    if labels:
        wanted = 2 if len(decision.scores) == 1 else len(decision.scores)
        if decision.task != "classes" or len(labels) != wanted:
            raise InvalidInput("onnx.output", "the labels do not fit the classes", expected=wanted, got=len(labels))
        decision = replace(decision, labels=tuple(labels))
    return decision


def _several(outputs: dict[str, Value]) -> NoReturn:
    raise InvalidInput(
        "onnx.output",
        "a kernel has one label, or one tensor of scores, or both",
        got=", ".join(ascii(name)[1:-1][:40] for name in outputs),
        hint="name the output to answer with output=",
    )


def _chosen(choice: Choice, written: list[Numbers | Curve]) -> Decision:
    table = tuple(_label(entry) for entry in choice.table.tolist())
    if choice.is_nearest:
        return Decision(_relative(choice.scores), "clusters", table)
    decision = _classes(choice.scores, table, "softmax")
    for value in written:
        said = _classes(value.scores, table, "softmax") if isinstance(value, Curve) else None
        if isinstance(value, Numbers) and len(value.linear) == len(choice.scores):
            said = _classes(value.linear, table, "identity")
        if isinstance(value, Curve) and value.kind not in _SOFTMAX and said is not None:
            said = replace(said, link="identity")
        if said is not None and _agree(said, decision):
            return said
    return replace(decision, link="identity")


def _agree(a: Decision, b: Decision) -> bool:
    """Whether two decisions are made from the same scores, up to a positive factor."""
    if a.scores.layer is not b.scores.layer or len(a.scores) != len(b.scores) or a.threshold != b.threshold:
        return False
    first, second = (np.append(one.scores.dense(), one.scores.bias) for one in (a, b))
    sizes = np.abs(first).max(), np.abs(second).max()
    return bool(np.allclose(first / (sizes[0] or 1.0), second / (sizes[1] or 1.0), atol=1e-12))


def _unlabelled(value: Numbers | Curve, task: Task | None) -> Decision:
    if isinstance(value, Curve):
        if value.kind == "root" or task == "value":
            raise InvalidInput("onnx.output", "what a graph ends with cannot be computed exactly", got=value.kind)
        labels = tuple(str(k) for k in range(len(value.scores)))
        decision = _classes(value.scores, labels, "softmax")
        return decision if value.kind in _SOFTMAX else replace(decision, link="identity")
    linear = value.linear
    if task == "clusters":
        return Decision(_relative(linear), "clusters", tuple(str(k) for k in range(len(linear))))
    if task == "value" or (task is None and not _is_probability(linear)):
        return Decision(linear, "value")
    if len(linear) == 1:
        halves = linear.plus(np.array([-0.5])) if _is_probability(linear) else linear
        return _one_score(halves, ("0", "1"))
    return _classes(linear, tuple(str(k) for k in range(len(linear))), "identity")


def _is_probability(linear: Linear) -> bool:
    """Whether one number is a sigmoid, or two are a sigmoid and the rest to one."""
    if len(linear) not in (1, 2) or not _is_sigmoid(linear):
        return False
    weights = linear.dense()
    if len(linear) == 1:
        return float(linear.bias[0]) == 0.0 and sorted(weights[0][weights[0] != 0.0].tolist()) == [1.0]
    return not np.any(weights.sum(axis=0)) and float(linear.bias.sum()) == 1.0


def _is_sigmoid(linear: Linear) -> bool:
    origin = linear.layer.origin
    return isinstance(origin, Mapped) and {function.kind for function in origin.functions} == {"sigmoid"}


def _classes(scores: Linear, labels: tuple[str, ...], link: Link) -> Decision:
    """Return the decision for the greatest score; of two scores only the difference is kept."""
    if len(scores) == 1:
        raise InvalidInput("onnx.output", "a choice among one class is none")
    if len(scores) == 2:
        difference = added(scores.take(np.array([1])), negative(scores.take(np.array([0]))))
        decision = _one_score(difference, labels)
        return replace(decision, link="sigmoid") if link == "softmax" else decision
    peeled = _peeled(scores)
    return Decision(_relative(peeled or scores), "classes", labels, link="identity" if peeled else link)


def _one_score(score: Linear, labels: tuple[str, ...]) -> Decision:
    """Return the decision for labels[1] where a score is above zero; a · sigmoid(z) + b is above where z is above."""
    columns = np.flatnonzero(score.dense()[0])
    if not _is_sigmoid(score) or len(columns) != 1:
        return Decision(score, "classes", labels)
    factor, bias = float(score.dense()[0, columns[0]]), float(score.bias[0])
    share = -bias / factor
    if not 0.0 < share < 1.0:
        return Decision(score, "classes", labels)
    row = score.layer.rows.take(columns)
    bound = math.log(share / (1.0 - share))
    if factor > 0.0:
        return Decision(row, "classes", labels, bound, "sigmoid")
    return Decision(negative(row), "classes", labels, -bound, "sigmoid")


def _peeled(scores: Linear) -> Linear | None:
    """Return what the sigmoids were taken of, where every score is a sigmoid, all scaled and shifted alike."""
    if not _is_sigmoid(scores) or scores.index is None:
        return None
    signs = np.sign(scores.weights)
    bias = scores.bias + np.minimum(scores.weights, 0.0)  # -sigmoid(z) is sigmoid(-z) - 1
    if np.ptp(np.abs(scores.weights)) or np.ptp(bias) or not signs.all():
        return None
    return scores.layer.rows.take(scores.index).times(signs)


def _relative(scores: Linear) -> Linear:
    """Return scores that differ as these do: what all of them share decides nothing and is left out."""
    if scores.index is not None:
        return scores
    weights = scores.weights.copy()
    first = weights[:1]
    is_shared = np.all(np.abs(weights - first) <= 1e-12 * np.abs(first), axis=0)
    weights[:, is_shared] = 0.0
    return Linear(scores.layer, weights, scores.bias)


def _label(entry: object) -> str:
    if isinstance(entry, float) and entry.is_integer():
        return str(int(entry))
    return str(entry)
