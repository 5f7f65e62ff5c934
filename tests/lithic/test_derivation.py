"""How a model was derived stands in its kernel's file, and whoever has the source derives it again, bound and all."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tallystick.core import canonical
from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput
from tallystick.lithic import Artifact, compile_model
from tallystick.lithic.artifact import SourceFile
from tallystick.lithic.checking import Origin, check_artifact
from tallystick.lithic.floats import evaluate
from tallystick.lithic.importers import read_onnx
from tallystick.lithic.integer.model import IntegerModel
from tallystick.lithic.quantise.conversion import Precision, convert
from tallystick.lithic.quantise.derivation import Derivation, Graph, sample_digest
from tallystick.lithic.quantise.grids import observed_ranges
from tallystick.lithic.quantise.outcome import comparable
from tests.lithic import kernel_models
from tests.lithic.importers.test_fixtures import fixture
from tests.lithic.quantise.estimators import trained

SOURCE, SAID = fixture("torch_binary")
SAMPLE = np.array(SAID["rows"])
HOW = Graph("tumour", task="classes", labels=("malignant", "benign"))
BITS = Precision(16, 9, activation=7)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a check run one input only."""

    def one(model: IntegerModel, gas: int) -> list[tuple[int, ...]]:
        return [tuple(field.low for field in model.input.fields)]

    monkeypatch.setattr("tallystick.lithic.checking.inputs_to_try", one)


def written(**options: Any) -> bytes:
    """Return the file of the kernel of `SOURCE`."""
    kernel = compile_model(SOURCE, **({"sample": SAMPLE, "graph": HOW, "precision": BITS} | options))
    return Artifact.of(kernel, source=SourceFile("net.onnx", sha256(SOURCE))).to_bytes()


def faults(data: bytes, *origin: Any) -> list[str]:
    """Return the names of the checks of a file that fail."""
    return [check.name for check in check_artifact(data, origin=Origin(*origin) if origin else None).failures]


def test_a_compiled_model_says_how_far_it_can_be_off_and_is_no_further() -> None:
    known = trained("breast_cancer", "boosting")
    rows = known.sample
    kernel = compile_model(known.model, sample=rows)
    assert kernel.bound == convert(known.model, observed_ranges(known.model.features, rows), rows).bound
    assert kernel.bound is not None
    found = np.array([kernel.predict(x)[1:] for x in kernel.encode_rows(rows[:50].tolist())]) * float(
        kernel.model.scale
    )
    off = np.abs(found - comparable(known.model, evaluate(known.model, rows[:50])[-1]))
    assert off.max() <= float(kernel.bound.in_range[0])
    assert compile_model(kernel_models.mlp()).bound is None


def test_a_file_says_the_same_of_its_derivation_as_the_kernel_and_reads_back(few: None) -> None:
    data = written()
    artifact = Artifact.from_bytes(data)
    assert artifact.to_bytes() == data
    made = artifact.derivation
    assert made is not None
    assert (made.precision, made.graph, made.sample) == (BITS, HOW, sample_digest(SAMPLE))
    assert artifact.kernel.bound == artifact.require().bound == made.bound
    assert not faults(data)
    assert not faults(Artifact.of(compile_model(kernel_models.mlp())).to_bytes())


def test_whoever_has_the_source_and_the_sample_derives_the_same_model_and_bound(few: None) -> None:
    report = check_artifact(written(), origin=Origin(SOURCE, SAMPLE.tolist()))
    assert report.ok, report.failures
    assert {"source", "sample", "model of the source", "score error on_grid"} <= {one.name for one in report.checks}
    declared = written(sample=None, ranges=[(0, 1000)] * SAMPLE.shape[1])
    assert not faults(declared, SOURCE)


def test_another_source_another_sample_or_none_is_named(few: None) -> None:
    data = written()
    other = fixture("xgboost_binary")[0]
    assert faults(data, other, SAMPLE)[0] == "source"
    assert "model of the source" in faults(data, b"no model", SAMPLE)
    assert faults(data, SOURCE) == ["sample"]
    assert faults(data, SOURCE, SAMPLE * 1.1)[0] == "sample"
    without = Artifact.of(compile_model(kernel_models.mlp())).to_bytes()
    assert faults(without, SOURCE) == ["derivation"]


