"""Commands are run in this process, with the arguments and in the folder that a user would have."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tallystick.cli.main import run
from tests.cli.agent_kit import make_sealed

Tally = Callable[..., tuple[int, Any]]


@pytest.fixture
def tally(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tally:
    """Run `tally … --json` in an empty folder; return the exit status and the object it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TALLY_WORKSPACE", raising=False)
    monkeypatch.delenv("TALLY_DEBUG", raising=False)

    def command(*arguments: str) -> tuple[int, Any]:
        capsys.readouterr()
        status = run([*arguments, "--json"])
        printed = capsys.readouterr().out
        return status, json.loads(printed) if printed else None

    return command


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace on an embedded chain with the contracts deployed, which nobody may write to."""
    path = tmp_path_factory.mktemp("made once") / ".tally"
    assert run(["init", str(path)]) == 0
    return path


@pytest.fixture
def workspace(tally: Tally, made_once: Path, tmp_path: Path) -> Path:
    """Make a workspace on an embedded chain with the contracts deployed: a copy, since deploying takes a second."""
    return Path(shutil.copytree(made_once, tmp_path / ".tally"))


@pytest.fixture(scope="session")
def sealed_once(made_once: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A workspace with the sealed wallet `bot`, which nobody may write to; and the address of the token it holds."""
    folder = tmp_path_factory.mktemp("sealed once")
    return folder, make_sealed(Path(shutil.copytree(made_once, folder / ".tally")), folder)


@pytest.fixture
def token(tally: Tally, sealed_once: tuple[Path, str], tmp_path: Path) -> str:
    """Make a workspace with the sealed wallet `bot`, a copy; return the address of the token that it holds."""
    folder, address = sealed_once
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return address
