"""Anyone can read and verify a gateway's log over HTTP with the vkey alone, and take receipts away."""

from __future__ import annotations

import base64
import hashlib
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.core.checkpoint import open_checkpoint
from tallystick.core.merkle import leaf_hash
from tallystick.core.receipt import Receipt
from tallystick.core.record import Record
from tallystick.inference.log import TileName
from tallystick.inference.log.static import TileReader
from tallystick.services.gateway import Cadence
from tallystick.store.blobs import BlobStore
from tests.services.deployed import DIGEST, LOG_KEY, ORIGIN, TRUSTED, Running, ask, serving
from tests.services.wire import Answer, connected, request

ENTRIES = 300  # one full tile and bundle, and a partial one


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway whose log has some entries under a checkpoint."""
    with serving(tmp_path_factory.mktemp("log") / "log") as running:
        running.client().predict_many([ask(number % 569) for number in range(ENTRIES)])
        wait_for_checkpoint(running, ENTRIES)
        yield running


def wait_for_checkpoint(running: Running, size: int) -> None:
    """Return when a checkpoint of that size is served."""
    for _ in range(1_000):
        answer = get(running, "/log/checkpoint")
        if answer.status == 200 and int(answer.body.split(b"\n")[1]) >= size:
            return
        time.sleep(0.01)
    raise AssertionError("no checkpoint came")


def get(running: Running, path: str) -> Answer:
    with connected(running.port) as client:
        client.send(request(path=path))
        return client.answer()


def fetch(running: Running, name: str) -> bytes:
    answer = get(running, f"/log/{name}")
    assert answer.status == 200, name
    return answer.body


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def tree_root(hashes: list[bytes]) -> bytes:
    """RFC 6962, straight from its definition."""
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return node(tree_root(hashes[:split]), tree_root(hashes[split:]))


def test_a_verifier_that_shares_no_code_reads_the_log_and_finds_its_root(filled: Running) -> None:
    """Signature, leaves, tiles of level 0 and 1 and the root, by C2SP's text with hashlib and nothing of ours."""
    note = fetch(filled, "checkpoint").decode()
    text, _, signatures = note.rpartition("\n\n")
    origin, size_text, root_text = text.split("\n")
    name, blob = signatures.strip().removeprefix("— ").split(" ")
    public = LOG_KEY.public_key()
    key_id = hashlib.sha256(ORIGIN.encode() + b"\n\x01" + public.public_bytes_raw()).digest()[:4]
    assert (origin, name) == (ORIGIN, ORIGIN)
    assert base64.b64decode(blob)[:4] == key_id
    public.verify(base64.b64decode(blob)[4:], f"{text}\n".encode())

    size, leaves = int(size_text), list[bytes]()
    for number in range(-(-size // 256)):
        width = min(256, size - 256 * number)
        partial = "" if width == 256 else f".p/{width}"
        bundle, at, bundled = fetch(filled, f"tile/entries/{number:03d}{partial}"), 0, list[bytes]()
        while at < len(bundle):
            end = at + 2 + int.from_bytes(bundle[at : at + 2], "big")
            bundled.append(hashlib.sha256(b"\x00" + bundle[at + 2 : end]).digest())
            at = end
        assert fetch(filled, f"tile/0/{number:03d}{partial}") == b"".join(bundled)
        leaves += bundled
    assert len(leaves) == size
    assert fetch(filled, f"tile/1/000.p/{size // 256}")[:32] == tree_root(leaves[:256])
    assert tree_root(leaves) == base64.b64decode(root_text)


def test_our_own_tile_reader_verifies_the_log_over_http(filled: Running) -> None:
    note = fetch(filled, "checkpoint")
    head = open_checkpoint(note, [TRUSTED.key])
    reader = TileReader(BlobStore(filled.url), "log", head)
    entries = reader.entries(0, head.size)
    assert len(entries) == head.size >= ENTRIES
    assert {Record.from_bytes(entry).version for entry in entries} == {DIGEST}


def test_tiles_may_be_kept_for_ever_and_checkpoints_for_a_second(filled: Running) -> None:
    for name in ("tile/0/000", "tile/entries/000", "tile/0/001.p/3", "tile/1/000.p/1"):
        answer = get(filled, f"/log/{name}")
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"] == "application/octet-stream"
    head = get(filled, "/log/checkpoint")
    assert head.headers["cache-control"] == "public, max-age=1"
    assert head.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    "name",
    [
        "", "tile", "tile/0", "tile/0/0", "tile/0/00", "tile/0/0000", "tile/00/000", "tile/-1/000", "tile/64/000",
        "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/", "tile/0/000.p/1/", "tile/0/000/",
        "tile/0/x000/001", "tile/0/x001/000", "tile/0/000/x001", "tile/0/999", "tile/63/000", "tile/0/002.p/1",
        "tile/0/001", "tile/1/000", "tile/bodies/000", "tile/entries/000.p/1000", "tile/0/000?x", "Checkpoint",
        "../log/checkpoint", "tile/0/%30%30%3", "tile/0/٣٣٣", "tile/0/000\u200b", "size",
        "wal/00000000000000000000.wal",
    ],
)  # fmt: skip
def test_a_resource_has_one_name_and_every_other_is_unknown(filled: Running, name: str) -> None:
    with connected(filled.port) as client:
        client.send(b"GET /log/" + name.encode() + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = client.answer()
    assert answer.status in (400, 404)
    assert "max-age" not in answer.headers.get("cache-control", "")


def test_exactly_the_tiles_of_the_tree_are_served(filled: Running) -> None:
    """For random names: served if and only if the tree reaches so far."""
    size = filled.log.size

    @given(st.integers(-1, 9), st.integers(0, 3) | st.integers(0, 10**7), st.integers(1, 256))
    @settings(max_examples=100, deadline=None)
    def check(level: int, number: int, width: int) -> None:
        reach = size >> 8 * max(level, 0)
        answer = get(filled, f"/log/{TileName(level, number, width).path}")
        assert answer.status == (200 if 256 * number + width <= reach else 404)
        if answer.status == 200 and level >= 0:
            assert len(answer.body) == 32 * width

    check()


# --- receipts


def test_a_receipt_taken_over_http_verifies_offline(filled: Running) -> None:
    answer = get(filled, "/receipts/7")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    receipt = Receipt.from_bytes(answer.body)
    assert receipt.verify([TRUSTED.key]).size >= ENTRIES
    assert (receipt.index, receipt.entry) == (7, filled.log.reader.entry(7))


def test_a_receipt_comes_as_tlog_proof_too(filled: Running) -> None:
    answer = get(filled, "/receipts/299?format=tlog-proof")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    entry = filled.log.reader.entry(299)
    Receipt.from_tlog_proof(answer.body, entry).verify([TRUSTED.key])
    assert leaf_hash(entry) not in answer.body


@pytest.mark.parametrize("name", ["300000", "-1", "007", "", "x", "7/", "9" * 30, "7?format=xml", "7?format=json&x=1"])
def test_there_is_no_receipt_of_what_is_not_there(filled: Running, name: str) -> None:
    answer = get(filled, f"/receipts/{name}")
    assert answer.status == (400 if "?" in name else 404)
    assert "retry-after" not in answer.headers


def test_a_receipt_before_its_checkpoint_is_asked_for_again_later(folder: Path) -> None:
    with serving(folder, cadence=Cadence(checkpoint_s=600, anchor_s=600)) as running:
        running.client().predict_many([ask(1)])
        answer = get(running, "/receipts/0")
        assert (answer.status, answer.headers["retry-after"]) == (404, "1")
        running.log.checkpoint()
        assert get(running, "/receipts/0").status == 200


def test_a_browser_elsewhere_cannot_read_the_log(filled: Running) -> None:
    asked = urllib.request.Request(f"{filled.url}/log/checkpoint", headers={"Host": "rebound.example"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(asked)
    assert caught.value.code == 421
    caught.value.close()
