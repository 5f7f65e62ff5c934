"""What passes between contracts and Python: a call to be sent, a log that was emitted, a block to read at.

Values only; nothing here speaks to a node. Bindings build a `Call` and read a `Log`, `node.py` reads at a `BlockId`,
and only the outbox turns a `Call` into a transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

BlockId = int | str | bytes  # a number; "latest", "safe", "finalized", "earliest", "pending"; a 32-byte hash


@dataclass(frozen=True)
class Call:
    """A state-changing call that is not yet a transaction.

    to         checksum address, None creates a contract
    data       calldata or initcode
    value      wei
    contract, function, arguments   what people read; never sent
    """

    to: str | None
    data: bytes
    value: int = 0
    contract: str = ""
    function: str = ""
    arguments: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Log:
    """One log of one transaction, with its place on the chain."""

    address: str
    topics: tuple[bytes, ...]
    data: bytes
    block_number: int
    block_hash: bytes
    transaction_hash: bytes
    transaction_index: int
    log_index: int


class Caller(Protocol):
    """What a binding needs in order to read: `Node` is one."""

    def call(self, to: str, data: bytes, *, at: BlockId = "latest", sender: str | None = None, value: int = 0) -> bytes:
        """Return what the contract at `to` answers to `data`."""
        ...
