"""Asks agents of others: reads a card, sends a message, follows its task, pays within a purse's limits.

What a card says is a stranger's text until the chain confirms it; what it leads to must be where it came from. A
payment whose outcome is not known goes with the next message of the same request, before anybody may ask for another.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx
from a2a.client import Client, ClientConfig, create_client
from a2a.client.client import ClientCallContext
from a2a.extensions.common import HTTP_EXTENSION_HEADER
from a2a.types import AgentCard, Message, Role, SendMessageRequest, StreamResponse, Task, TaskState
from a2a.utils.errors import A2AError
from google.protobuf.json_format import MessageToDict, ParseError

from tallystick.agents.payments import reasons
from tallystick.agents.payments.purse import Purse
from tallystick.agents.payments.purse_book import Booked
from tallystick.agents.payments.wire import Challenge, Settlement
from tallystick.core.canonical import check_nesting
from tallystick.core.errors import InvalidInput, TallystickError, Unavailable
from tallystick.core.limits import (
    A2A_ANSWER_BYTES_MAX,
    A2A_CALL_S,
    A2A_CARD_BYTES_MAX,
    ASGI_DEPTH_MAX,
    DIAL_CONNECT_S,
    PAYING_BACKOFF_S,
    PAYING_TRIES_MAX,
)
from tallystick.services.a2a import requests
from tallystick.services.a2a.card import WELL_KNOWN, X402_EXTENSIONS, is_same_origin, read_card
from tallystick.services.a2a.requests import Standing, Wanted, metadata_of, structured, whole
from tallystick.services.dialer import Place

T = TypeVar("T")
Told = Callable[[dict[str, Any]], None]
_UNDECIDED: Final = (reasons.PENDING, reasons.IN_WORK, reasons.NOT_THERE)


@dataclass(frozen=True)
class Done:
    """How a task stands, and what was paid for it."""

    task: Task
    paid: Booked | None = None

    @property
    def state(self) -> str:
        """Its state in lower case: completed, failed, rejected, input_required, …"""
        name: str = TaskState.Name(self.task.status.state)
        return name.removeprefix("TASK_STATE_").lower()

    @property
    def result(self) -> Any:
        """The data of its artifacts, the last one's; None where there is none."""
        found = [part for artifact in self.task.artifacts for part in artifact.parts if part.HasField("data")]
        return whole(MessageToDict(found[-1].data)) if found else None

    @property
    def told(self) -> Any:
        """What the agent says of how it stands; None where it says nothing."""
        found = [part for part in self.task.status.message.parts if part.HasField("data")]
        return whole(MessageToDict(found[0].data)) if found else None

    def to_dict(self) -> dict[str, object]:
        """Return the task as JSON members."""
        made: dict[str, object] = {"state": self.state, "result": self.result, "task": whole(MessageToDict(self.task))}
        return made | ({"payment": self.paid.to_dict()} if self.paid else {})


