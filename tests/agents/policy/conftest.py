"""A ledger of real EVM rules for tests of policies, and the contracts that serve all policy accounts on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.agents.policy.account_kit import PatientLedger, World


@pytest.fixture(scope="session")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PatientLedger]:
    """One ledger for all tests of policies: each makes its own accounts on it."""
    made = PatientLedger(tmp_path_factory.mktemp("policies") / "chain.db")
    made.time = 1_800_000_000
    yield made
    made.node.close()


@pytest.fixture(scope="session")
def world(ledger: PatientLedger) -> World:
    """The contracts around all accounts, and a token."""
    return World(ledger)
