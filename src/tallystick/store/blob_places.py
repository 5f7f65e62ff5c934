"""Where blobs lie: a local folder, or whatever fsspec can reach. Places move bytes; blobs.py is what verifies them.

A local folder is written through files.py, so a name is whole or absent even after a crash. A remote place gives what
its driver gives: object stores replace atomically, and a torn upload elsewhere is caught by the reader's re-hash.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

from tallystick.core.errors import InvalidInput, TallystickError, Unavailable
from tallystick.core.limits import BLOB_CHUNK_BYTES, BLOB_CONNECT_S, BLOB_READ_S
from tallystick.store.files import open_regular, replacing, safe_join

_URL = re.compile(r"[a-z][a-z0-9+.-]*(?:://|::)", re.IGNORECASE)
_READ_ONLY = {"http", "https"}


class Place(Protocol):
    """A place that holds bytes under relative names."""

    shown: str

    def exists(self, name: str) -> bool:
        """Return whether there is something under `name`; raises Unavailable "blobs.unreachable"."""
        ...

    def open(self, name: str) -> AbstractContextManager[Iterator[bytes]]:
        """Lend the bytes under `name` in pieces of at most BLOB_CHUNK_BYTES; raises Unavailable "blobs.missing"."""
        ...

    def write(self, name: str, pieces: Callable[[], Iterator[bytes]]) -> None:
        """Make the pieces the content of `name`; raises InvalidInput "blobs.read_only" where nothing can be written."""
        ...


def open_place(url: str, base: Path | None = None) -> Place:
    """Return the place that `url` names: a path (relative to `base`), `file://`, or any fsspec URL.

    raises  InvalidInput "blobs.url"
    """
    if not url or "\0" in url or url != url.strip():
        raise InvalidInput("blobs.url", "not a blob location", expected="a path or a URL")
    if not _URL.match(url):
        return Folder((base or Path()) / url)
    parts = urlsplit(url)
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise InvalidInput("blobs.url", "not a local file URL", expected="file:///path")
        return Folder(Path(unquote(parts.path)))
    return Remote(url)


def redact(url: str) -> str:
    """Return `url` without what may be secret in it: credentials, path and query."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}" if host else f"{parts.scheme or 'local'}:"


class Folder:
    """A folder on the local disk; links in it are refused."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.shown = str(root)

    def exists(self, name: str) -> bool:
        """Return whether there is a file under `name`."""
        return safe_join(self._root, name).is_file()

    @contextmanager
    def open(self, name: str) -> Iterator[Iterator[bytes]]:
        """Lend the file in pieces."""
        try:
            with open_regular(safe_join(self._root, name)) as file:
                yield pieces_of(file)
        except InvalidInput as error:
            raise (missing(name, self.shown) if error.code == "files.missing" else error) from None

    def write(self, name: str, pieces: Callable[[], Iterator[bytes]]) -> None:
        """Replace the file, whole and durably."""
        with replacing(safe_join(self._root, name)) as file:
            for piece in pieces():
                file.write(piece)


class Remote:
    """Whatever fsspec reaches; http(s) is read-only."""

    def __init__(self, url: str) -> None:
        self.shown = redact(url)
        self._read_only = urlsplit(url).scheme in _READ_ONLY
        self._files, self._root = _open_filesystem(url, self.shown)

    def exists(self, name: str) -> bool:
        """Ask the driver whether there is something under `name`."""
        # strict: without it the HTTP driver takes a dead server for an absent file
        options = {"strict": True} if self._read_only else {}
        with self._translated(name):
            try:
                return bool(self._files.exists(self._at(name), **options))
            except FileNotFoundError:
                return False

    @contextmanager
    def open(self, name: str) -> Iterator[Iterator[bytes]]:
        """Lend the answer in pieces as they arrive."""
        with self._translated(name):
            # block_size 0: one plain request, also to servers that know neither sizes nor ranges; any size: no HEAD
            # before it, whose every failure the driver would take for an absent file
            options = {"block_size": 0, "size": 1} if self._read_only else {}
            file = self._files.open(self._at(name), "rb", **options)
        try:
            yield self._pieces(file, name)
        finally:
            file.close()

    def write(self, name: str, pieces: Callable[[], Iterator[bytes]]) -> None:
        """Send the pieces to the driver; when that fails, what may have arrived in part is removed if it can be."""
        if self._read_only:
            raise InvalidInput(
                "blobs.read_only", f"{self.shown} cannot be written over HTTP", hint="write where the server reads from"
            )
        at = self._at(name)
        with self._translated(name):
            self._files.makedirs(at.rpartition("/")[0], exist_ok=True)
            try:
                with self._files.open(at, "wb") as file:
                    for piece in pieces():
                        file.write(piece)
            except BaseException:
                with suppress(Exception):
                    self._files.rm_file(at)
                raise

    def _at(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    def _pieces(self, file: Any, name: str) -> Iterator[bytes]:
        while True:
            with self._translated(name):
                piece = bytes(file.read(BLOB_CHUNK_BYTES))
            if not piece:
                return
            yield piece

    @contextmanager
    def _translated(self, name: str) -> Iterator[None]:
        try:
            yield
        except TallystickError:
            raise
        except FileNotFoundError:
            raise missing(name, self.shown) from None
        except Exception as error:  # noqa: BLE001 - every driver raises its own family, and none may escape
            # the message of the driver may carry the whole URL with its credentials, so only its type is told
            raise Unavailable(
                "blobs.unreachable", f"{self.shown} did not give {name}: {type(error).__name__}", hint="try again later"
            ) from None


def pieces_of(file: BinaryIO) -> Iterator[bytes]:
    """Yield the rest of `file` in pieces of at most BLOB_CHUNK_BYTES."""
    while piece := file.read(BLOB_CHUNK_BYTES):
        yield piece


def missing(name: str, shown: str) -> Unavailable:
    """Return the error for a name that the place does not have."""
    return Unavailable("blobs.missing", f"{shown} has no {name}", hint="copy it there, or name another blob store")


def _open_filesystem(url: str, shown: str) -> tuple[Any, str]:
    """Return fsspec's driver for `url` and the root inside it."""
    from fsspec.core import url_to_fs  # here: loading it takes 0.2 s that local work need not pay

    try:
        files, root = url_to_fs(url, **_options(url))
    except (ValueError, ImportError) as error:
        raise InvalidInput(
            "blobs.url",
            f"no driver for {shown}: {type(error).__name__}",
            hint="install fsspec's driver for this scheme",
        ) from None
    return files, root


def _options(url: str) -> dict[str, Any]:
    if urlsplit(url).scheme not in _READ_ONLY:
        return {}
    from aiohttp import ClientTimeout

    timeout = ClientTimeout(total=None, sock_connect=BLOB_CONNECT_S, sock_read=BLOB_READ_S)
    return {"client_kwargs": {"timeout": timeout}}