class Peer:
    """An agent at `url`, asked with the secret `token` where it wants one."""

    def __init__(self, url: str, token: str = "") -> None:
        Place.parse(url)
        self.url = url.rstrip("/")
        self._token = token

    def card(self) -> AgentCard:
        """Return the agent's card, of which nothing is checked yet.

        raises  InvalidInput "a2a.card"; Unavailable "a2a.unreachable", "a2a.timeout"
        """

        async def fetch() -> AgentCard:
            async with self._http() as http:
                return await self._card(http)

        return _run(fetch)

    def send(
        self, wanted: Wanted, purse: Purse | None = None, payee: str | None = None, told: Told | None = None
    ) -> Done:
        """Return the task of a message once it stands still, paid for where that was demanded.

        payee   whom the purse may pay, its `getAgentWallet` say; without it, whoever this agent named first
        told    hears each event of a stream as it comes; None: no stream is asked for
        raises  as `card`; InvalidInput "a2a.interface", "a2a.refused", "a2a.answer", "a2a.unpaid"; Rejected as
                `Purse.pay`; Unavailable "payment.unknown"
        """

        async def ask() -> Done:
            async with self._http() as http:
                card = await self._card(http)
                config = ClientConfig(httpx_client=http, streaming=told is not None)
                client = await create_client(card, config)
                return await _Exchange(client, told).do(wanted, purse, self.origin, payee)

        return _run(ask)

    @property
    def origin(self) -> str:
        """Whom a purse pays here: the URL without its path."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}".lower()

    async def _card(self, http: httpx.AsyncClient) -> AgentCard:
        async with http.stream("GET", self.url + WELL_KNOWN) as response:
            if response.status_code != 200:
                raise InvalidInput("a2a.card", "there is no card", expected=200, got=response.status_code)
            data = b""
            async for part in response.aiter_bytes():
                data += part
                if len(data) > A2A_CARD_BYTES_MAX:
                    break
        card = read_card(data)
        away = [one.url for one in card.supported_interfaces if not is_same_origin(one.url, self.url)]
        if away or not card.supported_interfaces:
            raise InvalidInput(
                "a2a.interface", "the card leads elsewhere", expected=self.origin, got=ascii(away)[:120],
                hint="ask the agent at the place that it registered",
            )  # fmt: skip
        return card

    @asynccontextmanager
    async def _http(self) -> AsyncIterator[httpx.AsyncClient]:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        timeout = httpx.Timeout(A2A_CALL_S, connect=DIAL_CONNECT_S)
        async with httpx.AsyncClient(transport=Bounded(), headers=headers, timeout=timeout, trust_env=False) as http:
            yield http


class _Exchange:
    """One request of ours: its messages, and the task that they are about."""

    def __init__(self, client: Client, told: Told | None) -> None:
        self._client = client
        self._told = told or (lambda event: None)

    async def do(self, wanted: Wanted, purse: Purse | None, origin: str, payee: str | None) -> Done:
        operation = wanted.operation()
        booked = await asyncio.to_thread(purse.undecided, operation) if purse else None
        if booked is None:
            task = await self._send(wanted, None, {})
            metadata = metadata_of(task.status.message)
            if requests.REQUIRED not in metadata:
                return Done(task)
            challenge = Challenge.read(metadata[requests.REQUIRED])
            if purse is None:
                raise InvalidInput(
                    "a2a.unpaid", "the skill has a price", hint="say with --max how much may be paid",
                    got="; ".join(f"{one.amount} of {one.asset}" for one in challenge.accepts[:1])[:120],
                )  # fmt: skip
            booked = await asyncio.to_thread(purse.pay, challenge, operation, origin, payee)
            return await self._pay(wanted, task, purse, booked)
        assert purse is not None
        return await self._pay(wanted, None, purse, booked)

    async def _pay(self, wanted: Wanted, task: Task | None, purse: Purse, booked: Booked) -> Done:
        assert booked.payment is not None  # it is signed
        sent = {requests.STATUS: Standing.SUBMITTED, requests.PAYLOAD: booked.payment.to_dict()}
        pause_s = PAYING_BACKOFF_S
        for _ in range(PAYING_TRIES_MAX):
            try:
                task = await self._send(wanted, task, sent)
            except (A2AError, httpx.HTTPError, TimeoutError, OSError, ValueError) as error:
                await asyncio.to_thread(purse.learn, booked, None, f"no answer: {type(error).__name__}")
                raise _unknown(type(error).__name__) from None
            metadata = metadata_of(task.status.message)
            receipt = _receipt(metadata)
            why = str(metadata.get(requests.ERROR, ""))[:400]
            booked = await asyncio.to_thread(purse.learn, booked, receipt, why)
            if receipt is None or receipt.reason not in _UNDECIDED:
                return Done(task, booked)
            await asyncio.sleep(pause_s)
            pause_s *= 2
        raise _unknown(booked.note)

    async def _send(self, wanted: Wanted, task: Task | None, metadata: Mapping[str, Any]) -> Task:
        """Return the task after one message: what was asked for, and a payment where there is one."""
        message = Message(message_id=uuid.uuid4().hex, role=Role.ROLE_USER, parts=[wanted.part()])
        if task is not None:
            message.task_id, message.context_id = task.id, task.context_id
        if metadata:
            message.metadata.CopyFrom(structured(metadata))
            message.extensions.extend(X402_EXTENSIONS)
        context = ClientCallContext(service_parameters={HTTP_EXTENSION_HEADER: ",".join(X402_EXTENSIONS)})
        found = task or Task()
        async for event in self._client.send_message(SendMessageRequest(message=message), context=context):
            self._told(whole(MessageToDict(event)))
            found = _after(found, event)
        if not found.id:
            raise InvalidInput("a2a.answer", "the agent answers with no task")
        return found


def _after(task: Task, event: StreamResponse) -> Task:
    """Return a task as it is after an event of its stream."""
    made = Task()
    made.CopyFrom(task)
    if event.HasField("task"):
        made.CopyFrom(event.task)
    elif event.HasField("status_update"):
        made.id, made.context_id = event.status_update.task_id, event.status_update.context_id
        made.status.CopyFrom(event.status_update.status)
    elif event.HasField("artifact_update"):
        made.artifacts.append(event.artifact_update.artifact)
    return made


def _receipt(metadata: Mapping[str, Any]) -> Settlement | None:
    try:
        return Settlement.read(metadata[requests.RECEIPTS][-1])
    except (KeyError, IndexError, TypeError, InvalidInput):
        return None


def _unknown(why: str) -> Unavailable:
    return Unavailable(
        "payment.unknown", "nobody knows yet what became of the payment", got=why[:120],
        hint="send the same message again: it goes on with this payment and makes no other",
    )  # fmt: skip


class Bounded(httpx.AsyncHTTPTransport):
    """HTTP whose answers are bounded in bytes."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer; its body ends with an error when it is too large."""
        response = await super().handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        is_events = response.headers.get("content-type", "").lower().startswith("text/event-stream")
        response.stream = _Counted(response.stream, is_events)
        return response


