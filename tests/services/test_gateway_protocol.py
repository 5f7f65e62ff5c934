"""The gateway speaks the Open Inference Protocol's REST form, and no request brings it out of step."""

from __future__ import annotations

import copy
import http.client
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.core.limits import HTTP_BODY_BYTES_MAX
from tests.services.deployed import DIGEST, INFER, LOG_ID, NAME, ORIGIN, VERSION, Running, ask, features, predictor
from tests.services.wire import connected, request

JSON = {"Content-Type": "application/json"}


class Http:
    """A client from the standard library: what it cannot read is no HTTP."""

    def __init__(self, running: Running) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)

    def close(self) -> None:
        self._connection.close()

    def get(self, path: str, method: str = "GET") -> tuple[int, Any, dict[str, str]]:
        return self.ask(method, path, None, {})

    def post(self, path: str, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, Any, dict[str, str]]:
        return self.ask("POST", path, body, JSON if headers is None else headers)

    def ask(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, Any, dict[str, str]]:
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        data = answer.read()
        found = {name.lower(): value for name, value in answer.getheaders()}
        is_json = found["content-type"] == "application/json" and data
        return answer.status, orjson.loads(data) if is_json else data, found


@pytest.fixture
def http_client(gateway: Running) -> Iterator[Http]:
    client = Http(gateway)
    yield client
    client.close()


# --- metadata and health


@pytest.mark.parametrize("path", ["/v2", "/v2/"])
def test_the_server_says_what_it_is(http_client: Http, path: str) -> None:
    status, found, _ = http_client.get(path)
    assert status == 200
    assert set(found) == {"name", "version", "extensions"}
    assert found["name"] == "tallystick"
    assert found["extensions"] == ["tallystick_receipt"]


def test_the_server_is_live_and_ready(http_client: Http) -> None:
    assert http_client.get("/v2/health/live")[:2] == (200, {"live": True})
    assert http_client.get("/v2/health/ready")[:2] == (200, {"live": True, "ready": True})


@pytest.mark.parametrize("version", ["", f"/versions/{VERSION}"])
def test_the_model_is_ready_and_described(http_client: Http, version: str) -> None:
    path = f"/v2/models/{NAME}{version}"
    assert http_client.get(f"{path}/ready")[:2] == (200, {"name": NAME, "ready": True})
    status, found, _ = http_client.get(path)
    assert status == 200
    assert found == {
        "name": NAME,
        "versions": [VERSION],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "X", "datatype": "FP32", "shape": [-1, 30]}],
        "outputs": [
            {"name": "label", "datatype": "INT64", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]},
        ],
    }


@pytest.mark.parametrize(
    "path",
    [
        "/v2/models/2", "/v2/models/1/versions/5", "/v2/models/1/versions/04", "/v2/models//ready", "/v2/models/1/",
        "/v3", "/v2/models", "/", "/V2", "/v2/../v2", "/v2/models/1/versions", "/v2/models/%ff", "/v2?x=1/..", "//v2",
    ],
)  # fmt: skip
def test_what_is_not_there_is_not_found(http_client: Http, path: str) -> None:
    status, found, _ = http_client.get(path)
    if path.startswith("/v2?"):
        assert status == 200  # a query changes nothing
    else:
        assert status == (400 if path == "//v2" else 404)
        assert isinstance(found["error"], str)


def test_an_escaped_path_is_the_same_path(http_client: Http) -> None:
    assert http_client.get("/v2/models/%31")[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_pages_can_only_be_read(http_client: Http, method: str) -> None:
    for path in ("/v2", "/status", "/log/checkpoint", "/receipts/0"):
        status, found, headers = http_client.ask(method, path, b"{}", JSON)
        assert (status, headers["allow"]) == (405, "GET, HEAD")
        assert "error" in found


def test_inference_is_asked_for_with_post(http_client: Http) -> None:
    status, _, headers = http_client.get(INFER)
    assert (status, headers["allow"]) == (405, "POST")


# --- inference


@pytest.mark.parametrize("path", [INFER, f"/v2/models/{NAME}/infer"])
def test_an_answer_is_what_the_model_says_bit_for_bit(http_client: Http, path: str) -> None:
    rows = features()[[3, 200, 568]]
    expected = {tensor.name: array for tensor, array in predictor().predict({"X": rows})}
    status, found, headers = http_client.post(path, ask(3, 200, 568, id="visit 7"))
    assert status == 200
    assert set(found) == {"id", "model_name", "model_version", "outputs", "parameters"}
    assert (found["id"], found["model_name"], found["model_version"]) == ("visit 7", NAME, VERSION)
    assert headers["cache-control"] == "no-store"
    for output, datatype in zip(found["outputs"], ["INT64", "FP32"], strict=True):
        assert set(output) == {"name", "shape", "datatype", "data"}
        array = expected[output["name"]]
        assert (output["datatype"], output["shape"]) == (datatype, list(array.shape))
        assert np.array(output["data"], dtype=array.dtype).tobytes() == array.tobytes()


def test_an_id_that_was_not_given_is_not_invented(http_client: Http) -> None:
    assert "id" not in http_client.post(INFER, ask(1))[1]


def test_only_the_outputs_asked_for_come(http_client: Http) -> None:
    _, found, _ = http_client.post(INFER, ask(1, outputs=[{"name": "probabilities"}]))
    assert [output["name"] for output in found["outputs"]] == ["probabilities"]


def test_a_row_alone_and_a_row_among_others_are_each_what_the_model_says(http_client: Http) -> None:
    """Requests are never merged: one row's answer is that of a batch of one, whoever else asks at the time."""
    alone = {tensor.name: array for tensor, array in predictor().predict({"X": features()[5:6]})}
    _, found, _ = http_client.post(INFER, ask(5))
    assert np.array(found["outputs"][1]["data"], dtype=np.float32).tobytes() == alone["probabilities"].tobytes()


def test_a_large_request_is_answered_like_a_small_one(http_client: Http) -> None:
    rows = [number % 569 for number in range(1_500)]
    body = ask(*rows)
    assert len(body) > 2**17
    expected = predictor().predict({"X": features()[rows]})[1][1]
    _, found, _ = http_client.post(INFER, body)
    assert np.array(found["outputs"][1]["data"], dtype=np.float32).tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "application/json; charset=utf-8"}, 200),
        ({"Content-Type": "Application/JSON"}, 200),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/json; charset=latin-1"}, 415),
        ({}, 200),
        ({"Origin": "https://elsewhere.example"}, 415),
        ({"Origin": "null"}, 415),
        ({"Sec-Fetch-Site": "cross-site"}, 415),
        ({"Content-Type": ""}, 415),
        ({**JSON, "Content-Encoding": "gzip"}, 415),
        ({**JSON, "Inference-Header-Content-Length": "9"}, 415),
    ],
)
def test_a_request_is_plain_json(http_client: Http, headers: dict[str, str], status: int) -> None:
    got, found, _ = http_client.post(INFER, ask(1), headers)
    assert got == status
    assert ("error" in found) == (status != 200)


