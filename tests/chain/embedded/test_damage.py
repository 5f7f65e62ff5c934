"""A damaged file is refused where it is read, by name, and fsck lists what is wrong; it never gives another answer."""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rlp

from tallystick.chain.embedded import EmbeddedProvider
from tallystick.chain.embedded.file import ChainFile
from tallystick.chain.embedded.fsck import FsckReport, fsck
from tallystick.chain.embedded.header import Header
from tallystick.chain.embedded.trie import lookup
from tallystick.core.digest import keccak
from tallystick.core.errors import VerificationFailed
from tests.chain.embedded.damage_kit import STORE, History
from tests.chain.embedded.ledger_kit import Clock, Hand, Rpc


@pytest.fixture
def copy(history: History, tmp_path: Path) -> Path:
    return shutil.copy(history.path, tmp_path / "chain.db")


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Rpc]:
    rpc = Rpc(EmbeddedProvider(path, clock=Clock()))
    try:
        yield rpc
    finally:
        rpc.provider.close()


def edit(path: Path, sql: str, *values: object) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        assert db.execute(sql, values).rowcount == 1


def flipped(value: bytes, rng: random.Random) -> bytes:
    """Return `value` with one bit changed."""
    at = rng.randrange(len(value))
    return value[:at] + bytes([value[at] ^ 1 << rng.randrange(8)]) + value[at + 1 :]


def flip_node(path: Path, digest: bytes, seed: int = 0) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        (value,) = db.execute("SELECT value FROM node WHERE hash = ?", (digest,)).fetchone()
    edit(path, "UPDATE node SET value = ? WHERE hash = ?", flipped(value, random.Random(seed)), digest)


def header_of(path: Path, number: int) -> Header:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return Header.decode(db.execute("SELECT header FROM block WHERE number = ?", (number,)).fetchone()[0])


def refusal(rpc: Rpc, *request: Any) -> VerificationFailed:
    with pytest.raises(VerificationFailed) as refused:
        rpc(*request)
    return refused.value


def codes(report: FsckReport) -> set[tuple[int, str]]:
    return {(finding.check, finding.code) for finding in report.findings}


def test_a_sound_file_has_no_findings(history: History) -> None:
    steps: list[tuple[int, int]] = []
    report = fsck(history.path, lambda done, total: steps.append((done, total)))
    assert report.ok
    assert (report.blocks, report.replayed, report.transactions) == (
        history.head + 1,
        history.head + 1,
        len(history.hashes),
    )
    assert steps[-1] == (history.head + 1, history.head + 1)
    with opened(history.path) as rpc:
        for request in history.requests:
            assert rpc(*request) == history.answers[repr(request)]


def test_a_flipped_state_node_is_refused_by_whoever_reads_it(history: History, copy: Path) -> None:
    root = header_of(copy, history.head).state_root
    flip_node(copy, root)
    with opened(copy) as rpc:
        error = refusal(rpc, "eth_getBalance", "0x" + "01" * 20)
        assert (error.code, error.expected) == ("chain.node", root.hex())
        assert rpc("eth_getBalance", "0x" + "01" * 20, "0x3") == hex(10**18)
    report = fsck(copy)
    assert codes(report) == {(6, "fsck.state"), (8, "fsck.value")}
    assert any(root.hex() in str(finding) for finding in report.findings)


def test_a_flipped_byte_of_code_is_refused_when_it_would_run(history: History, copy: Path) -> None:
    flip_node(copy, keccak(bytes.fromhex(STORE)))
    with opened(copy) as rpc:
        for request in (("eth_getCode", history.store), ("eth_call", {"to": history.store})):
            assert refusal(rpc, *request).code == "chain.node"
        raw = "0x" + history.hand.sign(nonce=len(history.hashes), to=history.store).hex()
        assert refusal(rpc, "eth_sendRawTransaction", raw).code == "chain.node"
        assert rpc("eth_blockNumber") == hex(history.head)
        plain = history.hand.sign(nonce=len(history.hashes))
        assert rpc.send(plain)["status"] == "0x1"  # what does not need it goes on


def test_damage_met_by_one_of_several_transactions_keeps_only_that_one_out(history: History, copy: Path) -> None:
    flip_node(copy, keccak(bytes.fromhex(STORE)))
    next_nonce = len(history.hashes)
    other = Hand(2)
    with opened(copy) as rpc:
        rpc.send(history.hand.sign(nonce=next_nonce, to=other.address, value=10**18))
        raws = [history.hand.sign(nonce=next_nonce + 1, to=history.store, value=0), other.sign()]
        answers: list[Any] = rpc.provider.make_batch_request(
            [("eth_sendRawTransaction", ["0x" + raw.hex()]) for raw in raws]  # type: ignore[misc]
        )
    assert answers[0]["error"]["data"]["error"] == "VerificationFailed"
    assert answers[0]["error"]["code"] == -32603
    assert "result" in answers[1]


