"""Chapter four: one byte is flipped, by turns, in each kind of evidence, and the damaged copy audited."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tallystick.chain.connect import connect
from tallystick.core.digest import keccak
from tallystick.core.errors import Broken
from tallystick.core.limits import TILE_WIDTH
from tallystick.demos.auditing import Given, audit_elsewhere, failures
from tallystick.demos.places import Places
from tallystick.demos.story import Story, TamperTold
from tallystick.inference.log.exporting import log_prefix
from tallystick.models.evidence import Evidence
from tallystick.store.blobs import BlobStore, blob_name

_WORKERS = 2  # audits at a time: one a core of a small machine
_WEIGHTS = "parameters.safetensors"
_ROW = 300  # arrived with the second version


@dataclass(frozen=True)
class Tamper:
    """One byte to flip.

    target  what it is part of, in words
    file    relative to the public folder
    offset  from the start of the file
    named   what the audit must say for the fault to count as found
    """

    target: str
    file: str
    offset: int
    named: str


def tamper_by_turns(places: Places, given: Given, story: Story, origin: str, advance: Callable[[int], None]) -> None:
    """Flip one byte in each kind of evidence, audit each damaged copy, and tell what was said."""

    def attempt(numbered: tuple[int, Tamper]) -> TamperTold:
        number, tamper = numbered
        public = places.copy_public(f"{number}-{tamper.target.replace(' ', '-')}")
        flip(public / tamper.file, tamper.offset)
        said = failures(audit_elsewhere(given.in_copy(public, places)))
        advance(1)
        place = f"{tamper.file}, byte {tamper.offset:,}"
        named = [finding for finding in said if tamper.named in finding]
        rest = [finding for finding in said if tamper.named not in finding]
        return TamperTold(tamper.target, place, (*named, *rest), caught=bool(named))

    tampers = choose(places, given, bytes.fromhex(story.versions[-1].statement), origin)
    with places.out_of_reach(), ThreadPoolExecutor(_WORKERS) as workers:
        story.tampers.extend(workers.map(attempt, enumerate(tampers, 1)))


def choose(places: Places, given: Given, statement: bytes, origin: str) -> list[Tamper]:
    """Return a byte of a weight file, a row, a log entry, the published checkpoint and, if it is ours, the chain."""
    chosen = [
        _weights(places, statement),
        _data_row(places, statement),
        _log_entry(places, origin),
        _checkpoint(places, origin),
    ]
    return chosen if "://" in given.chain else [*chosen, _chain_file(places, given.registry)]


def flip(path: Path, offset: int) -> None:
    """Invert the lowest bit of one byte of a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 1]))


def _weights(places: Places, statement: bytes) -> Tamper:
    entry = Evidence(BlobStore(str(places.evidence)), statement).manifest.entry(_WEIGHTS)
    return Tamper("weight file", f"evidence/{blob_name(entry.sha256)}", entry.size - 5, _WEIGHTS)


def _data_row(places: Places, statement: bytes) -> Tamper:
    first = 0
    for segment in Evidence(BlobStore(str(places.evidence)), statement).data.segments:
        if first + segment.count > _ROW:
            file = f"evidence/{blob_name(segment.rows)}"
            rows = (places.public / file).read_bytes().split(b"\n")
            offset = sum(len(row) + 1 for row in rows[: _ROW - first]) + 3  # a digit of its first number
            return Tamper("dataset row", file, offset, f"row {_ROW}")
        first += segment.count
    raise Broken("demo.row", "the data has fewer rows than the story needs", expected=f"> {_ROW}", got=first)


def _log_entry(places: Places, origin: str) -> Tamper:
    file = f"evidence/{log_prefix(origin)}/tile/entries/000"
    bundle = (places.public / file).read_bytes()
    width = len(bundle) // TILE_WIDTH  # records are of one length
    return Tamper("log entry", file, 100 * width + width // 2, "entry 100")


def _checkpoint(places: Places, origin: str) -> Tamper:
    file = f"evidence/{log_prefix(origin)}/checkpoint"
    lines = (places.public / file).read_bytes().split(b"\n")
    return Tamper("published checkpoint", file, len(lines[0]) + len(lines[1]) + 2 + 10, "checkpoint")


def _chain_file(places: Places, registry: str) -> Tamper:
    """Choose a byte of a stored node of the state, on the way to the registry's account."""
    content = places.chain.read_bytes()
    with connect(places.chain, read_only=True) as node:
        path = node.proof(registry).nodes
    for stored in reversed(path):
        if content.count(stored) == 1:
            offset = content.index(stored) + len(stored) // 2
            return Tamper("chain file", places.chain.name, offset, keccak(stored).hex()[:16])
    raise Broken("demo.chain", "the chain file holds no node in one piece")
