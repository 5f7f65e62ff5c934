"""A chain file with some of everything, what it answers while it is sound, and a way to ask it all again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tallystick.chain.embedded import EmbeddedProvider, Genesis, create
from tallystick.core.errors import TallystickError, VerificationFailed
from tests.chain.embedded.ledger_kit import FUNDS, START, Clock, Hand, Refused, Rpc

STORE = "36600c575f545f5260205ff35b5f355f5500"
LOGGER = "335f5260205fa000"


def initcode(runtime: str) -> bytes:
    size = f"{len(runtime) // 2:04x}"
    return bytes.fromhex(f"61{size}600c5f3961{size}5ff3{runtime}")


class History:
    """A chain file with some of everything, and what it answers while it is sound."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "chain.db"
        hand = Hand(1)
        others = {bytes([n]) * 20: n * 10**18 for n in range(1, 40)}
        create(self.path, Genesis(timestamp=START, balances={hand.raw_address: FUNDS, **others}))
        rpc = Rpc(EmbeddedProvider(self.path, clock=Clock()))
        self.store = rpc.send(hand.sign(to=None, value=0, data=initcode(STORE), gas=500_000))["contractAddress"]
        self.logger = rpc.send(hand.sign(to=None, value=0, data=initcode(LOGGER), gas=500_000))["contractAddress"]
        for value in range(1, 6):
            rpc.send(hand.sign(to=self.store, value=0, data=value.to_bytes(32, "big")))
        raws = [hand.sign(to=self.logger, value=0) for _ in range(40)]
        rpc.provider.make_batch_request([("eth_sendRawTransaction", ["0x" + raw.hex()]) for raw in raws])  # type: ignore[misc]
        self.hand, self.raws = hand, raws
        self.head = int(rpc("eth_blockNumber"), 16)
        self.hashes = [
            tx for n in range(self.head + 1) for tx in rpc("eth_getBlockByNumber", hex(n), False)["transactions"]
        ]
        self.block_hashes = [rpc("eth_getBlockByNumber", hex(n), False)["hash"] for n in range(self.head + 1)]
        self.requests = self._requests()
        self.answers = {repr(request): rpc(*request) for request in self.requests}
        rpc.provider.close()  # the last connection moves the write-ahead log into the file

    def _requests(self) -> list[Any]:
        wanted: list[Any] = [("eth_blockNumber",), ("eth_chainId",), ("eth_getLogs", {"fromBlock": "0x0"})]
        wanted += [("eth_getBlockByNumber", hex(n), True) for n in range(self.head + 2)]
        wanted += [("eth_getBlockByHash", digest, False) for digest in self.block_hashes]
        wanted += [("eth_getTransactionReceipt", tx) for tx in self.hashes[::5]]
        for n in (0, 3, self.head):
            wanted += [("eth_getStorageAt", self.store, "0x0", hex(n)), ("eth_getCode", self.logger, hex(n))]
            wanted += [("eth_getBalance", "0x" + (bytes([m]) * 20).hex(), hex(n)) for m in range(1, 40, 3)]
            wanted += [("eth_getProof", self.store, ["0x0"], hex(n))]
        return [*wanted, ("eth_call", {"to": self.store})]


LOOKUPS = ("eth_getTransactionReceipt", "eth_getBlockByHash")


def ask_everything(history: History, path: Path) -> bool:
    """Ask all that was asked of the sound file; whether something was refused. An answer must be as it was, or none."""
    is_refused = False
    try:
        provider = EmbeddedProvider(path, clock=Clock())
    except TallystickError:
        return True
    rpc = Rpc(provider)
    for request in history.requests:
        try:
            answer = rpc(*request)
        except VerificationFailed:
            is_refused = True
            continue
        except Refused:  # "header not found": a block that is hidden
            is_refused = True
            continue
        if answer is None and request[0] in LOOKUPS:
            is_refused = True  # a damaged index key hides its entry; fsck finds it
            continue
        assert answer == history.answers[repr(request)], request
    provider.close()
    return is_refused
