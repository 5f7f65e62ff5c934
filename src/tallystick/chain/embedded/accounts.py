"""The state of accounts while blocks are built or calls simulated: flat dictionaries, one undo log, tries at the end.

It stands in for py-evm's `AccountDB`, which keeps a journal per account and hashes on the way. Reads fall through to
the tries of `ChainFile`; nothing is hashed until `seal`, which returns the new state root and the nodes to store.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

from eth.abc import AccountDatabaseAPI

from tallystick.chain.embedded.codec import decode, encode, integer
from tallystick.chain.embedded.trie import BLANK_ROOT, Node, lookup, update
from tallystick.core.digest import keccak
from tallystick.core.errors import Broken, VerificationFailed

EMPTY_CODE: Final = keccak(b"")

Fresh: TypeAlias = dict[bytes, tuple[bytes, Node]]

_MISSING: Final = object()


class Account(NamedTuple):
    """An account as the state trie holds it."""

    nonce: int = 0
    balance: int = 0
    storage_root: bytes = BLANK_ROOT
    code_hash: bytes = EMPTY_CODE

    def encode(self) -> bytes:
        """Return the RLP that stands in the state trie."""
        return encode([integer(self.nonce), integer(self.balance), self.storage_root, self.code_hash])

    @classmethod
    def decode(cls, encoded: bytes) -> Account:
        """Read an account; raises VerificationFailed "trie.account" when the leaf holds something else."""
        try:
            nonce, balance, root, code = decode(encoded)
            if len(root) == 32 and len(code) == 32 and len(balance) <= 32 and len(nonce) <= 8:
                return cls(int.from_bytes(nonce, "big"), int.from_bytes(balance, "big"), bytes(root), bytes(code))
        except (ValueError, TypeError):
            pass
        raise VerificationFailed("trie.account", "a state leaf is not an account", got=encoded[:40].hex())


NOBODY: Final = Account()


class Source(NamedTuple):
    """Where state is read from: the trie node, and the code, with a given hash."""

    node: Callable[[bytes], Node]
    value: Callable[[bytes], bytes]


class Accounts(AccountDatabaseAPI):  # type: ignore[misc]
    """Accounts, storage, transient storage and warm sets above one state root; every change can be undone to a mark."""

    def __init__(self, source: Source, state_root: bytes) -> None:
        self._source = source
        self._root = state_root
        self._accounts: dict[bytes, Account | None] = {}
        self._slots: dict[bytes, dict[int, int]] = {}
        self._codes: dict[bytes, bytes] = {EMPTY_CODE: b""}
        self._new_codes: dict[bytes, bytes] = {}
        # Which entries may differ from the tries. Supersets: undoing a change leaves its mark, and costs nothing.
        self._touched: set[bytes] = set()
        self._written: dict[bytes, set[int]] = {}
        self._undo: list[tuple[dict[Any, Any], Any, Any]] = []
        self._warm: dict[Any, bool] = {}
        self._transient: dict[tuple[bytes, int], bytes] = {}
        self._before_tx: dict[tuple[bytes, int], int] = {}
        self.loaded = 0  # accounts and slots read from the tries: what is held in memory, roughly

    # ---- marks

    def record(self) -> int:
        """Return a mark that `discard` can go back to."""
        return len(self._undo)

    def discard(self, checkpoint: int) -> None:
        """Undo every change since the mark, newest first."""
        undo = self._undo
        while len(undo) > checkpoint:
            mapping, key, old = undo.pop()
            if old is _MISSING:
                del mapping[key]
            else:
                mapping[key] = old

    def commit(self, checkpoint: int) -> None:
        """Keep the changes since the mark; an outer mark may still undo them."""

    def lock_changes(self) -> None:
        """Begin a transaction: what was done before stays, warm sets and transient storage are empty."""
        self._undo.clear()
        self._warm.clear()
        self._transient.clear()
        self._before_tx.clear()

    def _set(self, mapping: dict[Any, Any], key: Any, value: Any) -> None:
        self._undo.append((mapping, key, mapping.get(key, _MISSING)))
        mapping[key] = value

    # ---- accounts

    def account(self, address: bytes) -> Account | None:
        """Return the account, or None when the state has none there."""
        try:
            return self._accounts[address]
        except KeyError:
            self.loaded += 1
            encoded = lookup(self._source.node, self._root, keccak(address))
            account = Account.decode(encoded) if encoded else None
            self._accounts[address] = account
            return account

    def _put(self, address: bytes, account: Account | None) -> None:
        self._set(self._accounts, address, account)
        self._touched.add(address)

    def get_balance(self, address: bytes) -> int:
        return (self.account(address) or NOBODY).balance

    def set_balance(self, address: bytes, balance: int) -> None:
        if not 0 <= balance < 2**256:
            raise Broken("ledger.balance", "a balance left its range", got=balance)
        self._put(address, (self.account(address) or NOBODY)._replace(balance=balance))

    def add_balance(self, address: bytes, delta: int) -> None:
        """Change a balance by `delta`; raises Broken "ledger.balance" when it would leave its range."""
        nonce, balance, root, code = self.account(address) or NOBODY
        if not 0 <= balance + delta < 2**256:
            raise Broken("ledger.balance", "a balance left its range", got=balance + delta)
        self._put(address, Account(nonce, balance + delta, root, code))

    def get_nonce(self, address: bytes) -> int:
        return (self.account(address) or NOBODY).nonce

    def set_nonce(self, address: bytes, nonce: int) -> None:
        _, balance, root, code = self.account(address) or NOBODY
        self._put(address, Account(nonce, balance, root, code))

    def increment_nonce(self, address: bytes) -> None:
        self.set_nonce(address, self.get_nonce(address) + 1)

    def get_code(self, address: bytes) -> bytes:
        digest = (self.account(address) or NOBODY).code_hash
        code = self._codes.get(digest)
        if code is None:
            code = self._codes[digest] = self._source.value(digest)
        return code

    def set_code(self, address: bytes, code: bytes) -> None:
        digest = keccak(code)
        if digest not in self._codes:
            self._codes[digest] = code
        self._new_codes[digest] = code
        self._put(address, (self.account(address) or NOBODY)._replace(code_hash=digest))

    def get_code_hash(self, address: bytes) -> bytes:
        return (self.account(address) or NOBODY).code_hash

    def delete_code(self, address: bytes) -> None:
        self._put(address, (self.account(address) or NOBODY)._replace(code_hash=EMPTY_CODE))

    def account_exists(self, address: bytes) -> bool:
        return self.account(address) is not None

    def account_has_code_or_nonce(self, address: bytes) -> bool:
        account = self.account(address) or NOBODY
        return account.nonce != 0 or account.code_hash != EMPTY_CODE

    def account_is_empty(self, address: bytes) -> bool:
        account = self.account(address) or NOBODY
        return not (account.balance or account.nonce) and account.code_hash == EMPTY_CODE

    def touch_account(self, address: bytes) -> None:
        if self.account(address) is None:
            self._put(address, NOBODY)

    def delete_account(self, address: bytes) -> None:
        self._wipe(address)
        self._put(address, None)

    # ---- storage

    def get_storage(self, address: bytes, slot: int, from_journal: bool = True) -> int:
        if not from_journal and (address, slot) in self._before_tx:
            return self._before_tx[address, slot]
        slots = self._slots.get(address)
        if slots is None:
            slots = self._slots[address] = {}
        value = slots.get(slot)
        if value is None:
            root = (self.account(address) or NOBODY).storage_root
            value = slots[slot] = 0 if root == BLANK_ROOT else self._stored(root, slot)
        return value

    def _stored(self, root: bytes, slot: int) -> int:
        self.loaded += 1
        encoded = lookup(self._source.node, root, keccak(slot.to_bytes(32, "big")))
        if not encoded:
            return 0
        try:
            value = decode(encoded)
            return int.from_bytes(value, "big")
        except (ValueError, TypeError):
            raise VerificationFailed("trie.slot", "a storage leaf is not a number", got=encoded[:40].hex()) from None

    def set_storage(self, address: bytes, slot: int, value: int) -> None:
        old = self.get_storage(address, slot)
        self._before_tx.setdefault((address, slot), old)
        self._set(self._slots[address], slot, value)
        self._written.setdefault(address, set()).add(slot)
        self._touched.add(address)

    def delete_storage(self, address: bytes) -> None:
        self._wipe(address)
        self._put(address, (self.account(address) or NOBODY)._replace(storage_root=BLANK_ROOT))

    def _wipe(self, address: bytes) -> None:
        self._set(self._slots, address, {})
        self._touched.add(address)

    def is_storage_warm(self, address: bytes, slot: int) -> bool:
        return (address, slot) in self._warm

    def mark_storage_warm(self, address: bytes, slot: int) -> None:
        if (address, slot) not in self._warm:
            self._set(self._warm, (address, slot), True)

    def is_address_warm(self, address: bytes) -> bool:
        return address in self._warm

    def mark_address_warm(self, address: bytes) -> None:
        if address not in self._warm:
            self._set(self._warm, address, True)

    def warm(self) -> list[tuple[bytes, int | None]]:
        """Return what the transaction touched so far: (address, None) for an account, (address, slot) for storage."""
        return [key if isinstance(key, tuple) else (key, None) for key in self._warm]

    def get_transient(self, address: bytes, slot: int) -> bytes:
        """Return a slot of EIP-1153 storage, empty when unset."""
        return self._transient.get((address, slot), b"")

    def set_transient(self, address: bytes, slot: int, value: bytes) -> None:
        """Set a slot of EIP-1153 storage; it lasts until the transaction ends."""
        self._set(self._transient, (address, slot), value)

    # ---- roots

    @property
    def state_root(self) -> bytes:
        """The root that the state was opened at, or last sealed to."""
        return self._root

    @state_root.setter
    def state_root(self, value: bytes) -> None:
        if value != self._root:
            raise Broken("ledger.root", "state cannot be moved to another root", expected=self._root, got=value)

    def has_root(self, state_root: bytes) -> bool:
        return bool(state_root == self._root)

    def seal(self) -> tuple[bytes, Fresh, dict[bytes, bytes]]:
        """Return (state root, new nodes, new code) for all changes so far; the caches now stand at that root."""
        fresh: Fresh = {}

        def read(digest: bytes) -> Node:
            known = fresh.get(digest)
            return self._source.node(digest) if known is None else known[1]

        changes: dict[bytes, bytes] = {}
        codes: dict[bytes, bytes] = {}
        for address in self._touched:
            account = self.account(address)
            if account is not None and account.code_hash in self._new_codes:
                codes[account.code_hash] = self._new_codes[account.code_hash]
            values = self._changed_slots(address)
            if values:
                root, nodes = update(read, (account or NOBODY).storage_root, values)
                fresh.update(nodes)
                if account is not None or root != BLANK_ROOT:
                    account = self._accounts[address] = (account or NOBODY)._replace(storage_root=root)
            changes[keccak(address)] = b"" if account is None else account.encode()
        if changes:
            self._root, nodes = update(read, self._root, changes)
            fresh.update(nodes)
        self._touched.clear()
        self._written.clear()
        self._new_codes.clear()
        self.lock_changes()
        return self._root, fresh, codes

    def _changed_slots(self, address: bytes) -> dict[bytes, bytes]:
        """Return the storage trie's changes: hashed slot to encoded value, empty for zero."""
        slots = self._slots.get(address, {})
        return {
            keccak(slot.to_bytes(32, "big")): encode(integer(slots[slot])) if slots[slot] else b""
            for slot in self._written.get(address, ())
            if slot in slots
        }

    def make_state_root(self) -> bytes:
        raise Broken("ledger.root", "state roots are made by seal")

    def persist(self) -> None:
        raise Broken("ledger.root", "state is persisted by the ledger, with its block")
