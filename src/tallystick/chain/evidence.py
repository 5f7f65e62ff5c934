"""What a node's answers prove by themselves: block hashes, receipts, logs, accounts and storage.

Given one trusted block hash, nothing else that a node says about that block need be believed: the header hashes to
it, the receipts and the state hash to the header. Each function recomputes one of those and raises VerificationFailed
on the first difference. Which block hash to trust is the caller's step: a finalized block, or two nodes that agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import rlp
from trie import HexaryTrie
from trie.constants import BLANK_NODE_HASH
from trie.exceptions import BadTrieProof, InvalidNode, MissingTrieNode, ValidationError

from tallystick.chain.calls import Log
from tallystick.chain.facts import AccountProof, Block, TxReceipt
from tallystick.core.digest import keccak
from tallystick.core.errors import VerificationFailed
from tallystick.core.limits import TRIE_NODES_MAX

EMPTY_CODE_HASH = keccak(b"")
EMPTY_TRIE_ROOT = bytes(BLANK_NODE_HASH)

_NOT_A_PATH = (BadTrieProof, InvalidNode, MissingTrieNode, ValidationError)


def verify_block_hash(block: Block) -> None:
    """Return if the header's fields hash to `block.hash` (Keccak-256 of their RLP, forks up to Prague).

    raises  VerificationFailed "block.hash"
    """
    fields: list[object] = [
        block.parent_hash,
        block.ommers_hash,
        bytes.fromhex(block.beneficiary[2:]),
        block.state_root,
        block.transactions_root,
        block.receipts_root,
        block.logs_bloom,
        block.difficulty,
        block.number,
        block.gas_limit,
        block.gas_used,
        block.timestamp,
        block.extra_data,
        block.mix_hash,
        block.nonce,
    ]
    for later in (
        block.base_fee,
        block.withdrawals_root,
        block.blob_gas_used,
        block.excess_blob_gas,
        block.parent_beacon_root,
        block.requests_hash,
    ):
        if later is not None:
            fields.append(later)
    got = keccak(_encode(fields))
    if got != block.hash:
        raise VerificationFailed(
            "block.hash",
            f"block {block.number} does not hash to its name",
            expected="0x" + block.hash.hex(),
            got="0x" + got.hex(),
            hint="the node lies, or its chain adds header fields that Ethereum has not",
        )


def verify_receipts(block: Block, receipts: Sequence[TxReceipt]) -> None:
    """Return if `receipts` are all the receipts of `block`, in order, by its receipts root.

    raises  VerificationFailed "receipts.place", "receipts.bloom", "receipts.root"

    The root binds status, cumulative gas, bloom and logs; transaction hashes are bound by their order in the block's
    transaction list only, so a caller who relies on a hash verifies the transactions root too.
    """
    trie = HexaryTrie({})
    bloom = 0
    first_log = 0
    for index, receipt in enumerate(receipts):
        expected = (block.hash, block.number, index)
        got = (receipt.block_hash, receipt.block_number, receipt.transaction_index)
        if got != expected or any(log.log_index != first_log + i for i, log in enumerate(receipt.logs)):
            raise VerificationFailed("receipts.place", f"receipt {index} claims another place", got=got[1:])
        first_log += len(receipt.logs)
        if _bloom(receipt.logs) != receipt.logs_bloom:
            raise VerificationFailed("receipts.bloom", f"receipt {index} has another bloom than its logs")
        bloom |= int.from_bytes(receipt.logs_bloom, "big")
        trie[rlp.encode(index)] = _encode_receipt(receipt)
    if bloom.to_bytes(256, "big") != block.logs_bloom:
        raise VerificationFailed("receipts.bloom", f"block {block.number} has another bloom than its receipts")
    if bytes(trie.root_hash) != block.receipts_root:
        raise VerificationFailed(
            "receipts.root",
            f"the receipts are not those of block {block.number}",
            expected="0x" + block.receipts_root.hex(),
            got="0x" + bytes(trie.root_hash).hex(),
        )


def verify_log(block: Block, receipts: Sequence[TxReceipt], log: Log) -> None:
    """Return if `log` was emitted in `block`, given all of the block's receipts and a block hash that is trusted.

    Steps: 1. the header hashes to the block's name; 2. the receipts hash to the header; 3. the log is one of theirs.
    Step 0, that `block.hash` is the hash of a block to be believed, belongs to the caller.

    raises  VerificationFailed "block.hash", "receipts.…", "log.absent"
    """
    verify_block_hash(block)
    verify_receipts(block, receipts)
    if not any(log in receipt.logs for receipt in receipts):
        raise VerificationFailed(
            "log.absent", f"block {block.number} holds no such log", got=f"log {log.log_index} of {log.address}"
        )


def may_hold(bloom: bytes, item: bytes) -> bool:
    """Return whether a block or receipt with this bloom may hold a log with this address or topic; a no is sure."""
    bits = _bits(item)
    return int.from_bytes(bloom, "big") & bits == bits


def verify_account_proof(state_root: bytes, proof: AccountProof) -> None:
    """Return if the account, and every slot in `proof`, is what the state with this root holds.

    An account that does not exist proves as balance 0, nonce 0, no code, no storage. Follow with
    `keccak(code) == proof.code_hash` to trust its code.

    raises  VerificationFailed "proof.path" for nodes that lead nowhere, "proof.account" or "proof.slot" for another
            value than the state's
    """
    key = keccak(bytes.fromhex(proof.address[2:]))
    expected = b""
    fields = (proof.nonce, proof.balance, proof.storage_root, proof.code_hash)
    if fields not in {
        (0, 0, EMPTY_TRIE_ROOT, EMPTY_CODE_HASH),
        (0, 0, EMPTY_TRIE_ROOT, bytes(32)),
        (0, 0, bytes(32), bytes(32)),
    }:
        expected = _encode(list(fields))
    got = _walk(state_root, key, proof.nodes, f"account {proof.address}")
    if got != expected:
        raise VerificationFailed(
            "proof.account",
            f"the state holds another account at {proof.address}",
            expected="0x" + expected.hex(),
            got="0x" + got.hex(),
        )
    for slot in proof.slots:
        held = _walk_slot(proof.storage_root, slot.slot, slot.nodes)
        if held != slot.value:
            raise VerificationFailed(
                "proof.slot", f"the state holds another value in slot {slot.slot:#x}", expected=slot.value, got=held
            )


def _walk_slot(storage_root: bytes, slot: int, nodes: Sequence[bytes]) -> int:
    if storage_root in (EMPTY_TRIE_ROOT, bytes(32)):
        return 0
    raw = _walk(storage_root, keccak(slot.to_bytes(32, "big")), nodes, f"slot {slot:#x}")
    if not raw:
        return 0
    try:
        value = rlp.decode(raw, strict=True)
    except rlp.exceptions.DecodingError:
        value = None
    if not isinstance(value, bytes) or len(value) > 32:
        raise VerificationFailed("proof.slot", f"slot {slot:#x} does not hold a word", got="0x" + raw.hex()[:80])
    return int.from_bytes(value, "big")


def _walk(root: bytes, key: bytes, nodes: Sequence[bytes], what: str) -> bytes:
    """Return what the trie of this root holds under `key` (empty for nothing), reading only the given nodes."""
    if len(nodes) > TRIE_NODES_MAX:
        raise VerificationFailed("proof.path", f"too many nodes for {what}", expected=TRIE_NODES_MAX, got=len(nodes))
    if root == EMPTY_TRIE_ROOT:
        return b""
    try:
        # The nodes come from outside: what the library raises over them, whatever it is, means they are no proof.
        trie = HexaryTrie({keccak(node): node for node in nodes}, root)
        return bytes(trie[key])
    except (*_NOT_A_PATH, rlp.exceptions.RLPException, ValueError, TypeError, IndexError, AttributeError) as error:
        raise VerificationFailed(
            "proof.path",
            f"the nodes given for {what} do not lead there",
            expected="0x" + root.hex(),
            got=type(error).__name__,
        ) from error


def _encode_receipt(receipt: TxReceipt) -> bytes:
    logs = [[bytes.fromhex(log.address[2:]), list(log.topics), log.data] for log in receipt.logs]
    body = _encode([int(receipt.succeeded), receipt.cumulative_gas_used, receipt.logs_bloom, logs])
    return body if receipt.type == 0 else bytes([receipt.type]) + body


def _bloom(logs: Sequence[Log]) -> bytes:
    bits = 0
    for log in logs:
        for item in (bytes.fromhex(log.address[2:]), *log.topics):
            bits |= _bits(item)
    return bits.to_bytes(256, "big")


def _bits(item: bytes) -> int:
    # Yellow Paper, 4.3.1: three bits of 2,048, each by the low 11 bits of a pair of bytes of the Keccak digest.
    digest = keccak(item)
    return sum({1 << (int.from_bytes(digest[i : i + 2], "big") & 2_047) for i in (0, 2, 4)})


def _encode(fields: list[Any]) -> bytes:
    return cast(bytes, rlp.encode(fields))
