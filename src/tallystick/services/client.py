"""Asks a gateway for predictions and believes none of them unchecked.

What a caller must know beforehand comes from the chain: the log's key, the address that signs its tickets, the digest
of the model version. `check_answer` compares an answer with these, in numbered steps, and needs no network; a ticket
then stands for the entry until a receipt does. `predict_many` asks over many connections at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from tallystick.core import commitment, documents, eip712, merkle
from tallystick.core.errors import InvalidInput, Rejected, TallystickError, Unavailable, VerificationFailed
from tallystick.core.limits import (
    ASK_BACKOFF_S,
    ASK_TRIES_MAX,
    DIAL_ANSWER_BYTES_MAX,
    ENTRY_BYTES_MAX,
    TICKET_BATCHES_KEPT,
)
from tallystick.core.note import VerifierKey
from tallystick.core.receipt import Receipt
from tallystick.core.record import Record
from tallystick.core.ticket import BatchPromise, Ticket
from tallystick.services.dialer import Line, Place, Reply

_JSON = ("Content-Type: application/json",)


@dataclass(frozen=True)
class Trusted:
    """What a client takes from the chain, or from whoever it trusts, before it asks.

    key            the log's Ed25519 key; its name is the log's origin
    log_id         the log's id in its LogAnchor contract
    domain         where tickets are signed: `core.ticket.ticket_domain`
    ticket_signer  checksum address whose signature makes a ticket
    version        SHA-256 of the model version's statement
    """

    key: VerifierKey
    log_id: int
    domain: eip712.Domain
    ticket_signer: str
    version: bytes


@dataclass(frozen=True)
class Checked:
    """An answer whose ticket and commitments hold."""

    request: bytes
    answer: bytes
    entry: bytes
    in_salt: bytes
    out_salt: bytes
    ticket: Ticket

    @property
    def index(self) -> int:
        """Where the entry is, or the signer broke a promise."""
        return self.ticket.index

    @property
    def outputs(self) -> dict[str, Any]:
        """The tensors of the answer by name, as the protocol's JSON objects.

        raises  InvalidInput "answer.form"
        """
        try:
            return {tensor["name"]: tensor for tensor in orjson.loads(self.answer)["outputs"]}
        except (ValueError, KeyError, TypeError):
            raise InvalidInput("answer.form", "answer has no outputs") from None


class Checker:
    """Checks answers. A batch's signature is recovered once, so many answers of one batch cost little."""

    def __init__(self, trusted: Trusted) -> None:
        self._trusted = trusted
        self._promises: dict[BatchPromise, None] = {}

    def check_answer(self, request: bytes, reply: bytes) -> Checked:
        """Return the answer in `reply`, a gateway's response to the body `request`, if it is what its ticket says.

        raises  InvalidInput "answer.…", "document.…", "record.…" when malformed; VerificationFailed "answer.origin",
                "answer.version", "answer.request", "answer.outputs", "answer.log", "ticket.…", "merkle.inclusion"
        """
        trusted = self._trusted
        # 1. The reply has a receipt.
        found = _receipt_of(reply)
        # 2. It is of the log we trust.
        _compare("answer.origin", "answer was logged elsewhere", trusted.key.name, found["origin"])
        # 3. The entry names the model version we asked for.
        entry = documents.hexed(found["entry"], "entry", ENTRY_BYTES_MAX)
        record = Record.from_bytes(entry)
        _compare("answer.version", "another model version answered", trusted.version.hex(), record.version.hex())
        # 4. The entry commits to the request as we sent it.
        in_salt = documents.digest(found["in_salt"], "in_salt")
        sent = commitment.commit(commitment.Domain.IN, in_salt, request)
        _compare("answer.request", "entry is of another request", sent.hex(), record.in_commit.hex())
        # 5. The entry commits to the answer as we got it, all but the receipt.
        out_salt = documents.digest(found["out_salt"], "out_salt")
        length = documents.integer(found["answer_bytes"], "answer_bytes", 2, len(reply))
        answer = reply[: length - 1] + b"}"
        got = commitment.commit(commitment.Domain.OUT, out_salt, answer)
        _compare("answer.outputs", "entry is of another answer", got.hex(), record.out_commit.hex())
        # 6. The ticket promises that entry, in that log, by the key that the chain names.
        ticket = Ticket.from_dict(found["ticket"])
        _compare("answer.log", "ticket is of another log", trusted.log_id, ticket.promise.log_id)
        self._check_ticket(ticket, merkle.leaf_hash(entry))
        # The caller's steps: that the receipt of this index holds the same entry, and that the chain holds its head.
        return Checked(request, answer, entry, in_salt, out_salt, ticket)

    def _check_ticket(self, ticket: Ticket, leaf: bytes) -> None:
        promise = ticket.promise
        if promise in self._promises:
            offset = ticket.index - promise.first_index
            if not 0 <= offset < promise.count:
                raise VerificationFailed("ticket.index", "index lies outside the promised batch", got=ticket.index)
            merkle.verify_inclusion(offset, promise.count, leaf, ticket.path, promise.batch_root)
            return
        ticket.verify(leaf, self._trusted.domain, self._trusted.ticket_signer)
        if len(self._promises) >= TICKET_BATCHES_KEPT:
            del self._promises[next(iter(self._promises))]
        self._promises[promise] = None


