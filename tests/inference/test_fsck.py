"""The full check derives everything again and names each fault by file and place."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallystick.core.note import VerifierKey
from tallystick.inference.log import fsck
from tests.inference.conftest import KEY, ORIGIN, VKEY
from tests.inference.folders import opened

ENTRIES = [b"entry %d" % n for n in range(700)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A closed log of 700 entries in several segments, with two checkpoints and bodies."""
    with opened(tmp_path / "log", bodies=True, segment_bytes=1_500) as log:
        for start in range(0, 700, 50):
            for n in range(start, start + 50):
                pending = log.append(ENTRIES[n], b"body %d" % n)
            pending.result()
            if start in (300, 650):
                log.checkpoint()
    return tmp_path / "log"


def damage(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def failures(folder: Path) -> list[str]:
    return [f"{check.name}: {check.detail}" for check in fsck(folder, [VKEY]).failures]


def test_a_whole_log_passes_every_step(folder: Path) -> None:
    report = fsck(folder, [VKEY])
    assert report.ok, report.failures
    assert {check.name.split(" ")[0] for check in report.checks} == {"1", "2", "3", "5", "6", "7"}


def test_a_damaged_frame_is_named_by_segment_and_byte_and_the_next_segment_is_still_read(folder: Path) -> None:
    segments = sorted((folder / "wal").iterdir())
    assert len(segments) >= 3
    damage(segments[1], 200)
    damage(segments[2], 300)
    found = failures(folder)
    assert [line for line in found if segments[1].name in line]
    assert [line for line in found if segments[2].name in line]
    assert not [line for line in found if segments[0].name in line]


def test_a_damaged_level_file_is_named_by_hash(folder: Path) -> None:
    damage(folder / "level0", 5 * 32)
    damage(folder / "level1", 1 * 32)
    assert failures(folder) == [
        "3 levels: level0: hash 5 is not what the entries lead to",
        "3 levels: level1: hash 1 is not what the entries lead to",
    ]


def test_a_damaged_offset_is_named_by_record(folder: Path) -> None:
    damage(folder / "offsets", 2 * 16 + 7)
    damage(folder / "body-offsets", 1 * 16 + 7)
    assert failures(folder) == [
        "4 offsets: offsets: record 2 is wrong",
        "4 offsets: body-offsets: record 1 is wrong",
    ]


def test_a_damaged_body_frame_is_named(folder: Path) -> None:
    segment = min((folder / "bodies").iterdir())
    damage(segment, 100)
    (line,) = failures(folder)
    assert line.startswith("7 bodies: log.corrupt")
    assert segment.name in line


def test_a_watermark_that_lies_is_named(folder: Path) -> None:
    from tallystick.inference.log.marks import Watermark

    mark = Watermark.read(folder)
    assert mark is not None
    lie = Watermark(mark.size, b"\x01" * 32, mark.entries, mark.bodies, mark.clean)
    (folder / "watermark").write_bytes(lie.to_bytes())
    (line,) = failures(folder)
    assert line.startswith("6 watermark")


@pytest.mark.parametrize("is_missing", [True, False])
def test_a_lost_size_is_named_and_what_was_signed_or_marked_is_checked_all_the_same(
    folder: Path, is_missing: bool
) -> None:
    if is_missing:
        (folder / "size").unlink()
    else:
        damage(folder / "size", 7)
    (line,) = failures(folder)
    assert line.startswith("2 size: log.size")
    damage(max((folder / "wal").iterdir()), 100)
    assert any(line.startswith("2 frames") for line in failures(folder))


def test_a_checkpoint_by_another_key_is_named_where_keys_are_given(folder: Path) -> None:
    other = VerifierKey(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"\x05" * 32).public_key().public_bytes_raw())
    assert KEY is not None
    report = fsck(folder, [other])
    assert [check.name for check in report.failures] == ["5 checkpoint at 350", "5 checkpoint at 700"]
    assert fsck(folder).ok


def test_a_missing_segment_is_named(folder: Path) -> None:
    segments = sorted((folder / "wal").iterdir())
    for segment in (segments[0], segments[1]):
        data = segment.read_bytes()
        segment.unlink()
        assert any(line.startswith("2 frames") for line in failures(folder))
        segment.write_bytes(data)
    assert failures(folder) == []


def test_what_is_no_log_is_said_to_be_none(tmp_path: Path) -> None:
    (line,) = failures(tmp_path)
    assert line.startswith("1 identity")


def test_a_log_can_be_checked_beside_its_writer(tmp_path: Path) -> None:
    with opened(tmp_path / "log") as log:
        for n in range(30):
            log.append(ENTRIES[n]).result()
            if n % 10 == 0:
                log.checkpoint()
                assert fsck(tmp_path / "log", [VKEY]).ok
