"""Each RPC method, through web3.py and beside anvil: the same names, the same kinds of values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from anvil_node import KEYS, Anvil, running_anvil
from web3 import HTTPProvider, Web3

from tests.chain.embedded.ledger_kit import FUNDS, Hand, Rpc

pytestmark = pytest.mark.anvil

RECIPIENT = "0x" + "11" * 20
# LOG2 of 32 bytes with two topics, so that receipts hold logs
LOGGER = "602a5f52600760096020" + "5fa200"


@pytest.fixture(scope="module")
def peer() -> Iterator[Anvil]:
    with running_anvil(chain_id=1337) as node:
        yield node


class Side:
    """The same short history on one of the two: a transfer, a deployment, a log, a failure."""

    def __init__(self, web3: Web3, rpc: Any, key: str) -> None:
        self.web3 = web3
        self.rpc = rpc
        hand = Hand(1)
        hand.account = web3.eth.account.from_key(key)
        self.hand = hand
        self.hashes = []
        code = "6010600c60003960106000f3" + LOGGER.ljust(32, "0")
        self.send(to=RECIPIENT, value=5)
        self.logger = self.receipt(self.send(to=None, value=0, data=bytes.fromhex(code), gas=200_000))[
            "contractAddress"
        ]
        self.send(to=self.logger, value=0, accessList=[{"address": self.logger, "storageKeys": ["0x" + "00" * 32]}])
        self.send(to=self.logger, value=0, gasPrice=3 * 10**9)
        self.send(to=RECIPIENT, value=0, gas=60_000, gasPrice=3 * 10**9, accessList=[])
        self.send(to=None, value=0, data=b"\xfe", gas=60_000)
        entry = hand.account.sign_authorization({"chainId": 0, "address": b"\x04" * 20, "nonce": hand.nonce + 1})
        self.send(to=RECIPIENT, value=0, authorizationList=[entry])
        self.block = self.receipt(self.hashes[3])["blockHash"]

    def send(self, **fields: Any) -> str:
        self.hashes.append("0x" + self.web3.eth.send_raw_transaction(self.hand.sign(**fields)).hex())
        self.web3.eth.wait_for_transaction_receipt(self.hashes[-1], timeout=30, poll_latency=0.01)
        return self.hashes[-1]

    def receipt(self, tx_hash: str) -> Any:
        return self.rpc("eth_getTransactionReceipt", tx_hash)


@pytest.fixture
def sides(rpc: Rpc, hands: list[Hand], peer: Anvil) -> Iterator[tuple[Side, Side]]:
    snapshot = peer.rpc("evm_snapshot")
    theirs = Side(Web3(HTTPProvider(peer.url)), peer.rpc, KEYS[0])
    yield Side(Web3(rpc.provider), rpc, "0x" + "01" * 32), theirs
    assert peer.rpc("evm_revert", snapshot)


def shape(value: Any) -> Any:
    """Return what kind of value this is, all the way down."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    if isinstance(value, str) and re.fullmatch(r"0x[0-9a-f]*", value):
        return {66: "32 bytes", 42: "20 bytes", 514: "bloom"}.get(len(value), "hex")
    return type(value).__name__


# what anvil adds to or leaves out of the specification
ANVIL_ONLY = {"blobGasPrice", "blobGasUsed", "blockTimestamp", "maxFeePerGas", "maxPriorityFeePerGas", "r", "s", "v"}
# numbers and bytes of any length, and proofs, where anvil proves an empty trie with a node that is not there
ANY_SHAPE = {"blockTimestamp", "input", "data", "size", "extraData", "r", "s", "proof", "accountProof"}
OURS_ONLY = {"blockTimestamp", "totalDifficulty"}


