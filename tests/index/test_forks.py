"""The test that matters: whatever history a chain had, the index equals one built fresh from how it ended."""

from __future__ import annotations

import itertools
import os
from functools import partial
from pathlib import Path

import pytest
from asking import count
from forking_chain import (
    ALPHA,
    BETA,
    BOTH,
    NOISE,
    SET,
    STRANGER,
    UNSET,
    FakeChain,
    Happening,
    expected_heard,
    expected_register,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.core.errors import TallystickError, Unavailable, VerificationFailed
from tallystick.index import Index

EXAMPLES = 1000 if os.environ.get("TALLYSTICK_LONG") else 80
HERE = settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=EXAMPLES)
_numbers = itertools.count()

happenings = st.one_of(
    st.builds(Happening, st.just(ALPHA), st.just(SET), st.integers(0, 3), st.integers(0, 9)),
    st.builds(Happening, st.just(ALPHA), st.just(UNSET), st.integers(0, 3)),
    st.builds(Happening, st.sampled_from([BETA, STRANGER]), st.sampled_from([SET, UNSET, NOISE]), st.integers(0, 3)),
)
contents = st.lists(st.lists(happenings, max_size=3), max_size=6)

changes = st.one_of(
    st.builds(lambda blocks: lambda chain: chain.grow(*blocks), contents),
    st.builds(lambda depth, blocks: lambda chain: chain.fork(depth, *blocks), st.integers(0, 12), contents),
    st.builds(lambda lag: lambda chain: chain.finalize(lag), st.integers(0, 12)),
)


def fresh(folder: Path, chain: FakeChain, **named) -> Index:
    return Index(folder / f"{next(_numbers)}.db", chain, BOTH, **named)


def check_equals_fresh(index: Index, chain: FakeChain) -> None:
    """Raise unless the index says what a fresh one would, and what the chain itself says."""
    assert not chain.script
    index.verify().require()
    rows = index.query("SELECT key, value FROM register")
    assert {row["key"]: row["value"] for row in rows} == expected_register(chain)
    assert index.query("SELECT count(*) AS n FROM heard_events")[0]["n"] == expected_heard(chain)
    status = index.status()
    assert status.cursor is not None
    assert (status.cursor.number, status.cursor.hash) == (chain.blocks[-1].number, chain.blocks[-1].hash)


@given(
    history=st.lists(st.tuples(changes, st.booleans()), max_size=12),
    unsettled=st.sampled_from([0, 1, 2, 5, 1000]),
    remembers=st.booleans(),
)
@HERE
def test_after_any_history_of_forks_the_index_equals_one_built_fresh(memory_folder, history, unsettled, remembers):
    chain = FakeChain(remembers=remembers)
    index = fresh(memory_folder, chain, unsettled=unsettled)
    for change, is_synced in history:
        change(chain)
        if is_synced:
            index.sync()
    index.sync()
    check_equals_fresh(index, chain)


dense = st.lists(st.lists(happenings, min_size=1, max_size=2), min_size=1, max_size=8)
deep_forks = st.builds(lambda depth, blocks: lambda chain: chain.fork(depth, *blocks), st.integers(1, 8), dense)


@given(
    base=dense,
    scripts=st.lists(st.lists(st.tuples(st.integers(0, 9), deep_forks | changes), max_size=4), min_size=1, max_size=3),
    unsettled=st.sampled_from([0, 2, 1000]),
    remembers=st.booleans(),
    pages=st.booleans(),
)
@settings(HERE, max_examples=2 * EXAMPLES)
def test_a_chain_that_forks_between_any_two_answers_leaves_no_false_row(
    memory_folder, base, scripts, unsettled, remembers, pages
):
    chain = FakeChain(remembers=remembers, pages=pages)
    chain.grow(*base)
    index = fresh(memory_folder, chain, unsettled=unsettled)
    for script in scripts:
        chain.script = list(script)
        cursor = index.sync().cursor
        assert chain.blocks[cursor.number].hash == cursor.hash  # not only once, but when sync returned
    chain.script = []
    index.sync()
    check_equals_fresh(index, chain)


@given(
    base=dense,
    sides=st.lists(st.tuples(st.integers(1, 8), contents), min_size=1, max_size=3),
    flaps=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=8),
    remembers=st.booleans(),
)
@HERE
def test_a_chain_that_flaps_between_the_same_histories_leaves_no_false_row(
    memory_folder, base, sides, flaps, remembers
):
    chain = FakeChain(remembers=remembers)
    chain.grow(*base)
    histories = [list(chain.blocks)]
    for depth, blocks in sides:
        chain.fork(depth, *blocks)
        histories.append(list(chain.blocks))
    index = fresh(memory_folder, chain)
    chain.script = [(wait, partial(_switch, histories[to % len(histories)])) for wait, to in flaps]
    index.sync()
    chain.script = []
    index.sync()
    check_equals_fresh(index, chain)


