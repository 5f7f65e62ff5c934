"""A ledger for providers: the one of the contracts' tests, fresh for each test, so that each has its own time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.committee_kit import Kit
from tests.contracts.conftest import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger that nobody used yet."""
    made = Ledger(tmp_path / "chain.db")
    yield made
    made.node.close()


@pytest.fixture
def kit(ledger: Ledger) -> Kit:
    """A committee on it, without providers."""
    return Kit(ledger)
