"""Disks that fill up, lie or die: nothing acknowledged is lost, nothing is acknowledged that is not on the disk."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tallystick.core.errors import Broken, TallystickError, Unavailable
from tallystick.inference.log import Log, LogReader, fsck
from tallystick.inference.log.intake import Intake
from tests.inference.conftest import KEY, ORIGIN, VKEY, OpenLog
from tests.inference.faulty import FaultyFiles, Unsynced

LONG = bool(os.environ.get("TALLYSTICK_LONG"))


def only_once(name: str, number: int, wrong: str) -> Callable[[str, int], str | None]:
    """Return a fault for the `number`-th call of that name, counted from when it is installed."""
    left = [number]

    def fault(called: str, _: int) -> str | None:
        if called != name:
            return None
        left[0] -= 1
        return wrong if left[0] == -1 else None

    return fault


def always(name: str, wrong: str) -> Callable[[str, int], str | None]:
    return lambda called, _: wrong if called == name else None


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry a full disk at once."""
    monkeypatch.setattr("tallystick.inference.log.writer.LOG_RETRY_S", 0.0)


# --- a failed sync


def test_a_failed_sync_stops_the_log_for_good_and_is_never_retried(folder: Path, open_log: OpenLog) -> None:
    files = FaultyFiles()
    log = open_log(files=files)
    assert log.append(b"first").result() == 0
    files.fault = only_once("fdatasync", 0, "EIO")
    doomed = [log.append(b"%d" % n) for n in range(10)]
    for pending in doomed:
        with pytest.raises(Broken) as caught:
            pending.result(5)
        assert caught.value.code == "log.sync"
    syncs = files.counts["fdatasync"]
    with pytest.raises(Broken):
        log.append(b"later")
    with pytest.raises(Broken):
        log.checkpoint()
    log.close()
    assert files.counts["fdatasync"] == syncs
    assert LogReader(folder).size == 1


def test_after_a_failed_sync_the_tail_is_written_anew_and_nothing_acknowledged_is_missing(
    folder: Path, open_log: OpenLog
) -> None:
    files = FaultyFiles()
    log = open_log(files=files)
    log.append(b"kept").result()
    files.fault = only_once("fdatasync", 0, "EIO")
    with pytest.raises(Broken):
        log.append(b"in doubt").result()
    log.close()
    before = {path.name: path.stat().st_ino for path in (folder / "wal").iterdir()}
    with open_log() as log:
        assert log.recovered.rewritten == log.size
        assert log.reader.entry(0) == b"kept"
    after = {path.name: path.stat().st_ino for path in (folder / "wal").iterdir()}
    assert before != after
    assert fsck(folder).ok


