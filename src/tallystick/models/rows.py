"""Rows of training data as bytes to commit to: canonical JSON, numbers as the decimal strings that read back to them.

A row is a list of texts and integers, or, for images, documents and shards, a file by name, size and SHA-256. Only its
salted commitment enters the data log; the row and its salt stay with whoever owns them.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from tallystick.core import canonical, documents, merkle
from tallystick.core.commitment import SALT_BYTES, Domain, commit
from tallystick.core.digest import check_digest
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.core.limits import PROOF_NODES_MAX, ROW_BYTES_MAX, TREE_SIZE_MAX
from tallystick.models.formats.folder import hash_sized
from tallystick.store.files import open_regular, walk_files

ROW_KIND = "tallystick/row/v1"
PROOF_KIND = "tallystick/row-proof/v1"

Row: TypeAlias = "Sequence[str | int] | Mapping[str, str | int]"

_TEXT = {str}
_CELLS = {str, int}


def encode_row(row: Row) -> bytes:
    """Return the canonical bytes of a row.

    raises  InvalidInput "row.cell" for floats (write decimal strings), booleans and everything else, "row.size"
    """
    kinds = {*map(type, row.values() if isinstance(row, Mapping) else row)}
    if isinstance(row, str | bytes) or not kinds <= _CELLS:
        raise InvalidInput(
            "row.cell",
            "a row holds what is neither text nor integer",
            got=", ".join(sorted(kind.__name__ for kind in kinds - _CELLS)) or type(row).__name__,
            hint="write floats as decimal strings",
        )
    if isinstance(row, Mapping):
        data = canonical.encode(dict(row))
    else:
        cells = row if isinstance(row, list) else list(row)
        data = canonical.encode(cells) if kinds != _TEXT else _encode_texts(cells)
    if len(data) > ROW_BYTES_MAX:
        raise InvalidInput("row.size", "a row is too large", expected=f"≤ {ROW_BYTES_MAX} bytes", got=len(data))
    return data


def check_row(data: bytes) -> None:
    """Return if `data` is what `encode_row` writes: a row that could be spelt twice could be read twice.

    raises  InvalidInput "row.form"
    """
    try:
        row = orjson.loads(data)
        if isinstance(row, list | dict) and encode_row(row) == data:
            return
    except (orjson.JSONDecodeError, InvalidInput):
        pass
    raise InvalidInput(
        "row.form", "not a row", expected="canonical JSON of texts and integers", got=ascii(data[:80])
    ) from None


def entry_of(commitment: bytes) -> bytes:
    """Return the log entry of a commitment: canonical JSON {"commit", "kind"}."""
    return b'{"commit":"%b","kind":"%b"}' % (commitment.hex().encode(), ROW_KIND.encode())


def commit_rows(rows: Iterable[bytes], salts: bytes) -> list[bytes]:
    """Return the commitment to each encoded row under its 32 bytes of `salts`; there must be exactly as many."""
    seeded = hashlib.sha256(f"{Domain.ROW.value}\0".encode()).copy
    commitments = []
    at = 0
    for row in rows:
        # core.commitment.commit, with its beginning hashed once: half the time over a large table
        state = seeded()
        state.update(salts[at : at + SALT_BYTES] + row)
        commitments.append(state.digest())
        at += SALT_BYTES
    if at != len(salts):
        raise InvalidInput("rows.salts", "rows and salts differ in number", expected=at, got=len(salts))
    return commitments


def split_digests(data: bytes) -> list[bytes]:
    """Return the 32-byte pieces of `data`; raise InvalidInput "rows.length" when it does not divide."""
    if len(data) % 32:
        raise InvalidInput("rows.length", "not a list of 32-byte values", got=f"{len(data)} bytes")
    return [data[at : at + 32] for at in range(0, len(data), 32)]


def leaf_hashes(commitments: Iterable[bytes]) -> list[bytes]:
    """Return the leaf hash of each commitment's log entry."""
    return merkle.leaf_hashes(map(entry_of, commitments))


