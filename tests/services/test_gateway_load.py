"""A model that takes its time, and more clients than it can serve: others are not kept waiting, queues stay bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from tallystick.core.errors import Unavailable
from tallystick.core.limits import PREDICT_QUEUE_MAX
from tallystick.inference.runtime import Predictor
from tallystick.services.client import GatewayClient
from tests.services.deployed import INFER, NAME, TRUSTED, VERSION, Running, ask, features, serving
from tests.services.wire import Client, connected, request

POST = ("Content-Type: application/json",)


LAYERS = 6


def slow_model() -> Predictor:
    """A wide layer, six times over: some ten milliseconds a row, so that the gateway must hand it to a thread."""
    random = np.random.default_rng(7)
    sizes = {"first": (30, 2_000), "wide": (2_000, 2_000), "last": (2_000, 2)}
    weights = [
        numpy_helper.from_array(random.normal(0, 0.05, size).astype(np.float32), name) for name, size in sizes.items()
    ]
    nodes, name = [], "X"
    for layer, weight in enumerate(["first", *["wide"] * LAYERS, "last"]):
        nodes.append(helper.make_node("MatMul", [name, weight], [f"m{layer}"]))
        name = f"t{layer}" if weight != "last" else "Y"
        nodes.append(helper.make_node("Tanh", [f"m{layer}"], [name]))
    ends = [helper.make_tensor_value_info(end, TensorProto.FLOAT, [None, size]) for end, size in (("X", 30), ("Y", 2))]
    graph = helper.make_graph(nodes, "slow", ends[:1], ends[1:], weights)
    opset = [helper.make_opsetid("", 18)]
    return Predictor(helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString())


@pytest.fixture(scope="module")
def slow() -> Predictor:
    return slow_model()


@pytest.fixture
def running(slow: Predictor, folder: Path) -> Iterator[Running]:
    with serving(folder, model=slow) as served:
        yield served


def test_a_slow_model_answers_the_same_bits_from_its_threads(running: Running, slow: Predictor) -> None:
    rows = list(range(24))
    answers = running.client().predict_many([ask(row) for row in rows], connections=8)
    for row, answer in zip(rows, answers, strict=True):
        expected = slow.predict({"X": features()[[row]]})[0][1]
        assert np.array(answer.outputs["Y"]["data"], dtype=np.float32).tobytes() == expected.tobytes()
    assert sorted(answer.index for answer in answers) == rows


def test_more_predictions_than_may_wait_are_turned_away_and_the_rest_are_answered(running: Running) -> None:
    running.client().predict_many([ask(1)] * 30)  # so that the gateway knows that the model is slow
    before = running.log.size
    clients = [Client(running.port, 60) for _ in range(PREDICT_QUEUE_MAX + 60)]
    try:
        for client in clients:
            client.send(request("POST", INFER, POST, ask(2)))
        with connected(running.port) as other:
            other.send(request(path="/v2/health/live"))
            assert other.answer().status == 200
        statuses = Counter(client.answer().status for client in clients)
    finally:
        for client in clients:
            client.close()
    assert set(statuses) == {200, 429}
    assert running.log.size - before == statuses[200] >= PREDICT_QUEUE_MAX


def test_a_server_without_tls_is_not_taken_for_one_that_has_it(running: Running) -> None:
    url = f"https://127.0.0.1:{running.port}"
    with pytest.raises(Unavailable) as caught:
        GatewayClient(url, NAME, VERSION, TRUSTED).predict_many([ask(1)])
    assert caught.value.code == "dialer.connect"
