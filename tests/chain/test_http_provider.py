"""HTTP to a node: bounded, repeated only where that is safe, and silent about credentials. The servers are real."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tallystick.chain.connect import connect
from tallystick.chain.http_provider import HttpProvider
from tallystick.chain.node import Node
from tallystick.core.errors import InvalidInput, TallystickError, Unavailable
from tallystick.core.limits import RPC_ANSWER_BYTES_MAX, RPC_TRIES_MAX

Answer = Callable[["Server", Any], tuple[int, bytes]]


class Server(ThreadingHTTPServer):
    """A node whose answers a test writes; it counts and keeps what it was asked."""

    daemon_threads = True

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        self.asked: list[Any] = []
        self.headers: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """Posts go to the test's answer."""

    server: Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(body)
        self.server.headers.append(dict(self.headers.items()))
        status, answer = self.server.answer(self.server, body)
        self.send_response(status)
        self.send_header("content-length", str(len(answer)))
        if status in (301, 302, 307):
            self.send_header("location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], Server]]:
    """Start servers that end with the test."""
    servers: list[Server] = []

    def start(answer: Answer) -> Server:
        server = Server(answer)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def result(body: Any, value: object = "0x1") -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": body["id"], "result": value}).encode()


def failing(times: int, status: int = 503) -> Answer:
    """Fail so often, then answer."""
    return lambda server, body: (status, b"busy") if len(server.asked) <= times else (200, result(body))


def quick(url: str, **named: Any) -> Node:
    return Node(HttpProvider(url, pause=lambda seconds: None, **named))


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_read_that_fails_in_passing_is_repeated(serve: Callable[[Answer], Server], status: int) -> None:
    server = serve(failing(RPC_TRIES_MAX - 1, status))
    assert quick(server.url).chain_id == 1
    assert len(server.asked) == RPC_TRIES_MAX


def test_a_read_is_given_up_after_a_bounded_number_of_tries(serve: Callable[[Answer], Server]) -> None:
    server = serve(failing(100))
    with pytest.raises(Unavailable) as busy:
        assert quick(server.url).chain_id
    assert (busy.value.code, len(server.asked)) == ("rpc.busy", RPC_TRIES_MAX)


def test_a_transaction_is_never_sent_twice_by_itself(serve: Callable[[Answer], Server]) -> None:
    server = serve(failing(1))
    with pytest.raises(Unavailable):
        quick(server.url).send_raw(b"raw")
    assert len(server.asked) == 1


def test_a_batch_with_a_transaction_in_it_is_never_repeated(serve: Callable[[Answer], Server]) -> None:
    server = serve(failing(1))
    with pytest.raises(Unavailable):
        quick(server.url).send_raw_batch([b"raw", b"other"])
    assert len(server.asked) == 1


def test_pauses_grow_between_tries(serve: Callable[[Answer], Server]) -> None:
    pauses: list[float] = []
    with pytest.raises(Unavailable):
        assert Node(HttpProvider(serve(failing(100)).url, pause=pauses.append)).chain_id
    assert pauses == sorted(set(pauses))
    assert len(pauses) == RPC_TRIES_MAX - 1


def test_a_batch_comes_back_in_the_order_it_was_asked(serve: Callable[[Answer], Server]) -> None:
    def shuffled(server: Server, body: Any) -> tuple[int, bytes]:
        answers = [{"jsonrpc": "2.0", "id": one["id"], "result": one["params"][0]} for one in body]
        return 200, json.dumps(answers[::-1]).encode()

    node = quick(serve(shuffled).url)
    asked = [("eth_getBalance", [hex(number)]) for number in range(250)]
    assert node.request_batch(asked, lambda value, what: value) == [hex(number) for number in range(250)]


@pytest.mark.parametrize(
    "mangle",
    [
        lambda answers: answers[:-1],
        lambda answers: [answers[0], answers[0]],
        lambda answers: [{**one, "id": None} for one in answers],
        lambda answers: [*answers, answers[0]],
        lambda answers: "no",
        lambda answers: [1, 2],
    ],
)
def test_a_batch_that_is_not_one_answer_each_is_refused(
    serve: Callable[[Answer], Server], mangle: Callable[[Any], Any]
) -> None:
    def answer(server: Server, body: Any) -> tuple[int, bytes]:
        return 200, json.dumps(mangle([{"jsonrpc": "2.0", "id": one["id"], "result": "0x1"} for one in body])).encode()

    with pytest.raises(InvalidInput):
        quick(serve(answer).url).request_batch([("eth_chainId", []), ("eth_gasPrice", [])], lambda value, what: value)


def test_a_batch_refused_as_a_whole_is_one_error(serve: Callable[[Answer], Server]) -> None:
    def answer(server: Server, body: Any) -> tuple[int, bytes]:
        return 200, json.dumps({"id": None, "error": {"code": -32600, "message": "batch limit exceeded"}}).encode()

    with pytest.raises(Unavailable, match="limit exceeded"):
        quick(serve(answer).url).receipts([bytes(32), bytes(32)])


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"", InvalidInput),
        (200, b"<html>", InvalidInput),
        (200, b"[]", InvalidInput),
        (200, b'{"id": 77, "result": "0x1"}', InvalidInput),
        (200, b'{"result": NaN, "id": 1}', InvalidInput),
        (200, b"[" * 5_000, InvalidInput),
        (401, b"who are you", InvalidInput),
        (404, b"", InvalidInput),
        (302, b"", InvalidInput),
        (307, b"", InvalidInput),
        (500, b"oops", Unavailable),
    ],
)
def test_what_is_no_answer_is_an_error_of_ours(
    serve: Callable[[Answer], Server], status: int, body: bytes, kind: type[TallystickError]
) -> None:
    with pytest.raises(kind):
        assert quick(serve(lambda server, asked: (status, body)).url).chain_id


