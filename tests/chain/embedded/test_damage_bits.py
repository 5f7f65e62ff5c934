"""One flipped bit anywhere in a chain file: an answer is as it was or there is none, and fsck says why."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.chain.embedded import EmbeddedProvider
from tallystick.chain.embedded.fsck import fsck
from tallystick.core.errors import VerificationFailed
from tests.chain.embedded.damage_kit import History, ask_everything
from tests.chain.embedded.sqlite_map import regions

LONG = bool(os.environ.get("TALLYSTICK_LONG"))
TREES = ("sqlite_master", "meta", "node", "block", "sqlite_autoindex_block_1", "tx")


@pytest.fixture
def copy(history: History, tmp_path: Path) -> Path:
    return shutil.copy(history.path, tmp_path / "chain.db")


def check_flip(history: History, path: Path, at: int, bit: int) -> None:
    """Flip a bit, ask for everything, and check that what is refused is found by fsck."""
    content = bytearray(history.path.read_bytes())
    content[at] ^= 1 << bit
    path.write_bytes(content)
    is_refused = ask_everything(history, path)
    report = fsck(path)
    assert not report.ok or not is_refused, (at, bit)


@given(st.data())
@settings(
    max_examples=1_000 if LONG else 10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_bit_flipped_anywhere_in_the_file_changes_no_answer(
    history: History, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, history.path.stat().st_size - 1))
    check_flip(history, tmp_path_factory.mktemp("flip") / "chain.db", at, data.draw(st.integers(0, 7)))


@pytest.mark.parametrize("tree", ["", *TREES])
def test_a_bit_flipped_in_each_kind_of_byte_changes_no_answer(history: History, tmp_path: Path, tree: str) -> None:
    rng = random.Random(tree)
    kinds = {part: offsets for (owner, part), offsets in regions(history.path).items() if owner == tree}
    assert kinds
    for offsets in kinds.values():
        for at in rng.sample(offsets, min(len(offsets), 12 if LONG else 1)):
            for bit in range(8) if LONG else (rng.randrange(8),):
                check_flip(history, tmp_path / "chain.db", at, bit)


def test_the_map_of_the_file_knows_every_tree_and_most_bytes(history: History) -> None:
    found = regions(history.path)
    assert {tree for tree, _ in found} == {"", *TREES}
    values = sum(len(offsets) for (_, part), offsets in found.items() if part == "values")
    assert values > history.path.stat().st_size // 2


@pytest.mark.parametrize(
    "column",
    ["meta.value", "node.hash", "node.value", "block.hash", "block.header", "tx.hash", "tx.block", "tx.position"],
)
def test_a_bit_that_turns_bytes_into_text_is_named(history: History, copy: Path, column: str) -> None:
    table, name = column.split(".")
    value = f"CAST({name} AS TEXT)" if table != "tx" or name == "hash" else f"'x' || {name}"
    with contextlib.closing(sqlite3.connect(copy)) as db, db:
        db.execute(f"UPDATE {table} SET {name} = {value}")
    assert ask_everything(history, copy)
    report = fsck(copy)
    assert not report.ok
    assert all(str(finding) for finding in report.findings)


@pytest.mark.parametrize("text", [b"position INTEGER", b"CREATE TABLE tx", b"hash BLOB PRIMARY KEY"])
def test_a_flipped_bit_in_the_schema_is_refused_on_opening(history: History, copy: Path, text: bytes) -> None:
    content = bytearray(copy.read_bytes())
    content[content.index(text) + len(text) - 1] ^= 1
    copy.write_bytes(content)
    with pytest.raises(VerificationFailed) as refused:
        EmbeddedProvider(copy)
    assert refused.value.code == "chain.file"
    report = fsck(copy)
    assert {finding.check for finding in report.findings} == {1}


def test_a_file_of_another_format_is_refused_by_what_it_says(history: History, copy: Path) -> None:
    with contextlib.closing(sqlite3.connect(copy)) as db:
        db.execute("PRAGMA user_version = 2")
    with pytest.raises(VerificationFailed, match="wrong user_version: expected 1, got 2"):
        EmbeddedProvider(copy)
    (finding,) = fsck(copy).findings
    assert (finding.code, finding.message) == ("fsck.format", "wrong user_version")
