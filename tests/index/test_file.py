"""The file: versioned, shared between processes, refused when damaged, and asked without being changed."""

from __future__ import annotations

import random
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from crash_child import STEPS, history
from forking_chain import ALPHA, BETA, BOTH, HEARD, REGISTER, SET, FakeChain, Happening, expected_register

from tallystick.core.errors import Broken, InvalidInput, TallystickError, Unavailable, VerificationFailed
from tallystick.index import Emitted, Index, Projection, Row, discard


def refusal(call, *arguments, **named) -> TallystickError:
    with pytest.raises(TallystickError) as refused:
        call(*arguments, **named)
    return refused.value


@pytest.fixture
def chain() -> FakeChain:
    return history(STEPS)


@pytest.fixture
def index(memory_folder, chain) -> Index:
    index = Index(memory_folder / "index.db", chain, BOTH)
    index.sync()
    return index


def count(index: Index, table: str) -> int:
    return index.query(f"SELECT count(*) AS n FROM {table}")[0]["n"]


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


# --- what a projection must not be


def make(memory_folder, schema: str = "", name: str = "bad", reduce=lambda emitted: []) -> Index:
    sources = {ALPHA: {SET: lambda log: log.data[0]}}
    return Index(memory_folder / "bad.db", history(STEPS), (Projection(name, 1, schema, sources, reduce),))


PLACE = "block_number INTEGER NOT NULL, log_index INTEGER NOT NULL"
HANGS = "block_hash BLOB NOT NULL REFERENCES chain_blocks (hash) ON DELETE CASCADE"
GOOD = f"CREATE TABLE bad_rows ({HANGS}, {PLACE}, n INTEGER NOT NULL UNIQUE) STRICT;"


def test_a_table_that_hangs_from_its_block_is_accepted(memory_folder):
    assert make(memory_folder, GOOD).sync().logs > 0


@pytest.mark.parametrize(
    "schema",
    [
        f"CREATE TABLE bad_rows (block_hash BLOB NOT NULL, {PLACE})",
        f"CREATE TABLE bad_rows (block_hash BLOB NOT NULL REFERENCES chain_blocks (hash), {PLACE})",
        f"CREATE TABLE bad_rows ({HANGS.replace(' NOT NULL', '')}, {PLACE})",
        f"CREATE TABLE bad_rows ({HANGS}, block_number INTEGER NOT NULL)",
        f"CREATE TABLE bad_rows ({HANGS}, {PLACE}, other BLOB REFERENCES chain_logs (data))",
        f"CREATE TABLE good_rows ({HANGS}, {PLACE})",
        f"{GOOD} CREATE TRIGGER bad_trigger AFTER INSERT ON bad_rows BEGIN DELETE FROM bad_rows; END",
        "CREATE VIEW bad_view AS SELECT * FROM nowhere",
        "CREATE TABLE bad_rows (",
        "SELEKT 1",
        f"{GOOD} CREATE VIEW bad_view AS SELECT ';",
    ],
)
def test_a_schema_that_a_reorganisation_could_not_undo_is_refused(memory_folder, schema):
    error = refusal(make, memory_folder, schema)
    assert (type(error), error.code) == (Broken, "index.schema")


@pytest.mark.parametrize("name", ["", "Bad", "chain", "chain_x", "index", "sqlite", "a b", "é"])
def test_a_name_that_is_reserved_or_no_name_is_refused(memory_folder, name):
    assert refusal(make, memory_folder, "", name).code == "index.schema"


def test_two_projections_of_one_name_are_refused(memory_folder, chain):
    assert refusal(Index, memory_folder / "x.db", chain, (REGISTER, REGISTER)).code == "index.schema"


@pytest.mark.parametrize(
    "rows",
    [
        [Row("bad_rows", {"n": 2**63})],
        [Row("bad_rows", {"n": 1.5})],
        [Row("bad_rows", {"n": "text"})],
        [Row("bad_rows", {"n": None})],
        [Row("bad_rows", {"m": 1})],
        [Row("bad_rows", {})],
        [Row("bad_rows", {"n": 1}), Row("bad_rows", {"n": 1})],
        [Row("bad_other", {"n": 1})],
        [Row("chain_logs", {"n": 1})],
        [None],
        None,
    ],
)
def test_a_reducer_that_makes_what_is_no_row_is_our_bug_and_leaves_nothing(memory_folder, rows):
    index = make(memory_folder, GOOD, reduce=lambda emitted: rows)
    error = refusal(index.sync)
    assert (type(error), error.code) == (Broken, "index.reducer")
    assert count(index, "bad_rows") == 0
    assert count(index, "chain_blocks") == 0


def test_a_log_that_its_decoder_does_not_know_stops_the_index_by_name(memory_folder, chain):
    def decode(log):
        raise InvalidInput("abi.log", "the log is another event")

    projection = replace(REGISTER, sources={ALPHA: {SET: decode}})
    error = refusal(Index(memory_folder / "x.db", chain, (projection,)).sync)
    assert (type(error), error.code) == (VerificationFailed, "index.log")
    assert ALPHA in str(error)


def test_a_reducer_is_told_where_its_event_happened(memory_folder, chain):
    seen: list[Emitted] = []
    index = make(memory_folder, GOOD, reduce=lambda emitted: seen.append(emitted) or [])
    index.sync()
    wanted = [log for block in chain.blocks for log in block.logs if log.address == ALPHA and log.topics[0] == SET]
    assert [(one.block_hash, one.log_index, one.transaction_hash) for one in seen] == [
        (log.block_hash, log.log_index, log.transaction_hash) for log in wanted
    ]
    assert all(one.block_time == chain.blocks[one.block_number].timestamp for one in seen)


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


# --- damage


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
    data = bytearray(index.path.read_bytes())
    pages = len(data) // 4096
    assert pages > 5
    for page in range(1, pages):
        data[page * 4096 : page * 4096 + 100] = b"\xff" * 100
    discard(index.path)
    index.path.write_bytes(data)
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
    data = index.path.read_bytes()
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
