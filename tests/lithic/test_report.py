"""The report shows what was compared, needs nothing outside itself, and no name from outside can break out of it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

import pytest

from tallystick.core import page
from tallystick.lithic import charts
from tallystick.lithic.integer.model import Dense
from tallystick.lithic.kernel import compile_integer
from tallystick.lithic.quantise.conversion import Precision, convert
from tallystick.lithic.quantise.derivation import Derivation, Graph
from tallystick.lithic.quantise.grids import observed_ranges
from tallystick.lithic.quantise.quality import Floor, quality
from tallystick.lithic.report import Costs, html_report
from tests.lithic.quantise.estimators import trained

HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(2)>\x07\u202e&amp;'</title></svg>"
VOID = {"meta", "br"}


class Balance(HTMLParser):
    """Counts tags, and which attributes are met."""

    def __init__(self) -> None:
        """Begin outside every tag."""
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag


def check_page(page: str) -> Balance:
    """Hold that a page is whole: tags balance, drawings are XML, nothing is fetched and nothing runs."""
    found = Balance()
    found.feed(page)
    found.close()
    assert not found.open or found.open == ["html"]
    assert not found.tags & {"script", "img", "link", "iframe", "object", "base", "form", "a"}
    assert not found.attributes & {"src", "href", "action"}
    assert not any(name.startswith("on") for name in found.attributes)
    assert not re.search(r"https?:|url\(|@import|\x07|\u202e", page)
    for drawing in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ET.fromstring(drawing)
    return found


@cache
def compared(data: str, kind: str, name: str = "a model", hostile: bool = False, weight: int = 8):
    """Return the conversion of a trained model, and its quality on rows that it has not seen."""
    known = trained(data, kind)
    model = replace(known.model, name=name)
    if hostile:
        features = tuple(f"{HOSTILE}{k}" for k in range(len(model.features)))
        labels = tuple(f"{HOSTILE}{k}" for k in range(len(model.labels)))
        model = replace(model, features=features, labels=labels)
    made = convert(model, observed_ranges(model.features, known.sample), known.sample, Precision(weight=weight))
    return made, quality(model, made.integer, known.rows, known.labels)


def test_the_report_of_a_kernel_shows_every_part_of_it() -> None:
    made, found = compared("breast_cancer", "relu")
    kernel = compile_integer(made.integer)
    costs = Costs(kernel.bytes_total, 1, kernel.worst_gas, kernel.worst_gas - 7, kernel.deployment_gas)
    derivation = Derivation.of(made, tuple(observed_ranges(*_rows()).values()), None, None, Graph())
    page = html_report(
        made.integer, found, digest=kernel.digest.hex(), derivation=derivation, proof=kernel.proof(), costs=costs
    )
    check_page(page)
    for words in (
        "Quality on held-out rows", "Confusion, float model", "Confusion, integer model", "Calibration",
        "Differences of scores", "Worst disagreements", "What a score can be off by", "The integer model",
        "No lane overflows", "Inputs", "why that step", "as usual", "What it costs", kernel.digest.hex(),
        f"{kernel.worst_gas:,} gas", f"{kernel.worst_gas - 7:,} gas", "stands in for the float model",
    ):  # fmt: skip
        assert words in page
    widths = [
        len(made.integer.input.fields),
        *(len(one.weights) for one in made.integer.steps if isinstance(one, Dense)),
    ]
    assert f"<p>{' → '.join(map(str, widths))} · 8-bit inputs" in page  # a layer is told once, whatever bends it
    assert page.count("<svg") == 4 + len(kernel.proof())


def _rows():
    known = trained("breast_cancer", "relu")
    return known.model.features, known.sample


def test_names_from_outside_are_shown_and_do_nothing() -> None:
    made, found = compared("breast_cancer", "logistic", HOSTILE, hostile=True)
    page = html_report(made.integer, found, digest=HOSTILE)
    check_page(page)
    assert "&lt;script&gt;" in page
    assert "\N{REPLACEMENT CHARACTER}" in page


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a < b & c", "a &lt; b &amp; c"), ("x\ny\u202e", "x\ufffdy\ufffd"), ("ä 数", "ä 数"), ("x" * 61, "x" * 59 + "…")],
)
def test_outside_text_is_escaped_kept_on_its_line_and_cut(text: str, shown: str) -> None:
    assert page.plain(text) == shown


def test_a_model_below_the_floor_is_called_that() -> None:
    made, found = compared("breast_cancer", "relu")
    page = html_report(made.integer, found, floor=Floor(agreement="1.01"))
    check_page(page)
    assert "Below the floor" in page
    assert "stands in for" not in page


@pytest.mark.parametrize(
    ("data", "kind", "present", "absent"),
    [
        ("diabetes", "ridge", "mean absolute error", "Confusion"),
        ("diabetes", "regression tree", "1 tree, ", "No lane overflows"),
        ("iris", "clusters", "There are no labels", "Confusion"),
        ("iris", "bayes", "Squares", "What it costs"),
        ("digits", "wide", "52 more", "What it costs"),
    ],
)
def test_what_does_not_apply_is_left_out(data: str, kind: str, present: str, absent: str) -> None:
    made, found = compared(data, kind)
    page = html_report(made.integer, found)
    check_page(page)
    assert present in page
    assert absent not in page


def test_a_row_that_is_decided_differently_stands_out() -> None:
    made, found = compared("digits", "wide", weight=4)
    page = html_report(made.integer, found)
    assert page.count('<tr class="differs">') == sum(one.is_disagreement for one in found.worst) > 0
    made, found = compared("breast_cancer", "boosting")
    page = html_report(made.integer, found)
    assert '<tr class="differs">' not in page
    assert "The two decide every row alike" in page


def test_a_confusion_matrix_is_drawn_up_to_where_it_can_be_read() -> None:
    matrix = [[int(row == column) for column in range(24)] for row in range(24)]
    ET.fromstring(charts.confusion(matrix, ()))
    wide = [[int(row == column) for column in range(25)] for row in range(25)]
    assert "25 classes are too many to draw; 25 of 25 are right" in charts.confusion(wide, ())


@pytest.mark.parametrize(
    ("number", "shown"),
    [("0", "0"), ("1234567.8", "1,234,568"), ("0.123456", "0.1235"), ("-0.00001234", "-1.234e-05"), ("12", "12")],
)
def test_numbers_are_shortened_for_people(number: str, shown: str) -> None:
    assert charts.short(number) == shown
