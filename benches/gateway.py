"""Predictions over HTTP: with durable log entries and tickets, beside the same server without a log, and the model.

Server and clients are processes of their own on this machine; the clients speak just enough HTTP to be out of the
way. The peer is the same HTTP server and the same model, answering without log, commitments or tickets.
`python -m benches.gateway bare|logged FOLDER` is the server process.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from benches import scratch
from benches._child import Child, say_port
from tallystick.core.note import VerifierKey
from tallystick.inference.runtime import Predictor
from tallystick.inference.tensors import read_request, write_answer

QUESTION = "How many predictions a second does the gateway answer, and how much later than the bare model?"

NAME, VERSION = "1", "4"
INFER = f"/v2/models/{NAME}/versions/{VERSION}/infer"
ORIGIN = "localhost/bench"
CONNECTIONS = 64

_SECRET = b"\x02" * 32


def run(quick: bool) -> dict[str, Any]:
    """Measure requests per second at one and at many connections, and the p50 that the log adds."""
    seconds = 1.0 if quick else 5.0
    with scratch() as folder:
        model = folder / "model.onnx"
        bodies = _train(model)
        figures = _server(["logged", str(folder)], bodies, seconds)
        peer = _server(["bare", str(folder)], bodies, seconds)
        figures["added_by_log_p50_ms"] = figures["one_client_p50_ms"] - peer["one_client_p50_ms"]
        figures["model_alone_p50_ms"] = _model_alone(model, bodies)
        figures["verifying_client_per_s"] = _verifying(folder, bodies, seconds)
    notes = [
        f"Breast-cancer rows, one a request, a small neural network. Many clients: {CONNECTIONS} connections.",
        "Peer: the same HTTP server and model without log, commitments or tickets.",
        "Every logged answer waited for fdatasync; verifying_client checks each ticket, commitment and path.",
    ]
    return {"figures": figures, "peer": peer, "notes": notes}


def _train(path: Path) -> list[bytes]:
    """Write a model to `path`; return request bodies."""
    from skl2onnx import to_onnx
    from sklearn.datasets import load_breast_cancer
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    data = load_breast_cancer()
    rows = data.data.astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = MLPClassifier((16, 8), alpha=0.01, max_iter=500, random_state=7)
        fitted = make_pipeline(StandardScaler(), network).fit(rows, data.target)
        path.write_bytes(to_onnx(fitted, rows[:1], options={"zipmap": False}).SerializeToString())
    tensor = {"name": "X", "shape": [1, rows.shape[1]], "datatype": "FP32"}
    return [orjson.dumps({"inputs": [{**tensor, "data": row}]}, option=orjson.OPT_SERIALIZE_NUMPY) for row in rows]


def _server(arguments: list[str], bodies: list[bytes], seconds: float) -> dict[str, float]:
    """Return the figures of one server process."""
    with Child("benches.gateway", arguments) as server:
        _load(server.port, bodies, 1, seconds / 5)  # warm
        one = _load(server.port, bodies, 1, seconds)
        cpu_s = server.cpu_s()
        many = _load(server.port, bodies, CONNECTIONS, seconds)
        cpu_us = 1e6 * (server.cpu_s() - cpu_s) / len(many)
    return {
        "requests_per_s": len(many) / seconds,
        "server_cpu_per_request_us": cpu_us,
        "one_client_per_s": len(one) / seconds,
        "one_client_p50_ms": 1e3 * statistics.median(one),
        "many_clients_p50_ms": 1e3 * statistics.median(many),
        "many_clients_p99_ms": 1e3 * sorted(many)[len(many) * 99 // 100],
    }


def _model_alone(path: Path, bodies: list[bytes]) -> float:
    """Return the p50 in milliseconds of reading a request, running the model and writing the answer, in process."""
    predictor, times = Predictor(path.read_bytes()), []
    for body in bodies * 4:
        began = time.perf_counter()
        _predict(predictor, body)
        times.append(time.perf_counter() - began)
    return 1e3 * statistics.median(times)


def _predict(predictor: Predictor, body: bytes) -> bytes:
    request = read_request(body, predictor.inputs, predictor.outputs)
    return write_answer(request.id, NAME, VERSION, predictor.predict(request.arrays, request.outputs))


def _verifying(folder: Path, bodies: list[bytes], seconds: float) -> float:
    """Return answers per second of our own client, which believes nothing unchecked."""
    from tallystick.services.client import GatewayClient, Trusted

    with Child("benches.gateway", ["logged", str(folder)]) as server:
        digest, key, domain, signer, log_id = _trusted()
        trusted = Trusted(key, log_id, domain, signer, digest)
        client = GatewayClient(f"http://127.0.0.1:{server.port}", NAME, VERSION, trusted)
        count = int(400 * seconds)
        client.predict_many([bodies[0]] * 50)
        began = time.perf_counter()
        client.predict_many([bodies[n % len(bodies)] for n in range(count)], connections=24)
        return count / (time.perf_counter() - began)


# --- clients


def _load(port: int, bodies: list[bytes], connections: int, seconds: float) -> list[float]:
    """Return the seconds each answered request took, asked from a process of its own."""
    command = [sys.executable, "-m", "benches.gateway", "load", str(port), str(connections), str(seconds)]
    done = subprocess.run(
        command, input=orjson.dumps([body.decode() for body in bodies]), capture_output=True, check=True
    )
    return list(orjson.loads(done.stdout))


class _Asker(asyncio.Protocol):
    """Asks again as soon as it was answered, until told to stop."""

    def __init__(self, requests: list[bytes], times: list[float], until_s: float) -> None:
        self._requests, self._times, self._until_s = requests, times, until_s
        self._buffer, self._wanted, self._next = b"", 0, 0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._began_s = time.perf_counter()
        self._transport.write(self._requests[self._next % len(self._requests)])
        self._next += 1

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._wanted:
            head, blank, _ = self._buffer.partition(b"\r\n\r\n")
            if not blank:
                return
            assert head.startswith(b"HTTP/1.1 200 "), head
            length = head[head.index(b"content-length: ") + 16 :].partition(b"\r\n")[0]
            self._wanted = len(head) + 4 + int(length)
        if len(self._buffer) >= self._wanted:
            now_s = time.perf_counter()
            self._times.append(now_s - self._began_s)
            self._buffer, self._wanted = b"", 0
            if now_s < self._until_s:
                self._ask()
            else:
                self.done.set_result(None)
                self._transport.close()


async def _ask_for(port: int, bodies: list[bytes], connections: int, seconds: float) -> list[float]:
    head = f"POST {INFER} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "
    requests = [f"{head}{len(body)}\r\n\r\n".encode() + body for body in bodies]
    times: list[float] = []
    until_s = time.perf_counter() + seconds
    loop = asyncio.get_running_loop()
    askers = [
        (await loop.create_connection(lambda: _Asker(requests, times, until_s), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(asker.done for asker in askers))
    return times


# --- servers


def _serve_bare(folder: Path) -> None:
    from tallystick.services.http1 import JSON, Request, Response
    from tallystick.services.listener import Listener, Stop, serve_forever

    predictor = Predictor((folder / "model.onnx").read_bytes())

    def handle(request: Request) -> Response:
        return Response(200, _predict(predictor, request.body), JSON)

    serve_forever(Listener(handle, hosts=["127.0.0.1"]), "127.0.0.1", 0, on_ready=say_port, stop=Stop())


def _trusted() -> tuple[bytes, VerifierKey, Any, str, int]:
    """The version's digest, the log's key, the ticket domain and signer, and the log's id: the same in each process."""
    from coincurve import PublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from tallystick.core.digest import sha256
    from tallystick.core.ids import address_of_public_key
    from tallystick.core.ticket import ticket_domain

    key = Ed25519PrivateKey.from_private_bytes(_SECRET).public_key().public_bytes_raw()
    signer = address_of_public_key(PublicKey.from_secret(_SECRET).format(compressed=False)[1:])
    domain = ticket_domain(31_337, "0x5FbDB2315678afecb367f032d93F642f64180aa3")
    return sha256(b"a signed statement"), VerifierKey(ORIGIN, key), domain, signer, 1


