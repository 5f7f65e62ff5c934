"""RPC methods about logs, and the filters that poll for them."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from tallystick.chain.embedded.fault import SERVER, RpcFault
from tallystick.chain.embedded.file import check_header
from tallystick.chain.embedded.ledger import Block
from tallystick.chain.embedded.node import EmbeddedNode
from tallystick.chain.embedded.params import BlockId, Params, block_id, data, hex_of, invalid
from tallystick.chain.embedded.receipt import Log, bloom_bits
from tallystick.chain.embedded.render import log_json
from tallystick.core.errors import VerificationFailed
from tallystick.core.limits import (
    LEDGER_FILTER_IDLE_S,
    LEDGER_FILTERS_MAX,
    LEDGER_LOG_ALTERNATIVES_MAX,
    LEDGER_LOGS_MAX,
    LEDGER_SCAN_BLOCKS,
)

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Query:
    """Which logs are wanted: any of `addresses` (all when empty), and for each position any of some topics."""

    addresses: frozenset[bytes]
    topics: tuple[frozenset[bytes], ...]
    first: BlockId
    last: BlockId
    block_hash: bytes | None

    def matches(self, log: Log) -> bool:
        """Whether one log is wanted."""
        if self.addresses and log.address not in self.addresses:
            return False
        if len(log.topics) < len(self.topics):
            return False
        return all(not wanted or topic in wanted for wanted, topic in zip(self.topics, log.topics, strict=False))

    def blooms(self) -> list[list[int]]:
        """Return, for each condition, the bloom bits of its alternatives; a block must hold one of each."""
        return [[bloom_bits(item) for item in wanted] for wanted in (self.addresses, *self.topics) if wanted]


def get_logs(node: EmbeddedNode, values: Sequence[Any]) -> list[Json]:
    query = read_query(Params(values, 1).value(0))
    if query.block_hash is not None:
        block = node.ledger.block_by_hash(query.block_hash)
        if block is None:
            raise RpcFault(SERVER, "unknown block", place="rpc.block")
        return collect(node, query, block.number, block.number)
    first, last = _bounds(node, query)
    return collect(node, query, first, last)


def read_query(value: object) -> Query:
    """Return the query that a filter object describes.

    raises  RpcFault -32602
    """
    if not isinstance(value, dict):
        raise invalid("invalid argument 0: not an object")
    given = {key: item for key, item in value.items() if item is not None}
    if unknown := sorted(str(key) for key in set(given) - {"fromBlock", "toBlock", "address", "topics", "blockHash"}):
        raise invalid(f"invalid argument 0: unknown field {unknown[0][:40]!r}")
    if "blockHash" in given and ("fromBlock" in given or "toBlock" in given):
        raise invalid("invalid argument 0: cannot specify both BlockHash and FromBlock/ToBlock")
    topics = given.get("topics", [])
    if not isinstance(topics, list) or len(topics) > 4:
        raise invalid("invalid argument 0: want at most four topics")
    return Query(
        addresses=_alternatives(given.get("address"), "address", 20),
        topics=tuple(_alternatives(topic, "topic", 32) for topic in topics),
        first=block_id(given.get("fromBlock", "latest"), "fromBlock"),
        last=block_id(given.get("toBlock", "latest"), "toBlock"),
        block_hash=data(given["blockHash"], "blockHash", size=32) if "blockHash" in given else None,
    )


def collect(node: EmbeddedNode, query: Query, first: int, last: int) -> list[Json]:
    """Return the wanted logs of a range of blocks, oldest first.

    raises  RpcFault -32005 when there are more than LEDGER_LOGS_MAX
    """
    found: list[Json] = []
    for block in _candidates(node, query, first, last):
        body = node.ledger.body(block)
        log_index = 0
        for index, receipt in enumerate(body.receipts):
            for offset, log in enumerate(receipt.logs):
                if query.matches(log):
                    found.append(log_json(block, body.transactions[index], index, log_index + offset, log))
            log_index += len(receipt.logs)
        if len(found) > LEDGER_LOGS_MAX:
            text = f"query returned more than {LEDGER_LOGS_MAX} results"
            raise RpcFault(-32005, text, place="rpc.logs", data={"from": hex_of(first), "to": hex_of(block.number)})
    return found


def _candidates(node: EmbeddedNode, query: Query, first: int, last: int) -> Iterator[Block]:
    """Yield the blocks whose bloom filter admits a match; every header on the way is checked against its hash."""
    conditions = query.blooms()
    for start in range(first, last + 1, LEDGER_SCAN_BLOCKS):
        stop = min(start + LEDGER_SCAN_BLOCKS - 1, last)
        rows = node.ledger.file.headers(start, stop)
        if [row[0] for row in rows] != list(range(start, stop + 1)):
            raise VerificationFailed("chain.header", f"a block from {start} to {stop} is missing")
        for number, digest, encoded in rows:
            checked, header = check_header(number, digest, encoded)
            bloom = int.from_bytes(header.bloom, "big")
            if bloom and all(any(bloom & bits == bits for bits in wanted) for wanted in conditions):
                yield Block(checked, header)


def _bounds(node: EmbeddedNode, query: Query) -> tuple[int, int]:
    head = node.ledger.head().number
    numbers = []
    for wanted in (query.first, query.last):
        if wanted.number is not None:
            numbers.append(wanted.number)
        else:
            numbers.append(node.require(wanted).number)
    first, last = numbers
    if first > last and query.last.number is not None:
        raise invalid("invalid block range params")
    return first, min(last, head)  # from beyond the head to a tag: who polls has seen all there is


def _alternatives(value: object, what: str, size: int) -> frozenset[bytes]:
    if value is None:
        return frozenset()
    items = value if isinstance(value, list) else [value]
    if len(items) > LEDGER_LOG_ALTERNATIVES_MAX:
        raise invalid(f"invalid {what}: more than {LEDGER_LOG_ALTERNATIVES_MAX} alternatives")
    if None in items:
        return frozenset()
    return frozenset(data(item, what, size=size) for item in items)


@dataclass
class _Filter:
    """A poll position: `query` None means block hashes, or nothing at all when `pending`."""

    query: Query | None
    pending: bool
    next_block: int
    used_at: float


class Filters:
    """The filters of one provider; they live in memory and lapse when nobody asks."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._filters: dict[str, _Filter] = {}
        self._lock = threading.Lock()

    def methods(self) -> dict[str, Callable[[EmbeddedNode, Sequence[Any]], Any]]:
        """Return the RPC methods, bound to these filters."""
        return {
            "eth_newFilter": self.new_filter,
            "eth_newBlockFilter": self.new_block_filter,
            "eth_newPendingTransactionFilter": self.new_pending_filter,
            "eth_getFilterChanges": self.changes,
            "eth_getFilterLogs": self.logs,
            "eth_uninstallFilter": self.uninstall,
        }

    def new_filter(self, node: EmbeddedNode, values: Sequence[Any]) -> str:
        query = read_query(Params(values, 1).value(0))
        if query.block_hash is not None:
            raise invalid("invalid argument 0: a filter cannot watch one block")
        start = query.first.number if query.first.number is not None else 0
        return self._install(node, _Filter(query, False, max(start, node.ledger.head().number + 1), 0.0))

    def new_block_filter(self, node: EmbeddedNode, values: Sequence[Any]) -> str:
        Params(values, 0)
        return self._install(node, _Filter(None, False, node.ledger.head().number + 1, 0.0))

    def new_pending_filter(self, node: EmbeddedNode, values: Sequence[Any]) -> str:
        Params(values, 1)
        return self._install(node, _Filter(None, True, node.ledger.head().number + 1, 0.0))

    def changes(self, node: EmbeddedNode, values: Sequence[Any]) -> list[Any]:
        found = self._get(Params(values, 1).value(0))
        head = node.ledger.head().number
        with self._lock:
            first, found.next_block = found.next_block, max(found.next_block, head + 1)
        last = head
        if found.query is None:
            blocks = [node.require(BlockId(number=number)) for number in range(first, last + 1)]
            if found.pending:
                return [hex_of(tx.hash) for block in blocks for tx in node.ledger.body(block).transactions]
            return [hex_of(block.hash) for block in blocks]
        if found.query.last.number is not None:
            last = min(last, found.query.last.number)
        return collect(node, found.query, first, last)

    def logs(self, node: EmbeddedNode, values: Sequence[Any]) -> list[Json]:
        found = self._get(Params(values, 1).value(0))
        if found.query is None:
            raise RpcFault(SERVER, "filter not found", place="rpc.filter")
        return collect(node, found.query, *_bounds(node, found.query))

    def uninstall(self, node: EmbeddedNode, values: Sequence[Any]) -> bool:
        key = Params(values, 1).value(0)
        with self._lock:
            return isinstance(key, str) and self._filters.pop(key, None) is not None

    def _install(self, node: EmbeddedNode, new: _Filter) -> str:
        now = self._clock()
        new.used_at = now
        key = "0x" + secrets.token_hex(16)
        with self._lock:
            self._forget_lapsed(now)
            if len(self._filters) >= LEDGER_FILTERS_MAX:
                raise RpcFault(SERVER, "too many filters", place="rpc.filter")
            self._filters[key] = new
        return key

    def _get(self, key: object) -> _Filter:
        now = self._clock()
        with self._lock:
            self._forget_lapsed(now)
            found = self._filters.get(key) if isinstance(key, str) else None
            if found is None:
                raise RpcFault(SERVER, "filter not found", place="rpc.filter")
            found.used_at = now
            return found

    def _forget_lapsed(self, now: float) -> None:
        for key in [key for key, item in self._filters.items() if now - item.used_at > LEDGER_FILTER_IDLE_S]:
            del self._filters[key]


METHODS = {"eth_getLogs": get_logs}
