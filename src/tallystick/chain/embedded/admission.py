"""Whether a transaction may enter the next block; the words are geth's, so that wallets and libraries know them."""

from __future__ import annotations

from typing import Any

from tallystick.chain.embedded.accounts import NOBODY, Accounts
from tallystick.chain.embedded.fault import SERVER, RpcFault
from tallystick.chain.embedded.rules import is_delegation
from tallystick.chain.embedded.transaction import SET_CODE, Transaction, minimum_gas
from tallystick.core.limits import INITCODE_BYTES_MAX, LEDGER_TX_GAS_MAX


def check_form(tx: Transaction) -> None:
    """Refuse what no state could make acceptable.

    raises  RpcFault -32000
    """
    if tx.max_fee_per_gas < tx.max_priority_fee_per_gas:
        _refuse(
            "tx.tip",
            f"max priority fee per gas higher than max fee per gas: address {_hex(tx.sender)}, "
            f"maxPriorityFeePerGas: {tx.max_priority_fee_per_gas}, maxFeePerGas: {tx.max_fee_per_gas}",
        )
    if tx.type_id == SET_CODE and not tx.authorization_list:
        _refuse("tx.auths", "EIP-7702 transaction with empty auth list")
    if tx.nonce >= 2**64 - 1:
        _refuse("tx.nonce_max", f"nonce has max value: address {_hex(tx.sender)}, nonce: {tx.nonce}")
    if not tx.to and len(tx.data) > INITCODE_BYTES_MAX:
        _refuse("tx.initcode", f"max initcode size exceeded: code size {len(tx.data)} limit {INITCODE_BYTES_MAX}")
    least = minimum_gas(tx.to, tx.data, tx.access_list, len(tx.authorization_list))
    if tx.gas < least:
        _refuse("tx.intrinsic_gas", f"intrinsic gas too low: gas {tx.gas}, minimum needed {least}")
    if tx.gas > LEDGER_TX_GAS_MAX:
        _refuse("tx.gas_max", f"transaction gas limit too high (cap: {LEDGER_TX_GAS_MAX}, tx: {tx.gas})")


def check_state(accounts: Accounts, tx: Transaction, base_fee: int, gas_left: int) -> None:
    """Refuse what the state or the block under construction does not allow.

    raises  RpcFault -32000
    """
    account = accounts.account(tx.sender) or NOBODY
    if tx.nonce < account.nonce:
        _refuse("tx.nonce_low", f"nonce too low: next nonce {account.nonce}, tx nonce {tx.nonce}")
    if tx.nonce > account.nonce:
        _refuse(
            "tx.nonce_high",
            f"nonce too high: next nonce {account.nonce}, tx nonce {tx.nonce}; "
            "this ledger executes at once and keeps no queue",
        )
    if tx.max_fee_per_gas < base_fee:
        _refuse(
            "tx.fee",
            f"max fee per gas less than block base fee: address {_hex(tx.sender)}, "
            f"maxFeePerGas: {tx.max_fee_per_gas}, baseFee: {base_fee}",
        )
    want = tx.gas * tx.max_fee_per_gas + tx.value
    if account.balance < want:
        _refuse(
            "tx.funds",
            f"insufficient funds for gas * price + value: address {_hex(tx.sender)} have {account.balance} want {want}",
        )
    if tx.gas > gas_left:
        _refuse("tx.block_gas", "exceeds block gas limit")
    code: Any = accounts.get_code(tx.sender)
    if code and not is_delegation(code):
        _refuse("tx.sender_code", f"sender not an eoa: address {_hex(tx.sender)}, len(code): {len(code)}")


def _refuse(place: str, message: str) -> None:
    raise RpcFault(SERVER, message, place=place)


def _hex(address: bytes) -> str:
    return "0x" + address.hex()
