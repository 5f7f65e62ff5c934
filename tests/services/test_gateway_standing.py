"""A version that is revoked while it is served is served no more; a chain that is gone changes nothing."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tallystick.core.errors import Rejected, Unavailable
from tallystick.services.gateway import Cadence
from tests.services.deployed import INFER, NAME, Running, ask, serving
from tests.services.wire import connected, request

POST = ("Content-Type: application/json",)


class Chain:
    """What the chain says; tests set `error`."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.asked = 0

    def recheck(self) -> None:
        self.asked += 1
        if self.error is not None:
            raise self.error


@pytest.fixture
def chain() -> Chain:
    return Chain()


@pytest.fixture
def running(folder: Path, chain: Chain) -> Iterator[Running]:
    logging.disable(logging.CRITICAL)
    try:
        with serving(folder, recheck=chain.recheck, cadence=Cadence(600, 600, recheck_s=0.02)) as running:
            yield running
    finally:
        logging.disable(logging.NOTSET)


def ask_for(running: Running, path: str, body: bytes = b"") -> tuple[int, Any]:
    with connected(running.port) as client:
        client.send(request("POST", path, POST, body) if body else request(path=path))
        answer = client.answer()
        return answer.status, orjson.loads(answer.body)


def until(check: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if check():
            return
        time.sleep(0.01)
    raise AssertionError("it never came to that")


def test_a_version_revoked_meanwhile_is_answered_no_more(running: Running, chain: Chain) -> None:
    assert ask_for(running, INFER, ask(1))[0] == 200
    chain.error = Rejected("serve.revoked", "version 1@4 is revoked")
    until(lambda: ask_for(running, INFER, ask(1))[0] == 410)
    assert ask_for(running, INFER, ask(1)) == (410, {"error": "version 1@4 is revoked", "code": "serve.revoked"})
    size = running.log.size
    assert ask_for(running, "/v2/health/ready") == (503, {"live": True, "ready": False})
    assert ask_for(running, f"/v2/models/{NAME}/ready")[0] == 503
    assert ask_for(running, "/status")[1]["standing"]["refused"] == "serve.revoked"
    assert ask_for(running, "/v2/health/live")[0] == 200
    chain.error = None  # a reorganisation took it back: by the contract nobody else can
    until(lambda: ask_for(running, INFER, ask(1))[0] == 200)
    assert running.log.size == size + 1


@pytest.mark.parametrize("error", [Unavailable("rpc.down", "the node is gone"), ValueError("secret")])
def test_a_chain_that_is_gone_changes_nothing_and_the_status_says_so(
    running: Running, chain: Chain, error: Exception
) -> None:
    until(lambda: chain.asked > 0)
    chain.error = error
    until(lambda: "error" in ask_for(running, "/status")[1]["standing"])
    assert ask_for(running, INFER, ask(1))[0] == 200
    shown = ask_for(running, "/status")[1]["standing"]["error"]
    assert shown in ("rpc.down: the node is gone", "ValueError")
    chain.error = None
    until(lambda: "error" not in ask_for(running, "/status")[1]["standing"])


def test_a_revoked_version_stays_refused_while_the_chain_is_gone(running: Running, chain: Chain) -> None:
    chain.error = Rejected("serve.revoked", "version 1@4 is revoked")
    until(lambda: ask_for(running, INFER, ask(1))[0] == 410)
    chain.error = Unavailable("rpc.down", "the node is gone")
    until(lambda: "error" in ask_for(running, "/status")[1]["standing"])
    assert ask_for(running, INFER, ask(1))[0] == 410
