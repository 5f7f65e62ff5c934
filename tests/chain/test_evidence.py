"""What a node's answers prove by themselves: the true ones pass, each with one thing changed does not."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from anvil_node import KEYS, running_anvil
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.chain.accounts import Account
from tallystick.chain.calls import Call
from tallystick.chain.connect import connect
from tallystick.chain.embedded import Genesis, create
from tallystick.chain.evidence import (
    may_hold,
    verify_account_proof,
    verify_block_hash,
    verify_log,
    verify_receipts,
)
from tallystick.chain.facts import AccountProof, Block, TxReceipt
from tallystick.chain.node import Node
from tallystick.chain.outbox import Outbox
from tallystick.core.digest import keccak
from tallystick.core.errors import TallystickError, VerificationFailed

ACCOUNT = Account(bytes.fromhex(KEYS[0][2:]))
NOBODY = "0x" + "77" * 20

# Ethereum's first block, as everybody has it: the published hash of a header without any fork's field.
MAINNET_GENESIS = Block(
    number=0,
    hash=bytes.fromhex("d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3"),
    parent_hash=bytes(32),
    timestamp=0,
    base_fee=None,
    gas_limit=5_000,
    gas_used=0,
    beneficiary="0x" + "00" * 20,
    state_root=bytes.fromhex("d7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544"),
    transactions_root=bytes.fromhex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"),
    receipts_root=bytes.fromhex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"),
    logs_bloom=bytes(256),
    ommers_hash=bytes.fromhex("1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347"),
    difficulty=17_179_869_184,
    extra_data=bytes.fromhex("11bbe8db4e347b4e8c937c1c8370e4b5ed33adb3db69cbdb7a38e1e50b1b82fa"),
    mix_hash=bytes(32),
    nonce=bytes.fromhex("0000000000000042"),
    withdrawals_root=None,
    blob_gas_used=None,
    excess_blob_gas=None,
    parent_beacon_root=None,
    requests_hash=None,
    transactions=(),
)

# slot 1 := 42, slot 2 := 7, a log of 32 zero bytes under the topics 6 and 5, and one byte of code
INITCODE = bytes.fromhex("602a60015560076002556005600660205fa260015ff3")


class Facts:
    """A chain with a block of several transactions and logs."""

    def __init__(self, node: Node, folder: Path) -> None:
        self.node = node
        with Outbox(folder / "outbox.db", node, ACCOUNT) as box:
            rows = box.send_many(
                [(f"key {n}", Call(None, INITCODE, 0) if n % 3 else Call(NOBODY, b"", n)) for n in range(9)]
            )
            receipts = [box.wait(row) for row in rows]
        self.receipt = receipts[-1]
        self.contract = str(self.receipt.contract_address)
        self.block = node.block(self.receipt.block_number, verified=True)
        self.receipts = node.block_receipts(self.receipt.block_number)
        self.head = node.block("latest", verified=True)


@pytest.fixture(scope="module", params=["anvil", "embedded"])
def facts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Facts]:
    """The same facts on both chains."""
    folder = tmp_path_factory.mktemp("evidence")
    if request.param == "anvil":
        with running_anvil("--block-time", "1") as anvil, connect(anvil.url) as node:
            yield Facts(node, folder)
    else:
        balances = {bytes.fromhex(ACCOUNT.address[2:]): 10**21}
        create(folder / "chain.db", Genesis(timestamp=1_700_000_000, balances=balances))
        with connect(folder / "chain.db") as node:
            yield Facts(node, folder)


def test_the_published_hash_of_the_first_block_is_recomputed() -> None:
    verify_block_hash(MAINNET_GENESIS)


@pytest.mark.parametrize(
    "field", [f.name for f in dataclasses.fields(Block) if f.name not in ("transactions", "full_transactions")]
)
def test_a_header_with_any_one_field_changed_is_another_block(field: str, facts: Facts) -> None:
    value = getattr(facts.block, field)
    if isinstance(value, bytes):
        other: object = bytes([value[0] ^ 1]) + value[1:] if value else b"\x01"
    elif isinstance(value, str):
        other = NOBODY
    else:
        other = 1 if value is None else value + 1
    with pytest.raises(VerificationFailed):
        verify_block_hash(dataclasses.replace(facts.block, **{field: other}))


def test_receipts_and_logs_hash_to_their_header(facts: Facts) -> None:
    verify_receipts(facts.block, facts.receipts)
    verify_log(facts.block, facts.receipts, facts.receipt.logs[0])
    assert len(facts.receipts) > 1


def test_a_bloom_holds_every_address_and_topic_of_its_logs_and_hardly_another(facts: Facts) -> None:
    logs = [log for receipt in facts.receipts for log in receipt.logs]
    items = [item for log in logs for item in (bytes.fromhex(log.address[2:]), *log.topics)]
    assert items
    assert all(may_hold(facts.block.logs_bloom, item) for item in items)
    assert not may_hold(facts.block.logs_bloom, b"no such topic")
    assert not may_hold(bytes(256), items[0])


def test_an_empty_block_has_no_receipts(facts: Facts) -> None:
    verify_receipts(facts.node.block(0, verified=True), ())


@pytest.mark.parametrize(
    "change",
    [
        {"succeeded": False},
        {"cumulative_gas_used": 1},
        {"type": 1},
        {"logs_bloom": b"\x01" + bytes(255)},
        {"logs": ()},
        {"transaction_index": 5_000},
        {"block_hash": bytes(32)},
    ],
)
def test_a_receipt_with_one_thing_changed_is_refused(change: dict[str, object], facts: Facts) -> None:
    at = facts.receipts.index(facts.receipt)
    forged = [*facts.receipts]
    forged[at] = dataclasses.replace(facts.receipt, **change)  # type: ignore[arg-type]
    with pytest.raises(VerificationFailed):
        verify_receipts(facts.block, forged)


def test_receipts_left_out_added_or_swapped_are_refused(facts: Facts) -> None:
    first, second, *rest = facts.receipts
    for forged in ([first, *rest], [*facts.receipts, first], [second, first, *rest], []):
        with pytest.raises(VerificationFailed):
            verify_receipts(facts.block, forged)


@pytest.mark.parametrize("change", [{"data": b"\x01"}, {"topics": ()}, {"address": NOBODY}, {"log_index": 99}])
def test_a_log_with_one_thing_changed_is_absent(change: dict[str, object], facts: Facts) -> None:
    with pytest.raises(VerificationFailed) as refused:
        verify_log(facts.block, facts.receipts, dataclasses.replace(facts.receipt.logs[0], **change))  # type: ignore[arg-type]
    assert refused.value.code == "log.absent"


def test_accounts_slots_and_their_absence_are_proven(facts: Facts) -> None:
    node, root = facts.node, facts.head.state_root
    at = facts.head.number
    contract = node.proof(facts.contract, [0, 1, 2, 2**255], at)
    verify_account_proof(root, contract)
    assert [slot.value for slot in contract.slots] == [0, 0x2A, 7, 0]
    assert contract.code_hash == keccak(node.code(facts.contract))
    verify_account_proof(root, node.proof(ACCOUNT.address, [0], at))
    absent = node.proof("0x" + "99" * 20, [3], at)
    verify_account_proof(root, absent)
    assert (absent.balance, absent.nonce, absent.slots[0].value) == (0, 0, 0)


def test_a_proof_against_another_state_is_refused(facts: Facts) -> None:
    proof = facts.node.proof(facts.contract, [1], facts.head.number)
    with pytest.raises(VerificationFailed):
        verify_account_proof(facts.node.block(0).state_root, proof)


@pytest.mark.parametrize(
    "change",
    [{"balance": 1}, {"nonce": 77}, {"code_hash": bytes(32)}, {"storage_root": bytes(32)}, {"address": NOBODY}],
)
def test_an_account_with_one_thing_changed_is_refused(change: dict[str, object], facts: Facts) -> None:
    proof = facts.node.proof(facts.contract, [1], facts.head.number)
    with pytest.raises(VerificationFailed):
        verify_account_proof(facts.head.state_root, dataclasses.replace(proof, **change))  # type: ignore[arg-type]


def test_a_slot_with_another_value_is_refused(facts: Facts) -> None:
    proof = facts.node.proof(facts.contract, [1], facts.head.number)
    for forged in (dataclasses.replace(proof.slots[0], value=0), dataclasses.replace(proof.slots[0], slot=2)):
        with pytest.raises(VerificationFailed):
            verify_account_proof(facts.head.state_root, dataclasses.replace(proof, slots=(forged,)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_proof_with_any_bytes_changed_is_refused(facts: Facts, data: st.DataObject) -> None:
    proof = facts.node.proof(facts.contract, [1], facts.head.number)
    nodes = [*proof.nodes]
    at = data.draw(st.integers(0, len(nodes) - 1))
    nodes[at] = data.draw(st.binary(max_size=64) | st.just(nodes[at][:-1]) | st.just(nodes[at] + b"\x00"))
    with pytest.raises(VerificationFailed):
        verify_account_proof(facts.head.state_root, dataclasses.replace(proof, nodes=tuple(nodes)))


@given(data=st.data())
def test_nodes_that_hash_right_and_mean_nothing_are_refused(data: st.DataObject) -> None:
    node = data.draw(st.binary(min_size=1, max_size=80))
    proof = AccountProof(NOBODY, 1, 0, bytes(32), bytes(32), (node,), ())
    with pytest.raises(VerificationFailed):
        verify_account_proof(keccak(node), proof)


@given(slot=st.integers(0, 2**256 - 1), rlp_bytes=st.binary(max_size=40))
def test_forged_receipts_raise_only_our_errors(slot: int, rlp_bytes: bytes) -> None:
    receipt = TxReceipt(
        bytes(32), 0, MAINNET_GENESIS.hash, 0, NOBODY, None, None, True, slot % 300, 0, slot, 0, rlp_bytes, ()
    )
    with pytest.raises(TallystickError):
        verify_receipts(MAINNET_GENESIS, [receipt])
