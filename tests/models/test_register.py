"""A publisher's verbs on a real chain: recorded once, with evidence first, and mended by saying them again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallystick.contracts import Kind
from tallystick.core.errors import InvalidInput, Rejected, TallystickError
from tallystick.models import dataset
from tallystick.models.environment import describe_environment
from tallystick.models.evidence import Evidence, envelope_name, load_record
from tallystick.models.formats.folder import inspect
from tallystick.models.keeping import keep_content
from tallystick.models.register import Training
from tallystick.models.roots import UNCHANGED
from tests.models.story import ENVIRONMENT, Crash, Desk, Published, crashing, table, write_version

PLAIN = Training(environment=ENVIRONMENT)


class TestModels:
    """A model is registered once for each name and key."""

    def test_the_same_name_is_the_same_model_and_another_key_another(self, desk: Desk) -> None:
        first = desk.registrar.register("tumour")
        assert desk.registrar.register("tumour") == first
        assert desk.registrar.register("tumour", key="second") == first + 1
        model = desk.registrar.registry.model(first)
        assert (model.name, model.owner, model.version_count) == ("tumour", desk.registrar.account, 0)

    def test_a_name_the_registry_refuses_is_refused(self, desk: Desk) -> None:
        for name in ("", "x" * 65):
            with pytest.raises(TallystickError):
                desk.registrar.register(name)

    def test_an_ethereum_account_has_one_key_in_charge(self, desk: Desk) -> None:
        key = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
        old = desk.signer.public_key().public_bytes_raw()
        assert desk.registrar.rotate_key(old) == 0
        assert desk.registrar.rotate_key(key) == desk.registrar.rotate_key(key) == 1
        with pytest.raises(Rejected) as caught:
            desk.registrar.rotate_key(old)
        assert caught.value.code == "keys: already used"
        desk.registrar.revoke_key(0, "lost")
        desk.registrar.revoke_key(0, "lost")
        assert desk.registrar.registry.key_at(desk.registrar.account, 0).revoked > 0


class TestVersions:
    """A version is its content, its parents and its place, recorded as the contract computes them."""

    def test_a_first_version_has_no_parents_and_no_kinds(self, story: Published) -> None:
        first = story.versions[0]
        record = load_record(story.desk.registrar.registry, story.model_id, 1)
        assert (first.seq, first.kinds, record.version.parents, record.roots) == (1, UNCHANGED, (), first.roots)

    def test_each_change_is_flagged_as_what_it_is(self, story: Published) -> None:
        kinds = [version.kinds for version in story.versions]
        assert kinds[1:] == [
            Kind.DATA | Kind.PARAMETERS, Kind.PARAMETERS, Kind.PARAMETERS | Kind.ARCHITECTURE,
        ]  # fmt: skip

    def test_each_version_descends_from_the_one_before(self, story: Published) -> None:
        for earlier, later in zip(story.versions, story.versions[1:], strict=False):
            statement = Evidence(story.desk.blobs, later.statement).statement
            assert statement.parents == (earlier.statement,)

    def test_the_statement_carries_what_was_said(self, story: Published) -> None:
        found = Evidence(story.desk.blobs, story.versions[1].statement).statement
        assert (found.hyperparameters, found.metrics) == ({"step": "2"}, {"accuracy": "0.92"})
        assert (found.environment, found.note, found.name) == (ENVIRONMENT, "step 2", "tumour")
        assert found.data is not None
        assert (found.data.relation, found.data.size, found.data.published) == ("grown", 64, True)

    def test_the_same_call_again_is_the_same_version(self, desk: Desk, tmp_path: Path) -> None:
        model, folder = desk.registrar.register("m"), write_version(tmp_path / "v", 1)
        first = desk.registrar.add_version(model, folder, desk.signer, PLAIN)
        again = desk.registrar.add_version(model, folder, desk.signer, PLAIN)
        assert (first.is_new, again.is_new, again.statement) == (True, False, first.statement)
        assert desk.registrar.registry.version_count(model) == 1

    def test_another_word_is_another_version_of_the_same_roots(self, desk: Desk, tmp_path: Path) -> None:
        model, folder = desk.registrar.register("m"), write_version(tmp_path / "v", 1)
        desk.registrar.add_version(model, folder, desk.signer, PLAIN)
        second = desk.registrar.add_version(model, folder, desk.signer, replace(PLAIN, note="tested"), is_metadata=True)
        assert (second.seq, second.kinds) == (2, Kind.METADATA)

    def test_an_earlier_content_comes_back_as_a_new_version(self, desk: Desk, tmp_path: Path) -> None:
        model = desk.registrar.register("m")
        old, new = write_version(tmp_path / "a", 1), write_version(tmp_path / "b", 2)
        for folder in (old, new, old):
            added = desk.registrar.add_version(model, folder, desk.signer, PLAIN)
        assert (added.seq, added.is_new) == (3, True)

    def test_files_alone_that_change_are_metadata(self, desk: Desk, tmp_path: Path) -> None:
        model, folder = desk.registrar.register("m"), write_version(tmp_path / "v", 1)
        desk.registrar.add_version(model, folder, desk.signer, PLAIN)
        (folder / "LICENSE").write_text("MIT")
        assert desk.registrar.add_version(model, folder, desk.signer, PLAIN).kinds == Kind.METADATA

    def test_a_merge_names_its_parents_the_main_one_first(self, desk: Desk, tmp_path: Path) -> None:
        left, right = (desk.registrar.register(name) for name in ("left", "right"))
        made = [
            desk.registrar.add_version(model, write_version(tmp_path / str(seed), seed), desk.signer, PLAIN)
            for seed, model in ((1, left), (2, right))
        ]
        parents = [version.statement for version in made]
        merged = desk.registrar.add_version(
            left, write_version(tmp_path / "merged", 3), desk.signer, PLAIN, parents=parents
        )
        assert load_record(desk.registrar.registry, left, merged.seq).version.parents == tuple(parents)
        assert desk.audit(left).ok

    def test_code_may_be_a_folder(self, desk: Desk, tmp_path: Path) -> None:
        (tmp_path / "code" / "lib").mkdir(parents=True)
        (tmp_path / "code" / "lib" / "a.py").write_text("a = 1")
        (tmp_path / "code" / "train.py").write_text("import lib.a")
        model, folder = desk.registrar.register("m"), write_version(tmp_path / "v", 1)
        added = desk.registrar.add_version(model, folder, desk.signer, replace(PLAIN, code=tmp_path / "code"))
        claim = Evidence(desk.blobs, added.statement).statement.code
        assert claim is not None
        assert (claim.form, claim.digest) == ("manifest", added.roots.code)
        assert desk.audit(model).ok

    def test_the_environment_is_described_where_nothing_is_said(self, desk: Desk, tmp_path: Path) -> None:
        model, folder = desk.registrar.register("m"), write_version(tmp_path / "v", 1)
        added = desk.registrar.add_version(model, folder, desk.signer, Training())
        found = Evidence(desk.blobs, added.statement).statement.environment
        assert found == describe_environment()
        assert {"python", "platform", "package numpy"} <= {*found}


class TestWhoMay:
    """The owner and its delegates, each with the key in charge."""

    def test_a_key_that_is_not_in_charge_is_refused_before_anything_is_kept(self, desk: Desk, tmp_path: Path) -> None:
        model, folder = desk.registrar.register("m"), write_version(tmp_path / "v", 1)
        with pytest.raises(InvalidInput) as caught:
            desk.registrar.add_version(model, folder, Ed25519PrivateKey.generate(), PLAIN)
        assert caught.value.code == "register.key"
        assert desk.registrar.registry.version_count(model) == 0

    def test_a_delegate_adds_versions_in_its_own_name_until_it_may_not(self, desk: Desk, tmp_path: Path) -> None:
        model, folder = desk.registrar.register("m"), write_version(tmp_path / "v", 1)
        other = desk.other(2)
        other.registrar.rotate_key(other.signer.public_key().public_bytes_raw())
        with pytest.raises(Rejected) as caught:
            other.registrar.add_version(model, folder, other.signer, PLAIN)
        assert caught.value.code == "roles: not owner or delegate"
        for _ in range(2):
            desk.registrar.set_delegate(model, other.registrar.account, allowed=True)
        added = other.registrar.add_version(model, folder, other.signer, PLAIN)
        assert load_record(desk.registrar.registry, model, added.seq).version.signer == other.registrar.account
        assert desk.audit(model).ok
        desk.registrar.set_delegate(model, other.registrar.account, allowed=False)
        with pytest.raises(Rejected):
            other.registrar.add_version(model, write_version(tmp_path / "w", 2), other.signer, PLAIN)
        desk.registrar.set_delegate(model, other.registrar.account, allowed=True)
        assert other.registrar.add_version(model, tmp_path / "w", other.signer, PLAIN).seq == 2


class TestData:
    """Data follows from the first parent's, or the statement says why not."""

    def _relation(self, desk: Desk, statement: bytes) -> tuple[str, str]:
        claim = Evidence(desk.blobs, statement).statement.data
        assert claim is not None
        return claim.relation, claim.reason

    def test_data_grows_stays_restarts_or_is_replaced_with_a_reason(self, desk: Desk, tmp_path: Path) -> None:
        model = desk.registrar.register("m")
        log = dataset.create(tmp_path / "log").append(table(0, 5))
        grown = dataset.open_dataset(tmp_path / "log")
        other = dataset.create(tmp_path / "other").append(table(9, 12))

        def add(seed: int, training: Training) -> tuple[str, str]:
            folder = write_version(tmp_path / f"v{seed}", seed)
            return self._relation(desk, desk.registrar.add_version(model, folder, desk.signer, training).statement)

        assert add(1, replace(PLAIN, dataset=log)) == ("first", "")
        assert add(2, replace(PLAIN, dataset=log)) == ("same", "")
        grown = grown.append(table(5, 9))
        assert add(3, replace(PLAIN, dataset=grown)) == ("grown", "")
        restarted = grown.restart(tmp_path / "restarted", {2}, "withdrawn")
        assert add(4, replace(PLAIN, dataset=restarted)) == ("restarted", "withdrawn")
        with pytest.raises(InvalidInput) as caught:
            add(5, replace(PLAIN, dataset=other))
        assert caught.value.code == "register.data"
        assert add(5, replace(PLAIN, dataset=other, replaced_because="another hospital")) == (
            "replaced", "another hospital",
        )  # fmt: skip
        assert desk.audit(model).ok

    def test_rows_that_are_not_published_stay_at_home(self, desk: Desk, tmp_path: Path) -> None:
        model, folder = desk.registrar.register("m"), write_version(tmp_path / "v", 1)
        log = dataset.create(tmp_path / "log").append(table(0, 5))
        desk.registrar.add_version(model, folder, desk.signer, replace(PLAIN, dataset=log, publish_rows=False))
        segment = log.document.segments[0]
        assert desk.blobs.has(segment.commitments)
        assert not desk.blobs.has(segment.rows)
        assert not desk.blobs.has(segment.salts)
        report = desk.audit(model)
        assert report.ok
        assert any("rows withheld" in check.detail for check in report.checks)