def test_a_flipped_storage_slot_is_refused(history: History, copy: Path) -> None:
    file = ChainFile(copy, read_only=True)
    root = header_of(copy, history.head).state_root
    account = rlp.decode(lookup(file.node, root, keccak(bytes.fromhex(history.store[2:]))))
    file.close()
    flip_node(copy, account[2])
    with opened(copy) as rpc:
        assert refusal(rpc, "eth_getStorageAt", history.store, "0x0").expected == account[2].hex()
        assert refusal(rpc, "eth_call", {"to": history.store}).code == "chain.node"


@pytest.mark.parametrize("what", ["transaction_root", "receipt_root"])
def test_a_flipped_transaction_or_receipt_is_refused(history: History, copy: Path, what: str) -> None:
    flip_node(copy, getattr(header_of(copy, 4), what))
    with opened(copy) as rpc:
        for request in (("eth_getBlockByNumber", "0x4", True), ("eth_getTransactionReceipt", history.hashes[3])):
            assert refusal(rpc, *request).code == "chain.node"
        assert rpc("eth_getTransactionReceipt", history.hashes[2])["status"] == "0x1"
    report = fsck(copy)
    assert (3, "chain.node") in codes(report)
    assert {finding.where for finding in report.findings if finding.check in (3, 5)} == {"block 4"}


def test_a_missing_node_is_refused(history: History, copy: Path) -> None:
    edit(copy, "DELETE FROM node WHERE hash = ?", header_of(copy, 4).transaction_root)
    with opened(copy) as rpc:
        assert refusal(rpc, "eth_getBlockByNumber", "0x4", False).message == "a stored value is missing"
    assert not fsck(copy).ok


@pytest.mark.parametrize("column", ["header", "hash"])
def test_a_flipped_header_is_refused_and_so_is_what_links_to_it(history: History, copy: Path, column: str) -> None:
    with contextlib.closing(sqlite3.connect(copy)) as db:
        (value,) = db.execute(f"SELECT {column} FROM block WHERE number = 4").fetchone()
    edit(copy, f"UPDATE block SET {column} = ? WHERE number = 4", flipped(value, random.Random(1)))
    with opened(copy) as rpc:
        for number in ("0x3", "0x4", *(["0x5"] if column == "hash" else [])):
            assert refusal(rpc, "eth_getBlockByNumber", number, False).code == "chain.header"
        assert "block 4" in refusal(rpc, "eth_getBlockByNumber", "0x4", False).message
        assert refusal(rpc, "eth_getLogs", {"fromBlock": "0x0"}).code == "chain.header"
        assert rpc("eth_getBlockByNumber", "0x2", False)["number"] == "0x2"
    assert any(finding.where == "block 4" and finding.check == 3 for finding in fsck(copy).findings)


def test_a_header_rewritten_with_its_hash_no_longer_fits_its_neighbours(history: History, copy: Path) -> None:
    header = header_of(copy, 4)
    fields = {name: getattr(header, name) for name in Header.__slots__} | {"timestamp": header.timestamp + 1}
    forged = Header(**fields)
    edit(copy, "UPDATE block SET header = ?, hash = ? WHERE number = 4", forged.encode(), forged.hash)
    with opened(copy) as rpc:
        assert "block 5 does not follow block 4" in refusal(rpc, "eth_getBlockByNumber", "0x4", False).message
    assert (3, "fsck.differs") in codes(fsck(copy))


def test_a_block_that_was_removed_is_missed(history: History, copy: Path) -> None:
    edit(copy, "DELETE FROM block WHERE number = 4")
    with opened(copy) as rpc:
        assert refusal(rpc, "eth_getBlockByNumber", "0x4", False).message == "block 4 is missing"
        assert refusal(rpc, "eth_getLogs", {"fromBlock": "0x0"}).code == "chain.header"
    assert (3, "fsck.gap") in codes(fsck(copy))


def test_a_last_block_that_was_removed_is_missed_before_anything_is_built_on_the_one_before(
    history: History, copy: Path
) -> None:
    edit(copy, "DELETE FROM block WHERE number = ?", history.head)
    with opened(copy) as rpc:
        assert refusal(rpc, "eth_blockNumber").code == "chain.head"
        assert refusal(rpc, "eth_sendRawTransaction", "0x" + history.hand.sign(nonce=7).hex()).code == "chain.head"
    assert (3, "fsck.differs") in codes(fsck(copy))