def test_a_failed_watermark_stops_the_log(open_log: OpenLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tallystick.inference.log.writer.LOG_WATERMARK_ENTRIES", 10)
    files = FaultyFiles()
    log = open_log(files=files)
    files.fault = only_once("fsync", 0, "EIO")

    def go_on() -> None:
        for _ in range(1000):
            log.append(b"x" * 10).result(5)
            time.sleep(0.001)

    with pytest.raises(Broken):
        go_on()
    log.close()


# --- a full disk


@pytest.mark.usefixtures("impatient")
def test_a_full_disk_refuses_entries_until_there_is_room_again(folder: Path, open_log: OpenLog) -> None:
    files = FaultyFiles()
    with open_log(files=files) as log:
        assert log.append(b"first").result() == 0
        files.fault = always("pwrite", "ENOSPC")
        for _ in range(3):
            with pytest.raises(Unavailable) as caught:
                log.append(b"no room").result(5)
            assert caught.value.code == "log.full"
        files.fault = None
        assert log.append(b"second").result() == 1
        assert log.reader.entries(0, 2) == [b"first", b"second"]
    assert fsck(folder).ok


def test_a_full_disk_is_tried_again_only_after_a_while(open_log: OpenLog) -> None:
    files = FaultyFiles()
    with open_log(files=files) as log:
        files.fault = always("pwrite", "ENOSPC")
        with pytest.raises(Unavailable):
            log.append(b"no room").result(5)
        tries = files.counts["pwrite"]
        with pytest.raises(Unavailable) as caught:
            log.append(b"too soon")
        assert caught.value.code == "log.full"
        assert "retry" in caught.value.hint
        assert files.counts["pwrite"] == tries
        files.fault = None


@pytest.mark.usefixtures("impatient")
def test_a_checkpoint_still_fits_when_the_disk_is_full(folder: Path, open_log: OpenLog) -> None:
    """The journal gives up its reserve: the first write fails, what follows has the reserve's room."""
    files = FaultyFiles()
    with open_log(files=files) as log:
        log.append(b"first").result()
        assert (folder / "reserve").stat().st_size > 0
        files.fault = only_once("pwrite", 0, "ENOSPC")
        note = log.checkpoint()
        assert (folder / "reserve").stat().st_size == 0
        assert log.reader.checkpoint() == note


def test_a_journal_without_room_signs_nothing(folder: Path, open_log: OpenLog) -> None:
    files = FaultyFiles()
    with open_log(files=files) as log:
        log.append(b"first").result()
        files.fault = always("pwrite", "ENOSPC")
        with pytest.raises(Unavailable):
            log.checkpoint()
        files.fault = None
        assert log.reader.checkpoint() is None
        assert log.checkpoint() == log.reader.checkpoint()
    assert fsck(folder, [VKEY]).ok


def test_a_log_whose_disk_is_full_at_the_start_can_still_be_read(folder: Path, open_log: OpenLog) -> None:
    with open_log(files=Unsynced()) as log:
        log.append(b"first").result()
    files = FaultyFiles(always("pwrite", "ENOSPC"))
    with pytest.raises(TallystickError):
        open_log(files=files)
    assert LogReader(folder).entry(0) == b"first"
    open_log().close()


# --- any fault at any call


def story(log: Log, acknowledged: list[bytes], signed: list[bytes]) -> None:
    """Append batches and sign now and then, noting what was acknowledged."""
    for n in range(4):
        entries = [b"%d-%d" % (n, k) + bytes(40) for k in range(n * 90 + 1)]
        pending = log.append_many(entries)
        for entry, one in zip(entries, pending, strict=True):
            assert one.result(10) == len(acknowledged)
            acknowledged.append(entry)
        if n % 2:
            signed.append(log.checkpoint())


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("wrong", ["EIO", "ENOSPC", "short", "EMFILE"])
@pytest.mark.parametrize("name", ["pwrite", "fdatasync", "fsync", "rename", "open", "truncate"])
def test_one_fault_at_any_call_loses_nothing(tmp_path: Path, name: str, wrong: str) -> None:
    if wrong == "short" and name != "pwrite":
        pytest.skip("only writes can be short")
    number, failed, step = 0, 0, 1 if LONG else 2
    while True:
        folder = tmp_path / str(number)
        files = FaultyFiles(only_once(name, number, wrong))
        acknowledged: list[bytes] = []
        signed: list[bytes] = []
        try:
            log = Log.open(folder, ORIGIN, key=KEY, volatile=True, files=files, segment_bytes=5_000)
            try:
                story(log, acknowledged, signed)
            finally:
                log.close()
        except TallystickError:
            failed += 1
        for _ in range(2):
            with Log.open(folder, ORIGIN, key=KEY, volatile=True, files=Unsynced(), segment_bytes=5_000) as log:
                assert log.size >= len(acknowledged)
                if acknowledged:
                    assert log.reader.entries(0, len(acknowledged)) == acknowledged
                assert log.reader.checkpoints()[: len(signed)] == signed
                log.append(b"more").result()
                log.checkpoint()
        report = fsck(folder, [VKEY])
        assert report.ok, report.failures
        shutil.rmtree(folder)
        if files.counts[name] <= number:
            break
        number += step
    if wrong != "short" and number > 1:
        assert failed > 0  # otherwise this test tests nothing


# --- back-pressure


def test_a_disk_that_falls_behind_makes_producers_slow_down(open_log: OpenLog) -> None:
    files = FaultyFiles()
    with open_log(files=files) as log:
        log.append(b"first").result()

        def slowly(name: str, _: int) -> None:
            if name == "fdatasync":
                time.sleep(0.05)

        files.fault = slowly
        pending = []

        def flood() -> None:
            for _ in range(200):
                pending.extend(log.append_many([b"x"] * 4096))

        with pytest.raises(Unavailable) as caught:
            flood()
        assert caught.value.code == "log.busy"
        assert len(pending) <= 17 * 4096
        files.fault = None
        assert [one.result(30) for one in pending] == list(range(1, len(pending) + 1))
        assert log.append(b"again").result() == len(pending) + 1


def test_an_intake_is_bounded_entry_by_entry_too() -> None:
    intake = Intake(keeps_bodies=False)

    def flood() -> None:
        for _ in range(100_000):
            intake.append(b"x")

    with pytest.raises(Unavailable) as caught:
        flood()
    assert caught.value.code == "log.busy"
    taken = 0
    while (batch := intake.take()) is not None and taken < 3:
        assert len(batch.entries) == 4096
        taken += 1
    intake.append(b"there is room again")


# --- the real kernel

WRITER = """
import sys
from pathlib import Path
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tallystick.core.errors import TallystickError
from tallystick.inference.log import Log
key = Ed25519PrivateKey.from_private_bytes(b"\\x01" * 32)
with Log.open(Path(sys.argv[1]), "example.com/tallystick/test", key=key, volatile=True, segment_bytes=40_000) as log:
    n = log.size
    try:
        while n < int(sys.argv[2]):
            entries = [b"entry %d" % k for k in range(n, n + 1 + n % 50)]
            for pending in log.append_many(entries):
                print("acknowledged", pending.result(), flush=True)
            n += len(entries)
            if n % 7 == 0:
                print("signed", log.checkpoint().split()[1].decode(), flush=True)
    except TallystickError as error:
        print("failed", type(error).__name__, error.code, flush=True)
"""


def write_in_another_process(folder: Path, count: int, *prefix: str, **options: object) -> subprocess.Popen[str]:
    command = [*prefix, sys.executable, "-c", WRITER, str(folder), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload,no-any-return]


def check_against(folder: Path, lines: list[str]) -> None:
    """Open the log and hold it to what a killed or failed writer said."""
    acknowledged = [int(line.split()[1]) for line in lines if line.startswith("acknowledged")]
    signed = [int(line.split()[1]) for line in lines if line.startswith("signed")]
    assert acknowledged == list(range(acknowledged[0], acknowledged[0] + len(acknowledged))) if acknowledged else True
    with Log.open(folder, ORIGIN, key=KEY, volatile=True) as log:
        if acknowledged:
            assert log.size > acknowledged[-1]
            for start in range(acknowledged[0], acknowledged[-1] + 1, 4096):
                end = min(acknowledged[-1] + 1, start + 4096)
                assert log.reader.entries(start, end) == [b"entry %d" % n for n in range(start, end)]
        if signed:
            assert int((log.reader.checkpoint() or b"").split()[1]) >= signed[-1]
    report = fsck(folder, [VKEY])
    assert report.ok, report.failures


def test_killed_with_nothing_said_a_log_keeps_all_it_acknowledged(folder: Path) -> None:
    for round_ in range(20 if LONG else 4):
        process = write_in_another_process(folder, 10**9)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(50 + 531 * round_ % 1700)]
        process.kill()
        lines += process.stdout.read().splitlines()
        process.communicate()
        check_against(folder, [line for line in lines if line.strip().split()[-1].isdigit()])


