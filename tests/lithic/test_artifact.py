"""A kernel's file reads back the same, is checked by recomputing it, and every change to it is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.core import canonical
from tallystick.core.digest import keccak, sha256
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.lithic.artifact import COMPILER, Artifact, SourceFile
from tallystick.lithic.checking import check_artifact
from tallystick.lithic.integer.model import IntegerModel
from tallystick.lithic.kernel import compile_integer
from tests.lithic import kernel_models

REGISTRY = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
STRANGER = "0x90F8bf6A479f320ead074411a4B0e7944Ea8c9C1"
SMALL = [kernel_models.mlp(), kernel_models.trees(), kernel_models.menagerie()]


def _written(model: IntegerModel) -> bytes:
    kernel = compile_integer(model, registry=(REGISTRY, 7))
    source = SourceFile("model.onnx", sha256(b"model"))
    return Artifact.of(kernel, quality={"test accuracy": "0.9650"}, source=source).to_bytes()


@pytest.fixture(scope="module")
def large() -> bytes:
    """The file of a kernel with parts."""
    return _written(kernel_models.forest())


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a check run two inputs only."""

    def two(model: IntegerModel, gas: int) -> list[tuple[int, ...]]:
        return [tuple(field.low for field in model.input.fields), tuple(field.high for field in model.input.fields)]

    monkeypatch.setattr("tallystick.lithic.checking.inputs_to_try", two)


@pytest.mark.parametrize("model", SMALL, ids=lambda model: model.name)
def test_a_file_reads_back_the_same_and_every_check_of_it_holds(model: IntegerModel) -> None:
    data = _written(model)
    assert Artifact.from_bytes(data).to_bytes() == data
    report = check_artifact(data)
    assert report.ok, report.failures
    assert {"code", "answers", "refusals", "registry()"} <= {check.name for check in report.checks}


def test_a_file_with_parts_is_checked_with_them(large: bytes, few: None) -> None:
    steps: list[int] = []
    report = check_artifact(large, progress=steps.append)
    assert report.ok, report.failures
    assert {"code of part 0", "address of part 0", "proof of step 1"} <= {check.name for check in report.checks}
    assert sum(steps) == 2


def test_the_kernel_of_a_file_is_the_one_that_was_written() -> None:
    kernel = compile_integer(SMALL[0], density_permille=100)
    found = Artifact.from_bytes(Artifact.of(kernel).to_bytes()).require()
    assert (found.address, found.code, found.density_permille) == (kernel.address, kernel.code, 100)


def test_code_of_a_model_changes_only_with_the_compilers_number() -> None:
    """When a change is meant: write the new digests here, and raise COMPILER if the old ones are released."""
    made = {model.name: keccak(compile_integer(model).code).hex()[:16] for model in SMALL[1:]}
    assert (COMPILER, made) == ("tallystick kernels 1", {"trees": "aca9ac7e63fda56b", "all steps": "7c04f97e25daedea"})


def _flip(text: str, at: int) -> str:
    return text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]


Change = Callable[[dict[str, Any]], Any]
# What is changed in a file, and which check must name it.
TAMPERED: dict[str, tuple[Change, str]] = {
    "a weight": (lambda v: v["model"]["steps"][0]["weights"][0].__setitem__(0, 3), "model digest"),
    "a bias": (lambda v: v["model"]["steps"][2]["bias"].__setitem__(0, 3), "model digest"),
    "a range": (lambda v: v["model"]["input"]["fields"][0].update(high=101), "spans of numbers"),
    "a scale": (lambda v: v["model"].update(scale="2"), "scale()"),
    "a name": (lambda v: v["model"].update(name="other"), "model_digest()"),
    "the digest": (lambda v: v.update(model_digest=_flip(v["model_digest"], 9)), "model digest"),
    "code": (lambda v: v.update(code=_flip(v["code"], 1_001)), "code"),
    "the address": (lambda v: v.update(address=STRANGER), "address"),
    "the registry": (lambda v: v["registry"].update(address=STRANGER), "registry()"),
    "the model id": (lambda v: v["registry"].update(model_id="8"), "registry()"),
    "no registry": (lambda v: v.update(registry=None), "registry()"),
    "the compiler": (lambda v: v.update(compiler="tallystick 9"), "compiler"),
    "a span": (lambda v: v["spans"][1].__setitem__(0, 0), "spans of numbers"),
    "the bound of gas": (lambda v: v.update(worst_gas=v["worst_gas"] - 1), "worst gas"),
    "a lane's width": (lambda v: v["packings"][0].update(lane_bits=4), "proof"),
    "a stride": (lambda v: v["packings"][0].update(stride=255), "packing of step 0"),
    "an input left out": (lambda v: v["packings"][0]["sets"].pop(), "proof"),
    "a place": (lambda v: v["packings"][0]["sets"][0].__setitem__(0, 7), "packing of step 0"),
    "a packing left out": (lambda v: v["packings"].pop(), "proof"),
}
TAMPERED_PARTS: dict[str, tuple[Change, str]] = {
    "a leaf": (lambda v: v["model"]["steps"][0]["trees"][0]["leaves"][0].__setitem__(0, 0), "model digest"),
    "a part's code": (lambda v: v["parts"][0].update(code=_flip(v["parts"][0]["code"], 4_001)), "code of part 0"),
    "a part's address": (lambda v: v["parts"][0].update(address=STRANGER), "answers"),
    "a part's gas": (lambda v: v["parts"][0].update(worst_gas=1), "gas of part 0"),
    "a part left out": (lambda v: v["parts"].pop(), "parts"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_every_change_to_a_file_is_named(what: str, few: None) -> None:
    _is_named(_written(SMALL[0]), *TAMPERED[what])


@pytest.mark.parametrize("what", TAMPERED_PARTS)
def test_every_change_to_a_file_with_parts_is_named(what: str, large: bytes, few: None) -> None:
    _is_named(large, *TAMPERED_PARTS[what])


def _is_named(data: bytes, change: Change, name: str) -> None:
    value = json.loads(data)
    change(value)
    report = check_artifact(canonical.encode(value))
    assert name in {check.name for check in report.failures}, report.failures


def test_code_made_for_another_density_is_not_the_files(few: None) -> None:
    mostly_zeros = Artifact.of(compile_integer(SPARSE, density_permille=10)).to_bytes()
    assert check_artifact(mostly_zeros).ok
    _is_named(mostly_zeros, lambda v: v.update(density_permille=1_000), "code")


SPARSE = kernel_models.model(kernel_models.dense(96, 22, 9), inputs=96)


def test_code_that_answers_otherwise_is_caught_by_running_it() -> None:
    value = json.loads(_written(SMALL[1]))
    value["code"] = value["code"].replace("611388", "611389", 1)  # a threshold, 5,000
    report = check_artifact(canonical.encode(value))
    failed = {check.name: check for check in report.failures}
    assert {"code", "answers"} <= set(failed)
    assert failed["answers"].expected != failed["answers"].got


def test_code_that_never_ends_costs_no_more_than_the_models_own() -> None:
    value = json.loads(_written(SMALL[0]))
    value["code"] = "5b5f56"  # JUMPDEST, PUSH0, JUMP
    failed = {check.name for check in check_artifact(canonical.encode(value)).failures}
    assert {"code", "answers", "refusals", "shape()"} <= failed


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 255), max_size=60).map(bytes))
def test_whatever_code_a_file_holds_a_check_ends_with_a_report(few: None, code: bytes) -> None:
    value = json.loads(_written(SMALL[1]))
    value["code"] = code.hex()
    assert {"code", "shape()"} <= {check.name for check in check_artifact(canonical.encode(value)).failures}