def rows_of_array(features: Any, labels: Any = None) -> list[list[str]]:
    """Return each row of a NumPy matrix as the shortest decimals that read back, its label last.

    features  (n, m) floats or integers
    labels    (n,) integers or texts, or None
    raises    InvalidInput "rows.shape"
    """
    if features.ndim != 2 or (labels is not None and labels.shape != features.shape[:1]):
        raise InvalidInput("rows.shape", "not a matrix with a label for each row", got=str(features.shape))
    # float64 by repr; others through NumPy's own text form, which is the shortest that reads back at their width
    wide = features.dtype.kind == "f" and features.dtype.itemsize == 8
    cells = [[*map(repr, row)] for row in features.tolist()] if wide else features.astype("U32").tolist()
    if labels is None:
        return cells
    return [[*row, str(label)] for row, label in zip(cells, labels.tolist(), strict=True)]


def rows_of_csv(path: Path) -> tuple[tuple[str, ...], list[list[str]]]:
    """Return the header and the rows of a CSV file in UTF-8, every cell as its text.

    raises  InvalidInput "csv.form" naming the line
    """
    with open_regular(path) as file:
        lines = (_utf8(line, path) for line in file)
        reader = csv.reader(lines, strict=True)
        try:
            header = tuple(next(reader, ()))
            rows = []
            for row in reader:
                if len(row) != len(header):
                    raise InvalidInput(
                        "csv.form", f"{path}, line {reader.line_num}", expected=f"{len(header)} cells", got=len(row)
                    )
                rows.append(row)
        except csv.Error as error:
            raise InvalidInput("csv.form", f"{path}, line {reader.line_num}: {error}") from None
    if not header:
        raise InvalidInput("csv.form", f"{path} has no header")
    return header, rows


def rows_of_files(folder: Path) -> Iterator[dict[str, str | int]]:
    """Yield each file of a folder as a row {name, sha256, size}, by name; errors as store.files."""
    for name, path in walk_files(folder):
        size, digest = hash_sized(path)
        yield {"name": name, "sha256": digest.hex(), "size": size}


@dataclass(frozen=True)
class RowProof:
    """One row, its salt, and its path in the log: shows that this row was among the training data.

    Whoever is shown it learns the row, so it is given to those who may.
    """

    index: int
    size: int
    row: bytes
    salt: bytes
    path: tuple[bytes, ...]

    def verify(self, size: int, root: bytes) -> None:
        """Return if the row is in the data log (size, root).

        raises  VerificationFailed "row.proof_size", "row.form" or "merkle.inclusion"
        """
        if size != self.size:
            raise VerificationFailed("row.proof_size", "the proof is for another size", expected=size, got=self.size)
        try:
            check_row(self.row)
        except InvalidInput as error:
            raise VerificationFailed(error.code, error.message, expected=error.expected, got=error.got) from None
        leaf = merkle.leaf_hash(entry_of(commit(Domain.ROW, self.salt, self.row)))
        merkle.verify_inclusion(self.index, size, leaf, self.path, root)

    def to_bytes(self) -> bytes:
        """Return the canonical document; the row itself stands in it as text."""
        return canonical.encode(
            {
                "index": str(self.index), "kind": PROOF_KIND, "path": [node.hex() for node in self.path],
                "row": self.row.decode(), "salt": self.salt.hex(), "size": str(self.size),
            }
        )  # fmt: skip

    @classmethod
    def from_bytes(cls, data: bytes) -> RowProof:
        """Read the canonical document; raise InvalidInput for anything that `to_bytes` would not write."""
        found = documents.members(
            canonical.decode(data, "row proof"), "row proof", ("index", "kind", "path", "row", "salt", "size")
        )
        if found["kind"] != PROOF_KIND:
            raise InvalidInput("row.kind", "not a row proof", expected=PROOF_KIND, got=ascii(found["kind"])[:80])
        return cls(
            documents.decimal(found["index"], "index", TREE_SIZE_MAX),
            documents.decimal(found["size"], "size", TREE_SIZE_MAX),
            documents.text(found["row"], "row", ROW_BYTES_MAX).encode(),
            check_digest(documents.digest(found["salt"], "salt")),
            tuple(documents.digest(node, "path") for node in documents.listed(found["path"], "path", PROOF_NODES_MAX)),
        )


def _encode_texts(cells: list[str | int]) -> bytes:
    """Encode a row of texts alone, which needs none of the checks that numbers need."""
    try:
        return orjson.dumps(cells)
    except orjson.JSONEncodeError:
        return canonical.encode(cells)  # refuses it with the right words


def _utf8(line: bytes, path: Path) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise InvalidInput("csv.form", f"{path} is not UTF-8") from None
