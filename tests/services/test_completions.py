"""A planner behind HTTP: a real server that speaks the chat completions interface, and servers that do it badly."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
import pytest

from tallystick.agents.loop import Message, Tool, Toolbox, ToolCall
from tallystick.core.errors import InvalidInput, Unavailable
from tallystick.services import completions
from tallystick.services.completions import CompletionsPlanner

KEY = "sk-very-secret"
TOOLS = Toolbox([Tool("look", "Look.", {"type": "object", "properties": {}}, "reads", lambda *_: "seen")])
CALL = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
SAID = {"role": "assistant", "content": None, "tool_calls": [CALL]}

Answer = Callable[[dict[str, Any], dict[str, str]], tuple[int, bytes]]


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], str]]:
    """Start a server that answers so; return the interface's address."""
    servers: list[ThreadingHTTPServer] = []

    def start(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status, data = answer(orjson.loads(body), {k.lower(): v for k, v in self.headers.items()})
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                if 300 <= status < 400:
                    self.send_header("location", "http://127.0.0.1:1/elsewhere")
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/v1"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits between two tries."""
    monkeypatch.setattr(completions.time, "sleep", lambda _: None)


def _next(url: str) -> Message:
    planner = CompletionsPlanner(url, "small", KEY)
    try:
        return planner.next([Message("system", "limits"), Message("user", "go")], TOOLS)
    finally:
        planner.close()


def _completion(message: dict[str, Any]) -> bytes:
    return orjson.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})


def test_messages_and_tools_go_out_and_calls_come_back(serve: Any) -> None:
    asked: list[Any] = []

    def answer(body: dict[str, Any], headers: dict[str, str]) -> tuple[int, bytes]:
        asked.append((body, headers["authorization"]))
        return 200, _completion(SAID)

    assert _next(serve(answer)) == Message("assistant", "", (ToolCall("c", "look", "{}"),))
    body, authorization = asked[0]
    assert (authorization, body["model"]) == (f"Bearer {KEY}", "small")
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["tools"][0]["function"]["name"] == "look"


def test_a_busy_server_is_asked_again_and_a_failing_one_given_up(serve: Any) -> None:
    statuses = [429, 503, 200]
    assert _next(serve(lambda *_: (statuses.pop(0), _completion({"content": "well"})))).text == "well"
    with pytest.raises(Unavailable, match="503"):
        _next(serve(lambda *_: (503, b"overloaded")))


@pytest.mark.parametrize(
    ("status", "data", "code"),
    [
        (401, b'{"error": "bad key"}', "completion.refused"),
        (404, b"no such model", "completion.refused"),
        (302, b"", "completion.refused"),
        (200, b"<html>", "completion.form"),
        (200, b"{}", "completion.form"),
        (200, b"[" * 5_000, "completion.form"),
        (200, b" " * (5 << 20), "completion.size"),
    ],
)
def test_a_server_that_answers_otherwise_is_refused_without_the_key(
    serve: Any, status: int, data: bytes, code: str
) -> None:
    with pytest.raises(InvalidInput) as error:
        _next(serve(lambda *_: (status, data)))
    assert error.value.code == code
    assert KEY not in f"{error.value!r} {error.value} {error.value.to_dict()}"


def test_a_server_that_repeats_the_key_is_told_without_it(serve: Any) -> None:
    """Hosted ones do, in the refusal of a key; the cut of a long answer must not leave half of it."""
    for data in (f"wrong key {KEY}".encode(), b"x" * 110 + KEY.encode()):
        with pytest.raises(InvalidInput) as error:
            _next(serve(lambda *_, data=data: (401, data)))
        assert KEY[:6] not in f"{error.value!r} {error.value.to_dict()}"


@pytest.mark.parametrize("key", ["two\nlines", "schlüssel", "\x00"])
def test_a_key_that_fits_into_no_header_is_refused_and_not_told(key: str) -> None:
    with pytest.raises(InvalidInput) as error:
        CompletionsPlanner("http://127.0.0.1:1/v1", "small", key)
    assert error.value.code == "completion.key"
    assert key not in f"{error.value!r}"


def test_a_stream_is_not_asked_for_and_not_read(serve: Any) -> None:
    asked: list[Any] = []
    event = b'data: {"choices": [{"delta": {"content": "we"}}]}\n\ndata: [DONE]\n\n'
    with pytest.raises(InvalidInput) as error:
        _next(serve(lambda body, _: (asked.append(body), (200, event))[1]))
    assert (error.value.code, asked[0]["stream"]) == ("completion.form", False)


def test_nobody_there_is_said_so() -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        _next("http://127.0.0.1:1/v1")


def test_the_key_is_not_in_what_is_printed() -> None:
    planner = CompletionsPlanner("http://127.0.0.1:1/v1", "small", KEY)
    assert KEY not in repr(planner)
    planner.close()


@pytest.mark.parametrize(
    "url",
    ["http://models.example/v1", "ftp://127.0.0.1/v1", "https://a:b@models.example/v1", "https://m.example/?a=1", "v1"],
)
def test_a_key_goes_to_no_address_that_others_can_read(url: str) -> None:
    with pytest.raises(InvalidInput) as error:
        CompletionsPlanner(url, "small", KEY)
    assert error.value.code == "completion.url"
