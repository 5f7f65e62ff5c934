"""Over HTTP and over pipes: who is let in, what is too much, and that nothing is left running."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from mcp import Client

from tallystick.core.errors import InvalidInput, Unavailable
from tallystick.core.limits import ASGI_BODY_BYTES_MAX
from tallystick.services.mcp import client as client_module
from tallystick.services.mcp.client import Toolbox
from tallystick.services.mcp.server import Desk
from tallystick.services.mcp.serving import build_app
from tests.services.mcp.places import asked, served

TOKEN = "0123456789abcdef" * 2
TALLY = str(Path(sys.executable).with_name("tally"))


@pytest.fixture
def url(desk: Desk) -> Iterator[str]:
    with served(build_app(desk.server(), token=TOKEN)) as made:
        yield made


def _post(url: str, body: bytes, **headers: str) -> int:
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
    sent = {
        "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
        "Authorization": f"Bearer {TOKEN}",
    } | {name.replace("_", "-"): value for name, value in headers.items()}  # fmt: skip
    try:
        connection.request("POST", place.path, body, {name: value for name, value in sent.items() if value})
        return connection.getresponse().status
    finally:
        connection.close()


PING = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode()


def test_whoever_names_the_secret_is_let_in_and_nobody_else(url: str) -> None:
    assert {one.name for one in Toolbox(url, TOKEN).tools()} >= {"pay", "chain_status"}
    assert _post(url, PING) == 200
    for wrong in ("", "Bearer", f"Bearer {TOKEN}x", f"bearer {TOKEN}", "Basic x"):
        assert _post(url, PING, Authorization=wrong) == 401
    for token in ("", TOKEN[:-1]):
        with pytest.raises((InvalidInput, Unavailable)):
            Toolbox(url, token).tools()


def test_a_page_elsewhere_reaches_nothing_by_another_name(url: str) -> None:
    assert _post(url, PING, Host="evil.example:80") == 421
    assert _post(url, PING, Origin="http://evil.example") == 403
    assert _post(url, PING, Host="localhost:1") == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"jsonrpc":"1.0"}', b"[" * 1_000_000,
     b'{"jsonrpc":"2.0","id":1,"method":7}', b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["x"]}}'],
    ids=lambda body: ascii(body)[:24],
)  # fmt: skip
def test_what_is_no_request_is_refused_and_the_next_one_answered(url: str, body: bytes) -> None:
    assert 200 <= _post(url, body) < 500
    assert _post(url, PING) == 200


def test_a_body_that_is_too_large_is_refused_before_it_is_read(url: str) -> None:
    assert _post(url, b"x", Content_Length=str(ASGI_BODY_BYTES_MAX + 1)) == 413
    assert _post(url, PING) == 200


@pytest.mark.parametrize("version", ["2024-11-05", "2025-06-18", "2025-11-25", "1999-01-01"])
def test_any_version_of_the_protocol_is_answered_with_one_that_we_speak(url: str, version: str) -> None:
    member = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": member}).encode()
    assert _post(url, body) == 200


@pytest.mark.parametrize("token", ["short", "x" * 31, "x" * 32 + " ", "ä" * 40])
def test_a_token_that_can_be_guessed_or_not_be_sent_is_refused(desk: Desk, token: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        build_app(desk.server(), token=token)
    assert refused.value.code == "mcp.token"


class TestHostileServers:
    """What a server of others may do to our client: nothing but an error of ours."""

    @pytest.fixture
    def answering(self) -> Iterator[Any]:
        answers: dict[str, bytes] = {"body": b"", "type": b"application/json"}

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", "0")))
                self.send_response(200)
                self.send_header("content-type", answers["type"].decode())
                self.send_header("content-length", str(len(answers["body"])))
                self.end_headers()
                self.wfile.write(answers["body"])

            def log_message(self, *parts: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        answers["url"] = f"http://127.0.0.1:{server.server_port}/mcp".encode()
        yield answers
        server.shutdown()
        thread.join()
        server.server_close()

    @pytest.mark.parametrize(
        "body",
        [b"", b"{}", b"[" * 5_000, b'{"jsonrpc":"2.0","id":99,"result":{}}', b'{"jsonrpc":"2.0","id":0,"result":[]}',
         b'{"jsonrpc":"2.0","id":0,"error":{"code":"x"}}', b"<html>"],
        ids=lambda body: ascii(body)[:20],
    )  # fmt: skip
    def test_what_is_no_answer_is_an_error_in_our_words(
        self, answering: dict[str, bytes], body: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(client_module, "MCP_CALL_S", 3.0)
        answering["body"] = body
        with pytest.raises((InvalidInput, Unavailable)) as refused:
            Toolbox(answering["url"].decode()).tools()
        assert refused.value.code.startswith("mcp.")

    def test_an_answer_without_end_is_cut_off(
        self, answering: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(client_module, "DIAL_ANSWER_BYTES_MAX", 2**16)
        monkeypatch.setattr(client_module, "MCP_CALL_S", 3.0)
        answering["body"] = b" " * 2**20
        with pytest.raises((InvalidInput, Unavailable)):
            Toolbox(answering["url"].decode()).tools()

    @pytest.mark.parametrize("url", ["ftp://x", "http://", "http://a b", "http://u:p@h/", "x"])
    def test_what_is_no_server_is_refused(self, url: str) -> None:
        with pytest.raises(InvalidInput):
            Toolbox(url)

    def test_where_nobody_listens_it_says_so(self) -> None:
        with pytest.raises(Unavailable) as refused:
            Toolbox("http://127.0.0.1:9/mcp").tools()
        assert refused.value.code == "mcp.unreachable"


def test_over_pipes_the_command_is_a_server_that_ends_with_its_client(token: str, tmp_path: Path) -> None:
    where = ("-w", str(tmp_path / ".tally"))
    toolbox = Toolbox([TALLY, "agent", "mcp", "serve", *where, "--wallet", "bot", "--session", "bot"])
    assert "pay" in {one.name for one in toolbox.tools()}
    called = toolbox.call("chain_status", {})
    assert called.result.structured_content["chain_id"] == 1337


def test_the_command_serves_http_until_it_is_told_to_stop(token: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(0o600)
    secret.write_text(TOKEN)
    command = [TALLY, "agent", "mcp", "serve", "-w", str(tmp_path / ".tally"), "--http", "0", "--json"]
    guarded = ["--wallet", "bot", "--session", "bot", "--token-file", str(secret)]
    with subprocess.Popen([*command, *guarded], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        assert "pay" in told["tools"]
        assert len(Toolbox(told["url"], TOKEN).tools()) == len(told["tools"])
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(30) == 0


def test_over_http_a_wallet_is_not_served_to_whoever_reaches_the_port(token: str, tmp_path: Path) -> None:
    command = [TALLY, "agent", "mcp", "serve", "-w", str(tmp_path / ".tally"), "--http", "0", "--json"]
    done = subprocess.run(
        [*command, "--wallet", "bot", "--session", "bot"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert json.loads(done.stdout)["code"] == "mcp.open_wallet"


def test_a_stock_client_speaks_the_old_handshake_and_the_new_one(desk: Desk) -> None:
    with served(build_app(desk.server())) as url:
        for mode in ("legacy", "auto"):

            async def ask(mode: str = mode) -> int:
                async with Client(url, mode=mode) as client:
                    return len((await client.list_tools()).tools)

            assert asyncio.run(ask()) == len(desk.abilities)


def test_tools_are_listed_alike_in_process_and_over_http(desk: Desk) -> None:
    here = asked(desk.server(), lambda client: client.list_tools()).tools
    with served(build_app(desk.server())) as url:
        there = Toolbox(url).tools()
    assert here == there
