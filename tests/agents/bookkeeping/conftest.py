"""One ledger of blocks for a module, and a market of its own for each test, which knows where it began."""

from __future__ import annotations

import pytest

from tests.agents.payments.market import Market
from tests.contracts.conftest import Ledger


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    made = Ledger(tmp_path_factory.mktemp("books") / "chain.db")
    yield made
    made.node.close()


@pytest.fixture
def market(ledger, tmp_path):
    made = Market(ledger, tmp_path / "books")
    made.begun = ledger.node.block_number() + 1
    yield made
    made.close()