class _Counted(httpx.AsyncByteStream):
    """A body that ends with an error when it is too long, or nests too deeply for JSON: whole, or event by event."""

    def __init__(self, inner: httpx.AsyncByteStream, is_events: bool) -> None:
        self._inner = inner
        self._is_events = is_events

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size, begun = 0, b""
        async for part in self._inner:
            size += len(part)
            if size > A2A_ANSWER_BYTES_MAX:
                raise httpx.ReadError("the answer is too large")
            begun += part
            if self._is_events:
                *whole_events, begun = _BLANK.split(begun)
                for event in (*whole_events, begun):
                    _check_depth(event)
                yield part
        _check_depth(begun)
        if not self._is_events:
            yield begun

    async def aclose(self) -> None:
        await self._inner.aclose()


_BLANK = re.compile(rb"\r\n\r\n|\n\n|\r\r")  # the line that ends an event


def _check_depth(data: bytes) -> None:
    try:
        check_nesting(data, "answer", ASGI_DEPTH_MAX)
    except InvalidInput:
        raise httpx.ReadError("the answer nests too deeply") from None


def _run(question: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Return what a question came to; raises errors of the SDK and of the network in our words."""

    async def run() -> T:
        async with asyncio.timeout(A2A_CALL_S):
            return await question()

    try:
        return asyncio.run(run())
    except TallystickError:
        raise
    except A2AError as error:
        raise InvalidInput("a2a.refused", "the agent refused", got=ascii(str(error))[:200]) from None
    except (TimeoutError, httpx.TimeoutException):
        raise Unavailable("a2a.timeout", "the agent did not answer", expected=f"within {A2A_CALL_S} s") from None
    except (httpx.HTTPError, OSError) as error:
        raise Unavailable("a2a.unreachable", "the agent cannot be reached", got=ascii(str(error))[:120]) from None
    except (ParseError, ValueError, KeyError, TypeError) as error:
        raise InvalidInput(
            "a2a.answer", "the agent's answer is not the protocol's", got=ascii(str(error))[:200]
        ) from None