def test_an_index_entry_that_points_elsewhere_is_refused(history: History, copy: Path) -> None:
    edit(copy, "UPDATE tx SET block = 5 WHERE hash = ?", bytes.fromhex(history.hashes[3][2:]))
    with opened(copy) as rpc:
        assert refusal(rpc, "eth_getTransactionByHash", history.hashes[3]).code == "chain.tx_index"
        assert refusal(rpc, "eth_getTransactionReceipt", history.hashes[3]).code == "chain.tx_index"
    (finding,) = fsck(copy).findings
    assert (finding.check, finding.where) == (7, f"transaction {history.hashes[3][2:]}")


def test_an_index_entry_that_is_missing_or_too_many_is_found_by_fsck(history: History, copy: Path) -> None:
    tx_hash = bytes.fromhex(history.hashes[3][2:])
    edit(copy, "DELETE FROM tx WHERE hash = ?", tx_hash)
    assert {(7, "fsck.differs")} == codes(fsck(copy))
    edit(copy, "INSERT INTO tx VALUES (?, 4, 0)", tx_hash)
    assert fsck(copy).ok
    edit(copy, "INSERT INTO tx VALUES (?, 4, 0)", b"\7" * 32)
    assert {(7, "fsck.differs")} == codes(fsck(copy))


def test_changed_genesis_parameters_contradict_block_0(history: History, copy: Path) -> None:
    with contextlib.closing(sqlite3.connect(copy)) as db:
        (value,) = db.execute("SELECT value FROM meta WHERE key = 'genesis'").fetchone()
    edit(
        copy,
        "UPDATE meta SET value = ? WHERE key = 'genesis'",
        value.replace(b'"base_fee":1000000000', b'"base_fee":1000000001'),
    )
    with pytest.raises(VerificationFailed) as refused:
        EmbeddedProvider(copy)
    assert refused.value.code == "chain.genesis"
    assert not fsck(copy).ok
    edit(
        copy,
        "UPDATE meta SET value = ? WHERE key = 'genesis'",
        value.replace(b"1000000000000000000", b"1000000000000000001", 1),
    )
    assert (2, "fsck.differs") in codes(fsck(copy))  # a balance shows in the state root alone


def test_state_that_follows_from_no_transaction_is_found_by_executing_again(history: History, copy: Path) -> None:
    # an attacker with the file, but without keys: writes a head whose state gives them money, every hash right
    file = ChainFile(copy, read_only=True)
    header = header_of(copy, history.head)
    from tallystick.chain.embedded.accounts import Accounts, Source

    accounts = Accounts(Source(file.node, file.value), header.state_root)
    accounts.set_balance(b"\x66" * 20, 10**24)
    root, nodes, _ = accounts.seal()
    file.close()
    forged = Header(**{name: getattr(header, name) for name in Header.__slots__} | {"state_root": root})
    with contextlib.closing(sqlite3.connect(copy)) as db, db:
        db.executemany("INSERT OR IGNORE INTO node VALUES (?, ?)", [(d, encoded) for d, (encoded, _) in nodes.items()])
        db.execute(
            "UPDATE block SET header = ?, hash = ? WHERE number = ?", (forged.encode(), forged.hash, history.head)
        )
        db.execute("UPDATE meta SET value = ? WHERE key = 'head'", (history.head.to_bytes(8, "big") + forged.hash,))
    with opened(copy) as rpc:  # reading cannot know
        assert rpc("eth_getBalance", "0x" + "66" * 20) == hex(10**24)
    report = fsck(copy)
    found = [finding for finding in report.findings if finding.message == "state_root is wrong"]
    assert [(finding.check, finding.where, finding.got) for finding in found] == [
        (5, f"block {history.head}", root.hex())
    ]


def test_fsck_counts_what_it_no_longer_lists(history: History, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tallystick.chain.embedded.fsck.FSCK_FINDINGS_MAX", 3)
    with contextlib.closing(sqlite3.connect(copy)) as db, db:
        db.execute("UPDATE node SET value = x'00'")
    report = fsck(copy)
    assert len(report.findings) == 3
    assert report.faults > 20


def test_a_replay_that_sweeps_its_store_comes_to_the_same_end(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick.chain.embedded.replay.FSCK_NODES_HELD_MAX", 10)
    assert fsck(history.path).ok
