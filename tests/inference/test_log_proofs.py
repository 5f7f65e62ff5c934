"""The log's tree is RFC 6962's, and its tiles and bundles are C2SP's, byte for byte."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pymerkle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.core import merkle
from tallystick.core.digest import sha256_hex
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.inference.log import Log, TileName
from tallystick.inference.log.levels import Tree
from tallystick.inference.log.tiles import tile_at, tiles_of
from tests.inference.conftest import KEY, OpenLog

KAT_LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
KAT_ORIGIN = "example.com/tallystick/kat"


def recursive_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1, word for word: the reference that everything else is held to."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + recursive_root(leaves[:k]) + recursive_root(leaves[k:])).digest()


def entries_of(count: int) -> list[bytes]:
    return [b"entry %d" % n for n in range(count)]


@pytest.fixture(scope="module")
def long_log(tmp_path_factory: pytest.TempPathFactory) -> Log:  # type: ignore[misc]
    """70,000 entries, the specification's worked example, appended in uneven batches."""
    with Log.open(tmp_path_factory.mktemp("long") / "log", "example.com/long", volatile=True) as log:
        entries, at = entries_of(70_000), 0
        for step in range(1, 4097, 111):
            log.append_many(entries[at : at + step])[-1].result()
            at += step
        assert at >= 70_000
        yield log


def test_the_published_bytes_of_eight_entries(tmp_path: Path) -> None:
    with Log.open(tmp_path / "kat", KAT_ORIGIN, key=KEY, volatile=True) as log:
        log.append_many(KAT_LEAVES)[-1].result()
        note = log.checkpoint()
        assert (
            sha256_hex(log.reader.tile(0, 0, 8)) == "aea2f1bbb5140fd5f8eacb503fdf54c00c3d860c72588e40233addd416bc8f10"
        )
        assert sha256_hex(log.reader.bundle(0, 8)) == "1afdc32f06ff88236207410a37b10ff2b5647186b52a531da0416d539b15a876"
    assert sha256_hex(note) == "c9dc736e4f6d3d851af0f77c00b49e9c8e4bd82b8d309e235303335e6ee1c8e6"
    assert note.decode().split("\n")[:3] == [KAT_ORIGIN, "8", "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg="]


def test_tiles_are_named_as_the_specification_names_them() -> None:
    assert TileName(0, 5).path == "tile/0/005"
    assert TileName(0, 1000).path == "tile/0/x001/000"
    assert TileName(3, 1_234_067, 17).path == "tile/3/x001/x234/067.p/17"
    assert TileName(-1, 0, 8).path == "tile/entries/000.p/8"


def test_the_worked_sizes_of_the_specification() -> None:
    at_256 = [(name.level, name.n, name.width) for name in tiles_of(256)]
    assert at_256 == [(-1, 0, 256), (0, 0, 256), (1, 0, 1)]
    at_70000 = list(tiles_of(70_000))
    by_level = {level: [name for name in at_70000 if name.level == level] for level in range(-1, 3)}
    assert [len(by_level[level]) for level in range(-1, 3)] == [274, 274, 2, 1]
    assert [by_level[level][-1].width for level in range(-1, 3)] == [112, 112, 17, 1]


@given(st.integers(0, 200_000), st.integers(0, 200_000))
@settings(deadline=None)
def test_what_a_larger_tree_adds_is_exactly_the_tiles_that_differ(first: int, second: int) -> None:
    since, size = sorted((first, second))
    assert set(tiles_of(size, since)) == set(tiles_of(size)) - set(tiles_of(since))