class TestReleasesAndStatus:
    """Pointers and opinions move, each move once."""

    def test_a_channel_points_where_it_was_told(self, desk: Desk, tmp_path: Path) -> None:
        model = desk.registrar.register("m")
        for seed in (1, 2):
            desk.registrar.add_version(model, write_version(tmp_path / str(seed), seed), desk.signer, PLAIN)
        registry = desk.registrar.registry
        for seq in (1, 1, 2, 1, 0, 0, 1):
            desk.registrar.release(model, "production", seq)
            assert registry.released(model, "production") == seq
        assert registry.release_count(model, "production") == 5

    def test_a_status_goes_back_and_forth_until_revoked(self, desk: Desk, tmp_path: Path) -> None:
        model = desk.registrar.register("m")
        desk.registrar.add_version(model, write_version(tmp_path / "v", 1), desk.signer, PLAIN)
        for status, code in (("deprecated", 2), ("deprecated", 2), ("active", 1), ("deprecated", 2), ("revoked", 3)):
            desk.registrar.set_status(model, 1, status, "because")
            assert desk.registrar.registry.status_of(model, 1) == code
        with pytest.raises(Rejected) as caught:
            desk.registrar.set_status(model, 1, "active", "regret")
        assert caught.value.code == "versions: revoked is final"
        with pytest.raises(InvalidInput):
            desk.registrar.set_status(model, 1, "excellent", "why not")


