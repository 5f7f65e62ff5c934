"""Executing without keeping: `eth_call`, gas estimates and access lists.

A simulated message has no signature and, unless it names a fee, pays none; then the block's base fee counts as zero, as
in geth. Everything happens in an `Accounts` that is thrown away.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

from eth import exceptions
from eth_abi.abi import decode as abi_decode
from eth_abi.exceptions import DecodingError

from tallystick.chain.embedded.accounts import NOBODY, Accounts
from tallystick.chain.embedded.fault import REVERTED, SERVER, RpcFault
from tallystick.chain.embedded.header import Header
from tallystick.chain.embedded.ledger import Ledger
from tallystick.chain.embedded.params import hex_of
from tallystick.chain.embedded.rules import Computation, gas_used
from tallystick.chain.embedded.transaction import (
    DYNAMIC_FEE,
    SET_CODE,
    Authorization,
    Transaction,
    minimum_gas,
)
from tallystick.core.errors import Broken, TallystickError
from tallystick.core.limits import INITCODE_BYTES_MAX, LEDGER_CALL_GAS_MAX, LEDGER_CALL_S

_STIPEND: Final = 2_300

# what geth says for each way a computation can fail
_FAILURES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (exceptions.OutOfGas, "out of gas"),
    (exceptions.InsufficientStack, "stack underflow"),
    (exceptions.FullStack, "stack limit reached 1024"),
    (exceptions.InvalidJumpDestination, "invalid jump destination"),
    (exceptions.InvalidInstruction, "invalid opcode"),
    (exceptions.InsufficientFunds, "insufficient balance for transfer"),
    (exceptions.StackDepthLimit, "max call depth exceeded"),
    (exceptions.ContractCreationCollision, "contract address collision"),
    (exceptions.WriteProtection, "write protection"),
    (exceptions.OutOfBoundsRead, "return data out of bounds"),
    (exceptions.ReservedBytesInCode, "invalid code: must not begin with 0xef"),
)

# https://docs.soliditylang.org/en/latest/control-structures.html#panic-via-assert-and-error-via-require
_PANICS: Final = {
    0x00: "generic panic",
    0x01: "assert(false)",
    0x11: "arithmetic underflow or overflow",
    0x12: "division or modulo by zero",
    0x21: "enum overflow",
    0x22: "invalid encoded storage byte array accessed",
    0x31: "out-of-bounds array access; popping on an empty array",
    0x32: "out-of-bounds access of an array or bytesN",
    0x41: "out of memory",
    0x51: "uninitialized function",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a caller wants tried; fees in wei per gas, None where the caller leaves it open."""

    sender: bytes
    to: bytes
    data: bytes
    value: int
    gas: int | None
    max_fee: int | None
    tip: int | None
    nonce: int | None
    access_list: tuple[tuple[bytes, tuple[int, ...]], ...]
    authorizations: tuple[Authorization, ...]


