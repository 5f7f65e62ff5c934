"""A user's first hour: every verb, and beside it what happens when it is used wrongly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tallystick.cli.main import run
from tallystick.models.formats import safetensors


def write_version(folder: Path, value: float) -> Path:
    """Write a folder with one tensor, as a model version would have."""
    import struct

    folder.mkdir()
    data = struct.pack("<2f", value, 1.0)
    (folder / "model.safetensors").write_bytes(safetensors.to_bytes([("w", "F32", (2,), data)]))
    (folder / "config.json").write_text('{"layers":1}')
    return folder


def test_a_workspace_is_made_once(tally: Any, workspace: Path) -> None:
    status, error = tally("init")
    assert (status, error["code"]) == (2, "workspace.exists")
    assert (workspace / "chain.db").exists()


def test_without_a_workspace_every_verb_says_how_to_make_one(tally: Any) -> None:
    for arguments in (("chain", "status"), ("model", "register", "m"), ("log", "stats"), ("key", "list")):
        status, error = tally(*arguments)
        assert (status, error["code"]) == (2, "workspace.missing")
        assert "tally init" in error["hint"]


def test_a_model_is_registered_changed_released_and_verified(tally: Any, workspace: Path, tmp_path: Path) -> None:
    assert tally("model", "register", "tumour")[1]["model"] == 1
    assert tally("model", "register", "tumour")[1]["model"] == 1  # the same call finds the same model
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n3,4\n")
    (tmp_path / "more.csv").write_text("a,b\n5,6\n")
    assert tally("data", "new", "data", "rows.csv")[1]["rows"] == 2
    write_version(tmp_path / "v1", 1.0)
    status, first = tally("model", "add-version", "1", "v1", "--data", "data")
    assert (status, first["version"], first["changed"]) == (0, "1@1", [])

    assert tally("data", "append", "data", "more.csv")[1]["rows"] == 3
    (tmp_path / "metrics.json").write_text('{"accuracy":"0.9"}')
    write_version(tmp_path / "v2", 2.0)
    status, second = tally("model", "add-version", "1", "v2", "--data", "data", "--metrics", "metrics.json")
    assert (status, second["version"], second["changed"]) == (0, "1@2", ["data", "parameters"])

    assert tally("model", "release", "1@2", "production")[0] == 0
    shown = tally("model", "show", "1@production")[1]
    assert (shown["seq"], shown["released"], shown["metrics"]) == (2, ["production"], {"accuracy": "0.9"})
    assert tally("model", "history", "1")[1]["channels"] == {"production": 2}
    diff = tally("model", "diff", "1@1", "1@2")[1]
    assert diff["data"]["added"] == 1
    assert [change["name"] for change in diff["tensors"]] == ["w"]

    status, report = tally("model", "verify", "1")
    assert status == 0
    assert report["checks_passed"] == report["checks_total"] > 40


def test_a_flipped_byte_makes_verify_fail_and_name_the_file(tally: Any, workspace: Path, tmp_path: Path) -> None:
    tally("model", "register", "m")
    write_version(tmp_path / "v1", 1.0)
    tally("model", "add-version", "1", "v1")
    held = {path: path.read_bytes() for path in (workspace / "blobs" / "sha256").rglob("*") if path.is_file()}
    weights = (tmp_path / "v1" / "model.safetensors").read_bytes()
    (blob,) = [path for path, data in held.items() if data == weights]
    blob.write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    status, report = tally("model", "verify", "1")
    assert status == 1
    failed = [check for check in report["checks"] if not check["ok"]]
    assert any("model.safetensors" in check["name"] for check in failed)


def test_revoking_needs_a_yes_and_a_revoked_version_is_not_released(
    tally: Any, workspace: Path, tmp_path: Path
) -> None:
    tally("model", "register", "m")
    write_version(tmp_path / "v1", 1.0)
    tally("model", "add-version", "1", "v1")
    status, error = tally("model", "status", "1@1", "revoked", "--reason", "biased")
    assert (status, error["code"]) == (2, "cli.usage")
    assert tally("model", "show", "1")[1]["status"] == "active"
    assert tally("model", "status", "1@1", "revoked", "--reason", "biased", "--yes")[0] == 0
    status, error = tally("model", "release", "1@1", "production")
    assert status == 3
    assert error["error"] == "Rejected"


def test_a_log_is_written_anchored_and_its_receipt_checked(tally: Any, workspace: Path, tmp_path: Path) -> None:
    vkey = tally("log", "open")[1]["vkey"]
    (tmp_path / "entry").write_bytes(b"hello")
    assert tally("log", "append", "entry")[1]["size"] == 1
    assert tally("log", "append", "entry", "entry")[1]["size"] == 3
    assert tally("log", "anchor")[1]["size"] == 3
    assert tally("log", "stats")[1]["anchored_size"] == 3
    assert tally("log", "prove", "1", "--out", "receipt.json")[0] == 0
    status, found = tally("log", "verify", "receipt.json", "--vkey", vkey)
    assert (status, found["verified"], found["index"], found["size"]) == (0, True, 1, 3)

    assert tally("log", "prove", "1", "--tlog-proof", "--out", "r.tlog-proof")[0] == 0
    assert tally("log", "verify", "r.tlog-proof", "--vkey", vkey, "--entry", "entry")[0] == 0
    assert tally("log", "verify", "r.tlog-proof", "--vkey", vkey)[0] == 2

    receipt = json.loads((tmp_path / "receipt.json").read_text())
    receipt["index"] = 2
    (tmp_path / "forged.json").write_text(json.dumps(receipt))
    status, error = tally("log", "verify", "forged.json", "--vkey", vkey)
    assert (status, error["error"]) == (5, "VerificationFailed")


def test_bodies_are_published_only_with_a_yes(tally: Any, workspace: Path) -> None:
    tally("log", "open")
    assert tally("log", "export", "--bodies")[0] == 2
    assert tally("log", "export", "--bodies", "--yes")[0] == 0
    assert tally("log", "check")[0] == 0


def test_the_whole_audit_needs_no_workspace(tally: Any, workspace: Path, tmp_path: Path) -> None:
    tally("model", "register", "m")
    write_version(tmp_path / "v1", 1.0)
    tally("model", "add-version", "1", "v1")
    tally("log", "open")
    tally("log", "export")
    where = tally("chain", "deploy")[1]
    (workspace / "keys").rename(tmp_path / "away")
    arguments = ["audit", "--chain", str(workspace / "chain.db"), "--registry", where["ModelRegistry"]]
    arguments += ["--anchor", where["LogAnchor"], "--blobs", str(workspace / "blobs")]
    status, report = tally(*arguments)
    assert (status, report["models"], report["versions"]) == (0, 1, 1)
    assert report["checks_passed"] == report["checks_total"]

    swapped = [one if one != where["LogAnchor"] else where["ModelRegistry"] for one in arguments]
    status, report = tally(*swapped)
    assert status == 1
    assert any(not check["ok"] and "LogAnchor" in check["name"] for check in report["checks"])


def test_the_index_answers_and_agrees_with_a_fresh_one(tally: Any, workspace: Path) -> None:
    tally("model", "register", "m")
    assert tally("index", "sync")[1]["logs"] >= 1
    assert tally("index", "query", "SELECT name FROM models_now")[1] == {"rows": [{"name": "m"}]}
    assert tally("index", "query", "DROP TABLE models_registered")[0] == 2
    assert tally("index", "verify")[0] == 0
    assert tally("index", "rebuild")[0] == 2
    assert tally("index", "rebuild", "--yes")[0] == 0


def test_the_chain_is_sound_and_a_damaged_file_is_named(tally: Any, workspace: Path) -> None:
    assert tally("chain", "status")[1]["chain_id"] == 1337
    assert tally("chain", "outbox")[1]["transactions"]
    status, found = tally("chain", "fsck")
    assert (status, found["ok"]) == (0, True)
    (workspace / "chain.db").write_bytes(b"no chain at all" * 1_000)
    status, found = tally("chain", "fsck")
    assert (status, found["ok"]) == (1, False)
    status, error = tally("chain", "status")
    assert (status, error["error"]) == (5, "VerificationFailed")


@pytest.mark.parametrize(
    "arguments",
    [
        ("model", "show", "0"),
        ("model", "show", "1@"),
        ("model", "show", "99"),
        ("model", "add-version", "1", "nowhere"),
        ("log", "prove", "-1"),
        ("log", "prove", "9" * 30),
        ("log", "verify", "nowhere", "--vkey", "x"),
        ("audit", "--chain", "nowhere", "--registry", "0x0", "--anchor", "x", "--blobs", "."),
        ("chain", "fsck", "nowhere"),
        ("data", "new", "d", "nowhere.csv"),
        ("key", "import", "k", "nowhere"),
        ("serve", "1@1"),
        ("demo", "--predictions", "0"),
        ("nosuch",),
        ("model", "nosuch"),
    ],
)
def test_bad_input_ends_in_words_and_a_status_never_in_a_traceback(
    arguments: tuple[str, ...], tally: Any, workspace: Path
) -> None:
    status, error = tally(*arguments)
    assert status in (2, 3, 4, 5)
    assert error["code"]
    assert error["message"]
    assert error["code"] != "cli.bug"


def test_text_answers_name_what_was_expected_and_what_came(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["model", "show", "seven"]) == 2
    printed = capsys.readouterr().err
    assert "expected ID, ID@SEQ or ID@CHANNEL" in printed
    assert "hint:" in printed
    assert "code:  model.reference" in printed


def test_every_command_has_help_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Every verb says in one line what it does; everything that prints has --json."""
    import click

    from tallystick.cli.main import tally as root

    def walk(command: click.Command, path: tuple[str, ...]) -> None:
        assert command.help, path
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                found = command.get_command(context, name)
                assert found is not None
                walk(found, (*path, name))
            return
        assert any(parameter.name == "as_json" for parameter in command.params), path

    walk(root, ("tally",))


def test_a_name_from_the_chain_cannot_speak_to_the_terminal(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Anybody may register any name: control characters and console markup are shown, never obeyed."""
    assert run(["model", "register", "evil\x1b[2J[red]\n"]) == 0
    capsys.readouterr()
    assert run(["model", "history", "1"]) == 0
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "evil\\x1b[2J[red]\\n" in printed


def test_a_key_is_shown_by_what_others_know_it_by(tally: Any, workspace: Path) -> None:
    status, made = tally("key", "show", "ann")
    assert (status, made["kind"]) == (0, "secp256k1")
    assert tally("key", "show", "ann") == (0, made), "made once"
    listed = tally("key", "list")[1]["keys"]
    assert [one["public"] for one in listed if one["name"] == "ann"] == [made["public"]]
    assert tally("key", "show", "../ann")[0] == 2
