"""The story holds on both chains: all checks pass untouched, and every flipped byte is named."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PREDICTIONS = 300


def tell(folder: Path, *more: str) -> dict[str, float]:
    command = [sys.executable, "-m", "tallystick", "demo", "--json", "--folder", str(folder / "demo")]
    done = subprocess.run(
        [*command, "--predictions", str(PREDICTIONS), *more], capture_output=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-2_000:] + done.stdout.decode()[-2_000:]
    found = json.loads(done.stdout)
    assert list(found) == [
        "versions", "inferences", "anchors", "checks_passed", "checks_total", "tampers_tried", "tampers_caught",
        "seconds",
    ]  # fmt: skip
    return found


def test_the_embedded_story_ends_with_every_tamper_caught(tmp_path: Path) -> None:
    found = tell(tmp_path)
    assert (found["versions"], found["inferences"], found["anchors"]) == (4, PREDICTIONS, 4)
    assert found["checks_passed"] == found["checks_total"] >= 100
    assert (found["tampers_tried"], found["tampers_caught"]) == (5, 5)
    report = (tmp_path / "demo" / "report.html").read_text()
    assert report.count("<svg") == 5  # the lineage and four plots
    assert "http://" not in report.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )  # self-contained: nothing is fetched


@pytest.mark.anvil
def test_the_story_on_anvil_ends_the_same_but_for_the_chain_file(tmp_path: Path, anvil: Any) -> None:
    found = tell(tmp_path, "--rpc", anvil.url)
    assert (found["versions"], found["inferences"], found["anchors"]) == (4, PREDICTIONS, 4)
    assert found["checks_passed"] == found["checks_total"] >= 100
    assert (found["tampers_tried"], found["tampers_caught"]) == (4, 4)


def test_a_second_story_leaves_the_first_alone(tmp_path: Path) -> None:
    from tallystick.demos.places import Places

    first, second = Places.make(tmp_path / "demo"), Places.make(tmp_path / "demo")
    assert first.root.name == "demo"
    assert second.root.name == "demo-2"
