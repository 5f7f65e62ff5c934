"""A real deployment for tests: breast-cancer data, a scikit-learn model in ONNX, a log on disk, a ticket office.

`python -m tests.services.deployed FOLDER MODEL` serves the model in that file from a process of its own, prints its
port, and stops on SIGTERM.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from coincurve import PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallystick.core.ids import address_of_public_key
from tallystick.core.note import VerifierKey
from tallystick.core.ticket import ticket_domain
from tallystick.inference.log import Log
from tallystick.inference.log.files import Files
from tallystick.inference.runtime import Predictor
from tallystick.inference.serving import ReceiptedModel, Served
from tallystick.inference.tickets import TicketOffice
from tallystick.services.client import GatewayClient, Trusted
from tallystick.services.gateway import Anchorer, Cadence, Deployment, serve
from tallystick.services.gateway.standing import Recheck
from tallystick.services.gateway.till import Till
from tallystick.services.http1 import Bounds
from tallystick.services.listener import Stop

ORIGIN = "localhost/gateway-test"
NAME, VERSION = "1", "4"
LOG_ID = 5
DIGEST = hashlib.sha256(b"a signed statement").digest()
LOG_KEY = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
TICKET_SECRET = b"\x02" * 32
TICKET_SIGNER = address_of_public_key(PrivateKey(TICKET_SECRET).public_key.format(compressed=False)[1:])
DOMAIN = ticket_domain(31_337, "0x5FbDB2315678afecb367f032d93F642f64180aa3")
TRUSTED = Trusted(VerifierKey(ORIGIN, LOG_KEY.public_key().public_bytes_raw()), LOG_ID, DOMAIN, TICKET_SIGNER, DIGEST)
INFER = f"/v2/models/{NAME}/versions/{VERSION}/infer"


@functools.cache
def features() -> np.ndarray[Any, Any]:
    """The rows of the data set, (569, 30) float32."""
    from sklearn.datasets import load_breast_cancer

    rows: np.ndarray[Any, Any] = load_breast_cancer().data.astype(np.float32)
    return rows


@functools.cache
def model_bytes() -> bytes:
    """A logistic regression behind a scaler, in ONNX."""
    from skl2onnx import to_onnx
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = features()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
        fitted.fit(rows, load_breast_cancer().target)
        return bytes(to_onnx(fitted, rows[:1], options={"zipmap": False}).SerializeToString())


@functools.cache
def predictor() -> Predictor:
    """The model, loaded once."""
    return Predictor(model_bytes())


def ask(*rows: int, **members: object) -> bytes:
    """An inference request for these rows of the data."""
    data = features()[list(rows)]
    tensor = {"name": "X", "shape": list(data.shape), "datatype": "FP32", "data": [float(x) for x in data.ravel()]}
    return orjson.dumps({**members, "inputs": [tensor]})


def open_log(folder: Path, *, bodies: bool = False, files: Files | None = None) -> Log:
    """The log in `folder`, made if there is none."""
    return Log.open(folder, ORIGIN, key=LOG_KEY, bodies=bodies, files=files)


def deploy(log: Log, model: Predictor | None = None, recheck: Recheck | None = None) -> Deployment:
    """The model over `log`."""
    model = model or predictor()
    served = Served(NAME, VERSION, DIGEST, b"test-deployment!")
    office = TicketOffice(TICKET_SECRET, DOMAIN, LOG_ID, lambda: time.time_ns() // 1_000_000)
    receipted = ReceiptedModel(model, served, log, office)
    return Deployment(served, receipted, log, LOG_ID, {"chain_id": 31_337}, recheck=recheck)


@dataclass
class Running:
    """A gateway in a thread."""

    port: int
    log: Log
    stop: Stop
    thread: threading.Thread
    failure: list[BaseException]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> GatewayClient:
        return GatewayClient(self.url, NAME, VERSION, TRUSTED)


@contextlib.contextmanager
def serving(
    folder: Path,
    *,
    files: Files | None = None,
    bounds: Bounds | None = None,
    anchorer: Anchorer | None = None,
    cadence: Cadence | None = None,
    bodies: bool = False,
    model: Predictor | None = None,
    recheck: Recheck | None = None,
    till: Till | None = None,
) -> Iterator[Running]:
    """Serve from a thread, over a log in `folder`; the log is closed afterwards."""
    ready, stop, ports, failure = threading.Event(), Stop(), list[int](), list[BaseException]()

    def on_ready(_host: str, port: int) -> None:
        ports.append(port)
        ready.set()

    def run(log: Log) -> None:
        try:
            serve(
                deploy(log, model, recheck), port=0, on_ready=on_ready, stop=stop, bounds=bounds, anchorer=anchorer,
                cadence=cadence or Cadence(checkpoint_s=0.05, anchor_s=0.05), till=till,
            )  # fmt: skip
        except BaseException as error:  # noqa: BLE001  the test looks at it
            failure.append(error)
            ready.set()

    with open_log(folder, files=files, bodies=bodies) as log:
        thread = threading.Thread(target=run, args=(log,))
        thread.start()
        try:
            assert ready.wait(20)
            assert ports, failure
            yield Running(ports[0], log, stop, thread, failure)
        finally:
            stop.ask()
            thread.join(30)
            assert not thread.is_alive()


def main(folder: Path, model: Path) -> None:
    """Serve until SIGTERM; the log is closed in order."""
    with open_log(folder) as log:
        deployment = deploy(log, Predictor(model.read_bytes()))
        serve(deployment, port=0, on_ready=lambda _, port: tell(port), cadence=Cadence(0.05, 60))


def tell(port: int) -> None:
    """Write the port where the parent process reads it."""
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
