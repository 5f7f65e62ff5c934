"""A ledger for audits, and one life that many tests look at and none adds to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tallystick.store.blobs import BlobStore
from tests.agents.audit.story import Story
from tests.contracts.conftest import Ledger


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """One ledger for a module."""
    made = Ledger(tmp_path_factory.mktemp("audits") / "chain.db")
    yield made
    made.node.close()


@pytest.fixture(scope="module")
def story(ledger: Ledger, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """A life that has been lived."""
    return Story(ledger, BlobStore(str(tmp_path_factory.mktemp("intents")))).live()
