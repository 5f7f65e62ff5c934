"""`tally lithic verify`: the receipt of an answer of any mode is rechecked, and whatever was changed in it is named."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tallystick.core import canonical
from tallystick.lithic.artifact import Artifact
from tallystick.lithic.kernel import compile_integer
from tallystick.services.lithic_node.answerers import FunctionAnswerer
from tests.cli.test_committee_commands import ASKED, MODEL, answer, service
from tests.lithic import kernel_models

ROW = ("--row", "10,20,30,40,50,60", "--integers")
VERIFY = ("lithic", "verify", "receipt.json")
WITH_KERNEL = (*VERIFY, "--kernel", "mlp.kernel.json")


@pytest.fixture
def kernel(workspace: Path, tmp_path: Path) -> Any:
    """The file of a small network."""
    made = compile_integer(kernel_models.mlp())
    (tmp_path / "mlp.kernel.json").write_bytes(Artifact.of(made).to_bytes())
    (tmp_path / "trees.kernel.json").write_bytes(Artifact.of(compile_integer(kernel_models.trees())).to_bytes())
    return made


def change(path: Path, place: str, value: object) -> None:
    """Put another value at a place of a receipt, "answer.output" say."""
    found = json.loads(path.read_bytes())
    inner, (*way, last) = found, place.split(".")
    for name in way:
        inner = inner[name]
    inner[last] = value
    path.write_bytes(canonical.encode(found))


def failed(tally: Any, *arguments: str) -> set[str]:
    """Return the names of the checks that do not hold."""
    status, found = tally(*arguments)
    names = {check["name"] for check in found["checks"] if not check["ok"]}
    assert status == (1 if names else 0), found
    return names


def test_a_direct_answer_has_a_receipt_that_is_rechecked(tally: Any, kernel: Any, tmp_path: Path) -> None:
    status, error = tally("lithic", "direct", "ask", "mlp.kernel.json", *ROW)
    assert (status, error["code"]) == (2, "kernel.undeployed")
    tally("lithic", "model", "deploy", "mlp.kernel.json")
    status, asked = tally("lithic", "direct", "ask", "mlp.kernel.json", *ROW, "--key", "one")
    output = [str(number) for number in kernel.predict((10, 20, 30, 40, 50, 60))]
    assert (status, asked["mode"], asked["output"]) == (0, "direct", output)
    assert tally("lithic", "direct", "ask", "mlp.kernel.json", *ROW, "--key", "one")[1]["request"] == asked["request"]
    made = ("lithic", "direct", "receipt", "mlp.kernel.json")
    assert tally(*made, asked["request"], "--out", "receipt.json")[0] == 0
    status, verified = tally(*WITH_KERNEL)
    assert (status, verified["checks_passed"]) == (0, verified["checks_total"])
    assert (verified["mode"], verified["output"], verified["request"]) == ("direct", output, asked["request"])
    assert failed(tally, *WITH_KERNEL, "--offline", "--workspace", "nowhere") == set()
    assert tally(*WITH_KERNEL, "--workspace", "nowhere")[1]["code"] == "workspace.missing"
    status, error = tally(*VERIFY)
    assert (status, error["code"], "--kernel" in error["hint"]) == (2, "receipt.kernel", True)
    assert {"model digest", "output"} <= failed(tally, *VERIFY, "--kernel", "trees.kernel.json")
    status, error = tally(*made, "11" * 32)
    assert (status, error["code"]) == (2, "receipt.none")
    passing = tally("lithic", "direct", "ask", "mlp.kernel.json", *ROW, "--passing")[1]["request"]
    assert tally(*made, passing, "--out", "receipt.json")[0] == 0
    assert failed(tally, *WITH_KERNEL) == set()  # the kernel is asked again


def test_an_optimistic_answer_has_a_receipt_once_it_is_final(tally: Any, kernel: Any, tmp_path: Path) -> None:
    verb = ("lithic", "optimistic")
    tally(*verb, "publish", "mlp.kernel.json")
    terms = ("--bond", "0.5", "--fee", "0.001", "--window", "1s")
    request = tally(*verb, "ask", "mlp.kernel.json", *ROW, *terms)[1]["request"]
    tally(*verb, "claim", "--yes", "mlp.kernel.json", request)
    status, error = tally(*verb, "receipt", "mlp.kernel.json", request)
    assert (status, error["code"]) == (2, "receipt.none")
    time.sleep(1.5)
    assert tally(*verb, "settle", request)[0] == 0
    status, said = tally(*verb, "receipt", "mlp.kernel.json", request)
    assert (status, json.loads(said["receipt"])["answer"]["request_id"]) == (0, request)
    tally(*verb, "receipt", "mlp.kernel.json", request, "--out", "receipt.json")
    assert failed(tally, *WITH_KERNEL) == set()
    path, whole = tmp_path / "receipt.json", (tmp_path / "receipt.json").read_bytes()
    for place, value, names in (
        ("answer.output", ["1", "2", "3", "4"], {"output", "settled answer"}),
        ("answer.cost", "7", {"cost", "settled answer"}),
        ("answer.nonce", "7", {"request id", "settled answer"}),
        ("evidence.data", "00" * 6, {"request id", "input digest", "output"}),
    ):
        change(path, place, value)
        assert failed(tally, *WITH_KERNEL) == names
        path.write_bytes(whole)
    change(path, "chain_id", "1")
    status, error = tally(*WITH_KERNEL)
    assert (status, error["code"], "--offline" in error["hint"]) == (2, "receipt.chain", True)
    assert failed(tally, *WITH_KERNEL, "--offline") == {"request id"}


def test_a_committees_answer_has_a_receipt_that_needs_no_kernel(tally: Any, kernel: Any, tmp_path: Path) -> None:
    verb = ("lithic", "committee")
    tally(*verb, "register", "--bond", "0.5")
    tally(*verb, "offer", MODEL, "--fee", "0.001")
    request = tally(*verb, *ASKED)[1]["request"]
    status, error = tally(*verb, "receipt", request)
    assert (status, error["code"]) == (3, "answers: not fulfilled")
    answer(tmp_path, service(FunctionAnswerer(lambda terms, data: int(data) + 1)))
    tally(*verb, "receipt", request, "--out", "receipt.json")
    status, verified = tally(*VERIFY)
    assert (status, verified["mode"], verified["output"]) == (0, "committee", ["42"])
    status, error = tally(*VERIFY, "--offline")
    assert (status, error["code"]) == (2, "receipt.standings")
    change(tmp_path / "receipt.json", "answer.output", ["43"])
    assert {"output", "settled answer"} <= failed(tally, *VERIFY)


def test_what_is_no_receipt_is_refused(tally: Any, kernel: Any, tmp_path: Path) -> None:
    (tmp_path / "receipt.json").write_bytes(b"{}")
    assert tally(*VERIFY)[1]["code"] == "document.missing"
    (tmp_path / "receipt.json").write_bytes(b"not JSON")
    assert tally(*VERIFY)[0] == 2
    assert tally("lithic", "verify", "missing.json")[1]["code"] == "files.missing"


def test_an_answer_by_proof_is_not_offered_at_this_door_either(tally: Any, kernel: Any, tmp_path: Path) -> None:
    tally("lithic", "model", "deploy", "mlp.kernel.json")
    asked = tally("lithic", "direct", "ask", "mlp.kernel.json", *ROW)[1]["request"]
    tally("lithic", "direct", "receipt", "mlp.kernel.json", asked, "--out", "receipt.json")
    assert failed(tally, *WITH_KERNEL) == set()
    change(tmp_path / "receipt.json", "answer.mode", 4)
    for offline in ((), ("--offline",)):
        status, error = tally(*WITH_KERNEL, *offline)
        assert (status, error["code"]) == (2, "answer.mode")
