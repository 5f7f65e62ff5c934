"""A damaged, changed, full or missing file is refused with the way out, and never believed."""

from __future__ import annotations

import random
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from asking import refusal
from forking_chain import BOTH

from tallystick.core.errors import InvalidInput, Unavailable, VerificationFailed
from tallystick.index import Index, discard


def test_a_file_that_is_something_else_is_left_alone(memory_folder, chain):
    path = memory_folder / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE precious (x)")
    connection.close()
    error = refusal(Index, path, chain, BOTH)
    assert (type(error), error.code) == (InvalidInput, "index.not_ours")
    path.write_bytes(b"no database at all, but a letter to somebody" * 100)
    assert refusal(Index, path, chain, BOTH).code == "index.damaged"
    assert path.read_bytes().startswith(b"no database")


def test_a_damaged_index_is_refused_with_the_way_out(index, chain):
    path = index.path
    data = bytearray(path.read_bytes())
    pages = len(data) // 4096
    assert pages > 5
    for page in range(1, pages):
        data[page * 4096 : page * 4096 + 100] = b"\xff" * 100
    discard(index.path)
    path.write_bytes(data)
    errors = [refusal(lambda: Index(index.path, chain, BOTH).sync())]
    errors += [refusal(index.query, "SELECT * FROM chain_blocks")]
    for error in errors:
        assert (type(error), error.code) == (VerificationFailed, "index.damaged")
        assert "rebuild" in error.hint
    discard(index.path)
    fresh = Index(index.path, chain, BOTH)
    fresh.sync()
    fresh.verify().require()


def test_any_flipped_byte_is_refused_or_found_by_verification_or_harms_nothing(index, chain, memory_folder):
    facts = {
        table: index.query(f"SELECT * FROM {table}")
        for table in ("chain_blocks", "chain_logs", "register", "heard_events")
    }
    whole = index.path
    data = whole.read_bytes()
    choice = random.Random(7)
    outcomes = {"refused": 0, "found": 0, "harmless": 0}
    for position in choice.sample(range(len(data)), 60):
        path = memory_folder / "flipped.db"
        discard(path)
        damaged = bytearray(data)
        damaged[position] ^= 1 << choice.randrange(8)
        path.write_bytes(damaged)
        try:
            flipped = Index(path, chain, BOTH)
            if flipped.was_emptied:
                flipped.sync()
            report = flipped.verify()
        except (VerificationFailed, InvalidInput, Unavailable):
            outcomes["refused"] += 1
            continue
        if not report.ok:
            outcomes["found"] += 1
            continue
        assert {table: flipped.query(f"SELECT * FROM {table}") for table in facts} == facts
        outcomes["harmless"] += 1
    assert outcomes["refused"] + outcomes["found"] > 0


def test_verification_names_the_table_and_the_row_that_was_changed(index):
    index.verify().require()
    with sqlite3.connect(index.path) as connection:
        connection.execute(
            "UPDATE register_changes SET value = 99 WHERE rowid = (SELECT max(rowid) FROM register_changes)"
        )
    connection.close()
    report = index.verify()
    assert [check.name for check in report.failures] == ["8. the rows of register_changes"]
    assert " 99 " in f" {report.failures[0].got} "


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM chain_logs WHERE log_index = 0",
        "DROP TABLE chain_logs",
        "DROP TABLE register_changes",
        "DELETE FROM heard_events",
        "UPDATE index_cursor SET number = number - 1",
        "UPDATE index_cursor SET hash = zeroblob(32)",
        "INSERT INTO heard_events SELECT * FROM heard_events LIMIT 1",
    ],
)
def test_a_file_that_somebody_changed_does_not_verify(index, damage):
    connection = sqlite3.connect(index.path, isolation_level=None)
    try:
        connection.execute(damage)
    finally:
        connection.close()
    assert not index.verify().ok


def test_an_index_that_was_removed_says_so(index, chain):
    discard(index.path)
    assert refusal(index.query, "SELECT 1").code == "index.missing"
    assert refusal(index.sync).code == "index.missing"
    assert Index(index.path, chain, BOTH).sync().cursor is not None


def test_a_folder_that_cannot_be_opened_is_the_callers_mistake(memory_folder, chain):
    error = refusal(Index, memory_folder / "none" / "index.db", chain, BOTH)
    assert (type(error), error.code) == (InvalidInput, "files.forbidden")
    (memory_folder / "folder").mkdir()
    assert refusal(Index, memory_folder / "folder", chain, BOTH).code == "files.forbidden"


DISK_FULL = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from forking_chain import ALPHA, BOTH, SET, FakeChain, Happening
from tallystick.core.errors import TallystickError
from tallystick.index import Index
chain = FakeChain()
chain.grow(*[[Happening(ALPHA, SET, n % 200, 1)] * 3 for n in range(300)])
index = Index(Path(sys.argv[1]), chain, BOTH)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
try:
    index.sync()
except TallystickError as error:
    print(error.code)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(0 < index.status().cursor.number < 300)
index.sync()
index.verify().require()
print(index.status().cursor.number)
"""


def test_a_full_disk_leaves_whole_blocks_and_the_next_sync_goes_on(tmp_path):
    answer = subprocess.run(
        [sys.executable, "-c", DISK_FULL, str(tmp_path / "index.db"), str(Path(__file__).parent)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    lines = answer.stdout.split()
    assert answer.stderr == ""
    assert lines[0] in ("files.full", "index.io")
    assert lines[1:] == ["True", "300"]


def test_a_copy_of_the_file_is_an_index_too(index, chain, memory_folder):
    shutil.copy(index.path, memory_folder / "copy.db")
    copy = Index(memory_folder / "copy.db", chain, BOTH)
    assert not copy.was_emptied
    copy.verify().require()
