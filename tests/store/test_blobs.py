"""A blob comes back as the bytes its digest names, or not at all, wherever it lies."""

from __future__ import annotations

import http.server
import itertools
import shutil
import signal
import subprocess
import sys
import threading
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput, TallystickError, Unavailable, VerificationFailed
from tallystick.store.blob_places import redact
from tallystick.store.blobs import BlobStore, blob_name, hash_file

HERE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
LIMIT = 2**24
_fresh = itertools.count()


def refusal(call, *arguments, **named) -> TallystickError:
    with pytest.raises(TallystickError) as refused:
        call(*arguments, **named)
    return refused.value


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture
def web(tmp_path):
    """A web server over tmp_path/web; yields its URL and the folder."""
    folder = tmp_path / "web"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=["path", "file", "memory"])
def store(request, tmp_path):
    return BlobStore(
        {"path": str(tmp_path / "blobs"), "file": f"file://{tmp_path}/blobs", "memory": f"memory://t{next(_fresh)}"}[
            request.param
        ]
    )


# --- what every place does


@given(data=st.binary(max_size=5000))
@HERE
def test_what_is_put_is_got(store, data):
    digest = store.put(data)
    assert digest == sha256(data)
    assert store.put(data) == digest
    assert store.get(digest, 5000) == data
    assert store.has(digest)
    assert store.check(digest) == len(data)


def test_what_was_never_put_is_unavailable(store):
    error = refusal(store.get, sha256(b"x"), 10)
    assert (type(error), error.code) == (Unavailable, "blobs.missing")
    assert sha256(b"x").hex() in str(error)
    assert not store.has(sha256(b"x"))


def test_nothing_longer_than_the_limit_is_read(store):
    digest = store.put(b"x" * 100)
    assert store.get(digest, 100) == b"x" * 100
    error = refusal(store.get, digest, 99)
    assert (type(error), error.code) == (VerificationFailed, "blobs.size")


def test_a_file_is_put_and_copied_out_in_pieces(store, tmp_path):
    source, copy = tmp_path / "source", tmp_path / "out" / "copy"
    source.write_bytes(bytes(range(256)) * 16_384)  # 4 MiB, four pieces
    digest = store.put_file(source)
    assert digest == hash_file(source)
    store.open_to(digest, copy)
    assert copy.read_bytes() == source.read_bytes()
    assert refusal(store.open_to, digest, copy, limit=2**20).code == "blobs.size"
    assert copy.read_bytes() == source.read_bytes()


@given(data=st.binary(max_size=200), other=st.binary(max_size=200))
@HERE
def test_a_named_file_has_its_latest_content(store, data, other):
    store.write_named("log-1/tile/0/x001/234.p/5", data)
    store.write_named("log-1/tile/0/x001/234.p/5", other)
    assert store.read_named("log-1/tile/0/x001/234.p/5", 200) == other
    assert store.has_named("log-1/tile/0/x001/234.p/5")
    assert not store.has_named("log-1/checkpoint")


def test_a_named_file_longer_than_the_limit_or_absent_is_refused(store):
    store.write_named("checkpoint", b"x" * 100)
    assert refusal(store.read_named, "checkpoint", 99).code == "blobs.size"
    assert refusal(store.read_named, "nothing", 99).code == "blobs.missing"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/a",
        "../a",
        "a/../b",
        "a//b",
        ".hidden",
        "a\\b",
        "a\0",
        "é",
        "sha256/ab/x",
        "a?b",
        "a%2f",
        "a ",
        "a/" * 16 + "a",
    ],
)
def test_a_name_that_could_mislead_is_refused(store, name):
    for call in (partial(store.write_named, data=b""), partial(store.read_named, limit=1), store.has_named):
        assert refusal(call, name).code == "blobs.name"


def test_a_digest_that_is_no_digest_is_refused(store):
    for digest in (b"", b"x" * 31, "00" * 32):
        assert refusal(store.get, digest, 10).code == "digest.length"


# --- faults on the local disk


