"""The sandbox: what runs in it computes and answers, and reaches nothing else.

Invariant: whatever a program does, it reads no file of this machine beyond the interpreter's and the system's, speaks
to nobody, makes no process, takes no more than its bounds, and leaves nothing behind.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tallystick.core.errors import InvalidInput
from tallystick.sandbox import Bounds, Outcome, check_walls, run_python


def _run(source: str, given: bytes = b"", **bounds: float) -> Outcome:
    return run_python(source.encode(), given, Bounds(**bounds))  # type: ignore[arg-type]


def _tried(expression: str) -> str:
    """Return the name of the error that the expression met inside, or what it gave."""
    outcome = _run(
        f"import os, socket\ntry: print(repr({expression}))\nexcept Exception as error: print(type(error).__name__)"
    )
    return outcome.output.decode().strip()


def test_a_program_reads_what_it_is_given_and_its_answer_comes_back() -> None:
    outcome = _run("import json, sys; print(json.dumps(sorted(json.load(sys.stdin))))", b"[3, 1, 2]")
    assert (outcome.is_done, json.loads(outcome.output), outcome.errors) == (True, [1, 2, 3], b"")


def test_a_program_that_fails_says_so_and_its_words_come_back() -> None:
    outcome = _run("raise SystemExit('out of ideas')")
    assert (outcome.ending, outcome.status, outcome.is_done) == ("failed", 1, False)
    assert b"out of ideas" in outcome.errors


def test_every_wall_holds() -> None:
    assert all(wall.holds for wall in check_walls())
    assert {wall.name for wall in check_walls()} >= {"network", "processes", "host files", "memory", "environment"}


def test_numpy_is_there_when_packages_are_asked_for_and_not_otherwise() -> None:
    program = b"import numpy; print(int(numpy.arange(5).sum()))"
    assert run_python(program, bounds=Bounds(memory_bytes=2**30), with_packages=True).output == b"10\n"
    assert b"ModuleNotFoundError" in run_python(program).errors


@pytest.mark.parametrize(
    "expression",
    [
        "open('/etc/passwd').read()",
        f"open({str(Path(__file__))!r}).read()",
        "os.listdir('/home')",
        "open('/proc/1/root/etc/shadow').read()",
        "open('/usr/x', 'w')",
        "os.open('/proc/sys/kernel/core_pattern', os.O_WRONLY)",
        "os.symlink('/etc', '/scratch/etc')",
        "os.mknod('/scratch/disk', 0o600)",
        "socket.create_connection(('127.0.0.1', 1))",
        "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)",
        "os.fork()",
        "os.posix_spawn('/bin/sh', ['sh'], {})",
        "os.setuid(0)",
        "os.chroot('/usr')",
        "os.kill(-1, 9)",
    ],
)
def test_what_leads_outside_is_refused(expression: str) -> None:
    assert _tried(expression).endswith("Error"), _tried(expression)


def test_what_leads_nowhere_is_allowed() -> None:
    """The negative of the test above: refusals there are the walls', not a broken interpreter's."""
    assert _tried("open('/scratch/x', 'w').write('abc')") == "3"
    assert _tried("os.listdir('/scratch')") == "[]"


def test_nothing_of_our_environment_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLYSTICK_SECRET", "hunter2")
    assert b"hunter2" not in _run("import os; print(dict(os.environ))").output


def test_no_descriptor_of_ours_is_inherited(tmp_path: Path) -> None:
    with (tmp_path / "secret").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        outcome = _run(
            "import os; print([os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd')[:-1]])"
        )
    assert str(tmp_path).encode() not in outcome.output


@pytest.mark.parametrize(
    ("source", "ending"),
    [
        ("while True: pass", "killed"),
        ("import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass", "killed"),
    ],
)
def test_processor_time_is_bounded(source: str, ending: str) -> None:
    assert _run(source, cpu_s=1, wall_s=20).ending == ending


def test_waiting_is_bounded() -> None:
    assert _run("import time; time.sleep(60)", wall_s=0.5).ending == "too long"


def test_closing_both_outputs_does_not_outlive_the_bound() -> None:
    outcome = _run("import os, time; os.close(1); os.close(2); time.sleep(60)", wall_s=1)
    assert outcome.ending == "too long"


def test_memory_is_bounded_in_one_piece_in_many_and_in_threads() -> None:
    assert b"MemoryError" in _run("x = bytearray(1 << 31)").errors
    assert b"MemoryError" in _run("x = []\nwhile True: x.append(bytearray(1 << 24))").errors
    endless = "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(9,), daemon=True).start()"
    assert b"can't start new thread" in _run(endless, wall_s=20).errors


def test_files_are_bounded_each_and_together() -> None:
    assert b"File too large" in _run("open('/scratch/x', 'wb').write(bytes(2 << 20))", files_bytes=2**20).errors
    many = "for n in range(99): open(f'/scratch/{n}', 'wb').write(bytes(1 << 19))"
    assert b"No space left" in _run(many, files_bytes=2**20).errors


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_output_is_bounded_and_what_was_read_comes_back(stream: str) -> None:
    outcome = _run(f"import sys\nwhile True: sys.{stream}.write('x' * 4096)", output_bytes=10_000)
    assert outcome.ending == "too much output"
    assert {len(outcome.output), len(outcome.errors)} == {10_000, 0}


@pytest.mark.parametrize("bounds", [{"cpu_s": 0}, {"wall_s": -1.0}, {"memory_bytes": 2**60}, {"output_bytes": 0}])
def test_bounds_that_bound_nothing_are_refused(bounds: dict[str, int]) -> None:
    with pytest.raises(InvalidInput, match="out of range"):
        Bounds(**bounds)


def test_a_program_larger_than_a_program_is_refused() -> None:
    with pytest.raises(InvalidInput, match="too large"):
        run_python(b"#" * (2**20 + 1))


def test_a_program_ends_with_whoever_started_it() -> None:
    """`kill -9` of the process that runs it: no program of others goes on alone."""
    start = "from tallystick.sandbox import run_python; run_python(b'import time; time.sleep(60)')"
    ours = subprocess.Popen([sys.executable, "-c", start])
    children = _wait(lambda: _sandboxed(ours.pid))
    ours.send_signal(signal.SIGKILL)
    ours.wait()
    _wait(lambda: not any(_is_alive(child) for child in children))


def _sandboxed(parent: int) -> list[int]:
    """Return the processes below one, once the program runs: bubblewrap has bound its life to ours before that."""
    found, level = [], [parent]
    while level:
        level = [int(child) for pid in level for child in _children(pid)]
        found += level
    return (
        found if any(_command(pid)[-1:] == ["/program.py"] and "bwrap" not in _command(pid)[0] for pid in found) else []
    )


def _command(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1] or [""]
    except OSError:
        return [""]


def _children(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []


def _is_alive(pid: int) -> bool:
    """Whether a process still runs; one that ended and that nobody asked about yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _wait(condition):  # type: ignore[no-untyped-def]
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if result := condition():
            return result
        time.sleep(0.02)
    pytest.fail("it did not come about within 20 seconds")
