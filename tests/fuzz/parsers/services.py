"""Parsers of `services`: HTTP as strangers speak it, and answers as a gateway may forge them."""

from __future__ import annotations

import asyncio
import atexit
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from tallystick.core import merkle
from tallystick.core.commitment import Domain, commit
from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput
from tallystick.core.record import Record, RecordKind
from tallystick.core.ticket import BatchPromise, Ticket
from tallystick.inference.log.reader import LogReader
from tallystick.inference.log.writer import Log
from tallystick.services.client import Checked, Checker, Trusted
from tallystick.services.dialer import Place
from tallystick.services.gateway.log_files import read_log
from tallystick.services.http1 import Bounds, Connection, Request, Response, Shared
from tests.fuzz.parsers.core import DOMAIN, ENTRIES, KEY, LOG, SECRET, SIGNER
from tests.fuzz.targets import Target, of_text

GET = b"GET /v2/health/ready?a=%2f HTTP/1.1\r\nHost: localhost:80\r\n\r\n"
POST = b"POST /infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
CHUNKED = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nA: b\r\n\r\n"
VERSION = sha256(b"statement")
ASKED = b'{"inputs":[]}'
ANSWER = b'{"outputs":[]}'


class _Recorder(asyncio.Transport):
    """The other end of a connection: keeps what is written and takes all of it at once."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def writelines(self, parts: Any) -> None:
        for part in parts:
            self.write(part)

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        """Nothing more comes than was given."""

    def resume_reading(self) -> None:
        """Nothing more comes than was given."""

    def write_eof(self) -> None:
        self.is_closed = True

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return 0


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    atexit.register(loop.close)
    return loop


def _serve(data: bytes) -> list[Request]:
    """Feed a connection in two pieces, the first as long as the first byte says; return the requests it understood."""
    asked: list[Request] = []

    def handler(request: Request) -> Response:
        assert request.path.startswith("/")
        assert not request.path.startswith("//")
        assert len(request.body) <= 1_000
        asked.append(request)
        return Response(200, b"{}")

    loop, transport = _loop(), _Recorder()
    bounds = Bounds(head_bytes=1_000, headers=10, body_bytes=1_000, bodies_bytes=2_000)
    connection = Connection(Shared(handler, bounds, frozenset({b"localhost"})), loop)
    connection.connection_made(transport)
    cut, stream = (data[0], data[1:]) if data else (0, b"")
    for piece in (stream[:cut], stream[cut:]):
        if piece and not transport.is_closed:
            connection.data_received(piece)
    connection.eof_received()
    connection.connection_lost(None)
    answers = transport.written.count(b"HTTP/1.1 ")
    assert transport.written.startswith(b"HTTP/1.1 ") or not answers
    assert answers <= len(asked) + 2  # besides: one refusal, one `100 Continue`
    if not asked:
        raise InvalidInput("fuzz.refused", "no request was understood")
    return asked


def _reply() -> bytes:
    in_salt, out_salt = b"\x01" * 32, b"\x02" * 32
    commits = commit(Domain.IN, in_salt, ASKED), commit(Domain.OUT, out_salt, ANSWER)
    entry = Record(RecordKind.PREDICTION, 1, VERSION, bytes(16), bytes(16), *commits, sha256(b"{}")).to_bytes()
    promise = BatchPromise(3, 9, 1, merkle.leaf_hash(entry), 1).signed(SECRET, DOMAIN)
    receipt = {
        "origin": LOG.name,
        "entry": entry.hex(),
        "in_salt": in_salt.hex(),
        "out_salt": out_salt.hex(),
        "answer_bytes": len(ANSWER),
        "ticket": Ticket(promise, 9, ()).to_dict(),
    }
    return ANSWER[:-1] + b',"parameters":' + orjson.dumps({"tallystick_receipt": receipt}) + b"}"


def _check_answer(data: bytes) -> Checked:
    checked = Checker(Trusted(LOG, 3, DOMAIN, SIGNER, VERSION)).check_answer(ASKED, data)
    assert checked.answer == ANSWER, "an answer was altered and nobody noticed"
    return checked


@cache
def _reader() -> LogReader:
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    with Log.open(Path(folder.name) / "log", LOG.name, key=KEY, volatile=True) as log:
        for entry in ENTRIES:
            log.append(entry).result()
        log.checkpoint()
    reader = LogReader(Path(folder.name) / "log")
    atexit.register(reader.close)
    return reader


def _log_path(path: str) -> bytes:
    answer = read_log(_reader(), path)
    assert answer.status in (200, 404)
    if answer.status == 404:
        raise InvalidInput("fuzz.absent", "there is no such file")
    return answer.body


TARGETS = [
    Target("services.url", of_text(Place.parse), lambda: [b"http://127.0.0.1:8080/log", b"https://[::1]"]),
    Target(
        "services.log_path", of_text(_log_path), lambda: [b"checkpoint", b"tile/0/000.p/7", b"tile/entries/000.p/7"]
    ),
    Target("services.http", _serve, lambda: [bytes([20]) + GET, bytes([0]) + POST + GET, b"\xff" + CHUNKED]),
    Target("services.answer", _check_answer, lambda: [_reply()]),
]
