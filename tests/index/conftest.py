"""Let the tests of this folder share their chain, and work where a sync to disk costs nothing."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from crash_child import STEPS, history
from forking_chain import BOTH, FakeChain

from tallystick.index import Index


@pytest.fixture
def memory_folder() -> Iterator[Path]:
    """A folder in memory where there is one: properties of what is stored, not of how durably."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture
def chain() -> FakeChain:
    """A chain that has grown, forked and become final in parts."""
    return history(STEPS)


@pytest.fixture
def index(memory_folder, chain) -> Index:
    """An index that has followed it."""
    index = Index(memory_folder / "index.db", chain, BOTH)
    index.sync()
    return index
