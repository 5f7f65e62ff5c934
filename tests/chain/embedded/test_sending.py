"""Sending: what a real node refuses is refused in its words, and what is taken is in a block, once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tallystick.core.digest import keccak
from tallystick.core.errors import Unavailable
from tests.chain.embedded.ledger_kit import FUNDS, START, Clock, Hand, Rpc

REFUSED = [
    ({"nonce": 5}, "nonce too high: next nonce 0, tx nonce 5"),
    ({"value": FUNDS}, "insufficient funds for gas * price + value"),
    ({"gas": 20_999}, "intrinsic gas too low: gas 20999, minimum needed 21000"),
    ({"gas": 21_000, "data": b"\1"}, "intrinsic gas too low: gas 21000, minimum needed 21040"),
    ({"gas": 39_999, "data": b"\1" * 1_000}, "intrinsic gas too low: gas 39999, minimum needed 61000"),
    ({"maxFeePerGas": 7, "maxPriorityFeePerGas": 0}, "max fee per gas less than block base fee"),
    ({"gasPrice": 7}, "max fee per gas less than block base fee"),
    ({"maxFeePerGas": 7, "maxPriorityFeePerGas": 8}, "max priority fee per gas higher than max fee per gas"),
    ({"chainId": 1}, "invalid chain id for signer: have 1 want 1337"),
    ({"gas": 30_000_001}, "transaction gas limit too high (cap: 30000000, tx: 30000001)"),
    ({"nonce": 2**64 - 1}, "nonce has max value"),
    ({"to": None, "data": bytes(49_153), "gas": 9_000_000}, "max initcode size exceeded: code size 49153 limit 49152"),
]


@pytest.mark.parametrize(("fields", "message"), REFUSED)
def test_a_transaction_that_breaks_a_rule_is_refused_and_leaves_no_trace(
    rpc: Rpc, hands: list[Hand], fields: dict[str, Any], message: str
) -> None:
    before = rpc("eth_getBlockByNumber", "latest", False)
    error = rpc.error("eth_sendRawTransaction", "0x" + hands[0].sign(**{"nonce": 0, **fields}).hex())
    assert error["code"] == -32000
    assert error["message"].startswith(message)
    assert rpc("eth_getBlockByNumber", "latest", False) == before
    assert rpc.send(hands[0].sign(nonce=0))["status"] == "0x1"


def test_a_nonce_that_was_used_is_refused_with_what_comes_next(rpc: Rpc, hands: list[Hand]) -> None:
    rpc.send(hands[0].sign())
    error = rpc.error("eth_sendRawTransaction", "0x" + hands[0].sign(nonce=0, value=2).hex())
    assert error == {"code": -32000, "message": "nonce too low: next nonce 1, tx nonce 0"}


def test_the_same_transaction_sent_again_is_already_known(rpc: Rpc, hands: list[Hand]) -> None:
    raw = hands[0].sign()
    rpc.send(raw)
    assert rpc.error("eth_sendRawTransaction", "0x" + raw.hex())["message"] == "already known"


def test_the_same_transaction_twice_in_one_batch_is_taken_once(rpc: Rpc, hands: list[Hand]) -> None:
    raw = ["0x" + hands[0].sign().hex()]
    first, second = rpc.provider.make_batch_request([("eth_sendRawTransaction", raw)] * 2)
    assert "result" in first
    assert second["error"]["message"] == "already known"


def test_an_account_with_code_may_not_send_but_a_delegated_one_may(rpc: Rpc, hands: list[Hand]) -> None:
    sender, helper = hands[0], hands[1]
    entry = sender.account.sign_authorization({"chainId": 0, "address": b"\x04" * 20, "nonce": 0})
    fields = {"authorizationList": [entry], "maxFeePerGas": 10**10, "maxPriorityFeePerGas": 0}
    assert rpc.send(helper.sign(**fields))["status"] == "0x1"
    assert rpc("eth_getCode", sender.address) == "0xef0100" + "04" * 20
    assert rpc.send(sender.sign(nonce=1))["status"] == "0x1"


def test_money_is_conserved_and_the_base_fee_is_burnt(rpc: Rpc, hands: list[Hand]) -> None:
    receipt = rpc.send(hands[0].sign(to=hands[1].address, value=5))
    block = rpc("eth_getBlockByNumber", "latest", False)
    paid = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
    burnt = int(receipt["gasUsed"], 16) * int(block["baseFeePerGas"], 16)
    assert int(rpc("eth_getBalance", hands[0].address), 16) == FUNDS - 5 - paid
    assert int(rpc("eth_getBalance", hands[1].address), 16) == FUNDS + 5
    assert int(rpc("eth_getBalance", block["miner"]), 16) == paid - burnt


def test_a_batch_of_transactions_shares_one_block(rpc: Rpc, hands: list[Hand]) -> None:
    raws = [hand.sign() for hand in hands for _ in range(20)]
    requests = [("eth_sendRawTransaction", ["0x" + raw.hex()]) for raw in raws]
    hashes = [answer["result"] for answer in rpc.provider.make_batch_request(requests)]
    assert rpc("eth_blockNumber") == "0x1"
    assert rpc("eth_getBlockByNumber", "0x1", False)["transactions"] == hashes


def test_a_refused_transaction_in_a_batch_does_not_hold_up_the_others(rpc: Rpc, hands: list[Hand]) -> None:
    requests: list[tuple[str, Any]] = [
        ("eth_sendRawTransaction", ["0x" + hands[0].sign().hex()]),
        ("eth_sendRawTransaction", ["0x" + hands[1].sign(nonce=9).hex()]),
        ("eth_sendRawTransaction", ["nonsense"]),
        ("eth_sendRawTransaction", []),
        ("eth_sendRawTransaction", ["0x" + hands[0].sign().hex()]),
        ("eth_blockNumber", []),
    ]
    answers: list[Any] = rpc.provider.make_batch_request(requests)  # type: ignore[arg-type]
    codes = [answer["error"]["code"] if "error" in answer else None for answer in answers]
    assert codes == [None, -32000, -32602, -32602, None, None]
    assert answers[-1]["result"] == "0x1"


def test_threads_that_send_at_once_share_blocks_and_each_gets_its_own_answer(rpc: Rpc, hands: list[Hand]) -> None:
    workers = [Hand(seed) for seed in range(10, 18)]
    for worker in workers:
        rpc.send(hands[0].sign(to=worker.address, value=10**20))
    start = int(rpc("eth_blockNumber"), 16)
    barrier = threading.Barrier(len(workers))

    def work(worker: Hand) -> None:
        barrier.wait()
        for _ in range(15):
            assert rpc.send(worker.sign())["from"] == worker.address.lower()

    with ThreadPoolExecutor(len(workers)) as pool:
        for done in [pool.submit(work, worker) for worker in workers]:
            done.result()
    blocks = [rpc("eth_getBlockByNumber", hex(n), False) for n in range(start + 1, int(rpc("eth_blockNumber"), 16) + 1)]
    assert sum(len(block["transactions"]) for block in blocks) == 8 * 15
    assert len(blocks) < 8 * 15  # some shared


def test_a_block_takes_no_more_transactions_than_its_limit_and_the_rest_follow(
    rpc: Rpc, hands: list[Hand], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick.chain.embedded.writer.LEDGER_BLOCK_TXS_MAX", 7)
    requests = [("eth_sendRawTransaction", ["0x" + hands[0].sign().hex()]) for _ in range(20)]
    assert all("result" in answer for answer in rpc.provider.make_batch_request(requests))
    counts = [int(rpc("eth_getBlockTransactionCountByNumber", hex(n)), 16) for n in range(1, 4)]
    assert counts == [7, 7, 6]


def test_block_time_follows_the_clock_and_never_goes_back(rpc: Rpc, hands: list[Hand], clock: Clock) -> None:
    times = []
    for now in (START + 100, START + 100.9, START + 90, START + 200, 0, START + 201):
        clock.now = now
        rpc.send(hands[0].sign())
        times.append(int(rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16) - START)
    assert times == [100, 100, 100, 200, 200, 201]


def test_the_base_fee_falls_when_blocks_are_empty_and_is_what_the_next_block_charges(
    rpc: Rpc, hands: list[Hand]
) -> None:
    fees = []
    for _ in range(5):
        predicted = int(rpc("eth_getBlockByNumber", "pending", False)["baseFeePerGas"], 16)
        receipt = rpc.send(hands[0].sign())
        block = rpc("eth_getBlockByNumber", "latest", False)
        assert int(block["baseFeePerGas"], 16) == predicted == int(receipt["effectiveGasPrice"], 16) - 1
        fees.append(predicted)
    assert fees == sorted(fees, reverse=True)
    assert fees[0] == 10**9 - 10**9 // 8


def test_a_read_only_chain_refuses_to_send_and_answers_the_rest(
    open_chain: Callable[..., Rpc], hands: list[Hand]
) -> None:
    open_chain().send(hands[0].sign())
    reader = open_chain(read_only=True)
    assert reader("eth_blockNumber") == "0x1"
    with pytest.raises(Exception, match="opened for reading only"):
        reader("eth_sendRawTransaction", "0x" + hands[0].sign().hex())


@pytest.mark.parametrize(("step", "is_in_a_block"), [("write", False), ("remember", True)])
def test_an_interrupted_writer_leaves_no_other_thread_waiting(
    rpc: Rpc, hands: list[Hand], monkeypatch: pytest.MonkeyPatch, step: str, is_in_a_block: bool
) -> None:
    file, writer = rpc.provider.node.ledger.file, rpc.provider.node.writer
    raw = hands[1].sign()

    def interrupt(*_: object) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    with ThreadPoolExecutor(1) as pool:
        with writer._turn:
            waiting = pool.submit(writer.submit, [raw])
            while not writer._queue:
                time.sleep(0.001)
            monkeypatch.setattr(file, step, interrupt)
            with pytest.raises(KeyboardInterrupt):
                writer._take_turn([writer._queue.popleft()])
        (outcome,) = waiting.result(timeout=30)
    assert isinstance(outcome, Unavailable)
    found = rpc("eth_getTransactionReceipt", "0x" + keccak(raw).hex())
    assert (found is not None) is is_in_a_block
    answer: Any = rpc.provider.make_request("eth_sendRawTransaction", ["0x" + raw.hex()])  # type: ignore[arg-type]
    assert ("already known" in str(answer)) is is_in_a_block
