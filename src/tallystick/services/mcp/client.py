"""Asks a server of others for its tools and calls them, paying within a purse's limits.

What a server says of its tools is a stranger's text, and so is what they answer: nothing of it is believed here, and
nothing decides whom or how much is paid but the purse. A payment whose outcome is not known goes with the next call of
the same tool and arguments, before anybody may ask for another.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.types import CallToolResult, Tool

from tallystick.agents.payments import reasons
from tallystick.agents.payments.purse import Purse
from tallystick.agents.payments.purse_book import Booked
from tallystick.agents.payments.wire import Challenge, Settlement
from tallystick.core.errors import InvalidInput, TallystickError, Unavailable
from tallystick.core.limits import (
    DIAL_ANSWER_BYTES_MAX,
    DIAL_CONNECT_S,
    MCP_CALL_S,
    MCP_PAGES_MAX,
    MCP_TOOLS_MAX,
    PAYING_BACKOFF_S,
    PAYING_TRIES_MAX,
)
from tallystick.services.dialer import Place
from tallystick.services.mcp.payment import PAYMENT, challenge_in, receipt_in, tool_operation

T = TypeVar("T")
_UNDECIDED: Final = (reasons.PENDING, reasons.IN_WORK, reasons.NOT_THERE)


@dataclass(frozen=True)
class Called:
    """What a call came to.

    paid     the payment that went with it, as the purse has it now; None where nothing was paid
    receipt  what the server said of the payment
    """

    result: CallToolResult
    paid: Booked | None = None
    receipt: Settlement | None = None

    @property
    def text(self) -> str:
        """The texts of the answer, one after another."""
        return "\n".join(one.text for one in self.result.content if one.type == "text")


class Toolbox:
    """The tools of one server.

    server  its URL, or the command that starts it
    token   what it wants to be told by its callers
    """

    def __init__(self, server: str | Sequence[str], token: str = "") -> None:
        if isinstance(server, str):
            Place.parse(server)
        self._server = server
        self._token = token

    @property
    def origin(self) -> str:
        """Whom a purse pays here: the URL without its path, or the command."""
        if isinstance(self._server, str):
            parts = urlsplit(self._server)
            return f"{parts.scheme}://{parts.netloc}".lower()
        return "stdio:" + " ".join(self._server)

    def tools(self) -> list[Tool]:
        """Return the tools that the server lists.

        raises  Unavailable "mcp.unreachable", "mcp.timeout"; InvalidInput "mcp.answer", "mcp.tools", "mcp.refused"
        """

        async def ask(client: Client) -> list[Tool]:
            found: list[Tool] = []
            cursor: str | None = None
            for _ in range(MCP_PAGES_MAX):
                page = await client.list_tools(cursor=cursor)
                found += page.tools
                cursor = page.next_cursor
                if not cursor or len(found) > MCP_TOOLS_MAX:
                    break
            if cursor or len(found) > MCP_TOOLS_MAX:
                raise InvalidInput("mcp.tools", "the server lists too many tools", expected=f"≤ {MCP_TOOLS_MAX}")
            return found

        return self._ask(ask)

    def call(
        self, name: str, arguments: Mapping[str, Any], purse: Purse | None = None, payee: str | None = None
    ) -> Called:
        """Return what a call came to; where the server demands a payment and there is a purse, the call that was paid.

        payee   whom the purse may pay, its `getAgentWallet` say; without it, whoever this server named first
        raises  as `tools`; Rejected "payment.…" where the purse does not pay what is demanded; InvalidInput
                "mcp.unpaid" where a payment is demanded and there is no purse; Unavailable "payment.unknown" where
                nobody knows what became of the payment: the same call again goes on with it
        """
        operation = tool_operation(name, arguments)

        async def ask(client: Client) -> Called:
            booked = await asyncio.to_thread(purse.undecided, operation) if purse else None
            if booked is None:
                result = await client.call_tool(name, dict(arguments))
                challenge = challenge_in(result)
                if challenge is None:
                    return Called(result)
                if purse is None:
                    raise _unpaid(challenge)
                booked = await asyncio.to_thread(purse.pay, challenge, operation, self.origin, payee)
            assert purse is not None
            return await self._paid(client, name, arguments, purse, booked)

        return self._ask(ask)

    # --- parts

    async def _paid(
        self, client: Client, name: str, arguments: Mapping[str, Any], purse: Purse, booked: Booked
    ) -> Called:
        assert booked.payment is not None  # it is signed
        meta: Any = {PAYMENT: booked.payment.to_dict()}
        pause_s = PAYING_BACKOFF_S
        for _ in range(PAYING_TRIES_MAX):
            try:
                result = await client.call_tool(name, dict(arguments), meta=meta)
            except (MCPError, httpx2.HTTPError, TimeoutError, OSError, ValueError, RuntimeError) as error:
                await asyncio.to_thread(purse.learn, booked, None, f"no answer: {type(error).__name__}")
                raise _unknown(type(error).__name__) from None
            receipt = receipt_in(result)
            booked = await asyncio.to_thread(purse.learn, booked, receipt, _demand(result))
            if receipt is None or receipt.reason not in _UNDECIDED:
                return Called(result, booked, receipt)
            await asyncio.sleep(pause_s)
            pause_s *= 2
        raise _unknown(booked.note)

    def _ask(self, question: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
        async def run() -> T:
            async with asyncio.timeout(MCP_CALL_S), self._client() as client:
                return await question(client)

        try:
            return asyncio.run(run())
        except Exception as error:  # noqa: BLE001  groups of tasks, of the SDK and of the network: told in our words
            raise _told(_first(error)) from None

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[Client]:
        if not isinstance(self._server, str):
            command = StdioServerParameters(command=self._server[0], args=list(self._server[1:]))
            async with Client(command) as client:
                yield client
            return
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        timeout = httpx2.Timeout(MCP_CALL_S, connect=DIAL_CONNECT_S)
        async with (
            httpx2.AsyncClient(transport=Bounded(), headers=headers, timeout=timeout, trust_env=False) as http,
            Client(streamable_http_client(self._server, http_client=http)) as client,
        ):
            yield client


class Bounded(httpx2.AsyncHTTPTransport):
    """HTTP whose answers are bounded in bytes."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the answer; its body ends with an error when it is too large."""
        response = await super().handle_async_request(request)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Counted(response.stream)
        return response


