"""The audit of a model: everything recomputed from the chain and the evidence, trusting nothing else.

Given a node, the registry's address and a blob store, in this order, for each version:

     1  record              what the chain holds, read at one block
     2  envelope            the signed envelope, found by the recorded statement digest
     3  payload             SHA-256 of the payload is that digest
     4  signature           by the key that the chain says was the signer's then; the key was active
     5  place               the statement names this chain, registry, model, number and signer
     6  manifest            lists the files under the recorded root
     7  files               each hashed again; the root recomputed from them
     8  tensors             each hashed again; the root recomputed
     9  architecture        recomputed from headers and configurations
    10  code                what made it is there
    11  data                rows and salts recomputed to the root at the recorded size
    12  statement           binds exactly the recorded roots and parents
    13  kinds               what changed against the first parent is what was flagged
    14  data history        data was only added, by a consistency proof, or the statement says otherwise
    15  parents             each ancestor back to the first is recorded, and recorded as it was signed
    16  status              as recorded

and for the model, that its versions have no gap and its release pointers are what their events say. A check that fails
stops no other. Which block to read at, and which node to believe, is the caller's to decide.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from tallystick.chain.bindings import model_registry as binding
from tallystick.chain.calls import BlockId
from tallystick.chain.node import Node
from tallystick.contracts import Kind, Status
from tallystick.core.checks import Check, Report
from tallystick.core.errors import InvalidInput, Rejected, TallystickError
from tallystick.core.ids import parse_address
from tallystick.core.limits import CANONICAL_BYTES_MAX, LINEAGE_MAX
from tallystick.models.evidence import Evidence, VersionRecord, load_record
from tallystick.models.roots import UNCHANGED, Roots
from tallystick.models.statement import Place
from tallystick.models.verify_content import check_code, check_content
from tallystick.models.verify_data import check_data, check_data_history
from tallystick.store.blobs import BlobStore

STATUS_NAMES = {int(status): str(status.name).lower() for status in Status}
_DISOWNED = "disowned at"


class Auditor:
    """Audits models of one registry as of one block.

    at           the block to read; its number is fixed when the audit begins
    first_block  where to begin looking for the registry's events
    scratch      where to unpack files, a version at a time; the system's place for such files by default
    """

    def __init__(
        self,
        node: Node,
        registry: str,
        blobs: BlobStore,
        *,
        at: BlockId = "latest",
        first_block: int = 0,
        scratch: Path | None = None,
    ) -> None:
        self.registry = binding.ModelRegistry(node, parse_address(registry))
        self.block = node.block(at).number
        self._node = node
        self._blobs = blobs
        self._first_block = first_block
        self._scratch = scratch
        self._records: dict[tuple[int, int], VersionRecord] = {}
        self._names: dict[int, str] = {}
        self._walked: dict[bytes, tuple[bytes, ...]] = {}  # statement of a sound ancestor → its parents

    def audit_model(self, model_id: int) -> Report:
        """Return the checks of every version of a model, and of the model itself.

        raises  Rejected "erc721: no such token"; Unavailable when the node is not there
        """
        count = self.registry.model(model_id, at=self.block).version_count
        versions = (check for seq in range(1, count + 1) for check in self._version(model_id, seq))
        return Report.of(versions) + Report.of(_labelled(f"{model_id}", self._model_checks(model_id, count)))

    def audit_version(self, model_id: int, seq: int) -> Report:
        """Return the checks of one version and of the signatures on all versions it was made from."""
        return Report.of(self._version(model_id, seq))

    # --- one version

    def _version(self, model_id: int, seq: int) -> Iterator[Check]:
        return _labelled(f"{model_id}@{seq}", self._version_checks(model_id, seq))

    def _version_checks(self, model_id: int, seq: int) -> Iterator[Check]:
        try:
            record = self._record(model_id, seq)
            parent = self._record_of(record.version.parents[0]).roots if record.version.parents else None
        except Rejected as error:
            yield Check.failed("record", error)
            return
        yield Check("record", True, f"read at block {self.block}")
        evidence = Evidence(self._blobs, record.version.statement)
        yield from _check_signature(record, evidence)
        try:
            place = evidence.statement.place
        except TallystickError as error:
            yield Check.failed("statement", error)
        else:
            yield from self._check_place(record, place, evidence.statement.name)
            with tempfile.TemporaryDirectory(prefix="tally-audit-", dir=self._scratch) as folder:
                yield from check_content(evidence, record.roots, Path(folder) / "files")
                yield from check_code(evidence, record.roots)
                yield from check_data(evidence, record.roots, Path(folder))
            yield from _check_statement(record, evidence)
            before = Evidence(self._blobs, record.version.parents[0]) if record.version.parents else None
            yield from check_data_history(evidence, record.roots, parent, before)
        yield _check_kinds(record, parent)
        yield self._check_parents(record)
        status = record.version.status
        yield Check("status", status in STATUS_NAMES, STATUS_NAMES.get(status, "unknown"))

    def _record(self, model_id: int, seq: int) -> VersionRecord:
        """Return what the chain holds of a version at the block of this audit; asked once."""
        place = (model_id, seq)
        if place not in self._records:
            self._records[place] = load_record(self.registry, model_id, seq, self.block)
        return self._records[place]

    def _record_of(self, statement: bytes) -> VersionRecord:
        return self._record(*self.registry.version_of(statement, at=self.block))

    def _name(self, model_id: int) -> str:
        if model_id not in self._names:
            self._names[model_id] = self.registry.model(model_id, at=self.block).name
        return self._names[model_id]

    def _check_place(self, record: VersionRecord, place: Place, name: str) -> Iterator[Check]:
        version = record.version
        recorded = self._name(version.model_id)
        expected = Place(self._node.chain_id, self.registry.address, version.model_id, version.seq, version.signer)
        yield Check.equal("place", f"{recorded!a} at {expected}", f"{name!a} at {place}")

    def _check_parents(self, record: VersionRecord) -> Check:
        """Walk to the versions without parents; each on the way must be recorded as its signer's key signed it."""
        waiting = list(record.version.parents)
        seen: set[bytes] = set()
        while waiting:
            statement = waiting.pop()
            if statement in seen:
                continue
            seen.add(statement)
            if len(seen) > LINEAGE_MAX:
                return Check("parents", False, "too many ancestors", f"≤ {LINEAGE_MAX}", f"{len(seen)}")
            try:
                waiting += self._walk(statement)
            except TallystickError as error:
                return Check.failed(f"parents {statement.hex()}", error)
        return Check("parents", True, f"{len(seen)} ancestors recorded and signed" if seen else "a first version")

    def _walk(self, statement: bytes) -> tuple[bytes, ...]:
        """Return the parents of an ancestor that is what its signer bound; remembered, since lineages share them."""
        if statement not in self._walked:
            record, evidence = self._record_of(statement), Evidence(self._blobs, statement)
            evidence.envelope.verify([record.key.key])
            signed = evidence.statement
            Report.of(self._check_place(record, signed.place, signed.name)).require()
            Report.of(_check_statement(record, evidence)).require()
            self._walked[statement] = record.version.parents
        return self._walked[statement]

    # --- the model

    def _model_checks(self, model_id: int, count: int) -> Iterator[Check]:
        statements = [self.registry.statement_at(model_id, seq, at=self.block) for seq in range(1, count + 1)]
        whole = len({*statements}) == count and bytes(32) not in statements
        yield Check("versions", whole, f"{count} versions, none missing, none twice")
        moves = self._node.logs(
            self.registry.address,
            [binding.Released.topic, model_id.to_bytes(32, "big")],
            from_block=self._first_block,
            to_block=self.block,
        )
        channels: dict[str, list[binding.Released]] = {}
        for log in moves:
            event = binding.Released.decode(log)
            channels.setdefault(event.channel, []).append(event)
        for channel, events in sorted(channels.items()):
            try:
                yield from self._check_channel(model_id, channel, events)
            except InvalidInput as error:  # a channel named in bytes that are no text cannot be asked for
                yield Check.failed(f"release {channel!a}", error)

    def _check_channel(self, model_id: int, channel: str, events: list[binding.Released]) -> Iterator[Check]:
        name = f"release {channel!a}"
        now = self.registry.released(model_id, channel, at=self.block)
        moves = self.registry.release_count(model_id, channel, at=self.block)
        yield Check.equal(name, (now, moves), (events[-1].seq, len(events)), f"version {now} after {moves} moves")
        if now:
            status = self.registry.status_of(model_id, now, at=self.block)
            yield Check(
                f"{name} status", status != Status.REVOKED, f"version {now} is {STATUS_NAMES.get(status, 'unknown')}"
            )


