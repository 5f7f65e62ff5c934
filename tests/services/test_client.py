"""The client believes an answer only if entry, commitments and ticket hold, whatever a gateway or a wire does."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.core.errors import InvalidInput, TallystickError, Unavailable, VerificationFailed
from tallystick.core.note import VerifierKey
from tallystick.core.receipt import Receipt
from tallystick.core.ticket import ticket_domain
from tallystick.services.client import Checked, Checker, GatewayClient, check_receipt
from tallystick.services.dialer import Place
from tallystick.services.http1 import Request, Response
from tests.services.deployed import (
    INFER,
    NAME,
    TRUSTED,
    VERSION,
    Running,
    ask,
    features,
    predictor,
)
from tests.services.wire import connected, listening, request

REQUEST = ask(11)


@pytest.fixture(scope="module")
def reply(gateway: Running) -> bytes:
    """An honest reply to REQUEST."""
    with connected(gateway.port) as client:
        client.send(request("POST", INFER, ("Content-Type: application/json",), REQUEST))
        return client.answer().body


def test_an_honest_answer_is_believed(reply: bytes) -> None:
    checked = Checker(TRUSTED).check_answer(REQUEST, reply)
    expected = predictor().predict({"X": features()[[11]]})[1][1]
    got = np.array(checked.outputs["probabilities"]["data"], dtype=np.float32)
    assert got.tobytes() == expected.tobytes()
    assert checked.index == checked.ticket.index


def test_a_known_batch_is_checked_as_strictly_as_a_new_one(reply: bytes) -> None:
    checker = Checker(TRUSTED)
    checker.check_answer(REQUEST, reply)
    receipt = orjson.loads(reply)["parameters"]["tallystick_receipt"]
    ticket = receipt["ticket"]
    for change in ({"index": ticket["index"] + 1}, {"path": [*ticket["path"], "00" * 32]}):
        with pytest.raises(VerificationFailed):
            checker.check_answer(REQUEST, with_receipt(reply, {"ticket": {**ticket, **change}}))


def with_receipt(reply: bytes, changes: dict[str, Any]) -> bytes:
    """The reply with members of its receipt changed, the answer's bytes kept."""
    receipt = orjson.loads(reply)["parameters"]["tallystick_receipt"]
    answer = reply[: receipt["answer_bytes"] - 1]
    return answer + b',"parameters":{"tallystick_receipt":' + orjson.dumps({**receipt, **changes}) + b"}}"


def test_no_single_changed_byte_is_believed(reply: bytes) -> None:
    """Whatever one byte becomes: refused, or it says the very same thing (a member's value in other JSON)."""
    honest = Checker(TRUSTED).check_answer(REQUEST, reply)

    @given(st.integers(0, len(reply) - 1), st.integers(0, 255))
    @settings(max_examples=400, deadline=None)
    def check(place: int, byte: int) -> None:
        changed = reply[:place] + bytes([byte]) + reply[place + 1 :]
        try:
            assert Checker(TRUSTED).check_answer(REQUEST, changed) == honest
        except (InvalidInput, VerificationFailed):
            assert changed != reply

    check()


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("answer.origin", {"key": VerifierKey("localhost/other", TRUSTED.key.public)}),
        ("answer.version", {"version": b"\x07" * 32}),
        ("answer.log", {"log_id": 6}),
        ("ticket.signer", {"ticket_signer": "0x5FbDB2315678afecb367f032d93F642f64180aa3"}),
        ("ticket.signer", {"domain": ticket_domain(1, TRUSTED.domain.verifying_contract)}),
        ("ticket.signer", {"domain": ticket_domain(31_337, "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512")}),
    ],
)
def test_an_answer_of_another_log_model_chain_or_signer_is_refused(
    reply: bytes, code: str, change: dict[str, Any]
) -> None:
    with pytest.raises(VerificationFailed) as caught:
        Checker(dataclasses.replace(TRUSTED, **change)).check_answer(REQUEST, reply)
    assert caught.value.code == code


def test_an_answer_to_another_request_is_refused(reply: bytes) -> None:
    with pytest.raises(VerificationFailed, match="entry is of another request"):
        Checker(TRUSTED).check_answer(REQUEST + b" ", reply)


@pytest.mark.parametrize(
    "change",
    [
        lambda reply: reply.replace(b'"label"', b'"lable"'),
        lambda reply: with_receipt(reply, {"entry": "00"}),
        lambda reply: with_receipt(reply, {"entry": "00" * 174}),
        lambda reply: with_receipt(reply, {"in_salt": "00" * 32}),
        lambda reply: with_receipt(reply, {"out_salt": "00" * 32}),
        lambda reply: with_receipt(reply, {"out_salt": "00" * 31}),
        lambda reply: with_receipt(reply, {"answer_bytes": 1}),
        lambda reply: with_receipt(reply, {"answer_bytes": len(reply) + 1}),
        lambda reply: with_receipt(reply, {"answer_bytes": True}),
        lambda reply: with_receipt(reply, {"ticket": {}}),
        lambda reply: with_receipt(reply, {"ticket": None}),
        lambda reply: with_receipt(reply, {"more": 1}),
        lambda reply: b"{}",
        lambda reply: b"[]",
        lambda reply: b"",
        lambda reply: b'{"parameters":{"tallystick_receipt":[]}}',
    ],
)
def test_a_reply_of_another_form_is_refused(reply: bytes, change: Callable[[bytes], bytes]) -> None:
    with pytest.raises((InvalidInput, VerificationFailed)):
        Checker(TRUSTED).check_answer(REQUEST, change(reply))