class _Counted(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for part in self._inner:
            size += len(part)
            if size > DIAL_ANSWER_BYTES_MAX:
                raise httpx2.ReadError("the answer is too large")
            yield part

    async def aclose(self) -> None:
        await self._inner.aclose()


def _demand(result: CallToolResult) -> str:
    """Return why the server asks for a payment although it got one; "" where it does not."""
    try:
        found = challenge_in(result)
    except InvalidInput as error:
        return f"it asks again, in a form that cannot be read: {error.code}"
    return "" if found is None else f"it asks again: {found.error}"[:400]


def _unpaid(challenge: Challenge) -> InvalidInput:
    asked = [f"{one.amount} of {one.asset}"[:120] for one in challenge.accepts[:1]]
    return InvalidInput(
        "mcp.unpaid", "the tool has a price", got=asked[0] if asked else None,
        hint="say with --max how much may be paid",
    )  # fmt: skip


def _unknown(why: str) -> Unavailable:
    return Unavailable(
        "payment.unknown", "nobody knows yet what became of the payment", got=why[:120],
        hint="make the same call again: it goes on with this payment and makes no other",
    )  # fmt: skip


def _first(error: BaseException) -> BaseException:
    """Return the fault that a group of tasks ended with; one of ours before others."""
    while isinstance(error, BaseExceptionGroup):
        ours = error.subgroup(TallystickError)
        error = (ours or error).exceptions[0]
    return error


def _told(error: BaseException) -> BaseException:
    """Return an error of the SDK or of the network in our words."""
    if isinstance(error, MCPError):
        return InvalidInput("mcp.refused", "the server refused", got=ascii(str(error))[:200])
    if isinstance(error, TimeoutError | httpx2.TimeoutException):
        return Unavailable("mcp.timeout", "the server did not answer", expected=f"within {MCP_CALL_S} s")
    if isinstance(error, httpx2.HTTPError | OSError):
        return Unavailable("mcp.unreachable", "the server cannot be reached", got=ascii(str(error))[:120])
    if isinstance(error, RuntimeError | ValueError) and not isinstance(error, RecursionError):
        return InvalidInput("mcp.answer", "the server's answer is not the protocol's", got=ascii(str(error))[:200])
    return error
