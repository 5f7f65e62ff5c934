"""The report of a kernel: float against integer model on held-out data, in one HTML file with nothing outside it.

What a person looks at before putting a model on a chain: how often the two decide alike, where they differ most and on
which inputs, what the scores can be off by, what each layer's numbers can be and how full its lanes are, what it costs.
Gas and bytes are handed in as numbers; every string from outside is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tallystick.core.errors import InvalidInput
from tallystick.core.page import document, plain
from tallystick.core.page import table as _table
from tallystick.lithic import charts
from tallystick.lithic.charts import short
from tallystick.lithic.integer.intervals import intervals
from tallystick.lithic.integer.model import Dense, IntegerModel, Node, Step, Table, Trees
from tallystick.lithic.lanes.model_proof import StepProof
from tallystick.lithic.lanes.packing import bits_of
from tallystick.lithic.quantise.bound import ErrorBound
from tallystick.lithic.quantise.choices import BITS_REASONS, STEP_REASONS
from tallystick.lithic.quantise.comparison import Difference
from tallystick.lithic.quantise.derivation import Derivation
from tallystick.lithic.quantise.grids import span
from tallystick.lithic.quantise.quality import Floor, Quality, check_quality

_MEASURES = (
    ("accuracy", "accuracy", "share of rows decided rightly", True),
    ("auc", "AUC", "how often a row of a class scores above one that is not", True),
    ("r2", "R²", "share of the variance that is explained", True),
    ("log_loss", "log loss", "mean of −log of the probability given to what is true", False),
    ("ece", "calibration error", "how far claimed probabilities are from what came true", False),
    ("mae", "mean absolute error", "of the predicted values", False),
)
_FIELDS_SHOWN = 12  # of the inputs, before the rest is folded away
_LAYERS_SHOWN = 10  # on the line under the title; a deeper model is a number of steps


@dataclass(frozen=True)
class Costs:
    """What a kernel takes: bytes of code and contracts, gas of a prediction without the 21,000 and calldata, and of
    its deployment.
    """

    code_bytes: int
    contracts: int
    worst_gas: int
    typical_gas: int | None = None
    deployment_gas: int | None = None


def html_report(
    integer: IntegerModel,
    quality: Quality,
    *,
    digest: str = "",
    derivation: Derivation | None = None,
    proof: Sequence[StepProof] = (),
    costs: Costs | None = None,
    floor: Floor | None = None,
) -> str:
    """Return the whole report.

    digest      of the integer model, in hexadecimal
    derivation  how it was made, and how far off its scores can be
    floor       what the model had to reach; the verdict on top says whether it does
    """
    bound = None if derivation is None else derivation.bound
    sections = (
        _header(integer, quality, digest),
        _verdict(quality, floor),
        _figures(quality, bound, costs),
        _measures(quality),
        _pictures(integer, quality),
        _worst(integer, quality),
        _bound(bound),
        _layers(integer),
        _proof(proof),
        _inputs(integer, derivation),
        _costs(costs),
        "<footer>Made by Tallystick from the float model, the integer model and the held-out rows. The kernel computes "
        "the integer model bit for bit; what is compared here is what rounding to integers has changed.</footer>",
    )
    return document(f"{integer.name[:60]}: float against integer", sections)


def _header(integer: IntegerModel, quality: Quality, digest: str) -> str:
    rows = f"compared on {quality.rows:,} held-out rows"
    clipped = f", of which {quality.clipped:,} left the declared ranges and were clipped" if quality.clipped else ""
    name = f"<p>model digest <code>{plain(digest, 80)}</code></p>" if digest else ""
    return (
        f'<header><p class="eyebrow">Model kernel</p><h1>{plain(integer.name, 200)}</h1>'
        f"<p>{_widths(integer)} · {integer.input.bits}-bit inputs · {rows}{clipped}</p>{name}</header>"
    )


def _widths(integer: IntegerModel) -> str:
    """Return the widths of the layers, "30 → 4 → 4 → 1": what only bends each number for itself is no layer."""
    widths = integer.widths
    after = zip(integer.steps, widths, widths[1:], strict=False)
    layers = [widths[0], *(new for step, old, new in after if isinstance(step, Dense | Trees) or new != old)]
    return " → ".join(map(str, layers)) if len(layers) <= _LAYERS_SHOWN else f"{len(integer.steps)} steps"


def _verdict(quality: Quality, floor: Floor | None) -> str:
    least = floor or Floor()
    try:
        check_quality(quality, least)
    except InvalidInput as error:
        return f'<p class="verdict no"><b>Below the floor.</b> {plain(str(error), 200)}. {plain(error.hint, 200)}.</p>'
    if quality.task == "value":
        alike = f"Its values explain {_percent(quality.agreement)} of the variance of the other's"
    else:
        alike = f"The two decide {_percent(quality.agreement)} of the rows alike"
    return (
        f'<p class="verdict"><b>The integer model stands in for the float model.</b> {alike}, and no figure drops by '
        "more than the floor allows.</p>"
    )


def _figures(quality: Quality, bound: ErrorBound | None, costs: Costs | None) -> str:
    shown = []
    if quality.task == "value":
        shown.append((short(quality.agreement), "R² of one model's values against the other's"))
    else:
        shown.append((_percent(quality.agreement), "of rows decided alike"))
    for name, title, _, _ in _MEASURES[:3]:
        before, after = getattr(quality.of_float, name), getattr(quality.of_integer, name)
        if before is not None and after is not None:
            shown.append((f"{short(after)}", f"{title}; float model {short(before)}"))
    inside = ", rows in range" if quality.clipped else ""
    shown.append((short(quality.difference_inside, 3), f"greatest difference of a score{inside}"))
    if bound:
        greatest = max(bound.uncapped, key=float)
        shown.append((short(greatest, 3), "proven bound of it on the grid, nothing capped"))
    if costs:
        shown.append((f"{costs.worst_gas:,}", "gas of the dearest prediction"))
        shown.append((f"{costs.code_bytes:,}", f"bytes of code in {_counted(costs.contracts, 'contract')}"))
        if costs.deployment_gas is not None:
            shown.append((f"{costs.deployment_gas:,}", "gas to deploy it, once"))
    return '<div class="figures">' + "".join(f"<div><b>{value}</b>{name}</div>" for value, name in shown) + "</div>"


def _measures(quality: Quality) -> str:
    rows = []
    for name, title, meaning, is_gain in _MEASURES:
        before, after = getattr(quality.of_float, name), getattr(quality.of_integer, name)
        if before is None or after is None:
            continue
        change = float(after) - float(before)
        kind = "" if not change else ("up" if (change > 0) == is_gain else "down")
        rows.append(
            (
                title, short(before), short(after), f'<span class="{kind}">{_signed(change)}</span>',
                f'<span class="note">{meaning}</span>',
            )
        )  # fmt: skip
    if not rows:
        return '<p class="note">There are no labels, so only the two models are compared with each other.</p>'
    return "<h2>Quality on held-out rows</h2>" + _table(("", "float", "integer", "change", ""), rows, numbers=(1, 2, 3))


def _pictures(integer: IntegerModel, quality: Quality) -> str:
    figures = []
    for whose, of in (("float", quality.of_float), ("integer", quality.of_integer)):
        if of.confusion:
            title = f'<b class="key {whose}">Confusion, {whose} model</b>'
            figures.append(_figure(title, charts.confusion(of.confusion, integer.labels)))
    if quality.of_float.bins:
        keys = '<span class="key float">float</span><span class="key">integer</span>'
        chart = charts.calibration(quality.of_float.bins, quality.of_integer.bins)
        figures.append(_figure(f"Calibration {keys}", chart))
    spread = charts.differences(quality.histogram)
    words = f"<span>mean {short(quality.difference_mean, 3)}, greatest {short(quality.difference_max, 3)}</span>"
    figures.append(_figure(f"Differences of scores {words}", spread))
    return f'<div class="pair">{"".join(figures)}</div>'


def _worst(integer: IntegerModel, quality: Quality) -> str:
    count = sum(one.is_disagreement for one in quality.worst)
    names = [field.name for field in integer.input.fields]
    if quality.task == "value":
        words = "The rows where the predicted values are furthest apart."
    elif count:
        words = "The rows that the two decide differently, then those whose scores are furthest apart."
    else:
        words = "The two decide every row alike; these are the rows whose scores are furthest apart."
    head = ["row", "true", "float says", "integer says", "float scores", "integer scores", "inputs"]
    rows = [_difference(one, names, integer.labels) for one in quality.worst]
    marks = [one.is_disagreement and quality.task != "value" for one in quality.worst]
    if quality.task == "value":  # what a regressor says are its scores
        head, rows = [*head[:2], *head[4:]], [[*row[:2], *row[4:]] for row in rows]
    table = _table(head, rows, numbers=(0,), marks=marks)
    return f'<h2>Worst disagreements</h2><p class="note">{words}</p>{table}'


def _difference(one: Difference, names: Sequence[str], labels: Sequence[str]) -> list[str]:
    top = _top(one)
    chips = "".join(
        f"<span><i>{plain(name, 40)}</i> {short(value)} <i>→ {integer}</i></span>"
        for name, value, integer in zip(names, one.inputs, one.integers, strict=True)
    )
    return [
        str(one.row),
        "" if one.label is None else plain(one.label, 24),
        plain(one.float_answer, 24),
        plain(one.integer_answer, 24),
        _scores(one.float_scores, top, labels),
        _scores(one.integer_scores, top, labels),
        f'<details><summary>{len(names)} numbers</summary><div class="inputs">{chips}</div></details>',
    ]


def _bound(bound: ErrorBound | None) -> str:
    if bound is None:
        return ""
    said = (
        ("inputs on the grid, no activation capped", bound.uncapped),
        ("any input on the grid", bound.on_grid),
        ("any input in the declared ranges, put on the grid", bound.in_range),
    )
    which = "any score" if len(bound.on_grid) > 1 else "the score"
    rows = ((words, f"{short(max(errors, key=float))}") for words, errors in said)
    return (
        '<h2>What a score can be off by</h2><p class="note">Proven by interval analysis over the declared ranges, for '
        "inputs that no data has: the most that score × scale can differ from the float model's score.</p>"
        + _table(("", f"{which} at most by"), rows, numbers=(1,))
    )


def _layers(integer: IntegerModel) -> str:
    rows = []
    spans = intervals(integer)
    for at, step in enumerate(integer.steps):
        low, high = min(z.low for z in spans[at + 1]), max(z.high for z in spans[at + 1])
        bits = max(map(bits_of, spans[at + 1]))
        rows.append(
            (
                str(at), type(step).__name__, f"{len(spans[at])} → {len(spans[at + 1])}", _content(step),
                f"{low:,} to {high:,}" if bits <= 64 else "", str(bits),
            )
        )  # fmt: skip
    decision = {"none": "the scores", "argmax": "the greatest score", "positive": "whether the score is positive"}
    words = (
        f"It answers {decision[integer.decision]}; a score times {plain(integer.scale)} is in the float model's terms."
    )
    head = ("", "step", "numbers", "holds", "can be", "bits")
    table = _table(head, rows, numbers=(0, 4, 5))
    return f'<h2>The integer model</h2><p class="note">{words}</p>{table}'


def _content(step: Step) -> str:
    match step:
        case Dense(weights, _):
            used = sum(bool(w) for row in weights for w in row)
            greatest = max(abs(w) for row in weights for w in row)
            return f"{used:,} weights, none beyond ±{greatest:,}"
        case Trees(_, trees):
            return f"{_counted(len(trees), 'tree')}, {sum(map(_forks, trees)):,} forks"
        case Table(_, _, values):
            return f"{len(values)} values"
        case _:
            shown = [
                f"{name} {getattr(step, name)}" for name in ("shift", "cap") if getattr(step, name, None) is not None
            ]
            return ", ".join(shown)


def _forks(tree: Node | tuple[int, ...]) -> int:
    count, waiting = 0, [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Node):
            count += 1
            waiting += (node.left, node.right)
    return count


def _proof(proof: Sequence[StepProof]) -> str:
    if not proof:
        return ""
    rows = [
        (
            str(one.at), f"{one.inputs} × {one.outputs}", f"{one.lanes} of {one.lane_bits} bits", str(one.words),
            str(one.blocks), f"{one.multiplications:,}", f"{one.low:,} to {one.high:,}",
            f"{charts.fill(_fullness(one))}{one.needed_bits} of {one.lane_bits} bits, {_fullness(one):.0%} full",
        )
        for one in proof
    ]  # fmt: skip
    head = ("step", "size", "lanes in a word", "words", "inputs a MUL", "MULs", "every sum is within", "fullest lane")
    return (
        '<h2>No lane overflows</h2><p class="note">Each dense step adds many products in one 256-bit word. Whatever '
        "input in range comes, every lane's sum stays within these numbers, and fits its lane.</p>"
        + _table(head, rows, numbers=(0, 3, 4, 5, 6))
    )


def _fullness(one: StepProof) -> float:
    """Return how much of a lane's half the greatest sum takes."""
    return max(one.high + 1, -one.low) / (1 << (one.lane_bits - 1))


