"""What a room declares to have its events indexed: a schema, where the events come from, and a pure reducer.

A projection only ever *inserts* facts, each under the block that caused it, so that a reorganised chain is undone by
deleting blocks. What is true *now* is a view over the facts: the newest row by (block_number, log_index).

Every table begins with these three columns, which the index fills in itself:

    block_hash    BLOB NOT NULL REFERENCES chain_blocks (hash) ON DELETE CASCADE
    block_number  INTEGER NOT NULL
    log_index     INTEGER NOT NULL

Numbers beyond 63 bits do not fit SQLite's integers: keep a uint256 as a 32-byte blob (`int.to_bytes(32, "big")`, which
sorts as the number does). Floats are refused. `chain_blocks (hash, number, parent_hash, time)` and `chain_logs` may be
joined in views.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tallystick.chain.calls import Log
from tallystick.core.canonical import encode
from tallystick.core.digest import sha256
from tallystick.core.errors import Broken, InvalidInput, VerificationFailed
from tallystick.core.ids import parse_address
from tallystick.index.schema import RESERVED

Value = int | str | bytes | None
Decoder = Callable[[Log], Any]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}\Z", re.ASCII)


@dataclass(frozen=True)
class Emitted:
    """One decoded event and where it happened; `block_time` is seconds since 1970."""

    event: Any
    address: str
    block_number: int
    block_hash: bytes
    block_time: int
    transaction_hash: bytes
    log_index: int


@dataclass(frozen=True)
class Row:
    """One fact: a table of the projection and the columns that the reducer knows."""

    table: str
    values: Mapping[str, Value]


@dataclass(frozen=True)
class Projection:
    """A room's tables and how events become rows in them.

    name     lower case; every table, index and view of the schema is called `name` or begins with `name_`
    version  raised whenever `reduce` or a decoder gives other rows than before; the index is then built anew
    schema   CREATE TABLE, CREATE INDEX and CREATE VIEW statements
    sources  contract address to {topic: decoder}; bindings offer `{topic: event.decode for … in EVENTS.items()}`
    reduce   pure: the same event gives the same rows, with no clock, no randomness and no memory
    """

    name: str
    version: int
    schema: str
    sources: Mapping[str, Mapping[bytes, Decoder]]
    reduce: Callable[[Emitted], Iterable[Row]]

    def __post_init__(self) -> None:
        if not _NAME.match(self.name) or self.name.split("_")[0] in RESERVED:
            raise Broken("index.schema", "not a projection name", expected="a-z, 0-9, _", got=ascii(self.name))
        for address in self.sources:
            if parse_address(address) != address:
                raise InvalidInput("address.checksum", "source address lacks its checksum", got=address)

    @property
    def identity(self) -> dict[str, object]:
        """All that decides which rows there will be, as far as it can be seen from outside."""
        sources = {address: sorted(topic.hex() for topic in topics) for address, topics in self.sources.items()}
        return {"name": self.name, "version": self.version, "schema": self.schema, "sources": sources}


class Projections:
    """Several projections as one: which logs they want, and what rows a log becomes."""

    def __init__(self, projections: Sequence[Projection]) -> None:
        self.all = tuple(projections)
        if len({projection.name for projection in self.all}) != len(self.all):
            raise Broken("index.schema", "two projections have the same name")
        self.addresses = tuple(sorted({address for one in self.all for address in one.sources}))
        self.topics = tuple(sorted({topic for one in self.all for topics in one.sources.values() for topic in topics}))

    def fingerprint(self, schema: int, first_block: int) -> str:
        """Return the digest of all that decides what an index holds besides the chain."""
        identities = sorted((one.identity for one in self.all), key=lambda identity: str(identity["name"]))
        return sha256(encode({"schema": schema, "first_block": first_block, "projections": identities})).hex()

    def wants(self, log: Log) -> bool:
        """Return whether any projection has a decoder for the log."""
        return any(_decoder(one, log) is not None for one in self.all)

    def rows(self, log: Log, block_time: int) -> list[Row]:
        """Return the rows that the log becomes, in the order of the projections.

        raises  VerificationFailed "index.log" when a watched contract's log is not what its decoder expects;
                Broken "index.reducer" when a reducer fails or makes what is no row
        """
        found: list[Row] = []
        for projection in self.all:
            decoder = _decoder(projection, log)
            if decoder is None:
                continue
            emitted = Emitted(
                _decoded(decoder, log), log.address, log.block_number, log.block_hash, block_time,
                log.transaction_hash, log.log_index,
            )  # fmt: skip
            found += _reduced(projection, emitted)
        return found


def _decoder(projection: Projection, log: Log) -> Decoder | None:
    return projection.sources.get(log.address, {}).get(log.topics[0]) if log.topics else None


def _decoded(decoder: Decoder, log: Log) -> Any:
    try:
        return decoder(log)
    except InvalidInput as error:
        raise VerificationFailed(
            "index.log",
            f"log {log.log_index} of block {log.block_number} is not what {log.address} should emit: {error}",
            hint="the address is not the contract that this projection is for",
        ) from None


def _reduced(projection: Projection, emitted: Emitted) -> list[Row]:
    try:
        rows = list(projection.reduce(emitted))
    except Exception as error:
        where = f"log {emitted.log_index} of block {emitted.block_number}"
        raise Broken("index.reducer", f"projection {projection.name} failed at {where}: {error}") from error
    for row in rows:
        if not isinstance(row, Row) or not _is_of(row.table, projection.name) or not _fits(row.values):
            raise Broken("index.reducer", f"projection {projection.name} made what is no row of its own", got=row)
    return rows


def _is_of(table: str, name: str) -> bool:
    return table == name or table.startswith(f"{name}_")


def _fits(values: Mapping[str, object]) -> bool:
    """Return whether SQLite holds every value exactly."""
    return all(
        -(2**63) <= value < 2**63 if isinstance(value, int) else value is None or isinstance(value, str | bytes)
        for value in values.values()
    )