def test_many_requests_over_many_connections_are_each_answered_and_logged_once(gateway: Running) -> None:
    rows = [number % 569 for number in range(400)]
    done: list[Checked] = []
    before = gateway.log.size
    answers = gateway.client().predict_many(
        [ask(row) for row in rows], connections=16, on_done=lambda answer, _: done.append(answer)
    )
    assert sorted(answer.index for answer in answers) == list(range(before, before + 400))
    assert sorted(answer.index for answer in done) == list(range(before, before + 400))
    for row, answer in zip(rows, answers, strict=True):
        assert answer.request == ask(row)
        assert gateway.log.reader.entry(answer.index) == answer.entry


def test_tickets_of_one_batch_share_one_signature(gateway: Running) -> None:
    answers = gateway.client().predict_many([ask(1)] * 200, connections=32)
    promises = {answer.ticket.promise for answer in answers}
    assert len(promises) < 200
    for promise in promises:
        indices = {answer.index for answer in answers if answer.ticket.promise == promise}
        assert indices <= set(range(promise.first_index, promise.first_index + promise.count))


def test_a_receipt_is_fetched_and_compared(gateway: Running) -> None:
    client = gateway.client()
    checked = client.predict([{"name": "X", "shape": [1, 30], "datatype": "FP32", "data": [0.5] * 30}], "visit")
    assert orjson.loads(checked.answer)["id"] == "visit"
    gateway.log.checkpoint()
    assert client.receipt(checked).entry == checked.entry


def test_a_log_that_holds_another_entry_where_one_was_promised_is_named_a_broken_promise(gateway: Running) -> None:
    one, two = gateway.client().predict_many([ask(1), ask(2)], connections=1)
    gateway.log.checkpoint()
    receipt = gateway.client().receipt(two)
    check_receipt(two, receipt, TRUSTED.key)
    with pytest.raises(VerificationFailed) as caught:
        check_receipt(one, receipt, TRUSTED.key)
    assert caught.value.code == "answer.broken_promise"
    moved = Receipt(receipt.entry, one.index, receipt.path, receipt.checkpoint)
    with pytest.raises(VerificationFailed):
        check_receipt(one, moved, TRUSTED.key)


def test_what_the_gateway_refuses_is_told_with_its_code(gateway: Running) -> None:
    with pytest.raises(InvalidInput) as caught:
        gateway.client().predict_many([b"{"])
    assert caught.value.code == "predict.json"
    other = GatewayClient(gateway.url, "2", VERSION, TRUSTED)
    with pytest.raises(InvalidInput, match="only model 1 version 4 is served here"):
        other.predict_many([ask(1)])


def test_a_busy_gateway_is_asked_again_and_a_failing_one_is_not(reply: bytes) -> None:
    asked = []

    def busy_at_first(_: Request) -> Response:
        asked.append(1)
        return Response(429, b'{"error":"busy"}') if len(asked) < 3 else Response(200, reply)

    with listening(busy_at_first) as port:
        client = GatewayClient(f"http://127.0.0.1:{port}", NAME, VERSION, TRUSTED)
        assert client.predict_many([REQUEST])[0].request == REQUEST
    assert len(asked) == 3
    with listening(lambda _: Response(503, b'{"error":"full","code":"log.full"}')) as port:
        with pytest.raises(Unavailable) as caught:
            GatewayClient(f"http://127.0.0.1:{port}", NAME, VERSION, TRUSTED).predict_many([REQUEST])
        assert caught.value.code == "log.full"


@pytest.mark.parametrize("status", [204, 302, 400, 404, 500, 502])
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error":{}}', b'{"error":"x","code":1}'])
def test_any_other_reply_is_an_error_of_ours(status: int, body: bytes) -> None:
    with listening(lambda _: Response(status, body)) as port, pytest.raises(TallystickError):
        GatewayClient(f"http://127.0.0.1:{port}", NAME, VERSION, TRUSTED).predict_many([REQUEST])


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with listening(lambda _: Response(200)) as port:
        pass
    with pytest.raises(Unavailable) as caught:
        GatewayClient(f"http://127.0.0.1:{port}", NAME, VERSION, TRUSTED).predict_many([REQUEST])
    assert caught.value.code == "dialer.connect"


@pytest.mark.parametrize("said", [b"", b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"])
def test_a_server_that_speaks_no_http_or_breaks_off_is_an_error_of_ours(said: bytes) -> None:
    import socket

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

        def once() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(said)

        thread = threading.Thread(target=once)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises((Unavailable, InvalidInput)):
            GatewayClient(url, NAME, VERSION, TRUSTED).predict_many([REQUEST])
        thread.join(10)


@pytest.mark.parametrize(
    "url",
    ["", "localhost:1", "ftp://a", "http://", "http://a b", "http://a:x", "http://u:p@a", "http://a?b", "http://ä"],
)
def test_what_is_no_url_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Place.parse(url)
    assert caught.value.code == "dialer.url"
    assert "p@" not in str(caught.value)  # a password in a URL is not repeated


def test_a_url_may_have_a_port_and_a_prefix() -> None:
    assert Place.parse("http://[::1]:80/a/") == Place("::1", 80, False, "/a")
    assert Place.parse("https://example.com").authority == "example.com:443"
