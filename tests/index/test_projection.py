"""A projection keeps the rules that make a reorganisation a delete, or is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from asking import count, refusal
from crash_child import STEPS, history
from forking_chain import ALPHA, REGISTER, SET

from tallystick.core.errors import Broken, InvalidInput, VerificationFailed
from tallystick.index import Emitted, Index, Projection, Row


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
