"""A node's answers are outside bytes: read exactly, or refused by an error of ours, never a stray one."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.chain.calls import BlockId
from tallystick.chain.facts import TxReceipt
from tallystick.chain.node import Node
from tallystick.chain.wire import read_quantity, write_block, write_quantity
from tallystick.core.errors import InvalidInput, TallystickError, VerificationFailed
from tallystick.core.ids import parse_address

A = "0x" + "ab" * 20
H = "0x" + "cd" * 32
HASH = bytes.fromhex("cd" * 32)

LOG = {
    "address": A,
    "topics": [H, H],
    "data": "0x1234",
    "blockNumber": "0x5",
    "blockHash": H,
    "transactionHash": H,
    "transactionIndex": "0x0",
    "logIndex": "0x0",
    "removed": False,
}
RECEIPT = {
    "transactionHash": H,
    "transactionIndex": "0x0",
    "blockHash": H,
    "blockNumber": "0x5",
    "from": A,
    "to": None,
    "contractAddress": A,
    "status": "0x1",
    "type": "0x2",
    "gasUsed": "0x5208",
    "cumulativeGasUsed": "0x5208",
    "effectiveGasPrice": "0x1",
    "logsBloom": "0x" + "00" * 256,
    "logs": [LOG],
}
TRANSACTION = {
    "hash": H,
    "type": "0x2",
    "from": A,
    "to": A,
    "nonce": "0x0",
    "value": "0x0",
    "input": "0x",
    "gas": "0x5208",
    "gasPrice": "0x1",
    "maxFeePerGas": "0x2",
    "maxPriorityFeePerGas": "0x1",
    "blockHash": H,
    "blockNumber": "0x5",
    "transactionIndex": "0x0",
}
BLOCK = {
    "number": "0x5",
    "hash": H,
    "parentHash": H,
    "timestamp": "0x1",
    "baseFeePerGas": "0x1",
    "gasLimit": "0x1",
    "gasUsed": "0x1",
    "miner": A,
    "stateRoot": H,
    "transactionsRoot": H,
    "receiptsRoot": H,
    "logsBloom": "0x" + "00" * 256,
    "sha3Uncles": H,
    "difficulty": "0x0",
    "extraData": "0x",
    "mixHash": H,
    "nonce": "0x0000000000000000",
    "withdrawalsRoot": H,
    "transactions": [TRANSACTION],
}
PROOF = {
    "address": A,
    "balance": "0x1",
    "nonce": "0x1",
    "codeHash": H,
    "storageHash": H,
    "accountProof": ["0xc0"],
    "storageProof": [{"key": "0x0", "value": "0x1", "proof": ["0xc0"]}],
}

# Every question a node is asked, with an answer that is well-formed.
QUESTIONS: list[tuple[str, Callable[[Node], object], Any]] = [
    ("chain_id", lambda node: node.chain_id, "0x1"),
    ("client_version", lambda node: node.client_version, "anvil/v1"),
    ("block_number", lambda node: node.block_number(), "0x5"),
    ("block", lambda node: node.block(5, full=True), BLOCK),
    ("block_by_hash", lambda node: node.find_block(HASH, full=True), BLOCK),
    ("verified", lambda node: node.block("latest", full=True, verified=True), BLOCK),
    ("finalized", lambda node: node.finalized(), {**BLOCK, "transactions": [H]}),
    ("call", lambda node: node.call(A, b"1"), "0x1234"),
    ("code", lambda node: node.code(A), "0x1234"),
    ("balance", lambda node: node.balance(A), "0x1"),
    ("nonce", lambda node: node.nonce(A, HASH), "0x1"),
    ("storage", lambda node: node.storage(A, 1), H),
    ("logs", lambda node: node.logs(A, [HASH], from_block=5, to_block=5), [LOG]),
    ("logs_of_block", lambda node: node.logs(block_hash=HASH), [LOG]),
    ("transaction", lambda node: node.transaction(HASH), TRANSACTION),
    ("receipt", lambda node: node.receipt(HASH), RECEIPT),
    ("block_receipts", lambda node: node.block_receipts(5), [RECEIPT]),
    ("send_raw", lambda node: node.send_raw(b"1"), H),
    ("estimate_gas", lambda node: node.estimate_gas(A, b"", sender=A), "0x5208"),
    ("tip", lambda node: node.tip_suggestion(), "0x1"),
    ("gas_price", lambda node: node.gas_price(), "0x1"),
    ("proof", lambda node: node.proof(A, [0]), PROOF),
]

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([A, H, "0x", "0x1"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*BLOCK, *RECEIPT, "x"]), inner, max_size=6)
    ),
    max_leaves=12,
)


class Says:
    """A node that gives one answer to everything."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def make_request(self, method: str, params: object) -> object:
        """Return the answer."""
        return self.answer


