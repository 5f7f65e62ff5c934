"""Data that a publisher wrote by hand: what rows, salts and commitments say together is all that they may say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick.core import merkle
from tallystick.core.commitment import Domain, commit
from tallystick.core.digest import sha256
from tallystick.models.dataset import DataDocument, Dataset, Origin, Segment
from tallystick.models.rows import leaf_hashes
from tallystick.models.statement import DataClaim
from tests.models.liar import Liar, flagged
from tests.models.story import table

ROWS = (b'["a","1"]', b'["b","0"]')
SALTS = (b"\x01" * 32, b"\x02" * 32)


def _commitments(rows: tuple[bytes, ...]) -> tuple[bytes, ...]:
    return tuple(commit(Domain.ROW, salt, row) for salt, row in zip(SALTS, rows, strict=True))


def _claim(liar: Liar, rows: bytes, salts: bytes, commitments: tuple[bytes, ...], **named: object) -> DataClaim:
    """Keep a log of one segment and return the claim to it, with a root that is right for these commitments."""
    digests = [liar.desk.blobs.put(part) for part in (rows, salts, b"".join(commitments))]
    count = named.pop("count", len(commitments))
    assert isinstance(count, int)
    document = liar.desk.blobs.put(DataDocument((), (Segment(count, *digests),)).to_bytes())
    root = merkle.root(leaf_hashes(commitments))
    claim = DataClaim(root, len(commitments), document, True, "replaced", (), "written by hand")
    return replace(claim, **named)  # type: ignore[arg-type]


def _record(liar: Liar, claim: DataClaim) -> set[str]:
    liar.record(flagged(replace(liar.second(), data=claim), liar))
    return liar.failures()


def test_a_log_written_by_hand_as_the_page_says_passes(liar: Liar) -> None:
    assert _record(liar, _claim(liar, b"\n".join((*ROWS, b"")), b"".join(SALTS), _commitments(ROWS))) == set()


@pytest.mark.parametrize(
    ("rows", "row"),
    [
        (b"\n".join((*ROWS, b'["more","1"]', b"")), 2),  # a published row that nothing commits to
        (b"\n".join((*ROWS, b"", b"")), 2),
        (b"\n".join(ROWS), 1),  # the last row lacks its end
        (ROWS[0] + b"\n", 1),
    ],
    ids=["a row more", "an empty line more", "no end", "a row less"],
)
def test_published_rows_are_those_of_the_log_and_no_other(liar: Liar, rows: bytes, row: int) -> None:
    assert _record(liar, _claim(liar, rows, b"".join(SALTS), _commitments(ROWS))) == {f"data row {row}"}


@pytest.mark.parametrize(
    "row", [b'{"a":"1","a":"2"}', b'["a", "1"]', b"[1.5]", b'[["a"]]', b"a,1", b"\xff", b'{"b":"1","a":"2"}'], ids=ascii
)
def test_a_row_that_could_be_read_in_two_ways_is_named_although_its_commitment_holds(liar: Liar, row: bytes) -> None:
    rows = (ROWS[0], row)
    assert _record(liar, _claim(liar, b"\n".join((*rows, b"")), b"".join(SALTS), _commitments(rows))) == {"data row 1"}


@pytest.mark.parametrize("published", [True, False])
def test_a_segment_holds_as_many_commitments_as_its_document_says(liar: Liar, published: bool) -> None:
    rows = b"\n".join((*ROWS, b""))
    claim = _claim(liar, rows, b"".join(SALTS), _commitments(ROWS), count=3, published=published)
    assert {"data segment 0, commitments"} <= _record(liar, claim)


class TestRestarts:
    """Rows may leave for a reason; the others stay as they were, in their order, and an audit says how many."""

    @staticmethod
    def _restarted(liar: Liar, log: Dataset) -> DataClaim:
        for at, _ in enumerate(log.document.segments):
            for _, path in log.parts_of(at):
                liar.desk.blobs.put_file(path)
        document = liar.desk.blobs.put(log.document.to_bytes())
        return DataClaim(log.root, log.size, document, True, "restarted", (), "withdrawn")

    @staticmethod
    def _old(liar: Liar) -> Dataset:
        """Return the log of the first version, as it was then."""
        segment = liar.log.document.segments[:1]
        return replace(
            liar.log, document=replace(liar.log.document, segments=segment), commitments=liar.log.commitments[:6]
        )

    def test_what_stayed_and_what_came_is_counted(self, liar: Liar) -> None:
        log = self._old(liar).restart(liar.folder / "lighter", {1, 4}, "withdrawn").append(table(20, 23))
        assert _record(liar, self._restarted(liar, log)) == set()
        details = [check.detail for check in liar.desk.audit(liar.model).checks if check.name.endswith("data history")]
        assert details[-1] == "begun anew with 4 of 6 rows and 3 others: withdrawn"

    def test_all_rows_may_leave(self, liar: Liar) -> None:
        log = self._old(liar).restart(liar.folder / "empty", range(6), "withdrawn").append(table(20, 23))
        assert _record(liar, self._restarted(liar, log)) == set()

    @pytest.mark.parametrize("order", [(1, 0, 2), (0, 0), (0, None, 1)], ids=["swapped", "twice", "after a new row"])
    def test_a_row_that_stayed_out_of_its_order_is_found(self, liar: Liar, order: tuple[int | None, ...]) -> None:
        old = self._old(liar)
        held = dict(enumerate(old.rows()))
        held[-1] = (b'["new"]', b"\x07" * 32)
        pairs = [held[-1 if at is None else at] for at in order]
        parts = (b"".join(row + b"\n" for row, _ in pairs), b"".join(salt for _, salt in pairs))
        commitments = tuple(commit(Domain.ROW, salt, row) for row, salt in pairs)
        digests = [liar.desk.blobs.put(part) for part in (*parts, b"".join(commitments))]
        document = DataDocument((), (Segment(len(pairs), *digests),), Origin(old.root, old.size, "withdrawn"))
        claim = DataClaim(
            merkle.root(leaf_hashes(commitments)), len(pairs), liar.desk.blobs.put(document.to_bytes()), True,
            "restarted", (), "withdrawn",
        )  # fmt: skip
        assert sha256(document.to_bytes()) == claim.document
        assert _record(liar, claim) == {"data history"}