@given(data=st.binary(min_size=1, max_size=300), where=st.integers(0, 299), change=st.integers(1, 255))
@HERE
def test_any_flipped_byte_is_caught_named_and_mended_by_a_new_put(tmp_path, data, where, change):
    store = BlobStore(str(tmp_path / "blobs"))
    digest = store.put(data)
    path = tmp_path / "blobs" / blob_name(digest)
    damaged = bytearray(data)
    damaged[where % len(data)] ^= change
    path.write_bytes(damaged)
    error = refusal(store.get, digest, 300)
    assert (type(error), error.code) == (VerificationFailed, "blobs.digest")
    assert (error.expected, error.got) == (digest.hex(), sha256(bytes(damaged)).hex())
    out = tmp_path / "out" / "copy"
    assert refusal(store.open_to, digest, out).code == "blobs.digest"
    assert not out.exists()
    store.put(data)
    assert store.get(digest, 300) == data


@given(data=st.binary(max_size=300), other=st.binary(max_size=300))
@HERE
def test_whatever_lies_under_a_digest_can_be_salvaged_with_its_true_digest(tmp_path, data, other):
    folder = tmp_path / str(next(_fresh))
    digest = BlobStore(str(folder)).put(data)
    (folder / blob_name(digest)).write_bytes(other)
    assert BlobStore(str(folder)).salvage(digest, folder / "copy", limit=300) == sha256(other)
    assert (folder / "copy").read_bytes() == other


def test_salvage_leaves_nothing_when_there_is_nothing_or_too_much(store, tmp_path):
    digest = store.put(b"x" * 100)
    assert refusal(store.salvage, digest, tmp_path / "copy", limit=99).code == "blobs.size"
    assert refusal(store.salvage, bytes(32), tmp_path / "copy").code == "blobs.missing"
    assert not (tmp_path / "copy").exists()
    store.salvage(digest, tmp_path / "deep" / "copy", limit=100)
    assert refusal(store.salvage, digest, tmp_path / "deep" / "copy").code == "files.exists"
    assert (tmp_path / "deep" / "copy").read_bytes() == b"x" * 100


@given(data=st.binary(min_size=1, max_size=300), keep=st.integers(0, 299))
@HERE
def test_a_torn_blob_is_caught(tmp_path, data, keep):
    store = BlobStore(str(tmp_path / "blobs"))
    digest = store.put(data)
    (tmp_path / "blobs" / blob_name(digest)).write_bytes(data[: keep % len(data)])
    assert refusal(store.get, digest, 300).code == "blobs.digest"


def test_a_planted_link_is_refused_even_to_the_right_bytes(tmp_path):
    store = BlobStore(str(tmp_path / "blobs"))
    digest = store.put(b"data")
    path = tmp_path / "blobs" / blob_name(digest)
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")
    assert refusal(store.get, digest, 10).code == "files.symlink"
    assert refusal(store.put, b"data").code == "files.symlink"
    path.unlink()
    folder = path.parent
    folder.rmdir()
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(tmp_path / "moved", tmp_path / "elsewhere" / path.name)
    folder.symlink_to(tmp_path / "elsewhere")
    assert refusal(store.get, digest, 10).code == "files.symlink"


def test_a_file_that_changes_while_it_is_put_is_refused(tmp_path):
    class Racing(BlobStore):
        def _holds(self, digest):  # between the first reading and the second
            source.write_bytes(b"after")
            return super()._holds(digest)

    source = tmp_path / "source"
    for url in (str(tmp_path / "blobs"), f"memory://t{next(_fresh)}"):
        source.write_bytes(b"before")
        store = Racing(url)
        error = refusal(store.put_file, source)
        assert (type(error), error.code) == (InvalidInput, "blobs.changed")
        assert not store.has(sha256(b"before"))
        assert not store.has(sha256(b"after"))


def test_a_file_that_is_no_file_is_not_put(store, tmp_path):
    (tmp_path / "link").symlink_to("/etc/hostname")
    assert refusal(store.put_file, tmp_path / "link").code == "files.symlink"
    assert refusal(store.put_file, tmp_path / "none").code == "files.missing"
    (tmp_path / "big").write_bytes(b"x" * 11)
    assert refusal(store.put_file, tmp_path / "big", limit=10).code == "files.size"


DISK_FULL = """
import resource, sys
from tallystick.core.errors import Unavailable
from tallystick.store.blobs import BlobStore
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
store = BlobStore(sys.argv[1])
print(store.put(b"n" * 1000).hex())
try:
    store.put(b"n" * 1001)
except Unavailable as error:
    print(error.code)
"""


