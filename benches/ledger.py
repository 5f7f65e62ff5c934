"""The embedded ledger beside anvil: the same pre-signed transactions, each node asked in its own best way.

One at a time both are asked through web3.py: the ledger in process, anvil over loopback HTTP. In batches both take
1,000 in one JSON-RPC batch and put them in one block. Every transaction that the ledger acknowledges is on the disk;
anvil keeps its chain in memory.
"""

from __future__ import annotations

import contextlib
import json
import random
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coincurve import PrivateKey
from web3 import HTTPProvider, Web3

import benches
from tallystick.chain.embedded import EmbeddedProvider, Genesis, create
from tallystick.chain.embedded.codec import encode, integer
from tallystick.chain.embedded.file import ChainFile
from tallystick.chain.embedded.fsck import fsck
from tallystick.chain.embedded.transaction import decode_transaction
from tallystick.core.digest import keccak
from tests.anvil_node import KEYS, find_anvil, running_anvil

QUESTION = "How many durable transactions does the embedded ledger take in a second, beside anvil?"

CHAIN_ID = 1_337
BATCH = 1_000
# deployed code: SSTORE(CALLER, number of this call), LOG1 of it; about what a small registry does
COUNTER = bytes.fromhex("335460010180" + "3355" + "5f52" + "3360205fa100")


class Signer:
    """Signs transactions of one account, quickly."""

    def __init__(self, key: str) -> None:
        self._key = PrivateKey(bytes.fromhex(key[2:]))
        self.address = keccak(self._key.public_key.format(compressed=False)[1:])[12:]
        self.nonce = 0

    def sign(self, to: bytes, data: bytes = b"", gas: int = 21_000) -> bytes:
        """Return the next EIP-1559 transaction, raw."""
        fields = [integer(n) for n in (CHAIN_ID, self.nonce, 1, 10**11, gas)]
        fields += [to, integer(1 if not data and to else 0), data, []]  # type: ignore[list-item]
        self.nonce += 1
        signature = self._key.sign_recoverable(keccak(b"\x02" + encode(fields)), hasher=None)
        r, s = (int.from_bytes(part) for part in (signature[:32], signature[32:64]))
        return b"\x02" + encode([*fields, integer(signature[64]), integer(r), integer(s)])


