"""The part of an audit that recomputes the data log: rows and salts to commitments, commitments to the recorded root.

Where a file is damaged, the rows it spoils are named: a row is right when its salted commitment is the one in the log
and it is written as rows are, so that nobody can read another row in it. Rows that their owner kept cannot be checked
and need not be, since the commitments carry the root.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, zip_longest
from pathlib import Path

from tallystick.core import merkle
from tallystick.core.checks import Check
from tallystick.core.commitment import Domain, commit
from tallystick.core.errors import InvalidInput, TallystickError, VerificationFailed
from tallystick.core.limits import FAULTS_SHOWN_MAX, ROW_BYTES_MAX
from tallystick.models.dataset import PARTS, Segment, part_bytes_max
from tallystick.models.evidence import Evidence
from tallystick.models.roots import Roots
from tallystick.models.rows import check_row, leaf_hashes
from tallystick.models.statement import DataClaim
from tallystick.store.files import open_regular, read_bounded


def check_data(evidence: Evidence, chain: Roots, scratch: Path) -> Iterator[Check]:
    """Yield the checks of the data log against the root and size that the chain holds.

    scratch  a folder for one segment at a time
    """
    claim = evidence.statement.data
    if claim is None:
        yield Check.equal("data", (None, 0), (chain.data, chain.data_size), "no data recorded")
        return
    try:
        document = evidence.data
    except TallystickError as error:
        yield Check.failed("data document", error)
        return
    commitments: list[bytes] = []
    for at, segment in enumerate(document.segments):
        place = (at, len(commitments))
        faults, found = _check_segment(evidence, segment, place, scratch, published=claim.published)
        yield from faults
        commitments += found
    rows = "rows and salts recomputed" if claim.published else "rows withheld, commitments only"
    root = merkle.root(leaf_hashes(commitments))
    yield Check.equal(
        "data root", f"{chain.data_size} rows {_hex(chain.data)}", f"{len(commitments)} rows {root.hex()}", rows
    )


def check_data_history(
    evidence: Evidence, chain: Roots, parent: Roots | None, before: Evidence | None
) -> Iterator[Check]:
    """Yield the check that the data follows from the first parent's as the statement says.

    parent, before  what the chain holds of the first parent, and its evidence; None for a version without parents
    """
    claim = evidence.statement.data
    if claim is None:
        yield Check("data history", True, "no data recorded")
        return
    try:
        detail = _relate(evidence, claim, chain, parent, before)
    except TallystickError as error:
        yield Check.failed("data history", error)
    else:
        yield Check("data history", True, detail)


def _relate(evidence: Evidence, claim: DataClaim, chain: Roots, parent: Roots | None, before: Evidence | None) -> str:
    """Return in words how the data follows; raise VerificationFailed when it does not."""
    if parent is None or before is None or parent.data is None or chain.data is None:
        _require(claim.relation == "first", "first", claim.relation)
        return f"first data, {chain.data_size} rows"
    old, new = (parent.data_size, parent.data), (chain.data_size, chain.data)
    if claim.relation == "same":
        _require(old == new, f"{old[0]} rows {old[1].hex()}", f"{new[0]} rows {new[1].hex()}")
        return f"the same {new[0]} rows"
    if claim.relation == "grown":
        merkle.verify_consistency(old[0], new[0], old[1], new[1], claim.path)
        return f"{new[0] - old[0]} rows added to {old[0]}, none changed"
    if claim.relation == "restarted":
        origin = evidence.data.origin
        named = None if origin is None else (origin.size, origin.root)
        _require(named == old, f"origin {old[0]} rows {old[1].hex()}", str(named))
        kept, added = _compare_logs([*before.commitments()], [*evidence.commitments()], parent.data)
        return f"begun anew with {kept} of {old[0]} rows and {added} others: {claim.reason}"
    _require(claim.relation == "replaced", "a relation to the parent's data", claim.relation)
    return f"replaced, says the signer: {claim.reason}"


def _compare_logs(old: list[bytes], new: list[bytes], old_root: bytes) -> tuple[int, int]:
    """Return how many rows of the old log begin the new one, in their order, and how many follow that it never had.

    raises  VerificationFailed "data.history" when a row of the old log stands in the new one out of its order, or the
            commitments are not those of the old log
    """
    root = merkle.root(leaf_hashes(old))
    _require(root == old_root, f"the parent's rows {old_root.hex()}", root.hex())
    left = iter(old)
    kept = next((at for at, commitment in enumerate(new) if commitment not in left), len(new))  # `in` moves `left` on
    moved = {*old}.intersection(new[kept:])
    _require(not moved, "the rows that stay, in their order, before any other", f"{len(moved)} rows out of order")
    return kept, len(new) - kept


def _require(held: bool, expected: str, got: str) -> None:
    if not held:
        raise VerificationFailed(
            "data.history", "the data does not follow from the parent's as was signed", expected=expected, got=got
        )


def _check_segment(
    evidence: Evidence, segment: Segment, place: tuple[int, int], scratch: Path, *, published: bool
) -> tuple[list[Check], list[bytes]]:
    """Return what is wrong with a segment, and its commitments from whichever of its files are right.

    place  (position of the segment, index of its first row)
    """
    at, first = place
    faults: list[Check] = []
    digests: dict[str, bytes] = {}
    for kind in PARTS:
        path = scratch / kind
        path.unlink(missing_ok=True)
        if kind != "commitments" and not published:
            continue
        limit = part_bytes_max(kind, segment.count)
        try:
            digests[kind] = evidence.blobs.salvage(segment.digest_of(kind), path, limit=limit)
        except TallystickError as error:
            faults.append(Check.failed(f"data segment {at}, {kind}", error))
            continue
        if digests[kind] != segment.digest_of(kind):
            faults.append(Check.equal(f"data segment {at}, {kind}", segment.digest_of(kind), digests[kind]))
        elif kind != "rows.jsonl" and path.stat().st_size != 32 * segment.count:
            size = f"{path.stat().st_size} bytes"
            faults.append(Check.equal(f"data segment {at}, {kind}", f"{32 * segment.count} bytes", size))
    listed = _pieces(scratch / "commitments", segment.count)
    if not published:
        return faults, listed
    salts = _pieces(scratch / "salts", segment.count)
    computed = _recommit(scratch / "rows.jsonl", salts)
    faults += _name_rows(listed, computed, first)
    return faults, listed if digests.get("commitments") == segment.commitments else computed


def _name_rows(listed: list[bytes], computed: list[bytes], first: int) -> list[Check]:
    """Return a fault for each row whose salted commitment is not the listed one."""
    changed = [n for n, pair in enumerate(zip_longest(listed, computed)) if pair[0] != pair[1]]
    faults = []
    for n in changed[:FAULTS_SHOWN_MAX]:
        expected, got = (side[n].hex() if n < len(side) else "absent" for side in (listed, computed))
        faults.append(Check(f"data row {first + n}", False, "row, salt and commitment disagree", expected, got))
    if len(changed) > FAULTS_SHOWN_MAX:
        faults.append(Check("data rows", False, f"{len(changed) - FAULTS_SHOWN_MAX} more rows disagree"))
    return faults


def _recommit(path: Path, salts: list[bytes]) -> list[bytes]:
    """Return the commitment to each line of the rows file under its salt, holding one row at a time.

    A line that is no row, has no salt, or lacks its end has no commitment, and so disagrees with whatever is listed.
    """
    if not path.exists():
        return []
    with open_regular(path) as file:
        lines = iter(lambda: file.readline(ROW_BYTES_MAX + 2), b"")
        return [
            _commit_line(line, salts[at] if at < len(salts) else None)
            for at, line in enumerate(islice(lines, len(salts) + 1))  # one line too many is enough to be named
        ]


def _commit_line(line: bytes, salt: bytes | None) -> bytes:
    row = line.removesuffix(b"\n")
    try:
        check_row(row)
    except InvalidInput:
        return b""
    return b"" if salt is None or row == line else commit(Domain.ROW, salt, row)


def _pieces(path: Path, count: int) -> list[bytes]:
    """Return the whole 32-byte pieces of a salvaged file, at most `count`."""
    if not path.exists():
        return []
    data = read_bounded(path, 32 * count)
    return [data[at : at + 32] for at in range(0, len(data) - len(data) % 32, 32)]


def _hex(value: bytes | None) -> str:
    return "" if value is None else value.hex()
