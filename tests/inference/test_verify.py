"""The audit trusts the chain alone, and names exactly what is wrong."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallystick.chain.bindings.log_anchor import LogAnchor
from tallystick.core import merkle
from tallystick.core.commitment import Domain, commit
from tallystick.core.record import Record, RecordKind
from tallystick.inference.anchoring import Anchorer, open_log, rotate_key
from tallystick.inference.bodies import Body
from tallystick.inference.log import Log, export, log_prefix
from tallystick.inference.log.journal import parse_head
from tallystick.inference.verify import LogAudit, verify_log
from tallystick.store.blobs import BlobStore
from tests.inference.conftest import KEY, ORIGIN, TICKET_SIGNER, Chain

LONG = bool(os.environ.get("TALLYSTICK_LONG"))

VERSION = b"\x09" * 32
PREFIX = log_prefix(ORIGIN)


def record(n: int, *, version: bytes = VERSION, time_ms: int | None = None) -> tuple[bytes, bytes]:
    """Return an entry and its body."""
    body = Body(bytes([n % 256]) * 32, b"\x05" * 32, b"request %d" % n, b"answer %d" % n)
    entry = Record(
        RecordKind.PREDICTION,
        1_700_000_000_000 + n if time_ms is None else time_ms,
        version,
        b"\x01" * 16,
        n.to_bytes(16, "big"),
        commit(Domain.IN, body.in_salt, body.request),
        commit(Domain.OUT, body.out_salt, body.answer),
        b"\x06" * 32,
    )
    return entry.to_bytes(), body.to_bytes()


@dataclass
class Scene:
    chain: Chain
    log: Log
    log_id: int
    blobs: BlobStore
    root: Path
    anchorer: Anchorer

    def log_records(self, first: int, end: int, **options: object) -> None:
        pending = None
        for n in range(first, end):
            pending = self.log.append(*record(n, **options))  # type: ignore[arg-type]
        assert pending is not None
        pending.result()

    def publish(self) -> None:
        export(self.log.reader, self.blobs, bodies=True)
        self.anchorer.publish(self.blobs)

    def audit(self, **options: object) -> LogAudit:
        return verify_log(
            self.chain.node,
            self.chain.contract,
            self.log_id,
            self.blobs,
            versions=[VERSION],
            **options,  # type: ignore[arg-type]
        )

    def flip(self, name: str, at: int, bit: int = 1) -> Callable[[], None]:
        """Flip a bit of a published file and return what undoes it."""
        path = self.root / PREFIX / name
        data = bytearray(path.read_bytes())
        data[at] ^= bit
        path.write_bytes(data)

        def undo() -> None:
            data[at] ^= bit
            path.write_bytes(data)

        return undo


@pytest.fixture
def scene(chain: Chain, folder: Path, blobs: BlobStore, tmp_path: Path) -> Iterator[Scene]:
    """Three anchors, at 300, 700 and 1000 entries, all published."""
    public = KEY.public_key().public_bytes_raw()
    with Log.open(folder, ORIGIN, key=KEY, bodies=True, volatile=True) as log:
        log_id = open_log(chain.outbox, chain.contract, ORIGIN, public, TICKET_SIGNER)
        anchorer = Anchorer(log.reader, chain.outbox, chain.contract, log_id)
        scene = Scene(chain, log, log_id, blobs, tmp_path / "blobs", anchorer)
        for first, end in ((0, 300), (300, 700), (700, 1000)):
            scene.log_records(first, end)
            log.checkpoint()
            anchorer.anchor()
        scene.publish()
        yield scene


def failures(audit: LogAudit) -> list[str]:
    return [f"{check.name}: {check.detail}" for check in audit.report.failures]


def test_an_honest_log_passes_every_check(scene: Scene) -> None:
    audit = scene.audit(repeat=lambda _, body: body.request.replace(b"request", b"answer"))
    assert failures(audit) == []
    assert (audit.size, audit.anchored_size, audit.bodies, audit.repeated) == (1000, 1000, 1000, 1000)
    assert audit.versions == {VERSION: 1000}
    assert (audit.first_ms, audit.last_ms) == (1_700_000_000_000, 1_700_000_000_999)
    steps = {check.name.split(" ")[0] for check in audit.report.checks}
    assert steps == {str(n) for n in range(1, 11)}


def test_a_flipped_byte_in_a_bundle_is_named_by_entry(scene: Scene) -> None:
    for place, index in ((2, 256), (2 + 3 * 176 + 170, 259), (0, 256), (176 * 255, 511)):
        undo = scene.flip("tile/entries/001", place)
        detail = f"{PREFIX}/tile/entries/001 is damaged at entry {index}: it is not what was logged"
        assert failures(scene.audit()) == [f"6 files: {detail}"]
        undo()
    assert scene.audit().report.ok


def test_a_flipped_byte_in_a_tile_is_named_by_hash(scene: Scene) -> None:
    for name, place, hash_index in (
        ("tile/0/002", 5 * 32 + 3, 5),
        ("tile/1/000.p/3", 33, 1),
        ("tile/0/003.p/232", 0, 0),
    ):
        undo = scene.flip(name, place)
        assert failures(scene.audit()) == [f"6 files: {PREFIX}/{name} differs from the entries at hash {hash_index}"]
        undo()


def test_a_flipped_byte_in_the_checkpoint_is_named(scene: Scene) -> None:
    data = (scene.root / PREFIX / "checkpoint").read_bytes()
    for place in range(0, len(data), 1 if LONG else 23):
        undo = scene.flip("checkpoint", place)
        found = failures(scene.audit())
        assert len(found) == 1, found
        assert found[0].startswith(("3 checkpoint", "4 signature"))
        assert f"{PREFIX}/checkpoint" in found[0]
        undo()


def test_a_flipped_byte_in_an_anchor_file_is_named(scene: Scene) -> None:
    data = (scene.root / PREFIX / "anchors/1.json").read_bytes()
    for place in range(0, len(data), 1 if LONG else 61):
        undo = scene.flip("anchors/1.json", place)
        found = failures(scene.audit())
        assert len(found) == 1, (place, found)
        assert found[0].startswith("8 anchor 1: ")
        assert "anchors/1.json" in found[0]
        undo()


def test_a_flipped_byte_in_a_body_is_named_by_entry(scene: Scene) -> None:
    size = len(record(0)[1]) + 4
    undo = scene.flip("bodies/000", 7 * size + size - 1)
    found = failures(scene.audit())
    assert len(found) == 1
    assert found[0].startswith("10 bodies: entry 7: body.answer")
    undo()


def test_a_missing_file_is_named(scene: Scene) -> None:
    for name in ("tile/entries/002", "tile/0/001", "checkpoint"):
        path = scene.root / PREFIX / name
        data = path.read_bytes()
        path.unlink()
        found = failures(scene.audit())
        assert any(f"{PREFIX}/{name}" in failure or name in failure for failure in found), found
        path.write_bytes(data)


def test_a_version_that_is_not_allowed_and_time_going_back_are_found(scene: Scene) -> None:
    scene.log_records(1000, 1001, version=b"\x08" * 32)
    scene.log_records(1001, 1002, time_ms=5)
    scene.log.checkpoint()
    scene.publish()
    found = failures(scene.audit())
    assert [failure.split(":")[:3] for failure in found] == [
        ["9 records", " entry 1000", " record.version"],
        ["9 records", " entry 1001", " record.time"],
    ]


def test_an_entry_that_is_no_record_is_found(scene: Scene) -> None:
    scene.log.append(b"something else").result()
    scene.log.checkpoint()
    scene.publish()
    assert [f.split(":")[:3] for f in failures(scene.audit())] == [["9 records", " entry 1000", " record.form"]]


def test_a_log_of_other_things_is_audited_where_no_versions_are_asked_for(scene: Scene) -> None:
    scene.log.append(b"something else").result()
    scene.log.checkpoint()
    scene.publish()
    audit = verify_log(scene.chain.node, scene.chain.contract, scene.log_id, scene.blobs)
    assert failures(audit) == []
    (said,) = [check.detail for check in audit.report.checks if check.name == "9 records"]
    assert said.startswith("1000 entries are records")
    assert said.endswith("1 are something else")


def test_other_things_may_be_accepted_while_records_must_still_name_an_allowed_version(scene: Scene) -> None:
    scene.log.append(b"something else").result()
    scene.log_records(1001, 1002, version=b"\x08" * 32)
    scene.log.checkpoint()
    scene.publish()
    found = failures(scene.audit(others=True))
    assert [failure.split(":")[:3] for failure in found] == [["9 records", " entry 1001", " record.version"]]


def test_an_answer_that_the_model_does_not_repeat_is_found(scene: Scene) -> None:
    found = failures(scene.audit(repeat=lambda record, body: b"answer 3"))
    assert len(found) == 100  # as many as an audit names
    assert found[0].startswith("10 bodies: entry 0: body.repeat")


def test_a_log_rewritten_behind_its_anchors_is_found(scene: Scene, tmp_path: Path) -> None:
    """The operator signs another history with the right key: every file agrees, and the chain does not."""
    with Log.open(tmp_path / "other", ORIGIN, key=KEY, volatile=True) as other:
        for n in range(1001):
            pending = other.append(record(n if n != 500 else 501)[0])
        pending.result()
        other.checkpoint()
        export(other.reader, scene.blobs, whole=True)
    found = failures(scene.audit())
    names = [failure.split(":")[0] for failure in found]
    assert "7 anchored root at 700" in names
    assert "7 anchored root at 1000" in names
    assert "7 anchored root at 300" not in names
    assert not any(name.startswith("6") for name in names)


def test_a_shorter_log_does_not_cover_its_anchors(scene: Scene, tmp_path: Path) -> None:
    with Log.open(tmp_path / "short", ORIGIN, key=KEY, volatile=True) as short:
        short.append_many([record(n)[0] for n in range(900)])[-1].result()
        short.checkpoint()
        head = short.checkpoint()
    (scene.root / PREFIX / "checkpoint").write_bytes(head)
    names = [failure.split(":")[0] for failure in failures(scene.audit())]
    assert "5 coverage" in names


def test_the_key_in_charge_at_a_size_is_the_one_that_counts(scene: Scene) -> None:
    newer = Ed25519PrivateKey.from_private_bytes(b"\x0b" * 32)
    rotate_key(scene.chain.outbox, scene.chain.contract, scene.log_id, newer.public_key().public_bytes_raw())
    assert scene.audit().report.ok  # the old key still speaks for what it signed
    scene.log_records(1000, 1010)
    scene.log.checkpoint()  # with the old key, which is no longer in charge
    scene.publish()
    found = failures(scene.audit())
    assert len(found) == 1
    assert found[0].startswith("4 signature")


def test_where_a_key_changes_hands_both_count_for_the_size_that_the_chain_holds(scene: Scene, folder: Path) -> None:
    newer = Ed25519PrivateKey.from_private_bytes(b"\x0b" * 32)
    rotate_key(scene.chain.outbox, scene.chain.contract, scene.log_id, newer.public_key().public_bytes_raw())
    scene.log.close()
    with Log.open(folder, key=newer) as scene.log:
        scene.log.checkpoint()  # of the same thousand entries, by the new key
        scene.publish()
        assert failures(scene.audit()) == []
        scene.log_records(1000, 1010)
        anchorer = Anchorer(scene.log.reader, scene.chain.outbox, scene.chain.contract, scene.log_id)
        anchorer.anchor(scene.log.checkpoint())
        scene.publish()
        assert failures(scene.audit()) == []
    third = Ed25519PrivateKey.from_private_bytes(b"\x0c" * 32)
    with Log.open(folder, key=third) as scene.log:
        scene.log.checkpoint()  # by a key that was never in charge
        scene.publish()
        assert [failure.split(":")[0] for failure in failures(scene.audit())] == ["4 signature"]


def test_anchors_that_the_owner_made_by_hand_leave_the_published_ones_true(scene: Scene) -> None:
    """Each published anchor is numbered as the chain counts, whoever made those before it."""
    contract = LogAnchor(scene.chain.node, scene.chain.contract)
    scene.log_records(1000, 1010)
    head = parse_head(scene.log.checkpoint())
    proof = scene.log.reader.consistency(1000, 1010)
    scene.chain.outbox.send_and_wait(contract.anchor(scene.log_id, 1010, head.root, proof), key="by hand")
    for end in (1020, 1030):
        scene.log_records(end - 10, end)
        record = scene.anchorer.anchor(scene.log.checkpoint())
        assert record is not None
        assert record.number == (4 if end == 1020 else 5)
    scene.publish()
    audit = scene.audit()
    assert failures(audit) == []
    assert [check.name for check in audit.report.checks if check.name.startswith("8")] == [
        f"8 anchor {number}" for number in (0, 1, 2, 4, 5)
    ]


def test_an_audit_of_a_log_that_is_not_there_fails(scene: Scene) -> None:
    audit = verify_log(scene.chain.node, scene.chain.contract, 99, scene.blobs)
    assert [failure.split(":")[:2] for failure in failures(audit)] == [["2 anchors", " logs"]]
    nowhere = verify_log(scene.chain.node, TICKET_SIGNER, 1, scene.blobs)
    assert failures(nowhere)[0].startswith("1 contract")


def test_the_chain_itself_says_that_an_entry_is_in_the_log(scene: Scene) -> None:
    contract = LogAnchor(scene.chain.node, scene.chain.contract)
    leaf, path = scene.log.reader.leaf_hash(777), scene.log.reader.inclusion(777, 1000)
    assert contract.verify_inclusion(scene.log_id, 777, leaf, path)
    assert not contract.verify_inclusion(scene.log_id, 776, leaf, path)
    assert not contract.verify_inclusion(scene.log_id, 777, merkle.leaf_hash(b"another"), path)
