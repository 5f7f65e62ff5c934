"""A log as static files: the tiles, bundles and checkpoint of C2SP tlog-tiles under `logs/<hex SHA-256(origin)>/`.

Any tlog reader understands them, given the prefix and the vkey. Files are written tiles first and checkpoint last, so
whoever reads the checkpoint finds everything it speaks of; an export that was killed is simply repeated.
"""

from __future__ import annotations

from dataclasses import dataclass

from tallystick.core.checkpoint import Checkpoint
from tallystick.core.digest import sha256_hex
from tallystick.core.errors import InvalidInput, TallystickError
from tallystick.core.limits import NOTE_BYTES_MAX, TILE_WIDTH
from tallystick.inference.log.frames import encode_items
from tallystick.inference.log.journal import parse_head
from tallystick.inference.log.reader import LogReader
from tallystick.inference.log.tiles import BODIES_LEVEL, BUNDLE_LEVEL, TileName, tiles_of
from tallystick.inference.log.wal import BODY_PREFIX_BYTES
from tallystick.store.blobs import BlobStore


@dataclass(frozen=True)
class Exported:
    """What an export wrote: files of a tree of `size` that a tree of `since` lacked."""

    prefix: str
    since: int
    size: int
    files: int


def log_prefix(origin: str) -> str:
    """Return where the files of a log lie in a blob store, without a trailing slash."""
    return f"logs/{sha256_hex(origin.encode())}"


def export(
    reader: LogReader,
    blobs: BlobStore,
    checkpoint: bytes | None = None,
    *,
    bodies: bool = False,
    whole: bool = False,
) -> Exported:
    """Make the blob store hold the log up to a signed checkpoint, by default the latest.

    bodies  also what was kept beside the entries: requests and answers in the clear, for auditors who may read them
    whole   write every file again, not only what is new since the checkpoint that the store holds
    raises  InvalidInput "export.unsigned" before the first checkpoint, "export.older" when the store has a later one;
            VerificationFailed "export.root" when the log is not what the checkpoint says; as reads and writes do
    """
    note = checkpoint if checkpoint is not None else reader.checkpoint()
    if note is None:
        raise InvalidInput("export.unsigned", "the log has no checkpoint yet", hint="sign one first")
    head, prefix = parse_head(note), log_prefix(reader.origin)
    if head.origin != reader.origin or head.size > reader.size or reader.root(head.size) != head.root:
        raise InvalidInput("export.checkpoint", "the checkpoint is not one of this log", got=head.body)
    since = 0 if whole else _exported_size(blobs, prefix, reader)
    if since > head.size:
        raise InvalidInput("export.older", "the store holds a later checkpoint", expected=f"≥ {since}", got=head.size)
    files = 0
    for name in tiles_of(head.size, since, bodies=bodies):
        blobs.write_named(f"{prefix}/{name.path}", _content(reader, name))
        files += 1
    blobs.write_named(f"{prefix}/checkpoint", note)
    return Exported(prefix, since, head.size, files + 1)


def _content(reader: LogReader, name: TileName) -> bytes:
    if name.level == BUNDLE_LEVEL:
        return reader.bundle(name.n, name.width)
    if name.level == BODIES_LEVEL:
        start = name.n * TILE_WIDTH
        return encode_items(reader.bodies(start, start + name.width), BODY_PREFIX_BYTES)
    return reader.tile(name.level, name.n, name.width)


def _exported_size(blobs: BlobStore, prefix: str, reader: LogReader) -> int:
    """Return the size that the store's checkpoint speaks for; 0 when it has none, or one that is not this log's."""
    if not blobs.has_named(f"{prefix}/checkpoint"):
        return 0
    try:
        head: Checkpoint = parse_head(blobs.read_named(f"{prefix}/checkpoint", NOTE_BYTES_MAX))
        return head.size if head.size > reader.size or reader.root(head.size) == head.root else 0
    except TallystickError:
        return 0  # damaged: all of it is written again