def test_an_error_under_a_failing_status_is_read(serve: Callable[[Answer], Server]) -> None:
    error = {"code": -32601, "message": "Method not found"}
    body = json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()
    with pytest.raises(InvalidInput) as refused:
        assert quick(serve(lambda server, asked: (400, body)).url).chain_id
    assert refused.value.code == "rpc.method_unknown"


def test_an_answer_beyond_the_bound_is_not_swallowed(serve: Callable[[Answer], Server]) -> None:
    server = serve(lambda server, body: (200, bytes(RPC_ANSWER_BYTES_MAX + 1)))
    with pytest.raises(InvalidInput) as refused:
        assert quick(server.url).chain_id
    assert refused.value.code == "rpc.too_large"


def test_a_node_that_drips_its_answer_runs_out_of_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stop = threading.Event()

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
                with contextlib.suppress(OSError):
                    while not stop.wait(0.02):
                        connection.sendall(b" ")

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        provider = HttpProvider(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout_s=0.3)
        with pytest.raises(Unavailable) as slow:
            provider.make_request("eth_sendRawTransaction", [])
        assert slow.value.code == "rpc.timeout"
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (
            b'transfer-encoding: chunked\r\n\r\n14\r\n{"jsonrpc":"2.0","id\r\n13\r\n":1,"result":"0x1"}\r\n0\r\n\r\n',
            None,
        ),
        (b'transfer-encoding: chunked\r\n\r\n14\r\n{"jsonrpc":"2.0","id\r\n', Unavailable),
        (b'content-length: 38\r\n\r\n{"jsonrpc":"2.0","id":1,', Unavailable),
        (b'connection: close\r\n\r\n{"jsonrpc":"2.0","id":1,"result":"0x1"}', None),
        (b"content-length: many\r\n\r\n{}", InvalidInput),
    ],
)
def test_an_answer_in_chunks_is_read_whole_and_one_cut_short_is_none(
    answer: bytes, kind: type[TallystickError] | None
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def once() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\n" + answer)

        thread = threading.Thread(target=once, daemon=True)
        thread.start()
        provider = HttpProvider(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout_s=5.0)
        if kind is None:
            assert provider.make_request("eth_sendRawTransaction", [])["result"] == "0x1"
        else:
            with pytest.raises(kind):
                provider.make_request("eth_sendRawTransaction", [])
        thread.join()


@pytest.mark.parametrize("method", ["eth_sendRawTransaction", "eth_chainId"])
def test_a_node_that_accepts_and_says_nothing_runs_out_of_time_once(method: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pauses: list[float] = []
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        provider = HttpProvider(url, timeout_s=0.2, pause=pauses.append)
        with pytest.raises(Unavailable) as silent:
            provider.make_request(method, [])
        assert (silent.value.code, pauses) == ("rpc.timeout", [])


def test_a_node_that_is_not_there_is_unreachable_and_its_secrets_are_kept() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    node = quick(f"http://user:hunter2@127.0.0.1:{port}/v3/apikey?token=t0ken")
    with pytest.raises(Unavailable) as gone:
        assert node.chain_id
    shown = f"{gone.value} {gone.value.to_dict()} {gone.value.__cause__} {node.provider!r} {vars(gone.value)}"
    assert f"127.0.0.1:{port}" in shown
    assert not any(secret in shown for secret in ("hunter2", "apikey", "t0ken", "user:"))


def test_credentials_of_the_url_are_sent_as_basic_authentication(serve: Callable[[Answer], Server]) -> None:
    server = serve(lambda server, body: (200, result(body)))
    assert quick(server.url.replace("http://", "http://user:hunter2@")).chain_id == 1
    assert server.headers[0]["authorization"] == "Basic dXNlcjpodW50ZXIy"


@pytest.mark.parametrize("target", ["ftp://host", "ws://host:1", "http://", "https://:1", "http://host:port"])
def test_what_is_no_url_of_a_node_is_refused_without_repeating_it(target: str) -> None:
    with pytest.raises(InvalidInput):
        connect(target + "?key=s3cret")


def test_connections_are_shared_by_threads(serve: Callable[[Answer], Server]) -> None:
    server = serve(lambda server, body: (200, result(body, body["params"][0])))
    provider = HttpProvider(server.url)
    seen: list[bool] = []

    def ask(number: int) -> None:
        seen.append(
            all(provider.make_request("eth_x", [f"{number} {i}"])["result"] == f"{number} {i}" for i in range(20))
        )

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    provider.close()
    assert seen == [True] * 8
