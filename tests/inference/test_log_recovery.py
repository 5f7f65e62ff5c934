"""Whatever happens to the files, a log comes back with everything it acknowledged, or refuses to come back at all."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tallystick.core.errors import InvalidInput, TallystickError, Unavailable, VerificationFailed
from tallystick.inference.log import Log, LogReader, file_system, fsck
from tallystick.inference.log.frames import FRAME_HEADER_BYTES, SEGMENT_HEADER_BYTES, FrameHeader, SegmentHeader
from tests.inference.conftest import ORIGIN, VKEY
from tests.inference.folders import BATCHES, ENTRIES, crash, only_segment, opened

LONG = bool(os.environ.get("TALLYSTICK_LONG"))


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    """A log of four frames whose writer was killed."""
    with opened(tmp_path / "log") as log:
        for batch in BATCHES:
            log.append_many(batch)[-1].result()
        return crash(tmp_path / "log", tmp_path / "crashed")


def frame_ends(data: bytes) -> list[int]:
    """Return where each frame ends."""
    ends, at = [], SEGMENT_HEADER_BYTES
    while at < len(data):
        at += FRAME_HEADER_BYTES + FrameHeader.from_bytes(data[at : at + FRAME_HEADER_BYTES]).length
        ends.append(at)
    return ends


def contents(folder: Path) -> list[bytes]:
    with LogReader(folder) as reader:
        return reader.entries(0, reader.size) if reader.size else []


def copies(source: Path, tmp_path: Path) -> Iterator[Path]:
    """Yield fresh copies of a folder for ever."""
    number = 0
    while True:
        number += 1
        target = tmp_path / f"copy{number}"
        shutil.copytree(source, target)
        yield target
        shutil.rmtree(target)


# --- torn tails


def test_a_torn_tail_that_nobody_was_told_of_is_truncated_at_every_byte(crashed: Path, tmp_path: Path) -> None:
    data = only_segment(crashed).read_bytes()
    ends = frame_ends(data)
    (crashed / "size").unlink()  # the machine died before the size was on the disk
    for length, folder in zip(range(SEGMENT_HEADER_BYTES, len(data)), copies(crashed, tmp_path), strict=False):
        only_segment(folder).write_bytes(data[:length])
        whole = sum(len(batch) for batch, end in zip(BATCHES, ends, strict=True) if end <= length)
        with opened(folder) as log:
            assert log.size == whole
            assert log.append(b"next").result() == whole
        assert contents(folder) == [*ENTRIES[:whole], b"next"]
        assert fsck(folder).ok


def test_a_torn_tail_that_holds_acknowledged_entries_is_refused_at_every_byte(crashed: Path, tmp_path: Path) -> None:
    data = only_segment(crashed).read_bytes()
    for length, folder in zip(range(SEGMENT_HEADER_BYTES, len(data)), copies(crashed, tmp_path), strict=False):
        only_segment(folder).write_bytes(data[:length])
        with pytest.raises(VerificationFailed) as caught:
            opened(folder)
        assert caught.value.code == "log.short"
        assert only_segment(folder).read_bytes() == data[:length]  # and nothing was touched


def test_a_segment_cut_within_its_header_is_refused(crashed: Path) -> None:
    path = only_segment(crashed)
    path.write_bytes(path.read_bytes()[: SEGMENT_HEADER_BYTES - 1])
    with pytest.raises(VerificationFailed) as caught:
        opened(crashed)
    assert caught.value.code == "log.corrupt"


# --- flipped bits


def test_any_flipped_bit_of_a_frame_in_the_middle_is_refused(crashed: Path, tmp_path: Path) -> None:
    data = bytearray(only_segment(crashed).read_bytes())
    (crashed / "size").unlink()
    first, second = frame_ends(bytes(data))[:2]
    folder = next(copies(crashed, tmp_path))
    for bit in range(8 * first, 8 * second, 1 if LONG else 2):
        data[bit // 8] ^= 1 << bit % 8
        only_segment(folder).write_bytes(data)
        with pytest.raises(VerificationFailed) as caught:
            opened(folder)
        assert caught.value.code == "log.corrupt"
        assert f"byte {first}" in caught.value.message
        data[bit // 8] ^= 1 << bit % 8


def test_any_flipped_bit_of_the_last_frame_is_refused(crashed: Path, tmp_path: Path) -> None:
    data = bytearray(only_segment(crashed).read_bytes())
    start, end = frame_ends(bytes(data))[-2:]
    folder = next(copies(crashed, tmp_path))
    for bit in range(8 * start, 8 * end, 3):
        data[bit // 8] ^= 1 << bit % 8
        only_segment(folder).write_bytes(data)
        with pytest.raises(VerificationFailed) as caught:
            opened(folder)
        assert caught.value.code == "log.short"
        data[bit // 8] ^= 1 << bit % 8


def test_any_flipped_bit_of_a_segment_header_is_refused(crashed: Path, tmp_path: Path) -> None:
    data = bytearray(only_segment(crashed).read_bytes())
    folder = next(copies(crashed, tmp_path))
    for bit in range(0, 8 * SEGMENT_HEADER_BYTES, 1 if LONG else 5):
        data[bit // 8] ^= 1 << bit % 8
        only_segment(folder).write_bytes(data)
        with pytest.raises(VerificationFailed):
            opened(folder)
        data[bit // 8] ^= 1 << bit % 8


def test_a_frame_planted_inside_an_entry_is_not_taken_for_one(tmp_path: Path) -> None:
    """Entries come from strangers: one that looks like a frame must not stop recovery from dropping a torn tail."""
    planted = FrameHeader(1, 1, 3, 0).sealed(b"\x00\x01x", SegmentHeader(0, 1, b"\0" * 32, b"\0" * 8).seed)
    with opened(tmp_path / "log") as log:
        log.append(b"first").result()
        log.append(planted * 20).result()
        folder = crash(tmp_path / "log", tmp_path / "crashed")
    path = only_segment(folder)
    path.write_bytes(path.read_bytes()[:-1])
    (folder / "size").unlink()
    with opened(folder) as log:
        assert log.size == 1


# --- caches


@pytest.mark.parametrize("name", ["level0", "level1", "offsets", "watermark", "size"])
@pytest.mark.parametrize("damage", ["lost", "cut", "flipped"])
def test_a_damaged_cache_is_rebuilt_from_the_write_ahead_log(tmp_path: Path, name: str, damage: str) -> None:
    entries = [b"entry %d" % n for n in range(1500)]
    with opened(tmp_path / "log") as log:
        log.append_many(entries)[-1].result()
        log.checkpoint()
    path = tmp_path / "log" / name
    data = path.read_bytes()
    if damage == "lost":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    else:
        path.write_bytes(data[:3] + bytes([data[3] ^ 1]) + data[4:])
    with opened(tmp_path / "log") as log:
        log.append(b"more").result()
    if name in ("level0", "offsets") and damage != "lost" and not fsck(tmp_path / "log", [VKEY]).ok:
        (tmp_path / "log" / "watermark").unlink()  # damage below the watermark is fsck's to find, and this is its cure
        opened(tmp_path / "log").close()
    assert fsck(tmp_path / "log", [VKEY]).ok
    assert contents(tmp_path / "log") == [*entries, b"more"]


def test_the_doubtful_tail_is_rewritten_into_a_new_segment(crashed: Path) -> None:
    """After a failed sync the page cache may show bytes the disk lacks, so they are written once more."""
    before = only_segment(crashed)
    inode, epoch = before.stat().st_ino, SegmentHeader.from_bytes(before.read_bytes()[:SEGMENT_HEADER_BYTES]).epoch
    with opened(crashed) as log:
        assert (log.recovered.replayed, log.recovered.rewritten) == (len(ENTRIES), len(ENTRIES))
    after = only_segment(crashed)
    assert after.stat().st_ino != inode
    assert SegmentHeader.from_bytes(after.read_bytes()[:SEGMENT_HEADER_BYTES]).epoch == epoch + 1
    with opened(crashed) as log:  # closed in order: nothing is in doubt
        assert (log.recovered.replayed, log.recovered.rewritten) == (0, 0)
    assert contents(crashed) == ENTRIES


def test_segments_rotate_and_recovery_crosses_them(tmp_path: Path) -> None:
    entries = [b"entry %04d" % n for n in range(300)]
    with opened(tmp_path / "log", segment_bytes=1_000) as log:
        for start in range(0, 300, 10):
            log.append_many(entries[start : start + 10])[-1].result()
        log.checkpoint()
        folder = crash(tmp_path / "log", tmp_path / "crashed")
    assert len(list((folder / "wal").iterdir())) >= 5
    with opened(folder, segment_bytes=1_000) as log:
        assert log.size == 300
        assert log.reader.entries(0, 300) == entries
    assert fsck(folder, [VKEY]).ok


def test_a_missing_segment_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "log", segment_bytes=200) as log:
        for n in range(40):
            log.append(b"entry %d" % n).result()
        folder = crash(tmp_path / "log", tmp_path / "crashed")
    segments = sorted((folder / "wal").iterdir())
    for victim in segments:
        data = victim.read_bytes()
        victim.unlink()
        with pytest.raises(TallystickError) as caught:
            opened(folder, segment_bytes=200)
        assert caught.value.code in ("log.corrupt", "log.short")
        victim.write_bytes(data)


# --- one writer


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "log") as log:
        with pytest.raises(Unavailable) as caught:
            opened(tmp_path / "log")
        assert caught.value.code == "log.locked"
        assert log.append(b"x").result() == 0
    with opened(tmp_path / "log") as log:
        assert log.size == 1
        assert log.stats()["epoch"] == 2


def test_a_log_in_memory_is_refused_unless_it_promises_nothing(tmp_path: Path) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or file_system(memory) != "tmpfs":
        pytest.skip("no file system in memory here")
    folder = memory / f"tallystick-{tmp_path.name}"
    try:
        with pytest.raises(InvalidInput) as caught:
            Log.open(folder, ORIGIN)
        assert caught.value.code == "log.volatile"
        with Log.open(folder, ORIGIN, volatile=True) as log:
            assert log.stats()["file_system"] == "tmpfs"
        Log.open(folder).close()  # it was told once
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_a_folder_of_another_log_is_refused(crashed: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        Log.open(crashed, "example.com/else")
    assert caught.value.code == "log.origin"
    with pytest.raises(InvalidInput) as caught:
        Log.open(tmp_path / "nothing")
    assert caught.value.code == "log.none"


# --- bodies


def test_bodies_follow_their_entries_through_a_crash_at_every_byte(tmp_path: Path) -> None:
    with opened(tmp_path / "log", bodies=True) as log:
        for n in range(3):
            log.append(b"entry %d" % n, b"body %d" % n).result()
        folder = crash(tmp_path / "log", tmp_path / "crashed")
    (folder / "size").unlink()
    data = only_segment(folder).read_bytes()
    ends = frame_ends(data)
    for length, copy in zip(range(SEGMENT_HEADER_BYTES, len(data)), copies(folder, tmp_path), strict=False):
        only_segment(copy).write_bytes(data[:length])
        whole = sum(end <= length for end in ends)
        with opened(copy) as log:
            assert log.append(b"last", b"last body").result() == whole
            expected = [*(b"body %d" % n for n in range(whole)), b"last body"]
            assert log.reader.bodies(0, whole + 1) == expected
        assert fsck(copy).ok


def test_large_bodies_move_the_watermark_by_their_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tallystick.inference.log.writer.LOG_WATERMARK_BYTES", 50_000)
    with opened(tmp_path / "log", bodies=True) as log:
        for n in range(12):
            log.append(b"entry %d" % n, bytes(10_000)).result()
            time.sleep(0.01)
        folder = crash(tmp_path / "log", tmp_path / "crashed")
    with opened(folder) as log:
        assert log.size == 12
        assert log.recovered.replayed < 12


def test_a_lost_body_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "log", bodies=True) as log:
        log.append(b"entry", b"body").result()
        folder = crash(tmp_path / "log", tmp_path / "crashed")
    (path,) = (folder / "bodies").iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(VerificationFailed) as caught:
        opened(folder)
    assert caught.value.code == "log.short"
