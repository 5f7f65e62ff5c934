"""The examples do what they say, one after the other as a newcomer runs them, and see what a stranger altered."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path

import pytest

import tallystick
from tests.house import tree

EXAMPLES = tree.ROOT / "examples"


def call(name: str, *arguments: object) -> int:
    """Run the `main` of an example and return its exit status."""
    status: int = runpy.run_path(str(EXAMPLES / name))["main"](*arguments)
    return status


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which the first two examples were run."""
    folder = tmp_path_factory.mktemp("examples")
    assert call("record_a_model.py", folder) == 0
    assert call("keep_a_log.py", folder) == 0
    return folder


@pytest.fixture(scope="module")
def outside(made: Path) -> tuple[str, str, str, str, str]:
    """Return what an outsider is given: chain, two addresses, blob store, and the log's key."""
    with tallystick.open(made / ".tally") as tally:
        addresses = tally.deploy()
        key = str(tally.inference.verifier_key("events"))
    chain, blobs = made / ".tally" / "chain.db", made / ".tally" / "blobs"
    return str(chain), addresses["ModelRegistry"], addresses["LogAnchor"], str(blobs), key


def test_every_example_is_run_by_a_test() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {
        "record_a_model.py", "keep_a_log.py", "check_a_receipt.py", "audit_everything.py",
    }  # fmt: skip


def test_the_recorded_model_is_there_with_its_change_told_by_its_roots(made: Path) -> None:
    with tallystick.open(made / ".tally") as tally:
        history = tally.models.history(1)
    assert [line.to_dict()["kinds"] for line in history.versions] == [[], ["data", "parameters"]]
    assert history.channels == {"production": 2}


def test_a_receipt_is_checked_with_the_key_alone_and_a_forged_one_is_refused(
    made: Path, outside: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    receipt = made / "receipt.json"
    assert call("check_a_receipt.py", receipt, outside[-1]) == 0
    assert "b'event 700' is entry 700 of the 1000" in capsys.readouterr().out
    forged = tmp_path / "forged.json"
    forged.write_text(receipt.read_text().replace('"index":700', '"index":701'))
    assert forged.read_bytes() != receipt.read_bytes()
    assert call("check_a_receipt.py", forged, outside[-1]) == 1


def test_the_audit_from_outside_passes_and_names_a_file_that_was_altered(
    outside: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chain, registry, anchor, blobs, _ = outside
    assert call("audit_everything.py", chain, registry, anchor, blobs) == 0
    assert "1 models, 2 versions, 1 logs with 1000 entries" in capsys.readouterr().out
    damaged = tmp_path / "blobs"
    shutil.copytree(blobs, damaged)
    weights = (Path(chain).parents[1] / "v2" / "parameters.safetensors").read_bytes()
    (blob,) = [path for path in damaged.rglob("*") if path.is_file() and path.read_bytes() == weights]
    blob.write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    assert call("audit_everything.py", chain, registry, anchor, str(damaged)) == 1
    assert "WRONG 1@2 file parameters.safetensors" in capsys.readouterr().out