def _inputs(integer: IntegerModel, derivation: Derivation | None) -> str:
    rows = [
        [plain(one.name), span(one), plain(one.origin), plain(one.step), f"{one.low} to {one.high}"]
        for one in integer.input.fields
    ]
    head, right, why = ["feature", "declared range", "origin", "step", "integers"], (1, 2, 3, 4), ""
    if derivation is not None:
        head, why = [*head, "why that step"], f" ({BITS_REASONS[derivation.bits_reason]})"
        for row, reason in zip(rows, derivation.step_reasons, strict=True):
            row.append(f'<span class="note">{STEP_REASONS[reason]}</span>')
    shown = _table(head, rows[:_FIELDS_SHOWN], numbers=right)
    if len(rows) > _FIELDS_SHOWN:
        rest = _table(head, rows[_FIELDS_SHOWN:], numbers=right)
        shown += f"<details><summary>{len(rows) - _FIELDS_SHOWN} more</summary>{rest}</details>"
    return (
        f'<h2>Inputs</h2><p class="note">{_counted(len(rows), "field")} of {integer.input.bits} bits{why}, '
        f"{integer.input.size_bytes:,} bytes of packed calldata. An integer stands for origin + step × integer; "
        f"outside the declared ranges the kernel reverts.</p>{shown}"
    )