def test_a_full_disk_refuses_the_put_and_leaves_no_part_of_it(tmp_path):
    answer = subprocess.run(
        [sys.executable, "-c", DISK_FULL, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    digest = sha256(b"n" * 1000)
    assert (answer.stdout, answer.stderr) == (f"{digest.hex()}\nfiles.full\n", "")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / blob_name(digest)]


PUT_FOREVER = """
import itertools, sys
from tallystick.store.blobs import BlobStore
store = BlobStore(sys.argv[1])
for number in itertools.count():
    print(store.put(b"%d" % number * 1000).hex(), flush=True)
"""


def test_a_killed_writer_loses_no_acknowledged_blob_and_leaves_no_false_one(tmp_path):
    for count in (1, 7, 30):
        process = subprocess.Popen(
            [sys.executable, "-c", PUT_FOREVER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        acknowledged = [process.stdout.readline().strip() for _ in range(count)]
        process.send_signal(signal.SIGKILL)
        acknowledged += process.communicate()[0].split()
        store = BlobStore(str(tmp_path))
        for digest in acknowledged:
            if len(digest) == 64:
                assert store.check(bytes.fromhex(digest))
        for path in tmp_path.glob("sha256/*/[0-9a-f]*"):
            assert sha256(path.read_bytes()).hex() == path.name


PUT_MANY = """
import sys
from tallystick.store.blobs import BlobStore
for number in range(60):
    BlobStore(sys.argv[1]).put(b"%d" % number * 100)
"""


def test_writers_of_the_same_blobs_at_once_do_not_disturb_each_other(tmp_path):
    processes = [subprocess.Popen([sys.executable, "-c", PUT_MANY, str(tmp_path)]) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    store = BlobStore(str(tmp_path))
    for number in range(60):
        data = b"%d" % number * 100
        assert store.get(sha256(data), 300) == data
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 60


# --- over HTTP


def test_a_published_folder_is_read_over_http_and_never_written(web):
    url, folder = web
    local, remote = BlobStore(str(folder)), BlobStore(url)
    digest = local.put(b"d" * 3_000_000)
    local.write_named("log/checkpoint", b"text")
    assert remote.get(digest, LIMIT) == b"d" * 3_000_000
    assert remote.has(digest)
    assert not remote.has(sha256(b"none"))
    assert remote.put(b"d" * 3_000_000) == digest  # there already: nothing to write
    assert remote.read_named("log/checkpoint", 10) == b"text"
    assert refusal(remote.get, sha256(b"none"), 10).code == "blobs.missing"
    assert refusal(remote.put, b"new").code == "blobs.read_only"
    assert refusal(remote.write_named, "log/checkpoint", b"").code == "blobs.read_only"


def test_a_server_that_lies_is_caught(web, tmp_path):
    url, folder = web
    digest = BlobStore(str(folder)).put(b"truth")
    (folder / blob_name(digest)).write_bytes(b"lies!")
    assert refusal(BlobStore(url).get, digest, 10).code == "blobs.digest"
    (folder / blob_name(digest)).write_bytes(b"x" * 5_000_000)
    assert refusal(BlobStore(url).get, digest, 10).code == "blobs.size"
    assert refusal(BlobStore(url).open_to, digest, tmp_path / "out").code == "blobs.digest"
    assert not (tmp_path / "out").exists()


def test_a_server_that_does_not_answer_is_unavailable():
    dead = http.server.HTTPServer(("127.0.0.1", 0), _Quiet)
    port = dead.server_port
    dead.server_close()
    remote = BlobStore(f"http://127.0.0.1:{port}")
    for error in (refusal(remote.get, sha256(b"x"), 10), refusal(remote.has, sha256(b"x"))):
        assert (type(error), error.code) == (Unavailable, "blobs.unreachable")


def test_credentials_and_paths_of_a_url_are_never_shown():
    assert redact("https://user:secret@host:8/token/x?key=abc#f") == "https://host:8"
    assert redact("memory://bucket/path") == "memory://bucket"
    error = refusal(BlobStore("http://user:secret@127.0.0.1:9/token").get, sha256(b"x"), 10)
    assert "secret" not in f"{error!r} {error} {error.to_dict()}"
    assert "token" not in f"{error!r} {error} {error.to_dict()}"


@pytest.mark.parametrize("url", ["", " a", "a\0", "file://host/path", "file:relative", "nosuchscheme://x"])
def test_a_location_that_is_none_is_refused(url):
    if url == "file:relative":
        assert "relative" in repr(BlobStore(url))  # no scheme without slashes: a path like any other
        return
    assert refusal(BlobStore, url).code == "blobs.url"