@given(st.lists(st.integers(0, 700), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_a_tree_grown_in_any_batches_has_the_root_of_the_recursive_reference(batches: list[int]) -> None:
    tree, leaves = Tree(), []
    for batch in batches:
        new = merkle.leaf_hashes(entries_of(len(leaves) + batch)[len(leaves) :])
        tree = tree.grow(new).tree
        leaves += new
        assert tree.size == len(leaves)
        assert tree.root() == recursive_root(leaves)


def test_a_tile_holds_the_roots_of_its_entries(long_log: Log) -> None:
    leaves = merkle.leaf_hashes(entries_of(70_000))
    for level, n in ((0, 0), (0, 272), (0, 273), (1, 0), (1, 1), (2, 0)):
        name = tile_at(level, n, 70_000)
        tile, span = long_log.reader.tile(level, n, name.width), 256**level
        for place in range(0, name.width, 16):
            start = (n * 256 + place) * span
            assert tile[place * 32 : place * 32 + 32] == merkle.root(leaves[start : start + span])


def test_tiles_beyond_the_log_are_refused(long_log: Log) -> None:
    for level, n, width in (
        (0, 273, 113),
        (0, 274, 1),
        (1, 1, 18),
        (2, 0, 2),
        (3, 0, 1),
        (-1, 0, 1),
        (0, -1, 1),
        (0, 0, 0),
    ):
        with pytest.raises(InvalidInput):
            long_log.reader.tile(level, n, width)


@given(data=st.data(), size=st.integers(1, 70_000))
@settings(max_examples=150, deadline=None)
def test_every_inclusion_proof_verifies_and_no_other(long_log: Log, data: st.DataObject, size: int) -> None:
    index = data.draw(st.integers(0, size - 1))
    root, path = long_log.reader.root(size), long_log.reader.inclusion(index, size)
    leaf = merkle.leaf_hash(b"entry %d" % index)
    merkle.verify_inclusion(index, size, leaf, path, root)
    wrong = data.draw(st.integers(0, size - 1).filter(lambda other: other != index) if size > 1 else st.just(1))
    with pytest.raises(VerificationFailed):
        merkle.verify_inclusion(wrong, size, leaf, path, root)
    if path:
        mutated = list(path)
        place = data.draw(st.integers(0, len(path) - 1))
        mutated[place] = bytes([mutated[place][0] ^ 1]) + mutated[place][1:]
        for bad in (mutated, path[:-1], [*path, path[0]], path[::-1] if path != path[::-1] else path[1:]):
            with pytest.raises(VerificationFailed):
                merkle.verify_inclusion(index, size, leaf, bad, root)


@given(data=st.data(), new=st.integers(2, 70_000))
@settings(max_examples=150, deadline=None)
def test_every_consistency_proof_verifies_and_no_mutated_one(long_log: Log, data: st.DataObject, new: int) -> None:
    old = data.draw(st.integers(1, new - 1))
    reader = long_log.reader
    path, old_root, new_root = reader.consistency(old, new), reader.root(old), reader.root(new)
    merkle.verify_consistency(old, new, old_root, new_root, path)
    with pytest.raises(VerificationFailed):
        merkle.verify_consistency(old, new, new_root, old_root, path)
    with pytest.raises(VerificationFailed):
        merkle.verify_consistency(old, new, old_root, new_root, [*path, path[-1]])
    with pytest.raises(VerificationFailed):
        merkle.verify_consistency(old, new, old_root, new_root, path[:-1])


def test_roots_equal_those_of_pymerkle(open_log: OpenLog) -> None:
    peer = pymerkle.InmemoryTree(algorithm="sha256")
    with open_log() as log:
        for n in range(300):
            log.append(b"entry %d" % n).result()
            peer.append_entry(b"entry %d" % n)
            assert log.reader.root(n + 1) == peer.get_root()


def test_proofs_are_accepted_by_pymerkle_s_tree(open_log: OpenLog) -> None:
    """Its paths include the leaf, so verdicts are compared: its root at each size is the one our proofs lead to."""
    peer = pymerkle.InmemoryTree(algorithm="sha256")
    with open_log() as log:
        entries = entries_of(130)
        log.append_many(entries)[-1].result()
        for entry in entries:
            peer.append_entry(entry)
        for size in (1, 2, 3, 64, 65, 127, 130):
            root = peer.get_root(size)
            for index in range(0, size, 7):
                path = log.reader.inclusion(index, size)
                merkle.verify_inclusion(index, size, merkle.leaf_hash(entries[index]), path, root)
            for old in range(1, size, 11):
                merkle.verify_consistency(old, size, peer.get_root(old), root, log.reader.consistency(old, size))


def test_a_size_one_too_large_is_refused_where_a_proof_can_tell(open_log: OpenLog) -> None:
    """A root does not bind its size: which is why sizes come from checkpoints and contracts alone."""
    with open_log() as log:
        log.append_many(entries_of(64))[-1].result()
        root, path = log.reader.root(64), log.reader.inclusion(5, 64)
        leaf = merkle.leaf_hash(b"entry 5")
        with pytest.raises(VerificationFailed):
            merkle.verify_inclusion(5, 65, leaf, path, root)
        with pytest.raises(VerificationFailed):
            merkle.verify_inclusion(64, 64, leaf, path, root)
