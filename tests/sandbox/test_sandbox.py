"""The sandbox: what runs in it computes and answers, and reaches nothing else.

Invariant: whatever a program does, it reads no file of this machine beyond the interpreter's and the system's, speaks
to nobody, makes no process, takes no more than its bounds, and leaves nothing behind.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tallystick.core.errors import InvalidInput, Unavailable
from tallystick.sandbox import Bounds, Outcome, check_walls, run_python
from tallystick.sandbox.probe import judge


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


@pytest.mark.parametrize(
    ("met", "missing"),
    [
        (b'{"network": "<socket>", "memory": "MemoryError"}', "network"),
        (b'{"environment": ["HOME", "AWS_SECRET_ACCESS_KEY"]}', "environment"),
        (b'{"identity": [1, 0, 0]}', "identity"),
        (b'{"identity": [42, 65534, 65534]}', "identity"),
    ],
)
def test_a_wall_that_is_missing_is_named_and_nothing_runs(met: bytes, missing: str) -> None:
    with pytest.raises(Unavailable, match=f"does not hold: {missing}$") as error:
        judge(Outcome("done", 0, met, b"", 0.1))
    assert error.value.code == "sandbox.leaks"


def test_a_machine_that_allows_no_walls_is_told_so() -> None:
    with pytest.raises(Unavailable, match="setting up uid map") as error:
        judge(Outcome("failed", 1, b"", b"bwrap: setting up uid map: Permission denied\n", 0.1))
    assert error.value.code == "sandbox.absent"


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
        "os.listdir('/proc')",
        "os.listdir('/usr/bin')",
        "open('/usr/lib/x', 'w')",
        "os.open('/dev/ptmx', os.O_RDWR)",
        "os.open('/dev/tty', os.O_RDWR)",
        "__import__('fcntl').ioctl(0, __import__('termios').TIOCSTI, b'x')",
        "os.symlink('/etc', '/scratch/etc')",
        "os.mknod('/scratch/disk', 0o600)",
        "socket.create_connection(('127.0.0.1', 1))",
        "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)",
        "os.fork()",
        "os.setsid()",
        "os.setpgid(0, 0)",
        "__import__('threading').Thread(target=print).start()",
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
    """Three are open: what it is given, and its two outputs; the program's own text is no file of ours either."""
    source = """
import os
def is_open(n):
    try: return bool(os.fstat(n))
    except OSError: return False
print([n for n in range(64) if is_open(n)])
"""
    with (tmp_path / "secret").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        outcome = _run(source)
    assert outcome.output == b"[0, 1, 2]\n"


def test_what_it_is_given_cannot_be_changed() -> None:
    """It once was a file on our disk, open for writing: a program could fill the disk through its input."""
    assert _tried("os.write(0, b'x')") == "PermissionError"
    assert _tried("os.ftruncate(0, 1 << 20)") == "PermissionError"


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


def test_a_program_that_unties_itself_from_its_runner_is_ended_all_the_same() -> None:
    """A program that cleared the signal of its parent's death once slept on after its bound, and nobody knew."""
    source = """
import ctypes, time
print(ctypes.CDLL(None).prctl(1, 0, 0, 0, 0), flush=True)
time.sleep(60)
"""
    before = _children(os.getpid())  # a test's own node may be among them
    outcome = _run(source, wall_s=1)
    assert (outcome.ending, outcome.output) == ("too long", b"-1\n")
    assert set(_children(os.getpid())) <= set(before)


def test_many_run_at_once_and_each_answers_its_own() -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: _run(f"import sys; print({n}, sys.stdin.read())", b"%d" % n).output, range(12)))
    assert found == [b"%d %d\n" % (n, n) for n in range(12)]


