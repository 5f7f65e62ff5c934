"""Let the tests of this folder share their chain, and work where a sync to disk costs nothing."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def memory_folder() -> Iterator[Path]:
    """A folder in memory where there is one: properties of what is stored, not of how durably."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)
