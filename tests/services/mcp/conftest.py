"""A workspace with a sealed wallet, made once and copied."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tallystick.cli.main import run
from tallystick.services.mcp.server import Desk
from tests.cli.agent_kit import make_sealed
from tests.services.mcp.places import desk_of


@pytest.fixture(scope="session")
def wallet_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder whose `.tally` has the sealed wallet `bot`, which nobody may write to; and its token's address."""
    folder = tmp_path_factory.mktemp("spoken to")
    path = folder / ".tally"
    assert run(["init", str(path)]) == 0
    return folder, make_sealed(path, folder)


@pytest.fixture
def token(wallet_once: tuple[Path, str], tmp_path: Path) -> str:
    """Copy that folder here; return the address of the token that `bot` holds."""
    folder, address = wallet_once
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return address


@pytest.fixture
def desk(token: str, tmp_path: Path) -> Iterator[Desk]:
    """The tools of that workspace, with the wallet's session."""
    with desk_of(tmp_path / ".tally") as made:
        yield made
