"""A prediction over the protocol is the gateway's, checked against the chain, and its receipt is proof elsewhere."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tallystick.cli.main import run
from tallystick.core import canonical
from tallystick.core.ids import ModelRef
from tallystick.core.receipt import Receipt
from tallystick.inference.serving import Served
from tallystick.services.abilities.ability import Powers
from tallystick.services.gateway import Cadence, Deployment, serve
from tallystick.services.listener import Stop
from tests.cli.agent_kit import open_tally
from tests.services.deployed import ask, model_bytes
from tests.services.mcp.places import called, desk_of

INPUTS = orjson.loads(ask(0, 1))["inputs"]


@contextlib.contextmanager
def _gateway(path: Path) -> Iterator[str]:
    """Serve version 1@1 of the workspace, as `tally serve` does; give the gateway's URL."""
    ready, stop, ports = threading.Event(), Stop(), list[int]()

    def on_ready(host: str, port: int) -> None:
        ports.append(port)
        ready.set()

    def run_it() -> None:
        with open_tally(path) as tally, tally.inference.writer() as log:
            statement, model = tally.models.load_onnx(1, 1)
            served = Served("1", "1", statement, tally.inference.node_id())
            receipted = tally.inference.receipted(log, served, model)
            made = Deployment(served, receipted, log, tally.inference.log_id())
            serve(made, port=0, on_ready=on_ready, stop=stop, cadence=Cadence(checkpoint_s=0.05))

    thread = threading.Thread(target=run_it)
    thread.start()
    try:
        assert ready.wait(60)
        yield f"http://127.0.0.1:{ports[0]}"
    finally:
        stop.ask()
        thread.join(30)


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A workspace with a served model, and the gateway's URL."""
    folder = tmp_path_factory.mktemp("served")
    path = folder / ".tally"
    assert run(["init", str(path)]) == 0
    (folder / "model").mkdir()
    (folder / "model" / "model.onnx").write_bytes(model_bytes())
    with open_tally(path) as tally:
        tally.models.register("tumours")
        tally.models.add_version(1, folder / "model")
        tally.inference.open()
    with _gateway(path) as url:
        yield path, url


def _asked(serving: tuple[Path, str], name: str, arguments: dict[str, Any], gateway: str | None = None) -> Any:
    path, url = serving
    with desk_of(path, Powers(gateway=url if gateway is None else gateway)) as desk:
        return called(desk.server(), name, arguments)


def test_a_prediction_comes_with_a_receipt_that_proves_it(serving: tuple[Path, str]) -> None:
    found = _asked(serving, "predict", {"model": "1", "inputs": INPUTS}).structured_content
    assert found["model"] == "1@1"
    assert len(found["outputs"][0]["data"]) == 2
    assert found["receipt"]["index"] == found["index"]
    told = _asked(serving, "verify_receipt", {"receipt": found["receipt"]}).structured_content
    assert told["verified"] is True
    assert told["entry"] == found["entry"]
    assert told["is_anchored"] is False
    with open_tally(serving[0]) as tally:
        receipt = Receipt.from_bytes(canonical.encode(found["receipt"]))
        receipt.verify([tally.inference.verifier_key()])
        assert tally.models.resolve(ModelRef(1)) == (1, 1)


def test_a_receipt_that_was_altered_is_refused(serving: tuple[Path, str]) -> None:
    receipt = _asked(serving, "predict", {"model": "1", "inputs": INPUTS}).structured_content["receipt"]
    for changed in (receipt | {"index": receipt["index"] + 1}, receipt | {"entry": "AAAA"}, receipt | {"path": []}):
        refused = _asked(serving, "verify_receipt", {"receipt": changed})
        assert refused.is_error or changed == receipt
    assert _asked(serving, "verify_receipt", {"receipt": {"kind": 1.5}}).structured_content["code"] == "canonical.float"
    assert _asked(serving, "verify_receipt", {"receipt": receipt, "log_id": 99}).is_error


def test_what_the_model_does_not_take_is_refused_with_the_gateways_code(serving: tuple[Path, str]) -> None:
    odd = [INPUTS[0] | {"shape": [1, 1]}]
    assert _asked(serving, "predict", {"model": "1", "inputs": odd}).is_error
    assert _asked(serving, "predict", {"model": "2", "inputs": INPUTS}).is_error


def test_a_gateway_that_is_gone_or_another_is_not_believed(serving: tuple[Path, str]) -> None:
    gone = _asked(serving, "predict", {"model": "1", "inputs": INPUTS}, "http://127.0.0.1:9")
    assert gone.structured_content["code"] == "dialer.connect"


def test_a_model_is_verified_and_looked_up(serving: tuple[Path, str]) -> None:
    verified = _asked(serving, "verify_model", {"model": "1@1"}).structured_content
    assert verified["ok"] is True
    assert verified["failed"] == []
    looked = _asked(serving, "look_up_model", {"model": "1"}).structured_content
    assert (looked["name"], looked["version"]["seq"], looked["versions"]) == ("tumours", 1, 1)
    status = _asked(serving, "log_status", {}).structured_content
    assert status["signed_size"] <= status["size"]
