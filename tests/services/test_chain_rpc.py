"""The embedded chain over HTTP: real sockets, real clients; batches, bad bodies, pages from elsewhere."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from web3 import HTTPProvider, Web3

from tallystick.chain.connect import connect
from tallystick.chain.embedded import EmbeddedProvider, Genesis, create
from tallystick.core.errors import Broken, InvalidInput
from tallystick.services.chain_rpc import serve_chain
from tallystick.services.http1 import Bounds
from tallystick.services.listener import Stop
from tests.chain.embedded.ledger_kit import FUNDS, START, Hand

JSON = {"Content-Type": "application/json"}


@dataclass
class Server:
    """A chain being served."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def post(self, body: bytes, headers: dict[str, str] | None = None, method: str = "POST") -> tuple[int, Any, Any]:
        """Return (status, body, headers) of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, "/", body, JSON if headers is None else headers)
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, json.loads(content) if content else None, answer.headers
        finally:
            connection.close()

    def rpc(self, method: str, *params: Any) -> Any:
        _, answer, _ = self.post(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode())
        return answer


def serving(provider: Any, **options: Any) -> Iterator[Server]:
    stop, ports, up = Stop(), [], threading.Event()

    def ready(_: str, port: int) -> None:
        ports.append(port)
        up.set()

    thread = threading.Thread(
        target=serve_chain, args=(provider, "127.0.0.1", 0), kwargs={"ready": ready, "stop": stop, **options}
    )
    thread.start()
    assert up.wait(30)
    try:
        yield Server(ports[0])
    finally:
        stop.ask()
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture
def hand() -> Hand:
    return Hand(1)


@pytest.fixture
def provider(tmp_path: Path, hand: Hand) -> Iterator[EmbeddedProvider]:
    create(tmp_path / "chain.db", Genesis(timestamp=START, balances={hand.raw_address: FUNDS}))
    opened = EmbeddedProvider(tmp_path / "chain.db")
    yield opened
    opened.close()


@pytest.fixture
def server(provider: EmbeddedProvider) -> Iterator[Server]:
    yield from serving(provider)


def test_web3_py_and_a_node_of_ours_speak_to_it(server: Server, hand: Hand) -> None:
    web3 = Web3(HTTPProvider(server.url))
    receipt = web3.eth.wait_for_transaction_receipt(web3.eth.send_raw_transaction(hand.sign()))
    assert receipt["status"] == 1
    node = connect(server.url)
    assert (node.chain_id, node.block_number()) == (1337, 1)
    assert node.balance(hand.address) < FUNDS


def test_an_answer_carries_the_id_that_was_asked(server: Server) -> None:
    for name in (1, "a", 1.5, None):
        body = json.dumps({"jsonrpc": "2.0", "id": name, "method": "eth_chainId"}).encode()
        assert server.post(body)[1] == {"jsonrpc": "2.0", "id": name, "result": "0x539"}


def test_a_notification_gets_no_answer(server: Server) -> None:
    one = {"jsonrpc": "2.0", "method": "eth_chainId"}
    assert server.post(json.dumps(one).encode())[:2] == (204, None)
    assert server.post(json.dumps([one, one]).encode())[:2] == (204, None)
    assert len(server.post(json.dumps([one, {**one, "id": 1}]).encode())[1]) == 1


BAD = [
    (b"", -32700),
    (b"{", -32700),
    (b"\xff", -32700),
    (b"NaN", -32700),
    (b"[" * 100_000, -32700),
    (b"1", -32600),
    (b'"x"', -32600),
    (b"null", -32600),
    (b"{}", -32600),
    (b"[]", -32600),
    (b'{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}', -32600),
    (b'{"jsonrpc":"2.0","id":1,"method":1}', -32600),
    (b'{"jsonrpc":"2.0","id":{},"method":"eth_chainId"}', -32600),
    (b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":5}', -32602),
    (b'{"jsonrpc":"2.0","id":1,"method":"nothing"}', -32601),
]


@pytest.mark.parametrize(("body", "code"), BAD)
def test_a_bad_body_is_a_json_rpc_error(server: Server, body: bytes, code: int) -> None:
    status, answer, _ = server.post(body)
    assert status == 200
    assert answer["error"]["code"] == code
    assert server.rpc("eth_chainId")["result"] == "0x539"


@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,jsonrpc20idmethod', max_size=60).map(str.encode))
@settings(max_examples=150, deadline=None, database=None)
def test_any_body_gets_an_answer(shared: Server, body: bytes) -> None:
    status, answer, _ = shared.post(body)
    assert status in (200, 204)
    assert answer is None or isinstance(answer, dict | list)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    path = tmp_path_factory.mktemp("rpc") / "chain.db"
    create(path, Genesis(timestamp=START))
    provider = EmbeddedProvider(path)
    yield from serving(provider)
    provider.close()


def test_a_batch_is_answered_in_order_and_what_follows_a_transaction_sees_it(server: Server, hand: Hand) -> None:
    requests: list[dict[str, Any]] = [
        {"jsonrpc": "2.0", "id": 7, "method": "eth_blockNumber"},
        *(
            {"jsonrpc": "2.0", "id": n, "method": "eth_sendRawTransaction", "params": ["0x" + hand.sign().hex()]}
            for n in range(3)
        ),
        {"jsonrpc": "2.0", "id": "x", "method": "eth_getTransactionCount", "params": [hand.address, "latest"]},
        {"nonsense": True},
    ]
    answers = server.post(json.dumps(requests).encode())[1]
    assert [answer["id"] for answer in answers] == [7, 0, 1, 2, "x", None]
    assert (answers[0]["result"], answers[4]["result"]) == ("0x0", "0x3")
    assert server.rpc("eth_blockNumber")["result"] == "0x1"  # three transactions, one block
    assert answers[5]["error"]["code"] == -32600


def test_a_batch_of_too_many_is_refused(server: Server) -> None:
    one = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}
    assert len(server.post(json.dumps([one] * 1_000).encode())[1]) == 1_000
    assert server.post(json.dumps([one] * 1_001).encode())[1]["error"]["code"] == -32600


def test_a_body_beyond_the_limit_is_refused(provider: EmbeddedProvider) -> None:
    for small in serving(provider, bounds=Bounds(body_bytes=1_000)):
        assert small.post(b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}' + b" " * 900)[0] == 200
        assert small.post(b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}' + b" " * 1_000)[0] == 413


def test_clients_that_send_at_once_share_blocks(server: Server, hand: Hand) -> None:
    workers = [Hand(seed) for seed in range(20, 36)]
    for worker in workers:
        assert "result" in server.rpc("eth_sendRawTransaction", "0x" + hand.sign(to=worker.address, value=10**19).hex())
    before = int(server.rpc("eth_blockNumber")["result"], 16)

    def work(worker: Hand) -> None:
        for _ in range(6):
            assert "result" in server.rpc("eth_sendRawTransaction", "0x" + worker.sign().hex())

    with ThreadPoolExecutor(len(workers)) as pool:
        for done in [pool.submit(work, worker) for worker in workers]:
            done.result()
    blocks = int(server.rpc("eth_blockNumber")["result"], 16) - before
    assert blocks < len(workers) * 6
    for worker in workers:
        assert server.rpc("eth_getTransactionCount", worker.address, "latest")["result"] == "0x6"


# ---- who may ask


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:3000",
        "https://127.0.0.1",
        "http://[::1]:8080",
        "chrome-extension://abcdef",
        "moz-extension://1-2",
    ],
)
def test_pages_of_this_machine_and_extensions_may_ask(server: Server, origin: str) -> None:
    body = b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}'
    status, answer, headers = server.post(body, {**JSON, "Origin": origin})
    assert (status, answer["result"], headers["access-control-allow-origin"]) == (200, "0x539", origin)
    status, _, headers = server.post(b"", {"Origin": origin, "Access-Control-Request-Method": "POST"}, "OPTIONS")
    assert (status, headers["access-control-allow-headers"]) == (204, "content-type")


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://localhost.evil.example", "http://localhost:1@evil.example", "file://"],
)
def test_pages_from_elsewhere_may_not(server: Server, origin: str) -> None:
    body = b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}'
    for method in ("POST", "OPTIONS"):
        status, _, headers = server.post(body, {**JSON, "Origin": origin}, method)
        assert status == 403
        assert "access-control-allow-origin" not in headers


def test_an_origin_that_was_named_may_ask(provider: EmbeddedProvider) -> None:
    for server in serving(provider, origins=["https://wallet.example"]):
        body = b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}'
        assert server.post(body, {**JSON, "Origin": "https://wallet.example"})[0] == 200
        assert server.post(body, {**JSON, "Origin": "https://other.example"})[0] == 403


@pytest.mark.parametrize("origin", ["*", "https://wallet.example/", "wallet.example", "https://Wallet.example", ""])
def test_what_no_browser_would_send_as_its_origin_is_refused(provider: EmbeddedProvider, origin: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        serve_chain(provider, port=0, ready=lambda host, port: None, origins=[origin])
    assert refused.value.code == "listener.origin"


def test_a_name_that_was_pointed_at_this_address_is_refused(server: Server) -> None:
    body = b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}'
    assert server.post(body, {**JSON, "Host": f"rebound.example:{server.port}"})[0] >= 400
    assert server.post(body, {**JSON, "Host": f"localhost:{server.port}"})[0] == 200


def test_text_that_a_page_may_post_without_asking_is_refused(server: Server) -> None:
    body = b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}'
    assert server.post(body, {"Content-Type": "text/plain"})[0] == 415
    assert server.post(body, {})[0] == 415
    assert server.post(body, {"Content-Type": "application/json; charset=utf-8"})[0] == 200
    assert server.post(b"", {}, "GET")[0] == 405


def test_listening_for_other_machines_must_be_meant(provider: EmbeddedProvider) -> None:
    with pytest.raises(InvalidInput) as refused:
        serve_chain(provider, "0.0.0.0", 0, ready=lambda host, port: None)
    assert refused.value.code == "listener.public"


# ---- when the chain itself fails


class Failing:
    """A provider whose chain is in trouble."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def make_request(self, method: Any, params: Any) -> Any:
        raise self.error

    def make_batch_request(self, requests: Any) -> Any:
        raise self.error


@pytest.mark.parametrize("method", ["eth_blockNumber", "eth_sendRawTransaction"])
def test_trouble_with_the_chain_is_an_internal_error_that_says_what(method: str) -> None:
    for server in serving(Failing(Broken("chain.storage", "the disk is full"))):
        error = server.rpc(method, "0x00")["error"]
        assert (error["code"], error["message"]) == (-32603, "the disk is full")
        assert error["data"]["code"] == "chain.storage"
    for server in serving(Failing(RuntimeError("secret path"))):
        error = server.rpc(method, "0x00")["error"]
        assert error == {"code": -32603, "message": "internal error"}


def test_a_provider_that_answers_too_few_leaves_nobody_waiting() -> None:
    class Short(Failing):
        def make_batch_request(self, requests: Any) -> Any:
            return {"error": "no batches here"}

    for server in serving(Short(RuntimeError())):
        assert server.rpc("eth_sendRawTransaction", "0x00")["error"]["code"] == -32603
