"""The gateway's answers: Open Inference Protocol v2 over JSON, where every prediction comes with a signed ticket.

A prediction is answered only after its log entry is durable; what the ticket promises is then on the disk. The room
`inference` does the work (read `inference/serving.py`); this file turns requests into calls and errors into statuses.
Predictions are never merged into one onnxruntime call: batches of another size give other bits for the same row (193
of 569 rows of a logistic regression did, tried), and an auditor who repeats a prediction compares bits.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version as installed_version
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import orjson

from tallystick.core.errors import Broken, InvalidInput, TallystickError, Unavailable
from tallystick.core.limits import (
    INLINE_PREDICT_BODY_BYTES,
    INLINE_PREDICT_S,
    PREDICT_QUEUE_MAX,
    PREDICT_THREADS,
    RETRY_AFTER_S,
)
from tallystick.inference.log import Log
from tallystick.inference.serving import Prediction, ReceiptedModel, Served
from tallystick.inference.tensors import Tensor
from tallystick.services.gateway.counts import Counts, prometheus
from tallystick.services.gateway.heads import Heads
from tallystick.services.gateway.log_files import NOT_FOUND, read_log, read_receipt
from tallystick.services.gateway.standing import Recheck, Standing
from tallystick.services.http1 import JSON, Request, Response

if TYPE_CHECKING:
    from tallystick.services.gateway.till import Till

EXTENSION: Final = "tallystick_receipt"

_RETRY = b"retry-after: %d\r\n" % RETRY_AFTER_S
_NO_STORE = b"cache-control: no-store\r\n"
_METRICS = b"text/plain; version=0.0.4; charset=utf-8"
_OF_BROWSERS = frozenset({b"origin", b"sec-fetch-site"})
_MEAN_WEIGHT = 0.1  # of the newest prediction in the running mean of their time

_log = logging.getLogger(__name__)

Answer = Response | Coroutine[Any, Any, Response]


@dataclass(frozen=True)
class Deployment:
    """One model version, ready to be served.

    served    its names and digest
    model     answers and records
    log       where `model` records
    log_id    the log's id in its LogAnchor contract, under which tickets are signed
    facts     what was checked against the chain before serving, for people to read in /status
    platform  of the model, as the protocol's metadata names it
    recheck   asks the chain whether the version may still be served; None never asks
    """

    served: Served
    model: ReceiptedModel
    log: Log
    log_id: int
    facts: Mapping[str, str | int] = field(default_factory=dict)
    platform: str = "onnxruntime_onnx"
    recheck: Recheck | None = None


class Gateway:
    """Answers requests for one deployment. `handle` goes to a Listener; `run` runs beside it."""

    def __init__(
        self,
        deployment: Deployment,
        heads: Heads,
        standing: Standing,
        connections: Callable[[], int],
        till: Till | None = None,
    ) -> None:
        served = deployment.served
        self._deployment = deployment
        self._served = served
        self._reader = deployment.log.reader
        self._heads = heads
        self._standing = standing
        self._connections = connections
        self._till = till
        self._counts = Counts()
        self._started_s = time.monotonic()
        self._predict_s = 0.0  # running mean
        self._threads = ThreadPoolExecutor(PREDICT_THREADS, "predict")
        self._reading = ThreadPoolExecutor(1, "read")
        self._queued = 0  # predictions waiting for a thread or in one
        self._refusing_until_s = 0.0
        self._fault: Broken | None = None
        self._faulted = asyncio.Event()
        model = f"/v2/models/{served.name}"
        self._infer_paths = frozenset({f"{model}/infer", f"{model}/versions/{served.version}/infer"})
        self._pages: dict[str, Callable[[], Response]] = {
            "/v2": self._server,
            "/v2/": self._server,
            "/v2/health/live": lambda: _json(200, {"live": True}),
            "/v2/health/ready": self._ready,
            model: self._model,
            f"{model}/versions/{served.version}": self._model,
            f"{model}/ready": self._model_ready,
            f"{model}/versions/{served.version}/ready": self._model_ready,
            "/status": self._status,
            "/metrics": self._metrics,
        }

    def handle(self, request: Request) -> Answer:
        """Return the answer, or the coroutine that will."""
        path = request.path
        if "%" in path:
            try:
                path = unquote(path, errors="strict")
            except UnicodeDecodeError:
                return NOT_FOUND
        if path in self._infer_paths:
            return self._infer(request) if self._till is None else self._till.sell(request, self._infer)
        if request.method not in ("GET", "HEAD"):
            is_known = path in self._pages or path.startswith(("/log/", "/receipts/"))
            return (
                _refusal(405, "only GET is allowed here", b"allow: GET, HEAD\r\n") if is_known else self._unknown(path)
            )
        page = self._pages.get(path)
        if page is not None:
            return page()
        if path.startswith("/log/") and not request.query:
            return self._read(lambda: read_log(self._reader, path.removeprefix("/log/")))
        if path.startswith("/receipts/"):
            return self._read(lambda: read_receipt(self._reader, path.removeprefix("/receipts/"), request.query))
        return self._unknown(path)

    async def run(self) -> None:
        """Keep the log's head signed and the version's standing known until cancelled, then sign the last head.

        raises  Broken when the log stopped; nothing can be served any more
        """
        heads, faulted = asyncio.ensure_future(self._heads.run()), asyncio.ensure_future(self._faulted.wait())
        standing = asyncio.ensure_future(self._standing.run())
        try:
            await asyncio.wait((heads, faulted), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (heads, faulted, standing):
                task.cancel()
            await asyncio.gather(heads, faulted, standing, return_exceptions=True)
            self._threads.shutdown()
            self._reading.shutdown()
            if self._till is not None:
                self._till.close()
            if self._fault is None:
                await self._heads.finish()
        if self._fault is not None:
            raise self._fault
        heads.result()

    # --- inference

    def _infer(self, request: Request) -> Answer:
        refusal = _check_infer(request)
        if refusal is not None:
            return self._counted(refusal)
        withdrawn = self._standing.refusal
        if withdrawn is not None:
            return self._counted(_refusal(410, withdrawn.message, code=withdrawn.code))
        body = request.body
        if len(body) > INLINE_PREDICT_BODY_BYTES or self._predict_s > INLINE_PREDICT_S:
            return self._infer_in_thread(body)
        try:
            prediction, took_s = self._predict(body)
        except TallystickError as error:
            return self._counted(self._failed(error))
        return self._settle(prediction, took_s)

    async def _infer_in_thread(self, body: bytes) -> Response:
        if self._queued >= PREDICT_QUEUE_MAX:
            return self._counted(_refusal(429, "too many predictions wait", _RETRY))
        self._queued += 1
        try:
            loop = asyncio.get_running_loop()
            prediction, took_s = await loop.run_in_executor(self._threads, self._predict, body)
        except TallystickError as error:
            return self._counted(self._failed(error))
        finally:
            self._queued -= 1
        return await self._settle(prediction, took_s)

    def _predict(self, body: bytes) -> tuple[Prediction, float]:
        """Predict, hand the entry to the log, and say how many seconds of computing that took."""
        began_s = time.thread_time()  # of this thread alone: on a busy machine a wall clock measures the others
        return self._deployment.model.answer(body), time.thread_time() - began_s

    async def _settle(self, prediction: Prediction, took_s: float) -> Response:
        """Answer once the entry is durable: never before."""
        began_s = time.perf_counter()
        self._predict_s += _MEAN_WEIGHT * (took_s - self._predict_s)
        try:
            await prediction.pending
        except TallystickError as error:
            return self._counted(self._failed(error))
        counts = self._counts
        counts.predict_s += took_s
        counts.durable_s += time.perf_counter() - began_s
        counts.predictions += 1
        return self._counted(Response(200, _with_receipt(prediction, self._reader.origin), JSON, _NO_STORE))

    def _counted(self, response: Response) -> Response:
        self._counts.statuses[response.status] += 1
        return response

    def _failed(self, error: TallystickError) -> Response:
        """Return the answer for an error of the model or the log; a log that stopped ends the server."""
        if isinstance(error, InvalidInput):
            return _refusal(400, str(error), code=error.code)
        if isinstance(error, Unavailable):
            if error.code == "log.busy":
                return _refusal(429, error.message, _RETRY, error.code)
            self._refusing_until_s = time.monotonic() + RETRY_AFTER_S
            return _refusal(503, error.message, _RETRY, error.code)
        _log.error("the gateway cannot go on", exc_info=error)
        if isinstance(error, Broken):
            self._fault = error
            self._faulted.set()
            return _refusal(503, "the log has stopped", code=error.code)
        return _refusal(500, "internal error", code=error.code)

    # --- reading

    async def _read(self, page: Callable[[], Response]) -> Response:
        """Return a page that is read from disk, made in a thread."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reading, page)
        except TallystickError as error:
            _log.error("the log cannot be read", exc_info=error)
            return _refusal(503 if isinstance(error, Unavailable) else 500, error.message, _NO_STORE, error.code)

    def _server(self) -> Response:
        return _json(200, {"name": "tallystick", "version": installed_version("tallystick"), "extensions": [EXTENSION]})

    def _ready(self) -> Response:
        """The specification says `live` here and means `ready`; both are given."""
        is_ready = self._is_ready
        return _json(200 if is_ready else 503, {"live": True, "ready": is_ready})

    def _model_ready(self) -> Response:
        is_ready = self._is_ready
        return _json(200 if is_ready else 503, {"name": self._served.name, "ready": is_ready})

    @property
    def _is_ready(self) -> bool:
        is_well = self._fault is None and self._standing.refusal is None
        return is_well and time.monotonic() >= self._refusing_until_s

    def _model(self) -> Response:
        model = self._deployment.model
        return _json(
            200,
            {
                "name": self._served.name,
                "versions": [self._served.version],
                "platform": self._deployment.platform,
                "inputs": [_tensor(tensor) for tensor in model.inputs],
                "outputs": [_tensor(tensor) for tensor in model.outputs],
            },
        )

    def _status(self) -> Response:
        served = self._served
        return _json(
            200,
            {
                "model": {"name": served.name, "version": served.version, "digest": served.digest.hex()},
                "chain": dict(self._deployment.facts),
                "log": {
                    "origin": self._reader.origin,
                    "log_id": str(self._deployment.log_id),
                    "size": self._deployment.log.size,
                    "checkpoint": self._heads.signed.to_dict(),
                    "anchor": self._heads.anchored.to_dict(),
                },
                "standing": self._standing.to_dict(),
                "ready": self._is_ready,
                "uptime_s": int(time.monotonic() - self._started_s),
                "connections": self._connections(),
                "requests": self._counts.to_dict(),
            },
        )

    def _metrics(self) -> Response:
        heads = self._heads
        body = prometheus(
            self._counts, self._deployment.log.size, heads.signed.size, heads.anchored.size, self._connections()
        )
        return Response(200, body, _METRICS, _NO_STORE)

    def _unknown(self, path: str) -> Response:
        if path.startswith("/v2/models/"):
            return _refusal(404, f"only model {self._served.name} version {self._served.version} is served here")
        return NOT_FOUND