class TestCrashes:
    """A crash at any point is mended by the same call; nothing is recorded twice or without its evidence."""

    PLACES = ("draft.before", "draft.within", "draft.after", "sign.before", "sign.after", "send.before", "send.after",
              "send.recorded", "settle.look", "settle.record", "settle.within", "settle.recorded")  # fmt: skip

    @pytest.mark.parametrize("place", PLACES)
    def test_a_version_is_added_exactly_once(self, desk: Desk, tmp_path: Path, place: str) -> None:
        model, folder = desk.registrar.register("m"), write_version(tmp_path / "v", 1)
        with pytest.raises(Crash):
            crashing(desk, place).add_version(model, folder, desk.signer, PLAIN)
        added = desk.registrar.add_version(model, folder, desk.signer, PLAIN)
        assert added.seq == 1
        assert desk.registrar.registry.version_count(model) == 1
        assert desk.audit(model).ok

    def test_evidence_is_there_before_the_chain_hears_of_it(self, desk: Desk, tmp_path: Path) -> None:
        model, folder = desk.registrar.register("m"), write_version(tmp_path / "v", 1)
        with pytest.raises(Crash):
            crashing(desk, "draft.before").add_version(model, folder, desk.signer, PLAIN)
        assert desk.registrar.registry.version_count(model) == 0
        held = {path.name for path in (desk.folder / "blobs" / "sha256").rglob("*") if path.is_file()}
        statements = [path.name.split(".")[0] for path in (desk.folder / "blobs" / "statements").iterdir()]
        assert {*statements} <= held
        added = desk.registrar.add_version(model, folder, desk.signer, PLAIN)
        assert desk.blobs.has_named(envelope_name(added.statement))

    def test_a_file_that_changes_while_it_is_published_is_refused(self, desk: Desk, tmp_path: Path) -> None:
        folder = write_version(tmp_path / "v", 1)
        content = inspect(folder)
        (folder / "LICENSE").write_text("GPL-3.0")
        with pytest.raises(InvalidInput) as caught:
            keep_content(desk.blobs, folder, content)
        assert caught.value.code == "keeping.changed"
