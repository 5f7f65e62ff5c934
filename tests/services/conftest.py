"""Fixtures of the services' tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.deployed import Running, serving


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway that the tests of one file share; they may only add to its log."""
    with serving(tmp_path_factory.mktemp("gateway") / "log", bodies=True) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a log may be made."""
    return tmp_path / "log"
