"""Parsers of `chain`: what a node answers, what a caller asks of the embedded one, and the genesis of a chain file."""

from __future__ import annotations

import atexit
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from tallystick.chain import deployments, evidence, facts, reverts
from tallystick.chain.accounts import Account, TransactionFields
from tallystick.chain.bindings.log_anchor import Anchored
from tallystick.chain.calls import Log
from tallystick.chain.embedded import EmbeddedProvider, Genesis, create, trie
from tallystick.chain.embedded.accounts import Account as Leaf
from tallystick.chain.embedded.header import Header
from tallystick.chain.embedded.receipt import Receipt
from tallystick.chain.fees import Fees
from tallystick.core.errors import InvalidInput, TallystickError
from tallystick.core.ids import checksum_address
from tests.fuzz.targets import Target, of_file, of_json

SIGNER = Account(b"\x07" * 32)
GENESIS = Genesis(timestamp=1_700_000_000, balances={bytes.fromhex(SIGNER.address[2:]): 10**24})
HERE = checksum_address(b"\x11" * 20)


@cache
def provider() -> EmbeddedProvider:
    """Return one open chain with a little history, kept until the process ends."""
    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name) / "chain.db"
    create(path, GENESIS)
    opened = EmbeddedProvider(path)
    atexit.register(folder.cleanup)
    atexit.register(opened.close)
    ask(opened, "eth_sendRawTransaction", ["0x" + _transfer().hex()])
    return opened


def ask(opened: EmbeddedProvider, method: str, params: list[Any]) -> Any:
    """Return the result of one request that is expected to succeed."""
    answer = opened.make_request(method, params)  # type: ignore[arg-type]
    assert "result" in answer, answer
    return answer["result"]


def _transfer(nonce: int = 0) -> bytes:
    fields = TransactionFields(GENESIS.chain_id, nonce, HERE, 1, b"", 21_000, Fees(2 * 10**9, 1))
    return SIGNER.sign_transaction(fields).raw


def _answers(method: str, *params: list[Any]) -> Callable[[], list[bytes]]:
    """Return a function that asks the chain, so that what is read are a node's own words."""
    return lambda: [orjson.dumps(ask(provider(), method, one)) for one in params]


def _receipts() -> list[bytes]:
    block = ask(provider(), "eth_getBlockByNumber", ["0x1", False])
    return [orjson.dumps(ask(provider(), "eth_getTransactionReceipt", [block["transactions"][0]]))]


def _block(value: Any) -> facts.Block:
    block = facts.Block.read(value)
    evidence.verify_block_hash(block)
    return block


def _proof(value: Any) -> facts.AccountProof:
    proof = facts.AccountProof.read(value)
    state_root = bytes.fromhex(ask(provider(), "eth_getBlockByNumber", ["0x1", False])["stateRoot"][2:])
    evidence.verify_account_proof(state_root, proof)
    return proof


def _event(data: bytes) -> Anchored:
    topics = (Anchored.topic, data[:32])
    return Anchored.decode(Log(HERE, topics, data[32:], 1, bytes(32), bytes(32), 0, 0))


def _error(value: Any) -> TallystickError:
    """An error object of a node may be anything; it always becomes one of ours."""
    found = reverts.error_of_answer("eth_call", value)
    assert isinstance(found, TallystickError)
    assert len(str(found)) < 4_096
    return found


def _revert(data: bytes) -> str:
    found = reverts.rejection_of_revert(data)
    assert found.code.isprintable()
    return found.code


def _request(value: Any) -> Any:
    """Ask the embedded node whatever this says; it answers, or refuses with a JSON-RPC error."""
    if not isinstance(value, dict) or not isinstance(value.get("method"), str):
        raise InvalidInput("fuzz.request", "no method")
    answer = provider().make_request(value["method"], value.get("params", []))  # type: ignore[arg-type]
    if "result" not in answer:
        assert isinstance(answer["error"]["code"], int)
        assert answer["error"]["message"]
        raise InvalidInput("fuzz.refused", answer["error"]["message"])
    orjson.dumps(answer["result"])
    return None