def check_receipt(checked: Checked, receipt: Receipt, key: VerifierKey) -> None:
    """Return if `receipt` proves that the log holds the entry of this answer where its ticket said.

    raises  VerificationFailed "answer.broken_promise" when the log holds another entry there: with the ticket, that is
            evidence against the operator; as `Receipt.verify` otherwise
    """
    receipt.verify([key])
    if (receipt.index, receipt.entry) != (checked.index, checked.entry):
        raise VerificationFailed(
            "answer.broken_promise",
            "the log holds another entry than the ticket promised",
            expected=f"{merkle.leaf_hash(checked.entry).hex()} at {checked.index}",
            got=f"{merkle.leaf_hash(receipt.entry).hex()} at {receipt.index}",
            hint="keep the ticket: it is signed",
        )


class GatewayClient:
    """A gateway at `url`, serving `model` (as in the URL: its id) at `version`, asked from one thread."""

    def __init__(self, url: str, model: str, version: str, trusted: Trusted) -> None:
        self._place = Place.parse(url)
        self._path = f"/v2/models/{model}/versions/{version}/infer"
        self._checker = Checker(trusted)
        self._key = trusted.key

    def predict(self, inputs: Sequence[dict[str, Any]], request_id: str = "") -> Checked:
        """Return the checked answer for these input tensors, as the protocol's JSON objects.

        raises  as `predict_many`
        """
        named: dict[str, Any] = {"id": request_id} if request_id else {}
        return self.predict_many([orjson.dumps({**named, "inputs": inputs})], connections=1)[0]

    def predict_many(
        self,
        requests: Sequence[bytes],
        *,
        connections: int = 16,
        on_done: Callable[[Checked, float], None] | None = None,
    ) -> list[Checked]:
        """Return the checked answer for each request body, in their order.

        on_done  called with each answer as it comes, and the seconds from asking to having it
        raises   InvalidInput when the gateway refuses a request; Unavailable when it does not answer, or stays busy;
                 VerificationFailed and InvalidInput as `Checker.check_answer`. The first error ends all.
        """
        return asyncio.run(self.predict_all(requests, connections, on_done))

    async def predict_all(
        self, requests: Sequence[bytes], connections: int, on_done: Callable[[Checked, float], None] | None = None
    ) -> list[Checked]:
        """As `predict_many`, for those who have an event loop."""
        answers: list[Checked | None] = [None] * len(requests)
        waiting = iter(range(len(requests)))

        async def work() -> None:
            async with Line(self._place) as line:
                for number in waiting:
                    began_s = time.perf_counter()
                    reply = await _ask(line, "POST", self._path, _JSON, requests[number])
                    took_s = time.perf_counter() - began_s
                    checked = self._checker.check_answer(requests[number], reply.body)
                    answers[number] = checked
                    if on_done is not None:
                        on_done(checked, took_s)

        tasks = [asyncio.create_task(work()) for _ in range(max(1, min(connections, len(requests))))]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return [answer for answer in answers if answer is not None]

    def receipt(self, checked: Checked) -> Receipt:
        """Return the receipt of an answer, verified with the log's key.

        raises  Unavailable "gateway.not_yet" while no checkpoint covers it; as `check_receipt`
        """
        reply = asyncio.run(self._get(f"/receipts/{checked.index}"))
        receipt = Receipt.from_bytes(reply.body)
        check_receipt(checked, receipt, self._key)
        return receipt

    async def _get(self, path: str) -> Reply:
        async with Line(self._place) as line:
            return await _ask(line, "GET", path)


async def _ask(line: Line, method: str, path: str, headers: Iterable[str] = (), body: bytes = b"") -> Reply:
    """Return a good reply, patient with a gateway that says it is busy and took nothing."""
    reply = await line.ask(method, path, headers, body)
    for attempt in range(ASK_TRIES_MAX - 1):
        if reply.status != 429:
            break
        await asyncio.sleep(ASK_BACKOFF_S * 2**attempt)
        reply = await line.ask(method, path, headers, body)
    if reply.status != 200:
        raise _refusal(reply)
    return reply


def _receipt_of(reply: bytes) -> dict[str, Any]:
    if len(reply) > DIAL_ANSWER_BYTES_MAX:
        raise InvalidInput("answer.size", "answer is too large", got=len(reply))
    try:
        found = orjson.loads(reply)["parameters"]["tallystick_receipt"]
    except (ValueError, KeyError, TypeError):
        raise InvalidInput(
            "answer.form", "answer carries no receipt", expected="parameters.tallystick_receipt"
        ) from None
    names = ("origin", "entry", "in_salt", "out_salt", "answer_bytes", "ticket")
    return documents.members(found, "tallystick_receipt", names)


def _compare(code: str, message: str, expected: object, got: object) -> None:
    if expected != got:
        raise VerificationFailed(code, message, expected=expected, got=str(got)[:120])


def _refusal(reply: Reply) -> TallystickError:
    """Return the error that stands for a reply other than 200."""
    try:
        found = orjson.loads(reply.body)
        message, code = str(found["error"])[:200], str(found.get("code", ""))[:64]
    except (ValueError, KeyError, TypeError, AttributeError):
        message, code = "no reason given", ""
    if reply.status == 404 and b"retry-after" in reply.headers:
        return Unavailable("gateway.not_yet", message)
    if reply.status in (429, 500, 503):
        return Unavailable(code or "gateway.unavailable", message, got=reply.status)
    if 400 <= reply.status < 500:
        return InvalidInput(code or "gateway.refused", message, got=reply.status)
    return Rejected("gateway.status", message, got=reply.status)
