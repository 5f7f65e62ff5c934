"""Killed at any SQL statement, the index is still on one chain, and the next sync makes it what it should be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from crash_child import STEPS, history
from forking_chain import BOTH, expected_register

from tallystick.index import Index

CHILD = Path(__file__).with_name("crash_child.py")
KILLED = -9

Run = Callable[[Path, int], tuple[int, int]]


@pytest.fixture
def run() -> Iterator[Run]:
    """Run the history over the file, dying at that statement (-1: never); give the exit status and the statements."""
    arguments = [sys.executable, str(CHILD)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def ask(path: Path, last: int) -> tuple[int, int]:
            process.stdin.write(f"{path} {last}\n")
            process.stdin.flush()
            status, statements = process.stdout.readline().split()
            return int(status), int(statements)

        yield ask
        process.stdin.close()


def check_is_of_one_moment(path: Path) -> None:
    """Raise unless the file equals a fresh one up to its own cursor, on one of the histories that there were."""
    for steps in range(STEPS + 1):
        chain = history(steps)
        index = Index(path, chain, BOTH, unsettled=4)
        cursor = index.status().cursor
        if cursor is None or (cursor.number < len(chain.blocks) and chain.blocks[cursor.number].hash == cursor.hash):
            index.verify().require()
            return
    raise AssertionError("the cursor is on no history that ever was")


def test_killed_at_any_statement_the_index_is_whole_and_goes_on(memory_folder, run):
    status, statements = run(memory_folder / "unharmed.db", -1)
    assert (status, statements > 150) == (0, True)
    chain = history(STEPS)
    for last in range(statements):
        path = memory_folder / f"{last}.db"
        assert run(path, last)[0] == KILLED
        check_is_of_one_moment(path)
        index = Index(path, chain, BOTH, unsettled=4)
        index.sync()
        index.verify().require()
        rows = index.query("SELECT key, value FROM register")
        assert {row["key"]: row["value"] for row in rows} == expected_register(chain)


@pytest.mark.parametrize("last", [3, 40, 90])
def test_killed_again_and_again_it_still_arrives(memory_folder, run, last):
    path = memory_folder / "index.db"
    for _ in range(3):
        assert run(path, last)[0] == KILLED
    # the file has seen newer history by now, so the child's first steps look like a node that lags: start at the end
    index = Index(path, history(STEPS), BOTH, unsettled=4)
    index.sync()
    index.verify().require()
