"""The embedded ledger as a web3.py provider: JSON-RPC in, JSON-RPC out, no server between.

A refused request comes back as a JSON-RPC error object. Damage to the chain file, a full disk and a busy lock are not
the request's fault: they are raised, as `VerificationFailed`, `Broken` and `Unavailable`.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from tallystick.chain.embedded import rpc_blocks, rpc_fees, rpc_logs, rpc_state
from tallystick.chain.embedded.fault import INTERNAL, INVALID_PARAMS, METHOD_NOT_FOUND, RpcFault
from tallystick.chain.embedded.ledger import Ledger
from tallystick.chain.embedded.node import EmbeddedNode
from tallystick.chain.embedded.params import Params, data, hex_of, invalid
from tallystick.chain.embedded.writer import Writer
from tallystick.core.errors import TallystickError

Method = Callable[[EmbeddedNode, Sequence[Any]], Any]

# what clients ask of other nodes, and what they should ask here instead
_SUBSCRIBING: Final = "notifications not supported: ask again and again, with eth_newFilter or eth_newBlockFilter"
_SIGNING: Final = "this ledger holds no keys: sign the transaction, and send it with eth_sendRawTransaction"
_ELSEWHERE: Final = {
    "eth_subscribe": _SUBSCRIBING,
    "eth_unsubscribe": _SUBSCRIBING,
    "eth_sendTransaction": _SIGNING,
    "eth_signTransaction": _SIGNING,
    "eth_sign": _SIGNING,
}


class EmbeddedProvider(JSONBaseProvider):
    """One open chain file. Threads may share it; so may processes, each with a provider of its own."""

    def __init__(self, path: str | Path, *, read_only: bool = False, clock: Callable[[], float] = time.time) -> None:
        """Open the chain file at `path`; see `create` for making one.

        clock   seconds since 1970, for block timestamps
        raises  InvalidInput "chain.missing", VerificationFailed "chain.file" or "chain.genesis"
        """
        super().__init__()
        ledger = Ledger(Path(path), read_only=read_only)
        self.node = EmbeddedNode(ledger, Writer(ledger, clock), clock)
        filters = rpc_logs.Filters(clock)
        self._methods: dict[str, Method] = {
            **rpc_blocks.METHODS,
            **rpc_state.METHODS,
            **rpc_fees.METHODS,
            **rpc_logs.METHODS,
            **filters.methods(),
        }
        self._ids = itertools.count(1)

    def close(self) -> None:
        """Close the chain file."""
        self.node.ledger.close()

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of the methods that are answered."""
        return tuple(self._methods)

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """Answer one request.

        raises  VerificationFailed, Broken or Unavailable when the chain file could not be read or written
        """
        return self._answer(next(self._ids), lambda: self._call(str(method), params))

    def make_batch_request(self, requests: list[tuple[RPCEndpoint, Any]]) -> list[RPCResponse]:
        """Answer several requests in order; neighbouring `eth_sendRawTransaction` share a block and its one fsync.

        raises  as `make_request`; but where one of several transactions met damage, its answer is error -32603 with
                that in `data`, for the others may be durable
        """
        answers: list[RPCResponse] = []
        for sending, group in itertools.groupby(requests, key=lambda request: request[0] == "eth_sendRawTransaction"):
            if sending:
                answers.extend(self._send_all([params for _, params in group]))
            else:
                answers.extend(self.make_request(method, params) for method, params in group)
        return answers

    def is_connected(self, show_traceback: bool = False) -> bool:
        """Whether the head can be read."""
        try:
            self.node.ledger.head()
        except TallystickError:
            if show_traceback:
                raise
            return False
        return True

    def _call(self, method: str, params: Any) -> Any:
        handler = self._methods.get(method)
        if handler is None:
            text = _ELSEWHERE.get(method, f"the method {method[:100]} does not exist/is not available")
            raise RpcFault(METHOD_NOT_FOUND, text, place="rpc.method")
        return handler(self.node, _positional(params))

    def _send_all(self, batch: list[Any]) -> list[RPCResponse]:
        """Submit transactions together; each answer is its own."""
        raws: list[bytes | RpcFault] = []
        for params in batch:
            try:
                raws.append(data(Params(_positional(params), 1).value(0), "argument 0"))
            except RpcFault as fault:
                raws.append(fault)
        outcomes = iter(self.node.writer.submit([raw for raw in raws if isinstance(raw, bytes)]))
        results = [next(outcomes) if isinstance(raw, bytes) else raw for raw in raws]
        return [self._answer(next(self._ids), _Sent(result)) for result in results]

    def _answer(self, request_id: int, compute: Callable[[], Any]) -> RPCResponse:
        try:
            answer: dict[str, Any] = {"result": compute()}
        except RpcFault as fault:
            answer = {"error": fault.to_rpc()}
        return cast(RPCResponse, {"jsonrpc": "2.0", "id": request_id, **answer})


class _Sent:
    """The answer to one transaction of several."""

    def __init__(self, result: bytes | TallystickError) -> None:
        self._result = result

    def __call__(self) -> str:
        if isinstance(self._result, RpcFault):
            raise self._result
        if isinstance(self._result, TallystickError):
            raise RpcFault(INTERNAL, str(self._result), place=self._result.code, data=self._result.to_dict())
        return hex_of(self._result)


def _positional(params: Any) -> list[Any]:
    """Return the parameters as plain JSON values; web3.py hands over bytes, tuples and its own mappings too."""
    if params is None:
        return []
    if not isinstance(params, list | tuple):
        raise RpcFault(INVALID_PARAMS, "non-array args", place="rpc.params")
    return [_plain(value, 32) for value in params]


def _plain(value: Any, depth: int) -> Any:
    if depth == 0:
        raise invalid("parameters are nested too deeply")
    if isinstance(value, bytes | bytearray):
        return "0x" + bytes(value).hex()
    if isinstance(value, Mapping):
        return {key: _plain(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, depth - 1) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise invalid("parameters hold a number that is not finite")
    return value
