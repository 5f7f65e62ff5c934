"""An EVM with nothing in it: code is put at addresses and called, and the gas it executes is told.

For those who make code and want to know what it does before it is on a chain. Prague rules, py-evm's own state, nothing
kept. Gas is that of execution alone: without the 21,000 of a transaction and without its calldata.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eth.constants import BLANK_ROOT_HASH
from eth.db.atomic import AtomicDB
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.prague.state import PragueState
from eth.vm.message import Message

from tallystick.core.errors import Broken
from tallystick.core.limits import LEDGER_CALL_GAS_MAX

_CALLER = b"\x11" * 20
_BLOCK = ExecutionContext(
    coinbase=bytes(20), timestamp=1, block_number=1, difficulty=0, mix_hash=bytes(32), gas_limit=LEDGER_CALL_GAS_MAX,
    prev_hashes=(), chain_id=1, base_fee_per_gas=1, excess_blob_gas=0,
)  # fmt: skip


@dataclass(frozen=True)
class Executed:
    """What a call did: its output or revert data, the gas it executed, and whether it went through."""

    output: bytes
    gas: int
    ok: bool


def transaction_gas(data: bytes, executed: int) -> int:
    """Return what a transaction with this calldata is charged for that executes so much gas and gets nothing back.

    source  EIP-2028: 4 for a zero byte, 16 for another; EIP-7623: at least 10 for each zero byte, 40 for another
    """
    tokens = 4 * len(data) - 3 * data.count(0)
    return 21_000 + max(4 * tokens + executed, 10 * tokens)


class ScratchEvm:
    """Accounts with code and storage, and nothing else. Calls change nothing, so that each is the first."""

    def __init__(self) -> None:
        self._codes: dict[bytes, bytes] = {}
        self._storages: dict[bytes, Mapping[int, int]] = {}

    def put(self, address: str, code: bytes, storage: Mapping[int, int] | None = None) -> None:
        """Let `code` be what runs at `address`, with `storage` by slot, all of it cold."""
        self._codes[bytes.fromhex(address[2:])] = code
        self._storages[bytes.fromhex(address[2:])] = storage or {}

    def call(self, address: str, data: bytes, gas: int = LEDGER_CALL_GAS_MAX) -> Executed:
        """Call the code at `address` as a transaction's target is called: it is warm, all others are cold."""
        state = self._state()
        to = bytes.fromhex(address[2:])
        state.mark_address_warm(to)
        context = state.transaction_context_class(gas_price=0, origin=_CALLER)
        try:
            message = Message(gas=gas, to=to, sender=_CALLER, value=0, data=data, code=self._codes.get(to, b""))
            done = state.computation_class.apply_message(state, message, context)
        except Exception as error:
            raise Broken("scratch.evm", "the EVM failed", got=f"{type(error).__name__}: {error}") from error
        return Executed(bytes(done.output), done.get_gas_used(), not done.is_error)

    def _state(self) -> Any:
        state = PragueState(AtomicDB(), _BLOCK, BLANK_ROOT_HASH)
        for address, code in self._codes.items():
            state.set_code(address, code)
            for slot, value in self._storages[address].items():
                state.set_storage(address, slot, value)
        state.lock_changes()
        return state