def _requests() -> list[bytes]:
    provider()
    call = {"from": SIGNER.address, "to": HERE, "value": "0x1", "data": "0x", "gas": "0x5208"}
    asked: list[tuple[str, list[Any]]] = [
        ("eth_blockNumber", []),
        ("eth_getBlockByNumber", ["latest", True]),
        ("eth_getBalance", [HERE, "0x1"]),
        ("eth_getStorageAt", [HERE, "0x0", {"blockNumber": "0x0"}]),
        ("eth_getProof", [HERE, ["0x0"], "latest"]),
        ("eth_call", [call, "latest", {HERE: {"balance": "0x1"}}]),
        ("eth_estimateGas", [call]),
        ("eth_feeHistory", ["0x2", "latest", [10, 50]]),
        (
            "eth_getLogs",
            [{"fromBlock": "0x0", "toBlock": "latest", "address": [HERE], "topics": [None, ["0x" + "00" * 32]]}],
        ),
        ("eth_sendRawTransaction", ["0x" + _transfer(1).hex()]),
    ]
    found = [orjson.dumps({"method": method, "params": params}) for method, params in asked]
    return [request for request in found if _is_answered(request)]


def _is_answered(request: bytes) -> bool:
    value = orjson.loads(request)
    if value["method"] == "eth_sendRawTransaction":
        return False  # sent once it is history; it is still worth mutating, see `chain.transaction`
    return "result" in provider().make_request(value["method"], value["params"])


def _transaction(data: bytes) -> None:
    """Offer raw bytes as a transaction; the node takes or refuses them."""
    answer = provider().make_request("eth_sendRawTransaction", ["0x" + data.hex()])  # type: ignore[arg-type]
    if "result" not in answer and "already" not in answer["error"]["message"]:
        raise InvalidInput("fuzz.refused", answer["error"]["message"])


def _deployments(path: Path) -> deployments.Deployments:
    return deployments.load_deployments(path.parent, 1_337, bytes(32))


def _recorded() -> bytes:
    made = deployments.Deployment("LogAnchor", HERE, bytes(32), "ab" * 32, bytes(32), 7)
    with tempfile.TemporaryDirectory() as folder:
        deployments.record_deployment(Path(folder), 1_337, bytes(32), made)
        return (Path(folder) / "1337.json").read_bytes()


def _header() -> bytes:
    return GENESIS.build()[0].encode()


def _nodes() -> list[bytes]:
    return [encoded for encoded, _ in GENESIS.build()[1].values()]


def _transactions() -> list[bytes]:
    return [_transfer(0)]


TARGETS = [
    Target("chain.genesis", Genesis.from_bytes, lambda: [GENESIS.to_bytes()], Genesis.to_bytes, exact=True),
    Target("chain.deployments", of_file(_deployments, "1337.json"), lambda: [_recorded()]),
    Target("chain.header", Header.decode, lambda: [_header()], Header.encode, exact=True),
    Target("chain.trie_node", trie.decode, _nodes),
    Target("chain.leaf", Leaf.decode, lambda: [Leaf(1, 10**18).encode()], Leaf.encode),
    Target("chain.stored_receipt", Receipt.decode, lambda: [Receipt(2, 1, 21_000, 0, ()).encode()]),
    Target("chain.block", of_json(_block), _answers("eth_getBlockByNumber", ["0x0", False], ["0x1", False])),
    Target("chain.receipt", of_json(facts.TxReceipt.read), _receipts),
    Target(
        "chain.proof", of_json(_proof), _answers("eth_getProof", [SIGNER.address, [], "0x1"], [HERE, ["0x0"], "0x1"])
    ),
    Target("chain.event", _event, lambda: [bytes(32 + 96)]),
    Target(
        "chain.error", of_json(_error), lambda: [b'{"code":3,"message":"execution reverted: a: b","data":"0x08c379a0"}']
    ),
    Target(
        "chain.revert",
        _revert,
        lambda: [bytes.fromhex("08c379a0") + (32).to_bytes(32, "big") + (1).to_bytes(32, "big") + b"x" + bytes(31)],
    ),
    Target("chain.request", of_json(_request), _requests),
    Target("chain.transaction", _transaction, _transactions),
]
