"""A log read from static files alone: any reader's bytes in, verified entries out, and every flipped bit named."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.core import merkle
from tallystick.core.checkpoint import Checkpoint
from tallystick.core.errors import InvalidInput, Unavailable, VerificationFailed
from tallystick.core.limits import NOTE_BYTES_MAX
from tallystick.inference.log import Log, TileReader, audit, export, log_prefix, read_checkpoint
from tallystick.inference.log.journal import parse_head
from tallystick.inference.log.tiles import tiles_of
from tallystick.store.blobs import BlobStore
from tests.inference.conftest import KEY, ORIGIN
from tests.inference.faulty import Unsynced
from tests.inference.folders import opened

PREFIX = log_prefix(ORIGIN)
SIZES = (3, 300, 1500)
ENTRIES = [b"entry %d" % n * (1 + n % 3) for n in range(SIZES[-1])]
LEAVES = merkle.leaf_hashes(ENTRIES)


class Published:
    """A log exported at three sizes, and the folder of its files."""

    def __init__(self, root: Path) -> None:
        (root / "blobs").mkdir()
        self.blobs = BlobStore(str(root / "blobs"))
        self.folder = root / "blobs" / PREFIX
        with opened(root / "log") as log:
            done = 0
            for size in SIZES:
                log.append_many(ENTRIES[done:size])[-1].result()
                log.checkpoint()
                self.exported = export(log.reader, self.blobs)
                done = size
        self.head = parse_head(read_checkpoint(self.blobs, PREFIX))

    def reader(self) -> TileReader:
        return TileReader(self.blobs, PREFIX, self.head)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return Published(tmp_path_factory.mktemp("published"))


@pytest.fixture
def own(tmp_path: Path) -> Published:
    return Published(tmp_path)


def test_every_file_of_every_published_size_is_there(shared: Published) -> None:
    expected = {name.path for size in SIZES for name in tiles_of(size)}
    found = {str(path.relative_to(shared.folder)) for path in shared.folder.rglob("*") if path.is_file()}
    assert found == expected | {"checkpoint"}


@given(st.integers(0, SIZES[-1] - 1), st.integers(1, 700))
@settings(max_examples=40, deadline=None)
def test_entries_are_read_and_verified(shared: Published, start: int, count: int) -> None:
    end = min(SIZES[-1], start + count)
    assert shared.reader().entries(start, end) == ENTRIES[start:end]


@given(st.integers(0, SIZES[-1] - 1), st.integers(1, SIZES[-1]))
@settings(max_examples=60, deadline=None)
def test_proofs_from_static_files_are_those_of_the_tree(shared: Published, index: int, old: int) -> None:
    reader = shared.reader()
    assert reader.inclusion(index) == merkle.inclusion_path(LEAVES, index)
    assert reader.consistency(old) == merkle.consistency_path(LEAVES, old)
    assert reader.root(old) == merkle.root(LEAVES[:old])


def test_what_the_checkpoint_does_not_speak_of_is_refused(shared: Published) -> None:
    reader = shared.reader()
    for start, end in ((-1, 2), (5, 5), (0, 1501)):
        with pytest.raises(InvalidInput):
            reader.entries(start, end)
    with pytest.raises(InvalidInput):
        reader.inclusion(1500)
    with pytest.raises(InvalidInput):
        reader.root(1501)


def test_a_pruned_partial_tile_is_cut_from_the_full_one(own: Published) -> None:
    """Once a tile is full its partial forms may go; older checkpoints are still read."""
    older = Checkpoint(ORIGIN, 300, merkle.root(LEAVES[:300]))
    for path in own.folder.rglob("*.p/44"):
        path.unlink()
    reader = TileReader(own.blobs, PREFIX, older)
    assert reader.entries(250, 300) == ENTRIES[250:300]
    assert audit(reader).ok


def test_another_root_is_believed_nowhere(shared: Published) -> None:
    reader = TileReader(shared.blobs, PREFIX, Checkpoint(ORIGIN, 1500, b"\x01" * 32))
    with pytest.raises(VerificationFailed):
        reader.entry(0)
    with pytest.raises(VerificationFailed):
        reader.inclusion(700)
    result = audit(reader)
    assert [fault.file for fault in result.faults] == [f"{PREFIX}/checkpoint"]


def test_any_flipped_bit_is_named_by_its_file_and_read_by_nobody(own: Published) -> None:
    rng = random.Random(11)
    files = [own.folder / name.path for name in tiles_of(SIZES[-1])]
    for path in files * 3:
        data = bytearray(path.read_bytes())
        place, bit = rng.randrange(len(data)), 1 << rng.randrange(8)
        data[place] ^= bit
        path.write_bytes(data)
        faults = audit(own.reader()).faults
        assert [fault.file for fault in faults] == [f"{PREFIX}/{path.relative_to(own.folder)}"]
        if "entries" in str(path):
            assert faults[0].entry is not None
            with pytest.raises(VerificationFailed) as caught:
                own.reader().entry(faults[0].entry)
            assert caught.value.code == "log.entry"
        data[place] ^= bit
        path.write_bytes(data)
    assert audit(own.reader()).ok


def test_several_faults_are_all_named(own: Published) -> None:
    for name in ("tile/entries/000", "tile/entries/003", "tile/0/001"):
        path = own.folder / name
        data = bytearray(path.read_bytes())
        data[100] ^= 1
        path.write_bytes(data)
    named = {fault.file.removeprefix(f"{PREFIX}/") for fault in audit(own.reader()).faults}
    assert named == {"tile/entries/000", "tile/entries/003", "tile/0/001"}


def test_a_cut_or_missing_file_is_named(own: Published) -> None:
    for name in ("tile/entries/002", "tile/0/004", "tile/1/000.p/5", "tile/entries/005.p/220"):
        path = own.folder / name
        data = path.read_bytes()
        path.write_bytes(data[:-1])
        assert f"{PREFIX}/{name}" in {fault.file for fault in audit(own.reader()).faults}
        path.unlink()
        faults = audit(own.reader()).faults
        assert f"{PREFIX}/{name}" in {fault.file for fault in faults}
        assert any("missing" in fault.detail for fault in faults)
        path.write_bytes(data)


def test_an_audit_notes_the_root_at_each_size_it_is_asked_for(shared: Published) -> None:
    sizes = [0, 1, 255, 256, 257, 300, 1499, 1500, 1501]
    roots = audit(shared.reader(), sizes).roots
    assert roots == {size: merkle.root(LEAVES[:size]) for size in sizes[:-1]}


def test_an_empty_log_is_published_and_audited(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    blobs = BlobStore(str(tmp_path / "blobs"))
    with opened(tmp_path / "log") as log:
        with pytest.raises(InvalidInput) as caught:
            export(log.reader, blobs)
        assert caught.value.code == "export.unsigned"
        log.checkpoint()
        assert export(log.reader, blobs).size == 0
    assert audit(TileReader(blobs, PREFIX, parse_head(read_checkpoint(blobs, PREFIX)))).ok


# --- exporting


def test_an_export_writes_only_what_is_new(own: Published, tmp_path: Path) -> None:
    assert (own.exported.since, own.exported.size) == (300, 1500)
    assert own.exported.files == len(set(tiles_of(1500, 300))) + 1
    with opened(tmp_path / "log") as log:
        again = export(log.reader, own.blobs)
        assert (again.since, again.files) == (1500, 1)
        assert export(log.reader, own.blobs, whole=True).files == len(list(tiles_of(1500))) + 1


def test_an_older_checkpoint_does_not_replace_a_later_one(own: Published, tmp_path: Path) -> None:
    with opened(tmp_path / "log") as log:
        first = log.reader.checkpoints()[0]
        with pytest.raises(InvalidInput) as caught:
            export(log.reader, own.blobs, first)
        assert caught.value.code == "export.older"


def test_a_checkpoint_of_another_history_is_not_exported(own: Published, tmp_path: Path) -> None:
    with opened(tmp_path / "other") as other:
        other.append(b"another").result()
        note = other.checkpoint()
    with opened(tmp_path / "log") as log, pytest.raises(InvalidInput) as caught:
        export(log.reader, own.blobs, note)
    assert caught.value.code == "export.checkpoint"


def test_a_damaged_published_checkpoint_is_mended_by_the_next_export(own: Published, tmp_path: Path) -> None:
    (own.folder / "checkpoint").write_bytes(b"nonsense")
    (own.folder / "tile/0/002").write_bytes(b"nonsense")
    with opened(tmp_path / "log") as log:
        assert export(log.reader, own.blobs).since == 0
    assert audit(own.reader()).ok


def test_an_export_killed_at_any_file_is_simply_repeated(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    class Killing(BlobStore):
        left = 0

        def write_named(self, name: str, data: bytes) -> None:
            self.left -= 1
            if self.left < 0:
                raise Killed
            super().write_named(name, data)

    (tmp_path / "blobs").mkdir()
    blobs = Killing(str(tmp_path / "blobs"))
    with opened(tmp_path / "log") as log:
        log.append_many(ENTRIES[:600])[-1].result()
        log.checkpoint()
        for at in range(8):
            blobs.left = at
            with pytest.raises(Killed):
                export(log.reader, blobs)
            with pytest.raises(Unavailable):
                blobs.read_named(f"{PREFIX}/checkpoint", NOTE_BYTES_MAX)  # nobody is promised what is not there
        blobs.left = 100
        export(log.reader, blobs)
    assert audit(TileReader(blobs, PREFIX, parse_head(read_checkpoint(blobs, PREFIX)))).ok


def test_bodies_are_published_only_on_request(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    blobs = BlobStore(str(tmp_path / "blobs"))
    with Log.open(tmp_path / "log", ORIGIN, key=KEY, bodies=True, volatile=True, files=Unsynced()) as log:
        for n in range(300):
            pending = log.append(b"entry %d" % n, b"body %d" % n)
        pending.result()
        log.checkpoint()
        export(log.reader, blobs)
        assert not blobs.has_named(f"{PREFIX}/bodies/000")
        export(log.reader, blobs, bodies=True, whole=True)
    reader = TileReader(blobs, PREFIX, parse_head(read_checkpoint(blobs, PREFIX)))
    assert reader.bodies(0) + reader.bodies(1) == [b"body %d" % n for n in range(300)]
