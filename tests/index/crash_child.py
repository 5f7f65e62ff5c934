"""A process that follows a known history and dies at a known SQL statement: run by test_crash.py.

crash_child.py INDEX HISTORY STATEMENT    die just before SQL statement number STATEMENT, -1 for never
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from pathlib import Path

from forking_chain import ALPHA, BETA, BOTH, SET, UNSET, FakeChain, Happening

from tallystick.index import Index


def lived_history(step: int, chain: FakeChain) -> None:
    """Take `chain` one step further: growth, a fork, finality, another fork."""
    match step:
        case 0:
            chain.grow([], [Happening(ALPHA, SET, 1, 1)], [Happening(BETA, SET, 2, 2), Happening(ALPHA, SET, 2, 2)])
        case 1:
            chain.fork(2, [Happening(ALPHA, SET, 1, 9)], [], [Happening(ALPHA, UNSET, 1)])
        case 2:
            chain.finalize(2)
            chain.grow([Happening(BETA, SET, 3, 3)], [])
        case 3:
            chain.fork(2, [Happening(ALPHA, SET, 3, 4)], [Happening(BETA, SET, 1, 1)], [])


STEPS = 4


def history(steps: int) -> FakeChain:
    """The chain after so many steps."""
    chain = FakeChain()
    for step in range(steps):
        lived_history(step, chain)
    return chain


def follow(path: Path, last: int) -> int:
    """Sync after each step of the history, dying just before SQL statement `last`; return how many there were."""
    count = 0

    def watch(statement: str) -> None:
        nonlocal count
        if count == last:
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1

    class Watched(sqlite3.Connection):
        def __init__(self, *arguments, **named):
            super().__init__(*arguments, **named)
            self.set_trace_callback(watch)

    connect = sqlite3.connect
    sqlite3.connect = lambda *arguments, **named: connect(*arguments, factory=Watched, **named)
    chain = FakeChain()
    for step in range(STEPS):
        lived_history(step, chain)
        Index(path, chain, BOTH, unsettled=4).sync()
    return count


def main() -> None:
    """For each "FILE STATEMENT" on standard input, run `follow` in a fork and write what became of it."""
    for line in sys.stdin:
        name, last = line.split()
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writer, b"%d" % follow(Path(name), int(last)))
            os._exit(0)
        os.close(writer)
        _, status = os.waitpid(child, 0)
        statements = os.read(reader, 20).decode() or "0"
        os.close(reader)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)} {statements}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
