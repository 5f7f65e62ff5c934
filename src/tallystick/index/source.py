"""What the index needs of a chain. `chain.node.Node` is one; so is the forking chain of the tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tallystick.chain.calls import BlockId, Log


@dataclass(frozen=True, order=True)
class Place:
    """A block by its number and hash."""

    number: int
    hash: bytes

    def __str__(self) -> str:
        return f"block {self.number} 0x{self.hash.hex()}"


class Header(Protocol):
    """What is read of a block."""

    @property
    def number(self) -> int:
        """Blocks count from 0."""
        ...

    @property
    def hash(self) -> bytes:
        """32 bytes, over everything in the header."""
        ...

    @property
    def parent_hash(self) -> bytes:
        """The hash of the block before; zeros for the first."""
        ...

    @property
    def timestamp(self) -> int:
        """Seconds since 1970, as whoever built the block said."""
        ...


class Source(Protocol):
    """A chain that can be asked, and that may change its mind between two answers."""

    @property
    def chain_id(self) -> int:
        """The chain's number."""
        ...

    @property
    def genesis_hash(self) -> bytes:
        """The hash of its first block, which tells two chains of one number apart."""
        ...

    def block_number(self) -> int:
        """Return the number of the newest block."""
        ...

    def find_block(self, at: BlockId) -> Header | None:
        """Return the block of that number on the present chain, or None."""
        ...

    def finalized(self) -> Header | None:
        """Return the newest final block, or None where there is no such notion."""
        ...

    def safe(self) -> Header | None:
        """Return the newest safe block, or None where there is no such notion."""
        ...

    def logs(
        self,
        addresses: Sequence[str] | None = None,
        topics: Sequence[bytes | Sequence[bytes] | None] = (),
        *,
        from_block: int | None = None,
        to_block: int | None = None,
        block_hash: bytes | None = None,
    ) -> list[Log]:
        """Return the matching logs of a range, both ends included, or of the block with that hash, in chain order."""
        ...
