"""What every RPC method works with: the ledger, the writer, the clock, and how a request's block is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from tallystick.chain.embedded.fault import SERVER, RpcFault
from tallystick.chain.embedded.header import Header, next_base_fee
from tallystick.chain.embedded.ledger import Block, Ledger
from tallystick.chain.embedded.params import BlockId
from tallystick.chain.embedded.writer import Writer
from tallystick.core.digest import keccak

CLIENT: Final = "tallystick"


@dataclass(frozen=True)
class EmbeddedNode:
    """An open ledger that answers requests. `clock` gives seconds since 1970."""

    ledger: Ledger
    writer: Writer
    clock: Callable[[], float]

    def find(self, wanted: BlockId) -> Block | None:
        """Return the block, or None when there is none; `pending`, `safe` and `finalized` are the head.

        Blocks are final once they are written: the file has one writer at a time and never forgets.
        """
        if wanted.hash is not None:
            return self.ledger.block_by_hash(wanted.hash)
        if wanted.number is not None:
            return self.ledger.block(wanted.number)
        return self.ledger.block(0) if wanted.tag == "earliest" else self.ledger.head()

    def require(self, wanted: BlockId) -> Block:
        """Return the block; raises RpcFault -32000 "header not found"."""
        block = self.find(wanted)
        if block is None:
            raise RpcFault(SERVER, "header not found", place="rpc.block")
        return block

    def next_header(self, head: Block) -> Header:
        """Return the header that a block built now would start from."""
        parent = head.header
        return replace(
            parent,
            parent_hash=head.hash,
            number=parent.number + 1,
            timestamp=max(parent.timestamp, int(self.clock())),
            base_fee=next_base_fee(parent),
            gas_used=0,
            bloom=bytes(256),
            mix_hash=keccak(head.hash),
        )
