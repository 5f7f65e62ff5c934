"""A client that pays for each call over a channel: signed, sent, and believed only with the payee's receipt.

What leaves is in the payer's book first. An answer without a receipt that checks leaves the call undecided: it is
repeated as it was signed, never signed anew. Many calls fly at once, each over a connection of its own, and share
commits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

from tallystick.agents.channels import wire
from tallystick.agents.channels.payer import Payer
from tallystick.agents.channels.payer_book import Channel
from tallystick.agents.channels.signing import CallReceipt, SignedCall
from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput, Rejected, Unavailable, VerificationFailed
from tallystick.core.limits import CHANNEL_BATCH_MAX
from tallystick.services.batches import Batches
from tallystick.services.channels.frame import frame
from tallystick.services.channels.operations import Operations
from tallystick.services.dialer import Line, Place, Reply


@dataclass(frozen=True, slots=True)
class Paid:
    """An answer that was paid for."""

    reply: Reply
    receipt: CallReceipt


class ChannelClient:
    """Pays over one channel to the server at `url`; lives on one event loop, use it in `async with`.

    lines  how many calls fly at once
    """

    def __init__(self, payer: Payer, channel: bytes, url: str, *, coin: str, lines: int = 8) -> None:
        self._payer = payer
        self._found: Channel = payer.book.channel(channel)
        place = Place.parse(url)
        origin = f"{'https' if place.is_tls else 'http'}://{place.authority}"
        self._operations = Operations(origin)
        self._prefix = place.prefix
        self._coin = coin
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="payer")
        self._signing: Batches[tuple[bytes, int], SignedCall | InvalidInput] = Batches(
            lambda wanted: payer.sign(channel, wanted), CHANNEL_BATCH_MAX, self._pool
        )
        self._learning: Batches[tuple[SignedCall, CallReceipt, bytes], VerificationFailed | None] = Batches(
            lambda answers: payer.learn(channel, answers), CHANNEL_BATCH_MAX, self._pool
        )
        self._giving_up: Batches[int, None] = Batches(self._give_up, CHANNEL_BATCH_MAX, self._pool)
        self._free: asyncio.Queue[Line] = asyncio.Queue()
        self._lines = [Line(place) for _ in range(lines)]

    async def __aenter__(self) -> Self:
        for line in self._lines:
            self._free.put_nowait(line)
        return self

    async def __aexit__(self, *_: object) -> None:
        for line in self._lines:
            await line.close()
        self._pool.shutdown()

    async def call(self, method: str, path: str, body: bytes = b"", *, bound: int) -> Paid:
        """Return the answer to a request that costs at most `bound`, and its receipt.

        raises  Rejected "channel.refused" where the server asks for something else; Unavailable "channel.undecided"
                where it answered without a receipt or not at all: `repeat` sends the same again; VerificationFailed
                "channel.receipt", "channel.answer"; InvalidInput "channel.exhausted"
        """
        signed = await self._signing.do((self.operation(method, path, body), bound))
        if isinstance(signed, InvalidInput):
            raise signed
        return await self.send(method, path, body, signed)

    def operation(self, method: str, path: str, body: bytes = b"") -> bytes:
        """Return the operation hash of a request."""
        target, _, query = path.partition("?")
        return self._operations.hash(method, self._prefix + target, query, body)

    async def send(self, method: str, path: str, body: bytes, signed: SignedCall) -> Paid:
        """Return the answer to a call that is signed, first or again; raises as `call`."""
        one = self._found
        accepted = wire.requirements(
            f"eip155:{one.chain_id}", self._coin, one.contract, one.terms.payee, signed.call.bound
        )
        header = f"{wire.CALL_HEADER}: {wire.call_header(accepted, one.terms, signed)}"
        line = await self._free.get()
        try:
            reply = await line.ask(method, path, (header,), body)
        except Unavailable as error:
            raise _undecided(signed, str(error)) from error
        finally:
            self._free.put_nowait(line)
        return await self._paid(reply, signed)

    async def _paid(self, reply: Reply, signed: SignedCall) -> Paid:
        header = reply.headers.get(wire.RECEIPT_HEADER.lower().encode())
        if header is None:
            if reply.status == 402:  # nothing was done and nothing charged: what was set aside for it is free again
                await self._giving_up.do(signed.call.number)
                raise Rejected("channel.refused", "the server does not take the call", got=reply.body[:300].decode())
            raise _undecided(signed, f"status {reply.status}")
        receipt, signature = wire.read_receipt_header(header, signed.call.channel)
        if receipt.answer != sha256(frame(reply.status, reply.headers.get(b"content-type", b""), reply.body)):
            raise VerificationFailed("channel.answer", "the receipt is of another answer", got=receipt.number)
        fault = await self._learning.do((signed, receipt, signature))
        if fault is not None:
            raise fault
        return Paid(reply, receipt)

    def _give_up(self, numbers: Sequence[int]) -> Sequence[None]:
        for number in numbers:
            self._payer.book.give_up(self._found.id, number)
        return [None] * len(numbers)


def _undecided(signed: SignedCall, why: str) -> Unavailable:
    return Unavailable(
        "channel.undecided", f"nobody said what came of call {signed.call.number}", got=why[:200],
        hint="repeat the same call; signing another could pay twice",
    )  # fmt: skip