def cautions(report: Report) -> tuple[Check, ...]:
    """Return the checks that held and yet warn: a version that is not active any more, a key disowned since.

    An audit asks whether history is whole, and a revoked version's is; who means to use the version must hear of it.
    """
    return tuple(
        check
        for check in report.checks
        if check.ok
        and (
            (check.name.endswith(" status") and check.detail in (STATUS_NAMES[2], STATUS_NAMES[3]))
            or (check.name.endswith(" signing key") and _DISOWNED in check.detail)
        )
    )


def _check_signature(record: VersionRecord, evidence: Evidence) -> Iterator[Check]:
    key, version = record.key, record.version
    try:
        envelope = evidence.envelope
    except TallystickError as error:
        yield Check.failed("envelope", error)
    else:
        yield Check("envelope", True, f"{len(envelope.payload)} bytes of payload")
        try:
            envelope.verify([key.key])
        except TallystickError as error:
            yield Check.failed("signature", error)
        else:
            yield Check("signature", True, f"by key {version.key_index} of {version.signer}, {key.key.hex()}")
    try:
        size = evidence.blobs.check(version.statement, limit=CANONICAL_BYTES_MAX)
        yield Check("payload", True, f"{size} bytes under the recorded digest")
    except TallystickError as error:
        yield Check.failed("payload", error)
    signed_at = version.registered_at
    active = key.since <= signed_at and (key.until == 0 or signed_at <= key.until)
    disowned = f", {_DISOWNED} {key.revoked}" if key.revoked else ""
    yield Check("signing key", active, f"in charge from {key.since} to {key.until or 'now'}{disowned}")


def _check_statement(record: VersionRecord, evidence: Evidence) -> Iterator[Check]:
    statement, version = evidence.statement, record.version
    yield Check.equal("statement roots", record.roots, statement.roots, "what was signed is what was recorded")
    recorded, signed = (", ".join(map(bytes.hex, parents)) for parents in (version.parents, statement.parents))
    yield Check.equal("statement parents", recorded, signed, f"{len(version.parents)} parents")
    yield Check.equal("statement kinds", ", ".join(Kind(version.kinds).names), ", ".join(statement.kinds.names))


def _check_kinds(record: VersionRecord, parent: Roots | None) -> Check:
    computed = UNCHANGED if parent is None else record.roots.changed_from(parent)
    recorded = Kind(record.version.kinds) & ~Kind.METADATA
    return Check.equal("kinds", ", ".join(computed.names), ", ".join(recorded.names), "against the first parent")


def _labelled(label: str, checks: Iterable[Check]) -> Iterator[Check]:
    for check in checks:
        yield replace(check, name=f"{label} {check.name}")
