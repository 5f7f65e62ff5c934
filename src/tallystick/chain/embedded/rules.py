"""Prague as this ledger runs it: py-evm's rules, with the deviations that the comparison with anvil found put right.

`RulesState` keeps py-evm's own account database and tries and is what `fsck` executes with; `LedgerState` runs the same
rules over `Accounts`. Read `docs/spec/chain.md` for each deviation and how it was found.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, ClassVar, Final

from eth._utils.address import generate_contract_address
from eth.vm.forks.byzantium.opcodes import ensure_no_static
from eth.vm.forks.cancun.logic import selfdestruct_eip6780
from eth.vm.forks.prague import PragueState
from eth.vm.forks.prague.computation import PragueComputation
from eth.vm.forks.prague.state import PragueTransactionExecutor
from eth.vm.forks.spurious_dragon._utils import collect_touched_accounts
from eth.vm.forks.tangerine_whistle.constants import GAS_SELFDESTRUCT_EIP150
from eth.vm.logic import flow
from eth.vm.message import Message
from eth.vm.opcode import as_opcode
from eth.vm.opcode_values import JUMP, JUMPI, SELFDESTRUCT

from tallystick.chain.embedded.accounts import Accounts
from tallystick.chain.embedded.codec import encode, integer
from tallystick.chain.embedded.fault import SERVER, RpcFault
from tallystick.chain.embedded.precompiles import MODEXP, POINT_EVALUATION, modexp, point_evaluation
from tallystick.chain.embedded.transaction import SET_CODE, recover
from tallystick.core.digest import keccak
from tallystick.core.limits import LEDGER_CALL_S

DELEGATION: Final = b"\xef\x01\x00"
HISTORY_ADDRESS: Final = bytes.fromhex("0000f90827f1c53a10cb7a02335b175320002935")
HISTORY_WINDOW: Final = 8_191

_AUTH_REFUND: Final = 25_000 - 12_500


def check_time(state: Any) -> None:
    """Return unless the execution has a deadline that is over.

    raises  RpcFault -32000, in geth's words
    """
    if state.deadline is not None and time.monotonic() > state.deadline:
        raise RpcFault(SERVER, f"execution aborted (timeout = {LEDGER_CALL_S:g}s)", place="evm.timeout")


def _timed(code: int, logic: Callable[[Any], None]) -> Any:
    """Return an instruction of py-evm's that looks at the clock before its logic."""

    def run(computation: Any) -> None:
        check_time(computation.state)
        logic(computation)

    opcode = PragueComputation.opcodes[code]
    return as_opcode(run, opcode.mnemonic, opcode.gas_cost)


class Computation(PragueComputation):  # type: ignore[misc]
    """One message's execution."""

    opcodes: ClassVar[dict[int, Any]] = {
        **PragueComputation.opcodes,
        # whatever takes long comes by one of these two, or by a message
        JUMP: _timed(JUMP, flow.jump),
        JUMPI: _timed(JUMPI, flow.jumpi),
        # the same instruction without py-evm's Python warning at every execution
        SELFDESTRUCT: as_opcode(ensure_no_static(selfdestruct_eip6780), "SELFDESTRUCT", GAS_SELFDESTRUCT_EIP150),
    }
    _precompiles: ClassVar[dict[bytes, Any]] = {
        **PragueComputation.get_precompiles(),
        MODEXP: modexp,
        POINT_EVALUATION: point_evaluation,
    }

    @classmethod
    def apply_computation(
        cls, state: Any, message: Any, transaction_context: Any, parent_computation: Any = None
    ) -> Any:
        check_time(state)
        return super().apply_computation(state, message, transaction_context, parent_computation)

    @property
    def is_origin_computation(self) -> bool:
        # py-evm asks whether the sender is the origin. With EIP-7702 an account with code can be the origin and call
        # on: its inner messages would forget the contracts created so far and pay for initcode again.
        return bool(self.msg.depth == 0)


class Executor(PragueTransactionExecutor):  # type: ignore[misc]
    """Runs one transaction: message, computation, refund, fee, deletions."""

    def build_evm_message(self, transaction: Any) -> Message:
        """Buy the gas, bump the nonce, apply authorizations; as py-evm does, without describing it to a logger."""
        state = self.vm_state
        sender = transaction.sender
        state.delta_balance(sender, -transaction.gas * state.get_gas_price(transaction))
        state.increment_nonce(sender)
        refund = self.calc_message_refund(transaction)
        created = None
        delegation = None
        if transaction.to:
            code, delegation = self.get_code_at_address(transaction.to)
        else:
            created = generate_contract_address(sender, state.get_nonce(sender) - 1)
            code = transaction.data
        return Message(
            gas=transaction.gas - transaction.intrinsic_gas,
            to=transaction.to,
            sender=sender,
            value=transaction.value,
            data=transaction.data if transaction.to else b"",
            code=code,
            create_address=created,
            refund=refund,
            is_delegation=delegation is not None,
        )

    def finalize_computation(self, transaction: Any, computation: Any) -> Any:
        """Return unused gas, pay the tip, delete what destroyed itself or was touched and is empty (EIP-161)."""
        state = self.vm_state
        remaining = computation.get_gas_remaining()
        used = transaction.gas - remaining
        refund = self.calculate_gas_refund(computation, used)
        computation.data_floor_gas = floor = self.calc_data_floor_gas(transaction, used, refund)
        state.delta_balance(computation.msg.sender, (remaining + refund - floor) * state.get_gas_price(transaction))
        state.delta_balance(state.coinbase, (used - refund + floor) * state.get_tip(transaction))
        for address in computation.get_accounts_for_deletion():
            state.delete_account(address)
        for address in collect_touched_accounts(computation):
            if state.account_exists(address) and state.account_is_empty(address):
                state.delete_account(address)
        return computation

    def calc_message_refund(self, transaction: Any) -> int:
        if transaction.type_id != SET_CODE:
            return 0
        return sum(apply_authorization(self.vm_state, item) for item in transaction.authorization_list)