FAULTS: dict[str, tuple[Change, str]] = {
    "another kind": (lambda v: v.update(kind="tallystick/kernel/v2"), "kernel.kind"),
    "an unknown member": (lambda v: v.update(more=1), "document.unknown"),
    "a missing member": (lambda v: v.pop("code"), "document.missing"),
    "code in capitals": (lambda v: v.update(code="5F"), "document.hex"),
    "code beyond a contract": (lambda v: v.update(code="00" * 24_577), "document.length"),
    "an address without checksum": (lambda v: v.update(address=v["address"].lower()), "address.checksum"),
    "a registry of nobody": (lambda v: v["registry"].update(address="0x" + "00" * 20), "kernel.registry"),
    "no lanes": (lambda v: v["packings"][0].update(lanes=0), "document.range"),
    "two packings of one step": (lambda v: v["packings"].append(v["packings"][0]), "kernel.packing"),
    "a set of three": (lambda v: v["packings"][0]["sets"][0].pop(), "kernel.packing"),
    "a span of one": (lambda v: v["spans"][0].pop(), "kernel.span"),
    "a figure that is a number": (lambda v: v["quality"].update(auc=1), "document.type"),
    "a figure that is no decimal": (lambda v: v["quality"].update(auc="high"), "kernel.decimal"),
    "too many figures": (lambda v: v["quality"].update({str(k): "0" for k in range(65)}), "document.length"),
    "half a digest": (lambda v: v["source"].update(sha256="ab"), "digest.hex"),
    "a model that is none": (lambda v: v["model"].update(steps=[]), "kernel.model"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_that_no_kernel_writes_is_refused_and_a_check_says_why(fault: str) -> None:
    change, code = FAULTS[fault]
    value = json.loads(_written(SMALL[0]))
    change(value)
    data = canonical.encode(value)
    with pytest.raises(InvalidInput) as refused:
        Artifact.from_bytes(data)
    assert refused.value.code == code
    (check,) = check_artifact(data).checks
    assert not check.ok
    assert code in check.detail


def test_a_file_whose_code_is_another_models_gives_no_kernel() -> None:
    value = json.loads(_written(SMALL[0]))
    for change in (
        lambda v: v.update(code=_flip(v["code"], 401)),
        lambda v: v.update(model_digest="00" * 32),
        lambda v: v["model"].update(name="other"),
        lambda v: v.update(address=STRANGER),
    ):
        changed = json.loads(json.dumps(value))
        change(changed)
        with pytest.raises(VerificationFailed) as refused:
            Artifact.from_bytes(canonical.encode(changed)).require()
        assert refused.value.code == "kernel.artifact"
    assert Artifact.from_bytes(canonical.encode(value)).difference is None
    value |= {"compiler": "tallystick kernels 0", "code": _flip(value["code"], 401)}
    with pytest.raises(VerificationFailed, match=r"the file's code .* expected tallystick kernels 1, got .* 0"):
        Artifact.from_bytes(canonical.encode(value)).require()


def test_a_figure_that_is_no_decimal_is_not_written() -> None:
    with pytest.raises(InvalidInput):
        Artifact.of(compile_integer(SMALL[0]), quality={"auc": "9e-1"})