def _serve_logged(folder: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from tallystick.inference.log import Log
    from tallystick.inference.serving import ReceiptedModel, Served
    from tallystick.inference.tickets import TicketOffice
    from tallystick.services.gateway import Deployment, serve

    digest, _, domain, _, log_id = _trusted()
    predictor = Predictor((folder / "model.onnx").read_bytes())
    served = Served(NAME, VERSION, digest, b"bench-deployment")
    office = TicketOffice(_SECRET, domain, log_id, lambda: time.time_ns() // 1_000_000)
    with Log.open(folder / "log", ORIGIN, key=Ed25519PrivateKey.from_private_bytes(_SECRET)) as log:
        model = ReceiptedModel(predictor, served, log, office)
        serve(Deployment(served, model, log, log_id), port=0, on_ready=say_port)


def main(arguments: list[str]) -> None:
    """Be one of the processes of the bench."""
    if arguments[0] == "load":
        bodies = [body.encode() for body in orjson.loads(sys.stdin.buffer.read())]
        times = asyncio.run(_ask_for(int(arguments[1]), bodies, int(arguments[2]), float(arguments[3])))
        sys.stdout.buffer.write(orjson.dumps(times))
    elif arguments[0] == "bare":
        _serve_bare(Path(arguments[1]))
    else:
        _serve_logged(Path(arguments[1]))


if __name__ == "__main__":
    main(sys.argv[1:])
