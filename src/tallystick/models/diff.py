"""What changed between two versions, as data: roots, files, tensors, configuration, rows, and what the signer says.

Read from documents that are found by digest from the two recorded statements; no weight is fetched. Any two versions
can be compared, of one model or of two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tallystick.models.evidence import Evidence
from tallystick.store.blobs import BlobStore


@dataclass(frozen=True)
class Change:
    """One thing that differs. None: it was not there, or is there no more."""

    name: str
    old: str | None
    new: str | None

    @property
    def kind(self) -> str:
        """`added`, `removed` or `changed`."""
        return "added" if self.old is None else "removed" if self.new is None else "changed"

    def to_dict(self) -> dict[str, str | None]:
        """Return the change as plain values, fit for JSON."""
        return {"name": self.name, "kind": self.kind, "old": self.old, "new": self.new}


@dataclass(frozen=True)
class DataChange:
    """How two data logs relate: sizes, and how many rows they share from the beginning."""

    old_size: int
    new_size: int
    shared: int

    @property
    def added(self) -> int:
        """Rows of the newer log beyond the shared ones."""
        return self.new_size - self.shared

    @property
    def removed(self) -> int:
        """Rows of the older log that the newer one does not begin with."""
        return self.old_size - self.shared

    def to_dict(self) -> dict[str, int]:
        """Return the change as plain values, fit for JSON."""
        return {
            "old_size": self.old_size, "new_size": self.new_size, "shared": self.shared, "added": self.added,
            "removed": self.removed,
        }  # fmt: skip


@dataclass(frozen=True)
class VersionDiff:
    """What differs between two versions; empty lists where nothing does."""

    old: str
    new: str
    roots: tuple[Change, ...]
    files: tuple[Change, ...]
    tensors: tuple[Change, ...]
    config: tuple[Change, ...]
    data: DataChange
    hyperparameters: tuple[Change, ...]
    metrics: tuple[Change, ...]
    environment: tuple[Change, ...]
    opaque: tuple[Change, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Return the difference as plain values, fit for JSON."""
        lists = ("roots", "files", "tensors", "config", "hyperparameters", "metrics", "environment", "opaque")
        changes = {name: [change.to_dict() for change in getattr(self, name)] for name in lists}
        return {"old": self.old, "new": self.new, "data": self.data.to_dict(), **changes}


def diff_versions(blobs: BlobStore, old: bytes, new: bytes) -> VersionDiff:
    """Return what changed between the versions that the statements `old` and `new` describe.

    raises  Unavailable "blobs.missing", VerificationFailed "blobs.digest", InvalidInput for malformed documents
    """
    was, now = Evidence(blobs, old), Evidence(blobs, new)
    before, after = was.statement, now.statement
    return VersionDiff(
        old=str(before.place),
        new=str(after.place),
        roots=_changes(before.roots.to_dict(), after.roots.to_dict()),
        files=_changes(_files(was), _files(now)),
        tensors=_changes(_tensors(was), _tensors(now)),
        config=_changes(_config(was), _config(now)),
        data=_data(was, now),
        hyperparameters=_changes(before.hyperparameters, after.hyperparameters),
        metrics=_changes(before.metrics, after.metrics),
        environment=_changes(before.environment, after.environment),
        opaque=_changes(dict.fromkeys(before.opaque, "opaque"), dict.fromkeys(after.opaque, "opaque")),
    )


def _changes(old: Mapping[str, str | None], new: Mapping[str, str | None]) -> tuple[Change, ...]:
    names = sorted({*old, *new})
    return tuple(Change(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name))


def _files(evidence: Evidence) -> dict[str, str]:
    return {file.name: f"{file.size} bytes {file.sha256.hex()}" for file in evidence.manifest.files}


def _tensors(evidence: Evidence) -> dict[str, str]:
    return {
        tensor.name: f"{tensor.dtype} {list(tensor.shape)} {tensor.sha256.hex()}" for tensor in evidence.tensors.tensors
    }


def _config(evidence: Evidence) -> dict[str, str]:
    return dict(_flat(dict(evidence.architecture.configs), ""))


def _flat(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Yield (path, value as text) of every leaf of a configuration, whose depth was bounded when it was read."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _flat(item, f"{place} › {key}" if place else key)
    elif isinstance(value, list) and value:
        for at, item in enumerate(value):
            yield from _flat(item, f"{place}[{at}]")
    else:
        yield place, str(value)


def _data(was: Evidence, now: Evidence) -> DataChange:
    old, new = was.statement.data, now.statement.data
    old_size, new_size = old.size if old else 0, new.size if new else 0
    if old and new and (old.root, old.size) == (new.root, new.size):
        return DataChange(old_size, new_size, old_size)
    if old and new and new.relation == "grown" and was.statement_digest in now.statement.parents[:1]:
        return DataChange(old_size, new_size, old_size)  # the statement carries the proof, and the audit checks it
    shared = 0
    for left, right in zip(was.commitments(), now.commitments(), strict=False):
        if left != right:
            break
        shared += 1
    return DataChange(old_size, new_size, shared)
