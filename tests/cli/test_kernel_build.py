"""`tally lithic model build` and `check`: bits asked for matter, choices are told, sources are derived again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.lithic.importers.test_fixtures import fixture

BUILD = ("lithic", "model", "build", "net.onnx")
CHECK = ("lithic", "model", "check", "net.kernel.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A network whose ONNX file says nothing of classes, trees, and rows of both."""
    file, said = fixture("torch_logits")
    (tmp_path / "net.onnx").write_bytes(file)
    (tmp_path / "trees.onnx").write_bytes(fixture("xgboost_value")[0])
    for name, rows in (("rows.csv", said["rows"]), ("trees.csv", fixture("xgboost_value")[1]["rows"])):
        header = ",".join(f"f{k}" for k in range(len(rows[0])))
        (tmp_path / name).write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return tmp_path


def test_what_was_chosen_and_why_is_told_when_it_is_built_and_when_it_is_looked_at(tally: Any, folder: Path) -> None:
    status, built = tally("lithic", "model", "build", "trees.onnx", "--sample", "trees.csv", "--leaf-bits", "20")
    assert (status, built["input_bits"]) == (0, {"bits": 16, "reason": "trees"}), built
    status, found = tally("lithic", "model", "inspect", "trees.kernel.json")
    assert {one["reason"] for one in found["input_steps"]} <= {"rows", "line"}
    for what in ("score_error_max", "input_bits", "input_steps"):
        assert found[what] == built[what]
    assert 0 < float(found["score_error_max"]["on_grid"][0]) < 0.001


def test_a_network_of_logits_is_told_its_classes_and_bits(tally: Any, folder: Path) -> None:
    named = ("--task", "classes", "--labels", "setosa, versicolor, virginica", "--sample", "rows.csv")
    status, built = tally(*BUILD, *named, "--bits", "16", "--weight-bits", "10", "--score-bits", "14")
    assert (status, built["input_bits"]["reason"]) == (0, "asked"), built
    made = json.loads((folder / "net.kernel.json").read_bytes())
    assert made["model"]["labels"] == ["setosa", "versicolor", "virginica"]
    bits = {"activation": 8, "input": 16, "leaf": 16, "score": 14, "table": 8, "weight": 10}
    assert made["derivation"]["precision"] == bits
    coarse = tally(*BUILD, *named, "--weight-bits", "4", "--out", "coarse.json")[1]
    errors = [max(map(float, one["score_error_max"]["uncapped"])) for one in (built, coarse)]
    assert errors[0] < errors[1] / 10


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--weight-bits", "1"), "kernel.bits", "2 to 32"),
        (("--score-bits", "33"), "kernel.bits", "2 to 32"),
        (("--activation-bits", "0"), "kernel.bits", "1 to 16"),
        (("--table-bits", "13"), "kernel.bits", "2 to 12"),
        (("--leaf-bits", "49"), "kernel.bits", "2 to 48"),
        (("--leaf-bits", "8"), "kernel.bits", "weight, score"),
        (("--labels", "a,,b"), "cli.labels", ""),
        (("--labels", "a,b,a"), "cli.labels", ""),
        (("--labels", "a,b"), "onnx.output", ""),
        (("--graph-output", "no such"), "onnx.output", ""),
    ],
)
def test_bits_and_names_that_make_no_sense_are_refused_in_words(
    tally: Any, folder: Path, options: tuple[str, ...], code: str, words: str
) -> None:
    status, error = tally(*BUILD, "--task", "classes", "--sample", "rows.csv", *options)
    assert (status, error["code"]) == (2, code), error
    assert words in str(error.get("expected", ""))
    assert not list(folder.glob("*.json"))


def test_a_kernel_is_derived_again_from_its_source_and_its_sample(tally: Any, folder: Path) -> None:
    assert tally(*BUILD, "--task", "classes", "--sample", "rows.csv")[0] == 0
    origin = ("--source", "net.onnx", "--sample", "rows.csv")
    status, report = tally(*CHECK, *origin, "-v")
    assert (status, report["checks_passed"]) == (0, report["checks_total"]), report
    status, error = tally(*CHECK, "--source", "net.onnx")
    assert (status, error["code"]) == (2, "cli.sample")
    status, error = tally(*CHECK, "--sample", "rows.csv")
    assert (status, error["code"]) == (2, "cli.sample")
    assert tally(*CHECK, "--source", "trees.onnx", "--sample", "rows.csv")[0] != 0
    path = folder / "net.kernel.json"
    value = json.loads(path.read_bytes())
    value["derivation"]["bound"]["uncapped"] = ["0"] * 3
    path.write_text(json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False))
    assert tally(*CHECK)[0] == 0  # nobody can know it without the source
    assert tally(*CHECK, *origin)[0] == 1


def test_a_sample_that_was_not_used_is_not_wanted(tally: Any, folder: Path) -> None:
    width = len(np.loadtxt(folder / "rows.csv", delimiter=",", skiprows=1)[0])
    (folder / "ranges.csv").write_text("feature,low,high\n" + "".join(f"f{k},-5,5\n" for k in range(width)))
    assert tally(*BUILD, "--task", "classes", "--ranges", "ranges.csv")[0] == 0
    assert tally(*CHECK, "--source", "net.onnx")[0] == 0
    status, error = tally(*CHECK, "--source", "net.onnx", "--sample", "rows.csv")
    assert (status, error["code"], error["got"]) == (2, "cli.sample", "one")
