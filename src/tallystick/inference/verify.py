"""The audit of a log by someone who trusts only the chain: from a node, a contract address, a log id and a blob store.

 1  the contract at the address is LogAnchor
 2  the log is there, and its anchors follow one another up to the state the contract holds
 3  the published checkpoint can be read and is this log's
 4  it is signed by a key that was in charge at its size
 5  it covers everything that was anchored
 6  every bundle and tile leads to the checkpoint's root (each fault is a check of its own, naming file and entry)
 7  the entries lead to each anchored root at its size
 8  each published `anchors/<n>.json` tells what the chain tells, under a valid signature
 9  every entry is a record of an allowed version, and time does not go back; where the caller allows all, an entry may
    be something else
10  where bodies are published: they are what the entries commit to, and repeating them gives the same answers

The caller decides which versions are allowed and how an answer is repeated, and vouches for the node: a node that lies
about the chain is beyond this file, see `chain.evidence`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from tallystick.chain.deploy import check_code
from tallystick.chain.node import Node
from tallystick.core.checkpoint import Checkpoint, open_checkpoint
from tallystick.core.checks import Check, Report
from tallystick.core.errors import TallystickError, Unavailable, VerificationFailed
from tallystick.core.limits import NOTE_BYTES_MAX
from tallystick.inference.anchoring.history import AnchoredAt, OnChain, read_chain
from tallystick.inference.anchoring.records import read_anchor_file
from tallystick.inference.log.auditing import Audit, audit
from tallystick.inference.log.exporting import log_prefix
from tallystick.inference.log.journal import parse_head
from tallystick.inference.log.static import TileReader, read_checkpoint
from tallystick.inference.log.tiles import tiles_of
from tallystick.inference.verify_records import RecordAudit, Repeat
from tallystick.store.blobs import BlobStore

_ANCHOR_BYTES_MAX = 2 * NOTE_BYTES_MAX


@dataclass
class LogAudit:
    """What an audit found besides its checks: how much was read, from which versions, between which times."""

    report: Report
    origin: str = ""
    size: int = 0
    anchored_size: int = 0
    versions: Counter[bytes] = field(default_factory=Counter)
    first_ms: int = 0
    last_ms: int = 0
    bodies: int = 0
    repeated: int = 0


def verify_log(
    node: Node,
    contract: str,
    log_id: int,
    blobs: BlobStore,
    *,
    versions: Collection[bytes] | None = None,
    repeat: Repeat | None = None,
    others: bool | None = None,
) -> LogAudit:
    """Audit a log from chain and published files alone; every fault found is a failed check.

    versions  digests of the model versions that may appear; None allows all
    repeat    how to repeat a prediction from its published body; None checks commitments only
    others    accept entries that are no records, and say how many; None: where all versions are allowed
    raises    Unavailable when node or store do not answer
    """
    found = LogAudit(Report(()))
    records = RecordAudit(blobs, versions, repeat, others=versions is None if others is None else others)
    found.report = Report.of(_checks(found, node, contract, log_id, blobs, records))
    return found


def _checks(
    found: LogAudit, node: Node, contract: str, log_id: int, blobs: BlobStore, records: RecordAudit
) -> Iterator[Check]:
    step = "1 contract"
    try:
        check_code(node, "LogAnchor", contract)
        yield Check(step, True, f"the code at {contract} is LogAnchor")
        step = "2 anchors"
        chain = read_chain(node, contract, log_id)
    except TallystickError as error:
        yield _failed(step, error)
        return
    state = chain.state
    yield Check(step, True, f"{len(chain.anchors)} anchors follow one another to size {state.size}")
    found.origin, found.anchored_size = state.origin, state.size
    prefix = log_prefix(state.origin)
    head = None
    for check, opened in _open_checkpoint(blobs, prefix, chain):
        yield check
        head = opened if check.ok else None
    if head is not None:
        enough = head.size >= state.size
        yield Check("5 coverage", enough, "the checkpoint covers what is anchored", f"≥ {state.size}", str(head.size))
    elif state.size and _is_published(blobs, prefix, state.size):
        head = Checkpoint(state.origin, state.size, state.root)  # the chain's own can still be audited
    if head is not None:
        yield from _check_files(found, chain, TileReader(blobs, prefix, head), records)
    yield from _check_anchor_files(blobs, prefix, node, contract, log_id, chain)


def _open_checkpoint(blobs: BlobStore, prefix: str, chain: OnChain) -> Iterator[tuple[Check, Checkpoint | None]]:
    """Steps 3 and 4: yield each check and, with the last good one, the checkpoint."""
    file = f"{prefix}/checkpoint"
    try:
        note = read_checkpoint(blobs, prefix)
        head = parse_head(note)
    except TallystickError as error:
        yield _failed("3 checkpoint", error, file), None
        return
    origin = chain.state.origin
    yield Check.equal("3 checkpoint", origin, head.origin, f"{file} is of size {head.size}"), head
    if head.origin != origin:
        return
    try:
        keys = chain.keys_for(head.size)
        open_checkpoint(note, keys)
    except TallystickError as error:
        yield _failed("4 signature", error, file), None
        return
    yield Check("4 signature", True, f"{file} is signed by {' or '.join(map(str, keys))}"), head


def _check_files(found: LogAudit, chain: OnChain, reader: TileReader, records: RecordAudit) -> Iterator[Check]:
    """Steps 6, 7, 9 and 10: one pass over all files."""
    result = audit(reader, [anchor.size for anchor in chain.anchors], lambda at, items: records.take(reader, at, items))
    for fault in result.faults:
        yield Check("6 files", False, fault.detail, fault.expected, fault.got)
    if result.ok:
        detail = f"{result.size} entries and every tile lead to the checkpoint's root"
        yield Check.equal("6 files", reader.head.root, result.root, detail)
    for anchor in chain.anchors:
        yield _check_root(anchor, result, reader)
    yield from records.checks()
    found.size, found.versions = result.size, records.versions
    found.first_ms, found.last_ms = records.first_ms, records.last_ms
    found.bodies, found.repeated = records.bodies, records.repeated


def _check_root(anchor: AnchoredAt, result: Audit, reader: TileReader) -> Check:
    name, detail = f"7 anchored root at {anchor.size}", f"block {anchor.block}"
    got = result.roots.get(anchor.size)
    if got is None:
        return Check(name, False, "the published log does not reach so far", anchor.root.hex(), f"size {result.size}")
    if got != anchor.root and not result.ok:
        with suppress(VerificationFailed):  # damaged entries are named already; what the signed tiles say counts here
            got, detail = reader.root(anchor.size), f"block {anchor.block}, from tiles"
    return Check.equal(name, anchor.root, got, detail)


def _check_anchor_files(
    blobs: BlobStore, prefix: str, node: Node, contract: str, log_id: int, chain: OnChain
) -> Iterator[Check]:
    """Step 8: what is published about anchors must be what the chain says; it may also not be published."""
    for number, anchor in enumerate(chain.anchors):
        file = f"{prefix}/anchors/{number}.json"
        if not blobs.has_named(file):
            continue
        try:
            record = read_anchor_file(blobs.read_named(file, _ANCHOR_BYTES_MAX))
            head = open_checkpoint(record.checkpoint, chain.keys_for(anchor.size))
        except TallystickError as error:
            yield _failed(f"8 anchor {number}", error, file)
            continue
        place = (node.chain_id, contract, log_id, number)
        told = (record.chain_id, record.contract, record.log_id, record.number)
        step = (anchor.old_size, anchor.size, anchor.root.hex(), anchor.transaction.hex(), anchor.block)
        said = (record.old_size, record.size, record.root.hex(), record.transaction.hex(), record.block)
        expected = (*place, *step, anchor.block_hash.hex(), anchor.size, anchor.root.hex())
        got = (*told, *said, record.block_hash.hex(), head.size, head.root.hex())
        yield Check.equal(f"8 anchor {number}", expected, got, file)


def _is_published(blobs: BlobStore, prefix: str, size: int) -> bool:
    """Return whether every partial tile that a tree of `size` ends in is there."""
    return all(blobs.has_named(f"{prefix}/{name.path}") for name in tiles_of(size, size - 1))


def _failed(name: str, error: TallystickError, file: str = "") -> Check:
    """Return the failed check for an error, unless it only says that node or store did not answer."""
    if isinstance(error, Unavailable) and error.code != "blobs.missing":
        raise error
    check = Check.failed(name, error)
    return Check(name, False, f"{file}: {check.detail}" if file else check.detail, check.expected, check.got)
