"""The borders of the process: closed pipes, full disks, files that are folders, an interrupt, each ends in words."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from tallystick.cli.main import EXIT_INTERRUPTED, EXIT_READER_GONE, run
from tallystick.cli.output import Output

TALLY = f"{sys.executable} -m tallystick"


def shell(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in `folder`; `tally` in it is this program."""
    line = f'tally() {{ {TALLY} "$@"; }}; {command}'
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, env=os.environ | environment, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip


@pytest.mark.parametrize("answer", ["", "--json"])
def test_a_reader_that_leaves_is_told_from_success_and_from_faults_found(
    answer: str, workspace: Path, tmp_path: Path
) -> None:
    gone = shell(f"tally key list {answer} | true; echo ${{PIPESTATUS[0]}}", tmp_path)
    assert gone.stdout.strip() == str(EXIT_READER_GONE)
    assert "Traceback" not in gone.stderr
    stayed = shell(f"tally key list {answer} | cat; echo ${{PIPESTATUS[0]}}", tmp_path)
    assert stayed.stdout.splitlines()[-1] == "0"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that is always full")
@pytest.mark.parametrize("answer", ["", "--json"])
def test_output_that_cannot_be_written_is_said_on_standard_error(answer: str, workspace: Path, tmp_path: Path) -> None:
    done = shell(f"tally key list {answer} > /dev/full", tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (4, False)
    assert "files.full" in done.stderr


def test_closed_standard_streams_are_no_bug_of_ours(workspace: Path, tmp_path: Path) -> None:
    assert shell("tally key list --json >&-", tmp_path).returncode == EXIT_READER_GONE
    unread = shell("tally key import k - --json <&-", tmp_path)
    assert (unread.returncode, orjson.loads(unread.stdout)["code"]) == (2, "cli.stdin")
    unasked = shell("tally index rebuild --json <&-", tmp_path)
    assert (unasked.returncode, orjson.loads(unasked.stdout)["code"]) == (2, "cli.usage")


def test_a_passphrase_file_that_holds_no_text_is_named(
    tally: Any, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"\xff\xfe\n")
    secret.chmod(0o600)
    monkeypatch.setenv("TALLY_PASSPHRASE_FILE", str(secret))
    status, error = tally("key", "new", "mine")
    assert (status, error["code"]) == (2, "cli.passphrase")
    secret.write_bytes("größer als eins\n".encode())
    assert tally("key", "new", "mine")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("chain", "status", "--workspace", "file"), "files.special"),
        (("init", "file"), "files.special"),
        (("init", "new", "--blobs", "nosuch://place"), "blobs.url"),
        (("init", "new", "--chain", "ftp://node"), "connect.target"),
        (("init", "new", "--chain-id", "-5"), "document.range"),
        (("chain", "outbox", "--limit", "9" * 30), "cli.usage"),
        (("chain", "serve", "--port", "99999"), "cli.usage"),
        (("model", "revoke-key", "9" * 30, "--reason", "x", "--yes"), "abi.argument"),
        (("model", "register", "\udcff"), "canonical.text"),
        (("log", "append", "."), "files.special"),
        (("data", "new", "d", "."), "files.special"),
        (("data", "show", "d\udcff"), "files.missing"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name_and_leaves_nothing(
    arguments: tuple[str, ...], code: str, tally: Any, workspace: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("x")
    tally("log", "open") if arguments[0] == "log" else None
    status, error = tally(*arguments)
    assert (status, error["code"]) == (2, code)
    assert not (tmp_path / "new" / "config.toml").exists()


def test_an_answer_spells_out_what_json_cannot_carry(capsys: pytest.CaptureFixture[str]) -> None:
    Output(json=True).result({"folder": Path("d\udcff"), "sizes": [2**64, 1], "fine": {"a": None, "b": True}})
    printed = orjson.loads(capsys.readouterr().out)
    assert printed == {"folder": "d\\udcff", "sizes": ["18446744073709551616", 1], "fine": {"a": None, "b": True}}


def test_lists_of_commands_show_what_each_does_uncut(capsys: pytest.CaptureFixture[str]) -> None:
    for group in ((), ("model",), ("log",), ("chain",), ("data",), ("key",)):
        assert run([*group, "--help"]) == 0
        listed = capsys.readouterr().out.split("Commands:\n")[1]
        assert "..." not in listed, listed


def test_an_interrupted_demo_ends_in_words_with_its_processes_gone(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tallystick", "demo", "--predictions", "100000", "--json"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    log = tmp_path / "out" / "demo" / "private" / ".tally" / "logs" / "main"
    deadline = time.monotonic() + 60
    while not log.is_dir() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1.0)  # by now the gateway is starting or serving
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the whole group
    printed, said = process.communicate(timeout=60)
    assert (process.returncode, b"Traceback" in said) == (EXIT_INTERRUPTED, False)
    assert b"aborted" in said
    assert printed == b""
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
