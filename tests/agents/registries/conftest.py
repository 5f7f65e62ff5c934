"""A ledger with the four registries, agent 0 of the first account, and names for who does what."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tallystick.agents.identity.reference import AgentRef, RegistryRef
from tests.contracts.agent_kit import Registries, deploy_registries
from tests.contracts.conftest import Ledger


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """One ledger for a module."""
    made = Ledger(tmp_path_factory.mktemp("agents") / "chain.db")
    yield made
    made.node.close()


@pytest.fixture(scope="module")
def registries(ledger: Ledger) -> Registries:
    """The four registries of a module."""
    return deploy_registries(ledger)


@pytest.fixture
def agent(ledger: Ledger, registries: Registries) -> AgentRef:
    """A new agent of the first account."""
    ledger.send(registries.identity.register(""), ledger.accounts[0])
    registry = RegistryRef(ledger.chain_id, registries.identity.address)
    return AgentRef(registry, registries.identity.agent_count() - 1)
