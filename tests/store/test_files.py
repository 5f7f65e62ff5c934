"""Files are whole or absent, bounded, and never outside their folder."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.core.errors import InvalidInput, TallystickError
from tallystick.store.files import make_folder, read_bounded, replacing, safe_join, walk_files, write_atomic

HERE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


def in_subprocess(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- writing


@given(old=st.binary(max_size=200), new=st.binary(max_size=200))
@HERE
def test_what_is_written_is_read_back_and_replaces_what_was_there(tmp_path, old, new):
    path = tmp_path / "deep" / "er" / "file"
    write_atomic(path, old)
    write_atomic(path, new)
    assert read_bounded(path, 200) == new
    assert names_in(path.parent) == ["file"]


def test_a_block_that_raises_leaves_the_old_file_and_no_draft(tmp_path):
    write_atomic(tmp_path / "file", b"old")
    with pytest.raises(TypeError), replacing(tmp_path / "file") as file:
        file.writelines([b"half of the new", None])
    assert names_in(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_of_several_writers_of_a_new_file_exactly_one_succeeds(tmp_path):
    write_atomic(tmp_path / "file", b"first", new=True)
    with pytest.raises(InvalidInput) as refused:
        write_atomic(tmp_path / "file", b"second", new=True)
    assert refused.value.code == "files.exists"
    assert (tmp_path / "file").read_bytes() == b"first"
    assert names_in(tmp_path) == ["file"]


def test_a_link_in_the_way_is_replaced_and_its_target_is_untouched(tmp_path):
    (tmp_path / "target").write_bytes(b"precious")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_atomic(tmp_path / "link", b"new")
    assert (tmp_path / "target").read_bytes() == b"precious"
    assert not (tmp_path / "link").is_symlink()


def test_the_mode_asked_for_is_the_mode_from_the_first_byte(tmp_path):
    with replacing(tmp_path / "secret", mode=0o600):
        draft = next(tmp_path.iterdir())
        assert draft.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


DISK_FULL = """
import resource, sys
from pathlib import Path
from tallystick.core.errors import Unavailable
from tallystick.store.files import write_atomic
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomic(Path(sys.argv[1]), b"n" * int(sys.argv[2]))
except Unavailable as error:
    print(error.code)
"""


def test_a_full_disk_is_unavailable_and_leaves_the_old_file_whole(tmp_path):
    path = tmp_path / "file"
    write_atomic(path, b"old")
    answer = in_subprocess(DISK_FULL, path, 5000)
    assert (answer.stdout, answer.stderr) == ("files.full\n", "")
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["file"]


def test_what_still_fits_on_the_disk_is_written(tmp_path):
    answer = in_subprocess(DISK_FULL, tmp_path / "file", 900)
    assert (answer.stdout, answer.stderr) == ("", "")
    assert (tmp_path / "file").read_bytes() == b"n" * 900


KILLED = """
import os, signal, sys
from pathlib import Path
from tallystick.store import files
path, step = Path(sys.argv[1]), int(sys.argv[2])
calls = [0]
def watch(event, arguments):
    if event in {"open", "os.rename", "os.remove", "os.link", "os.mkdir"}:
        if calls[0] == step:
            os.kill(os.getpid(), signal.SIGKILL)
        calls[0] += 1
