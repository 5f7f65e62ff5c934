"""Whatever is asked, the answer is a JSON-RPC object: a result, or an error with a code; never an exception."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.chain.embedded import EmbeddedProvider, Genesis, create
from tests.chain.embedded.ledger_kit import FUNDS, START, Clock, Hand, Rpc

LONG = bool(os.environ.get("TALLYSTICK_LONG"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Rpc:
    path: Path = tmp_path_factory.mktemp("bad") / "chain.db"
    hand = Hand(1)
    create(path, Genesis(timestamp=START, balances={hand.raw_address: FUNDS}))
    rpc = Rpc(EmbeddedProvider(path, clock=Clock()))
    rpc.send(hand.sign())
    rpc.send(hand.sign(to=None, value=0, data=bytes.fromhex("602a5f5260205fa0" + "00"), gas=100_000))
    return rpc


METHODS = [
    "web3_clientVersion", "net_version", "eth_chainId", "eth_getBlockByNumber", "eth_getBlockByHash",
    "eth_getBlockTransactionCountByNumber", "eth_getTransactionByHash", "eth_getTransactionByBlockNumberAndIndex",
    "eth_getTransactionByBlockHashAndIndex", "eth_getTransactionReceipt", "eth_getBlockReceipts", "eth_getBalance",
    "eth_getTransactionCount", "eth_getCode", "eth_getStorageAt", "eth_getProof", "eth_call", "eth_estimateGas",
    "eth_createAccessList", "eth_gasPrice", "eth_feeHistory", "eth_sendRawTransaction", "eth_getLogs", "eth_newFilter",
    "eth_getFilterChanges", "eth_getFilterLogs", "eth_uninstallFilter", "eth_nothing", "",
]  # fmt: skip

hex_text = st.one_of(
    st.sampled_from(
        ["0x", "0x0", "0x1", "0x00", "0x01", "0x2", "0xff", "0x-1", "0x1_0", "0X1", "1", "", " 0x1", "0x1 ", "0x٣"]
    ),
    st.binary(max_size=40).map(lambda raw: "0x" + raw.hex()),
    st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex()),
    st.binary(min_size=32, max_size=32).map(lambda raw: "0x" + raw.hex()),
    st.integers(0, 2**300).map(hex),
    st.sampled_from(["latest", "pending", "earliest", "safe", "finalized", "newest"]),
    st.text(max_size=8),
)
scalar = st.one_of(hex_text, st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats())
field_names = st.sampled_from([
    "from", "to", "gas", "gasPrice", "maxFeePerGas", "maxPriorityFeePerGas", "value", "nonce", "data", "input", "type",
    "accessList", "authorizationList", "chainId", "fromBlock", "toBlock", "address", "topics", "blockHash",
    "blockNumber", "requireCanonical", "storageKeys", "yParity", "r", "s",
])  # fmt: skip
anything = st.recursive(
    scalar,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(field_names, st.text(max_size=4)), inner, max_size=5),
    ),
    max_leaves=12,
)


def check(answer: Any) -> None:
    assert answer["jsonrpc"] == "2.0"
    assert ("result" in answer) != ("error" in answer)
    if "error" in answer:
        error = answer["error"]
        assert isinstance(error["code"], int)
        assert isinstance(error["message"], str)
        assert error["message"]
        assert "Traceback" not in error["message"]
    json.dumps(answer, allow_nan=False)


@given(st.sampled_from(METHODS), st.one_of(anything, st.lists(anything, max_size=4)))
@settings(max_examples=10_000 if LONG else 300, deadline=None)
def test_any_parameters_get_an_answer(shared: Rpc, method: str, parameters: Any) -> None:
    check(shared.provider.make_request(method, parameters))  # type: ignore[arg-type]


# a request that is nearly right reaches deeper than one that is not
calls = st.fixed_dictionaries(
    {},
    optional={
        "from": st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex()),
        "to": st.one_of(st.none(), st.integers(0, 20).map(lambda n: "0x" + n.to_bytes(20, "big").hex())),
        "gas": st.integers(0, 200_000).map(hex),
        "gasPrice": st.integers(0, 2**256 - 1).map(hex),
        "maxFeePerGas": st.integers(0, 2**70).map(hex),
        "maxPriorityFeePerGas": st.integers(0, 2**70).map(hex),
        "value": st.one_of(st.just("0x0"), st.integers(0, 2**256 - 1).map(hex)),
        "nonce": st.integers(0, 2**64 - 1).map(hex),
        "data": st.binary(max_size=60).map(lambda raw: "0x" + raw.hex()),
        "accessList": st.lists(
            st.fixed_dictionaries({"address": st.just("0x" + "11" * 20), "storageKeys": st.just(["0x" + "00" * 32])}),
            max_size=2,
        ),
    },
)
blocks = st.sampled_from(["latest", "pending", "earliest", "0x0", "0x1", "0x2", "0x3", {"blockNumber": "0x1"}])


@given(st.sampled_from(["eth_call", "eth_estimateGas", "eth_createAccessList"]), calls, blocks)
@settings(max_examples=5_000 if LONG else 150, deadline=None)
def test_any_code_can_be_tried(shared: Rpc, method: str, message: Any, block: Any) -> None:
    check(shared.provider.make_request(method, [message, block]))  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.sampled_from(METHODS), anything), max_size=6))
@settings(max_examples=2_000 if LONG else 60, deadline=None)
def test_any_batch_gets_as_many_answers(shared: Rpc, requests: Any) -> None:
    answers = shared.provider.make_batch_request(requests)
    assert len(answers) == len(requests)
    for answer in answers:
        check(answer)


@pytest.mark.parametrize(
    ("method", "parameters", "message"),
    [
        ("eth_getBalance", [], "missing value for required argument 0"),
        ("eth_getBalance", ["0x11"], "invalid argument 0: hex string has length 2, want 40"),
        ("eth_getBalance", ["0x" + "11" * 20, "newest"], "invalid argument 1: not a 0x-prefixed hex number"),
        ("eth_getBalance", ["0x" + "11" * 20, "0x01"], "invalid argument 1: not a 0x-prefixed hex number"),
        ("eth_getBalance", ["0x" + "11" * 20, hex(2**64)], "invalid argument 1: hex number > 63 bits"),
        ("eth_getBalance", ["0x" + "11" * 20, "latest", 1], "too many arguments, want at most 2"),
        ("eth_getBalance", {"address": 1}, "non-array args"),
        ("eth_getBlockByNumber", ["latest", "yes"], "invalid argument 1: not a boolean"),
        ("eth_getStorageAt", ["0x" + "11" * 20, "0x" + "1" * 65], "invalid argument 1: not a hex storage key"),
        ("eth_call", [{"data": "0x1"}], "invalid data: not 0x-prefixed hex bytes"),
        ("eth_call", [{"data": "0x", "input": "0x00"}], 'invalid argument 0: both "data" and "input" are set'),
        ("eth_call", [{"gasPrice": "0x1", "maxFeePerGas": "0x1"}], "invalid argument 0: both gasPrice and"),
        ("eth_call", [{"blobs": []}], "invalid argument 0: unknown or unsupported field 'blobs'"),
        ("eth_call", [{"chainId": "0x1"}], "invalid argument 0: chainId does not match"),
        ("eth_call", [{}, "latest", {"0x" + "11" * 20: {}}], "invalid argument 2: state and block overrides"),
        ("eth_getLogs", [{"topics": [None] * 5}], "invalid argument 0: want at most four topics"),
        ("eth_getLogs", [{"adress": "0x"}], "invalid argument 0: unknown field 'adress'"),
        ("eth_feeHistory", ["0x1", "latest", [50, 10]], "invalid reward percentile"),
        ("eth_feeHistory", ["0x1", "latest", [101]], "invalid reward percentile"),
        ("eth_getProof", ["0x" + "11" * 20, "0x0"], "invalid argument 1: want a list"),
        ("eth_sendRawTransaction", ["0x1"], "invalid argument 0: not 0x-prefixed hex bytes"),
    ],
)
def test_what_is_wrong_with_a_request_is_said(shared: Rpc, method: str, parameters: Any, message: str) -> None:
    answer: Any = shared.provider.make_request(method, parameters)  # type: ignore[arg-type]
    assert answer["error"]["code"] == -32602
    assert answer["error"]["message"].startswith(message)


def test_numbers_beyond_the_json_a_client_may_send_are_refused(shared: Rpc) -> None:
    deep: Any = "x"
    for _ in range(100):
        deep = [deep]
    for parameters in ([deep], [{"data": deep}], [float("inf")], [float("nan")]):
        answer: Any = shared.provider.make_request("eth_call", parameters)  # type: ignore[arg-type]
        assert answer["error"]["code"] == -32602
