"""A model's life as data: history from the chain, differences from documents, tables from events; all tell the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tallystick.chain.bindings import model_registry as binding
from tallystick.core.errors import Rejected, TallystickError, VerificationFailed
from tallystick.index.index import Index
from tallystick.models import dataset
from tallystick.models.diff import VersionDiff, diff_versions
from tallystick.models.history import load_history, load_line
from tallystick.models.projection import projection
from tallystick.models.register import Training
from tallystick.store.blobs import BlobStore, blob_name
from tests.models.story import ENVIRONMENT, Desk, Published, table, write_version


class TestHistory:
    """What the chain tells, with the words of the statements."""

    def test_the_history_tells_versions_events_and_channels_in_order(self, story: Published) -> None:
        history = load_history(story.desk.node, story.desk.registry, story.desk.blobs, 1)
        assert (history.model.name, history.channels) == ("tumour", {"production": 4})
        assert [line.seq for line in history.versions] == [1, 2, 3, 4]
        assert [line.statement.note for line in history.versions if line.statement] == [
            f"step {n}" for n in range(1, 5)
        ]
        assert [line.to_dict()["status"] for line in history.versions] == ["deprecated", *["active"] * 3]
        assert [type(found.event) for found in history.events] == [
            binding.Transfer, binding.ModelRegistered, *[binding.VersionAdded] * 4, binding.Released, binding.StatusSet,
        ]  # fmt: skip
        assert sorted(history.events, key=lambda found: found.time) == list(history.events)

    def test_the_history_of_one_model_holds_no_event_of_another(self, desk: Desk, tmp_path: Path) -> None:
        for name in ("one", "two"):
            model = desk.registrar.register(name)
            desk.registrar.add_version(model, write_version(tmp_path / name, model), desk.signer, Training())
        history = load_history(desk.node, desk.registry, desk.blobs, 2)
        assert [line.record.version.model_id for line in history.versions] == [2]
        assert len(history.events) == 3

    def test_the_history_is_plain_json(self, story: Published) -> None:
        history = load_history(story.desk.node, story.desk.registry, story.desk.blobs, 1)
        again = json.loads(json.dumps(history.to_dict()))
        assert again["versions"][1]["roots"]["data"].startswith("64:")
        assert again["events"][-1]["reason"] == "superseded"

    def test_a_version_without_its_evidence_is_still_told_with_what_is_wrong(
        self, story: Published, tmp_path: Path
    ) -> None:
        history = load_history(story.desk.node, story.desk.registry, BlobStore(str(tmp_path)), 1)
        assert [line.statement for line in history.versions] == [None] * 4
        assert all("blobs.missing" in line.trouble for line in history.versions)
        assert [line.to_dict()["seq"] for line in history.versions] == [1, 2, 3, 4]

    def test_an_earlier_block_tells_an_earlier_history(self, story: Published) -> None:
        history = load_history(story.desk.node, story.desk.registry, story.desk.blobs, 1)
        second = next(found for found in history.events if getattr(found.event, "seq", 0) == 2)
        early = load_history(story.desk.node, story.desk.registry, story.desk.blobs, 1, at=second.block_number)
        assert (len(early.versions), early.channels) == (2, {})

    def test_a_withdrawn_channel_is_no_channel(self, desk: Desk, tmp_path: Path) -> None:
        model = desk.registrar.register("m")
        desk.registrar.add_version(model, write_version(tmp_path / "v", 1), desk.signer, Training())
        desk.registrar.release(model, "beta", 1)
        desk.registrar.release(model, "beta", 0)
        assert load_history(desk.node, desk.registry, desk.blobs, model).channels == {}

    def test_a_model_that_is_not_there_is_said_so(self, story: Published) -> None:
        with pytest.raises(Rejected):
            load_history(story.desk.node, story.desk.registry, story.desk.blobs, 99)
        with pytest.raises(Rejected):
            load_line(story.desk.registrar.registry, story.desk.blobs, 1, 99)


def _diff(story: Published, old: int, new: int) -> VersionDiff:
    statements = [version.statement for version in story.versions]
    return diff_versions(story.desk.blobs, statements[old - 1], statements[new - 1])


class TestDiff:
    """What changed, down to the tensor and the key, and nothing that did not."""

    def test_a_version_does_not_differ_from_itself(self, story: Published) -> None:
        found = _diff(story, 3, 3).to_dict()
        assert found.pop("data") == {"old_size": 64, "new_size": 64, "shared": 64, "added": 0, "removed": 0}
        assert {name for name, value in found.items() if isinstance(value, list) and value} == set()

    def test_added_data_is_counted(self, story: Published) -> None:
        found = _diff(story, 1, 2)
        assert (found.data.shared, found.data.added, found.data.removed) == (40, 24, 0)
        assert [change.name for change in found.roots] == ["data", "manifest", "parameters"]
        assert [(change.name, change.old, change.new) for change in found.metrics] == [("accuracy", "0.91", "0.92")]

    def test_versions_far_apart_and_backwards_are_compared_all_the_same(self, story: Published) -> None:
        assert (_diff(story, 1, 4).data.added, _diff(story, 4, 1).data.removed) == (24, 24)

    def test_another_architecture_shows_its_shapes_and_keys(self, story: Published) -> None:
        found = _diff(story, 3, 4)
        shapes = {change.name: (change.kind, change.old.split("]")[0], change.new.split("]")[0])
                  for change in found.tensors if change.old and change.new}  # fmt: skip
        assert shapes["first.weight"] == ("changed", "F32 [4, 3", "F32 [6, 3")
        assert [(change.name, change.old, change.new) for change in found.config] == [
            ("config.json › hidden_size", "4", "6")
        ]
        assert {change.name for change in found.files} == {
            "config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
        }  # fmt: skip
        assert [change.name for change in found.roots] == ["architecture", "manifest", "parameters"]

    def test_what_comes_and_what_goes_are_told_apart(self, desk: Desk, tmp_path: Path) -> None:
        model, folder = desk.registrar.register("m"), write_version(tmp_path / "v", 1)
        plain = Training({"a": "1"}, {}, ENVIRONMENT)
        first = desk.registrar.add_version(model, folder, desk.signer, plain)
        (folder / "LICENSE").unlink()
        (folder / "NOTICE").write_text("new")
        (folder / "old.pkl").write_bytes(b"\x80\x04.")
        second = desk.registrar.add_version(model, folder, desk.signer, replace(plain, hyperparameters={"b": "1"}))
        found = diff_versions(desk.blobs, first.statement, second.statement)
        kinds = {change.name: change.kind for change in found.files}
        assert kinds == {"LICENSE": "removed", "NOTICE": "added", "old.pkl": "added"}
        assert {change.name: change.kind for change in found.hyperparameters} == {"a": "removed", "b": "added"}
        assert [change.name for change in found.opaque] == ["old.pkl"]
        assert found.tensors == ()

    def test_data_that_begins_anew_shows_what_it_still_shares(self, desk: Desk, tmp_path: Path) -> None:
        model = desk.registrar.register("m")
        log = dataset.create(tmp_path / "log").append(table(0, 9))
        statements = []
        for seed, data in ((1, log), (2, log.restart(tmp_path / "new", {4}, "withdrawn"))):
            training = Training(environment=ENVIRONMENT, dataset=data)
            folder = write_version(tmp_path / str(seed), seed)
            statements.append(desk.registrar.add_version(model, folder, desk.signer, training).statement)
        found = diff_versions(desk.blobs, *statements).data
        assert (found.old_size, found.new_size, found.shared, found.added, found.removed) == (9, 8, 4, 4, 5)

    def test_a_damaged_document_is_refused(self, tampered: Published) -> None:
        path = tampered.desk.folder / "blobs" / blob_name(tampered.versions[1].roots.architecture or b"")
        path.write_bytes(path.read_bytes()[:-1] + b" ")
        with pytest.raises(VerificationFailed):
            _diff(tampered, 2, 4)

    def test_a_version_that_is_not_in_the_store_is_said_so(self, story: Published) -> None:
        with pytest.raises(TallystickError):
            diff_versions(story.desk.blobs, story.versions[0].statement, bytes(32))


class TestProjection:
    """The index's tables say what the chain says."""

    @pytest.fixture
    def index(self, story: Published, tmp_path: Path) -> Index:
        index = Index(tmp_path / "index.db", story.desk.node, [projection(story.desk.registry)])
        index.sync()
        return index

    def test_versions_and_parents_are_those_of_the_chain(self, story: Published, index: Index) -> None:
        registry = story.desk.registrar.registry
        rows = index.query("SELECT * FROM models_versions_now ORDER BY model_id, seq")
        assert len(rows) == 4
        for row in rows:
            version = registry.version(1, int(str(row["seq"])))
            names = ("statement", "signer", "key_index", "kinds", "status")
            assert [row[name] for name in names] == [getattr(version, name) for name in names]
            for name in ("manifest_root", "architecture_root", "parameter_root", "data_root", "code_digest"):
                assert row[name] == getattr(version.roots, name)
            assert (row["data_size"], row["time"]) == (
                version.roots.data_size.to_bytes(8, "big"),
                version.registered_at,
            )
            parents = index.query(
                "SELECT parent FROM models_parents WHERE statement = ? ORDER BY position", (version.statement,)
            )
            assert tuple(found["parent"] for found in parents) == version.parents

    def test_models_releases_and_keys_are_those_of_the_chain(self, story: Published, index: Index) -> None:
        registry = story.desk.registrar.registry
        assert index.query("SELECT model_id, name, owner, versions FROM models_now") == [
            {"model_id": 1, "name": "tumour", "owner": registry.model(1).owner, "versions": 4}
        ]
        assert index.query("SELECT model_id, channel, seq, count FROM models_released_now") == [
            {"model_id": 1, "channel": "production", "seq": 4, "count": 1}
        ]
        key = registry.active_key(story.desk.registrar.account)
        assert index.query("SELECT account, key_index, key FROM models_keys") == [
            {"account": story.desk.registrar.account, "key_index": 0, "key": key}
        ]

    def test_every_kind_of_event_becomes_a_row(self, desk: Desk, tmp_path: Path) -> None:
        model, other = desk.registrar.register("m", "ipfs://one"), desk.other(2)
        desk.registrar.add_version(model, write_version(tmp_path / "v", 1), desk.signer, Training())
        desk.registrar.release(model, "beta", 1)
        desk.registrar.release(model, "beta", 0)
        desk.registrar.set_status(model, 1, "deprecated", "old")
        desk.registrar.set_delegate(model, other.registrar.account, allowed=True)
        desk.registrar.revoke_key(0, "lost")
        registry = desk.registrar.registry
        desk.outbox.send_and_wait(registry.set_uri(model, "ipfs://two"), key="uri")
        call = registry.transfer_from(desk.registrar.account, other.registrar.account, model)
        desk.outbox.send_and_wait(call, key="transfer")
        index = Index(tmp_path / "index.db", desk.node, [projection(desk.registry)])
        index.sync()
        counts = {
            name: index.query(f"SELECT COUNT(*) AS n FROM models_{name}")[0]["n"]
            for name in ("registered", "transfers", "uris", "delegates", "keys", "key_revocations", "versions",
                         "statuses", "releases", "released_now")
        }  # fmt: skip
        assert counts == {
            "registered": 1, "transfers": 2, "uris": 1, "delegates": 1, "keys": 1, "key_revocations": 1, "versions": 1,
            "statuses": 1, "releases": 2, "released_now": 0,
        }  # fmt: skip
        [row] = index.query("SELECT owner, first_owner, uri FROM models_now")
        assert row == {
            "owner": other.registrar.account, "first_owner": desk.registrar.account, "uri": "ipfs://two",
        }  # fmt: skip
        assert index.verify().ok
