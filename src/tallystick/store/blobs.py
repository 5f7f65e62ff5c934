"""Evidence by digest: what is put under a SHA-256 comes back as those bytes or not at all.

Blobs lie at `sha256/ab/abcdef…`, the whole digest in hex, so any web server or object store can publish them. Beside
them lie *named* files, whose content may change under a name (tiles and checkpoints of a log); those prove nothing by
themselves and their reader must verify them by other means. Where the bytes lie is blob_places.py.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from tallystick.core.digest import check_digest, sha256
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.core.limits import BLOB_BYTES_MAX, NAMED_BYTES_MAX
from tallystick.store.blob_places import open_place, pieces_of
from tallystick.store.files import open_regular, replacing, scratch_file

_PART = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
_NAMED = re.compile(rf"{_PART}(?:/{_PART}){{0,15}}\Z", re.ASCII)


class BlobStore:
    """The blobs and named files at one place.

    url   a path, `file://…`, `memory://…`, `http(s)://…` (read-only) or any other fsspec URL
    base  what a relative path is relative to
    """

    def __init__(self, url: str, *, base: Path | None = None) -> None:
        self._place = open_place(url, base)

    def __repr__(self) -> str:
        return f"BlobStore({self._place.shown})"

    # --- blobs by digest

    def put(self, data: bytes) -> bytes:
        """Keep `data` and return its SHA-256; durable on a local disk. A damaged copy already there is replaced.

        raises  InvalidInput "blobs.read_only", Unavailable "blobs.unreachable" or "files.full", Broken "files.io"
        """
        digest = sha256(data)
        if not self._holds(digest):
            self._place.write(blob_name(digest), lambda: iter((data,)))
        return digest

    def put_file(self, path: Path, *, limit: int = BLOB_BYTES_MAX) -> bytes:
        """Keep the content of the local file `path`, streamed, and return its SHA-256; also as `read_bounded`.

        raises  InvalidInput "blobs.changed" when the file changed while it was read
        """
        digest = hash_file(path, limit=limit)
        if not self._holds(digest):
            self._place.write(blob_name(digest), lambda: _same_file(path, digest, limit))
        return digest

    def get(self, digest: bytes, limit: int) -> bytes:
        """Return the bytes whose SHA-256 is `digest`, hashed again here.

        limit   bytes; nothing longer is read
        raises  VerificationFailed "blobs.digest" for other bytes and "blobs.size" for more of them than `limit`;
                Unavailable "blobs.missing" or "blobs.unreachable"
        """
        with self._place.open(blob_name(digest)) as pieces:
            return b"".join(_verified(pieces, digest, limit))

    def open_to(self, digest: bytes, path: Path, *, limit: int = BLOB_BYTES_MAX) -> None:
        """Make `path` a copy of the blob, streamed; it appears only when its hash was right. Errors as `get`."""
        with self._place.open(blob_name(digest)) as pieces, replacing(path) as file:
            for piece in _verified(pieces, digest, limit):
                file.write(piece)

    def check(self, digest: bytes, *, limit: int = BLOB_BYTES_MAX) -> int:
        """Return how many bytes the blob has, after hashing them all; errors as `get`."""
        with self._place.open(blob_name(digest)) as pieces:
            return sum(len(piece) for piece in _verified(pieces, digest, limit))

    def salvage(self, digest: bytes, path: Path, *, limit: int = BLOB_BYTES_MAX) -> bytes:
        """Make `path` a copy of whatever lies under `digest`, right or wrong, and return its true SHA-256.

        For verifiers, which must name what is damaged; nothing else may use the copy unless the digests agree. It is
        scratch, so it is not made durable, and `path` must not exist.

        raises  VerificationFailed "blobs.size" beyond `limit`; others as `get` and `open_to`
        """
        hasher = hashlib.sha256()
        with self._place.open(blob_name(digest)) as pieces, scratch_file(path) as file:
            for piece in _at_most(pieces, limit, f"blob {digest.hex()}"):
                hasher.update(piece)
                file.write(piece)
        return hasher.digest()

    def has(self, digest: bytes) -> bool:
        """Return whether there is something under `digest`; only `get` and `check` say that it is right."""
        return self._place.exists(blob_name(digest))

    def _holds(self, digest: bytes) -> bool:
        """Return whether the right bytes are there already; a damaged copy counts as absent, so that a put mends it."""
        if not self.has(digest):
            return False
        try:
            self.check(digest)
        except VerificationFailed:
            return False
        return True

    # --- files by name

    def write_named(self, name: str, data: bytes) -> None:
        """Make `data` the content of `name`, replacing what was there.

        name    parts of letters, digits, dot, dash and underscore, joined by `/`; not under `sha256/`
        raises  InvalidInput "blobs.name", "blobs.too_large"; as `put`
        """
        _check_named(name)
        if len(data) > NAMED_BYTES_MAX:
            raise InvalidInput(
                "blobs.too_large", f"{name} is too large", expected=f"≤ {NAMED_BYTES_MAX}", got=len(data)
            )
        self._place.write(name, lambda: iter((data,)))

    def read_named(self, name: str, limit: int) -> bytes:
        """Return the content of `name`, which proves nothing until its reader has verified it.

        raises  InvalidInput "blobs.name"; VerificationFailed "blobs.size"; Unavailable as `get`
        """
        with self._place.open(_check_named(name)) as pieces:
            return b"".join(_at_most(pieces, limit, name))

    def has_named(self, name: str) -> bool:
        """Return whether there is something under `name`."""
        return self._place.exists(_check_named(name))


def blob_name(digest: bytes) -> str:
    """Return where the blob lies, relative to the root of any blob store."""
    text = check_digest(digest, "blob digest").hex()
    return f"sha256/{text[:2]}/{text}"


def hash_file(path: Path, *, limit: int = BLOB_BYTES_MAX) -> bytes:
    """Return the SHA-256 of the regular file `path`, streamed; errors as `read_bounded`."""
    hasher = hashlib.sha256()
    size = 0
    with open_regular(path) as file:
        for piece in pieces_of(file):
            hasher.update(piece)
            size += len(piece)
            if size > limit:
                raise InvalidInput("files.size", f"{path} is too large", expected=f"≤ {limit} bytes")
    return hasher.digest()


def _same_file(path: Path, digest: bytes, limit: int) -> Iterator[bytes]:
    """Yield the file's pieces; raise InvalidInput before the end unless they still hash to `digest`."""
    try:
        with open_regular(path) as file:
            yield from _verified(pieces_of(file), digest, limit)
    except VerificationFailed:
        raise InvalidInput(
            "blobs.changed", f"{path} changed while it was read", hint="try again when it is at rest"
        ) from None


def _verified(pieces: Iterator[bytes], digest: bytes, limit: int) -> Iterator[bytes]:
    """Yield the pieces; raise VerificationFailed before the end unless they hash to `digest`."""
    hasher = hashlib.sha256()
    for piece in _at_most(pieces, limit, f"blob {digest.hex()}"):
        hasher.update(piece)
        yield piece
    if hasher.digest() != digest:
        raise VerificationFailed(
            "blobs.digest",
            f"blob {digest.hex()} is not what its name says",
            expected=digest.hex(),
            got=hasher.hexdigest(),
            hint="fetch it from another copy of the store",
        )


def _at_most(pieces: Iterator[bytes], limit: int, what: str) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limit:
            raise VerificationFailed("blobs.size", f"{what} is longer than expected", expected=f"≤ {limit} bytes")
        yield piece


def _check_named(name: str) -> str:
    if not _NAMED.match(name) or name.split("/")[0] == "sha256":
        raise InvalidInput(
            "blobs.name",
            "not a name for a file in a blob store",
            expected="parts of A-Z, a-z, 0-9, dot, dash, underscore, joined by /; not under sha256/",
            got=ascii(name)[:120],
        )
    return name
