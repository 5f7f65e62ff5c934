"""The facts of `LogAnchor` events, and views of what is true now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tallystick.chain.bindings.log_anchor import (
    Anchored,
    AnchorerSet,
    LogKeyRotated,
    LogOffered,
    LogOpened,
    LogRetired,
    LogTransferred,
    TicketSignerSet,
)
from tallystick.index.projection import Emitted, Projection, Row, Value

NOBODY = "0x" + "00" * 20

_FACT = """
    block_hash BLOB NOT NULL REFERENCES chain_blocks (hash) ON DELETE CASCADE,
    block_number INTEGER NOT NULL,
    log_index INTEGER NOT NULL,
    contract TEXT NOT NULL,
    log_id BLOB NOT NULL"""

# Tables and the columns that each adds to the above. A log id is a uint256: 32 bytes, big-endian.
_TABLES = {
    "opened": "owner TEXT NOT NULL, origin TEXT NOT NULL, time INTEGER NOT NULL",
    "anchors": "old_size INTEGER NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, time INTEGER NOT NULL,"
    " transaction_hash BLOB NOT NULL",
    "keys": "key_index INTEGER NOT NULL, vkey BLOB NOT NULL, since_size INTEGER NOT NULL, time INTEGER NOT NULL",
    "anchorers": "anchorer TEXT NOT NULL",
    "ticket_signers": "signer_index INTEGER NOT NULL, signer TEXT NOT NULL, time INTEGER NOT NULL",
    "offers": "receiver TEXT NOT NULL",
    "owners": "owner TEXT NOT NULL",
    "retired": "successor BLOB NOT NULL, size INTEGER NOT NULL, time INTEGER NOT NULL",
}

_NOW = """
CREATE VIEW inference_{name}_now AS
SELECT * FROM (
    SELECT *, row_number() OVER (
        PARTITION BY contract, log_id ORDER BY block_number DESC, log_index DESC
    ) AS age FROM inference_{name}
) WHERE age = 1;
"""

_LOGS = """
CREATE VIEW inference_logs AS
SELECT opened.contract, opened.log_id, opened.origin, opened.owner AS opener, owners.owner, opened.time AS opened_at,
    keys.vkey, signers.signer AS ticket_signer, anchorers.anchorer,
    coalesce(anchors.size, 0) AS size, anchors.root, anchors.time AS anchored_at,
    retired.time AS retired_at, retired.successor
FROM inference_opened AS opened
JOIN inference_owners_now AS owners USING (contract, log_id)
JOIN inference_keys_now AS keys USING (contract, log_id)
JOIN inference_ticket_signers_now AS signers USING (contract, log_id)
JOIN inference_anchorers_now AS anchorers USING (contract, log_id)
LEFT JOIN inference_anchors_now AS anchors USING (contract, log_id)
LEFT JOIN inference_retired AS retired USING (contract, log_id);
"""


def _schema() -> str:
    tables = "".join(
        f"CREATE TABLE inference_{name} ({_FACT}, {columns});\n"
        f"CREATE INDEX inference_{name}_by_log ON inference_{name} (contract, log_id, block_number, log_index);\n"
        for name, columns in _TABLES.items()
    )
    latest = ("owners", "keys", "ticket_signers", "anchorers", "anchors")
    return tables + "".join(_NOW.format(name=name) for name in latest) + _LOGS


def projection(contract: str) -> Projection:
    """Return the projection of the LogAnchor contract at the checksum address `contract`."""
    sources = {contract: {event.topic: event.decode for event in _REDUCERS}}
    return Projection("inference", 1, _schema(), sources, _reduce)


def _reduce(emitted: Emitted) -> Iterable[Row]:
    event = emitted.event
    common: dict[str, Value] = {"contract": emitted.address, "log_id": event.log_id.to_bytes(32, "big")}
    for table, values in _REDUCERS[type(event)](emitted, event):
        yield Row(f"inference_{table}", {**common, **values})


Facts = Iterable[tuple[str, Mapping[str, Value]]]


def _opened(emitted: Emitted, event: LogOpened) -> Facts:
    time = emitted.block_time
    yield "opened", {"owner": event.owner, "origin": event.origin, "time": time}
    yield "owners", {"owner": event.owner}
    yield "keys", {"key_index": 0, "vkey": event.vkey, "since_size": 0, "time": time}
    yield "ticket_signers", {"signer_index": 0, "signer": event.ticket_signer, "time": time}
    yield "anchorers", {"anchorer": event.anchorer}


def _anchored(emitted: Emitted, event: Anchored) -> Facts:
    place: dict[str, Value] = {"time": emitted.block_time, "transaction_hash": emitted.transaction_hash}
    yield "anchors", {"old_size": event.old_size, "size": event.size, "root": event.root, **place}


def _key_rotated(emitted: Emitted, event: LogKeyRotated) -> Facts:
    place: dict[str, Value] = {"since_size": event.since_size, "time": emitted.block_time}
    yield "keys", {"key_index": event.index, "vkey": event.vkey, **place}


def _anchorer_set(emitted: Emitted, event: AnchorerSet) -> Facts:
    yield "anchorers", {"anchorer": event.anchorer}


def _ticket_signer_set(emitted: Emitted, event: TicketSignerSet) -> Facts:
    yield "ticket_signers", {"signer_index": event.index, "signer": event.signer, "time": emitted.block_time}


def _offered(emitted: Emitted, event: LogOffered) -> Facts:
    yield "offers", {"receiver": event.receiver}


def _transferred(emitted: Emitted, event: LogTransferred) -> Facts:
    yield "owners", {"owner": event.receiver}


def _retired(emitted: Emitted, event: LogRetired) -> Facts:
    yield "anchorers", {"anchorer": NOBODY}  # the contract takes the anchorer away without an event of its own
    successor = event.successor.to_bytes(32, "big")
    yield "retired", {"successor": successor, "size": event.size, "time": emitted.block_time}


_REDUCERS: dict[Any, Callable[[Emitted, Any], Facts]] = {
    LogOpened: _opened,
    Anchored: _anchored,
    LogKeyRotated: _key_rotated,
    AnchorerSet: _anchorer_set,
    TicketSignerSet: _ticket_signer_set,
    LogOffered: _offered,
    LogTransferred: _transferred,
    LogRetired: _retired,
}
