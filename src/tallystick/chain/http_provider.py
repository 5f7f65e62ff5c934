"""JSON-RPC over HTTP in the shape of a web3.py provider: bounded in time and size, repeating only what is safe.

A read that failed in transport is tried again with growing pauses; a transaction never is, because nobody can know
whether it arrived: its hash is looked up instead (the outbox does). Redirects are not followed and the environment's
proxies are not used. No error names the URL beyond its host, since paths and user parts carry credentials. It does not
derive from web3's base class, whose import costs a second and of which `Node` uses nothing.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
import urllib3
from urllib3.exceptions import HTTPError, LocationParseError

from tallystick.chain.wire import bad_answer
from tallystick.core.errors import InvalidInput, TallystickError, Unavailable
from tallystick.core.limits import (
    RPC_ANSWER_BYTES_MAX,
    RPC_BACKOFF_S,
    RPC_CONNECT_TIMEOUT_S,
    RPC_CONNECTIONS_MAX,
    RPC_TIMEOUT_S,
    RPC_TRIES_MAX,
)

IDEMPOTENT = frozenset(
    {
        "eth_blockNumber",
        "eth_call",
        "eth_chainId",
        "eth_estimateGas",
        "eth_feeHistory",
        "eth_gasPrice",
        "eth_getBalance",
        "eth_getBlockByHash",
        "eth_getBlockByNumber",
        "eth_getBlockReceipts",
        "eth_getCode",
        "eth_getLogs",
        "eth_getProof",
        "eth_getStorageAt",
        "eth_getTransactionByHash",
        "eth_getTransactionCount",
        "eth_getTransactionReceipt",
        "eth_maxPriorityFeePerGas",
        "eth_syncing",
        "net_version",
        "web3_clientVersion",
    }
)

_PASSING = frozenset({429, 502, 503, 504})  # HTTP statuses of a server that may well answer the next time
_CHUNK_BYTES = 64 * 2**10


class HttpProvider:
    """Answers JSON-RPC requests by posting them to one http(s) URL; safe to share among threads.

    timeout_s  from sending a request to the last byte of its answer; a read is not repeated after that either
    pause      how to wait between tries, a seam for tests
    raises     InvalidInput "rpc.url"
    """

    def __init__(
        self, url: str, *, timeout_s: float = RPC_TIMEOUT_S, pause: Callable[[float], None] = time.sleep
    ) -> None:
        parsed = _parse(url)
        self.name = f"{parsed.scheme}://{parsed.netloc}"
        self._target = parsed.request_uri
        self._timeout_s = timeout_s
        self._pause = pause
        self._ids = itertools.count(1)
        self._headers = {"content-type": "application/json", "accept": "application/json", "user-agent": "tallystick"}
        if parsed.auth is not None:
            self._headers |= urllib3.make_headers(basic_auth=parsed.auth)
        self._pool = urllib3.connection_from_url(
            self.name, maxsize=RPC_CONNECTIONS_MAX, retries=False, timeout=urllib3.Timeout(timeout_s)
        )

    def __repr__(self) -> str:
        return f"HttpProvider({self.name})"

    def make_request(self, method: Any, params: Any) -> Any:
        """Return the JSON-RPC answer to one request.

        raises  Unavailable "rpc.unreachable", "rpc.timeout", "rpc.busy"; InvalidInput "rpc.answer", "rpc.too_large",
                "rpc.http"
        """
        request = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        answer = self._exchange(request, may_repeat=method in IDEMPOTENT)
        return _one_answer(answer, request["id"])

    def make_batch_request(self, batch_requests: Sequence[tuple[Any, Any]]) -> Any:
        """Return the answers to several requests sent as one, in the order of the requests.

        returns  a list; or a single error object when the node refused the batch as a whole
        raises   as `make_request`
        """
        requests = [
            {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
            for method, params in batch_requests
        ]
        answers = self._exchange(requests, may_repeat=all(method in IDEMPOTENT for method, _ in batch_requests))
        if isinstance(answers, dict):
            return answers
        if not isinstance(answers, list) or not all(isinstance(answer, dict) for answer in answers):
            raise bad_answer("batch", "a list of answers", answers)
        by_id = {answer["id"]: answer for answer in answers if isinstance(answer.get("id"), int)}
        if len(by_id) != len(answers) or by_id.keys() != {request["id"] for request in requests}:
            raise bad_answer("batch", "one answer to each request", f"{len(answers)} answers")
        return [by_id[request["id"]] for request in requests]

    def is_connected(self, show_traceback: bool = False) -> bool:
        """Return whether the node answers."""
        try:
            self.make_request("web3_clientVersion", [])
        except (InvalidInput, Unavailable):
            if show_traceback:
                raise
            return False
        return True

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._pool.close()

    def _exchange(self, body: object, *, may_repeat: bool) -> Any:
        payload = orjson.dumps(body, default=_plain)
        tries = RPC_TRIES_MAX if may_repeat else 1
        started = time.monotonic()
        for attempt in range(tries - 1):
            try:
                return self._post(payload)
            except Unavailable:
                if time.monotonic() - started >= self._timeout_s:
                    raise  # a node that hangs would have its caller wait as many times over
                self._pause(RPC_BACKOFF_S * 2**attempt)
        return self._post(payload)

    def _post(self, payload: bytes) -> Any:
        deadline = time.monotonic() + self._timeout_s
        timeout = urllib3.Timeout(connect=min(RPC_CONNECT_TIMEOUT_S, self._timeout_s), read=self._timeout_s)
        try:
            response = self._pool.request(
                "POST",
                self._target,
                body=payload,
                headers=self._headers,
                timeout=timeout,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            try:
                raw = self._read(response, deadline)
            except BaseException:
                response.close()  # a half-read answer must not be taken for the next one's
                raise
            response.release_conn()
        except HTTPError as error:
            raise self._unreachable(error) from None  # the library's message may hold the whole URL
        return self._parse_answer(response.status, raw)

    def _read(self, response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
        parts: list[bytes] = []
        size = 0
        # Chunk by chunk as they arrive: a read that waits for a full buffer would let a dripping node hold us for ever.
        while chunk := response.read1(_CHUNK_BYTES, decode_content=False):
            size += len(chunk)
            if size > RPC_ANSWER_BYTES_MAX:
                raise InvalidInput(
                    "rpc.too_large",
                    f"the answer of {self.name} is too large",
                    expected=f"at most {RPC_ANSWER_BYTES_MAX} bytes",
                    hint="ask for fewer blocks or addresses at once",
                )
            if time.monotonic() > deadline:
                raise self._timed_out()
            parts.append(chunk)
        return b"".join(parts)

    def _parse_answer(self, status: int, raw: bytes) -> Any:
        try:
            answer = orjson.loads(raw)
        except orjson.JSONDecodeError:
            answer = None
        if status == 200 and answer is not None:
            return answer
        if status in _PASSING:
            raise Unavailable("rpc.busy", f"{self.name} is busy", got=f"HTTP {status}", hint="wait and try again")
        if isinstance(answer, dict) and isinstance(answer.get("error"), dict):
            return answer  # some nodes send JSON-RPC errors under HTTP 400 or 500
        if status == 200:
            raise bad_answer("body", "JSON", raw[:40])
        if status >= 500:
            raise Unavailable("rpc.busy", f"{self.name} failed", got=f"HTTP {status}", hint="look at the node's log")
        raise InvalidInput(
            "rpc.http",
            f"{self.name} does not serve JSON-RPC at this path",
            expected="HTTP 200",
            got=f"HTTP {status}",
            hint="check the path and the credentials of the URL",
        )

    def _unreachable(self, error: HTTPError) -> TallystickError:
        if isinstance(error, urllib3.exceptions.TimeoutError) and not isinstance(
            error, urllib3.exceptions.ConnectTimeoutError
        ):
            return self._timed_out()
        return Unavailable(
            "rpc.unreachable",
            f"cannot reach the node at {self.name}",
            got=type(error).__name__,
            hint="is it running, and is the address right?",
        )

    def _timed_out(self) -> Unavailable:
        return Unavailable(
            "rpc.timeout", f"no answer from {self.name} in {self._timeout_s:g} s", hint="try again later"
        )


def _one_answer(answer: Any, request_id: object) -> Any:
    if not isinstance(answer, dict):
        raise bad_answer("body", "an answer object", answer)
    if answer.get("id") != request_id and not (answer.get("id") is None and "error" in answer):
        raise bad_answer("id", str(request_id), answer.get("id"))
    return answer


def _parse(url: str) -> urllib3.util.Url:
    try:
        parsed = urllib3.util.parse_url(url)
    except LocationParseError:
        parsed = urllib3.util.Url()
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise InvalidInput("rpc.url", "not the URL of a node", expected="http://HOST:PORT or https://…")
    return parsed


def _plain(value: object) -> object:
    # web3.py hands over its own mappings and byte strings.
    if isinstance(value, bytes | bytearray):
        return "0x" + bytes(value).hex()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError
