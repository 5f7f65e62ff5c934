"""A chain of ours that forks, finalises and forgets on demand: the seam that `Node` fills in real life.

It is held against real nodes in test_real_nodes.py: the same histories there give the same tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tallystick.chain.calls import BlockId, Log
from tallystick.core.digest import sha256
from tallystick.core.errors import Unavailable
from tallystick.core.ids import checksum_address
from tallystick.index import Emitted, Projection, Row

ALPHA = checksum_address(b"\x0a" * 20)
BETA = checksum_address(b"\x0b" * 20)
STRANGER = checksum_address(b"\x0c" * 20)
SET = sha256(b"Set(key,value)")
UNSET = sha256(b"Unset(key)")
NOISE = sha256(b"Noise()")


@dataclass(frozen=True)
class Happening:
    """One log to be emitted: topic, and two small numbers as data."""

    address: str
    topic: bytes
    key: int = 0
    value: int = 0


@dataclass(frozen=True)
class FakeBlock:
    number: int
    hash: bytes
    parent_hash: bytes
    timestamp: int
    logs: tuple[Log, ...] = field(repr=False)


class FakeChain:
    """A chain whose every answer is counted, and which may change between any two of them.

    script     [(answers to wait, change)]: done just before the answer that follows so many others
    remembers  whether logs of blocks that were reorganised away can still be asked for by hash
    pages      whether a range of logs is answered block by block, so that it may see two sides of a fork
    """

    def __init__(self, *, chain_id: int = 1, remembers: bool = True, pages: bool = False) -> None:
        self.chain_id = chain_id
        self.pages = pages
        self.remembers = remembers
        self.script: list[tuple[int, Callable[[FakeChain], None]]] = []
        self.answers = 0
        self.final: int | None = None
        self._forks = 0
        self.blocks = [_block(None, [], b"genesis %d" % chain_id)]
        self.all = {self.blocks[0].hash: self.blocks[0]}

    # --- what makes history

    def grow(self, *contents: Sequence[Happening]) -> None:
        """Add a block for each sequence of happenings."""
        for content in contents:
            block = _block(self.blocks[-1], content, b"fork %d" % self._forks)
            self.blocks.append(block)
            self.all[block.hash] = block

    def fork(self, depth: int, *contents: Sequence[Happening]) -> None:
        """Drop the newest `depth` blocks (never a final one nor the first) and add others, all with new hashes."""
        lowest = max(self.final or 0, len(self.blocks) - 1 - depth)
        del self.blocks[lowest + 1 :]
        self._forks += 1
        self.grow(*contents)

    def switch(self, blocks: Sequence[FakeBlock]) -> None:
        """Return to a history that was left before, unless it contradicts a final block."""
        if self.final is None or (len(blocks) > self.final and blocks[self.final] == self.blocks[self.final]):
            self.blocks = list(blocks)

    def finalize(self, lag: int) -> None:
        """Declare everything but the newest `lag` blocks final."""
        self.final = max(self.final or 0, len(self.blocks) - 1 - lag)

    # --- what a node answers

    @property
    def genesis_hash(self) -> bytes:
        return self.blocks[0].hash

    def block_number(self) -> int:
        self._tick()
        return len(self.blocks) - 1

    def find_block(self, at: BlockId) -> FakeBlock | None:
        self._tick()
        assert isinstance(at, int)
        return self.blocks[at] if 0 <= at < len(self.blocks) else None

    def finalized(self) -> FakeBlock | None:
        self._tick()
        return None if self.final is None else self.blocks[self.final]

    safe = finalized

    def logs(self, addresses, topics, *, from_block=None, to_block=None, block_hash=None) -> list[Log]:
        self._tick()
        if block_hash is None:
            blocks = list(self._pages(from_block, to_block))
        elif block_hash in self.all and (self.remembers or self.all[block_hash] in self.blocks):
            blocks = [self.all[block_hash]]
        else:
            raise Unavailable("rpc.block_unknown", "the node has no such block")
        return [
            log for block in blocks for log in block.logs if log.address in addresses and log.topics[0] in topics[0]
        ]

    def _pages(self, first: int, last: int) -> Iterator[FakeBlock]:
        for number in range(first, last + 1):
            if self.pages:
                self._tick()
            yield from self.blocks[number : number + 1]

    def _tick(self) -> None:
        while self.script and self.script[0][0] <= 0:
            self.script.pop(0)[1](self)
        if self.script:
            wait, change = self.script[0]
            self.script[0] = (wait - 1, change)
        self.answers += 1


def _block(parent: FakeBlock | None, content: Sequence[Happening], salt: bytes) -> FakeBlock:
    number = 0 if parent is None else parent.number + 1
    parent_hash = bytes(32) if parent is None else parent.hash
    block_hash = sha256(parent_hash + salt + repr(content).encode())
    logs = tuple(
        Log(
            address=one.address,
            topics=(one.topic,),
            data=bytes([one.key, one.value]),
            block_number=number,
            block_hash=block_hash,
            transaction_hash=sha256(block_hash + bytes([index])),
            transaction_index=index,
            log_index=index,
        )
        for index, one in enumerate(content)
    )
    return FakeBlock(number, block_hash, parent_hash, 1_700_000_000 + 12 * number, logs)


# --- two projections over it: a register of keys, and a count of everything that was heard

REGISTER_SCHEMA = """
CREATE TABLE register_changes (
    block_hash BLOB NOT NULL REFERENCES chain_blocks (hash) ON DELETE CASCADE,
    block_number INTEGER NOT NULL,
    log_index INTEGER NOT NULL,
    key INTEGER NOT NULL,
    value INTEGER,  -- NULL; unset
    time INTEGER NOT NULL,
    PRIMARY KEY (block_number, log_index)
) STRICT;
CREATE INDEX register_changes_key ON register_changes (key);
CREATE VIEW register AS
    SELECT key, value, time FROM register_changes AS newest
    WHERE value IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM register_changes AS later WHERE later.key = newest.key
        AND (later.block_number, later.log_index) > (newest.block_number, newest.log_index)
    );
