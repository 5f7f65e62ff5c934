"""Blocks, transactions, receipts and proofs as values, read from a node's answers.

Each class has one `read`, which accepts exactly the fields the Ethereum JSON-RPC names and raises InvalidInput
"rpc.answer" otherwise. That a value was read says only that the node said so; `evidence.py` recomputes what can be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from tallystick.chain.calls import Log
from tallystick.chain.wire import (
    bad_answer,
    optional,
    read_address,
    read_data,
    read_fixed,
    read_flag,
    read_hash,
    read_list,
    read_object,
    read_quantity,
    write_data,
)
from tallystick.core.limits import EXTRA_DATA_BYTES_MAX

T = TypeVar("T")

_read_bloom = read_fixed(256)
_read_8 = read_fixed(8)


@dataclass(frozen=True)
class Transaction:
    """A transaction a node knows; the place fields are None while it is pending."""

    hash: bytes
    type: int
    sender: str
    to: str | None
    nonce: int
    value: int
    data: bytes
    gas: int
    gas_price: int
    cap: int | None
    tip: int | None
    block_hash: bytes | None
    block_number: int | None
    index: int | None

    @classmethod
    def read(cls, value: object, what: str = "transaction") -> Transaction:
        """Read one element of eth_getTransactionByHash or of a full block."""
        get = _Fields(value, what)
        cap = get("maxFeePerGas", optional(read_quantity))
        return cls(
            hash=get("hash", read_hash),
            type=get("type", optional(read_quantity)) or 0,
            sender=get("from", read_address),
            to=get("to", optional(read_address)),
            nonce=get("nonce", read_quantity),
            value=get("value", read_quantity),
            data=get("input", read_data),
            gas=get("gas", read_quantity),
            gas_price=cap if cap is not None and not get.has("gasPrice") else get("gasPrice", read_quantity),
            cap=cap,
            tip=get("maxPriorityFeePerGas", optional(read_quantity)),
            block_hash=get("blockHash", optional(read_hash)),
            block_number=get("blockNumber", optional(read_quantity)),
            index=get("transactionIndex", optional(read_quantity)),
        )


@dataclass(frozen=True)
class Block:
    """A block header with its transaction hashes, and the transactions themselves where they were asked for.

    Fees are wei per gas, `timestamp` seconds since 1970. The optional fields are those that forks added; None where
    the chain has not forked that far, and then they are not part of the hash.
    """

    number: int
    hash: bytes
    parent_hash: bytes
    timestamp: int
    base_fee: int | None
    gas_limit: int
    gas_used: int
    beneficiary: str
    state_root: bytes
    transactions_root: bytes
    receipts_root: bytes
    logs_bloom: bytes = field(repr=False)
    ommers_hash: bytes = field(repr=False)
    difficulty: int = field(repr=False)
    extra_data: bytes = field(repr=False)
    mix_hash: bytes = field(repr=False)
    nonce: bytes = field(repr=False)
    withdrawals_root: bytes | None = field(repr=False)
    blob_gas_used: int | None = field(repr=False)
    excess_blob_gas: int | None = field(repr=False)
    parent_beacon_root: bytes | None = field(repr=False)
    requests_hash: bytes | None = field(repr=False)
    transactions: tuple[bytes, ...] = field(repr=False)
    full_transactions: tuple[Transaction, ...] | None = field(repr=False, default=None)

    @classmethod
    def read(cls, value: object, *, full: bool = False, what: str = "block") -> Block:
        """Read the answer of eth_getBlockByNumber or eth_getBlockByHash."""
        get = _Fields(value, what)
        extra_data = get("extraData", read_data)
        if len(extra_data) > EXTRA_DATA_BYTES_MAX:
            raise bad_answer(f"{what}.extraData", f"at most {EXTRA_DATA_BYTES_MAX} bytes", f"{len(extra_data)} bytes")
        bodies = get("transactions", lambda v, w: read_list(v, w, Transaction.read)) if full else None
        return cls(
            number=get("number", read_quantity),
            hash=get("hash", read_hash),
            parent_hash=get("parentHash", read_hash),
            timestamp=get("timestamp", read_quantity),
            base_fee=get("baseFeePerGas", optional(read_quantity)),
            gas_limit=get("gasLimit", read_quantity),
            gas_used=get("gasUsed", read_quantity),
            beneficiary=get("miner", read_address),
            state_root=get("stateRoot", read_hash),
            transactions_root=get("transactionsRoot", read_hash),
            receipts_root=get("receiptsRoot", read_hash),
            logs_bloom=get("logsBloom", _read_bloom),
            ommers_hash=get("sha3Uncles", read_hash),
            difficulty=get("difficulty", read_quantity),
            extra_data=extra_data,
            mix_hash=get("mixHash", read_hash),
            nonce=get("nonce", _read_8),
            withdrawals_root=get("withdrawalsRoot", optional(read_hash)),
            blob_gas_used=get("blobGasUsed", optional(read_quantity)),
            excess_blob_gas=get("excessBlobGas", optional(read_quantity)),
            parent_beacon_root=get("parentBeaconBlockRoot", optional(read_hash)),
            requests_hash=get("requestsHash", optional(read_hash)),
            transactions=tuple(body.hash for body in bodies)
            if bodies is not None
            else get("transactions", lambda v, w: read_list(v, w, read_hash)),
            full_transactions=bodies,
        )


@dataclass(frozen=True)
class TxReceipt:
    """What a mined transaction did. `succeeded` is False for one that reverted and was paid for nonetheless."""

    transaction_hash: bytes
    transaction_index: int
    block_hash: bytes
    block_number: int
    sender: str
    to: str | None
    contract_address: str | None
    succeeded: bool
    type: int
    gas_used: int
    cumulative_gas_used: int
    effective_gas_price: int
    logs_bloom: bytes = field(repr=False)
    logs: tuple[Log, ...]

    @classmethod
    def read(cls, value: object, what: str = "receipt") -> TxReceipt:
        """Read the answer of eth_getTransactionReceipt, or one element of eth_getBlockReceipts."""
        get = _Fields(value, what)
        receipt = cls(
            transaction_hash=get("transactionHash", read_hash),
            transaction_index=get("transactionIndex", read_quantity),
            block_hash=get("blockHash", read_hash),
            block_number=get("blockNumber", read_quantity),
            sender=get("from", read_address),
            to=get("to", optional(read_address)),
            contract_address=get("contractAddress", optional(read_address)),
            succeeded=get("status", read_flag),
            type=get("type", optional(read_quantity)) or 0,
            gas_used=get("gasUsed", read_quantity),
            cumulative_gas_used=get("cumulativeGasUsed", read_quantity),
            effective_gas_price=get("effectiveGasPrice", optional(read_quantity)) or 0,
            logs_bloom=get("logsBloom", _read_bloom),
            logs=get("logs", lambda v, w: read_list(v, w, read_log)),
        )
        for i, log in enumerate(receipt.logs):
            place = (log.block_hash, log.block_number, log.transaction_hash, log.transaction_index)
            own = (receipt.block_hash, receipt.block_number, receipt.transaction_hash, receipt.transaction_index)
            if place != own:
                raise bad_answer(f"{what}.logs[{i}]", "a log of this transaction", "one of another")
        return receipt

    def to_rpc(self) -> dict[str, object]:
        """Return the receipt in the letters that `read` reads."""
        place = {
            "transactionHash": write_data(self.transaction_hash),
            "transactionIndex": hex(self.transaction_index),
            "blockHash": write_data(self.block_hash),
            "blockNumber": hex(self.block_number),
        }
        return {
            **place,
            "from": self.sender,
            "to": self.to,
            "contractAddress": self.contract_address,
            "status": hex(self.succeeded),
            "type": hex(self.type),
            "gasUsed": hex(self.gas_used),
            "cumulativeGasUsed": hex(self.cumulative_gas_used),
            "effectiveGasPrice": hex(self.effective_gas_price),
            "logsBloom": write_data(self.logs_bloom),
            "logs": [
                {
                    **place,
                    "address": log.address,
                    "topics": [write_data(topic) for topic in log.topics],
                    "data": write_data(log.data),
                    "logIndex": hex(log.log_index),
                }
                for log in self.logs
            ],
        }


@dataclass(frozen=True)
class SlotProof:
    """One storage slot with the trie nodes that lead to it."""

    slot: int
    value: int
    nodes: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True)
class AccountProof:
    """One account with the trie nodes that lead to it; check it with `evidence.verify_account_proof`."""

    address: str
    balance: int
    nonce: int
    code_hash: bytes
    storage_root: bytes
    nodes: tuple[bytes, ...] = field(repr=False)
    slots: tuple[SlotProof, ...]

    @classmethod
    def read(cls, value: object, what: str = "proof") -> AccountProof:
        """Read the answer of eth_getProof."""
        get = _Fields(value, what)
        return cls(
            address=get("address", read_address),
            balance=get("balance", read_quantity),
            nonce=get("nonce", read_quantity),
            code_hash=get("codeHash", read_hash),
            storage_root=get("storageHash", read_hash),
            nodes=get("accountProof", lambda v, w: read_list(v, w, read_data)),
            slots=get("storageProof", lambda v, w: read_list(v, w, _read_slot)),
        )


def read_log(value: object, what: str = "log") -> Log:
    """Read one log of a receipt or of eth_getLogs; a log that was removed or is pending is malformed here."""
    get = _Fields(value, what)
    topics = get("topics", lambda v, w: read_list(v, w, read_hash))
    if len(topics) > 4:
        raise bad_answer(f"{what}.topics", "at most 4", len(topics))
    if get.has("removed") and get("removed", lambda v, _: v) is not False:
        raise bad_answer(f"{what}.removed", "false", get("removed", lambda v, _: v))
    return Log(
        address=get("address", read_address),
        topics=topics,
        data=get("data", read_data),
        block_number=get("blockNumber", read_quantity),
        block_hash=get("blockHash", read_hash),
        transaction_hash=get("transactionHash", read_hash),
        transaction_index=get("transactionIndex", read_quantity),
        log_index=get("logIndex", read_quantity),
    )


def _read_slot(value: object, what: str) -> SlotProof:
    get = _Fields(value, what)
    return SlotProof(
        slot=get("key", read_quantity),
        value=get("value", read_quantity),
        nodes=get("proof", lambda v, w: read_list(v, w, read_data)),
    )


class _Fields:
    """Reads one field of an object at a time; an absent field reads as null."""

    def __init__(self, value: object, what: str) -> None:
        self._object: Mapping[str, object] = read_object(value, what)
        self._what = what

    def __call__(self, name: str, read: Callable[[object, str], T]) -> T:
        return read(self._object.get(name), f"{self._what}.{name}")

    def has(self, name: str) -> bool:
        return self._object.get(name) is not None