def _check_infer(request: Request) -> Response | None:
    """Return the refusal of a request that is not a plain JSON inference request."""
    if request.method != "POST":
        return _refusal(405, "inference is asked for with POST", b"allow: POST\r\n")
    headers = request.headers
    if b"content-encoding" in headers or b"inference-header-content-length" in headers:
        return _refusal(415, "neither compressed bodies nor binary tensors are supported")
    if b"content-type" not in headers and not headers.keys() & _OF_BROWSERS:
        return None  # Triton's client names no type; a page elsewhere may not either, but its browser says that it asks
    kind, _, parameters = headers.get(b"content-type", b"").lower().partition(b";")
    if kind.strip() != JSON or parameters.strip() not in (b"", b"charset=utf-8", b'charset="utf-8"'):
        return _refusal(415, "a request is application/json in UTF-8")
    return None


def _with_receipt(prediction: Prediction, origin: str) -> bytes:
    """Return the answer with what proves it. The answer's own bytes come first and unchanged, since out_commit covers
    them: the first `answer_bytes` - 1 bytes of the body and a closing brace."""
    answer = prediction.answer
    receipt = {
        "origin": origin,
        "entry": prediction.entry.hex(),
        "in_salt": prediction.in_salt.hex(),
        "out_salt": prediction.out_salt.hex(),
        "answer_bytes": len(answer),
        "ticket": prediction.ticket().to_dict(),
    }
    return b"".join((answer[:-1], b',"parameters":{"tallystick_receipt":', orjson.dumps(receipt), b"}}"))


def _tensor(tensor: Tensor) -> dict[str, object]:
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}


def _json(status: int, value: dict[str, object]) -> Response:
    return Response(status, orjson.dumps(value), JSON, _NO_STORE)


def _refusal(status: int, message: str, headers: bytes = b"", code: str = "") -> Response:
    """Return `{"error": message}`, with our stable code where there is one."""
    body = {"error": message, "code": code} if code else {"error": message}
    return Response(status, orjson.dumps(body), JSON, headers + _NO_STORE if headers is not _NO_STORE else headers)
