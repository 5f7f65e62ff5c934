"""The life of a model as the chain tells it: its versions, and every event around them in order.

Facts come from the chain, words from the signed statements, where the blob store has them. Nothing is verified here but
the digests by which statements are found; `verify.py` does that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tallystick.chain.abi import Event
from tallystick.chain.bindings import model_registry as binding
from tallystick.chain.calls import BlockId, Log
from tallystick.chain.node import Node
from tallystick.contracts import Kind
from tallystick.core.errors import TallystickError
from tallystick.core.ids import parse_address
from tallystick.models.evidence import Evidence, VersionRecord, load_record
from tallystick.models.statement import VersionStatement
from tallystick.models.verify import STATUS_NAMES
from tallystick.store.blobs import BlobStore

# Events that name the model in their first topic; a transfer names it in its third.
_OF_MODEL = (
    binding.ModelRegistered, binding.UriSet, binding.DelegateSet, binding.VersionAdded, binding.StatusSet,
    binding.Released,
)  # fmt: skip


@dataclass(frozen=True)
class VersionLine:
    """One version: the chain's record, and the statement unless its evidence is missing or damaged (`trouble`)."""

    record: VersionRecord
    statement: VersionStatement | None
    trouble: str = ""

    @property
    def seq(self) -> int:
        """The number of the version."""
        return self.record.version.seq

    def to_dict(self) -> dict[str, Any]:
        """Return the version as plain values, fit for JSON."""
        version, signed = self.record.version, self.statement
        return {
            "seq": version.seq,
            "statement": version.statement.hex(),
            "signer": version.signer,
            "registered_at": version.registered_at,
            "status": STATUS_NAMES.get(version.status, "unknown"),
            "kinds": Kind(version.kinds).names,
            "parents": [parent.hex() for parent in version.parents],
            "roots": self.record.roots.to_dict(),
            "data_size": version.roots.data_size,
            "hyperparameters": dict(signed.hyperparameters) if signed else {},
            "metrics": dict(signed.metrics) if signed else {},
            "environment": dict(signed.environment) if signed else {},
            "opaque": list(signed.opaque) if signed else [],
            "note": signed.note if signed else "",
            "trouble": self.trouble,
        }


@dataclass(frozen=True)
class HistoryEvent:
    """One event of the model, and where on the chain; `time` is seconds since 1970."""

    block_number: int
    log_index: int
    time: int
    transaction_hash: bytes
    event: Event

    def to_dict(self) -> dict[str, Any]:
        """Return the event as plain values, fit for JSON."""
        named = {name: _plain(value) for name, value in vars(self.event).items()}
        return {
            "event": type(self.event).__name__, "block": self.block_number, "time": self.time,
            "transaction": self.transaction_hash.hex(), **named,
        }  # fmt: skip


@dataclass(frozen=True)
class History:
    """A model with its versions by number, its events in chain order, and which version each channel points at."""

    model_id: int
    model: binding.Model
    versions: tuple[VersionLine, ...]
    events: tuple[HistoryEvent, ...]
    channels: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return the history as plain values, fit for JSON."""
        return {
            "model": self.model_id,
            "name": self.model.name,
            "owner": self.model.owner,
            "uri": self.model.uri,
            "channels": self.channels,
            "versions": [version.to_dict() for version in self.versions],
            "events": [event.to_dict() for event in self.events],
        }


def load_history(
    node: Node, registry: str, blobs: BlobStore, model_id: int, *, at: BlockId = "latest", first_block: int = 0
) -> History:
    """Return the history of a model as of one block.

    first_block  where to begin looking for events
    raises       Rejected "erc721: no such token"; Unavailable when the node is not there
    """
    contract = binding.ModelRegistry(node, parse_address(registry))
    block = node.block(at).number
    model = contract.model(model_id, at=block)
    versions = tuple(load_line(contract, blobs, model_id, seq, block) for seq in range(1, model.version_count + 1))
    events = _load_events(node, contract.address, model_id, first_block, block)
    moved = {found.event.channel: found.event.seq for found in events if isinstance(found.event, binding.Released)}
    return History(model_id, model, versions, events, {channel: seq for channel, seq in moved.items() if seq})


def load_line(
    registry: binding.ModelRegistry, blobs: BlobStore, model_id: int, seq: int, at: BlockId = "latest"
) -> VersionLine:
    """Return one version with its statement; raises Rejected "versions: unknown version"."""
    record = load_record(registry, model_id, seq, at)
    try:
        return VersionLine(record, Evidence(blobs, record.version.statement).statement)
    except TallystickError as error:
        return VersionLine(record, None, f"{error.code}: {error}")


def _load_events(node: Node, registry: str, model_id: int, first: int, last: int) -> tuple[HistoryEvent, ...]:
    word = model_id.to_bytes(32, "big")
    decoders: dict[bytes, type[Event]] = {event.topic: event for event in _OF_MODEL}
    logs = node.logs(registry, [[*decoders], word], from_block=first, to_block=last)
    logs += node.logs(registry, [binding.Transfer.topic, None, None, word], from_block=first, to_block=last)
    decoders[binding.Transfer.topic] = binding.Transfer
    times: dict[int, int] = {}

    def placed(log: Log) -> HistoryEvent:
        if log.block_number not in times:
            times[log.block_number] = node.block(log.block_number).timestamp
        event = decoders[log.topics[0]].decode(log)
        return HistoryEvent(log.block_number, log.log_index, times[log.block_number], log.transaction_hash, event)

    return tuple(sorted(map(placed, logs), key=lambda found: (found.block_number, found.log_index)))


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(item) for name, item in vars(value).items()}
    return value
