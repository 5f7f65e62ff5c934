"""Logs are asked for in pages that the node accepts, and all of them arrive."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.chain.node import Node
from tallystick.core.errors import InvalidInput, Rejected

A = "0x" + "ab" * 20


class Paging:
    """A node with one log in each block of `holders` that answers no more than `limit` blocks at once."""

    def __init__(self, holders: list[int], limit: int, refusal: dict[str, Any]) -> None:
        self.holders = sorted(set(holders))
        self.limit = limit
        self.refusal = refusal
        self.requests = 0

    def make_request(self, method: str, params: list[Any]) -> dict[str, Any]:
        """Answer eth_getLogs."""
        self.requests += 1
        first, last = int(params[0]["fromBlock"], 16), int(params[0]["toBlock"], 16)
        if last - first >= self.limit:
            return {"error": self.refusal}
        return {"result": [log_of(number) for number in self.holders if first <= number <= last]}


def log_of(number: int) -> dict[str, Any]:
    return {
        "address": A,
        "topics": [],
        "data": "0x",
        "blockNumber": hex(number),
        "blockHash": "0x" + number.to_bytes(32, "big").hex(),
        "transactionHash": "0x" + "00" * 32,
        "transactionIndex": "0x0",
        "logIndex": "0x0",
    }


REFUSALS = [
    {"code": -32005, "message": "query returned more than 10000 results"},
    {"code": -32000, "message": "exceed maximum block range: 50000"},
    {"code": -32602, "message": "block range too large"},
    {"code": -32603, "message": "internal error"},
    {"code": -32600, "message": "eth_getLogs is limited to a 10,000 range"},
]


@given(
    holders=st.lists(st.integers(0, 30_000), max_size=20),
    first=st.integers(0, 25_000),
    span=st.integers(0, 25_000),
    limit=st.integers(500, 40_000),
    refusal=st.sampled_from(REFUSALS),
)
def test_every_log_of_the_range_arrives_once_and_in_order(
    holders: list[int], first: int, span: int, limit: int, refusal: dict[str, Any]
) -> None:
    node = Node(Paging(holders, limit, refusal))
    logs = node.logs(A, from_block=first, to_block=first + span)
    assert [log.block_number for log in logs] == [n for n in sorted(set(holders)) if first <= n <= first + span]


def test_a_node_that_refuses_even_one_block_is_believed() -> None:
    node = Node(Paging([], 0, REFUSALS[1]))
    with pytest.raises(Rejected, match="maximum block range"):
        node.logs(A, from_block=0, to_block=10_000)


def test_a_range_and_a_block_hash_exclude_each_other() -> None:
    node = Node(Paging([], 1, {}))
    with pytest.raises(InvalidInput):
        node.logs(A, block_hash=bytes(32), from_block=1)
    with pytest.raises(InvalidInput):
        node.logs(A, from_block=-1, to_block=1)


def test_an_empty_range_asks_nothing() -> None:
    provider = Paging([], 1, {})
    assert Node(provider).logs(A, from_block=5, to_block=4) == []
    assert provider.requests == 0