def says(result: object) -> Node:
    return Node(Says({"jsonrpc": "2.0", "id": 1, "result": result}))


@contextlib.contextmanager
def only_our_errors() -> Iterator[None]:
    with contextlib.suppress(TallystickError):
        yield


@pytest.mark.parametrize(("name", "ask", "answer"), QUESTIONS, ids=[name for name, _, _ in QUESTIONS])
def test_a_well_formed_answer_is_read(name: str, ask: Callable[[Node], object], answer: object) -> None:
    if name in ("verified", "send_raw"):
        with pytest.raises(VerificationFailed):
            ask(says(answer))
    else:
        assert ask(says(answer)) is not None


@given(question=st.sampled_from(QUESTIONS), result=JSON)
def test_any_result_is_read_or_refused_by_one_of_our_errors(question: tuple[Any, ...], result: object) -> None:
    with only_our_errors():
        question[1](says(result))


@given(question=st.sampled_from(QUESTIONS), answer=JSON)
def test_any_answer_is_read_or_refused_by_one_of_our_errors(question: tuple[Any, ...], answer: object) -> None:
    with only_our_errors():
        question[1](Node(Says(answer)))


@given(question=st.sampled_from(QUESTIONS), error=JSON)
def test_any_error_object_becomes_one_of_our_errors(question: tuple[Any, ...], error: object) -> None:
    with only_our_errors():
        question[1](Node(Says({"error": error})))


@given(question=st.sampled_from(QUESTIONS), data=st.data())
def test_an_answer_with_one_member_changed_is_read_or_refused(question: tuple[Any, ...], data: st.DataObject) -> None:
    answer = copy.deepcopy(question[2])
    places = list(members(answer))
    if places:
        holder, name = data.draw(st.sampled_from(places))
        holder[name] = data.draw(JSON)
    with only_our_errors():
        question[1](says(answer))


def members(value: object) -> Iterator[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield value, name
        yield from members(inner)


@pytest.mark.parametrize(
    "text", ["", "0x", "1", "0xg", "0x1 ", " 0x1", "-0x1", "0x" + "f" * 65, "０x1", 1, None, b"0x1"]
)
def test_what_is_no_quantity_is_refused(text: object) -> None:
    with pytest.raises(InvalidInput):
        read_quantity(text, "number")


@given(st.integers(0, 2**256 - 1))
def test_every_quantity_is_read_as_it_was_written(number: int) -> None:
    assert read_quantity(write_quantity(number), "number") == number


@pytest.mark.parametrize("at", [-1, "newest", b"", b"1" * 31, True, 1.5, None])
def test_what_names_no_block_is_refused_before_it_is_sent(at: BlockId) -> None:
    with pytest.raises(InvalidInput):
        write_block(at)


def test_a_receipt_is_the_same_after_it_was_written_and_read() -> None:
    receipt = TxReceipt.read(RECEIPT)
    assert TxReceipt.read(receipt.to_rpc()) == receipt


def test_a_receipt_with_another_transactions_log_is_refused() -> None:
    with pytest.raises(InvalidInput, match="log of this transaction"):
        says({**RECEIPT, "logs": [{**LOG, "transactionHash": "0x" + "00" * 32}]}).receipt(HASH)


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        (lambda node: node.block(6), BLOCK),
        (lambda node: node.block(b"1" * 32), {**BLOCK, "transactions": []}),
        (lambda node: node.receipt(b"1" * 32), RECEIPT),
        (lambda node: node.logs("0x" + "11" * 20, from_block=5, to_block=5), [LOG]),
        (lambda node: node.logs(A, [b"1" * 32], from_block=5, to_block=5), [LOG]),
        (lambda node: node.logs(A, [None, None, HASH], from_block=5, to_block=5), [LOG]),
        (lambda node: node.logs(A, from_block=6, to_block=6), [LOG]),
        (lambda node: node.logs(A, from_block=5, to_block=5), [LOG, LOG]),
        (lambda node: node.logs(block_hash=b"1" * 32), [LOG]),
    ],
)
def test_an_answer_to_another_question_fails_verification(ask: Callable[[Node], object], answer: Any) -> None:
    answer = {**answer, "transactions": []} if isinstance(answer, dict) and "transactions" in answer else answer
    with pytest.raises(VerificationFailed):
        ask(says(answer))


def test_an_address_is_known_by_its_checksum_whatever_case_the_node_uses() -> None:
    receipt = says({**RECEIPT, "from": A.upper().replace("0X", "0x")}).receipt(HASH)
    assert receipt is not None
    assert receipt.sender == parse_address(A)
