"""`Accounts` and py-evm's `AccountDB` are told the same and agree on every answer and on the state root."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from eth.constants import BLANK_ROOT_HASH
from eth.db.account import AccountDB
from eth.db.atomic import AtomicDB
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.chain.embedded.accounts import Accounts, Source
from tallystick.chain.embedded.trie import BLANK_ROOT, Node

LONG = bool(os.environ.get("TALLYSTICK_LONG"))

ADDRESSES = [bytes([n]) * 20 for n in (1, 2, 3)]
SLOTS = [0, 1, 2**256 - 1]

address = st.sampled_from(ADDRESSES)
slot = st.sampled_from(SLOTS)
value = st.sampled_from([0, 0, 1, 255, 2**256 - 1])
operation = st.one_of(
    st.tuples(st.just("set_balance"), address, st.sampled_from([0, 1, 10**20])),
    st.tuples(st.just("set_nonce"), address, st.integers(0, 3)),
    st.tuples(st.just("increment_nonce"), address),
    st.tuples(st.just("set_storage"), address, slot, value),
    st.tuples(st.just("set_storage"), address, slot, value),
    st.tuples(st.just("set_code"), address, st.sampled_from([b"", b"\x00", b"\x5f\x5f"])),
    st.tuples(st.just("delete_code"), address),
    st.tuples(st.just("touch_account"), address),
    st.tuples(st.just("mark_address_warm"), address),
    st.tuples(st.just("mark_storage_warm"), address, slot),
)
# a transaction: steps, of which inner lists are calls that are kept or undone
call = st.recursive(
    st.lists(operation, max_size=6),
    lambda inner: st.lists(st.one_of(operation, st.tuples(st.just("call"), st.booleans(), inner)), max_size=6),
    max_leaves=12,
)
# CREATE2 wipes what stands at its address, once: a call that is kept or undone around it
wipe = st.builds(
    lambda who, keep, after: [("call", keep, [("delete_storage", who), *after])], address, st.booleans(), call
)
transaction = st.tuples(st.one_of(call, wipe), st.lists(address, max_size=1))
block = st.lists(transaction, max_size=4)


@dataclass
class Ours:
    """`Accounts` over nodes kept in memory."""

    nodes: dict[bytes, tuple[bytes, Node]] = field(default_factory=dict)
    codes: dict[bytes, bytes] = field(default_factory=dict)

    def open(self, root: bytes) -> Accounts:
        return Accounts(Source(lambda digest: self.nodes[digest][1], lambda digest: self.codes[digest]), root)

    def seal(self, accounts: Accounts) -> bytes:
        root, nodes, codes = accounts.seal()
        self.nodes.update(nodes)
        self.codes.update(codes)
        return root


def run(state: Any, steps: list[Any]) -> None:
    for name, *arguments in steps:
        if name == "call":
            keep, inner = arguments
            mark = state.record()
            run(state, inner)
            (state.commit if keep else state.discard)(mark)
        elif name == "delete_storage" and any(state.get_storage(arguments[0], where) for where in SLOTS):
            continue  # CREATE2 finds no storage: it does not create over code or a nonce, and storage needs both
        else:
            getattr(state, name)(*arguments)


def answers(state: Any) -> list[Any]:
    said: list[Any] = []
    for who in ADDRESSES:
        said += [state.account_exists(who), state.account_is_empty(who), state.account_has_code_or_nonce(who)]
        said += [state.get_balance(who), state.get_nonce(who), state.get_code(who), state.get_code_hash(who)]
        said += [state.is_address_warm(who)]
        for where in SLOTS:
            said += [state.get_storage(who, where), state.is_storage_warm(who, where)]
    return said


@given(st.lists(block, max_size=4))
@settings(max_examples=3_000 if LONG else 60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_two_account_databases_agree_after_every_call_and_block(blocks: list[Any]) -> None:
    ours, db = Ours(), AtomicDB()
    mine, peer = ours.open(BLANK_ROOT), AccountDB(db, BLANK_ROOT_HASH)
    for transactions in blocks:
        for steps, deleted in transactions:
            mine.lock_changes()
            peer.lock_changes()
            before = {(who, where): mine.get_storage(who, where) for who in ADDRESSES for where in SLOTS}
            for state in (mine, peer):
                mark = state.record()
                run(state, steps)
                state.commit(mark)
            assert answers(mine) == answers(peer)
            for (who, where), old in before.items():
                if not any(step[0] == "delete_storage" for step in _flat(steps)):
                    assert mine.get_storage(who, where, from_journal=False) == old
            for who in deleted:
                mine.delete_account(who)
                peer.delete_account(who)
        root = ours.seal(mine)
        peer.persist()
        assert root == peer.state_root
        assert answers(ours.open(root))[::1] == answers(AccountDB(db, root))


def _flat(steps: list[Any]) -> list[Any]:
    found: list[Any] = []
    for step in steps:
        found += _flat(step[2]) if step[0] == "call" else [step]
    return found


def test_undoing_to_the_first_mark_leaves_no_change_to_seal() -> None:
    ours = Ours()
    accounts = ours.open(BLANK_ROOT)
    accounts.set_balance(ADDRESSES[0], 5)
    accounts.set_storage(ADDRESSES[0], 1, 7)
    root = ours.seal(accounts)
    mark = accounts.record()
    accounts.set_storage(ADDRESSES[0], 1, 9)
    accounts.set_balance(ADDRESSES[1], 1)
    accounts.delete_account(ADDRESSES[0])
    accounts.discard(mark)
    assert ours.seal(accounts) == root
    assert accounts.get_storage(ADDRESSES[0], 1) == 7


def test_storage_before_the_transaction_is_remembered_through_its_writes_and_undone_calls() -> None:
    accounts = Ours().open(BLANK_ROOT)
    accounts.set_balance(ADDRESSES[0], 1)
    accounts.set_storage(ADDRESSES[0], 1, 7)
    accounts.lock_changes()
    mark = accounts.record()
    accounts.set_storage(ADDRESSES[0], 1, 8)
    accounts.discard(mark)
    accounts.set_storage(ADDRESSES[0], 1, 9)
    assert accounts.get_storage(ADDRESSES[0], 1, from_journal=False) == 7
    accounts.lock_changes()
    assert accounts.get_storage(ADDRESSES[0], 1, from_journal=False) == 9


def test_code_of_a_creation_that_was_undone_is_not_stored() -> None:
    ours = Ours()
    accounts = ours.open(BLANK_ROOT)
    mark = accounts.record()
    accounts.set_code(ADDRESSES[0], b"\x5f\x5f\x5f")
    accounts.discard(mark)
    accounts.set_code(ADDRESSES[1], b"\x60\x00")
    ours.seal(accounts)
    assert list(ours.codes.values()) == [b"\x60\x00"]
