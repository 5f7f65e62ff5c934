"""A listener in a thread and a client that speaks bytes, so that tests say exactly what goes over the wire."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from tallystick.services.http1 import Bounds, Handler
from tallystick.services.listener import Listener, Stop, serve_forever

HOSTS = ("127.0.0.1", "localhost")


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Client:
    """One connection."""

    port: int
    timeout_s: float = 20.0
    sock: socket.socket = field(init=False)
    rest: bytes = b""

    def __post_init__(self) -> None:
        self.sock = socket.create_connection(("127.0.0.1", self.port), timeout=self.timeout_s)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def answer(self, *, has_body: bool = True) -> Answer:
        """Read one answer; EOFError when the server closed instead."""
        while b"\r\n\r\n" not in self.rest:
            self._more()
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        version, status, _ = first.split(" ", 2)
        assert version == "HTTP/1.1"
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        if status == "100":
            return Answer(100, headers, b"")
        length = int(headers["content-length"]) if has_body else 0
        while len(self.rest) < length:
            self._more()
        body, self.rest = self.rest[:length], self.rest[length:]
        return Answer(int(status), headers, body)

    def is_closed(self) -> bool:
        """Whether the server closes now, having said nothing more."""
        try:
            return not self.rest and self.sock.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self.sock.close()

    def _more(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise EOFError(self.rest)
        self.rest += data


@contextlib.contextmanager
def connected(port: int) -> Iterator[Client]:
    """A connection that is closed afterwards."""
    client = Client(port)
    try:
        yield client
    finally:
        client.close()


@contextlib.contextmanager
def listening(handler: Handler, bounds: Bounds | None = None, hosts: tuple[str, ...] | None = HOSTS) -> Iterator[int]:
    """Serve `handler` from another thread; yields the port."""
    ready, stop, ports = threading.Event(), Stop(), []
    listener = Listener(handler, hosts=hosts, bounds=bounds)

    def on_ready(_host: str, port: int) -> None:
        ports.append(port)
        ready.set()

    thread = threading.Thread(
        target=serve_forever, args=(listener, "127.0.0.1", 0), kwargs={"on_ready": on_ready, "stop": stop}
    )
    thread.start()
    try:
        assert ready.wait(10)
        yield ports[0]
    finally:
        stop.ask()
        thread.join(20)
        assert not thread.is_alive()


def request(
    method: str = "GET", path: str = "/", headers: tuple[str, ...] = (), body: bytes = b"", host: str = "127.0.0.1"
) -> bytes:
    """The bytes of one request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
