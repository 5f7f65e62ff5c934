"""The publisher's commands: data that keeps its columns, keys that can be listed, models that change hands."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tallystick.cli.door import PASSPHRASE_FILE
from tallystick.cli.key import asked_twice
from tallystick.core.errors import InvalidInput
from tallystick.tally import Tally
from tests.cli.test_commands import write_version

STRANGER = "0x" + "22" * 20


@pytest.fixture
def model(tally: Any, workspace: Path, tmp_path: Path) -> str:
    """A model with one version, and a file that says where it was made."""
    write_version(tmp_path / "v1", 1.0)
    (tmp_path / "environment.json").write_text('{"gpu": "8 x H100"}')
    assert tally("model", "register", "m")[0] == 0
    assert tally("model", "add-version", "1", "v1", "--environment", "environment.json")[0] == 0
    return "1@1"


class TestData:
    """Rows can never be changed once they are in, so what goes in is looked at."""

    def test_rows_under_other_columns_are_refused_and_nothing_is_added(self, tally: Any, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("age,label\n61,1\n")
        assert tally("data", "new", "data", "a.csv")[0] == 0
        for header in ("label,age", "age", "age,label,more"):
            (tmp_path / "b.csv").write_text(f"{header}\n{','.join('1' * len(header.split(',')))}\n")
            status, error = tally("data", "append", "data", "b.csv")
            assert (status, error["code"]) == (2, "csv.columns")
        assert tally("data", "show", "data")[1]["rows"] == 1
        assert tally("data", "append", "data", "a.csv")[1]["rows"] == 2

    def test_a_table_without_rows_leaves_no_data_set_in_the_way(self, tally: Any, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("age,label\n")
        status, error = tally("data", "new", "data", "a.csv")
        assert (status, error["code"]) == (2, "csv.empty")
        (tmp_path / "a.csv").write_text("age,label\n61,1\n")
        assert tally("data", "new", "data", "a.csv")[0] == 0

    def test_whoever_is_given_a_row_can_check_it_against_the_root(self, tally: Any, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("age,label\n61,1\n47,0\n")
        made = tally("data", "new", "data", "a.csv")[1]
        printed = tally("data", "prove", "data", "1")[1]
        for form in (json.dumps(printed), printed["proof"] + "\n"):
            (tmp_path / "proof.json").write_text(form)
            status, found = tally("data", "verify", "proof.json", "2", made["root"])
            assert (status, found) == (0, {"index": 1, "row": '["47","0"]'})
            assert tally("data", "verify", "proof.json", "2", "00" * 32)[0] == 5
            assert tally("data", "verify", "proof.json", "3", made["root"])[0] == 5
        (tmp_path / "proof.json").write_text("nothing")
        assert tally("data", "verify", "proof.json", "2", made["root"])[0] == 2


class TestModels:
    """What is signed, who holds it, and what a reader is warned of."""

    def test_where_a_model_was_made_is_what_its_maker_says(self, tally: Any, model: str) -> None:
        assert tally("model", "show", model)[1]["environment"] == {"gpu": "8 x H100"}

    def test_a_channel_is_withdrawn_and_named_as_it_can_be_asked_for(self, tally: Any, model: str) -> None:
        assert tally("model", "release", model, "Production")[1]["code"] == "model.channel"
        assert tally("model", "release", model, "production")[0] == 0
        assert tally("model", "release", "1", "production", "--withdraw")[1]["seq"] == 0
        assert tally("model", "show", "1@production")[1]["code"] == "model.version"

    def test_a_revoked_version_verifies_with_a_caution(self, tally: Any, model: str) -> None:
        assert tally("model", "verify", model)[1]["cautions"] == []
        tally("model", "status", model, "revoked", "--reason", "wrong labels", "--yes")
        tally("model", "revoke-key", "0", "--reason", "lost", "--yes")
        status, report = tally("model", "verify", model)
        assert (status, report["checks_passed"]) == (0, report["checks_total"])
        assert len(report["cautions"]) == 2
        assert report["cautions"][1] == "1@1 status: revoked"
        assert "disowned at" in report["cautions"][0]

    def test_keys_are_listed_with_their_times(self, tally: Any, model: str) -> None:
        found = tally("model", "keys")[1]
        [key] = found["keys"]
        assert (key["index"], key["until"], key["revoked"]) == (0, 0, 0)
        assert tally("model", "keys", STRANGER)[1]["keys"] == []
        assert tally("model", "keys", "nobody")[1]["code"] == "address.form"

    def test_whoever_only_looks_needs_no_key(self, tally: Any, model: str, workspace: Path) -> None:
        shutil.rmtree(workspace / "keys")
        for verb in (("show", "1"), ("history", "1"), ("diff", "1@1", "1@1"), ("verify", "1"), ("keys", STRANGER)):
            assert tally("model", *verb)[0] == 0
        assert not (workspace / "keys").exists()

    def test_events_are_looked_for_from_the_block_of_the_registry_on(
        self, tally: Any, model: str, workspace: Path
    ) -> None:
        with Tally.open(workspace, input) as opened:
            first, address = opened.models.first_block, opened.models.address
            assert (opened.node.code(address, first - 1) == b"", opened.node.code(address, first) != b"") == (
                True,
                True,
            )
            configured = replace(opened.workspace.config, deployments={"ModelRegistry": address})
            opened.workspace.with_config(configured)
        with Tally.open(workspace, input) as opened:
            assert opened.models.first_block == first

    def test_a_chain_that_has_only_what_is_indexed_is_indexed(self, tally: Any, model: str, workspace: Path) -> None:
        with Tally.open(workspace, input) as opened:
            known = {name: opened.address(name) for name in ("LogAnchor", "ModelRegistry")}
            opened.workspace.with_config(replace(opened.workspace.config, deployments=known))
            opened.workspace.deployments_path.unlink()
        with Tally.open(workspace, input) as opened:
            opened.index.sync()

    def test_a_model_changes_hands_when_asked_for_twice(self, tally: Any, model: str) -> None:
        assert tally("model", "transfer", "1", STRANGER)[0] == 2
        for _ in range(2):
            assert tally("model", "transfer", "1", STRANGER, "--yes")[1] == {"model": 1, "owner": STRANGER}
        status, error = tally("model", "release", model, "production")
        assert (status, error["code"]) == (3, "roles: not the owner")


class TestPassphrases:
    """A slip while typing the passphrase of a new key would lock it away for ever."""

    @pytest.mark.parametrize(("typed", "is_kept"), [(("one", "one"), True), (("one", "onne"), False)])
    def test_it_is_typed_twice(self, monkeypatch: pytest.MonkeyPatch, typed: tuple[str, str], is_kept: bool) -> None:
        monkeypatch.delenv(PASSPHRASE_FILE, raising=False)
        answers = iter(typed)
        ask = asked_twice(lambda name: next(answers))
        if is_kept:
            assert ask("k") == "one"
        else:
            with pytest.raises(InvalidInput):
                ask("k")
        assert list(answers) == []

    def test_a_file_is_read_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(PASSPHRASE_FILE, "anywhere")
        answers = iter(["from a file"])
        assert asked_twice(lambda name: next(answers))("k") == "from a file"
