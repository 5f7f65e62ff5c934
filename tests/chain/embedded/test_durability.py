"""What was acknowledged is there: after a kill at any moment, from any of several processes, on a full disk."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tallystick.chain.embedded import EmbeddedProvider, Genesis, create, status
from tallystick.chain.embedded.fsck import fsck
from tallystick.core.errors import Broken, InvalidInput, Unavailable, VerificationFailed
from tests.chain.embedded.ledger_kit import FUNDS, START, Clock, Hand, Rpc

WRITER = Path(__file__).with_name("crash_writer.py")
ROUNDS = 60 if os.environ.get("TALLYSTICK_LONG") else 8


def write_and_kill(path: Path, rounds: int, batch: int, *seeds: int) -> dict[int, list[str]]:
    """Return what the killed writers of each seed had been told was in the chain."""
    command = [sys.executable, str(WRITER), *map(str, (path, rounds, batch, *seeds))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    return {int(seed): hashes for seed, hashes in json.loads(done.stdout).items()}


@pytest.mark.parametrize("batch", [1, 25])
def test_a_writer_killed_at_any_moment_loses_nothing_that_it_acknowledged(
    chain_path: Path, open_chain: Callable[..., Rpc], batch: int
) -> None:
    acknowledged = write_and_kill(chain_path, ROUNDS, batch, 1)[1]
    rpc = open_chain()
    for tx_hash in acknowledged:
        assert rpc("eth_getTransactionReceipt", tx_hash)["status"] == "0x1"
    assert int(rpc("eth_getTransactionCount", Hand(1).address), 16) >= len(acknowledged) >= ROUNDS * batch
    report = fsck(chain_path)
    assert report.ok, report.findings


def test_several_processes_write_one_file_and_each_sees_its_own(
    chain_path: Path, open_chain: Callable[..., Rpc]
) -> None:
    acknowledged = write_and_kill(chain_path, 2, 1, 1, 2, 3)
    rpc = open_chain()
    for seed, hashes in acknowledged.items():
        assert hashes
        for tx_hash in hashes:
            assert rpc("eth_getTransactionByHash", tx_hash)["value"] == hex(seed)
    assert fsck(chain_path).ok


def test_two_open_chains_take_turns_and_each_builds_on_the_others_block(
    open_chain: Callable[..., Rpc], hands: list[Hand]
) -> None:
    one, two = open_chain(), open_chain()
    for turn in range(6):
        receipt = (one, two)[turn % 2].send(hands[turn % 2].sign())
        assert int(receipt["blockNumber"], 16) == turn + 1
        assert one("eth_blockNumber") == two("eth_blockNumber") == hex(turn + 1)
    recipient = "0x" + "11" * 20
    assert one("eth_getBalance", recipient) == two("eth_getBalance", recipient) == hex(6)


def test_a_writer_that_waits_too_long_for_another_is_told_to_try_again(
    chain_path: Path, hands: list[Hand], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick.chain.embedded.sqlite.LEDGER_LOCK_WAIT_S", 0.1)
    rpc = Rpc(EmbeddedProvider(chain_path))
    other = sqlite3.connect(chain_path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    raw = hands[0].sign()
    with pytest.raises(Unavailable) as refused:
        rpc.send(raw)
    assert refused.value.code == "chain.locked"
    assert rpc("eth_blockNumber") == "0x0"  # reading goes on
    other.execute("ROLLBACK")
    other.close()
    assert rpc.send(raw)["status"] == "0x1"
    rpc.provider.close()


FULL = """
import resource, signal, sys
sys.path.insert(0, {folder!r})
from tests.chain.embedded.ledger_kit import Hand
from tallystick.chain.embedded import EmbeddedProvider
from tallystick.core.errors import Broken
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
provider, hand = EmbeddedProvider({path!r}), Hand(1)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
while True:
    raw = hand.sign(data=bytes(range(1, 200)) * 50, gas=900_000)
    try:
        answer = provider.make_request("eth_sendRawTransaction", ["0x" + raw.hex()])
    except Broken as error:
        assert error.code == "chain.storage", error
        assert provider.make_request("eth_blockNumber", [])["result"]
        print("full", hand.nonce - 1)
        break
    print(answer["result"], flush=True)
"""


def test_a_full_disk_refuses_and_loses_nothing(chain_path: Path, open_chain: Callable[..., Rpc]) -> None:
    limit = 400_000  # bytes of the write-ahead log
    script = FULL.format(folder=str(Path(__file__).parents[3]), path=str(chain_path), limit=limit)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    *acknowledged, last = done.stdout.split("\n")[:-1]
    assert last.startswith("full ")
    assert acknowledged
    rpc = open_chain()
    assert int(rpc("eth_blockNumber"), 16) == len(acknowledged)
    for tx_hash in acknowledged:
        assert rpc("eth_getTransactionReceipt", tx_hash) is not None
    assert fsck(chain_path).ok
    hand = Hand(1)
    hand.nonce = len(acknowledged)
    assert rpc.send(hand.sign())["status"] == "0x1"


READ = """
import os, sys
from tallystick.chain.embedded import EmbeddedProvider, status
if os.geteuid() == 0:
    os.setuid(65_534)  # root may write anywhere
