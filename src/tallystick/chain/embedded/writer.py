"""Group commit: transactions that arrive together are executed in one block and made durable by one fsync.

Whoever submits first builds the block, for everyone who queued meanwhile; the others find their answer when the lock
comes to them. A transaction is acknowledged after SQLite's commit, never before. A refused one leaves no trace.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from tallystick.chain.embedded.accounts import Accounts
from tallystick.chain.embedded.admission import check_form, check_state
from tallystick.chain.embedded.codec import encode, integer
from tallystick.chain.embedded.fault import RpcFault
from tallystick.chain.embedded.file import put_block, put_nodes
from tallystick.chain.embedded.header import Header, next_base_fee
from tallystick.chain.embedded.ledger import Block, Body, Ledger
from tallystick.chain.embedded.receipt import Log, Receipt, bloom_of
from tallystick.chain.embedded.rules import LedgerState, begin_block, gas_used
from tallystick.chain.embedded.transaction import Transaction, decode_transaction
from tallystick.chain.embedded.trie import BLANK_ROOT, Node, update
from tallystick.core.digest import keccak
from tallystick.core.errors import Broken, TallystickError, Unavailable
from tallystick.core.limits import LEDGER_ACCOUNT_CACHE, LEDGER_BLOCK_TXS_MAX


class Submission:
    """A transaction on its way into a block."""

    def __init__(self, tx: Transaction) -> None:
        self.tx = tx
        self.done = False
        self.error: BaseException | None = None

    def settle(self, error: BaseException | None = None) -> None:
        """Note the outcome: durable, or why not."""
        self.error = error
        self.done = True


class Writer:
    """Builds blocks on the newest head of one chain file. Safe to use from many threads and processes."""

    def __init__(self, ledger: Ledger, clock: Callable[[], float]) -> None:
        """clock   seconds since 1970; read once per block"""
        self._ledger = ledger
        self._clock = clock
        self._turn = threading.Lock()
        self._queue: deque[Submission] = deque()
        self._hot: tuple[bytes, Accounts] | None = None  # (head hash, state after it)

    def submit(self, raws: list[bytes]) -> list[bytes | TallystickError]:
        """Return for each raw transaction its hash, now durable in a block, or the error that kept it out."""
        results: list[bytes | TallystickError | Submission] = []
        for raw in raws:
            try:
                tx = decode_transaction(raw, self._ledger.chain_id)
                check_form(tx)
                results.append(Submission(tx))
            except RpcFault as fault:
                results.append(fault)
        waiting = [item for item in results if isinstance(item, Submission)]
        self._queue.extend(waiting)
        while not all(item.done for item in waiting):
            with self._turn:
                if not all(item.done for item in waiting):
                    self._take_turn([self._queue.popleft() for _ in range(min(len(self._queue), LEDGER_BLOCK_TXS_MAX))])
        return [_outcome(item) if isinstance(item, Submission) else item for item in results]

    def _take_turn(self, items: list[Submission]) -> None:
        """Commit for everyone, and leave nobody waiting, whatever interrupts this thread."""
        try:
            self._commit(items)
        finally:
            for item in items:
                if not item.done:
                    item.settle(_interrupted())

    def _commit(self, items: list[Submission]) -> None:
        """Put `items` into one block, or say of each why not."""
        try:
            with self._ledger.file.write() as db:
                head = self._ledger.head()
                draft = _Draft(self._ledger, head, self._accounts_after(head), self._clock())
                accepted = [item for item in items if self._admit(draft, item)]
                if accepted:
                    header, values = draft.finish()
                    put_nodes(db, values)
                    digest = put_block(db, header, [item.tx.hash for item in accepted])
        except BaseException as error:
            self._hot = None
            if not isinstance(error, Exception):
                raise
            for item in items:
                if not item.done:
                    item.settle(error)
            return
        if accepted:
            self._ledger.file.remember(digest, header, draft.nodes)
            self._ledger.remember_body(digest, draft.body())
            self._hot = (digest, draft.accounts) if draft.accounts.loaded < LEDGER_ACCOUNT_CACHE else None
        for item in accepted:
            item.settle()

    def _accounts_after(self, head: Block) -> Accounts:
        if self._hot is not None and self._hot[0] == head.hash:
            return self._hot[1]
        return self._ledger.accounts(head)

    def _admit(self, draft: _Draft, item: Submission) -> bool:
        try:
            draft.add(item.tx)
        except TallystickError as error:
            item.settle(error)
            return False
        return True


class _Draft:
    """A block under construction: state after the transactions so far, their receipts, the gas used."""

    def __init__(self, ledger: Ledger, head: Block, accounts: Accounts, now: float) -> None:
        parent = head.header
        self._ledger = ledger
        self.accounts = accounts
        self.nodes: dict[bytes, tuple[bytes, Node]] = {}
        self.header = Header(
            parent_hash=head.hash,
            coinbase=ledger.genesis.coinbase,
            state_root=parent.state_root,
            number=parent.number + 1,
            gas_limit=parent.gas_limit,
            timestamp=max(parent.timestamp, int(now)),  # a clock that goes back stops time, it does not turn it
            base_fee=next_base_fee(parent),
            mix_hash=keccak(head.hash),
        )
        self._state: LedgerState = ledger.state(accounts, self.header)
        self._transactions: list[Transaction] = []
        self._receipts: list[Receipt] = []
        self._gas_used = 0
        begin_block(self._state, head.hash)
        accounts.lock_changes()

    def add(self, tx: Transaction) -> None:
        """Execute `tx` after those before it.

        raises  RpcFault when the block may not include it, VerificationFailed when the state it needs is damaged;
                either way it has changed nothing
        """
        try:
            check_state(self.accounts, tx, self.header.base_fee, self.header.gas_limit - self._gas_used)
        except RpcFault as fault:
            if fault.code == "tx.nonce_low" and self._is_known(tx.hash):
                raise RpcFault(fault.number, "already known", place="tx.known") from None
            raise
        self.accounts.lock_changes()
        try:
            computation = self._state.apply_transaction(tx)
        except BaseException as error:
            self.accounts.discard(0)
            if isinstance(error, TallystickError) or not isinstance(error, Exception):
                raise
            raise Broken("ledger.execution", "the EVM failed", got=f"{type(error).__name__}: {error}") from error
        self._gas_used += gas_used(tx, computation)
        logs = read_logs(computation)
        self._transactions.append(tx)
        self._receipts.append(
            Receipt(tx.type_id, 0 if computation.is_error else 1, self._gas_used, bloom_of(logs), logs)
        )

    def _is_known(self, tx_hash: bytes) -> bool:
        return any(tx.hash == tx_hash for tx in self._transactions) or self._ledger.file.place_of(tx_hash) is not None

    def finish(self) -> tuple[Header, list[tuple[bytes, bytes]]]:
        """Return the finished header, and every node and code to store under its hash."""
        state_root, state_nodes, codes = self.accounts.seal()
        tx_root, tx_nodes = index_trie([tx.raw for tx in self._transactions])
        receipt_root, receipt_nodes = index_trie([receipt.encode() for receipt in self._receipts])
        self.nodes = state_nodes
        bloom = 0
        for receipt in self._receipts:
            bloom |= receipt.bloom
        fields: dict[str, Any] = {name: getattr(self.header, name) for name in Header.__slots__}
        fields |= {
            "state_root": state_root,
            "transaction_root": tx_root,
            "receipt_root": receipt_root,
            "bloom": bloom.to_bytes(256, "big"),
            "gas_used": self._gas_used,
        }
        values = [(d, encoded) for nodes in (state_nodes, tx_nodes, receipt_nodes) for d, (encoded, _) in nodes.items()]
        return Header(**fields), sorted(values + list(codes.items()))

    def body(self) -> Body:
        """Return what the block holds."""
        return Body(tuple(self._transactions), tuple(self._receipts))


def read_logs(computation: Any) -> tuple[Log, ...]:
    """Return the logs of a finished computation, none when it failed."""
    return tuple(
        Log(address, tuple(topic.to_bytes(32, "big") for topic in topics), bytes(data))
        for address, topics, data in computation.get_log_entries()
    )


def index_trie(values: list[bytes]) -> tuple[bytes, dict[bytes, tuple[bytes, Node]]]:
    """Return the root and nodes of the trie that holds a list, keyed by RLP index."""
    return update(_no_node, BLANK_ROOT, {encode(integer(index)): value for index, value in enumerate(values)})


def _no_node(digest: bytes) -> Node:
    raise Broken("ledger.trie", "an empty trie was asked for a node", got=digest.hex())


def _interrupted() -> Unavailable:
    return Unavailable(
        "chain.interrupted",
        "the thread that wrote the block was interrupted: whether the transaction is in it is not known",
        hint="ask for its receipt, or send it again",
    )


def _outcome(item: Submission) -> bytes | TallystickError:
    if item.error is None:
        return item.tx.hash
    if isinstance(item.error, TallystickError):
        return item.error
    raise item.error
