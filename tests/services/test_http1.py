"""One connection keeps its bounds in bytes and time, answers in order, and says nothing about what is inside."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Coroutine, Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.services.http1 import Bounds, Request, Response
from tests.services.wire import Answer, Client, connected, listening, request


def echo(asked: Request) -> Response:
    return Response(200, f"{asked.method} {asked.path} {asked.query} ".encode() + asked.body, b"text/plain")


async def later(asked: Request) -> Response:
    await asyncio.sleep(0.05)
    return echo(asked)


def refused(sent: bytes, bounds: Bounds | None = None) -> int:
    """The status of what a server answers to `sent`; afterwards it closed the connection."""
    with listening(echo, bounds) as port, connected(port) as client:
        client.send(sent)
        answer = client.answer()
        assert set(orjson.loads(answer.body)) == {"error"}
        assert answer.headers["connection"] == "close"
        assert client.is_closed()
        return answer.status


def test_requests_on_one_connection_are_answered_in_order() -> None:
    def handler(asked: Request) -> Response | Coroutine[Any, Any, Response]:
        return later(asked) if asked.path == "/slow" else echo(asked)

    with listening(handler) as port, connected(port) as client:
        client.send(request(path="/slow") + request(path="/a?b=c") + request("POST", "/d", body=b"xyz"))
        assert [client.answer().body for _ in range(3)] == [b"GET /slow  ", b"GET /a b=c ", b"POST /d  xyz"]


def test_a_request_in_single_bytes_is_the_same_request() -> None:
    with listening(echo) as port, connected(port) as client:
        for byte in request("POST", "/x", body=b"abc"):
            client.send(bytes([byte]))
        assert client.answer().body == b"POST /x  abc"


def test_a_chunked_body_is_joined() -> None:
    chunked = request("POST", "/", ("Transfer-Encoding: chunked",)) + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    with listening(echo) as port, connected(port) as client:
        client.send(chunked)
        assert client.answer().body == b"POST /  abcde"


def test_a_client_that_asks_first_is_told_to_go_on() -> None:
    with listening(echo) as port, connected(port) as client:
        client.send(request("POST", "/", ("Expect: 100-continue", "Content-Length: 2")))
        assert client.answer().status == 100
        client.send(b"ok")
        assert client.answer().body == b"POST /  ok"


def test_a_head_request_is_answered_without_its_body() -> None:
    with listening(echo) as port, connected(port) as client:
        client.send(request("HEAD") + request(path="/next"))
        assert client.answer(has_body=False).headers["content-length"] == "8"
        assert client.answer().body == b"GET /next  "


def test_a_client_that_closes_its_sending_side_still_gets_its_answer() -> None:
    with listening(later) as port, connected(port) as client:
        client.send(request())
        client.sock.shutdown(socket.SHUT_WR)
        assert client.answer().status == 200
        assert client.is_closed()


def test_an_offer_to_upgrade_is_passed_over() -> None:
    with listening(echo) as port, connected(port) as client:
        client.send(request(headers=("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c")) + b"PRI * HTTP/2.0")
        assert client.answer().body == b"GET /  "
        assert client.is_closed()


def test_an_old_client_gets_one_answer() -> None:
    with listening(echo) as port, connected(port) as client:
        client.send(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert client.answer().headers["connection"] == "close"
        assert client.is_closed()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8080", "LocalHost", "localhost:1"])
def test_a_host_that_is_ours_is_answered(host: str) -> None:
    with listening(echo) as port, connected(port) as client:
        client.send(request(host=host))
        assert client.answer().status == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil", "", "127.0.0.1:80:80"])
def test_a_host_that_is_not_ours_is_refused(host: str) -> None:
    assert refused(request(host=host)) == 421


def test_any_host_is_answered_where_that_is_meant() -> None:
    with listening(echo, hosts=None) as port, connected(port) as client:
        client.send(request(host="other.example"))
        assert client.answer().status == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
        (b"GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET //localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),  # TLS
        (b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", 400),
        (request("POST", "/", ("Content-Length: 3", "Transfer-Encoding: chunked")) + b"0\r\n\r\n", 400),
        (request("POST", "/", ("Content-Length: 3", "Content-Length: 4")) + b"abcd", 400),
        (request("POST", "/", ("Content-Length: -3",)), 400),
        (request("POST", "/", ("Transfer-Encoding: chunked",)) + b"xyz\r\n", 400),
        (request("POST", "/", ("Connection: Upgrade", "Upgrade: h2c"), b"abc"), 501),
        (b"CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    ],
)
def test_what_is_not_plain_http_is_refused(sent: bytes, status: int) -> None:
    assert refused(sent) == status


SMALL = Bounds(head_bytes=400, headers=5, body_bytes=50, bodies_bytes=80, pipeline=3)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request(headers=("X: " + "a" * 400,)), 431),
        (request(path="/" + "a" * 400), 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 500, 431),  # unfinished
        (request(headers=tuple(f"X{n}: 1" for n in range(5))), 431),
        (request("POST", "/", ("Content-Length: 51",)), 413),
        (request("POST", "/", ("Content-Length: 99999999999999999999999",)), 400),
        (request("POST", "/", ("Transfer-Encoding: chunked",)) + b"33\r\n" + b"a" * 51 + b"\r\n", 413),
    ],
)
def test_what_is_too_large_is_refused_before_it_is_read(sent: bytes, status: int) -> None:
    assert refused(sent, SMALL) == status


def test_what_is_just_small_enough_is_answered() -> None:
    with listening(echo, SMALL) as port, connected(port) as client:
        client.send(request(path="/" + "a" * 300) + request("POST", body=b"b" * 50) + request(headers=("A: 1",) * 3))
        assert [client.answer().status for _ in range(3)] == [200, 200, 200]


def test_a_head_in_many_small_pieces_is_counted_too() -> None:
    with listening(echo, SMALL) as port, connected(port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        client.send(b"".join(b"X%d: aaaaaaaaaa\r\n" % number for number in range(40)))
        assert client.answer().status == 431
        assert client.is_closed()


def test_too_many_unread_requests_end_the_connection_after_the_answers_due() -> None:
    with listening(later, SMALL) as port, connected(port) as client:
        client.send(request() * 9)
        statuses = [client.answer().status for _ in range(5)]
        assert statuses == [200, 200, 200, 200, 400]
        assert client.is_closed()


def test_bodies_of_all_connections_together_are_bounded() -> None:
    with listening(later, SMALL) as port, connected(port) as one, connected(port) as two:
        one.send(request("POST", "/", ("Content-Length: 50",)) + b"a" * 49)
        answer = poll(port, request("POST", body=b"b" * 40), 503)
        assert answer.headers["retry-after"] == "1"
        one.send(b"a")
        assert one.answer().status == 200
        two.send(request("POST", body=b"b" * 40))
        assert two.answer().status == 200  # what was held is free again


def poll(port: int, sent: bytes, status: int) -> Answer:
    """Send on new connections until the answer has this status: the server may not have seen the others yet."""
    for _ in range(200):
        with connected(port) as client:
            client.send(sent)
            answer = client.answer()
            if answer.status == status:
                return answer
    raise AssertionError(f"never answered {status}")


def test_connections_beyond_the_bound_are_turned_away() -> None:
    with listening(echo, Bounds(connections=2)) as port, connected(port) as one, connected(port) as two:
        for client in (one, two):
            client.send(request())
            assert client.answer().status == 200
        with connected(port) as three:
            assert three.answer().status == 503
            assert three.is_closed()
        one.close()
        poll(port, request(), 200)


@pytest.mark.parametrize(
    ("sent", "bounds"),
    [
        (b"", Bounds(head_s=0.1)),
        (request(), Bounds(idle_s=0.1)),
    ],
)
def test_a_silent_client_is_hung_up_on(sent: bytes, bounds: Bounds) -> None:
    with listening(echo, bounds) as port, connected(port) as client:
        client.send(sent)
        if sent:
            assert client.answer().status == 200
        assert client.is_closed()


@pytest.mark.parametrize(
    ("sent", "bounds"),
    [
        (b"GET / HT", Bounds(head_s=0.1)),
        (request("POST", "/", ("Content-Length: 9",)) + b"abc", Bounds(body_s=0.1)),
    ],
)
def test_a_slow_client_is_told_so(sent: bytes, bounds: Bounds) -> None:
    assert refused(sent, bounds) == 408


def test_a_client_that_trickles_bytes_gains_no_time() -> None:
    with listening(echo, Bounds(head_s=0.3)) as port, connected(port) as client:
        client.send(b"GET / HTTP/1.1\r\n")
        client.sock.settimeout(0.05)
        seen = b""
        for _ in range(400):
            try:
                client.send(b"X: y\r\n")
                seen += client.sock.recv(1000)
            except TimeoutError:
                continue
            except OSError:
                break
            if b"408" in seen:
                break
        assert b"408" in seen


def test_a_client_that_never_reads_is_dropped() -> None:
    large = Response(200, b"x" * 2**20)
    with listening(lambda _: large, Bounds(write_s=0.2)) as port, connected(port) as client:
        client.send(request() * 16)
        client.sock.settimeout(5)
        assert reset_or_end(client)


def reset_or_end(client: Client) -> bool:
    """Wait until the server has gone: sending fails at last."""
    for _ in range(400):
        try:
            client.send(b"G")
        except OSError:
            return True
        threading.Event().wait(0.01)
    return False


def test_an_answer_that_does_not_come_is_replaced_in_time() -> None:
    async def never(_: Request) -> Response:
        await asyncio.sleep(1.5)
        return Response(200)

    with listening(never, Bounds(answer_s=0.1)) as port, connected(port) as client:
        client.send(request() + request())
        assert client.answer().status == 503
        assert client.is_closed()


@pytest.mark.parametrize("is_late", [False, True])
def test_a_fault_of_ours_says_nothing_of_itself(is_late: bool, caplog: pytest.LogCaptureFixture) -> None:
    async def failing(_: Request) -> Response:
        raise ValueError("secret detail")

    def handler(asked: Request) -> object:
        if is_late:
            return failing(asked)
        raise ValueError("secret detail")

    with caplog.at_level(logging.CRITICAL + 1), listening(handler) as port, connected(port) as client:  # type: ignore[arg-type]
        client.send(request())
        answer = client.answer()
        assert (answer.status, orjson.loads(answer.body)) == (500, {"error": "internal error"})
        client.send(request())
        assert client.answer().status == 500  # and the connection goes on


PIECES = st.sampled_from(
    [
        *(b"GET / HTTP/1.1\r\n", b"POST /a HTTP/1.1\r\n", b"GET /b HTTP/1.0\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        *(b"Host: localhost\r\n", b"Host: x\r\n", b"Content-Length: 3\r\n", b"Content-Length: 0\r\n"),
        *(b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Expect: 100-continue\r\n", b"Upgrade: h2c\r\n"),
        *(b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n", b"0\r\n\r\n", b"A: b\r\n c\r\n", b": \r\n"),
        *(b"\r\n", b"\n", b" ", b"\x00", b"\xff\xfe", b"abc", b"/" * 50),
    ]
)


def statuses(client: Client) -> Iterator[int]:
    """The status of every answer until the server closes; each answer is whole."""
    while True:
        try:
            yield client.answer().status
        except ConnectionResetError:
            return
        except EOFError:
            assert client.rest == b""
            return


def test_no_bytes_bring_forth_a_server_error_or_a_hang() -> None:
    """Whatever is sent, every answer is whole and below 500, and once the client has finished the server does too."""
    with listening(echo, Bounds(head_s=5, body_s=5)) as port:

        @given(st.lists(PIECES | st.binary(max_size=20), max_size=12))
        @settings(max_examples=150, deadline=None)
        def check(pieces: list[bytes]) -> None:
            with connected(port) as client:
                try:
                    for piece in pieces:
                        client.send(piece)
                    client.sock.shutdown(socket.SHUT_WR)
                except OSError:
                    pass  # refused before all was sent
                for status in statuses(client):
                    assert status < 500 or status == 501

        check()
