"""`tally log` and the refusals of `tally serve`: each verb, and beside it what happens when it is used wrongly."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tallystick.core.limits import ENTRY_BYTES_MAX, LOG_BATCH_ENTRIES_MAX
from tallystick.tally import Tally
from tests.cli.test_commands import write_version


@pytest.fixture
def log(tally: Any, workspace: Path, tmp_path: Path) -> Path:
    """A log of three entries; returns its folder."""
    assert tally("log", "open")[0] == 0
    (tmp_path / "entry").write_bytes(b"hello")
    assert tally("log", "append", "entry", "entry", "entry")[1]["size"] == 3
    return workspace / "logs" / "main"


def type_in(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    """Let standard input hold `data`."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def failures(report: Any) -> list[str]:
    return [f"{check['name']}: {check['detail']}" for check in report["checks"] if not check["ok"]]


# --- append


def test_more_lines_than_fit_a_batch_are_all_appended(tally: Any, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = LOG_BATCH_ENTRIES_MAX + 10
    type_in(monkeypatch, b"".join(b"line %d\n" % n for n in range(count)) + b"no newline")
    assert tally("log", "append", "-")[1] == {"log": "main", "first": 3, "count": count + 1, "size": count + 4}
    assert tally("log", "stats")[1]["signed_size"] == count + 4


def test_nothing_and_too_much_are_refused_before_anything_is_appended(
    tally: Any, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for data, code in ((b"", "log.nothing"), (b"fine\n" + b"x" * (ENTRY_BYTES_MAX + 1), "log.entry_size")):
        type_in(monkeypatch, data)
        status, error = tally("log", "append", "-")
        assert (status, error["code"]) == (2, code)
    type_in(monkeypatch, b"x" * ENTRY_BYTES_MAX + b"\n")
    assert tally("log", "append", "-")[1]["first"] == 3


# --- stats, fsck, check


def test_stats_tell_files_checkpoint_and_anchor(tally: Any, log: Path) -> None:
    shown = tally("log", "stats")[1]
    assert (shown["size"], shown["signed_size"], shown["segments"], shown["anchored_size"]) == (3, 3, 1, 0)
    assert shown["wal_bytes"] > 15
    assert (shown["retired"], shown["successor"]) == (False, "0")


def test_fsck_passes_a_whole_log_and_names_a_flipped_byte(tally: Any, log: Path) -> None:
    status, report = tally("log", "fsck")
    assert (status, report["ok"]) == (0, True)
    assert any("are signed" in check["detail"] for check in report["checks"])
    assert tally("log", "fsck", "--offline")[0] == 0
    (segment,) = (log / "wal").iterdir()
    data = bytearray(segment.read_bytes())
    data[-1] ^= 1
    segment.write_bytes(data)
    for offline in ((), ("--offline",)):
        status, report = tally("log", "fsck", *offline)
        assert (status, report["ok"]) == (1, False)
        assert any(segment.name in line for line in failures(report))


def test_fsck_names_a_checkpoint_that_another_key_signed(tally: Any, log: Path, workspace: Path) -> None:
    with Tally.open(workspace, str) as opened:
        other = opened.signer("other")
        from tallystick.inference.log import Log

        with Log.open(log, key=other) as writer:
            writer.append(b"more").result()
            writer.checkpoint()
    status, report = tally("log", "fsck")
    assert status == 1
    assert [line.split(":")[0] for line in failures(report)] == ["5 checkpoint at 4"]
    assert tally("log", "fsck", "--offline")[0] == 0


def test_fsck_and_prove_of_a_log_that_is_not_there_say_so(tally: Any, log: Path) -> None:
    for verb in (("fsck",), ("stats",), ("prove", "0"), ("anchor",), ("export",)):
        status, error = tally("log", *verb, "--log", "nowhere")
        assert (status, error["code"]) == (2, "log.none")
    assert tally("log", "fsck", "--offline", "--log", "nowhere")[0] == 1
    assert tally("log", "fsck", "--log", "../main")[0] == 2


def test_what_is_published_of_a_log_of_any_entries_passes_its_check(tally: Any, log: Path) -> None:
    tally("log", "anchor")
    tally("log", "export")
    status, report = tally("log", "check")
    assert (status, report["size"], report["anchored_size"], failures(report)) == (0, 3, 3, [])


def test_an_empty_log_cannot_be_anchored_or_proved(tally: Any, workspace: Path) -> None:
    tally("log", "open")
    assert tally("log", "anchor")[1]["code"] == "anchor.empty"
    assert tally("log", "prove", "0")[1]["code"] == "receipt.uncovered"


# --- keys, ends


def test_a_log_goes_on_under_another_key_and_the_audit_holds(tally: Any, log: Path, tmp_path: Path) -> None:
    tally("log", "anchor")
    old = tally("log", "prove", "1", "--out", "old.json")[1]["vkey"]
    rotated = tally("log", "rotate-key", "log2")[1]
    assert rotated["key_index"] == 1
    assert rotated["vkey"] != old
    for _ in range(2):
        assert tally("log", "export")[0] == 0
        assert failures(tally("log", "check")[1]) == []
        tally("log", "append", "entry")
        assert tally("log", "anchor")[0] == 0
    assert tally("log", "fsck")[0] == 0
    assert tally("log", "verify", "old.json", "--vkey", old)[0] == 0
    assert tally("log", "verify", "old.json", "--vkey", rotated["vkey"])[0] == 5
    tally("log", "prove", "1", "--out", "new.json")
    assert tally("log", "verify", "new.json", "--vkey", rotated["vkey"])[0] == 0


def test_opening_a_log_again_signs_nothing_with_the_key_it_began_with(tally: Any, log: Path) -> None:
    tally("log", "rotate-key", "log2")
    before = (log / "checkpoint").read_bytes()
    status, again = tally("log", "open")
    assert (status, again["log_id"], again["size"]) == (0, 1, 3)
    assert (log / "checkpoint").read_bytes() == before
    assert tally("log", "open", "--origin", "example.com/another")[1]["code"] == "log.origin"


def test_a_key_is_not_rotated_under_a_writer(tally: Any, log: Path, workspace: Path) -> None:
    before = tally("log", "prove", "1")[1]["vkey"]
    with Tally.open(workspace, str) as opened, opened.inference.writer():
        status, error = tally("log", "rotate-key", "log2")
        assert (status, error["code"]) == (4, "log.locked")
        assert tally("log", "append", "entry")[1]["code"] == "log.locked"
    assert tally("log", "prove", "1")[1]["vkey"] == before


def test_another_account_signs_tickets(tally: Any, log: Path) -> None:
    first = tally("log", "rotate-tickets", "tickets2")[1]
    assert first["term"] == 1
    assert first["ticket_signer"] == next(
        key["public"] for key in tally("key", "list")[1]["keys"] if key["name"] == "tickets2"
    )
    status, error = tally("log", "rotate-tickets", "tickets")  # an account has one term
    assert (status, error["code"]) == (3, "tickets: signer already used")


def test_a_retired_log_is_written_no_more_and_what_it_proved_stays(tally: Any, log: Path) -> None:
    vkey = tally("log", "prove", "1", "--out", "receipt.json")[1]["vkey"]
    assert tally("log", "open", "--log", "next")[1]["log_id"] == 2
    assert tally("log", "retire", "--successor", "2")[0] == 2  # not without a yes
    assert tally("log", "retire", "--successor", "7", "--yes")[1]["code"] == "logs: bad successor"
    assert tally("log", "retire", "--successor", "2", "--yes")[0] == 0
    assert tally("log", "stats")[1]["successor"] == "2"
    for verb in (("append", "entry"), ("anchor",), ("retire", "--yes"), ("rotate-key", "log2")):
        status, error = tally("log", *verb)
        assert (status, error["code"]) in ((2, "log.retired"), (3, "logs: retired")), verb
    assert tally("log", "verify", "receipt.json", "--vkey", vkey)[0] == 0
    assert tally("log", "append", "entry", "--log", "next")[0] == 0


# --- serve


def test_a_version_that_is_revoked_or_does_not_recompute_is_not_served(
    tally: Any, log: Path, workspace: Path, tmp_path: Path
) -> None:
    tally("model", "register", "m")
    for seq in (1, 2):
        write_version(tmp_path / f"v{seq}", float(seq))
        tally("model", "add-version", "1", f"v{seq}")
    tally("model", "status", "1@1", "revoked", "--reason", "biased", "--yes")
    status, error = tally("serve", "1@1", "--port", "0")
    assert (status, error["code"]) == (3, "serve.revoked")
    weights = (tmp_path / "v2" / "model.safetensors").read_bytes()
    held = [path for path in (workspace / "blobs" / "sha256").rglob("*") if path.is_file()]
    (blob,) = [path for path in held if path.read_bytes() == weights]
    blob.write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    status, error = tally("serve", "1@2", "--port", "0")
    assert (status, error["code"]) == (5, "report.failed")


def test_nothing_is_served_into_a_log_that_ended_or_on_a_port_that_is_none(tally: Any, log: Path) -> None:
    assert tally("serve", "1@1", "--port", "70000")[1]["code"] == "cli.usage"
    tally("log", "retire", "--yes")
    assert tally("serve", "1@1", "--port", "0")[1]["code"] == "log.retired"


def test_tickets_are_not_signed_with_a_key_that_the_chain_does_not_name(log: Path, workspace: Path) -> None:
    from tallystick.core.errors import InvalidInput
    from tallystick.inference.serving import Served

    with Tally.open(workspace, str) as opened:
        opened.inference.rotate_ticket_signer("tickets2")
        (next(workspace.joinpath("keys").glob("tickets2*"))).unlink()
        served = Served("1", "1", bytes(32), bytes(16))
        with opened.inference.writer() as writer, pytest.raises(InvalidInput) as caught:
            opened.inference.receipted(writer, served, b"")
    assert caught.value.code == "log.no_key"


def test_json_and_text_say_the_same(tally: Any, log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tallystick.cli.main import run

    capsys.readouterr()
    assert run(["log", "fsck", "-v"]) == 0
    assert "checks passed" in capsys.readouterr().out
    assert json.dumps(tally("log", "fsck")[1])
