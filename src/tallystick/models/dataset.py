"""Training data as an append-only log: an RFC 6962 tree of salted row commitments, in order of addition.

    dataset.json              the document: which segments, in order, and what was before (`origin`)
    000000.rows.jsonl         one canonical row a line      one triple of files for each append,
    000000.salts              32 bytes a row                never changed afterwards
    000000.commitments        32 bytes a row

The root at any size and the proof that data was only added follow from the commitments alone, which tell nothing about
the rows; rows and salts are needed only to show what a commitment stands for. Rows are never removed from a log: to
leave some out, `restart` begins another log that names the old root and the reason.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tallystick.core import canonical, documents, merkle
from tallystick.core.commitment import SALT_BYTES
from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.core.limits import (
    DATA_COLUMNS_MAX,
    DATA_LOCK_WAIT_S,
    DATA_REASON_CHARS_MAX,
    DATA_SEGMENTS_MAX,
    NAMED_BYTES_MAX,
    ROW_BYTES_MAX,
    ROWS_APPEND_MAX,
    ROWS_MAX,
)
from tallystick.models.rows import Row, RowProof, commit_rows, encode_row, leaf_hashes, split_digests
from tallystick.store.files import make_folder, read_bounded, write_atomic
from tallystick.store.locks import FileLock

DATASET_KIND = "tallystick/dataset/v1"
PARTS = ("commitments", "rows.jsonl", "salts")

_DOCUMENT = "dataset.json"


@dataclass(frozen=True)
class Segment:
    """One append: how many rows, and the SHA-256 of the three files that hold them."""

    count: int
    rows: bytes
    salts: bytes
    commitments: bytes

    def digest_of(self, kind: str) -> bytes:
        """Return the SHA-256 of one of PARTS."""
        return {"rows.jsonl": self.rows, "salts": self.salts, "commitments": self.commitments}[kind]

    def to_dict(self) -> dict[str, str]:
        """Return the segment as JSON members."""
        return {
            "commitments": self.commitments.hex(), "count": str(self.count), "rows": self.rows.hex(),
            "salts": self.salts.hex(),
        }  # fmt: skip


@dataclass(frozen=True)
class Origin:
    """The log that this one replaces, since rows were left out, and why."""

    root: bytes
    size: int
    reason: str


@dataclass(frozen=True)
class DataDocument:
    """A data log by its parts; its digest is in the version's statement."""

    columns: tuple[str, ...]
    segments: tuple[Segment, ...] = ()
    origin: Origin | None = None

    @property
    def size(self) -> int:
        """Rows in the log."""
        return sum(segment.count for segment in self.segments)

    def to_bytes(self) -> bytes:
        """Return the canonical document."""
        origin = self.origin and {
            "reason": self.origin.reason, "root": self.origin.root.hex(), "size": str(self.origin.size)
        }  # fmt: skip
        segments = [segment.to_dict() for segment in self.segments]
        return canonical.encode(
            {"columns": list(self.columns), "kind": DATASET_KIND, "origin": origin, "segments": segments}
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> DataDocument:
        """Read the canonical document; raise InvalidInput for anything that `to_bytes` would not write."""
        found = documents.members(
            canonical.decode(data, "data set"), "data set", ("columns", "kind", "origin", "segments")
        )
        if found["kind"] != DATASET_KIND:
            raise InvalidInput("dataset.kind", "not a data set", expected=DATASET_KIND, got=ascii(found["kind"])[:80])
        columns = documents.listed(found["columns"], "columns", DATA_COLUMNS_MAX)
        segments = documents.listed(found["segments"], "segments", DATA_SEGMENTS_MAX)
        return cls(
            tuple(documents.text(column, "column") for column in columns),
            tuple(_read_segment(item) for item in segments),
            None if found["origin"] is None else _read_origin(found["origin"]),
        )


@dataclass(frozen=True)
class Dataset:
    """A data log in a folder, as it was when opened or last appended to."""

    folder: Path
    document: DataDocument
    commitments: tuple[bytes, ...]

    @property
    def size(self) -> int:
        """Rows in the log."""
        return len(self.commitments)

    @cached_property
    def root(self) -> bytes:
        """The RFC 6962 root over all rows."""
        return merkle.root(self.leaf_hashes)

    @cached_property
    def leaf_hashes(self) -> list[bytes]:
        """The leaf hash of each row's log entry, in order."""
        return leaf_hashes(self.commitments)

    def root_at(self, size: int) -> bytes:
        """Return the root that the log had at `size` rows; raise InvalidInput "dataset.size" beyond its end."""
        if not 0 <= size <= self.size:
            raise InvalidInput("dataset.size", "the log was never that long", expected=f"≤ {self.size}", got=size)
        return self.root if size == self.size else merkle.root(self.leaf_hashes[:size])

    def consistency_path(self, old_size: int) -> list[bytes]:
        """Return the proof that the log only grew since it had `old_size` rows."""
        return merkle.consistency_path(self.leaf_hashes, old_size)

    def row_proof(self, index: int) -> RowProof:
        """Return the proof that row `index` is in the log; it shows the row.

        raises  InvalidInput "dataset.row"; VerificationFailed when the row, its salt and its commitment disagree
        """
        if not 0 <= index < self.size:
            raise InvalidInput("dataset.row", "no such row", expected=f"0 ≤ row < {self.size}", got=index)
        row, salt = next(item for at, item in enumerate(self.rows()) if at == index)
        path = tuple(merkle.inclusion_path(self.leaf_hashes, index))
        proof = RowProof(index, self.size, row, salt, path)
        proof.verify(self.size, self.root)
        return proof

    def rows(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield (encoded row, salt), in order, from files whose digests are checked here.

        raises  VerificationFailed "dataset.segment" naming the damaged file
        """
        for at, segment in enumerate(self.document.segments):
            rows = split_rows(_read_part(self.folder, at, "rows.jsonl", segment), segment.count)
            salts = split_digests(_read_part(self.folder, at, "salts", segment))
            yield from zip(rows, salts, strict=True)

    def parts_of(self, segment: int) -> list[tuple[str, Path]]:
        """Return (kind, path) of the files of a segment; all but the commitments show the rows."""
        return [(kind, _part(self.folder, segment, kind)) for kind in PARTS]

    def append(self, rows: Iterable[Row]) -> Dataset:
        """Return the data set with these rows added under fresh salts; durable, all of them or none.

        raises  InvalidInput "row.…", "dataset.append" for no row or too many, "dataset.full"; Unavailable "lock.held"
        """
        encoded = [encode_row(row) for row in rows]
        return self._append(encoded, secrets.token_bytes(SALT_BYTES * len(encoded)))

    def restart(self, folder: Path, leave_out: Collection[int], reason: str) -> Dataset:
        """Return a new data set in `folder` without the rows `leave_out`, which names this log and the reason.

        The other rows keep their salts, so the two lists of commitments show what was left out and that nothing else
        changed.

        raises  InvalidInput "dataset.reason" without a reason, "dataset.row" for a row that is not here
        """
        if not reason or len(reason) > DATA_REASON_CHARS_MAX:
            raise InvalidInput("dataset.reason", "rows leave for a reason", expected=f"≤ {DATA_REASON_CHARS_MAX}")
        strangers = sorted(index for index in leave_out if not 0 <= index < self.size)
        if strangers:
            raise InvalidInput("dataset.row", "no such row", expected=f"< {self.size}", got=strangers[:5])
        kept = [item for at, item in enumerate(self.rows()) if at not in leave_out]
        fresh = create(folder, self.document.columns, origin=Origin(self.root, self.size, reason))
        return fresh._append([row for row, _ in kept], b"".join(salt for _, salt in kept)) if kept else fresh

    def _append(self, encoded: list[bytes], salts: bytes) -> Dataset:
        if not 1 <= len(encoded) <= ROWS_APPEND_MAX:
            raise InvalidInput("dataset.append", "nothing or too much to add", expected=f"1 to {ROWS_APPEND_MAX} rows")
        with FileLock(self.folder / "lock", "data set", wait_s=DATA_LOCK_WAIT_S):
            now = open_dataset(self.folder)
            if now.size + len(encoded) > ROWS_MAX or len(now.document.segments) >= DATA_SEGMENTS_MAX:
                raise InvalidInput("dataset.full", "the log is full", hint="append fewer, larger batches")
            commitments = commit_rows(encoded, salts)
            at = len(now.document.segments)
            parts = {"rows.jsonl": b"".join(row + b"\n" for row in encoded), "salts": salts}
            parts["commitments"] = b"".join(commitments)
            for kind, data in parts.items():
                write_atomic(_part(self.folder, at, kind), data, mode=0o600)
            segment = Segment(len(encoded), *(sha256(parts[kind]) for kind in ("rows.jsonl", "salts", "commitments")))
            document = DataDocument(now.document.columns, (*now.document.segments, segment), now.document.origin)
            write_atomic(self.folder / _DOCUMENT, document.to_bytes(), mode=0o600)
        return Dataset(self.folder, document, (*now.commitments, *commitments))


def create(folder: Path, columns: Iterable[str] = (), *, origin: Origin | None = None) -> Dataset:
    """Return a new, empty data set in `folder`.

    columns  names for people; may be empty
    raises   InvalidInput "files.exists" when there is a data set already
    """
    document = DataDocument(tuple(columns), (), origin)
    make_folder(folder, mode=0o700)
    write_atomic(folder / _DOCUMENT, document.to_bytes(), mode=0o600, new=True)
    return Dataset(folder, document, ())


def open_dataset(folder: Path) -> Dataset:
    """Return the data set in `folder`, its commitments checked against its document; rows are read when asked for.

    raises  InvalidInput "files.missing", "dataset.kind", …; VerificationFailed "dataset.segment" naming the file
    """
    document = DataDocument.from_bytes(read_bounded(folder / _DOCUMENT, NAMED_BYTES_MAX))
    commitments: list[bytes] = []
    for at, segment in enumerate(document.segments):
        found = split_digests(_read_part(folder, at, "commitments", segment))
        if len(found) != segment.count:
            raise VerificationFailed("dataset.segment", f"segment {at}", expected=segment.count, got=len(found))
        commitments += found
    return Dataset(folder, document, tuple(commitments))


def split_rows(data: bytes, count: int) -> list[bytes]:
    """Return the lines of a rows file; raise InvalidInput "dataset.rows" unless there are `count`, each ended."""
    rows = data.split(b"\n")
    if rows.pop() or len(rows) != count:
        raise InvalidInput("dataset.rows", "rows file has another number of lines", expected=count, got=len(rows))
    return rows


def part_bytes_max(kind: str, count: int) -> int:
    """Return the most bytes that a part of a segment of `count` rows can have."""
    return count * (ROW_BYTES_MAX + 1) if kind == "rows.jsonl" else count * 32


def _part(folder: Path, at: int, kind: str) -> Path:
    return folder / f"{at:06}.{kind}"


def _read_part(folder: Path, at: int, kind: str, segment: Segment) -> bytes:
    path = _part(folder, at, kind)
    expected = segment.digest_of(kind)
    data = read_bounded(path, part_bytes_max(kind, segment.count))
    if sha256(data) != expected:
        raise VerificationFailed(
            "dataset.segment", f"{path.name} is not what was written", expected=expected.hex(), got=sha256(data).hex()
        )
    return data


def _read_segment(item: object) -> Segment:
    found = documents.members(item, "segment", ("commitments", "count", "rows", "salts"))
    count = documents.decimal(found["count"], "count", ROWS_APPEND_MAX)
    return Segment(count, *(documents.digest(found[part], part) for part in ("rows", "salts", "commitments")))


def _read_origin(item: object) -> Origin:
    found = documents.members(item, "origin", ("reason", "root", "size"))
    return Origin(
        documents.digest(found["root"], "root"),
        documents.decimal(found["size"], "size", ROWS_MAX),
        documents.text(found["reason"], "reason", DATA_REASON_CHARS_MAX),
    )
