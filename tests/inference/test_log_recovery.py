"""Whatever happens to the files, a log comes back with everything it acknowledged, or refuses to come back at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tallystick.core import merkle
from tallystick.core.errors import InvalidInput, TallystickError, Unavailable, VerificationFailed
from tallystick.inference.log import Log, LogReader, file_system, fsck
from tallystick.inference.log.frames import FRAME_HEADER_BYTES, SEGMENT_HEADER_BYTES, FrameHeader, SegmentHeader
from tallystick.inference.log.journal import parse_head
from tests.inference.conftest import KEY, ORIGIN, VKEY
from tests.inference.faulty import Unsynced

LONG = bool(os.environ.get("TALLYSTICK_LONG"))

BATCHES = [[b"a%d-%d" % (n, k) for k in range(n)] for n in (1, 3, 2)]
ENTRIES = [entry for batch in BATCHES for entry in batch]


def opened(folder: Path, **options: object) -> Log:
    return Log.open(folder, ORIGIN, key=KEY, volatile=True, files=Unsynced(), **options)  # type: ignore[arg-type]


def crash(folder: Path, copy: Path) -> Path:
    """Return a copy of the folder as a killed process leaves it."""
    shutil.copytree(folder, copy)
    return copy


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    """A log of four frames whose writer was killed."""
    with opened(tmp_path / "log") as log:
        for batch in BATCHES:
            log.append_many(batch)[-1].result()
        return crash(tmp_path / "log", tmp_path / "crashed")


def only_segment(folder: Path) -> Path:
    (path,) = (folder / "wal").iterdir()
    return path


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


# --- rollback


def test_a_log_shorter_than_its_checkpoint_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "log") as log:
        log.append_many(ENTRIES[:5])[-1].result()
        early = only_segment(tmp_path / "log").read_bytes()
        log.append_many(ENTRIES[5:])[-1].result()
        log.checkpoint()
        folder = crash(tmp_path / "log", tmp_path / "crashed")
    only_segment(folder).write_bytes(early)
    (folder / "size").unlink()
    with pytest.raises(VerificationFailed) as caught:
        opened(folder)
    assert caught.value.code == "log.rollback"


def test_a_log_rewritten_under_its_checkpoint_is_refused(tmp_path: Path) -> None:
    """Every checksum is right; only the signed root tells."""
    for name, entries in (("one", ENTRIES), ("two", [*ENTRIES[:4], b"forged", *ENTRIES[5:]])):
        with opened(tmp_path / name) as log:
            log.append_many(entries)[-1].result()
            log.checkpoint()
            crash(tmp_path / name, tmp_path / f"{name} crashed")
    folder = tmp_path / "one crashed"
    shutil.rmtree(folder / "wal")
    shutil.copytree(tmp_path / "two crashed" / "wal", folder / "wal")
    with pytest.raises(VerificationFailed) as caught:
        opened(folder)
    assert caught.value.code == "log.rollback"
    assert "differs from the checkpoint" in caught.value.message


def test_a_segment_of_another_log_is_refused(tmp_path: Path, crashed: Path) -> None:
    with Log.open(tmp_path / "other", "example.com/other", volatile=True, files=Unsynced()) as other:
        other.append_many(ENTRIES)[-1].result()
    shutil.copy(only_segment(tmp_path / "other"), only_segment(crashed))
    with pytest.raises(VerificationFailed) as caught:
        opened(crashed)
    assert "another log" in caught.value.message


def test_a_lost_checkpoint_journal_is_refused_while_the_published_checkpoint_is_there(tmp_path: Path) -> None:
    with opened(tmp_path / "log") as log:
        log.append(b"x").result()
        log.checkpoint()
    (tmp_path / "log" / "checkpoints").write_bytes(b"")
    with pytest.raises(VerificationFailed) as caught:
        opened(tmp_path / "log")
    assert caught.value.code == "journal.damaged"


def test_a_torn_journal_record_was_never_published_and_is_dropped(tmp_path: Path) -> None:
    with opened(tmp_path / "log") as log:
        log.append(b"x").result()
        first = log.checkpoint()
    path = tmp_path / "log" / "checkpoints"
    whole = path.read_bytes()
    for extra in range(1, len(whole)):
        path.write_bytes(whole + whole[:extra])
        with opened(tmp_path / "log") as log:
            assert log.reader.checkpoint() == first
            assert log.reader.checkpoints() == [first]
        assert path.read_bytes() == whole


def test_a_checkpoint_kept_but_not_yet_published_is_published_at_start(tmp_path: Path) -> None:
    with opened(tmp_path / "log") as log:
        log.append(b"x").result()
        log.checkpoint()
        old = log.reader.checkpoint()
        log.append(b"y").result()
        new = log.checkpoint()
    assert old is not None
    (tmp_path / "log" / "checkpoint").write_bytes(old)
    with opened(tmp_path / "log") as log:
        assert log.reader.checkpoint() == new


def test_damage_in_the_middle_of_the_journal_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "log") as log:
        for n in range(4):
            log.append(b"%d" % n).result()
            log.checkpoint()
    path = tmp_path / "log" / "checkpoints"
    whole = path.read_bytes()
    for place in range(0, len(whole), 5):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 8]) + whole[place + 1 :])
        with pytest.raises(VerificationFailed) as caught:
            opened(tmp_path / "log")
        assert caught.value.code == "journal.damaged"


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


def test_a_lost_body_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "log", bodies=True) as log:
        log.append(b"entry", b"body").result()
        folder = crash(tmp_path / "log", tmp_path / "crashed")
    (path,) = (folder / "bodies").iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(VerificationFailed) as caught:
        opened(folder)
    assert caught.value.code == "log.short"


# --- any history


class LogHistory(RuleBasedStateMachine):
    """Appends, checkpoints, clean ends and kills in any order: the log equals a list, and no checkpoint is betrayed."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.root = Path(tempfile.mkdtemp(prefix="tallystick-log-"))
        self.number = 0
        self.ghost: list[bytes] = []
        self.signed: list[bytes] = []

    @initialize(segment_bytes=st.sampled_from([100, 700, 10_000]))
    def start(self, segment_bytes: int) -> None:
        self.segment_bytes = segment_bytes
        self.log = opened(self.root / "0", segment_bytes=segment_bytes)

    @rule(sizes=st.lists(st.integers(0, 40), min_size=1, max_size=300))
    def append(self, sizes: list[int]) -> None:
        entries = [b"%d " % (len(self.ghost) + n) + b"x" * size for n, size in enumerate(sizes)]
        indices = [pending.result() for pending in self.log.append_many(entries)]
        assert indices == list(range(len(self.ghost), len(self.ghost) + len(entries)))
        self.ghost += entries

    @rule()
    def checkpoint(self) -> None:
        note = self.log.checkpoint()
        if not self.signed or self.signed[-1] != note:
            self.signed.append(note)

    @rule()
    def close(self) -> None:
        self.log.close()
        assert fsck(self.root / str(self.number), [VKEY]).ok
        self.log = opened(self.root / str(self.number), segment_bytes=self.segment_bytes)

    @rule()
    def kill(self) -> None:
        source = self.root / str(self.number)
        self.number += 1
        crash(source, self.root / str(self.number))
        self.log.close()
        shutil.rmtree(source)
        self.log = opened(self.root / str(self.number), segment_bytes=self.segment_bytes)

    @invariant()
    def equals_the_list(self) -> None:
        if not hasattr(self, "log"):
            return
        assert self.log.size == len(self.ghost)
        if self.ghost:
            tail = max(0, len(self.ghost) - 300)
            assert self.log.reader.entries(tail, len(self.ghost)) == self.ghost[tail:]

    @invariant()
    def keeps_every_checkpoint(self) -> None:
        if hasattr(self, "log") and self.signed:
            assert self.log.reader.checkpoints() == self.signed
            head = parse_head(self.signed[-1])
            assert merkle.root(merkle.leaf_hashes(self.ghost[: head.size])) == head.root

    def teardown(self) -> None:
        if hasattr(self, "log"):
            self.log.close()
        shutil.rmtree(self.root)


TestLogHistory = LogHistory.TestCase
TestLogHistory.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
