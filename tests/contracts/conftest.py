"""A ledger for contract tests: real EVM rules, a few rich accounts, a clock that tests turn.

`send` does what the outbox does: simulate first, so that a refusal surfaces as Rejected with the contract's reason,
then send for real.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import pytest
from eth.chains.base import MiningChain
from eth.consensus import NoProofConsensus
from eth.db.atomic import AtomicDB
from eth.exceptions import Revert
from eth.vm.forks.prague import PragueVM
from eth.vm.spoof import SpoofTransaction
from eth_keys import keys

from tallystick.chain.abi import Event
from tallystick.chain.bindings.log_anchor import LogAnchor
from tallystick.chain.bindings.model_registry import ModelRegistry
from tallystick.chain.calls import BlockId, Call, Log
from tallystick.chain.reverts import ERROR_SELECTOR
from tallystick.contracts import artifact
from tallystick.core.errors import Rejected
from tallystick.core.ids import checksum_address

GAS = 20_000_000


@dataclass(frozen=True)
class Mined:
    """What came of a transaction."""

    gas_used: int
    logs: tuple[Log, ...]
    time: int
    created: str = ""


class Ledger:
    """One EVM with a block per transaction; `time` is the timestamp of the next block."""

    def __init__(self) -> None:
        secrets = [bytes([n]) * 32 for n in range(1, 9)]
        self.secrets = {
            checksum_address(keys.PrivateKey(secret).public_key.to_canonical_address()): secret for secret in secrets
        }
        self.accounts = list(self.secrets)
        self.time = 1_700_000_000
        self.chain_id = 1337
        rules = PragueVM.configure(consensus_class=NoProofConsensus)
        chain = MiningChain.configure(vm_configuration=((0, rules),), chain_id=self.chain_id)
        rich = {"balance": 10**24, "nonce": 0, "code": b"", "storage": {}}
        genesis = {"difficulty": 0, "gas_limit": 60_000_000, "timestamp": 1, "coinbase": b"\0" * 20}
        genesis |= {"nonce": b"\0" * 8, "mix_hash": b"\0" * 32, "extra_data": b""}
        self._chain = chain.from_genesis(AtomicDB(), genesis, {_raw(account): rich for account in self.accounts})

    def call(self, to: str, data: bytes, *, at: BlockId = "latest", sender: str | None = None, value: int = 0) -> bytes:
        """Return what the contract answers in the next block; raise Rejected with its reason."""
        self._chain.set_header_timestamp(self.time)
        vm = self._chain.get_vm(self._chain.header)
        origin = _raw(sender) if sender else b"\0" * 20
        nonce = vm.state.get_nonce(origin)
        unsigned = vm.create_unsigned_transaction(
            nonce=nonce, gas_price=0, gas=GAS, to=_raw(to), value=value, data=data
        )
        with vm.in_costless_state() as state:
            done = state.costless_execute_transaction(SpoofTransaction(unsigned, from_=origin))
        if done.is_error:
            raise Rejected(_reason(done), "reverted")
        return done.output

    def send(self, call: Call, sender: str) -> Mined:
        """Simulate, then mine the call in a block of its own."""
        if call.to is not None:
            self.call(call.to, call.data, sender=sender, value=call.value)
        self._chain.set_header_timestamp(self.time)
        vm = self._chain.get_vm(self._chain.header)
        secret = keys.PrivateKey(self.secrets[sender])
        signed = vm.create_unsigned_transaction(
            nonce=vm.state.get_nonce(_raw(sender)),
            gas_price=10**10,
            gas=GAS,
            to=_raw(call.to) if call.to else b"",
            value=call.value,
            data=call.data,
        ).as_signed_transaction(secret)
        _, receipt, done = self._chain.apply_transaction(signed)
        block = self._chain.mine_block()
        assert done.is_success, done.error
        mined_at, self.time = self.time, self.time + 12
        logs = tuple(
            Log(
                address=checksum_address(entry.address),
                topics=tuple(topic.to_bytes(32, "big") for topic in entry.topics),
                data=entry.data,
                block_number=block.number,
                block_hash=block.hash,
                transaction_hash=signed.hash,
                transaction_index=0,
                log_index=index,
            )
            for index, entry in enumerate(receipt.logs)
        )
        created = "" if call.to else checksum_address(done.msg.storage_address)
        return Mined(receipt.gas_used, logs, mined_at, created)

    def deploy(self, initcode: bytes) -> Mined:
        """Create a contract from the first account."""
        return self.send(Call(None, initcode), self.accounts[0])

    def code(self, address: str) -> bytes:
        """Return the code at an address."""
        return self._chain.get_vm(self._chain.header).state.get_code(_raw(address))


@pytest.fixture(scope="session")
def ledger() -> Ledger:
    """One ledger for the whole run: tests make their own contracts, models and logs on it."""
    return Ledger()


@pytest.fixture
def registry(ledger: Ledger) -> ModelRegistry:
    """A registry that nobody used yet."""
    return ModelRegistry(ledger, ledger.deploy(artifact("ModelRegistry").bytecode).created)


@pytest.fixture
def anchor(ledger: Ledger) -> LogAnchor:
    """A log anchor that nobody used yet."""
    return LogAnchor(ledger, ledger.deploy(artifact("LogAnchor").bytecode).created)


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


def _raw(address: str) -> bytes:
    return bytes.fromhex(address[2:])


def _reason(done: object) -> str:
    error = done.error  # type: ignore[attr-defined]
    output = done.output  # type: ignore[attr-defined]
    if isinstance(error, Revert) and output.startswith(ERROR_SELECTOR):
        length = int.from_bytes(output[36:68], "big")
        return str(output[68 : 68 + length].decode())
    return "reverted without a reason" if isinstance(error, Revert) else type(error).__name__
