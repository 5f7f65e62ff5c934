"""Blocks, transactions, receipts and logs as JSON-RPC shows them (ethereum/execution-apis)."""

from __future__ import annotations

from typing import Any, TypeAlias

from eth._utils.address import generate_contract_address

from tallystick.chain.embedded.codec import decode, encode
from tallystick.chain.embedded.header import Header
from tallystick.chain.embedded.ledger import Block, Body
from tallystick.chain.embedded.params import hex_of
from tallystick.chain.embedded.receipt import Log
from tallystick.chain.embedded.transaction import ACCESS_LIST, LEGACY, SET_CODE, Transaction

Json: TypeAlias = dict[str, Any]


def block_json(block: Block, body: Body, *, full: bool) -> Json:
    """Return a block with its transactions, whole or as hashes."""
    size = len(encode([decode(block.header.encode()), [_body_item(tx) for tx in body.transactions], [], []]))
    transactions: list[Any] = [
        transaction_json(block, body, index) if full else hex_of(tx.hash) for index, tx in enumerate(body.transactions)
    ]
    return header_json(block.header) | {
        "hash": hex_of(block.hash),
        "nonce": hex_of(block.header.nonce),
        "logsBloom": hex_of(block.header.bloom),
        "size": hex_of(size),
        "transactions": transactions,
    }


def pending_json(header: Header) -> Json:
    """Return the block that would be built now: no hash, no transactions, for there is no queue."""
    return header_json(header) | {"hash": None, "nonce": None, "logsBloom": None, "size": "0x0", "transactions": []}


def header_json(header: Header) -> Json:
    """Return the fields that a block has before it is sealed."""
    return {
        "parentHash": hex_of(header.parent_hash),
        "sha3Uncles": hex_of(header.uncles_hash),
        "miner": hex_of(header.coinbase),
        "stateRoot": hex_of(header.state_root),
        "transactionsRoot": hex_of(header.transaction_root),
        "receiptsRoot": hex_of(header.receipt_root),
        "difficulty": hex_of(header.difficulty),
        "totalDifficulty": "0x0",
        "number": hex_of(header.number),
        "gasLimit": hex_of(header.gas_limit),
        "gasUsed": hex_of(header.gas_used),
        "timestamp": hex_of(header.timestamp),
        "extraData": hex_of(header.extra_data),
        "mixHash": hex_of(header.mix_hash),
        "baseFeePerGas": hex_of(header.base_fee),
        "withdrawalsRoot": hex_of(header.withdrawals_root),
        "withdrawals": [],
        "blobGasUsed": hex_of(header.blob_gas_used),
        "excessBlobGas": hex_of(header.excess_blob_gas),
        "parentBeaconBlockRoot": hex_of(header.beacon_root),
        "requestsHash": hex_of(header.requests_hash),
        "uncles": [],
    }


def transaction_json(block: Block, body: Body, index: int) -> Json:
    """Return one transaction of a block."""
    tx = body.transactions[index]
    shown: Json = {
        "blockHash": hex_of(block.hash),
        "blockNumber": hex_of(block.number),
        "transactionIndex": hex_of(index),
        "hash": hex_of(tx.hash),
        "type": hex_of(tx.type_id),
        "chainId": hex_of(tx.chain_id),
        "nonce": hex_of(tx.nonce),
        "from": hex_of(tx.sender),
        "to": hex_of(tx.to) if tx.to else None,
        "value": hex_of(tx.value),
        "gas": hex_of(tx.gas),
        "gasPrice": hex_of(effective_gas_price(tx, block.header.base_fee)),
        "input": hex_of(tx.data),
        "v": hex_of(tx.v),
        "r": hex_of(tx.r),
        "s": hex_of(tx.s),
    }
    if tx.type_id == LEGACY:
        return shown
    shown["yParity"] = hex_of(tx.v)
    shown["accessList"] = [
        {"address": hex_of(address), "storageKeys": [hex_of(slot.to_bytes(32, "big")) for slot in slots]}
        for address, slots in tx.access_list
    ]
    if tx.type_id == ACCESS_LIST:
        return shown
    shown["maxFeePerGas"] = hex_of(tx.max_fee_per_gas)
    shown["maxPriorityFeePerGas"] = hex_of(tx.max_priority_fee_per_gas)
    if tx.type_id == SET_CODE:
        shown["authorizationList"] = [
            {
                "chainId": hex_of(item.chain_id),
                "address": hex_of(item.address),
                "nonce": hex_of(item.nonce),
                "yParity": hex_of(item.y_parity),
                "r": hex_of(item.r),
                "s": hex_of(item.s),
            }
            for item in tx.authorization_list
        ]
    return shown


def receipt_json(block: Block, body: Body, index: int, first_log: int | None = None) -> Json:
    """Return the receipt of one transaction; `first_log` saves counting when the caller knows it."""
    tx, receipt = body.transactions[index], body.receipts[index]
    start = body.first_log(index) if first_log is None else first_log
    created = None if tx.to else bytes(generate_contract_address(tx.sender, tx.nonce))
    return {
        "transactionHash": hex_of(tx.hash),
        "transactionIndex": hex_of(index),
        "blockHash": hex_of(block.hash),
        "blockNumber": hex_of(block.number),
        "from": hex_of(tx.sender),
        "to": hex_of(tx.to) if tx.to else None,
        "cumulativeGasUsed": hex_of(receipt.cumulative_gas),
        "gasUsed": hex_of(body.gas_used(index)),
        "contractAddress": None if created is None else hex_of(created),
        "logs": [log_json(block, tx, index, start + offset, log) for offset, log in enumerate(receipt.logs)],
        "logsBloom": hex_of(receipt.bloom.to_bytes(256, "big")),
        "type": hex_of(receipt.type_id),
        "status": hex_of(receipt.status),
        "effectiveGasPrice": hex_of(effective_gas_price(tx, block.header.base_fee)),
    }


def log_json(block: Block, tx: Transaction, index: int, log_index: int, log: Log) -> Json:
    """Return one log; `log_index` counts within the block."""
    return {
        "address": hex_of(log.address),
        "topics": [hex_of(topic) for topic in log.topics],
        "data": hex_of(log.data),
        "blockHash": hex_of(block.hash),
        "blockNumber": hex_of(block.number),
        "blockTimestamp": hex_of(block.header.timestamp),
        "transactionHash": hex_of(tx.hash),
        "transactionIndex": hex_of(index),
        "logIndex": hex_of(log_index),
        "removed": False,
    }


def effective_gas_price(tx: Transaction, base_fee: int) -> int:
    """Return what a unit of gas cost the sender, in wei."""
    return min(tx.max_fee_per_gas, base_fee + tx.max_priority_fee_per_gas)


def _body_item(tx: Transaction) -> Any:
    return decode(tx.raw) if tx.type_id == LEGACY else tx.raw