def test_a_real_file_size_limit_is_a_full_disk(folder: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))

    process = write_in_another_process(folder, 20_000, preexec_fn=limit)
    out, err = process.communicate(timeout=120)
    assert "failed Unavailable log.full" in out, err
    check_against(folder, out.splitlines())


CHECKER = """
import sys
from pathlib import Path
from tallystick.inference.log import fsck
report = fsck(Path(sys.argv[1]))
print("fsck", report.ok, report.failures)
"""


def test_a_real_file_system_that_is_full(tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o size=600k tmpfs {tmp_path}"
    private = ["unshare", "-Urm", "sh", "-c"]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*private, mount], capture_output=True, check=False).returncode
    ):
        pytest.skip("no private mounts here")
    python = f"{sys.executable} -c"
    script = f'{mount} && {python} "$WRITER" {tmp_path}/log 100000; {python} "$CHECKER" {tmp_path}/log'
    env = {**os.environ, "WRITER": WRITER, "CHECKER": CHECKER}
    run = subprocess.run([*private, script], capture_output=True, text=True, env=env, check=False)
    assert "failed Unavailable log.full" in run.stdout, run.stderr
    assert "fsck True" in run.stdout, run.stdout[-500:]


@pytest.mark.parametrize("when", [3, 10, 40])
@pytest.mark.parametrize("call", ["fdatasync", "fsync", "pwrite64"])
def test_errors_injected_into_real_system_calls(folder: Path, call: str, when: int) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    trace = (
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        f"trace={call}",
        "-e",
        f"inject={call}:error=EIO:when={when}",
    )
    if subprocess.run([*trace, "true"], capture_output=True, check=False).returncode:
        pytest.skip("tracing is not permitted here")
    process = write_in_another_process(folder, 600, *trace)
    out, err = process.communicate(timeout=120)
    check_against(folder, out.splitlines())
    if "failed" in out:
        assert "failed Broken" in out, (out[-300:], err)


def test_short_writes_of_the_real_kernel_are_undone(folder: Path) -> None:
    """A kernel writes a file short just below a size limit: what fitted is cut off again."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (41_111, 41_111))

    process = write_in_another_process(folder, 20_000, preexec_fn=limit)
    out, _ = process.communicate(timeout=120)
    check_against(folder, out.splitlines())
