"""Executing a chain again with another implementation: py-evm's account database, tries and transaction classes.

What `writer` makes with `Accounts` and `trie`, `Replay` makes again from the raw transactions, in memory, over the
`trie` package. The two share the rules, py-evm's opcodes, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import rlp
from eth.constants import BLANK_ROOT_HASH
from eth.db.atomic import AtomicDB
from eth.db.trie import make_trie_root_and_nodes
from eth.exceptions import PyEVMError
from eth.rlp.accounts import Account as RlpAccount
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.prague.transactions import PragueTransactionBuilder
from eth_utils.exceptions import ValidationError

from tallystick.chain.embedded.genesis import Genesis
from tallystick.chain.embedded.header import Header
from tallystick.chain.embedded.rules import RulesState, begin_block, gas_used
from tallystick.core.digest import keccak
from tallystick.core.errors import VerificationFailed
from tallystick.core.limits import FSCK_NODES_HELD_MAX

EMPTY_CODE = keccak(b"")


@dataclass(frozen=True)
class Replayed:
    """What a block should hold: its receipts as encoded, and the roots, bloom and gas that follow."""

    receipts: tuple[bytes, ...]
    state_root: bytes
    transaction_root: bytes
    receipt_root: bytes
    bloom: int
    gas_used: int
    new_values: dict[bytes, bytes]  # state nodes and code that this block added


class Replay:
    """The state after the blocks executed so far, starting from genesis."""

    def __init__(self, genesis: Genesis) -> None:
        self._chain_id = genesis.chain_id
        self._store: dict[bytes, bytes] = {}
        self._new: dict[bytes, bytes] = {}
        self._db = AtomicDB(_Recorder(self._store, self._new))
        self._hashes: list[bytes] = []
        self._held_max = FSCK_NODES_HELD_MAX
        self.state_root = bytes(BLANK_ROOT_HASH)
        state = RulesState(self._db, self._context(genesis.header(self.state_root)), BLANK_ROOT_HASH)
        for address, (nonce, balance, code) in genesis.allocation().items():
            state.set_balance(address, balance)
            state.set_nonce(address, nonce)
            if code:
                state.set_code(address, code)
        state.persist()
        self.state_root = bytes(state.state_root)

    def take_new(self) -> dict[bytes, bytes]:
        """Return the nodes and code written since the last call."""
        new = dict(self._new)
        self._new.clear()
        return new

    def follow(self, block_hash: bytes) -> None:
        """Note the hash of the block that was just executed."""
        self._hashes = [block_hash, *self._hashes[:255]]

    def execute(self, header: Header, raws: list[bytes]) -> Replayed:
        """Execute `raws` under `header` (its environment, not its roots) after the blocks so far.

        raises  VerificationFailed "fsck.transaction" naming the one that cannot be in this block, and why
        """
        state = RulesState(self._db, self._context(header), self.state_root)
        begin_block(state, header.parent_hash)
        cumulative, bloom = 0, 0
        transactions: list[Any] = []
        receipts: list[Any] = []
        for index, raw in enumerate(raws):
            try:
                tx = PragueTransactionBuilder.decode(raw)
                _check(tx, raw, state, header.gas_limit - cumulative, self._chain_id)
                state.lock_changes()
                computation = state.apply_transaction(tx)
            except (ValidationError, PyEVMError, rlp.exceptions.RLPException, ValueError) as error:
                raise VerificationFailed(
                    "fsck.transaction", f"transaction {index} cannot be in this block", got=f"{error}"[:300]
                ) from None
            cumulative += gas_used(tx, computation)
            receipt = tx.make_receipt(
                b"" if computation.is_error else b"\x01", cumulative, computation.get_log_entries()
            )
            transactions.append(tx)
            receipts.append(receipt)
            bloom |= receipt.bloom
        state.persist()
        self.state_root = bytes(state.state_root)
        new = self.take_new()
        if len(self._store) > self._held_max:
            self._sweep()
        return Replayed(
            tuple(bytes(receipt.encode()) for receipt in receipts),
            self.state_root,
            bytes(make_trie_root_and_nodes(transactions)[0]),
            bytes(make_trie_root_and_nodes(receipts)[0]),
            bloom,
            cumulative,
            new,
        )

    def _context(self, header: Header) -> ExecutionContext:
        return ExecutionContext(
            coinbase=header.coinbase,
            timestamp=header.timestamp,
            block_number=header.number,
            difficulty=0,
            mix_hash=header.mix_hash,
            gas_limit=header.gas_limit,
            prev_hashes=tuple(self._hashes),
            chain_id=self._chain_id,
            base_fee_per_gas=header.base_fee,
            excess_blob_gas=0,
        )

    def _sweep(self) -> None:
        """Forget every node that the present state does not need."""
        kept: set[bytes] = set()
        for encoded in _walk(self._store, self.state_root, kept):
            account = rlp.decode(encoded, sedes=RlpAccount)
            if account.code_hash != EMPTY_CODE:
                kept.add(bytes(account.code_hash))
            for _ in _walk(self._store, bytes(account.storage_root), kept):
                pass
        for digest in [digest for digest in self._store if digest not in kept]:
            del self._store[digest]
        self._held_max = max(FSCK_NODES_HELD_MAX, 2 * len(self._store))


class _Recorder(dict[bytes, bytes]):
    """A store that also notes what is written to it; py-evm asks no more of a database than a mapping."""

    def __init__(self, store: dict[bytes, bytes], new: dict[bytes, bytes]) -> None:
        super().__init__()
        self._store = store
        self._noted = new

    def __getitem__(self, key: bytes) -> bytes:
        return self._store[key]

    def __contains__(self, key: object) -> bool:
        return key in self._store

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._store[key] = self._noted[key] = value

    def __delitem__(self, key: bytes) -> None:
        del self._store[key]


def _check(tx: Any, raw: bytes, state: Any, gas_left: int, chain_id: int) -> None:
    """Check what makes a transaction acceptable, in py-evm's terms; the executor checks signature, nonce and fee.

    raises  ValidationError
    """
    if bytes(tx.encode()) != raw:
        raise ValidationError("it has another encoding")
    if tx.chain_id != chain_id:
        raise ValidationError(f"it names chain {tx.chain_id}")
    if not tx.is_signature_valid:
        raise ValidationError("its signature is not valid")
    if tx.gas > gas_left:
        raise ValidationError(f"it asks for {tx.gas} gas where the block has {gas_left} left")
    if tx.gas < tx.intrinsic_gas:
        raise ValidationError(f"it pays for {tx.gas} gas and needs {tx.intrinsic_gas} to start")
    if state.get_balance(tx.sender) < tx.gas * tx.max_fee_per_gas + tx.value:
        raise ValidationError("its sender cannot pay for it")


def _walk(store: dict[bytes, bytes], root: bytes, kept: set[bytes]) -> Any:
    """Yield the values of a trie and add the hashes of its nodes to `kept`."""
    if root == BLANK_ROOT_HASH or root in kept:
        return
    waiting: list[Any] = [root]
    while waiting:
        reference = waiting.pop()
        if isinstance(reference, bytes):
            if reference in kept:
                continue
            kept.add(reference)
            node = rlp.decode(store[reference])
        else:
            node = reference
        if len(node) == 17:
            waiting.extend(child for child in node[:16] if child)
        elif node[0][0] >> 4 >= 2:
            yield node[1]
        else:
            waiting.append(node[1])
