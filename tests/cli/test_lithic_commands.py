"""`tally lithic model`: from an ONNX file to a kernel on a chain, and every refusal in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto, helper

from tallystick.cli.main import run
from tallystick.core import canonical
from tallystick.lithic.artifact import Artifact
from tallystick.lithic.integer import document
from tallystick.lithic.kernel import compile_integer
from tests.lithic import kernel_models

STRANGER = "0x90F8bf6A479f320ead074411a4B0e7944Ea8c9C1"
ROWS = [(0.5, 1, -2.0), (1.5, 0, 2.0), (0.25, 1, 0.0), (2.0, 0, -1.5), (1.0, 1, 1.0)]


@pytest.fixture
def onnx(tmp_path: Path) -> Path:
    """A linear model of three features and three classes, with rows to calibrate and to test it on."""
    weights = [[1.0, -0.5, 0.25], [-2.0, 0.5, 1.0], [0.75, 0.0, -1.0]]
    constants = [
        helper.make_tensor("w", TensorProto.FLOAT, [3, 3], [number for row in weights for number in row]),
        helper.make_tensor("b", TensorProto.FLOAT, [3], [0.1, -0.2, 0.0]),
    ]
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], name="n")
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 3])
    graph = helper.make_graph([node], "g", [given], [result], constants)
    path = tmp_path / "small.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]).SerializeToString())
    (tmp_path / "ranges.toml").write_text('size = [0, 2.5]\n"is new" = [0, 1, 1]\nslope = ["-2", "2"]\n')
    lines = []
    for row in ROWS:
        scores = [sum(x * w[k] for x, w in zip(row, weights, strict=True)) + (0.1, -0.2, 0.0)[k] for k in range(3)]
        lines.append(",".join(map(str, (*row, scores.index(max(scores))))))
    (tmp_path / "rows.csv").write_text("\n".join(["size,is new,slope,label", *lines]) + "\n")
    return path


def _kernel(tmp_path: Path, **options: Any) -> Path:
    path = tmp_path / "mlp.kernel.json"
    path.write_bytes(Artifact.of(compile_integer(kernel_models.mlp(), **options)).to_bytes())
    return path


BUILD = ("lithic", "model", "build", "small.onnx", "--task", "classes")
SAMPLE = ("--sample", "rows.csv", "--label", "label")
INPUT = "10,20,30,40,50,60"


def test_a_model_is_built_checked_inspected_deployed_and_asked(
    tally: Any, workspace: Path, onnx: Path, tmp_path: Path
) -> None:
    status, built = tally(
        *BUILD, "--ranges", "ranges.toml", "--sample", "rows.csv", "--test", "rows.csv", "--label", "label",
        "--document", "integer-model.json", "--report", "report.html",
    )  # fmt: skip
    assert status == 0, built
    assert built["quality"]["accuracy_integer"] == "1"
    whole = Artifact.from_bytes((tmp_path / "small.kernel.json").read_bytes())
    assert [field.name for field in whole.model.input.fields] == ["size", "is new", "slope"]
    assert built["model_digest"] in (tmp_path / "report.html").read_text()
    assert (tmp_path / "integer-model.json").read_bytes() == document.to_bytes(whole.model)
    assert (built["model_digest"], whole.source.name if whole.source else "") == (whole.digest.hex(), "small.onnx")
    assert tally("lithic", "model", "check", "small.kernel.json")[0] == 0
    status, inspected = tally("lithic", "model", "inspect", "small.kernel.json")
    assert (status, inspected["is_proved"], inspected["steps"][0]["kind"]) == (0, True, "Dense")
    assert inspected["typical"]["greatest"] <= inspected["worst_gas"]
    status, deployed = tally("lithic", "model", "deploy", "small.kernel.json")
    assert (status, deployed["kernel"], deployed["gas_used"]) == (0, built["address"], inspected["deployment_gas"])
    asked = ("lithic", "model", "predict", "small.kernel.json", "--rows", "rows.csv", "--at", built["address"])
    status, answered = tally(*asked, "--gas")
    assert (status, answered["checks_passed"]) == (0, answered["checks_total"])
    assert [int(one["decision"]) for one in answered["predictions"]] == _labels(tmp_path)


def _labels(folder: Path) -> list[int]:
    return [int(line.rpartition(",")[2]) for line in (folder / "rows.csv").read_text().split()[2:]]


def test_the_same_call_builds_the_same_bytes(tally: Any, onnx: Path, tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        assert tally(*BUILD, *SAMPLE, "--out", name)[0] == 0
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_a_model_that_loses_too_much_is_refused_and_nothing_is_written(tally: Any, onnx: Path, tmp_path: Path) -> None:
    tested = ("--ranges", "ranges.toml", "--test", "rows.csv", "--label", "label")
    status, error = tally(*BUILD, *tested, "--agreement", "1.01")
    assert (status, error["code"]) == (2, "kernel.quality")
    assert not list(tmp_path.glob("*.json"))


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ((), "kernel.range"),
        (("--report", "report.html"), "cli.report"),
        (("--registry", STRANGER), "cli.registry"),
        (("--ranges", "rows.csv"), "kernel.csv"),
        (("--ranges", "missing.toml"), "files.missing"),
        (("--sample", "small.onnx"), "kernel.csv"),
        (("--sample", "rows.csv"), "kernel.features"),
        (("--ranges", "ranges.toml", "--test", "rows.csv", "--label", "no such"), "kernel.csv"),
        ((*SAMPLE, "--floor", "none"), "kernel.decimal"),
        ((*SAMPLE, "--weight-bits", "1"), "kernel.bits"),
        ((*SAMPLE, "--model", "0", "--registry", STRANGER), "kernel.registry"),
        ((*SAMPLE, "--model", "1"), "workspace.missing"),
        ((*SAMPLE, "--out", "rows.csv/x.json"), "files.special"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused_in_words(
    tally: Any, onnx: Path, options: tuple[str, ...], code: str, tmp_path: Path
) -> None:
    status, error = tally(*BUILD, *options)
    assert (status, error["code"]) == (2, code), error
    assert not list(tmp_path.glob("*.json"))


def test_a_file_that_is_no_model_is_refused(tally: Any, onnx: Path, tmp_path: Path) -> None:
    status, error = tally("lithic", "model", "build", "rows.csv", "--sample", "rows.csv")
    assert (status, error["code"].split(".")[0]) == (2, "onnx")
    (tmp_path / "pickle.onnx").write_bytes(b"\x80\x04")
    status, error = tally("lithic", "model", "build", "pickle.onnx", "--sample", "rows.csv")
    assert (status, error["code"], "skl2onnx" in error["hint"]) == (2, "onnx.parse", True)


def test_a_kernel_names_a_model_of_this_workspaces_registry_and_no_other(
    tally: Any, workspace: Path, onnx: Path, tmp_path: Path
) -> None:
    status, built = tally(*BUILD, *SAMPLE, "--model", "1", "--out", "of-one.kernel.json")
    assert status == 0
    status, error = tally("lithic", "model", "deploy", "of-one.kernel.json")
    assert (status, error["code"], error["got"]) == (2, "kernel.registry", "1")  # no model is registered yet
    model_id = tally("model", "register", "small")[1]["model"]
    assert tally("lithic", "model", "deploy", "of-one.kernel.json")[0] == 0
    assert (built["registry"]["model_id"], model_id) == ("1", 1)
    assert tally(*BUILD, *SAMPLE, "--model", "1", "--registry", STRANGER, "--out", "other.kernel.json")[0] == 0
    status, error = tally("lithic", "model", "deploy", "other.kernel.json")
    assert (status, error["code"], error["got"]) == (2, "kernel.registry", STRANGER)


def test_a_kernel_is_recorded_for_its_version_found_by_channel_and_rechecked(
    tally: Any, workspace: Path, onnx: Path, tmp_path: Path
) -> None:
    kernel, folder = ("lithic", "model"), tmp_path / "version"
    folder.mkdir()
    (folder / "small.onnx").write_bytes(onnx.read_bytes())
    tally("model", "register", "small")
    linked = (*SAMPLE, "--model", "1")
    assert tally(*BUILD, *linked, "--document", "version/integer-model.json")[0] == 0
    assert tally("model", "add-version", "1", "version")[1]["version"] == "1@1"
    assert tally(*kernel, "record", "small.kernel.json", "1@1")[1]["code"] == "chain.no_contract"
    address = tally(*kernel, "deploy", "small.kernel.json")[1]["kernel"]
    assert (
        tally(*kernel, "predict", "small.kernel.json", "--rows", "rows.csv", "--at", "1@1")[1]["code"]
        == "kernel.version"
    )
    for _ in range(2):  # the second time it is so already
        status, recorded = tally(*kernel, "record", "small.kernel.json", "1@1")
        assert (status, recorded["kernel"], recorded["version"]) == (0, address, "1@1")
    status, verified = tally(*kernel, "verify", "1")
    assert (status, verified["checks_passed"]) == (0, verified["checks_total"])
    tally("model", "release", "1@1", "production")
    asked = (*kernel, "predict", "small.kernel.json", "--rows", "rows.csv", "--at")
    assert [tally(*asked, place)[0] for place in ("1@1", "1@production", "1", address)] == [0, 0, 0, 0]
    other = tally(*BUILD, *linked, "--bits", "16", "--out", "other.kernel.json")
    assert other[0] == 0
    status, error = tally(*kernel, "record", "other.kernel.json", "1@1")
    assert (status, error["code"], error["got"]) == (2, "kernel.version", other[1]["model_digest"])
    tally("model", "status", "1@1", "revoked", "--reason", "of the test", "--yes")
    assert tally(*asked, "1@production")[1]["code"] == "directory: version is revoked"


def test_a_contract_that_is_another_kernel_is_told_from_it(tally: Any, workspace: Path, tmp_path: Path) -> None:
    _kernel(tmp_path)
    assert tally("lithic", "model", "deploy", "mlp.kernel.json")[0] == 0
    address = tally("lithic", "model", "inspect", "mlp.kernel.json")[1]["address"]
    other = tmp_path / "trees.kernel.json"
    other.write_bytes(Artifact.of(compile_integer(kernel_models.trees())).to_bytes())
    asked = ("lithic", "model", "predict", "trees.kernel.json", "--row", "1,2,3", "--integers", "--at")
    status, found = tally(*asked, address)
    failed = {check["name"] for check in found["checks"] if not check["ok"]}
    assert status == 1
    assert failed == {"model digest", "shape", "scale", "answer 0"}
    assert tally(*asked, STRANGER)[1]["code"] == "chain.no_contract"


def test_an_account_that_cannot_pay_is_told_so_before_anything_is_sent(tally: Any, tmp_path: Path) -> None:
    from tallystick.chain.embedded import Genesis, create
    from tallystick.tally import Tally

    assert tally("init")[0] == 0
    chain = tmp_path / ".tally" / "chain.db"
    with Tally.open(tmp_path / ".tally", lambda _: "") as opened:
        chain_id = opened.node.chain_id
    for path in chain.parent.glob("chain.db*"):
        path.unlink()
    create(chain, Genesis(timestamp=1_700_000_000, chain_id=chain_id, balances={}))
    (tmp_path / ".tally" / "outbox.db").unlink(missing_ok=True)
    _kernel(tmp_path)
    status, error = tally("lithic", "model", "deploy", "mlp.kernel.json")
    assert (status, error["code"], error["got"]) == (3, "chain.insufficient_funds", "0 wei")
    assert tally("chain", "outbox")[1]["transactions"] == []


def test_a_file_that_was_tampered_with_is_named_and_not_deployed(tally: Any, workspace: Path, tmp_path: Path) -> None:
    path = _kernel(tmp_path)
    value = json.loads(path.read_bytes())
    value["code"] = value["code"][:-1] + ("0" if value["code"][-1] != "0" else "1")
    path.write_bytes(canonical.encode(value))
    status, found = tally("lithic", "model", "check", "mlp.kernel.json")
    assert (status, next(check["name"] for check in found["checks"] if not check["ok"])) == (1, "code")
    status, seen = tally("lithic", "model", "inspect", "mlp.kernel.json")
    assert (status, seen["difference"]) == (1, "code")
    status, error = tally("lithic", "model", "deploy", "mlp.kernel.json")
    assert (status, error["code"], "expected" in error) == (5, "kernel.artifact", False)  # both are of one compiler
    value["model_digest"] = "00" * 32
    path.write_bytes(canonical.encode(value))
    status, error = tally("lithic", "model", "predict", "mlp.kernel.json", "--row", INPUT, "--integers")
    assert (status, error["code"]) == (5, "kernel.artifact")
    path.write_bytes(b"{}")
    assert tally("lithic", "model", "check", "mlp.kernel.json")[0] == 1
    assert tally("lithic", "model", "inspect", "mlp.kernel.json")[1]["code"] == "document.missing"


def test_people_see_that_a_file_was_tampered_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _kernel(tmp_path)
    assert run(["lithic", "model", "inspect", str(path)]) == 0
    assert "is not what its model compiles to" not in capsys.readouterr().out
    path.write_bytes(path.read_bytes().replace(b'"name":"mlp"', b'"name":"other"'))
    assert run(["lithic", "model", "inspect", str(path)]) == 1
    assert "its digest is not what its model compiles to" in capsys.readouterr().out


def test_inputs_are_answered_by_row_by_file_or_as_integers(tally: Any, tmp_path: Path) -> None:
    kernel = Artifact.from_bytes(_kernel(tmp_path).read_bytes()).kernel
    asked = ("lithic", "model", "predict", "mlp.kernel.json")
    status, found = tally(*asked, "--row", INPUT, "--integers", "--gas")
    (one,) = found["predictions"]
    assert (status, tuple(one["answer"]), one["gas"]) == (
        0, kernel.predict((10, 20, 30, 40, 50, 60)), kernel.gas((10, 20, 30, 40, 50, 60)),
    )  # fmt: skip
    assert one["decision"] in ("low", "middle", "high")
    status, found = tally(*asked, "--row", "0,0,0,0,0,1", "--row", "1,1,1,1,1,1")
    assert (status, len(found["predictions"]), found["predictions"][0]["input"]) == (0, 2, [6, 6, 6, 6, 6, 10])
    for options, code in (
        ((), "cli.row"),
        (("--row", "1,2"), "kernel.rows"),
        (("--row", "1,2,3,4,5,x"), "kernel.csv"),
        (("--row", "1,2,3,4,5,999"), "kernel.input"),
        (("--row", "1,2,3,4,5,6.5", "--integers"), "cli.row"),
        (("--row", "1,2,3,4,5,6", "--integers"), "kernel.input"),
    ):
        status, error = tally(*asked, *options)
        assert (status, error["code"]) == (2, code), error
    assert tally(*asked, "--row", "1,2,3,4,5,999", "--clip")[1]["predictions"][0]["input"][5] == 100


def test_gas_is_measured_over_drawn_inputs_and_over_a_file(tally: Any, tmp_path: Path) -> None:
    _kernel(tmp_path)
    status, found = tally("lithic", "model", "bench", "mlp.kernel.json", "--inputs", "5")
    gas = found["execution"]
    assert (status, found["inputs"]) == (0, 5)
    assert 0 < gas["least"] <= gas["median"] <= gas["greatest"] <= gas["bound"]
    assert found["transaction"]["median"] > 21_000 + gas["median"]
    names = ",".join(f"field {k}" for k in range(6))
    (tmp_path / "rows.csv").write_text(f"{names}\n0,0,0,0,0,0\n1,1,1,1,1,9999\n")
    assert tally("lithic", "model", "bench", "mlp.kernel.json", "--rows", "rows.csv")[1]["inputs"] == 2
    (tmp_path / "rows.csv").write_text(f"{names}\n")
    assert tally("lithic", "model", "bench", "mlp.kernel.json", "--rows", "rows.csv")[1]["code"] == "cli.row"


def test_people_see_tables(
    onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run([*BUILD, "--ranges", "ranges.toml", "--test", "rows.csv", "--label", "label"]) == 0
    assert run(["lithic", "model", "inspect", "small.kernel.json"]) == 0
    assert run(["lithic", "model", "bench", "small.kernel.json", "--inputs", "3"]) == 0
    assert run(["lithic", "model", "predict", "small.kernel.json", "--row", "1,0,1", "--gas"]) == 0
    printed = capsys.readouterr().out
    for word in ("accuracy_integer", "no lane overflows", "3 × 3", "execution, proven bound", "decision"):
        assert word in printed