"""

HEARD_SCHEMA = """
CREATE TABLE heard_events (
    block_hash BLOB NOT NULL REFERENCES chain_blocks (hash) ON DELETE CASCADE,
    block_number INTEGER NOT NULL,
    log_index INTEGER NOT NULL,
    half INTEGER NOT NULL,
    address TEXT NOT NULL,
    number BLOB NOT NULL
) STRICT;
"""


def _reduce_register(emitted: Emitted) -> list[Row]:
    kind, key, value = emitted.event
    found = {"key": key, "value": value if kind == "set" else None, "time": emitted.block_time}
    return [Row("register_changes", found)]


def _reduce_heard(emitted: Emitted) -> list[Row]:
    _, key, _ = emitted.event
    number = (2**255 + key).to_bytes(32, "big")
    return [Row("heard_events", {"half": half, "address": emitted.address, "number": number}) for half in (0, 1)]


def _decode_set(log: Log) -> tuple[str, int, int]:
    return ("set", log.data[0], log.data[1])


def _decode_unset(log: Log) -> tuple[str, int, int]:
    return ("unset", log.data[0], 0)


REGISTER = Projection(
    "register", 1, REGISTER_SCHEMA, {ALPHA: {SET: _decode_set, UNSET: _decode_unset}}, _reduce_register
)
HEARD = Projection("heard", 1, HEARD_SCHEMA, {ALPHA: {SET: _decode_set}, BETA: {SET: _decode_set}}, _reduce_heard)
BOTH = (REGISTER, HEARD)


def expected_register(chain: FakeChain) -> dict[int, int]:
    """What the register must say, computed the plain way: an independent oracle."""
    register: dict[int, int] = {}
    for block in chain.blocks:
        for log in block.logs:
            if log.address == ALPHA and log.topics[0] == SET:
                register[log.data[0]] = log.data[1]
            elif log.address == ALPHA and log.topics[0] == UNSET:
                register.pop(log.data[0], None)
    return register


def expected_heard(chain: FakeChain) -> int:
    """How many rows there must be of what was heard."""
    logs = [log for block in chain.blocks for log in block.logs]
    return 2 * sum(log.topics[0] == SET and log.address in (ALPHA, BETA) for log in logs)
