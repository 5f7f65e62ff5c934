"""RPC methods about the chain itself: who it is, its blocks, transactions and receipts."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from tallystick.chain.embedded.header import ZERO_ADDRESS
from tallystick.chain.embedded.ledger import Block
from tallystick.chain.embedded.node import CLIENT, EmbeddedNode
from tallystick.chain.embedded.params import BlockId, Params, hex_of
from tallystick.chain.embedded.render import block_json, pending_json, receipt_json, transaction_json


def client_version(node: EmbeddedNode, values: Sequence[Any]) -> str:
    Params(values, 0)
    return f"{CLIENT}/v{version('tallystick')}/embedded"


def net_version(node: EmbeddedNode, values: Sequence[Any]) -> str:
    Params(values, 0)
    return str(node.ledger.chain_id)


def net_listening(node: EmbeddedNode, values: Sequence[Any]) -> bool:
    Params(values, 0)
    return True


def net_peer_count(node: EmbeddedNode, values: Sequence[Any]) -> str:
    Params(values, 0)
    return "0x0"


def chain_id(node: EmbeddedNode, values: Sequence[Any]) -> str:
    Params(values, 0)
    return hex_of(node.ledger.chain_id)


def syncing(node: EmbeddedNode, values: Sequence[Any]) -> bool:
    Params(values, 0)
    return False


def accounts(node: EmbeddedNode, values: Sequence[Any]) -> list[str]:
    Params(values, 0)
    return []


def coinbase(node: EmbeddedNode, values: Sequence[Any]) -> str:
    Params(values, 0)
    return hex_of(node.ledger.genesis.coinbase or ZERO_ADDRESS)


def block_number(node: EmbeddedNode, values: Sequence[Any]) -> str:
    Params(values, 0)
    return hex_of(node.ledger.head().number)


def block_by_number(node: EmbeddedNode, values: Sequence[Any]) -> Any:
    params = Params(values, 2)
    params.value(0)
    wanted, full = params.block(0), params.flag(1)
    if wanted.tag == "pending":
        return pending_json(node.next_header(node.ledger.head()))
    return _block(node, node.find(wanted), full)


def block_by_hash(node: EmbeddedNode, values: Sequence[Any]) -> Any:
    params = Params(values, 2)
    return _block(node, node.find(BlockId(hash=params.hash(0))), params.flag(1))


def transaction_count_by_number(node: EmbeddedNode, values: Sequence[Any]) -> Any:
    params = Params(values, 1)
    params.value(0)
    return _count(node, node.find(params.block(0)))


def transaction_count_by_hash(node: EmbeddedNode, values: Sequence[Any]) -> Any:
    return _count(node, node.find(BlockId(hash=Params(values, 1).hash(0))))


def uncle_count_by_number(node: EmbeddedNode, values: Sequence[Any]) -> Any:
    params = Params(values, 1)
    params.value(0)
    return None if node.find(params.block(0)) is None else "0x0"


def uncle_count_by_hash(node: EmbeddedNode, values: Sequence[Any]) -> Any:
    return None if node.find(BlockId(hash=Params(values, 1).hash(0))) is None else "0x0"


def transaction_by_hash(node: EmbeddedNode, values: Sequence[Any]) -> Any:
    found = node.ledger.find(Params(values, 1).hash(0))
    return None if found is None else transaction_json(*found)


def transaction_by_number_and_index(node: EmbeddedNode, values: Sequence[Any]) -> Any:
    params = Params(values, 2)
    params.value(0)
    return _transaction(node, node.find(params.block(0)), params.quantity(1))


def transaction_by_hash_and_index(node: EmbeddedNode, values: Sequence[Any]) -> Any:
    params = Params(values, 2)
    return _transaction(node, node.find(BlockId(hash=params.hash(0))), params.quantity(1))


def raw_transaction(node: EmbeddedNode, values: Sequence[Any]) -> Any:
    found = node.ledger.find(Params(values, 1).hash(0))
    return None if found is None else hex_of(found[1].transactions[found[2]].raw)


def transaction_receipt(node: EmbeddedNode, values: Sequence[Any]) -> Any:
    found = node.ledger.find(Params(values, 1).hash(0))
    return None if found is None else receipt_json(*found)


def block_receipts(node: EmbeddedNode, values: Sequence[Any]) -> Any:
    params = Params(values, 1)
    params.value(0)
    block = node.find(params.block(0))
    if block is None:
        return None
    body = node.ledger.body(block)
    shown, first_log = [], 0
    for index, receipt in enumerate(body.receipts):
        shown.append(receipt_json(block, body, index, first_log))
        first_log += len(receipt.logs)
    return shown


def _block(node: EmbeddedNode, block: Block | None, full: bool) -> Any:
    return None if block is None else block_json(block, node.ledger.body(block), full=full)


def _count(node: EmbeddedNode, block: Block | None) -> Any:
    return None if block is None else hex_of(len(node.ledger.body(block).transactions))


def _transaction(node: EmbeddedNode, block: Block | None, index: int) -> Any:
    if block is None:
        return None
    body = node.ledger.body(block)
    return transaction_json(block, body, index) if index < len(body.transactions) else None


METHODS = {
    "web3_clientVersion": client_version,
    "net_version": net_version,
    "net_listening": net_listening,
    "net_peerCount": net_peer_count,
    "eth_chainId": chain_id,
    "eth_syncing": syncing,
    "eth_accounts": accounts,
    "eth_coinbase": coinbase,
    "eth_blockNumber": block_number,
    "eth_getBlockByNumber": block_by_number,
    "eth_getBlockByHash": block_by_hash,
    "eth_getBlockTransactionCountByNumber": transaction_count_by_number,
    "eth_getBlockTransactionCountByHash": transaction_count_by_hash,
    "eth_getUncleCountByBlockNumber": uncle_count_by_number,
    "eth_getUncleCountByBlockHash": uncle_count_by_hash,
    "eth_getTransactionByHash": transaction_by_hash,
    "eth_getTransactionByBlockNumberAndIndex": transaction_by_number_and_index,
    "eth_getTransactionByBlockHashAndIndex": transaction_by_hash_and_index,
    "eth_getRawTransactionByHash": raw_transaction,
    "eth_getTransactionReceipt": transaction_receipt,
    "eth_getBlockReceipts": block_receipts,
}