def _switch(blocks, chain):
    chain.switch(blocks)


@given(
    first=st.integers(0, 9),
    blocks=st.lists(st.lists(happenings, max_size=3), min_size=1, max_size=8),
    unsettled=st.integers(0, 9),
)
@HERE
def test_nothing_before_the_first_block_is_read(memory_folder, first, blocks, unsettled):
    chain = FakeChain()
    chain.grow(*blocks)
    index = fresh(memory_folder, chain, first_block=first, unsettled=unsettled)
    report = index.sync()
    numbers = {row["number"] for row in index.query("SELECT number FROM chain_blocks")}
    assert numbers <= set(range(first, len(blocks) + 1))
    assert report.blocks == max(0, len(blocks) + 1 - first)
    chain.fork(len(blocks), *([[Happening(ALPHA, SET, 1, 1)]] * (first + 2)))
    index.sync()
    assert {row["number"] for row in index.query("SELECT number FROM chain_blocks")} == set(
        range(max(first, 1), first + 3)
    )


def test_the_steps_to_a_block_lead_to_the_same_facts_as_one_leap(memory_folder):
    chain = FakeChain()
    chain.grow(*[[Happening(ALPHA, SET, n % 3, n)] for n in range(30)])
    leap, steps = fresh(memory_folder, chain), fresh(memory_folder, chain)
    leap.sync()
    for number in range(31):
        assert steps.sync(number).cursor.number == number
    check_equals_fresh(leap, chain)
    check_equals_fresh(steps, chain)


def test_an_index_never_goes_back_because_less_was_asked_for(memory_folder):
    chain = FakeChain()
    chain.grow([], [], [])
    index = fresh(memory_folder, chain)
    index.sync()
    assert index.sync(1).cursor.number == 3


def test_a_report_counts_what_was_done(memory_folder):
    chain = FakeChain()
    chain.grow([], [Happening(ALPHA, SET, 1, 1)], [Happening(BETA, SET), Happening(BETA, NOISE)])
    index = fresh(memory_folder, chain)
    seen = []
    report = index.sync(progress=lambda at, to: seen.append((at, to)))
    assert (report.target, report.blocks, report.logs, report.rows, report.reorgs) == (3, 4, 2, 5, 0)
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]
    chain.fork(2, [], [], [])
    report = index.sync()
    assert (report.cursor.number, report.blocks, report.reorgs, report.undone) == (4, 3, 1, 2)


def test_what_is_final_or_safe_can_be_aimed_at(memory_folder):
    chain = FakeChain()
    chain.grow([], [], [], [])
    index = fresh(memory_folder, chain)
    assert index.sync("finalized").cursor is None
    chain.finalize(1)
    assert index.sync("finalized").cursor.number == 3
    assert index.sync("safe").cursor.number == 3
    assert index.sync().cursor.number == 4
    with pytest.raises(TallystickError) as refused:
        index.sync("soon")
    assert refused.value.code == "index.target"


# --- what is refused


@given(before=contents, after=contents, lag=st.integers(0, 3), depth=st.integers(1, 8))
@HERE
def test_a_history_that_contradicts_a_final_block_is_refused_and_changes_nothing(
    memory_folder, before, after, lag, depth
):
    chain = FakeChain()
    chain.grow([], [Happening(ALPHA, SET, 1, 2)], *before)
    chain.finalize(lag)
    index = fresh(memory_folder, chain)
    index.sync()
    final, cursor = chain.final, index.status().cursor
    kept = index.query("SELECT * FROM chain_blocks")
    chain.final = None
    chain.fork(depth, *after, *[[]] * (depth + 2))
    chain.final = None
    is_contradicted = chain.blocks[final].hash != index.status().finality.hash
    if not is_contradicted:
        index.sync()
        check_equals_fresh(index, chain)
        return
    for _ in range(2):
        with pytest.raises(VerificationFailed) as refused:
            index.sync()
        assert refused.value.code == "index.finalized"
        assert index.status().cursor == cursor
        assert index.query("SELECT * FROM chain_blocks") == kept
    index.rebuild()
    check_equals_fresh(index, chain)


