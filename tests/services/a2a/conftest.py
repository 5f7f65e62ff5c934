"""A registered agent, made once and copied."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tallystick.cli.main import run
from tests.cli.agent_kit import make_sealed
from tests.services.a2a.agents import Registered


@pytest.fixture(scope="session")
def agent_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Registered, str]:
    """An agent beside the sealed wallet `bot`, which nobody may write to; and the wallet's token."""
    folder = tmp_path_factory.mktemp("an agent")
    path = folder / ".tally"
    assert run(["init", str(path)]) == 0
    token = make_sealed(path, folder)
    return Registered.make(path), token


@pytest.fixture
def token(agent_once: tuple[Registered, str]) -> str:
    """The address of the token that `bot` holds."""
    return agent_once[1]


@pytest.fixture
def agent(agent_once: tuple[Registered, str], tmp_path: Path) -> Registered:
    """A copy of that agent, to be changed."""
    made = agent_once[0]
    shutil.copytree(made.path, tmp_path / ".tally")
    return replace(made, path=tmp_path / ".tally", more={})
