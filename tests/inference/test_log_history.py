"""A log never rolls back, never betrays a checkpoint, and equals a list through any history of kills and closes."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tallystick.core import merkle
from tallystick.core.errors import VerificationFailed
from tallystick.inference.log import Log, fsck
from tallystick.inference.log.journal import parse_head
from tests.inference.conftest import VKEY
from tests.inference.faulty import Unsynced
from tests.inference.folders import ENTRIES, crash, only_segment, opened


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    """A log of a few frames whose writer was killed."""
    with opened(tmp_path / "log") as log:
        log.append_many(ENTRIES)[-1].result()
        return crash(tmp_path / "log", tmp_path / "crashed")


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


# --- any history


class LogHistory(RuleBasedStateMachine):
    """Appends, checkpoints, clean ends and kills in any order: the log equals a list, and no checkpoint is betrayed."""

    def __init__(self) -> None:
        super().__init__()
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