provider = EmbeddedProvider({path!r}, read_only=True)
print(provider.make_request("eth_blockNumber", [])["result"], status({path!r}).transactions)
"""


def test_a_chain_in_a_folder_that_cannot_be_written_can_be_read(
    open_chain: Callable[..., Rpc], hands: list[Hand]
) -> None:
    rpc = open_chain()
    rpc.send(hands[0].sign())
    path = rpc.provider.node.ledger.file.path
    rpc.provider.close()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(path, folder / "chain.db")
        folder.chmod(0o555)
        (folder / "chain.db").chmod(0o444)
        command = [sys.executable, "-c", READ.format(path=str(folder / "chain.db"))]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.stdout == "0x1 1\n", done.stderr
        assert [each.name for each in folder.iterdir()] == ["chain.db"]


def test_a_status_tells_what_a_file_holds(open_chain: Callable[..., Rpc], hands: list[Hand]) -> None:
    rpc = open_chain()
    rpc.send(hands[0].sign())
    path = rpc.provider.node.ledger.file.path
    found, block = status(path), rpc("eth_getBlockByNumber", "latest", False)
    assert (found.chain_id, found.block, found.transactions) == (1337, 1, 1)
    assert "0x" + found.block_hash.hex() == block["hash"]
    assert "0x" + found.genesis_hash.hex() == block["parentHash"]
    assert (found.timestamp, found.base_fee) == (int(block["timestamp"], 16), int(block["baseFeePerGas"], 16))
    assert found.bytes > path.stat().st_size  # the write-ahead log is part of it


def test_creating_a_chain_over_another_is_refused_and_leaves_it_alone(chain_path: Path, rpc: Rpc) -> None:
    before = rpc("eth_getBlockByNumber", "0x0", False)
    with pytest.raises(InvalidInput) as refused:
        create(chain_path, Genesis(timestamp=START))
    assert refused.value.code == "chain.exists"
    assert rpc("eth_getBlockByNumber", "0x0", False) == before


def test_the_same_genesis_gives_the_same_chain_and_another_gives_another(tmp_path: Path) -> None:
    balances = {bytes([n]) * 20: n * 10**18 for n in range(1, 5)}
    variants = [
        Genesis(timestamp=START, balances=balances),
        Genesis(timestamp=START, balances=dict(reversed(balances.items()))),
        Genesis(timestamp=START + 1, balances=balances),
        Genesis(timestamp=START, balances=balances, chain_id=7),
        Genesis(timestamp=START, balances={**balances, bytes([1]) * 20: 1}),
    ]
    hashes = []
    for number, genesis in enumerate(variants):
        create(tmp_path / f"{number}.db", genesis)
        provider = EmbeddedProvider(tmp_path / f"{number}.db", clock=Clock())
        hashes.append(Rpc(provider)("eth_getBlockByNumber", "0x0", False)["hash"])
        assert Rpc(provider)("eth_chainId") == hex(genesis.chain_id)
        provider.close()
    assert hashes[0] == hashes[1]
    # the chain id is no header field: it is what every signature names
    assert hashes[3] == hashes[0]
    assert len(set(hashes)) == 3


def test_the_deployment_proxy_and_the_history_contract_are_there_from_the_start(rpc: Rpc, hands: list[Hand]) -> None:
    proxy, history = "0x4e59b44847b379578588920ca78fbf26c0b4956c", "0x0000f90827f1c53a10cb7a02335b175320002935"
    assert rpc("eth_getCode", proxy).startswith("0x7fffffff")
    code = bytes.fromhex("6001600c60003960016000f300")
    salt = bytes(32)
    answer = rpc("eth_call", {"to": proxy, "data": "0x" + (salt + code).hex()})
    assert rpc.send(hands[0].sign(to=proxy, value=0, data=salt + code, gas=200_000))["status"] == "0x1"
    assert rpc("eth_getCode", answer) == "0x00"
    rpc.send(hands[0].sign())
    for number in (0, 1):
        word = "0x" + number.to_bytes(32, "big").hex()
        block = rpc("eth_getBlockByNumber", hex(number), False)
        assert rpc("eth_call", {"to": history, "data": word}) == block["hash"]
    assert rpc.error("eth_call", {"to": history, "data": "0x" + (2).to_bytes(32, "big").hex()})["code"] == 3


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0", b"not a database" * 500])
def test_a_file_that_is_no_chain_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "chain.db"
    path.write_bytes(content)
    with pytest.raises((VerificationFailed, Broken)) as refused:
        EmbeddedProvider(path)
    assert refused.value.code == "chain.file"


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        EmbeddedProvider(tmp_path / "chain.db")
    assert refused.value.code == "chain.missing"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "fields",
    [
        {"chain_id": 0},
        {"timestamp": -1},
        {"gas_limit": 20_999},
        {"balances": {b"short": 1}},
        {"balances": {bytes(20): -1}},
        {"balances": {bytes(20): 2**200}},
        {"coinbase": b"\1"},
    ],
)
def test_genesis_parameters_out_of_range_are_refused(fields: dict[str, object]) -> None:
    Genesis(timestamp=START, balances={bytes(20): FUNDS})
    with pytest.raises(InvalidInput):
        Genesis(**{"timestamp": START, **fields})  # type: ignore[arg-type]
