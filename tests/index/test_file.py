"""The file: versioned, shared between processes, refused when damaged, and asked without being changed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from asking import count, refusal
from crash_child import STEPS, history
from forking_chain import ALPHA, BETA, BOTH, HEARD, REGISTER, SET, FakeChain, Happening, expected_register

from tallystick.core.errors import InvalidInput, Unavailable
from tallystick.index import Index

# --- versions


def test_an_index_opened_as_before_keeps_what_it_has(index, chain):
    again = Index(index.path, chain, BOTH)
    assert not again.was_emptied
    assert again.status() == index.status()
    assert again.sync().blocks == 0


@pytest.mark.parametrize(
    "changed",
    [
        (replace(REGISTER, version=2), HEARD),
        (
            replace(REGISTER, schema=REGISTER.schema + "CREATE VIEW register_all AS SELECT * FROM register_changes;"),
            HEARD,
        ),
        (replace(REGISTER, sources={BETA: REGISTER.sources[ALPHA]}), HEARD),
        (REGISTER,),
        (),
    ],
    ids=["version", "schema", "sources", "one less", "none"],
)
def test_other_projections_build_the_index_anew(index, chain, changed):
    other = Index(index.path, chain, changed)
    assert other.was_emptied
    assert other.status().cursor is None
    other.sync()
    other.verify().require()
    again = Index(index.path, chain, BOTH)
    assert again.was_emptied
    again.sync()
    again.verify().require()


def test_the_order_of_the_projections_does_not_matter(index, chain):
    assert not Index(index.path, chain, (HEARD, REGISTER)).was_emptied


def test_another_first_block_builds_the_index_anew(index, chain):
    assert Index(index.path, chain, BOTH, first_block=2).was_emptied


def test_a_process_whose_index_was_rebuilt_for_others_stops_writing(index, chain):
    chain.grow([Happening(ALPHA, SET, 1, 1)])
    Index(index.path, chain, (HEARD,))
    error = refusal(index.sync)
    assert (type(error), error.code) == (Unavailable, "index.replaced")


def test_a_rebuild_reads_everything_again(index, chain):
    before = index.query("SELECT * FROM register_changes ORDER BY block_number, log_index")
    report = index.rebuild()
    assert report.blocks == len(chain.blocks)
    assert index.query("SELECT * FROM register_changes ORDER BY block_number, log_index") == before


def test_an_index_without_projections_has_no_facts(memory_folder, chain):
    index = Index(memory_folder / "none.db", chain, ())
    assert index.sync().logs == 0


# --- questions


def test_a_question_is_answered_with_names_and_parameters(index, chain):
    rows = index.query("SELECT key, value FROM register WHERE key >= ? ORDER BY key", (0,))
    assert {row["key"]: row["value"] for row in rows} == expected_register(chain)
    assert index.query("SELECT :a AS a", {"a": b"\x01"}) == [{"a": b"\x01"}]


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM chain_blocks",
        "CREATE TABLE x (y)",
        "PRAGMA user_version = 9",
        "PRAGMA journal_mode = DELETE",
        "ATTACH 'other.db' AS other",
        "VACUUM INTO 'copy.db'",
        "SELECT load_extension('x')",
        "SELEKT",
        "SELECT 1; SELECT 2",
        "SELECT * FROM nowhere",
        "SELECT ?",
        "SELECT zeroblob(1000000000)",
        "",
    ],
)
def test_a_question_can_do_nothing_but_read(index, monkeypatch, memory_folder, sql):
    monkeypatch.chdir(memory_folder)
    before = sorted(path.name for path in memory_folder.iterdir() if not path.name.endswith(("-wal", "-shm")))
    if sql == "":
        assert index.query(sql) == []
    else:
        error = refusal(index.query, sql)
        assert (type(error), error.code) == (InvalidInput, "index.query")
    after = sorted(path.name for path in memory_folder.iterdir() if not path.name.endswith(("-wal", "-shm")))
    assert after == before
    index.verify().require()


@pytest.mark.parametrize("value", [2**63, "\ud800", object(), 1j])
def test_a_parameter_that_sqlite_cannot_hold_is_the_callers_mistake(index, value):
    assert refusal(index.query, "SELECT ?", (value,)).code == "index.query"


def test_an_answer_without_end_is_cut_off(index):
    endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT "
    assert refusal(index.query, f"{endless} count(*) FROM n").code == "index.query_slow"
    assert refusal(index.query, f"{endless} i FROM n").code == "index.query_rows"


def test_an_index_can_be_asked_while_it_is_written(index, chain):
    chain.grow(*[[Happening(ALPHA, SET, 7, n)] for n in range(5)])
    seen = []
    index.sync(progress=lambda at, to: seen.append(index.query("SELECT value FROM register WHERE key = 7")[0]["value"]))
    assert seen == [0, 1, 2, 3, 4]


# --- several processes

FOLLOW = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from crash_child import STEPS, history
from forking_chain import ALPHA, BOTH, SET, FakeChain, Happening
from tallystick.index import Index
chain = history(STEPS)
index = Index(Path(sys.argv[1]), chain, BOTH)
sys.stdin.readline()
for n in range(40):
    chain.fork(n % 3, [Happening(ALPHA, SET, n % 5, n)], [], [Happening(ALPHA, SET, n % 7, n)])
    index.sync()
"""


def test_processes_that_follow_the_chain_at_once_leave_one_true_index(memory_folder):
    path = memory_folder / "index.db"
    arguments = [sys.executable, "-c", FOLLOW, str(path), str(Path(__file__).parent)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(arguments, **pipes) for _ in range(3)]
    answers = [process.communicate("\n") for process in processes]
    assert [error for _, error in answers] == ["", "", ""]
    chain = history(STEPS)
    for n in range(40):
        chain.fork(n % 3, [Happening(ALPHA, SET, n % 5, n)], [], [Happening(ALPHA, SET, n % 7, n)])
    index = Index(path, chain, BOTH)
    index.sync()
    index.verify().require()
    rows = index.query("SELECT key, value FROM register")
    assert {row["key"]: row["value"] for row in rows} == expected_register(chain)


def test_a_reader_in_between_does_not_disturb_a_sync_that_another_overtook(memory_folder):
    chain = FakeChain()
    chain.grow(*[[Happening(ALPHA, SET, n, n)] for n in range(6)])
    slow, fast = (Index(memory_folder / "index.db", chain, BOTH) for _ in range(2))
    chain.script = [(8, lambda _: _overtake(fast, chain))]
    assert slow.sync().cursor.number == 6
    slow.verify().require()
    assert count(slow, "register") == 6


def _overtake(index: Index, chain: FakeChain) -> None:
    chain.fork(4, *[[Happening(ALPHA, SET, n, n)] for n in (2, 3, 4, 5)])
    index.sync()
