"""A market whose ledger is in the present: stock clients and servers go by the machine's clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agents.payments.market import Market
from tests.contracts.conftest import Ledger


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """One ledger for a module."""
    path = tmp_path_factory.mktemp("market") / "chain.db"
    made = Ledger(path)
    made.path = path  # for other processes
    yield made
    made.node.close()


@pytest.fixture
def market(ledger: Ledger, tmp_path: Path) -> Iterator[Market]:
    """A market with a token of its own, now."""
    ledger.time = int(time.time()) - 60
    made = Market(ledger, tmp_path / "books")
    ledger.time = max(ledger.time, int(time.time()))
    yield made
    made.close()
