"""One question of eth_getLogs: asked in pages that the node accepts, its answer checked to be one.

`Node.logs` is the door; read it first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from tallystick.chain.calls import Log
from tallystick.chain.wire import write_data, write_hash
from tallystick.core.errors import InvalidInput, Rejected, TallystickError, Unavailable, VerificationFailed
from tallystick.core.ids import parse_address
from tallystick.core.limits import LOG_RANGE_BLOCKS_MAX, LOGS_MAX

Topics = Sequence[bytes | Sequence[bytes] | None]
Ask = Callable[[dict[str, object]], list[Log]]

# A page that is too long is refused in a dozen wordings; what surely is something else is passed on.
_MAYBE_TOO_MUCH = frozenset({"rpc.too_large", "rpc.rate_limited", "rpc.refused", "rpc.failed", "rpc.block_unknown"})


class LogQuery:
    """Which logs are wanted: of which addresses (None: all), with which topics by position (None: any)."""

    def __init__(self, addresses: str | Iterable[str] | None, topics: Topics) -> None:
        names = [addresses] if isinstance(addresses, str) else addresses
        self.addresses = None if names is None else frozenset(parse_address(name) for name in names)
        self.topics = tuple(
            None if topic is None else frozenset([topic] if isinstance(topic, bytes) else topic) for topic in topics
        )
        self._params: dict[str, object] = {
            "topics": [None if t is None else sorted(write_hash(one) for one in t) for t in self.topics]
        }
        if self.addresses is not None:
            self._params["address"] = sorted(self.addresses)

    def in_block(self, ask: Ask, block_hash: bytes) -> list[Log]:
        """Return the wanted logs of one block."""
        logs = ask({**self._params, "blockHash": write_hash(block_hash)})
        self._check(logs, lambda log: log.block_hash == block_hash)
        return logs

    def in_range(self, ask: Ask, first: int, last: int) -> list[Log]:
        """Return the wanted logs of the blocks `first` to `last`, halving what the node finds too long.

        raises  InvalidInput "rpc.log_range", "rpc.too_many_logs"
        """
        if first < 0 or last < 0:
            raise InvalidInput("rpc.log_range", "blocks count from 0", got=f"{first} to {last}")
        found: list[Log] = []
        width = LOG_RANGE_BLOCKS_MAX
        while first <= last:
            end = min(last, first + width - 1)
            try:
                page = self._page(ask, first, end)
            except (InvalidInput, Rejected, Unavailable) as error:
                if end == first or not _is_maybe_too_much(error):
                    raise
                width = (end - first + 1) // 2
                continue
            found += page
            if len(found) > LOGS_MAX:
                raise InvalidInput(
                    "rpc.too_many_logs",
                    "too many logs for one call",
                    expected=f"at most {LOGS_MAX}",
                    hint="read ranges",
                )
            first = end + 1
        return found

    def _page(self, ask: Ask, first: int, end: int) -> list[Log]:
        logs = ask({**self._params, "fromBlock": hex(first), "toBlock": hex(end)})
        self._check(logs, lambda log: first <= log.block_number <= end)
        return logs

    def _check(self, logs: list[Log], is_in_place: Callable[[Log], bool]) -> None:
        last = (-1, -1)
        for log in logs:
            if not self._matches(log) or not is_in_place(log):
                raise VerificationFailed(
                    "logs.stray", "the node sent a log that was not asked for", got=write_data(log.transaction_hash)
                )
            place = (log.block_number, log.log_index)
            if place <= last:
                raise VerificationFailed(
                    "logs.order", "the node's logs are out of order", expected=f"after {last}", got=f"{place}"
                )
            last = place

    def _matches(self, log: Log) -> bool:
        return (
            (self.addresses is None or log.address in self.addresses)
            and len(log.topics) >= len(self.topics)
            and all(want is None or topic in want for want, topic in zip(self.topics, log.topics, strict=False))
        )


def _is_maybe_too_much(error: TallystickError) -> bool:
    return error.code in _MAYBE_TOO_MUCH
