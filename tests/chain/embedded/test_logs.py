"""Logs: whatever is asked, the answer is what reading every receipt gives; filters tell each thing once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.chain.embedded import EmbeddedProvider, Genesis, create
from tests.chain.embedded.ledger_kit import FUNDS, START, Clock, Hand, Rpc

# emits as many logs as the first byte says, each with the topics that follow: size byte, then one byte per topic;
# the data is the caller's address
TOPICS = [bytes([n]) * 32 for n in (1, 2, 3)]


def emitter(topics: list[bytes]) -> str:
    """Return code that emits one log with these topics."""
    pushes = "".join("7f" + topic.hex() for topic in reversed(topics))
    return f"335f52{pushes}60205f{0xA0 + len(topics):02x}00"


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> tuple[Rpc, list[str]]:
    """A chain with logs of several addresses and topic lists, in blocks of one and of many transactions."""
    path: Path = tmp_path_factory.mktemp("logs") / "chain.db"
    hand = Hand(1)
    create(path, Genesis(timestamp=START, balances={hand.raw_address: FUNDS}))
    rpc = Rpc(EmbeddedProvider(path, clock=Clock()))
    shapes = [[], [0], [0, 1], [1, 0, 2], [0, 0, 0, 0], [2, 1]]
    addresses = []
    for shape in shapes:
        code = emitter([TOPICS[n] for n in shape])
        size = f"{len(code) // 2:04x}"
        data = bytes.fromhex(f"61{size}600c5f3961{size}5ff3{code}")
        addresses.append(rpc.send(hand.sign(to=None, value=0, data=data, gas=500_000))["contractAddress"])
    for address in addresses:
        rpc.send(hand.sign(to=address, value=0))
    for _ in range(3):
        rpc.provider.make_batch_request(
            [("eth_sendRawTransaction", ["0x" + hand.sign(to=a, value=0).hex()]) for a in addresses]  # type: ignore[misc]
        )
    rpc.send(hand.sign())  # a block without logs
    return rpc, addresses


def every_log(rpc: Rpc) -> list[Any]:
    head = int(rpc("eth_blockNumber"), 16)
    receipts = [receipt for n in range(head + 1) for receipt in rpc("eth_getBlockReceipts", hex(n))]
    return [log for receipt in receipts for log in receipt["logs"]]


def wanted(log: Any, query: dict[str, Any]) -> bool:
    address = query.get("address")
    if address is not None and log["address"] not in (
        [address] if isinstance(address, str) else address or [log["address"]]
    ):
        return False
    for position, topic in enumerate(query.get("topics", [])):
        if position >= len(log["topics"]):
            return False
        if topic is not None and log["topics"][position] not in (
            [topic] if isinstance(topic, str) else topic or TOPICS_HEX
        ):
            return False
    return (
        int(query.get("fromBlock", "0x0"), 16) <= int(log["blockNumber"], 16) <= int(query.get("toBlock", "0xff"), 16)
    )


TOPICS_HEX = ["0x" + topic.hex() for topic in TOPICS]
one_topic = st.sampled_from([*TOPICS_HEX, "0x" + "99" * 32])
topic_lists = st.lists(st.one_of(st.none(), one_topic, st.lists(one_topic, max_size=2)), max_size=4)


@given(st.data())
@settings(max_examples=2_000 if os.environ.get("TALLYSTICK_LONG") else 60, deadline=None)
def test_a_query_finds_what_reading_every_receipt_finds(history: tuple[Rpc, list[str]], data: st.DataObject) -> None:
    rpc, addresses = history
    known = st.sampled_from([*addresses, "0x" + "77" * 20])
    head = int(rpc("eth_blockNumber"), 16)
    first = data.draw(st.integers(0, head))
    query: dict[str, Any] = {"fromBlock": hex(first), "toBlock": hex(data.draw(st.integers(first, head + 3)))}
    if data.draw(st.booleans()):
        query["address"] = data.draw(st.one_of(known, st.lists(known, max_size=3)))
    if data.draw(st.booleans()):
        query["topics"] = data.draw(topic_lists)
    assert rpc("eth_getLogs", query) == [log for log in every_log(rpc) if wanted(log, query)]


def test_log_positions_count_through_the_block(history: tuple[Rpc, list[str]]) -> None:
    rpc, _ = history
    by_block: dict[str, list[int]] = {}
    for log in every_log(rpc):
        by_block.setdefault(log["blockHash"], []).append(int(log["logIndex"], 16))
    assert all(positions == list(range(len(positions))) for positions in by_block.values())
    assert max(map(len, by_block.values())) == 6


def test_one_block_can_be_asked_for_by_its_hash(history: tuple[Rpc, list[str]]) -> None:
    rpc, _ = history
    log = every_log(rpc)[-1]
    found = rpc("eth_getLogs", {"blockHash": log["blockHash"]})
    assert found == [other for other in every_log(rpc) if other["blockHash"] == log["blockHash"]]
    assert rpc.error("eth_getLogs", {"blockHash": "0x" + "77" * 32})["message"] == "unknown block"
    assert rpc.error("eth_getLogs", {"blockHash": log["blockHash"], "fromBlock": "0x1"})["code"] == -32602


def test_a_range_that_ends_before_it_begins_is_refused(history: tuple[Rpc, list[str]]) -> None:
    rpc, _ = history
    error = rpc.error("eth_getLogs", {"fromBlock": "0x5", "toBlock": "0x4"})
    assert error == {"code": -32602, "message": "invalid block range params"}
    assert rpc("eth_getLogs", {"fromBlock": "0xffff", "toBlock": "0xfffff"}) == []


@pytest.mark.parametrize("tag", ["latest", "pending", "safe", "finalized", None])
def test_who_polls_from_the_block_after_the_head_is_told_of_nothing(
    history: tuple[Rpc, list[str]], tag: str | None
) -> None:
    rpc, _ = history
    following = hex(int(rpc("eth_blockNumber"), 16) + 1)
    assert rpc("eth_getLogs", {"fromBlock": following} | ({"toBlock": tag} if tag else {})) == []
    assert rpc("eth_getLogs", {"fromBlock": "0x1", "toBlock": "earliest"}) == []


def test_more_logs_than_the_limit_are_refused_with_where_it_was_reached(
    history: tuple[Rpc, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    rpc, _ = history
    monkeypatch.setattr("tallystick.chain.embedded.rpc_logs.LEDGER_LOGS_MAX", 10)
    error = rpc.error("eth_getLogs", {"fromBlock": "0x0"})
    assert error["code"] == -32005
    assert len(rpc("eth_getLogs", {"fromBlock": "0x0", "toBlock": hex(int(error["data"]["to"], 16) - 1)})) <= 10


def test_a_range_longer_than_one_scan_is_read_whole(
    history: tuple[Rpc, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    rpc, _ = history
    before = rpc("eth_getLogs", {"fromBlock": "0x0"})
    monkeypatch.setattr("tallystick.chain.embedded.rpc_logs.LEDGER_SCAN_BLOCKS", 3)
    assert rpc("eth_getLogs", {"fromBlock": "0x0"}) == before


# ---- filters


def deploy_emitter(rpc: Rpc, hand: Hand) -> str:
    code = emitter([TOPICS[0]])
    size = f"{len(code) // 2:04x}"
    data = bytes.fromhex(f"61{size}600c5f3961{size}5ff3{code}")
    return str(rpc.send(hand.sign(to=None, value=0, data=data, gas=500_000))["contractAddress"])


def test_a_log_filter_tells_each_new_log_once(rpc: Rpc, hands: list[Hand]) -> None:
    address = deploy_emitter(rpc, hands[0])
    rpc.send(hands[0].sign(to=address, value=0))
    key = rpc("eth_newFilter", {"address": address, "fromBlock": "0x0"})
    assert rpc("eth_getFilterChanges", key) == []
    rpc.send(hands[0].sign(to=address, value=0))
    rpc.send(hands[0].sign())
    (log,) = rpc("eth_getFilterChanges", key)
    assert log["topics"] == [TOPICS_HEX[0]]
    assert rpc("eth_getFilterChanges", key) == []
    assert len(rpc("eth_getFilterLogs", key)) == 2
    assert rpc("eth_uninstallFilter", key) is True
    assert rpc("eth_uninstallFilter", key) is False
    assert rpc.error("eth_getFilterChanges", key) == {"code": -32000, "message": "filter not found"}


def test_block_and_transaction_filters_tell_hashes(rpc: Rpc, hands: list[Hand]) -> None:
    blocks, sent = rpc("eth_newBlockFilter"), rpc("eth_newPendingTransactionFilter")
    receipts = [rpc.send(hands[0].sign()) for _ in range(2)]
    assert rpc("eth_getFilterChanges", blocks) == [receipt["blockHash"] for receipt in receipts]
    assert rpc("eth_getFilterChanges", sent) == [receipt["transactionHash"] for receipt in receipts]
    assert rpc("eth_getFilterChanges", blocks) == []
    assert rpc.error("eth_getFilterLogs", blocks)["message"] == "filter not found"


def test_a_filter_sees_what_another_process_wrote(open_chain: Callable[..., Rpc], hands: list[Hand]) -> None:
    watching, writing = open_chain(), open_chain()
    key = watching("eth_newBlockFilter")
    receipt = writing.send(hands[0].sign())
    assert watching("eth_getFilterChanges", key) == [receipt["blockHash"]]


def test_a_filter_nobody_asks_for_lapses(rpc: Rpc, clock: Clock) -> None:
    idle, used = rpc("eth_newBlockFilter"), rpc("eth_newBlockFilter")
    clock.now += 200
    assert rpc("eth_getFilterChanges", used) == []
    clock.now += 200
    assert rpc("eth_getFilterChanges", used) == []
    assert rpc.error("eth_getFilterChanges", idle)["message"] == "filter not found"


def test_there_is_a_last_filter(rpc: Rpc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tallystick.chain.embedded.rpc_logs.LEDGER_FILTERS_MAX", 2)
    rpc("eth_newBlockFilter"), rpc("eth_newBlockFilter")
    assert rpc.error("eth_newBlockFilter")["message"] == "too many filters"