class RulesState(PragueState):  # type: ignore[misc]
    """Prague state transitions over py-evm's account database."""

    computation_class = Computation
    transaction_executor_class = Executor
    deadline: float | None = None  # on the monotonic clock; what enters a block has none

    def set_system_contracts(self) -> None:
        """System contracts come with the genesis block."""


class LedgerExecutor(Executor):
    """The executor of a transaction that `admission` has already checked."""

    def validate_transaction(self, transaction: Any) -> None:
        """Nothing is left to check."""


class LedgerState(RulesState):
    """The same transitions over `Accounts`."""

    account_db_class = Accounts
    transaction_executor_class = LedgerExecutor

    accounts: Accounts

    def __init__(self, accounts: Accounts, context: Any, ancestor_hash: Any) -> None:
        self._db = None
        self.execution_context = context
        self._account_db = self.accounts = accounts
        self._ancestor_hash = ancestor_hash

    def delta_balance(self, address: bytes, delta: int) -> None:
        self.accounts.add_balance(address, delta)

    def snapshot(self) -> Any:
        return self.accounts.record()

    def revert(self, snapshot: Any) -> None:
        self.accounts.discard(snapshot)

    def commit(self, snapshot: Any) -> None:
        """Changes stay in the one undo log."""

    def get_transient_storage(self, address: bytes, slot: int) -> bytes:
        return self.accounts.get_transient(address, slot)

    def set_transient_storage(self, address: bytes, slot: int, value: bytes) -> None:
        self.accounts.set_transient(address, slot, value)

    def clear_transient_storage(self) -> None:
        """`lock_changes` does it when the next transaction begins."""

    def get_ancestor_hash(self, block_number: int) -> bytes:
        depth = self.block_number - block_number
        return bytes(self._ancestor_hash(block_number)) if 0 < depth <= 256 and block_number >= 0 else b""


def apply_authorization(state: Any, item: Any) -> int:
    """Let the signer of `item` point its account at a contract (EIP-7702); return the gas refunded.

    An entry that is not valid here is skipped, as the EIP says; damage found while reading state is not.
    """
    chain_id = state.execution_context.chain_id
    if item.chain_id not in (0, chain_id) or item.nonce >= 2**64 - 1:
        return 0
    digest = keccak(b"\x05" + encode([integer(item.chain_id), bytes(item.address), integer(item.nonce)]))
    try:
        authority = recover(digest, item.y_parity, item.r, item.s)
    except RpcFault:
        return 0
    state.mark_address_warm(authority)
    code = state.get_code(authority)
    if (code and not is_delegation(code)) or state.get_nonce(authority) != item.nonce:
        return 0
    refund = _AUTH_REFUND if state.account_exists(authority) else 0
    if item.address == bytes(20):
        state.delete_code(authority)
    else:
        state.set_code(authority, DELEGATION + item.address)
    state.increment_nonce(authority)
    return refund


def is_delegation(code: bytes) -> bool:
    """Whether account code is an EIP-7702 pointer."""
    return len(code) == 23 and code.startswith(DELEGATION)


def begin_block(state: Any, parent_hash: bytes) -> None:
    """Do what every block does before its transactions: remember the parent's hash (EIP-2935)."""
    if state.get_code(HISTORY_ADDRESS):
        slot = (state.block_number - 1) % HISTORY_WINDOW
        state.set_storage(HISTORY_ADDRESS, slot, int.from_bytes(parent_hash, "big"))


def gas_used(tx: Any, computation: Any) -> int:
    """Return what a finished computation costs: after refunds, at most a fifth (EIP-3529), and EIP-7623's floor.

    The executor returns the rest to the sender by the same sum. py-evm's own receipts cap the refund after adding the
    floor, so that its receipts and its balances disagree where both apply.
    """
    used = tx.gas - computation.get_gas_remaining()
    refund = min(computation.get_gas_refund(), used // 5)
    return int(used - refund + computation.data_floor_gas)