def run(quick: bool) -> dict[str, Any]:
    """Measure; `quick` with a twentieth of the transactions."""
    singles, batches, opened = (60, 2, 2_000) if quick else (1_000, 10, 100_000)
    raws = _transfers(singles, batches * BATCH)
    calls = _calls(batches * BATCH // 2)
    figures: dict[str, float] = {}
    peer: dict[str, float] = {}
    with benches.scratch() as folder:
        figures |= _ledger(folder, raws, singles, calls)
        figures |= _opening(folder, opened)
    figures |= _recovery(raws[:500])
    notes = [f"opening is that of a chain of {opened:,} transactions, with its first answer"]
    if find_anvil() is None:
        notes.append("anvil is not installed: no peer")
        return {"figures": figures, "notes": notes}
    peer = _anvil(raws, singles)
    for name, rate in peer.items():
        figures[name.replace("tx_per_s", "ratio_to_anvil")] = figures[name] / rate
    return {"figures": figures, "peer": peer, "notes": notes}


def _transfers(singles: int, batched: int) -> list[bytes]:
    rng, signer = random.Random(1), Signer(KEYS[0])
    return [signer.sign(rng.randbytes(20)) for _ in range(singles + batched)]


def _calls(count: int) -> list[bytes]:
    """Return a deployment and then calls of what it deploys, by another account."""
    signer = Signer(KEYS[1])
    size = len(COUNTER).to_bytes(2, "big")
    code = b"\x61" + size + bytes.fromhex("600c5f39") + b"\x61" + size + bytes.fromhex("5ff3") + COUNTER
    address = keccak(encode([signer.address, b""]))[12:]
    return [signer.sign(b"", code, 200_000), *(signer.sign(address, b"\1", 100_000) for _ in range(count))]


def _ledger(folder: Path, raws: list[bytes], singles: int, calls: list[bytes]) -> dict[str, float]:
    """Measure sending on two files, one for each way, so that the bytes of each can be told."""
    one, many = folder / "one.db", folder / "many.db"
    _create(one)
    _create(many)
    with contextlib.closing(EmbeddedProvider(one)) as provider:
        figures = {"single_tx_per_s": _one_by_one(Web3(provider), raws[:singles])}
    with contextlib.closing(EmbeddedProvider(many)) as provider:
        _in_batches(provider, raws[:singles])
        figures["batch_tx_per_s"] = _in_batches(provider, raws[singles:])
    figures["single_bytes_per_tx"] = _bytes(one) / singles
    figures["batch_bytes_per_tx"] = _bytes(many) / len(raws)
    with contextlib.closing(EmbeddedProvider(many)) as provider:
        _in_batches(provider, calls[:1])
        figures["batch_call_per_s"] = _in_batches(provider, calls[1:])
    start = time.perf_counter()
    report = fsck(one)
    if not report.ok:
        raise RuntimeError(f"fsck found faults: {report.findings[:3]}")
    figures["fsck_tx_per_s"] = report.transactions / (time.perf_counter() - start)
    return figures | _checked_reads(one)


def _checked_reads(path: Path) -> dict[str, float]:
    """Return how fast stored values are read, with and without checking each against its hash."""
    file = ChainFile(path, read_only=True)
    hashes = [row[0] for row in file._reader.execute("SELECT hash FROM node LIMIT 3000")]

    def checked() -> int:
        for digest in hashes:
            file.value(digest)
        return len(hashes)

    def bare() -> int:
        for digest in hashes:
            file._one("SELECT value FROM node WHERE hash = ?", digest)
        return len(hashes)

    figures = {"read_checked_per_s": benches.per_second(checked), "read_unchecked_per_s": benches.per_second(bare)}
    file.close()
    return figures


def _opening(folder: Path, transactions: int) -> dict[str, float]:
    path = folder / "long.db"
    _create(path)
    signer = Signer(KEYS[0])
    rng = random.Random(2)
    with contextlib.closing(EmbeddedProvider(path)) as provider:
        for _ in range(transactions // BATCH):
            _in_batches(provider, [signer.sign(rng.randbytes(20)) for _ in range(BATCH)])
    times = []
    for _ in range(5):
        start = time.perf_counter()
        with contextlib.closing(EmbeddedProvider(path)) as provider:
            provider.make_request("eth_getBalance", ["0x" + signer.address.hex(), "latest"])  # type: ignore[arg-type]
            times.append(time.perf_counter() - start)
    return {"open_ms": sorted(times)[2] * 1_000, "long_bytes_per_tx": _bytes(path) / transactions}


def _recovery(raws: list[bytes]) -> dict[str, float]:
    def work() -> int:
        for raw in raws:
            decode_transaction(raw, CHAIN_ID)
        return len(raws)

    return {"decode_and_recover_per_s": benches.per_second(work)}


def _anvil(raws: list[bytes], singles: int) -> dict[str, float]:
    """Measure anvil: mining at once for each transaction, then told to mine after each batch, which is its fastest."""
    with running_anvil("--accounts", "3", chain_id=CHAIN_ID) as node:
        figures = {"single_tx_per_s": _one_by_one(Web3(HTTPProvider(node.url)), raws[:singles])}
    with running_anvil("--accounts", "3", "--no-mining", "--gas-limit", "1000000000", chain_id=CHAIN_ID) as node:
        sender = "0x" + Signer(KEYS[0]).address.hex()
        for start in (0, singles):
            began = time.perf_counter()
            sent = raws[:singles] if start == 0 else raws[singles:]
            for batch in _batches(sent):
                _post(node.url, batch)
                node.rpc("evm_mine")
            if int(node.rpc("eth_getTransactionCount", sender, "latest"), 16) != start + len(sent):
                raise RuntimeError("anvil left transactions behind")
            figures["batch_tx_per_s"] = len(sent) / (time.perf_counter() - began)
    return figures


def _post(url: str, batch: list[bytes]) -> None:
    requests = [
        {"jsonrpc": "2.0", "id": n, "method": "eth_sendRawTransaction", "params": ["0x" + raw.hex()]}
        for n, raw in enumerate(batch)
    ]
    request = urllib.request.Request(url, json.dumps(requests).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        refused = [each["error"] for each in json.loads(answer.read()) if "error" in each]
    if refused:
        raise RuntimeError(f"anvil refused: {refused[0]}")


def _one_by_one(web3: Web3, raws: list[bytes]) -> float:
    start = time.perf_counter()
    for raw in raws:
        web3.eth.send_raw_transaction(raw)
    return len(raws) / (time.perf_counter() - start)


def _in_batches(provider: EmbeddedProvider, raws: list[bytes]) -> float:
    start = time.perf_counter()
    for batch in _batches(raws):
        requests = [("eth_sendRawTransaction", ["0x" + raw.hex()]) for raw in batch]
        answers: Any = provider.make_batch_request(requests)  # type: ignore[arg-type]
        if any("error" in each for each in answers):
            raise RuntimeError(f"the ledger refused: {next(each for each in answers if 'error' in each)}")
    return len(raws) / (time.perf_counter() - start)


def _batches(raws: list[bytes]) -> Iterator[list[bytes]]:
    for start in range(0, len(raws), BATCH):
        yield raws[start : start + BATCH]


def _create(path: Path) -> None:
    create(path, Genesis(timestamp=int(time.time()), balances={Signer(key).address: 10**25 for key in KEYS}))


def _bytes(path: Path) -> int:
    return sum(each.stat().st_size for each in path.parent.glob(f"{path.name}*"))