def test_a_refusal_has_a_reason_and_a_code_and_leaves_no_entry(gateway: Running, http_client: Http) -> None:
    before = gateway.log.size
    status, found, _ = http_client.post(INFER, b'{"inputs": []}')
    assert status == 400
    assert set(found) == {"error", "code"}
    assert "X" in found["error"]
    assert gateway.log.size == before


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(gateway: Running) -> None:
    with connected(gateway.port) as client:
        length = f"Content-Length: {HTTP_BODY_BYTES_MAX + 1}"
        client.send(request("POST", INFER, ("Content-Type: application/json", length)))
        assert client.answer().status == 413


# --- no body brings forth more than a 400

GOOD: dict[str, Any] = json.loads(ask(1, id="x", parameters={"a": 1}, outputs=[{"name": "label"}]))

WRONG = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just([]) | st.just({})
VALUES = st.recursive(
    WRONG, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place within a JSON value."""
    found = [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += places(inner, (*path, key))
    return found


@st.composite
def nearly_good(draw: st.DrawFn) -> bytes:
    """The good request with something put in one place, taken away, or added."""
    value = copy.deepcopy(GOOD)
    path = draw(st.sampled_from(places(value)[1:]))
    parent = value
    for key in path[:-1]:
        parent = parent[key]
    action = draw(st.sampled_from(["replace", "remove", "add"]))
    if action == "replace":
        parent[path[-1]] = draw(VALUES)
    elif action == "remove":
        del parent[path[-1]]
    elif isinstance(parent, dict):
        parent[draw(st.text(max_size=5))] = draw(VALUES)
    else:
        parent.append(draw(VALUES))
    return json.dumps(value).encode()


def test_no_body_brings_forth_a_server_error(gateway: Running, http_client: Http) -> None:
    """Every body is answered, with 200 or with a 400 and a reason; exactly the 200s are in the log."""

    @given(nearly_good() | st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode()))
    @settings(max_examples=250, deadline=None)
    def check(body: bytes) -> None:
        before = gateway.log.size
        status, found, _ = http_client.post(INFER, body)
        assert status in (200, 400), found
        assert ("error" in found) == (status == 400)
        assert gateway.log.size - before == (1 if status == 200 else 0)

    check()


# --- status and metrics


def test_the_status_tells_model_chain_log_and_counts(gateway: Running, http_client: Http) -> None:
    http_client.post(INFER, ask(1))
    http_client.post(INFER, b"{")
    status, found, _ = http_client.get("/status")
    assert status == 200
    assert found["model"] == {"name": NAME, "version": VERSION, "digest": DIGEST.hex()}
    assert found["chain"] == {"chain_id": 31_337}
    assert (found["log"]["origin"], found["log"]["log_id"]) == (ORIGIN, str(LOG_ID))
    assert found["log"]["size"] == gateway.log.size
    assert found["ready"] is True
    assert found["requests"]["statuses"]["200"] == found["requests"]["predictions"] > 0
    assert found["requests"]["statuses"]["400"] > 0


def test_the_metrics_are_prometheus_text(http_client: Http) -> None:
    http_client.post(INFER, ask(1))
    status, found, headers = http_client.get("/metrics")
    assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    lines = found.decode().splitlines()
    samples = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert float(samples["tallystick_predictions_total"]) > 0
    assert float(samples['tallystick_infer_requests_total{status="200"}']) > 0
    assert all(line.split(" ")[3] in ("counter", "gauge") for line in lines if line.startswith("#"))