Change = Callable[[dict[str, Any]], Any]
# What is changed in a derivation that is whole in itself: only who has the source can see it.
TAMPERED: dict[str, tuple[Change, str]] = {
    "a smaller bound": (lambda v: v["bound"].update(uncapped=["0"]), "score error uncapped"),
    "a greater bound": (lambda v: v["bound"].update(in_range=["999999"]), "score error in_range"),
    "bits": (lambda v: v["precision"].update(weight=8), "model of the source"),
    "a reason": (lambda v: v.update(bits_reason="usual"), "reasons of the grid"),
    "labels": (lambda v: v["graph"].update(labels=["a", "b"]), "model of the source"),
    "the sample": (lambda v: v.update(sample="00" * 32), "sample"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_change_to_a_derivation_is_seen_by_whoever_has_the_source(what: str, few: None) -> None:
    change, name = TAMPERED[what]
    value = json.loads(written())
    change(value["derivation"])
    data = canonical.encode(value)
    assert not faults(data)
    assert name in faults(data, SOURCE, SAMPLE)


# What does not fit the model in the file, which anybody can see.
UNFIT: dict[str, Change] = {
    "bounds out of order": lambda v: v["bound"].update(on_grid=["0"]),
    "a bound below zero": lambda v: v["bound"].update(uncapped=["-1"]),
    "a bound for another score": lambda v: v["bound"]["in_range"].append("9999999"),
    "a range too many": lambda v: v["ranges"].append(v["ranges"][0]),
    "a wider range": lambda v: v["ranges"][0].update(high="999"),
    "a reason too few": lambda v: v["step_reasons"].pop(),
}


@pytest.mark.parametrize("what", UNFIT)
def test_a_derivation_that_cannot_be_of_the_model_is_named(what: str, few: None) -> None:
    value = json.loads(written())
    UNFIT[what](value["derivation"])
    assert faults(canonical.encode(value)) == ["derivation"]


FAULTS: dict[str, tuple[Change, str]] = {
    "an unknown member": (lambda v: v.update(more=1), "document.unknown"),
    "a missing bound": (lambda v: v["bound"].pop("on_grid"), "document.missing"),
    "a bound that is a number": (lambda v: v["bound"].update(on_grid=[1]), "document.type"),
    "a bound in powers of ten": (lambda v: v["bound"].update(on_grid=["1e9"]), "kernel.decimal"),
    "a range in powers of ten": (lambda v: v["ranges"][0].update(high="1e99999999"), "kernel.derivation"),
    "a range divided by zero": (lambda v: v["ranges"][0].update(high="1/0"), "kernel.derivation"),
    "a range not in lowest terms": (lambda v: v["ranges"][0].update(high="2/4"), "kernel.derivation"),
    "a range turned round": (lambda v: v["ranges"][0].update(low="99", high="9"), "kernel.range"),
    "bits that make no sense": (lambda v: v["precision"].update(weight=33), "kernel.bits"),
    "an unknown reason": (lambda v: v.update(bits_reason="because"), "kernel.derivation"),
    "a reason that is a list": (lambda v: v["step_reasons"].append([]), "kernel.derivation"),
    "an unknown task": (lambda v: v["graph"].update(task="guess"), "kernel.derivation"),
    "half a digest": (lambda v: v.update(sample="ab"), "digest.hex"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_derivation_that_no_kernel_writes_is_refused(fault: str) -> None:
    change, code = FAULTS[fault]
    value = json.loads(written())
    change(value["derivation"])
    with pytest.raises(InvalidInput) as refused:
        Artifact.from_bytes(canonical.encode(value))
    assert refused.value.code == code


def test_what_cannot_be_written_is_refused_when_it_is_made() -> None:
    made = Artifact.from_bytes(written()).derivation
    assert made is not None
    ranges = observed_ranges(("a",), [[0.0], [1.0]])["a"]
    assert isinstance(replace(made, ranges=(ranges,)), Derivation)
    with pytest.raises(InvalidInput):
        replace(made, ranges=(replace(ranges, high=ranges.high + ranges.high / 3**200),))
    with pytest.raises(InvalidInput):
        replace(made, graph=Graph(output="y" * 257))


def test_the_digest_of_a_sample_is_of_its_numbers_and_its_shape() -> None:
    rows = np.arange(6.0).reshape(2, 3)
    assert sample_digest(rows) == sample_digest(rows.tolist()) == sample_digest(np.asfortranarray(rows))
    assert sample_digest(rows) != sample_digest(rows.reshape(3, 2))


def test_the_source_is_read_as_it_was_when_the_kernel_was_made(few: None) -> None:
    model = read_onnx(SOURCE, name="tumour", task="classes", labels=HOW.labels)
    kernel = compile_model(replace(model, features=tuple(f"f{k}" for k in range(30))), sample=SAMPLE, graph=HOW)
    assert not faults(Artifact.of(kernel).to_bytes(), SOURCE, SAMPLE)
