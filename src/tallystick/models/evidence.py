"""Where a version's evidence lies: the chain holds digests, the blob store holds what they name.

    statements/<event id>.dsse.json    the signed envelope, by the SHA-256 of its payload
    sha256/…                           payload, files, manifest, tensor list, architecture, data document and segments

Every document is read by a digest that comes, link by link, from the chain; the envelope alone is found by name, and
its payload and signature prove it. Reading raises; `verify.py` is what goes on after a fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from tallystick.chain.bindings.model_registry import Key, ModelRegistry, Version
from tallystick.chain.bindings.model_registry import Roots as RecordedRoots
from tallystick.chain.calls import BlockId
from tallystick.core import dsse
from tallystick.core.errors import InvalidInput, TallystickError, VerificationFailed
from tallystick.core.limits import CANONICAL_BYTES_MAX
from tallystick.core.manifest import Manifest
from tallystick.core.statement import IN_TOTO
from tallystick.models.dataset import DataDocument, part_bytes_max
from tallystick.models.roots import NOT_RECORDED, Architecture, Roots, TensorList
from tallystick.models.rows import split_digests
from tallystick.models.statement import VersionStatement
from tallystick.store.blobs import BlobStore

ENVELOPE_BYTES_MAX = CANONICAL_BYTES_MAX  # base64 makes the largest payload a third larger; none comes near


def envelope_name(statement: bytes) -> str:
    """Return the name of the envelope whose payload has this SHA-256."""
    return f"statements/{statement.hex()}.dsse.json"


def to_recorded(roots: Roots) -> RecordedRoots:
    """Return the roots as the registry takes them: what is not recorded is zero."""
    return RecordedRoots(
        manifest_root=roots.manifest,
        architecture_root=roots.architecture or NOT_RECORDED,
        parameter_root=roots.parameters or NOT_RECORDED,
        data_root=roots.data or NOT_RECORDED,
        data_size=roots.data_size,
        code_digest=roots.code or NOT_RECORDED,
    )


def from_recorded(recorded: RecordedRoots) -> Roots:
    """Return the roots that the registry holds."""

    def recorded_or_none(root: bytes) -> bytes | None:
        return None if root == NOT_RECORDED else root

    return Roots(
        recorded.manifest_root,
        recorded_or_none(recorded.architecture_root),
        recorded_or_none(recorded.parameter_root),
        recorded_or_none(recorded.data_root),
        recorded.data_size,
        recorded_or_none(recorded.code_digest),
    )


@dataclass(frozen=True)
class VersionRecord:
    """What the chain says of one version: the record, and the signer's key that was active."""

    version: Version
    key: Key

    @cached_property
    def roots(self) -> Roots:
        """The recorded roots."""
        return from_recorded(self.version.roots)


def load_record(registry: ModelRegistry, model_id: int, seq: int, at: BlockId = "latest") -> VersionRecord:
    """Return the record of a version as of block `at`; raises Rejected "versions: unknown version"."""
    version = registry.version(model_id, seq, at=at)
    return VersionRecord(version, registry.key_at(version.signer, version.key_index, at=at))


class Evidence:
    """The documents of one version, each read from the blob store when first asked for and checked by digest.

    raises  Unavailable "blobs.missing", VerificationFailed "blobs.digest", InvalidInput when a document is malformed
    """

    def __init__(self, blobs: BlobStore, statement_digest: bytes) -> None:
        self.blobs = blobs
        self.statement_digest = statement_digest

    @cached_property
    def envelope(self) -> dsse.Envelope:
        """The signed envelope of an in-toto statement, whose payload is the one the digest names."""
        data = self.blobs.read_named(envelope_name(self.statement_digest), ENVELOPE_BYTES_MAX)
        envelope = dsse.Envelope.from_bytes(data)
        if envelope.payload_type != IN_TOTO:
            raise VerificationFailed(
                "envelope.type", "the envelope holds no in-toto statement", expected=IN_TOTO, got=envelope.payload_type
            )
        if envelope.digest != self.statement_digest:
            raise VerificationFailed(
                "envelope.payload", "the envelope holds another payload", expected=self.statement_digest.hex(),
                got=envelope.digest.hex(),
            )  # fmt: skip
        return envelope

    @cached_property
    def payload(self) -> bytes:
        """The exact payload, by its digest, or from the envelope where the blob is lost or damaged."""
        try:
            return self.blobs.get(self.statement_digest, CANONICAL_BYTES_MAX)
        except TallystickError:
            return self.envelope.payload

    @cached_property
    def statement(self) -> VersionStatement:
        """What the signer bound."""
        return VersionStatement.from_bytes(self.payload)

    @cached_property
    def manifest(self) -> Manifest:
        """The files by name."""
        return Manifest.from_bytes(self._document(self.statement.manifest.document))

    @cached_property
    def tensors(self) -> TensorList:
        """The tensors by name; none where no parameter root is recorded."""
        listing = self.statement.tensors
        return TensorList(()) if listing is None else TensorList.from_bytes(self._document(listing.document))

    @cached_property
    def architecture(self) -> Architecture:
        """The model without its weights; empty where no architecture root is recorded."""
        root = self.statement.architecture_root
        return Architecture((), {}) if root is None else Architecture.from_bytes(self._document(root))

    @cached_property
    def data(self) -> DataDocument:
        """The data log by its parts; raises InvalidInput "evidence.data" where the version records none."""
        if self.statement.data is None:
            raise InvalidInput("evidence.data", "this version records no training data")
        return DataDocument.from_bytes(self._document(self.statement.data.document))

    def commitments(self) -> Iterator[bytes]:
        """Yield the commitments of the data log, a segment at a time; none where the version records no data.

        raises  InvalidInput "evidence.segment" when a segment has another number of rows than its document says
        """
        for segment in self.data.segments if self.statement.data else ():
            limit = part_bytes_max("commitments", segment.count)
            found = split_digests(self.blobs.get(segment.commitments, limit))
            if len(found) != segment.count:
                raise InvalidInput(
                    "evidence.segment", "a segment has another number of rows", expected=segment.count, got=len(found)
                )
            yield from found

    def _document(self, digest: bytes) -> bytes:
        return self.blobs.get(digest, CANONICAL_BYTES_MAX)
