"""How a channel stands on chain, as a payee may believe it for a while: looked at, remembered, looked at again.

Deposits only grow and a closing channel takes its whole delay, at least a quarter of an hour, so what was true half a
minute ago is safe to serve on. The answer says when it was looked at in the chain's own time, which is what closing and
expiry are counted in.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

from tallystick.chain.bindings.payment_channels import PaymentChannels
from tallystick.chain.node import Node
from tallystick.core.errors import Unavailable
from tallystick.core.limits import CHANNEL_FRESH_S, CHANNEL_LOOKS_PER_S_MAX, CHANNEL_VIEW_S, CHANNEL_VIEWS_MAX


@dataclass(frozen=True, slots=True)
class Standing:
    """A channel at one block. `chain_s` is that block's time; a channel that nobody opened has no payer."""

    is_known: bool
    deposit: int
    claimed: int
    closes: int
    is_closed: bool
    chain_s: int

    def ends(self, expires: int) -> int:
        """Return from when on anybody may send the rest back to the payer."""
        return min(self.closes, expires) if self.closes else expires


class Standings:
    """What is known of the channels of one contract; safe among threads.

    clock_s  a clock that never goes back, in seconds
    """

    def __init__(
        self, node: Node, contract: str, clock_s: Callable[[], float], *, max_age_s: float = CHANNEL_VIEW_S
    ) -> None:
        self._node = node
        self._contract = PaymentChannels(node, contract)
        self._clock_s = clock_s
        self._max_age_s = max_age_s
        self._lock = threading.Lock()
        self._looks: deque[float] = deque()  # at channels that were not known
        self._known: OrderedDict[bytes, tuple[float, Standing]] = OrderedDict()

    def of(self, channel: bytes, *, age_s: float | None = None) -> Standing:
        """Return how a channel stands, as it was at most so long ago; `CHANNEL_VIEW_S` if left out.

        raises  Unavailable where the node does not answer, or "channel.looks"
        """
        wanted = self._max_age_s if age_s is None else max(age_s, CHANNEL_FRESH_S)
        now_s = self._clock_s()
        with self._lock:
            at_s, found = self._known.get(channel, (0.0, None))
        if found is not None and now_s - at_s < wanted:
            return found
        if found is None or not found.is_known:
            self._count_look(now_s)
        block = self._node.block()
        channel_now = self._contract.channel_of(channel, at=block.hash)
        standing = Standing(
            is_known=int(channel_now.payer, 16) != 0,
            deposit=channel_now.deposit,
            claimed=channel_now.claimed,
            closes=channel_now.closes,
            is_closed=channel_now.is_closed,
            chain_s=block.timestamp,
        )
        with self._lock:
            self._known[channel] = (now_s, standing)
            self._known.move_to_end(channel)
            while len(self._known) > CHANNEL_VIEWS_MAX:
                self._known.popitem(last=False)
        return standing

    def _count_look(self, now_s: float) -> None:
        """Look at few channels that are new to us: anybody can name as many as it likes, at no cost.

        raises  Unavailable "channel.looks"
        """
        with self._lock:
            while self._looks and now_s - self._looks[0] >= 1:
                self._looks.popleft()
            if len(self._looks) >= CHANNEL_LOOKS_PER_S_MAX:
                raise Unavailable("channel.looks", "too many new channels are asked about", hint="try again")
            self._looks.append(now_s)
