"""A chain file at a glance."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from tallystick.chain.embedded.ledger import Ledger
from tallystick.core.errors import VerificationFailed


@dataclass(frozen=True)
class ChainStatus:
    """What a chain file holds; `bytes` counts SQLite's write-ahead log too, fees are in wei per gas."""

    path: Path
    chain_id: int
    genesis_hash: bytes
    block: int
    block_hash: bytes
    timestamp: int
    base_fee: int
    transactions: int
    bytes: int


def status(path: str | Path) -> ChainStatus:
    """Return the state of the chain file at `path`, which is only read.

    raises  as `Ledger`
    """
    path = Path(path)
    with contextlib.closing(Ledger(path, read_only=True)) as ledger:
        head, first = ledger.head(), ledger.block(0)
        if first is None:
            raise VerificationFailed("chain.header", "block 0 is missing")
        files = [path, path.with_name(path.name + "-wal")]
        return ChainStatus(
            path=path,
            chain_id=ledger.chain_id,
            genesis_hash=first.hash,
            block=head.number,
            block_hash=head.hash,
            timestamp=head.header.timestamp,
            base_fee=head.header.base_fee,
            transactions=ledger.file.transaction_count(),
            bytes=sum(file.stat().st_size for file in files if file.is_file()),
        )