class Simulation:
    """A state and a block in which messages are tried, one after another, each from the same start."""

    def __init__(self, ledger: Ledger, accounts: Accounts, header: Header, message: Message) -> None:
        self._accounts = accounts
        self._header = header
        self._message = message
        self._price = message.max_fee or 0
        # a message that pays nothing sees a base fee of nothing
        self._state = ledger.state(accounts, header, None if self._price else 0)
        if self._price and self._price < header.base_fee:
            raise RpcFault(
                SERVER,
                f"max fee per gas less than block base fee: address {hex_of(message.sender)}, "
                f"maxFeePerGas: {self._price}, baseFee: {header.base_fee}",
                place="tx.fee",
            )
        if not message.to and len(message.data) > INITCODE_BYTES_MAX:
            text = f"max initcode size exceeded: code size {len(message.data)} limit {INITCODE_BYTES_MAX}"
            raise RpcFault(SERVER, text, place="tx.initcode")

    def run(self, gas: int) -> Any:
        """Return the finished computation with this gas limit.

        raises  RpcFault -32000 when the message could not even start, or takes longer than LEDGER_CALL_S
        """
        tx = self._transaction(gas)
        self._accounts.discard(0)
        self._accounts.lock_changes()
        least = minimum_gas(tx.to, tx.data, tx.access_list, len(tx.authorization_list))
        if gas < least:
            raise RpcFault(
                SERVER, f"intrinsic gas too low: gas {gas}, minimum needed {least}", place="tx.intrinsic_gas"
            )
        balance = (self._accounts.account(tx.sender) or NOBODY).balance
        want = gas * self._price + tx.value
        if balance < want:
            text = f"insufficient funds for gas * price + value: address {hex_of(tx.sender)} have {balance} want {want}"
            raise RpcFault(SERVER, text, place="tx.funds")
        self._state.deadline = time.monotonic() + LEDGER_CALL_S
        try:
            return self._state.apply_transaction(tx)
        except TallystickError:
            raise
        except Exception as error:
            raise Broken("ledger.execution", "the EVM failed", got=f"{type(error).__name__}: {error}") from error

    def call(self) -> bytes:
        """Return the output, or raise the failure as `failure` words it."""
        computation = self.run(min(self._message.gas or LEDGER_CALL_GAS_MAX, LEDGER_CALL_GAS_MAX))
        if computation.is_error:
            raise failure(computation)
        return bytes(computation.output)

    def estimate(self) -> int:
        """Return the least gas limit with which the message succeeds.

        raises  RpcFault 3 or -32000 when it succeeds with none
        """
        high = min(self._message.gas or self._header.gas_limit, LEDGER_CALL_GAS_MAX)
        if self._price:
            balance = (self._accounts.account(self._message.sender) or NOBODY).balance
            if balance < self._message.value:
                raise RpcFault(SERVER, "insufficient funds for transfer", place="tx.funds")
            high = min(high, (balance - self._message.value) // self._price)
        least = minimum_gas(
            self._message.to, self._message.data, self._message.access_list, len(self._message.authorizations)
        )
        if high < least:
            raise RpcFault(SERVER, f"gas required exceeds allowance ({high})", place="tx.gas")
        computation = self.run(high)
        if computation.is_error:
            if isinstance(computation.error, exceptions.OutOfGas):
                raise RpcFault(SERVER, f"gas required exceeds allowance ({high})", place="tx.gas")
            raise failure(computation)
        # What is used is too little where refunds came back at the end or a callee kept a 64th in hand, so search;
        # the first guess pays both and is nearly always right.
        used = gas_used(self._transaction(high), computation)
        low = max(least, used) - 1
        guess = (used + computation.get_gas_refund() + _STIPEND) * 64 // 63
        while low + 1 < high:
            middle = guess if low < guess < high else (low + high) // 2
            guess = 0
            if self.run(middle).is_error:
                low = middle
            else:
                high = middle
        return high

    def access_list(self) -> tuple[list[tuple[bytes, list[int]]], int, str | None]:
        """Return (what the message touches beyond sender, target and precompiles, gas used, failure if any)."""
        gas = min(self._message.gas or self._header.gas_limit, LEDGER_CALL_GAS_MAX)
        computation = self.run(gas)
        target = computation.msg.storage_address
        implied = {self._message.sender, target, self._header.coinbase, *Computation.get_precompiles()}
        found: dict[bytes, list[int]] = {}
        for address, slot in self._accounts.warm():
            if slot is None:
                if address not in implied:
                    found.setdefault(address, [])
            else:
                found.setdefault(address, []).append(slot)
        error = failure(computation).message if computation.is_error else None
        return (
            [(address, sorted(slots)) for address, slots in sorted(found.items())],
            gas_used(self._transaction(gas), computation),
            error,
        )

    def _transaction(self, gas: int) -> Transaction:
        message = self._message
        tip = self._price if message.tip is None else min(message.tip, self._price)
        return Transaction(
            type_id=SET_CODE if message.authorizations else DYNAMIC_FEE,
            chain_id=0,
            nonce=0,
            max_priority_fee_per_gas=tip,
            max_fee_per_gas=self._price,
            gas=gas,
            to=message.to,
            value=message.value,
            data=message.data,
            access_list=message.access_list,
            authorization_list=message.authorizations,
            v=0,
            r=0,
            s=0,
            sender=message.sender,
            hash=bytes(32),
            raw=b"",
        )


def failure(computation: Any) -> RpcFault:
    """Return what a real node answers for a computation that failed."""
    error = computation.error
    if isinstance(error, exceptions.Revert):
        output = bytes(computation.output)
        reason = revert_reason(output)
        text = f"execution reverted: {reason}" if reason is not None else "execution reverted"
        return RpcFault(REVERTED, text, place="evm.revert", data=hex_of(output))
    for kind, text in _FAILURES:
        if isinstance(error, kind):
            return RpcFault(SERVER, text, place="evm.failed")
    return RpcFault(SERVER, f"execution failed: {type(error).__name__}", place="evm.failed")


def revert_reason(output: bytes) -> str | None:
    """Return the text of `Error(string)` or the meaning of `Panic(uint256)`, None for anything else."""
    try:
        if output[:4] == bytes.fromhex("08c379a0"):
            return str(abi_decode(["string"], output[4:])[0])
        if output[:4] == bytes.fromhex("4e487b71"):
            code = int(abi_decode(["uint256"], output[4:])[0])
            return _PANICS.get(code, f"unknown panic code: {code:#x}")
    except (DecodingError, UnicodeDecodeError, OverflowError):
        pass
    return None