def test_an_interruption_of_ours_ends_the_program() -> None:
    """Ctrl-C while a program runs: it is gone when the interruption arrives where it is handled."""
    start = """
import signal
from tallystick.sandbox import check_walls, run_python
signal.signal(signal.SIGINT, signal.default_int_handler)
check_walls()
print("tried", flush=True)
try: run_python(b"import time; time.sleep(60)")
except KeyboardInterrupt: print(open(f"/proc/self/task/{__import__('os').getpid()}/children").read() == "")
"""
    ours = subprocess.Popen([sys.executable, "-c", start], stdout=subprocess.PIPE)
    assert ours.stdout is not None
    assert ours.stdout.readline() == b"tried\n"
    _wait(lambda: _sandboxed(ours.pid))
    ours.send_signal(signal.SIGINT)
    assert ours.communicate(timeout=20)[0] == b"True\n"


def test_a_machine_without_the_library_of_filters_is_told_so(tmp_path: Path) -> None:
    """The package `pyseccomp` is there and raises RuntimeError: nothing runs, and importing us does not fail."""
    (tmp_path / "pyseccomp.py").write_text("raise RuntimeError('Unable to find libseccomp')", "utf-8")
    start = """
from tallystick.core.errors import Unavailable
from tallystick.sandbox import run_python
try: run_python(b"print(1)")
except Unavailable as error: print(error.code, error.hint)
"""
    env = {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]), "PATH": os.environ["PATH"]}
    done = subprocess.run([sys.executable, "-c", start], capture_output=True, check=True, env=env)
    assert done.stdout.startswith(b"sandbox.absent pip install"), done.stdout


def test_a_process_that_may_take_less_than_the_bounds_gives_what_it_may() -> None:
    start = """
import resource
from tallystick.sandbox import run_python
resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))
print(run_python(b"import resource; print(resource.getrlimit(resource.RLIMIT_AS)[1] >> 20)").output.decode())
"""
    assert subprocess.run([sys.executable, "-c", start], capture_output=True, check=True).stdout.strip() == b"400"


def test_an_interpreter_copied_into_a_virtual_environment_is_found(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--copies", "--without-pip", tmp_path / "copied"], check=True)
    start = "from tallystick.sandbox import run_python; print(run_python(b'print(7)').output)"
    env = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]}
    python = tmp_path / "copied" / "bin" / "python"
    assert subprocess.run([python, "-c", start], capture_output=True, check=True, env=env).stdout == b"b'7\\n'\n"


@pytest.mark.skipif(os.getuid() != 0, reason="only root becomes somebody else")
def test_an_ordinary_user_has_the_same_walls() -> None:
    """With the system's interpreter, which everybody may read, where it is one that can import this package."""
    python = Path("/usr/bin") / f"python{sys.version_info.major}.{sys.version_info.minor}"
    if not python.exists() or not os.access(Path(__file__), os.R_OK):
        pytest.skip("the system has no interpreter of this version")
    start = "from tallystick.sandbox import check_walls; print(all(wall.holds for wall in check_walls()))"
    command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", python, "-B", "-c", start]
    env = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if "site-packages" in path or "src" in path)}
    done = subprocess.run(command, capture_output=True, env={**env, "PATH": os.environ["PATH"]}, check=False)
    if b"Permission denied" in done.stderr or b"No module named" in done.stderr:
        pytest.skip("an ordinary user can neither read this checkout nor make walls here")
    assert done.stdout == b"True\n", done.stderr


@pytest.mark.skipif(platform.machine() != "x86_64", reason="machine code of x86-64")
def test_a_call_through_another_convention_kills_the_program() -> None:
    """`int 0x80` is the 32-bit way into the kernel, with numbers of its own: 2 is fork there and open here."""
    source = """
import ctypes, mmap
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(bytes.fromhex("b802000000cd80c3"))
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
print("it went through")
"""
    outcome = _run(source)
    assert (outcome.ending, outcome.output) == ("killed", b"")


def test_closing_both_outputs_does_not_outlive_the_bound() -> None:
    outcome = _run("import os, time; os.close(1); os.close(2); time.sleep(60)", wall_s=1)
    assert outcome.ending == "too long"


def test_memory_is_bounded_in_one_piece_and_in_many() -> None:
    assert b"MemoryError" in _run("x = bytearray(1 << 31)").errors
    assert b"MemoryError" in _run("x = []\nwhile True: x.append(bytearray(1 << 24))").errors
    assert _tried("os.memfd_create('x')") == "PermissionError", "files without a name lie in nobody's bound"


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
