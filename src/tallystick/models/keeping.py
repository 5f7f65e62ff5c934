"""Putting a version's evidence into the blob store, all of it before the chain hears of the version.

What is put is what was inspected: a file that changed in between is refused. Putting twice is putting once.
"""

from __future__ import annotations

from pathlib import Path

from tallystick.core import dsse
from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput
from tallystick.core.manifest import FileEntry, Manifest
from tallystick.models.dataset import Dataset, part_bytes_max
from tallystick.models.evidence import envelope_name
from tallystick.models.formats.folder import ModelContent, hash_sized
from tallystick.models.statement import CodeClaim, Listing
from tallystick.store.blobs import BlobStore
from tallystick.store.files import safe_join, walk_files


def keep_content(blobs: BlobStore, folder: Path, content: ModelContent) -> None:
    """Keep the files of a model and the documents that describe them.

    raises  InvalidInput "keeping.changed" when a file is no longer what was inspected
    """
    for entry in content.manifest.files:
        _keep_file(blobs, folder, entry)
    blobs.put(content.manifest.to_bytes())
    if content.tensors.tensors:
        blobs.put(content.tensors.to_bytes())
    if content.architecture.root is not None:
        blobs.put(content.architecture.to_bytes())


def keep_data(blobs: BlobStore, dataset: Dataset, *, publish_rows: bool) -> None:
    """Keep the document and the commitments of a data log, and its rows and salts if they are to be published."""
    blobs.put(dataset.document.to_bytes())
    for at, segment in enumerate(dataset.document.segments):
        for kind, path in dataset.parts_of(at):
            if publish_rows or kind == "commitments":
                limit = part_bytes_max(kind, segment.count)
                if blobs.put_file(path, limit=limit) != segment.digest_of(kind):
                    raise InvalidInput("keeping.changed", f"{path.name} is not what was appended")


def keep_code(blobs: BlobStore, code: Path) -> CodeClaim:
    """Keep the file, or every file of the folder, and return the claim that names it."""
    if not code.is_dir():
        return CodeClaim(blobs.put_file(code), "file")
    manifest = Manifest.of(FileEntry(name, *hash_sized(path)) for name, path in walk_files(code))
    for entry in manifest.files:
        _keep_file(blobs, code, entry)
    return CodeClaim(blobs.put(manifest.to_bytes()), "manifest")


def keep_envelope(blobs: BlobStore, envelope: dsse.Envelope) -> None:
    """Keep a signed statement: the payload by its digest, the envelope by that digest's name."""
    blobs.put(envelope.payload)
    blobs.write_named(envelope_name(envelope.digest), envelope.to_bytes())


def listing_of(content: ModelContent) -> tuple[Listing, Listing | None]:
    """Return how many files and tensors there are, and the digests of the documents that list them."""
    manifest = Listing(content.manifest.count, sha256(content.manifest.to_bytes()))
    if not content.tensors.tensors:
        return manifest, None
    return manifest, Listing(content.tensors.count, sha256(content.tensors.to_bytes()))


def _keep_file(blobs: BlobStore, folder: Path, entry: FileEntry) -> None:
    if blobs.put_file(safe_join(folder, entry.name), limit=entry.size) != entry.sha256:
        raise InvalidInput(
            "keeping.changed", f"{entry.name} changed after it was inspected", hint="try again when it is at rest"
        )