def _costs(costs: Costs | None) -> str:
    if costs is None:
        return ""
    rows = [
        ("code", f"{costs.code_bytes:,} bytes in {_counted(costs.contracts, 'contract')}"),
        ("dearest prediction", f"{costs.worst_gas:,} gas"),
    ]
    if costs.typical_gas is not None:
        rows.append(("typical prediction", f"{costs.typical_gas:,} gas"))
    if costs.deployment_gas is not None:
        rows.append(("deployment, once", f"{costs.deployment_gas:,} gas"))
    note = '<p class="note">Execution gas, without the 21,000 of a transaction and without its calldata.</p>'
    return "<h2>What it costs</h2>" + note + _table(("", ""), rows, numbers=(1,))


def _top(one: Difference) -> list[int]:
    """Return which scores matter: all of few, else the two greatest of either model."""
    if len(one.float_scores) <= 3:
        return list(range(len(one.float_scores)))
    return sorted({k for scores in (one.float_scores, one.integer_scores) for k in _greatest(scores, 2)})


def _greatest(scores: Sequence[str], count: int) -> list[int]:
    return sorted(range(len(scores)), key=lambda k: -float(scores[k]))[:count]


def _scores(scores: Sequence[str], which: Sequence[int], labels: Sequence[str]) -> str:
    if len(scores) == 1:
        return short(scores[0])
    names = labels if len(labels) == len(scores) else [str(k) for k in range(len(scores))]
    return "<br>".join(f'<span class="note">{plain(names[k], 16)}</span> {short(scores[k])}' for k in which)


def _percent(share: str) -> str:
    value = 100 * float(share)
    return f"{value:.4g} %" if value < 99.95 or value == 100 else f"{value:.2f} %"


def _signed(change: float) -> str:
    return f"{change:+.4g}".replace("-", "−") if change else "0"


def _counted(count: int, name: str) -> str:
    return f"{count:,} {name}" + ("" if count == 1 else "s")


def _figure(title: str, chart: str) -> str:
    return f"<figure><figcaption>{title}</figcaption>{chart}</figure>"
