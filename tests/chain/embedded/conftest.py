"""A chain file with three funded accounts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tallystick.chain.embedded import EmbeddedProvider, Genesis, create
from tests.chain.embedded.damage_kit import History
from tests.chain.embedded.ledger_kit import FUNDS, START, Clock, Hand, Rpc


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    """A chain to be damaged: take copies of its file."""
    return History(tmp_path_factory.mktemp("history"))


@pytest.fixture
def hands() -> list[Hand]:
    return [Hand(seed) for seed in (1, 2, 3)]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def chain_path(tmp_path: Path, hands: list[Hand]) -> Path:
    path = tmp_path / "chain.db"
    create(path, Genesis(timestamp=START, balances={hand.raw_address: FUNDS for hand in hands}))
    return path


@pytest.fixture
def open_chain(chain_path: Path, clock: Clock) -> Iterator[Callable[..., Rpc]]:
    """Open the chain, as often as wanted; everything is closed at the end."""
    opened: list[EmbeddedProvider] = []

    def open_one(**options: Any) -> Rpc:
        provider = EmbeddedProvider(chain_path, clock=clock, **options)
        opened.append(provider)
        return Rpc(provider)

    yield open_one
    for provider in opened:
        provider.close()


@pytest.fixture
def rpc(open_chain: Callable[..., Rpc]) -> Rpc:
    return open_chain()
