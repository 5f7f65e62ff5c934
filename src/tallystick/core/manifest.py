"""A manifest names every file of a model version by name, size and SHA-256, under one Merkle root.

Unlike a digest over file digests, the root binds the names: a renamed copy is another model.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from tallystick.core import canonical, documents, merkle
from tallystick.core.digest import check_digest
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import MANIFEST_FILES_MAX, SAFE_INTEGER_MAX
from tallystick.core.names import check_name, sort_key

FILE_KIND = "tallystick/file/v1"
MANIFEST_KIND = "tallystick/manifest/v1"


@dataclass(frozen=True)
class FileEntry:
    """One file: its relative name, its size in bytes and the SHA-256 of its content."""

    name: str
    size: int
    sha256: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        documents.integer(self.size, f"size of {self.name}", 0, SAFE_INTEGER_MAX)
        check_digest(self.sha256, f"digest of {self.name}")

    def leaf(self) -> bytes:
        """Return the Merkle leaf entry; its kind keeps it from being valid in any other tree."""
        return canonical.encode({"kind": FILE_KIND, **self.to_dict()})

    def to_dict(self) -> dict[str, object]:
        """Return the entry as JSON members."""
        return {"name": self.name, "sha256": self.sha256.hex(), "size": self.size}


@dataclass(frozen=True)
class Manifest:
    """The files of a version, sorted by the UTF-8 bytes of their names, each name once."""

    files: tuple[FileEntry, ...]

    def __post_init__(self) -> None:
        names = [sort_key(file.name) for file in self.files]
        if len(names) > MANIFEST_FILES_MAX:
            raise InvalidInput("manifest.size", "too many files", expected=f"≤ {MANIFEST_FILES_MAX}", got=len(names))
        if any(left >= right for left, right in pairwise(names)):
            raise InvalidInput("manifest.order", "files are not sorted by name, or a name stands twice")

    @classmethod
    def of(cls, files: Iterable[FileEntry]) -> Manifest:
        """Return the manifest of these files in any order.

        raises  InvalidInput "manifest.order" when a name stands twice, "manifest.size" when there are too many
        """
        return cls(tuple(sorted(files, key=lambda file: sort_key(file.name))))

    @property
    def count(self) -> int:
        """How many files there are; recorded beside the root, which does not bind it."""
        return len(self.files)

    @cached_property
    def root(self) -> bytes:
        """The RFC 6962 root over the file leaves."""
        return merkle.root(self._leaf_hashes)

    @cached_property
    def _leaf_hashes(self) -> list[bytes]:
        return merkle.leaf_hashes(file.leaf() for file in self.files)

    def entry(self, name: str) -> FileEntry:
        """Return the file called `name`; raise InvalidInput "manifest.name" when there is none."""
        for file in self.files:
            if file.name == name:
                return file
        raise InvalidInput("manifest.name", "manifest has no such file", got=name)

    def inclusion_path(self, name: str) -> list[bytes]:
        """Return the proof that the file called `name` is under `root`."""
        return merkle.inclusion_path(self._leaf_hashes, self.files.index(self.entry(name)))

    def to_bytes(self) -> bytes:
        """Return the canonical document."""
        return canonical.encode({"files": [file.to_dict() for file in self.files], "kind": MANIFEST_KIND})

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Read the canonical document.

        raises  InvalidInput for anything that `to_bytes` would not write
        """
        found = documents.members(canonical.decode(data, "manifest"), "manifest", ("files", "kind"))
        if found["kind"] != MANIFEST_KIND:
            raise InvalidInput("manifest.kind", "not a manifest", expected=MANIFEST_KIND, got=str(found["kind"])[:80])
        return cls(tuple(_read_file(item) for item in documents.listed(found["files"], "files", MANIFEST_FILES_MAX)))


def _read_file(item: object) -> FileEntry:
    found = documents.members(item, "file", ("name", "sha256", "size"))
    return FileEntry(
        check_name(found["name"]), documents.integer(found["size"], "size"), documents.digest(found["sha256"], "sha256")
    )
