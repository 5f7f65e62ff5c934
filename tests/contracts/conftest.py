"""A ledger for contract tests: real EVM rules, a few rich accounts, a clock that tests turn.

`send` does what the outbox does: simulate first, so that a refusal surfaces as Rejected with the contract's reason,
then send for real.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tallystick.chain.abi import Event
from tallystick.chain.accounts import Account, TransactionFields
from tallystick.chain.bindings.log_anchor import LogAnchor
from tallystick.chain.bindings.model_registry import ModelRegistry
from tallystick.chain.calls import BlockId, Call, Log
from tallystick.chain.embedded import EmbeddedProvider, Genesis, create
from tallystick.chain.embedded.genesis import CHAIN_ID
from tallystick.chain.fees import Fees
from tallystick.chain.node import Node
from tallystick.contracts import artifact
from tallystick.core import merkle
from tallystick.core.digest import sha256
from tallystick.core.errors import Rejected

GAS = 16_000_000
FEES = Fees(cap=10**11, tip=0)


@dataclass(frozen=True)
class Mined:
    """What came of a transaction."""

    gas_used: int
    logs: tuple[Log, ...]
    time: int
    created: str | None


class Ledger:
    """An embedded ledger with a block per transaction; `time` is the timestamp of the next block."""

    def __init__(self, path: Path, chain_id: int = CHAIN_ID) -> None:
        accounts = [Account(bytes([n]) * 32) for n in range(1, 9)]
        self.secrets = {account.address: bytes([n]) * 32 for n, account in enumerate(accounts, 1)}
        self.accounts = [account.address for account in accounts]
        self._signers = {account.address: account for account in accounts}
        self.time = 1_700_000_000
        create(path, Genesis(self.time, chain_id, balances={bytes.fromhex(a[2:]): 10**24 for a in self.accounts}))
        self.node = Node(EmbeddedProvider(path, clock=lambda: self.time))
        self.chain_id = self.node.chain_id
        self._nonces = dict.fromkeys(self.accounts, 0)

    def call(self, to: str, data: bytes, *, at: BlockId = "latest", sender: str | None = None, value: int = 0) -> bytes:
        """Return what the contract answers; raise Rejected with its reason."""
        return self.node.call(to, data, at=at, sender=sender, value=value)

    def send(self, call: Call, sender: str) -> Mined:
        """Simulate, then mine the call in a block of its own."""
        if call.to is not None:
            self.call(call.to, call.data, sender=sender, value=call.value)
        fields = TransactionFields(
            chain_id=self.chain_id,
            nonce=self._nonces[sender],
            to=call.to,
            data=call.data,
            value=call.value,
            gas=GAS,
            fees=FEES,
        )
        signed = self._signers[sender].sign_transaction(fields)
        receipt = self.node.receipt(self.node.send_raw(signed.raw))
        assert receipt is not None
        assert receipt.succeeded
        self._nonces[sender] += 1
        mined_at, self.time = self.time, self.time + 12
        return Mined(receipt.gas_used, receipt.logs, mined_at, receipt.contract_address)

    def deploy(self, initcode: bytes) -> str:
        """Create a contract from the first account and return its address."""
        created = self.send(Call(None, initcode), self.accounts[0]).created
        assert created is not None
        return created


@pytest.fixture(scope="session")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """One ledger for the whole run: tests make their own contracts, models and logs on it."""
    made = Ledger(tmp_path_factory.mktemp("ledger") / "chain.db")
    yield made
    made.node.close()


@pytest.fixture
def registry(ledger: Ledger) -> ModelRegistry:
    """A registry that nobody used yet."""
    return ModelRegistry(ledger, ledger.deploy(artifact("ModelRegistry").bytecode))


@pytest.fixture
def anchor(ledger: Ledger) -> LogAnchor:
    """A log anchor that nobody used yet."""
    return LogAnchor(ledger, ledger.deploy(artifact("LogAnchor").bytecode))


@pytest.fixture
def refused() -> Callable[[str], AbstractContextManager[None]]:
    """`with refused("module: reason"):` passes only if the block is refused for exactly that reason."""

    @contextmanager
    def expect(reason: str) -> Iterator[None]:
        with pytest.raises(Rejected) as caught:
            yield
        assert caught.value.code == reason

    return expect


@pytest.fixture
def events() -> Callable[[Mined, Mapping[bytes, type[Event]]], list[Event]]:
    """Decode every log of a transaction with a binding's EVENTS."""
    return lambda mined, known: [known[log.topics[0]].decode(log) for log in mined.logs]


@pytest.fixture(scope="session")
def synthetic_proof() -> Callable[[int, int, bytes], tuple[bytes, bytes, list[bytes]]]:
    """Make (old root, new root, consistency proof) for trees too large to build: invent subtrees, fold them."""

    def make(old_size: int, new_size: int, seed: bytes) -> tuple[bytes, bytes, list[bytes]]:
        ranges = merkle.consistency_ranges(old_size, new_size)
        known = {place: sha256(seed + repr(place).encode()) for place in [*ranges, (0, old_size)]}
        if old_size & (old_size - 1):
            del known[0, old_size]

        def fold(start: int, end: int) -> bytes:
            if (start, end) in known:
                return known[start, end]
            split = start + (1 << (end - start - 1).bit_length() - 1)
            return merkle.node_hash(fold(start, split), fold(split, end))

        return fold(0, old_size), fold(0, new_size), [known[place] for place in ranges]

    return make
