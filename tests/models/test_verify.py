"""The audit passes what is whole, and names what is not: the file, the tensor, the row, the document, the claim."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.core.checks import Report
from tallystick.core.errors import Rejected
from tallystick.models.evidence import Evidence, envelope_name
from tallystick.models.register import Training
from tallystick.models.verify import Auditor
from tallystick.store.blobs import BlobStore, blob_name
from tests.models.story import ENVIRONMENT, Desk, Published, write_version


def _blob(published: Published, digest: bytes) -> Path:
    return published.desk.folder / "blobs" / blob_name(digest)


def _envelope(published: Published, seq: int) -> Path:
    return published.desk.folder / "blobs" / envelope_name(published.versions[seq - 1].statement)


def _evidence(published: Published, seq: int) -> Evidence:
    return Evidence(published.desk.blobs, published.versions[seq - 1].statement)


def _flip(path: Path, at: int = -1) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def _failures(report: Report) -> set[str]:
    return {check.name for check in report.failures}


def _of_every_version(name: str, *versions: int) -> set[str]:
    return {f"1@{seq} {name}" for seq in versions}


class TestWhole:
    """What was published honestly passes, from the chain and the blobs alone."""

    def test_every_check_of_every_version_holds(self, story: Published) -> None:
        report = story.desk.audit(story.model_id)
        assert (report.failures, report.ok) == ((), True)
        for name in (
            "record", "envelope", "signature", "payload", "signing key", "place", "manifest", "files", "manifest root",
            "tensors", "parameter root", "architecture root", "opaque files", "code", "data root", "statement roots",
            "statement parents", "statement kinds", "data history", "kinds", "parents", "status",
        ):  # fmt: skip
            assert {f"1@{seq} {name}" for seq in range(1, 5)} <= {check.name for check in report.checks}, name
        assert {"1 versions", "1 release 'production'"} <= {check.name for check in report.checks}

    def test_one_version_can_be_audited_alone(self, story: Published) -> None:
        report = Auditor(story.desk.node, story.desk.registry, story.desk.blobs).audit_version(1, 3)
        assert report.ok
        assert all(check.name.startswith("1@3 ") for check in report.checks)

    def test_an_audit_reads_the_chain_at_one_block(self, story: Published) -> None:
        node = story.desk.node
        logs = node.logs(story.desk.registry, from_block=0)
        added = [log.block_number for log in logs if len(log.topics) == 4]
        early = Auditor(node, story.desk.registry, story.desk.blobs, at=sorted(added)[2])
        assert early.audit_model(1).ok
        with pytest.raises(Rejected):
            Auditor(node, story.desk.registry, story.desk.blobs, at=1).audit_model(1)

    def test_an_audit_leaves_nothing_behind(self, story: Published, tmp_path: Path) -> None:
        Auditor(story.desk.node, story.desk.registry, story.desk.blobs, scratch=tmp_path).audit_model(1)
        assert not list(tmp_path.iterdir())

    def test_a_model_or_version_that_is_not_there_is_said_so(self, story: Published) -> None:
        auditor = Auditor(story.desk.node, story.desk.registry, story.desk.blobs)
        with pytest.raises(Rejected):
            auditor.audit_model(99)
        assert _failures(auditor.audit_version(1, 9)) == {"1@9 record"}

    def test_a_model_that_changed_hands_keeps_its_history(self, desk: Desk, tmp_path: Path) -> None:
        model, other = desk.registrar.register("m"), desk.other(2)
        plain = Training(environment=ENVIRONMENT)
        desk.registrar.add_version(model, write_version(tmp_path / "a", 1), desk.signer, plain)
        call = desk.registrar.registry.transfer_from(desk.registrar.account, other.registrar.account, model)
        desk.outbox.send_and_wait(call, key="transfer")
        other.registrar.rotate_key(other.signer.public_key().public_bytes_raw())
        other.registrar.add_version(model, write_version(tmp_path / "b", 2), other.signer, plain)
        desk.registrar.revoke_key(0, "sold")
        report = desk.audit(model)
        assert report.ok
        signed = [check.detail for check in report.checks if check.name.endswith(" signature")]
        assert desk.registrar.account in signed[0]
        assert other.registrar.account in signed[1]


class TestTampering:
    """One flipped byte is named where it is, and nothing else fails with it."""

    def test_a_flipped_weight_names_file_and_tensor(self, tampered: Published) -> None:
        entry = _evidence(tampered, 3).manifest.entry("model-00002-of-00002.safetensors")
        _flip(_blob(tampered, entry.sha256))
        assert _failures(tampered.desk.audit(1)) == {
            "1@3 file model-00002-of-00002.safetensors", "1@3 manifest root", "1@3 tensor first.bias",
            "1@3 parameter root",
        }  # fmt: skip

    def test_a_flipped_header_names_the_file_that_cannot_be_read(self, tampered: Published) -> None:
        entry = _evidence(tampered, 4).manifest.entry("model-00001-of-00002.safetensors")
        _flip(_blob(tampered, entry.sha256), 9)
        failures = tampered.desk.audit(1).failures
        assert {check.name for check in failures} == {
            "1@4 file model-00001-of-00002.safetensors", "1@4 manifest root", "1@4 tensors",
        }  # fmt: skip
        assert "model-00001-of-00002.safetensors" in failures[-1].detail

    def test_a_flipped_configuration_names_what_moved(self, tampered: Published) -> None:
        path = _blob(tampered, _evidence(tampered, 2).manifest.entry("config.json").sha256)
        path.write_bytes(path.read_bytes().replace(b'hidden_size": 4', b'hidden_size": 5'))
        failures = {check.name: check.detail for check in tampered.desk.audit(1).failures}
        assert {*failures} == {"1@2 file config.json", "1@2 manifest root", "1@2 architecture root"}
        assert "config.json" in failures["1@2 architecture root"]

    def test_a_flipped_licence_is_named_in_every_version_that_has_it(self, tampered: Published) -> None:
        _flip(_blob(tampered, _evidence(tampered, 1).manifest.entry("LICENSE").sha256))
        assert _failures(tampered.desk.audit(1)) == (
            _of_every_version("file LICENSE", 1, 2, 3, 4) | _of_every_version("manifest root", 1, 2, 3, 4)
        )

    @pytest.mark.parametrize(
        ("row", "segment", "versions"), [(0, 0, (1, 2, 3, 4)), (17, 0, (1, 2, 3, 4)), (41, 1, (2, 3, 4))]
    )
    def test_a_flipped_row_is_named_by_its_number(
        self, tampered: Published, row: int, segment: int, versions: tuple[int, ...]
    ) -> None:
        path = _blob(tampered, tampered.data.document.segments[segment].rows)
        lines = path.read_bytes().split(b"\n")
        lines[row - 40 * segment] = lines[row - 40 * segment].replace(b".", b":", 1)
        path.write_bytes(b"\n".join(lines))
        assert _failures(tampered.desk.audit(1)) == (
            _of_every_version(f"data segment {segment}, rows.jsonl", *versions)
            | _of_every_version(f"data row {row}", *versions)
        )

    def test_a_flipped_salt_is_named_with_its_row(self, tampered: Published) -> None:
        _flip(_blob(tampered, tampered.data.document.segments[1].salts), 32 * 3 + 5)
        versions = (2, 3, 4)
        assert _failures(tampered.desk.audit(1)) == (
            _of_every_version("data segment 1, salts", *versions) | _of_every_version("data row 43", *versions)
        )

    def test_a_flipped_commitment_is_told_from_a_flipped_row(self, tampered: Published) -> None:
        _flip(_blob(tampered, tampered.data.document.segments[1].commitments), 0)
        report = tampered.desk.audit(1)
        assert _failures(report) == (
            _of_every_version("data segment 1, commitments", 2, 3, 4) | _of_every_version("data row 40", 2, 3, 4)
        )

    def test_a_row_that_was_cut_off_is_named(self, tampered: Published) -> None:
        path = _blob(tampered, tampered.data.document.segments[1].rows)
        path.write_bytes(path.read_bytes().rsplit(b"\n", 2)[0] + b"\n")
        assert "1@4 data row 63" in _failures(tampered.desk.audit(1))

    def test_many_damaged_rows_are_counted_after_the_first_twenty(self, tampered: Published) -> None:
        path = _blob(tampered, tampered.data.document.segments[0].rows)
        path.write_bytes(path.read_bytes().replace(b".", b":"))
        found = {check.name: check.detail for check in tampered.desk.audit(1).failures if check.name.startswith("1@1 ")}
        assert len([name for name in found if name.startswith("1@1 data row ")]) == 20
        assert found["1@1 data rows"] == "20 more rows disagree"

    @pytest.mark.parametrize("at", [1, 40, -3, -60])
    def test_a_flipped_envelope_is_named_and_the_rest_is_still_checked(self, tampered: Published, at: int) -> None:
        _flip(_envelope(tampered, 2), at)
        report = tampered.desk.audit(1)
        named = {"1@2 envelope"} & _failures(report) or {"1@2 signature"}
        assert {name for name in _failures(report) if name.startswith("1@2 ")} == named
        assert any(name.startswith("1@3 parents") for name in _failures(report))
        assert "1@2 parameter root" in {check.name for check in report.checks if check.ok}

    def test_a_flipped_payload_is_named_and_the_envelope_stands_in(self, tampered: Published) -> None:
        _flip(_blob(tampered, tampered.versions[1].statement), 50)
        assert _failures(tampered.desk.audit(1)) == {"1@2 payload"}

    def test_a_flipped_manifest_is_named(self, tampered: Published) -> None:
        _flip(_blob(tampered, _evidence(tampered, 2).statement.manifest.document), 30)
        assert _failures(tampered.desk.audit(1)) == {"1@2 manifest", "1@2 files"}

    def test_each_flipped_document_is_named(self, tampered: Published) -> None:
        statement = _evidence(tampered, 4).statement
        assert statement.tensors is not None
        assert statement.data is not None
        assert statement.architecture_root is not None
        assert statement.code is not None
        for digest, name in (
            (statement.tensors.document, "1@4 tensor list"), (statement.architecture_root, "1@4 architecture document"),
            (statement.data.document, "1@4 data document"), (statement.code.digest, "1@4 code"),
        ):  # fmt: skip
            _flip(_blob(tampered, digest), 9)
            assert name in _failures(tampered.desk.audit(1))
            _flip(_blob(tampered, digest), 9)
        assert tampered.desk.audit(1).ok

    @settings(max_examples=settings().max_examples // 5)
    @given(st.data())
    def test_no_byte_of_the_whole_blob_store_can_change_unseen(
        self, story: Published, tmp_path: Path, data: st.DataObject
    ) -> None:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        shutil.copytree(story.desk.folder / "blobs", folder / "blobs")
        copied = story.with_blobs(folder / "blobs")
        path = data.draw(st.sampled_from(sorted(path for path in folder.rglob("*") if path.is_file())))
        whole = bytearray(path.read_bytes())
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
        path.write_bytes(whole)
        assert not copied.desk.audit(1).ok

    @settings(max_examples=settings().max_examples // 5)
    @given(st.data())
    def test_no_file_of_the_whole_blob_store_can_vanish_unseen(
        self, story: Published, tmp_path: Path, data: st.DataObject
    ) -> None:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        shutil.copytree(story.desk.folder / "blobs", folder / "blobs")
        copied = story.with_blobs(folder / "blobs")
        data.draw(st.sampled_from(sorted(path for path in folder.rglob("*") if path.is_file()))).unlink()
        assert not copied.desk.audit(1).ok

    def test_an_empty_blob_store_fails_everything_and_raises_nothing(self, story: Published, tmp_path: Path) -> None:
        report = Auditor(story.desk.node, story.desk.registry, BlobStore(str(tmp_path / "none"))).audit_model(1)
        assert {f"1@{seq} envelope" for seq in range(1, 5)} <= _failures(report)
