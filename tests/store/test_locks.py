"""A lock has one holder, who can be named and who cannot forget to let go."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tallystick.core.errors import Broken, InvalidInput, Unavailable
from tallystick.store.locks import FileLock

HOLD = """
import sys
from pathlib import Path
from tallystick.store.locks import FileLock
FileLock(Path(sys.argv[1]), "the ledger").acquire()
print("held", flush=True)
sys.stdin.read()
"""

COUNT = """
import sys
from pathlib import Path
from tallystick.store.locks import FileLock
for _ in range(25):
    with FileLock(Path(sys.argv[1]), "the count", wait_s=60):
        path = Path(sys.argv[2])
        path.write_text(str(int(path.read_text()) + 1))
"""


def holder_of(path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_holder_is_told_who_the_first_is(tmp_path):
    with holder_of(tmp_path / "lock") as process:
        with pytest.raises(Unavailable) as refused:
            FileLock(tmp_path / "lock", "the ledger").acquire()
        process.stdin.close()
    assert refused.value.code == "lock.held"
    assert f"the ledger is in use by process {process.pid}" in str(refused.value)
    with FileLock(tmp_path / "lock", "the ledger"):
        pass


def test_a_killed_holder_lets_go(tmp_path):
    with holder_of(tmp_path / "lock") as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with FileLock(tmp_path / "lock", "the ledger"):
            pass


def test_processes_that_wait_take_turns(tmp_path):
    (tmp_path / "count").write_text("0")
    arguments = [sys.executable, "-c", COUNT, str(tmp_path / "lock"), str(tmp_path / "count")]
    processes = [subprocess.Popen(arguments) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert (tmp_path / "count").read_text() == "75"


def test_two_locks_in_one_process_exclude_each_other(tmp_path):
    with FileLock(tmp_path / "lock", "the ledger"), pytest.raises(Unavailable):
        FileLock(tmp_path / "lock", "the ledger").acquire()


def test_taking_the_same_lock_twice_is_a_bug_of_ours(tmp_path):
    lock = FileLock(tmp_path / "lock", "the ledger")
    with lock, pytest.raises(Broken) as refused:
        lock.acquire()
    assert refused.value.code == "lock.twice"
    lock.release()


def test_a_note_that_is_no_note_still_gives_a_refusal(tmp_path):
    with FileLock(tmp_path / "lock", "the ledger"):
        for note in (b"", b"\xff", b"[]", b'{"pid": "x", "program": 1}', b"[" * 200):
            (tmp_path / "lock").write_bytes(note)
            with pytest.raises(Unavailable) as refused:
                FileLock(tmp_path / "lock", "the ledger").acquire()
            assert "another process" in str(refused.value)


def test_a_lock_file_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidInput) as refused:
        FileLock(tmp_path / "lock", "the ledger").acquire()
    assert refused.value.code == "files.symlink"
    assert not (tmp_path / "elsewhere").exists()
