"""An integer model has one written form; what is written reads back the same, and nothing else is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core import canonical
from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import KERNEL_TREE_DEPTH_MAX
from tallystick.lithic.integer import document
from tallystick.lithic.integer.decimals import positive, ratio
from tallystick.lithic.integer.model import Dense, IntegerModel, Node, Squares, Trees
from tests.lithic import kernel_models

PUBLISHED = "fb0e678053fb6de91076290881ed20be3eaab1fddb6c6b96d498eef255e9bdd3"
MODELS = [kernel_models.mlp(), kernel_models.trees(), kernel_models.menagerie()]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_what_is_written_reads_back_the_same(model: IntegerModel) -> None:
    data = document.to_bytes(model)
    assert document.from_bytes(data) == model
    assert document.to_bytes(document.from_bytes(data)) == data
    assert document.digest(model) == sha256(data)


def test_a_models_digest_is_the_published_one() -> None:
    """This digest must never change: contracts and registries hold it."""
    assert document.digest(kernel_models.menagerie()).hex() == PUBLISHED


@given(st.integers(-(2**255) + 1, 2**255 - 1))
def test_every_number_up_to_a_word_has_one_spelling(number: int) -> None:
    model = kernel_models.model(Dense(((1,),), (number,)), inputs=1)
    data = document.to_bytes(model)
    (bias,) = json.loads(data)["steps"][0]["bias"]
    assert isinstance(bias, int) == (abs(number) < 2**53)
    assert document.from_bytes(data) == model
    other = str(number) if isinstance(bias, int) else number
    changed = json.loads(data)
    changed["steps"][0]["bias"] = [other]
    with pytest.raises(InvalidInput):
        document.from_bytes(json.dumps(changed, sort_keys=True, separators=(",", ":")).encode())


@pytest.mark.parametrize("number", [2**255, -(2**255), 1.0, True, "1"])
def test_a_number_that_is_no_integer_of_a_word_is_in_no_model_to_be_written(number: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        kernel_models.model(Dense(((1,),), (number,)), inputs=1)
    assert refused.value.code == "kernel.model"


def _changed(change: Callable[[dict[str, Any]], Any], model: IntegerModel) -> bytes:
    value = json.loads(document.to_bytes(model))
    change(value)
    return canonical.encode(value)


FAULTS: dict[str, tuple[IntegerModel, Callable[[dict[str, Any]], Any], str]] = {
    "an unknown member": (MODELS[0], lambda v: v.update(more=1), "document.unknown"),
    "a missing member": (MODELS[0], lambda v: v.pop("scale"), "document.missing"),
    "another kind": (MODELS[0], lambda v: v.update(kind="tallystick/manifest/v1"), "kernel.kind"),
    "another decision": (MODELS[0], lambda v: v.update(decision="median"), "kernel.model"),
    "an unknown step": (MODELS[0], lambda v: v["steps"][0].update(op="conv"), "kernel.model"),
    "a step without a name": (MODELS[0], lambda v: v["steps"][0].pop("op"), "document.type"),
    "a step with a stranger": (MODELS[0], lambda v: v["steps"][1].update(slope=1), "document.unknown"),
    "a row too short": (MODELS[0], lambda v: v["steps"][0]["weights"][0].pop(), "kernel.model"),
    "a weight in words": (MODELS[0], lambda v: v["steps"][0]["weights"][0].__setitem__(0, "one"), "document.decimal"),
    "a small number as text": (MODELS[0], lambda v: v["steps"][0]["bias"].__setitem__(0, "5"), "kernel.integer"),
    "minus zero": (MODELS[0], lambda v: v["steps"][0]["bias"].__setitem__(0, "-0"), "kernel.integer"),
    "a truth for a number": (MODELS[0], lambda v: v["steps"][0]["bias"].__setitem__(0, True), "document.type"),
    "a width of twelve bits": (MODELS[0], lambda v: v["input"].update(bits=12), "kernel.model"),
    "a range beyond the field": (MODELS[0], lambda v: v["input"]["fields"][0].update(high=256), "kernel.model"),
    "a step of zero": (MODELS[0], lambda v: v["input"]["fields"][0].update(step="0"), "kernel.decimal"),
    "an exponent": (MODELS[0], lambda v: v.update(scale="1e-3"), "kernel.decimal"),
    "a scale below zero": (MODELS[0], lambda v: v.update(scale="-1"), "kernel.decimal"),
    "a label too few": (MODELS[0], lambda v: v["labels"].pop(), "kernel.model"),
    "a tree cut short": (MODELS[1], lambda v: v["steps"][0]["trees"][0]["leaves"].pop(), "kernel.tree"),
    "a tree that goes on": (MODELS[1], lambda v: v["steps"][0]["trees"][0]["nodes"].append(None), "kernel.tree"),
    "a fork of three": (MODELS[1], lambda v: v["steps"][0]["trees"][0]["nodes"][0].append(1), "document.length"),
    "a fork without a threshold": (MODELS[1], lambda v: v["steps"][0]["trees"][0]["nodes"][0].pop(), "kernel.tree"),
    "a fork on no field": (
        MODELS[1],
        lambda v: v["steps"][0]["trees"][0]["nodes"][0].__setitem__(0, 3),
        "kernel.model",
    ),
    "no base": (MODELS[1], lambda v: v["steps"][0].update(base=[], trees=[]), "kernel.model"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_document_that_no_model_writes_is_refused(fault: str) -> None:
    model, change, code = FAULTS[fault]
    with pytest.raises(InvalidInput) as refused:
        document.from_bytes(_changed(change, model))
    assert refused.value.code == code


def test_another_spelling_of_the_same_model_is_refused() -> None:
    data = document.to_bytes(MODELS[0])
    with pytest.raises(InvalidInput):
        document.from_bytes(data + b"\n")


def _chain(depth: int) -> Node | tuple[int, ...]:
    tree: Node | tuple[int, ...] = (1,)
    for _ in range(depth):
        tree = Node(0, 7, tree, (0,))
    return tree


def test_a_tree_may_be_as_deep_as_the_limit_and_no_deeper() -> None:
    model = kernel_models.model(Trees((0,), (_chain(KERNEL_TREE_DEPTH_MAX),)), inputs=1)
    assert document.from_bytes(document.to_bytes(model)) == model
    with pytest.raises(InvalidInput):
        kernel_models.model(Trees((0,), (_chain(KERNEL_TREE_DEPTH_MAX + 1),)), inputs=1)
    deeper = json.loads(document.to_bytes(model))
    deeper["steps"][0]["trees"][0]["nodes"][:0] = [[0, 1]]
    deeper["steps"][0]["trees"][0]["leaves"].append([0])
    deeper["steps"][0]["trees"][0]["nodes"].append(None)
    with pytest.raises(InvalidInput, match="too deep"):
        document.from_bytes(canonical.encode(deeper))


def test_a_model_whose_numbers_double_at_each_step_is_refused_before_they_are_made() -> None:
    with pytest.raises(InvalidInput, match="65536"):
        kernel_models.model(*[Squares()] * 40, inputs=3)


@pytest.mark.parametrize(
    "text", ["", "-", "-0", "-0.0", "+1", "01", ".5", "1.", "1e3", " 1", "1_0", "٣", "9" * 78, 5, None]
)
def test_what_is_no_plain_decimal_is_refused(text: Any) -> None:
    with pytest.raises(InvalidInput):
        ratio(text)


def test_zero_is_a_number_and_not_a_positive_one() -> None:
    assert ratio("0") == 0
    with pytest.raises(InvalidInput):
        positive("0.00")
