"""A port opens, is kept, and closes in order: nothing due is lost and nothing is left open."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest

from tallystick.core.errors import InvalidInput, Unavailable
from tallystick.services.http1 import Request, Response
from tallystick.services.listener import Listener, Stop, check_loopback, serve_forever
from tests.services.wire import Client, connected, listening, request


def echo(asked: Request) -> Response:
    return Response(200, f"{asked.method} {asked.path} {asked.query} ".encode() + asked.body, b"text/plain")


def test_stopping_sends_the_answers_that_are_due_and_takes_no_new_connection() -> None:
    ready, stop, started, ports = threading.Event(), Stop(), threading.Event(), []

    async def slow(asked: Request) -> Response:
        started.set()
        await asyncio.sleep(0.3)
        return echo(asked)

    def on_ready(_host: str, port: int) -> None:
        ports.append(port)
        ready.set()

    listener = Listener(slow, hosts=None)
    thread = threading.Thread(
        target=serve_forever, args=(listener, "127.0.0.1", 0), kwargs={"on_ready": on_ready, "stop": stop}
    )
    thread.start()
    assert ready.wait(10)
    with connected(ports[0]) as busy, connected(ports[0]) as idle:
        busy.send(request(path="/due"))
        assert started.wait(10)
        stop.ask()
        stop.ask()
        assert idle.is_closed()
        assert busy.answer().body == b"GET /due  "
        assert busy.is_closed()
    thread.join(10)
    assert not thread.is_alive()
    with pytest.raises(OSError):
        Client(ports[0])


def test_stopping_in_a_storm_of_new_connections_leaves_none_open() -> None:
    """Unclosed sockets would be found by the garbage collector, whose warnings fail tests."""
    for _ in range(8):
        with listening(echo) as port:
            done = threading.Event()

            def storm(port: int = port, done: threading.Event = done) -> None:
                while not done.is_set():
                    try:
                        Client(port).close()
                    except OSError:
                        return

            thread = threading.Thread(target=storm)
            thread.start()
            done.wait(0.005)
        done.set()
        thread.join(20)
        gc.collect()


def test_a_stop_that_came_first_is_not_missed() -> None:
    stop = Stop()
    stop.ask()
    serve_forever(Listener(echo, hosts=None), "127.0.0.1", 0, on_ready=lambda *_: None, stop=stop)


def test_a_fault_in_what_runs_beside_stops_the_server_and_is_raised() -> None:
    async def beside() -> None:
        raise Unavailable("test.beside", "gone")

    with pytest.raises(Unavailable, match="gone"):
        serve_forever(Listener(echo, hosts=None), "127.0.0.1", 0, on_ready=lambda *_: None, stop=Stop(), beside=beside)


def test_a_port_in_use_is_named() -> None:
    with listening(echo) as port, pytest.raises(Unavailable) as caught:
        serve_forever(Listener(echo, hosts=None), "127.0.0.1", port, on_ready=lambda *_: None, stop=Stop())
    assert caught.value.code == "listener.port"
    assert str(port) in str(caught.value)


def test_an_address_that_others_can_reach_must_be_meant() -> None:
    for host in ("127.0.0.1", "::1", "localhost", "127.5.5.5"):
        check_loopback(host, is_public_meant=False)
    check_loopback("0.0.0.0", is_public_meant=True)
    for host in ("0.0.0.0", "::", "192.168.1.1", "example.com", ""):
        with pytest.raises(InvalidInput):
            check_loopback(host, is_public_meant=False)