def compare(ours: Any, theirs: Any) -> None:
    """Check that two answers have the same members of the same kinds."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        assert theirs.keys() - ours.keys() <= ANVIL_ONLY
        assert ours.keys() - theirs.keys() <= OURS_ONLY
        for name in ours.keys() & theirs.keys() - ANY_SHAPE:
            compare(ours[name], theirs[name])
    elif isinstance(ours, list) and isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            compare(one, other)
    else:
        assert shape(ours) == shape(theirs), (ours, theirs)


REQUESTS: list[tuple[str, Any]] = [
    ("eth_getBlockByNumber", lambda side: ["0x4", True]),
    ("eth_getBlockByNumber", lambda side: ["0x4", False]),
    ("eth_getBlockByNumber", lambda side: ["earliest", False]),
    ("eth_getBlockByHash", lambda side: [side.block, False]),
    ("eth_getBlockByHash", lambda side: ["0x" + "77" * 32, True]),
    ("eth_getBlockByNumber", lambda side: ["0x99", True]),
    ("eth_getBlockTransactionCountByNumber", lambda side: ["0x4"]),
    ("eth_getBlockTransactionCountByHash", lambda side: [side.block]),
    ("eth_getBlockTransactionCountByHash", lambda side: ["0x" + "77" * 32]),
    ("eth_getUncleCountByBlockNumber", lambda side: ["0x4"]),
    ("eth_getTransactionByHash", lambda side: ["0x" + "77" * 32]),
    ("eth_getTransactionReceipt", lambda side: ["0x" + "77" * 32]),
    ("eth_getTransactionByBlockNumberAndIndex", lambda side: ["0x4", "0x0"]),
    ("eth_getTransactionByBlockHashAndIndex", lambda side: [side.block, "0x0"]),
    ("eth_getTransactionByBlockHashAndIndex", lambda side: [side.block, "0x1"]),
    ("eth_getBlockReceipts", lambda side: ["0x4"]),
    ("eth_getLogs", lambda side: [{"fromBlock": "0x0", "toBlock": "latest", "address": side.logger}]),
    ("eth_getBalance", lambda side: [RECIPIENT, "latest"]),
    ("eth_getCode", lambda side: [side.logger, "latest"]),
    ("eth_getCode", lambda side: [RECIPIENT, "latest"]),
    ("eth_getStorageAt", lambda side: [side.logger, "0x0", "latest"]),
    ("eth_getTransactionCount", lambda side: [RECIPIENT, "latest"]),
    ("eth_getProof", lambda side: [side.logger, ["0x" + "00" * 32], "latest"]),
    ("eth_call", lambda side: [{"to": side.logger}, "latest"]),
    ("eth_estimateGas", lambda side: [{"to": side.logger}]),
    ("eth_createAccessList", lambda side: [{"to": side.logger}]),
    ("eth_gasPrice", lambda side: []),
    ("eth_maxPriorityFeePerGas", lambda side: []),
    ("eth_blobBaseFee", lambda side: []),
    ("eth_feeHistory", lambda side: ["0x3", "latest", [25, 75]]),
    ("eth_chainId", lambda side: []),
    ("eth_blockNumber", lambda side: []),
    ("eth_syncing", lambda side: []),
    ("eth_coinbase", lambda side: []),
    ("net_version", lambda side: []),
    ("net_listening", lambda side: []),
    ("web3_clientVersion", lambda side: []),
]


def test_answers_have_the_shape_of_anvils(sides: tuple[Side, Side]) -> None:
    ours, theirs = sides
    for method, parameters in REQUESTS:
        one, other = ours.rpc(method, *parameters(ours)), theirs.rpc(method, *parameters(theirs))
        try:
            compare(one, other)
        except AssertionError as error:
            raise AssertionError(f"{method} {parameters(ours)}\n{one}\n{other}") from error
    for index in range(7):
        compare(ours.receipt(ours.hashes[index]), theirs.receipt(theirs.hashes[index]))
        for method in ("eth_getTransactionByHash",):
            compare(ours.rpc(method, ours.hashes[index]), theirs.rpc(method, theirs.hashes[index]))


def test_every_method_that_is_answered_is_asked_by_some_test(rpc: Rpc) -> None:
    tested = {method for method, _ in REQUESTS}
    tested |= {"eth_sendRawTransaction", "eth_accounts", "eth_getRawTransactionByHash", "net_peerCount"}
    tested |= {"eth_getTransactionReceipt", "eth_getUncleCountByBlockHash"}
    filters = {"newFilter", "newBlockFilter", "newPendingTransactionFilter", "getFilterChanges", "getFilterLogs"}
    tested |= {f"eth_{name}" for name in filters | {"uninstallFilter"}}
    assert set(rpc.provider.methods) == tested


def test_a_method_that_does_not_exist_is_error_32601_on_both(rpc: Rpc, peer: Anvil) -> None:
    assert rpc.error("eth_mining")["code"] == -32601
    assert peer.rpc("eth_nonsense")["error"]["code"] == -32601


@pytest.mark.parametrize(
    ("method", "instead"),
    [("eth_subscribe", "eth_newFilter"), ("eth_unsubscribe", "eth_newFilter"), ("eth_sign", "eth_sendRawTransaction")]
    + [(f"eth_{verb}Transaction", "eth_sendRawTransaction") for verb in ("send", "sign")],
)
def test_what_only_other_nodes_can_do_is_refused_with_what_to_do_instead(rpc: Rpc, method: str, instead: str) -> None:
    error = rpc.error(method, "newHeads")
    assert error["code"] == -32601
    assert instead in error["message"]


def test_web3_py_reads_every_answer(sides: tuple[Side, Side]) -> None:
    side = sides[0]
    eth = side.web3.eth
    assert side.web3.is_connected()
    assert side.web3.client_version.startswith("tallystick/v")
    assert eth.chain_id == 1337
    assert eth.block_number == 7
    assert list(eth.accounts) == []
    assert eth.syncing is False
    assert side.web3.net.version == "1337"
    assert eth.get_balance(side.web3.to_checksum_address(RECIPIENT)) == 5
    for number in range(8):
        block = eth.get_block(number, full_transactions=True)
        assert block["number"] == number
        assert eth.get_block(block["hash"])["hash"] == block["hash"]
        for transaction in block["transactions"]:
            found = eth.get_transaction(transaction["hash"])  # type: ignore[index]
            assert found == transaction
            raw = eth.get_raw_transaction(transaction["hash"])  # type: ignore[index]
            assert side.web3.keccak(raw) == transaction["hash"]  # type: ignore[index]
            receipt = eth.get_transaction_receipt(transaction["hash"])  # type: ignore[index]
            assert receipt["blockHash"] == block["hash"]
            assert receipt["gasUsed"] == block["gasUsed"]
    assert eth.fee_history(3, "latest", [50])["oldestBlock"] == 5
    assert eth.max_priority_fee == 1
    assert eth.gas_price == eth.get_block("pending")["baseFeePerGas"] + 1
    assert int(eth.get_balance(eth.get_block(0)["miner"])) >= 0
    assert eth.get_balance(side.hand.address, 0) == FUNDS


def test_web3_py_signs_fills_in_and_waits_as_with_any_node(rpc: Rpc, hands: list[Hand]) -> None:
    web3 = Web3(rpc.provider)
    transaction: Any = {"from": hands[0].address, "to": RECIPIENT, "value": 7, "chainId": 1337, "nonce": 0}
    transaction["gas"] = web3.eth.estimate_gas(transaction)
    transaction["maxPriorityFeePerGas"] = web3.eth.max_priority_fee
    transaction["maxFeePerGas"] = 2 * web3.eth.get_block("latest")["baseFeePerGas"]
    del transaction["from"]
    signed = hands[0].account.sign_transaction({**transaction, "to": bytes.fromhex(RECIPIENT[2:])})
    receipt = web3.eth.wait_for_transaction_receipt(web3.eth.send_raw_transaction(signed.raw_transaction))
    assert receipt["status"] == 1
    with web3.batch_requests() as batch:
        batch.add(web3.eth.get_block(0))
        batch.add(web3.eth.get_block(1))
        assert [block["number"] for block in batch.execute()] == [0, 1]


def test_the_smaller_methods_answer(rpc: Rpc, hands: list[Hand]) -> None:
    raw = hands[0].sign()
    block = rpc("eth_getBlockByNumber", rpc.send(raw)["blockNumber"], False)
    assert rpc("eth_getRawTransactionByHash", block["transactions"][0]) == "0x" + raw.hex()
    assert rpc("eth_getRawTransactionByHash", "0x" + "77" * 32) is None
    assert rpc("eth_getUncleCountByBlockHash", block["hash"]) == "0x0"
    assert rpc("eth_accounts") == []
    assert rpc("net_peerCount") == "0x0"
    assert rpc.provider.is_connected()
