"""Hypothesis settings (`TALLYSTICK_LONG` for many more examples), and a real chain with a published model."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.models.liar import Liar
from tests.models.story import Desk, Published, open_desk, publish_story

settings.register_profile(
    "tallystick",
    deadline=None,
    max_examples=2_000 if os.environ.get("TALLYSTICK_LONG") else 60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("tallystick")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A fresh embedded chain with the registry on it, an account with a key in charge, and an empty blob store."""
    with open_desk(tmp_path) as made:
        yield made


@pytest.fixture
def liar(desk: Desk, tmp_path: Path) -> Liar:
    """A publisher with one true version on the chain, whose second may be anything."""
    return Liar(desk, tmp_path / "lies")


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    """A model with four versions, released and deprecated, as published once for the whole run: to be read only."""
    with open_desk(tmp_path_factory.mktemp("story")) as made:
        yield publish_story(made)


@pytest.fixture
def tampered(story: Published, tmp_path: Path) -> Published:
    """The same published model with a blob store of its own, to be tampered with."""
    shutil.copytree(story.desk.folder / "blobs", tmp_path / "blobs")
    return story.with_blobs(tmp_path / "blobs")
