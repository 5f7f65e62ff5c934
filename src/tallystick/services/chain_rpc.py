"""A chain over HTTP: JSON-RPC 2.0 on loopback, single requests and batches, for wallets and other tools.

It serves any web3.py provider. Transactions that arrive while a block is being written are handed to the provider
together, so they share the next block and its one fsync. Web pages may ask only from this machine's own origins, and
browser extensions; a page from elsewhere is refused, whatever name it reached this address by.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol

import orjson

from tallystick.core.errors import InvalidInput, TallystickError
from tallystick.core.limits import CHAIN_RPC_BATCH_MAX, CHAIN_RPC_THREADS
from tallystick.services.http1 import JSON, Bounds, Request, Response, error_response
from tallystick.services.listener import LOOPBACK_HOSTS, Listener, Stop, check_loopback, serve_forever

SEND: Final = "eth_sendRawTransaction"

_PARSE_ERROR: Final = -32700
_INVALID_REQUEST: Final = -32600
_INTERNAL: Final = -32603

# a page served by this machine, or a browser extension: wallets are
_OWN_ORIGIN: Final = re.compile(
    r"https?://(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?|(?:chrome|moz|safari-web)-extension://[\w.-]+"
)
# https://html.spec.whatwg.org/multipage/browsers.html#ascii-serialisation-of-an-origin
_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://[a-z0-9.\[\]:_-]+")
_PREFLIGHT: Final = b"access-control-allow-methods: POST\r\naccess-control-allow-headers: content-type\r\n"

_log = logging.getLogger(__name__)

Answer = dict[str, Any]


class Provider(Protocol):
    """What is served."""

    def make_request(self, method: Any, params: Any) -> Any:
        """Return the JSON-RPC answer to one request."""
        ...

    def make_batch_request(self, requests: Any) -> Any:
        """Return the answers to several requests, in their order."""
        ...


def serve_chain(
    provider: Provider,
    host: str = "127.0.0.1",
    port: int = 8545,
    *,
    ready: Callable[[str, int], None],
    origins: Iterable[str] = (),
    is_public_meant: bool = False,
    bounds: Bounds | None = None,
    stop: Stop | None = None,
) -> None:
    """Serve until `stop` is asked, or SIGTERM or SIGINT where this is the main thread.

    port     0 for any free one
    ready    called with host and real port once clients can connect
    origins  web origins that may ask, beside this machine's own
    raises   InvalidInput "listener.public", "listener.origin", Unavailable "listener.port"
    """
    check_loopback(host, is_public_meant=is_public_meant)
    own = f"[{host}]" if ":" in host else host
    door = ChainDoor(provider, origins)
    listener = Listener(door.handle, hosts=None if is_public_meant else {*LOOPBACK_HOSTS, own}, bounds=bounds)
    try:
        serve_forever(listener, host, port, on_ready=ready, stop=stop or Stop())
    finally:
        door.close()


class ChainDoor:
    """Turns HTTP requests into calls of a provider. `handle` goes to a Listener."""

    def __init__(self, provider: Provider, origins: Iterable[str] = ()) -> None:
        self._provider = provider
        self._origins = frozenset(map(_origin, origins))
        self._threads = ThreadPoolExecutor(CHAIN_RPC_THREADS, "chain-rpc")
        self._waiting: list[tuple[Any, asyncio.Future[Answer]]] = []
        self._sender: asyncio.Task[None] | None = None

    def close(self) -> None:
        """Wait for requests in work."""
        self._threads.shutdown()

    def handle(self, request: Request) -> Response | Coroutine[Any, Any, Response]:
        """Return the answer, or the coroutine that will."""
        origin = request.headers.get(b"origin", b"").decode("latin-1")
        if origin and origin not in self._origins and not _OWN_ORIGIN.fullmatch(origin):
            return error_response(403, "web pages of this origin may not ask")
        cors = b"access-control-allow-origin: %s\r\nvary: origin\r\n" % origin.encode("latin-1") if origin else b""
        if request.method == "OPTIONS":
            return Response(204, b"", JSON, cors + _PREFLIGHT)
        if request.method != "POST":
            return error_response(405, "POST a JSON-RPC request", b"allow: POST, OPTIONS\r\n")
        # a page elsewhere can make a browser post text, but not JSON, without asking first
        if request.headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != JSON:
            return error_response(415, "content-type must be application/json", cors)
        return self._respond(request.body, cors)

    async def _respond(self, body: bytes, headers: bytes) -> Response:
        try:
            asked = orjson.loads(body)
        except orjson.JSONDecodeError:
            return _json(_fault(None, _PARSE_ERROR, "parse error"), headers)
        if not isinstance(asked, list):
            answer = await self._answer(asked)
            return Response(204, b"", JSON, headers) if answer is None else _json(answer, headers)
        if not asked:
            return _json(_fault(None, _INVALID_REQUEST, "empty batch"), headers)
        if len(asked) > CHAIN_RPC_BATCH_MAX:
            return _json(_fault(None, _INVALID_REQUEST, f"batch of more than {CHAIN_RPC_BATCH_MAX} requests"), headers)
        answers = [answer for answer in await self._answer_batch(asked) if answer is not None]
        return _json(answers, headers) if answers else Response(204, b"", JSON, headers)

    async def _answer_batch(self, asked: Sequence[Any]) -> list[Answer | None]:
        """Answer in order: what follows a transaction sees it; neighbouring transactions go together."""
        answers: list[Answer | None] = []
        sending: list[Any] = []
        for item in asked:
            if isinstance(item, dict) and item.get("method") == SEND:
                sending.append(item)
                continue
            answers += await asyncio.gather(*map(self._answer, sending))
            sending = []
            answers.append(await self._answer(item))
        return answers + list(await asyncio.gather(*map(self._answer, sending)))

    async def _answer(self, item: Any) -> Answer | None:
        """Return the answer to one request, None to a notification."""
        if not isinstance(item, dict) or item.get("jsonrpc") != "2.0" or not isinstance(item.get("method"), str):
            return _fault(_id(item), _INVALID_REQUEST, "invalid request")
        if "id" in item and not isinstance(item["id"], str | int | float | None):
            return _fault(None, _INVALID_REQUEST, "invalid request: id is neither string nor number")
        method, params = item["method"], item.get("params", [])
        try:
            if method == SEND:
                answer = await self._send(params)
            else:
                loop = asyncio.get_running_loop()
                answer = await loop.run_in_executor(self._threads, self._provider.make_request, method, params)
        except Exception as error:  # noqa: BLE001  whatever it is, the client gets an answer and the log the cause
            answer = _internal(method, error)
        return {**answer, "id": item["id"]} if "id" in item else None

    async def _send(self, params: Any) -> Answer:
        """Hand a transaction over with all others that wait; return its own answer."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((params, future))
        if self._sender is None or self._sender.done():
            self._sender = asyncio.ensure_future(self._send_waiting())
        return await future

    async def _send_waiting(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting[:CHAIN_RPC_BATCH_MAX], self._waiting[CHAIN_RPC_BATCH_MAX:]
            requests = [(SEND, params) for params, _ in batch]
            try:
                answers = await loop.run_in_executor(self._threads, self._provider.make_batch_request, requests)
                if not isinstance(answers, list) or len(answers) != len(batch):
                    raise ValueError("the provider did not answer each request of a batch")
            except Exception as error:  # noqa: BLE001  as in _answer
                answers = [_internal(SEND, error)] * len(batch)
            for (_, future), answer in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(answer)


def _origin(text: str) -> str:
    """Return an origin as browsers write it; anything else would be let in by nobody's request."""
    if not _ORIGIN.fullmatch(text):
        raise InvalidInput(
            "listener.origin", "not a web origin", expected="https://HOST or https://HOST:PORT", got=ascii(text)[:80]
        )
    return text


def _internal(method: str, error: Exception) -> Answer:
    """Return the answer for an error that is not the request's fault."""
    if isinstance(error, TallystickError):
        _log.error("%s could not be answered: %s", method[:100], error)
        return _fault(None, _INTERNAL, str(error), error.to_dict())
    _log.error("%s failed", method[:100], exc_info=error)
    return _fault(None, _INTERNAL, "internal error")


def _fault(request_id: Any, code: int, message: str, data: object = None) -> Answer:
    error: dict[str, object] = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    return {"jsonrpc": "2.0", "id": request_id, "error": error}


def _id(item: Any) -> Any:
    found = item.get("id") if isinstance(item, dict) else None
    return found if isinstance(found, str | int | float) else None


def _json(value: object, headers: bytes) -> Response:
    return Response(200, orjson.dumps(value), JSON, headers)