def test_rows_of_a_branch_that_a_final_block_rules_out_are_undone_before_it_is_believed(memory_folder):
    chain = FakeChain()
    chain.grow([], [], [])
    chain.finalize(3)
    index = fresh(memory_folder, chain)
    chain.grow([Happening(ALPHA, SET, 1, 1)])
    index.sync()
    chain.fork(2, [], [Happening(ALPHA, SET, 2, 2)], [])
    chain.finalize(0)
    index.sync()
    check_equals_fresh(index, chain)
    assert index.status().finality.number == 5


def test_a_node_that_contradicts_itself_below_a_final_block_is_refused(memory_folder):
    chain = FakeChain()
    chain.grow(*[[]] * 6)
    chain.finalize(1)
    index = fresh(memory_folder, chain)
    index.sync(3)
    assert index.status().finality.number == 5
    other = FakeChain()
    other.grow(*[[Happening(ALPHA, SET)]] * 6)
    chain.blocks[3] = other.blocks[3]  # and block 5 stays what it was
    with pytest.raises(VerificationFailed) as refused:
        index.sync()
    assert refused.value.code == "index.finalized"


def settled_range(memory_folder, *flaps, pages=False) -> tuple[FakeChain, Index]:
    """An index that reads blocks 0 to 5 as one settled range while the chain flaps between two histories."""
    chain = FakeChain(pages=pages)
    chain.grow(*[[Happening(ALPHA, SET, 1, 1)]] * 4, [])
    one = list(chain.blocks)
    chain.fork(4, *[[Happening(ALPHA, SET, 2, 2)]] * 3, [])
    histories = {"one": one, "two": list(chain.blocks)}
    index = fresh(memory_folder, chain, unsettled=0)
    chain.script = [(wait, partial(_switch, histories[name])) for wait, name in flaps]
    return chain, index


# the answers of such a sync: head, head, final, end, logs (and each page), headers of blocks 1 to 4, end again
def test_logs_that_are_not_of_the_headers_blocks_are_not_believed(memory_folder):
    chain, index = settled_range(memory_folder, (0, "one"), (4, "two"), (1, "one"))
    index.sync()
    check_equals_fresh(index, chain)


def test_a_range_that_ended_on_another_history_is_not_believed(memory_folder):
    chain, index = settled_range(memory_folder, (0, "one"), (4, "two"))
    index.sync()
    check_equals_fresh(index, chain)


def test_pages_of_logs_from_two_histories_are_not_believed(memory_folder):
    chain, index = settled_range(
        memory_folder, (0, "one"), (4 + 1 + 3, "two"), (3, "one"), (2, "two"), (2, "one"), pages=True
    )
    index.sync()
    check_equals_fresh(index, chain)


def test_pages_before_and_after_a_fork_leave_no_gap(memory_folder):
    """The pages before the fork held nothing, those after it agree with the chain: only the end tells."""
    chain = FakeChain(pages=True)
    chain.grow(*[[]] * 5)
    index = fresh(memory_folder, chain, unsettled=0)
    happening = [Happening(ALPHA, SET, 1, 1)]
    chain.script = [(4 + 1 + 3, lambda chain: chain.fork(5, *[happening] * 3, [], []))]
    index.sync()
    check_equals_fresh(index, chain)
    assert count(index, "chain_blocks") == 3


def test_a_node_that_lags_behind_what_was_final_is_waited_for(memory_folder):
    chain = FakeChain()
    chain.grow(*[[]] * 9)
    chain.finalize(1)
    index = fresh(memory_folder, chain)
    index.sync()
    everything, chain.final = chain.blocks, 2
    chain.blocks = everything[:6]
    with pytest.raises(Unavailable) as refused:
        index.sync()
    assert refused.value.code == "index.node_behind"
    chain.blocks = everything
    index.sync()
    assert index.status().finality.number == 8
    check_equals_fresh(index, chain)


def test_another_chain_is_refused(memory_folder):
    index = fresh(memory_folder, FakeChain(chain_id=1))
    index.sync()
    with pytest.raises(VerificationFailed) as refused:
        Index(index.path, FakeChain(chain_id=2), BOTH).sync()
    assert refused.value.code == "index.chain"
    assert Index(index.path, FakeChain(chain_id=1), BOTH).sync().reorgs == 0


def test_a_chain_that_never_stands_still_is_unavailable(memory_folder):
    chain = FakeChain()
    chain.grow([], [], [])
    index = fresh(memory_folder, chain)
    chain.script = [(1, lambda c: c.fork(2, [], []))] * 20_000
    with pytest.raises(Unavailable) as refused:
        index.sync()
    assert refused.value.code == "index.restless"
    chain.script = []
    index.sync()
    check_equals_fresh(index, chain)
