"""Notifications reach the places that were named, carry the agent's word, and go nowhere inside."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from a2a.server.context import ServerCallContext
from a2a.types import TaskPushNotificationConfig

from tallystick.core.limits import A2A_PUSHES_MAX
from tallystick.services.a2a import push as push_module
from tallystick.services.a2a.push import CALLER_HEADER, TOKEN_HEADER, Places, check_token, is_public
from tallystick.services.a2a.requests import Wanted
from tallystick.services.a2a.tasks import PushBook, TaskBook
from tests.services.a2a.agents import Registered, message_of, named, rpc

STATUS = Wanted("chain_status", {})


class _Receiver:
    """A place that is told of tasks."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(302)
                self.send_header("location", "http://127.0.0.1:1/")
                self.send_header("content-length", "0")
                self.end_headers()

            def logmessage_of(self, *parts: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://localhost:{self._server.server_port}/told"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[_Receiver]:
    made = _Receiver()
    yield made
    made.close()


def test_a_place_that_was_named_is_told_with_a_token_of_the_agents_key(agent: Registered, receiver: _Receiver) -> None:
    config = {"taskPushNotificationConfig": {"url": receiver.url, "token": "mine"}}
    with agent.served(push_hosts=["localhost"]) as url:
        rpc(url, "SendMessage", {"message": message_of(STATUS), "configuration": config})
    assert receiver.got
    key = agent.key.public_key().public_bytes_raw()
    for headers, body in receiver.got:
        assert headers[CALLER_HEADER.lower()] == "mine"
        token = headers[TOKEN_HEADER.lower()]
        check_token(token, agent.agent, key, receiver.url, body)
        for wrong in (
            (token, receiver.url + "x", body),
            (token, receiver.url, body + b" "),
            (token[:-4], receiver.url, body),
        ):
            with pytest.raises(jwt.InvalidTokenError):
                check_token(wrong[0], agent.agent, key, *wrong[1:])
    last = json.loads(receiver.got[-1][1])
    assert last["statusUpdate"]["status"]["state"] == "TASK_STATE_COMPLETED"


@pytest.mark.parametrize(
    "place",
    ["http://127.0.0.1:1/", "https://127.0.0.1/", "https://localhost/", "https://[::1]/", "https://[::ffff:127.0.0.1]/",
     "https://169.254.169.254/latest", "https://10.0.0.1/", "https://100.64.0.1/", "https://0.0.0.0/", "https://2130706433/",
     "https://0x7f.1/", "ftp://example.com/", "file:///etc/passwd", "https://u:p@example.com/", "https://", "x", "https://a\nb/",
     "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/"],
)  # fmt: skip
def test_no_caller_makes_us_speak_to_a_place_inside(agent: Registered, place: str) -> None:
    assert not asyncio.run(Places().accepts(place))
    config = {"taskPushNotificationConfig": {"url": place}}
    with agent.served() as url:
        told = rpc(url, "SendMessage", {"message": message_of(STATUS), "configuration": config})
    assert "error" in told or "result" in told
    book = TaskBook(agent.path / "tasks.db")
    with book.book.reading() as page:
        assert not page.rows("SELECT * FROM pushes")
    book.close()


def test_a_host_that_moves_inside_after_it_was_accepted_is_not_spoken_to(
    agent: Registered, receiver: _Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted: list[str] = []

    async def once(self: Places, url: str) -> bool:
        accepted.append(url)
        return True

    monkeypatch.setattr(push_module.Places, "accepts", once)
    config = {"taskPushNotificationConfig": {"url": receiver.url}}
    with agent.served() as url:
        rpc(url, "SendMessage", {"message": message_of(STATUS), "configuration": config})
    assert accepted
    assert not receiver.got


@pytest.mark.parametrize(
    ("address", "public"),
    [("8.8.8.8", True), ("2606:4700::1111", True), ("127.0.0.1", False), ("::ffff:10.0.0.1", False),
     ("fe80::1%eth0", False), ("2002:0a00:0001::", False), ("64:ff9b::a00:1", False), ("224.0.0.1", False),
     ("240.0.0.1", False), ("x", False)],
)  # fmt: skip
def test_an_address_is_public_also_where_it_is_wrapped(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_one_task_has_so_many_places_and_no_more(agent: Registered) -> None:
    book = TaskBook(agent.path / "places.db")
    pushes, context = PushBook(book), ServerCallContext()
    for number in range(A2A_PUSHES_MAX):
        made = TaskPushNotificationConfig(id=f"p{number}", url="https://example.com")
        asyncio.run(pushes.set_info("t", made, context))
    with pytest.raises(Exception, match="at most"):
        asyncio.run(pushes.set_info("t", TaskPushNotificationConfig(id="more", url="https://example.com"), context))
    asyncio.run(pushes.set_info("t", TaskPushNotificationConfig(id="p0", url="https://example.com/2"), context))
    assert len(asyncio.run(pushes.get_info_for_dispatch("t"))) == A2A_PUSHES_MAX
    assert not asyncio.run(pushes.get_info("t", named("other")))
    asyncio.run(pushes.delete_info("t", context))
    assert not asyncio.run(pushes.get_info_for_dispatch("t"))
    book.close()
