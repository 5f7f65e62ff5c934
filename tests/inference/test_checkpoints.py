"""Signed checkpoints are kept before they are shown, shown as soon as there is room, and never lock the log out."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tallystick.core.errors import Broken, Unavailable, VerificationFailed
from tallystick.inference.log import Log, fsck
from tallystick.inference.log.journal import parse_head, read_journal
from tests.inference.conftest import KEY, ORIGIN, VKEY, OpenLog
from tests.inference.faulty import FaultyFiles, Unsynced
from tests.inference.folders import crash, opened


class NoRoomToPublish(Unsynced):
    """A disk on which the journal still fits, and the published checkpoint does not, while `is_full`."""

    def __init__(self) -> None:
        super().__init__()
        self.is_full = False

    def open(self, path: Path, flags: int) -> int:
        if self.is_full and path.name == "checkpoint.tmp":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().open(path, flags)


def size_of(note: bytes | None) -> int:
    assert note is not None
    return parse_head(note).size


def test_a_checkpoint_that_was_kept_is_published_once_there_is_room(open_log: OpenLog) -> None:
    """Though nothing was appended meanwhile: whoever waits for a receipt must not wait for other people's entries."""
    files = NoRoomToPublish()
    with open_log(files=files) as log:
        log.append(b"first").result()
        files.is_full = True
        with pytest.raises(Unavailable) as caught:
            log.checkpoint()
        assert caught.value.code == "log.full"
        assert log.reader.checkpoint() is None
        files.is_full = False
        note = log.checkpoint()
        assert log.reader.checkpoint() == note
        assert log.reader.checkpoints() == [note]


def test_a_log_that_kept_checkpoints_and_could_not_publish_them_opens_again(folder: Path, open_log: OpenLog) -> None:
    files = NoRoomToPublish()
    with open_log(files=files) as log:
        log.append(b"first").result()
        log.checkpoint()
        files.is_full = True
        for entry in (b"second", b"third", b"fourth"):
            log.append(entry).result()
            with pytest.raises(Unavailable):
                log.checkpoint()
        assert size_of(log.reader.checkpoint()) == 1
        assert [parse_head(note).size for note in log.reader.checkpoints()] == [1, 2, 3, 4]
        killed = crash(folder, folder.with_name("killed"))
    with opened(killed) as log:
        assert size_of(log.reader.checkpoint()) == log.size == 4
    assert fsck(killed, [VKEY]).ok


@pytest.mark.parametrize("fault", ["fdatasync", "fsync"])
def test_a_checkpoint_that_cannot_be_synced_stops_the_log_and_is_not_tried_again(
    folder: Path, open_log: OpenLog, fault: str
) -> None:
    files = FaultyFiles()
    log = open_log(files=files)
    log.append(b"kept").result()
    files.fault = lambda called, _: "EIO" if called == fault else None
    with pytest.raises(Broken):
        log.checkpoint()
    syncs = files.counts[fault]
    for again in (log.checkpoint, lambda: log.append(b"later").result(5)):
        with pytest.raises(Broken):
            again()
    log.close()
    assert files.counts[fault] == syncs
    with open_log() as log:
        assert log.reader.entries(0, log.size) == [b"kept"]
        assert size_of(log.checkpoint()) == 1


def test_an_error_other_than_a_full_disk_stops_the_log(open_log: OpenLog) -> None:
    files = FaultyFiles()
    log = open_log(files=files)
    log.append(b"kept").result()
    files.fault = lambda called, _: "EIO" if called == "pwrite" else None
    with pytest.raises(Broken) as caught:
        log.checkpoint()
    assert caught.value.code == "log.journal"
    files.fault = None
    with pytest.raises(Broken):
        log.checkpoint()
    log.close()


def test_a_journal_can_be_read_while_another_checkpoint_is_signed(folder: Path) -> None:
    """What is published is looked at first: a checkpoint that came later is not missed in what was read before."""
    with opened(folder) as log:
        log.append(b"x").result()
        first = log.checkpoint()
        reading = read_journal(folder)
        assert next(reading) == first
        (folder / "checkpoint").write_bytes(first.replace(b"\n1\n", b"\n9\n"))
        assert list(reading) == []
        with pytest.raises(VerificationFailed) as caught:
            list(read_journal(folder))  # what was published before one began to read must be there
        assert caught.value.code == "journal.damaged"
        (folder / "checkpoint").write_bytes(first)


def test_nothing_is_kept_twice_while_nothing_has_changed(folder: Path) -> None:
    with Log.open(folder, ORIGIN, key=KEY, volatile=True) as log:
        log.append(b"x").result()
        assert log.checkpoint() == log.checkpoint()
        assert len(log.reader.checkpoints()) == 1