sys.addaudithook(watch)
files.write_atomic(path, b"new" * 1000)
print("done")
"""


def test_a_writer_killed_at_any_system_call_leaves_the_old_file_or_the_new_one(tmp_path):
    seen = set()
    for step in range(20):
        path = tmp_path / str(step) / "file"
        make_folder(path.parent)
        path.write_bytes(b"old")
        answer = in_subprocess(KILLED, path, step)
        content = path.read_bytes()
        assert content in (b"old", b"new" * 1000)
        seen.add(content)
        if answer.stdout == "done\n":
            break
    assert answer.stdout == "done\n"
    assert len(seen) == 2


def test_a_folder_cannot_be_made_where_a_file_is(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InvalidInput) as refused:
        make_folder(tmp_path / "file" / "below")
    assert refused.value.code == "files.special"


# --- reading


@given(size=st.integers(0, 300), limit=st.integers(0, 300))
@HERE
def test_a_file_is_read_exactly_when_it_is_within_the_limit(tmp_path, size, limit):
    (tmp_path / "file").write_bytes(b"x" * size)
    if size <= limit:
        assert len(read_bounded(tmp_path / "file", limit)) == size
    else:
        with pytest.raises(InvalidInput) as refused:
            read_bounded(tmp_path / "file", limit)
        assert refused.value.code == "files.size"


def test_a_limit_beyond_memory_takes_no_memory(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    assert read_bounded(tmp_path / "file", 2**50) == b"x"


def test_what_is_no_plain_file_is_refused_and_never_waited_for(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    expected = {"link": "files.symlink", "folder": "files.special", "pipe": "files.special", "none": "files.missing"}
    for name, code in expected.items():
        with pytest.raises(InvalidInput) as refused:
            read_bounded(tmp_path / name, 10)
        assert refused.value.code == code, name
    assert read_bounded(tmp_path / "file", 10) == b"x"


def test_a_private_file_that_others_may_read_is_refused(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"x")
    for mode in (0o640, 0o604, 0o660, 0o601):
        path.chmod(mode)
        with pytest.raises(InvalidInput) as refused:
            read_bounded(path, 10, private=True)
        assert refused.value.code == "files.permissions"
    path.chmod(0o600)
    assert read_bounded(path, 10, private=True) == b"x"


# --- names


@given(
    name=st.one_of(
        st.text(max_size=40), st.lists(st.sampled_from(["a", "..", ".", "", "é", "b\\c", "\0", "~"])).map("/".join)
    )
)
@HERE
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    try:
        path = safe_join(tmp_path, name)
    except InvalidInput:
        return
    inside = Path(os.path.normpath(path))
    assert inside == path
    assert tmp_path in inside.parents


@pytest.mark.parametrize("name", ["../a", "a/../../b", "/etc/passwd", "a\\b", "a\0b", "", ".", "a//b", "a/", "e\u0301"])
def test_a_name_that_climbs_or_misleads_is_refused(tmp_path, name):
    with pytest.raises(InvalidInput) as refused:
        safe_join(tmp_path, name)
    assert refused.value.code == "name.form"


def test_a_link_anywhere_on_the_way_is_refused(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_bytes(b"x")
    root = tmp_path / "root"
    (root / "in").mkdir(parents=True)
    (root / "way").symlink_to(tmp_path / "outside")
    (root / "in" / "file").symlink_to(tmp_path / "outside" / "file")
    (root / "dangling").symlink_to("nowhere")
    for name in ("way/file", "in/file", "way", "dangling"):
        with pytest.raises(InvalidInput) as refused:
            safe_join(root, name)
        assert refused.value.code == "files.symlink"
    assert safe_join(root, "in/other") == root / "in" / "other"


def test_a_name_too_long_for_the_disk_is_the_callers_mistake(tmp_path):
    with pytest.raises(InvalidInput):
        write_atomic(safe_join(tmp_path, "n" * 300), b"")


# --- walking


@given(names=st.sets(st.text("ab-éZ", min_size=1, max_size=3), min_size=1, max_size=8))
@HERE
def test_every_file_is_listed_once_by_the_bytes_of_its_name(tmp_path, names):
    root = tmp_path / str(abs(hash(frozenset(names))))
    expected = []
    for name in names:
        write_atomic(root / name / "leaf", name.encode())
        write_atomic(root / f"{name}.x", name.encode())
        expected += [f"{name}/leaf", f"{name}.x"]
    found = list(walk_files(root))
    assert [name for name, _ in found] == sorted(expected, key=str.encode)
    assert all(path == root / name for name, path in found)


def test_a_walk_refuses_links_pipes_and_sockets(tmp_path):
    for code, plant in (
        ("files.symlink", lambda path: path.symlink_to("file")),
        ("files.symlink", lambda path: path.symlink_to("/etc")),
        ("files.special", os.mkfifo),
        ("files.special", _bind_socket),
    ):
        (tmp_path / "d").mkdir(exist_ok=True)
        (tmp_path / "d" / "file").write_bytes(b"x")
        planted = tmp_path / "d" / "planted"
        plant(planted)
        with pytest.raises(InvalidInput) as refused:
            list(walk_files(tmp_path))
        assert refused.value.code == code
        planted.unlink()
    assert [name for name, _ in walk_files(tmp_path)] == ["d/file"]


def _bind_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def test_a_name_that_is_not_utf8_is_refused(tmp_path):
    try:
        Path(os.fsdecode(bytes(tmp_path) + b"/\xff")).write_bytes(b"")
    except OSError:
        pytest.skip("this file system refuses such names itself")
    with pytest.raises(InvalidInput) as refused:
        list(walk_files(tmp_path))
    assert refused.value.code == "name.form"


def test_folders_nested_without_end_are_refused(tmp_path):
    deep = tmp_path.joinpath(*["d"] * 80)
    deep.mkdir(parents=True)
    with pytest.raises(InvalidInput) as refused:
        list(walk_files(tmp_path))
    assert refused.value.code == "files.deep"


def test_only_a_folder_can_be_walked(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path)
    for name, code in (("file", "files.missing"), ("none", "files.missing"), ("link", "files.symlink")):
        with pytest.raises(TallystickError) as refused:
            list(walk_files(tmp_path / name))
        assert refused.value.code == code
