"""A chain of their own for tests of channels, and a channel on it."""

from __future__ import annotations

import pytest

from tests.agents.channels.kit import Pair
from tests.contracts.conftest import Ledger


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    made = Ledger(tmp_path_factory.mktemp("ledger") / "chain.db")
    yield made
    made.node.close()


@pytest.fixture
def pair(ledger, tmp_path):
    return Pair(ledger, tmp_path)
