"""A price on predictions: a paid one is answered once it is settled, and its receipt names the inference receipt too.

The gateway answers from its event loop; looking at payments and settling them waits for a node, so that is done in
threads. What the loop does between, the prediction, is unchanged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final, TypeVar

from tallystick.agents.payments.cashier import Cashier
from tallystick.agents.payments.operation import Operation
from tallystick.agents.payments.terms import Terms
from tallystick.agents.payments.wire import PAYMENT_HEADER
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import PAYWALL_THREADS
from tallystick.services.http1 import Request, Response, error_response
from tallystick.services.paywall.gate import Sold, enter, failed, leave
from tallystick.services.paywall.joined import entry_leaf

T = TypeVar("T")
Answer = Response | Coroutine[Any, Any, Response]

_HEADER: Final = PAYMENT_HEADER.lower().encode()
_FAILED: Final = 400


class Till:
    """Sells what a gateway answers.

    origin  scheme, host and port under which clients know it; None: plain HTTP under the host that they ask for, which
            the listener has compared with its own names
    """

    def __init__(self, cashier: Cashier, terms: Terms, origin: str | None = None) -> None:
        self._cashier = cashier
        self._terms = terms
        self._origin = None if origin is None else origin.rstrip("/")
        self._threads = ThreadPoolExecutor(PAYWALL_THREADS, "till")

    def close(self) -> None:
        """Wait for payments in work."""
        self._threads.shutdown()

    async def sell(self, request: Request, answer: Callable[[Request], Answer]) -> Response:
        """Return the answer to a request, paid for; or what is asked for it."""
        host = request.headers.get(b"host", b"").decode("latin-1")
        target = request.path + (f"?{request.query}" if request.query else "")
        try:
            operation = Operation.of_http(request.method, (self._origin or f"http://{host}") + target, request.body)
        except InvalidInput as error:
            return error_response(400, f"{error.code}: {error}")
        shown = request.headers.get(_HEADER)
        header = None if shown is None else shown.decode("latin-1")
        terms, cashier = self._terms, self._cashier
        got = await self._work(lambda: enter(cashier, header, terms, operation))
        if isinstance(got, Sold):
            return _response(got)
        try:
            made = answer(request)
            response = made if isinstance(made, Response) else await made
        except BaseException as error:
            why = f"the work failed: {type(error).__name__}"
            await self._work(lambda: cashier.release(got, why))
            raise
        if response.status >= _FAILED:
            await self._work(lambda: cashier.release(got, f"the work ended with {response.status}"))
            told = _response(Sold(response.status, b"", headers=failed(terms)))
            return replace(response, headers=response.headers + told.headers)
        sold = Sold(response.status, response.body, response.content_type.decode("latin-1"))
        outcome = await self._work(
            lambda: cashier.settle(got, sold.to_bytes(), body=sold.body, entry=entry_leaf(sold.body))
        )
        return _response(leave(outcome, sold, terms, operation))

    async def _work(self, ask: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, ask)


def _response(sold: Sold) -> Response:
    lines = "".join(f"{name.lower()}: {value}\r\n" for name, value in sold.headers.items())
    return Response(sold.status, sold.body, sold.content_type.encode("latin-1"), lines.encode("latin-1"))
