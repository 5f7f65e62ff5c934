"""The ledger as it stands in a chain file: blocks, transactions, receipts and state, each checked as it is read.

This is the reading half; `writer` builds blocks. Numbers are block heights; hashes are 32 bytes. Any thread may read.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth.vm.execution_context import ExecutionContext
from eth_hash.auto import keccak as auto_keccak
from lru import LRU

from tallystick.chain.embedded.accounts import Accounts, Source
from tallystick.chain.embedded.codec import encode, integer
from tallystick.chain.embedded.fault import RpcFault
from tallystick.chain.embedded.file import ChainFile, create_file
from tallystick.chain.embedded.genesis import Genesis
from tallystick.chain.embedded.header import Header
from tallystick.chain.embedded.receipt import Receipt
from tallystick.chain.embedded.rules import LedgerState
from tallystick.chain.embedded.transaction import Transaction, decode_transaction
from tallystick.chain.embedded.trie import lookup
from tallystick.core.digest import keccak
from tallystick.core.errors import VerificationFailed
from tallystick.core.limits import LEDGER_BODY_CACHE


@dataclass(frozen=True, slots=True)
class Block:
    """A header and its hash, as found in the file."""

    hash: bytes
    header: Header

    @property
    def number(self) -> int:
        """The block's height."""
        return self.header.number


@dataclass(frozen=True, slots=True)
class Body:
    """The transactions of one block and what came of each."""

    transactions: tuple[Transaction, ...]
    receipts: tuple[Receipt, ...]

    def gas_used(self, index: int) -> int:
        """Return the gas that one transaction used."""
        return self.receipts[index].cumulative_gas - (self.receipts[index - 1].cumulative_gas if index else 0)

    def first_log(self, index: int) -> int:
        """Return the position in the block of a transaction's first log."""
        return sum(len(receipt.logs) for receipt in self.receipts[:index])


def create(path: Path, genesis: Genesis) -> None:
    """Make a chain file with its genesis block.

    raises  InvalidInput "chain.exists"
    """
    header, nodes, codes = genesis.build()
    values = [(digest, encoded) for digest, (encoded, _) in nodes.items()] + list(codes.items())
    create_file(path, {"genesis": genesis.to_bytes()}, values, header)


class Ledger:
    """A chain file opened for reading."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open the chain; raises as `ChainFile` does, and VerificationFailed "chain.genesis" on a foreign block 0."""
        auto_keccak.hasher = keccak  # py-evm's hashing, nine times as fast as with the backend it would choose
        self.file = ChainFile(path, read_only=read_only)
        try:
            self.genesis = Genesis.from_bytes(self.file.meta("genesis"))
            first = self.file.block(0)
            if first is None or self.genesis.header(first[1].state_root) != first[1]:
                raise VerificationFailed("chain.genesis", "block 0 does not agree with the genesis parameters")
        except BaseException:
            self.file.close()
            raise
        self.source = Source(self.file.node, self.file.value)
        self._bodies: LRU[bytes, Body] = LRU(LEDGER_BODY_CACHE)
        self._bodies_lock = threading.Lock()

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    @property
    def chain_id(self) -> int:
        """The chain id that every signature must name."""
        return self.genesis.chain_id

    def head(self) -> Block:
        """Return the newest block, whichever process wrote it."""
        block = self.block(self.file.head())
        if block is None:
            raise VerificationFailed("chain.head", "the newest block cannot be read")
        return block

    def block(self, number: int) -> Block | None:
        """Return a block by height, or None past the head."""
        found = self.file.block(number)
        return None if found is None else Block(*found)

    def block_by_hash(self, digest: bytes) -> Block | None:
        """Return a block by hash, or None."""
        number = self.file.number_of(digest)
        block = None if number is None else self.block(number)
        if block is not None and block.hash != digest:
            raise VerificationFailed(
                "chain.header", "block index is wrong", expected=digest.hex(), got=block.hash.hex()
            )
        return block

    def body(self, block: Block) -> Body:
        """Return what a block holds, walked from its roots.

        raises  VerificationFailed "chain.node", "chain.body"
        """
        with self._bodies_lock:
            cached = self._bodies.get(block.hash)
        if cached is None:
            cached = self._read_body(block)
            self.remember_body(block.hash, cached)
        return cached

    def remember_body(self, digest: bytes, body: Body) -> None:
        """Keep a body that was just read or committed."""
        with self._bodies_lock:
            self._bodies[digest] = body

    def _read_body(self, block: Block) -> Body:
        transactions: list[Transaction] = []
        receipts: list[Receipt] = []
        while raw := lookup(self.file.node, block.header.transaction_root, encode(integer(len(transactions)))):
            try:
                transactions.append(decode_transaction(raw, self.chain_id))
            except RpcFault as fault:
                raise VerificationFailed(
                    "chain.body", f"block {block.number} holds a transaction that no chain would", got=fault.message
                ) from None
        while encoded := lookup(self.file.node, block.header.receipt_root, encode(integer(len(receipts)))):
            receipts.append(Receipt.decode(encoded))
        if len(transactions) != len(receipts):
            raise VerificationFailed(
                "chain.body",
                f"block {block.number} has more of one than of the other",
                expected=f"{len(transactions)} receipts",
                got=len(receipts),
            )
        return Body(tuple(transactions), tuple(receipts))

    def find(self, tx_hash: bytes) -> tuple[Block, Body, int] | None:
        """Return (block, body, position) of a transaction, or None when the index does not know it.

        raises  VerificationFailed "chain.tx_index" when something else stands where the index points
        """
        place = self.file.place_of(tx_hash)
        if place is None:
            return None
        number, index = place
        block = self.block(number)
        body = None if block is None else self.body(block)
        if block is None or body is None or index >= len(body.transactions) or body.transactions[index].hash != tx_hash:
            raise VerificationFailed(
                "chain.tx_index", "transaction index is wrong", expected=tx_hash.hex(), got=f"block {number}, {index}"
            )
        return block, body, index

    def accounts(self, block: Block) -> Accounts:
        """Return the state after `block`, to read from or to simulate on."""
        return Accounts(self.source, block.header.state_root)

    def state(self, accounts: Accounts, header: Header, base_fee: int | None = None) -> LedgerState:
        """Return `accounts` with the rules of a block that has this header; `base_fee` overrides the header's."""
        context = ExecutionContext(
            coinbase=header.coinbase,
            timestamp=header.timestamp,
            block_number=header.number,
            difficulty=0,
            mix_hash=header.mix_hash,
            gas_limit=header.gas_limit,
            prev_hashes=(),
            chain_id=self.chain_id,
            base_fee_per_gas=header.base_fee if base_fee is None else base_fee,
            excess_blob_gas=header.excess_blob_gas,
        )
        return LedgerState(accounts, context, self._hash_of)

    def _hash_of(self, number: int) -> Any:
        block = self.block(number)
        if block is None:
            raise VerificationFailed("chain.header", f"block {number} is missing")
        return block.hash
