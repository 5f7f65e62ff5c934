"""Training data as a log: rows commit, the log only grows, any size and any row can be proved, damage is named."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.core import canonical, merkle
from tallystick.core.commitment import Domain, commit
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.core.limits import ROW_BYTES_MAX, SAFE_INTEGER_MAX
from tallystick.models.dataset import DataDocument, Dataset, create, open_dataset, split_rows
from tallystick.models.rows import (
    RowProof,
    commit_rows,
    encode_row,
    entry_of,
    rows_of_array,
    rows_of_csv,
    rows_of_files,
)

cells = st.text(max_size=6) | st.integers(-SAFE_INTEGER_MAX, SAFE_INTEGER_MAX)
rows = st.lists(cells, max_size=5) | st.dictionaries(st.text(max_size=3), cells, max_size=3)
batches = st.lists(st.lists(rows, min_size=1, max_size=6), min_size=1, max_size=4)


def _fresh(folder: Path) -> Path:
    """Return a new folder inside `folder`, which one property uses many times."""
    return folder / str(len(list(folder.iterdir())))


def _grown(folder: Path, batches: list[list[object]]) -> Dataset:
    data = create(_fresh(folder))
    for batch in batches:
        data = data.append(batch)  # type: ignore[arg-type]
    return data


class TestRows:
    """A row is canonical JSON of texts and integers; its commitment hides it."""

    @given(rows)
    def test_a_row_is_canonical_json(self, row: object) -> None:
        assert encode_row(row) == canonical.encode(row)  # type: ignore[arg-type]

    @given(st.lists(rows, max_size=5), st.binary(min_size=160, max_size=160))
    def test_a_commitment_is_the_one_of_core(self, found: list[object], salts: bytes) -> None:
        encoded = [encode_row(row) for row in found]  # type: ignore[arg-type]
        salts = salts[: 32 * len(encoded)]
        expected = [commit(Domain.ROW, salts[32 * at : 32 * at + 32], row) for at, row in enumerate(encoded)]
        assert commit_rows(encoded, salts) == expected

    @given(st.binary(min_size=32, max_size=32))
    def test_a_log_entry_is_canonical_json(self, commitment: bytes) -> None:
        assert entry_of(commitment) == canonical.encode({"kind": "tallystick/row/v1", "commit": commitment.hex()})

    @pytest.mark.parametrize(
        "row",
        [
            [1.0],
            [True],
            [None],
            [["a"]],
            [b"a"],
            "text",
            b"bytes",
            [2**53],
            [float("nan")],
            {"a": 1.0},
            {1: "a"},
            ["\ud800"],
        ],
    )
    def test_a_row_of_anything_else_is_refused(self, row: object) -> None:
        with pytest.raises(InvalidInput):
            encode_row(row)  # type: ignore[arg-type]

    def test_a_row_larger_than_allowed_is_refused(self) -> None:
        encode_row(["x" * (ROW_BYTES_MAX - 4)])
        with pytest.raises(InvalidInput) as caught:
            encode_row(["x" * ROW_BYTES_MAX])
        assert caught.value.code == "row.size"

    def test_rows_and_salts_of_different_number_are_refused(self) -> None:
        for salts in (bytes(32), bytes(96)):
            with pytest.raises(InvalidInput):
                commit_rows([b"[]", b"[]"], salts)


class TestSources:
    """Matrices, CSV files and folders of files become rows that read back."""

    @pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16, np.int64, np.uint8])
    def test_a_number_of_a_matrix_reads_back_exactly(self, kind: type) -> None:
        matrix = (np.random.default_rng(0).normal(size=(20, 4)) * 1000).astype(kind)
        found = rows_of_array(matrix, np.arange(20))
        assert (np.array([row[:-1] for row in found]).astype(kind) == matrix).all()
        assert [row[-1] for row in found] == [str(label) for label in range(20)]
        assert found[0][0] == str(matrix[0, 0])

    def test_labels_must_be_as_many_as_rows(self) -> None:
        for features, labels in ((np.zeros(3), None), (np.zeros((3, 1)), np.zeros(2))):
            with pytest.raises(InvalidInput):
                rows_of_array(features, labels)

    def test_a_csv_file_gives_its_cells_as_they_stand(self, tmp_path: Path) -> None:
        (tmp_path / "t.csv").write_bytes('a,b\n1.50,"x, y"\n,ü\n'.encode())
        assert rows_of_csv(tmp_path / "t.csv") == (("a", "b"), [["1.50", "x, y"], ["", "ü"]])

    @pytest.mark.parametrize("data", [b"", b"a,b\n1\n", b"a\n\xff\n", b'a\n"x\n', b'a\n"x"y\n'])
    def test_a_csv_file_that_is_none_is_refused(self, tmp_path: Path, data: bytes) -> None:
        (tmp_path / "t.csv").write_bytes(data)
        with pytest.raises(InvalidInput):
            rows_of_csv(tmp_path / "t.csv")

    def test_a_folder_of_files_gives_a_row_for_each(self, tmp_path: Path) -> None:
        (tmp_path / "images").mkdir()
        (tmp_path / "images" / "a.png").write_bytes(b"png")
        found = list(rows_of_files(tmp_path))
        assert [(row["name"], row["size"]) for row in found] == [("images/a.png", 3)]
        create(_fresh(tmp_path)).append(found)


few = settings(max_examples=settings().max_examples // 5)  # each append makes four files durable


class TestLog:
    """An RFC 6962 log that any verifier of such logs reads."""

    @few
    @given(batches)
    def test_the_root_is_the_tree_over_the_rows_in_order(self, tmp_path: Path, batches: list[list[object]]) -> None:
        data = _grown(tmp_path, batches)
        stored = list(data.rows())
        assert [row for row, _ in stored] == [encode_row(row) for batch in batches for row in batch]  # type: ignore[arg-type]
        entries = [entry_of(commit(Domain.ROW, salt, row)) for row, salt in stored]
        assert data.root == merkle.root(merkle.leaf_hashes(entries))
        assert len({salt for _, salt in stored}) == data.size

    @few
    @given(batches)
    def test_a_log_reopened_is_the_log_that_was_written(self, tmp_path: Path, batches: list[list[object]]) -> None:
        data = _grown(tmp_path, batches)
        again = open_dataset(data.folder)
        assert (again.document, again.commitments, again.root) == (data.document, data.commitments, data.root)
        assert DataDocument.from_bytes(data.document.to_bytes()) == data.document

    @few
    @given(batches, st.data())
    def test_growth_is_proved_between_any_two_sizes(
        self, tmp_path: Path, batches: list[list[object]], data: st.DataObject
    ) -> None:
        log = _grown(tmp_path, batches)
        old = data.draw(st.integers(0, log.size))
        path = log.consistency_path(old)
        merkle.verify_consistency(old, log.size, log.root_at(old), log.root, path)
        if 0 < old < log.size:
            with pytest.raises(VerificationFailed):
                merkle.verify_consistency(old, log.size, bytes(32), log.root, path)

    @few
    @given(batches, st.data())
    def test_each_row_is_proved_and_no_other(
        self, tmp_path: Path, batches: list[list[object]], data: st.DataObject
    ) -> None:
        log = _grown(tmp_path, batches)
        proof = log.row_proof(data.draw(st.integers(0, log.size - 1)))
        proof.verify(log.size, log.root)
        assert RowProof.from_bytes(proof.to_bytes()) == proof
        for false in (
            RowProof(proof.index, proof.size, proof.row + b" ", proof.salt, proof.path),
            RowProof(proof.index, proof.size, proof.row, bytes(32), proof.path),
            RowProof(proof.index, proof.size, proof.row, proof.salt, (*proof.path, bytes(32))),
            RowProof(proof.index, proof.size + 1, proof.row, proof.salt, proof.path),
        ):
            with pytest.raises(VerificationFailed):
                false.verify(log.size, log.root)

    def test_the_same_rows_in_two_logs_have_nothing_in_common(self, tmp_path: Path) -> None:
        left, right = (_grown(tmp_path, [[["a", "1"]] * 3]) for _ in range(2))
        assert not {*left.commitments} & {*right.commitments}

    def test_a_hundred_thousand_rows_are_one_append(self, tmp_path: Path) -> None:
        matrix = np.random.default_rng(0).normal(size=(100_000 if os.environ.get("TALLYSTICK_LONG") else 20_000, 8))
        data = create(tmp_path / "data").append(rows_of_array(matrix))
        assert data.size == len(matrix)
        assert open_dataset(tmp_path / "data").root == data.root


class TestAppending:
    """All rows of an append or none."""

    def test_an_empty_append_and_a_row_that_is_refused_change_nothing(self, tmp_path: Path) -> None:
        data = _grown(tmp_path, [[["a"]]])
        for batch in ([], [["b"], [1.5]]):
            with pytest.raises(InvalidInput):
                data.append(batch)  # type: ignore[arg-type]
        assert open_dataset(data.folder).document == data.document

    def test_an_append_cut_short_by_a_crash_leaves_the_log_as_it_was(self, tmp_path: Path) -> None:
        data = _grown(tmp_path, [[["a"]]])
        for kind in ("rows.jsonl", "salts", "commitments"):  # written before the document, which alone counts
            (data.folder / f"000001.{kind}").write_bytes(b"torn")
        assert open_dataset(data.folder).document == data.document
        assert open_dataset(data.folder).append([["b"]]).size == 2
        assert [row for row, _ in open_dataset(data.folder).rows()] == [b'["a"]', b'["b"]']

    def test_two_writers_take_turns(self, tmp_path: Path) -> None:
        data = _grown(tmp_path, [[["start"]]])

        def write(name: str) -> None:
            for at in range(5):
                data.append([[name, at]])

        threads = [threading.Thread(target=write, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = open_dataset(data.folder)
        assert found.size == 11
        assert len({row for row, _ in found.rows()}) == 11

    def test_a_data_set_is_made_once(self, tmp_path: Path) -> None:
        create(tmp_path / "data")
        with pytest.raises(InvalidInput) as caught:
            create(tmp_path / "data")
        assert caught.value.code == "files.exists"


class TestRestart:
    """Rows leave by a new log that says so."""

    def test_the_new_log_names_the_old_one_and_keeps_the_other_rows_as_they_were(self, tmp_path: Path) -> None:
        old = _grown(tmp_path, [[["a"], ["b"]], [["c"]]])
        new = old.restart(tmp_path / "new", {1}, "withdrawn by its owner")
        origin = open_dataset(new.folder).document.origin
        assert origin is not None
        assert (origin.root, origin.size, origin.reason) == (old.root, 3, "withdrawn by its owner")
        assert new.commitments == (old.commitments[0], old.commitments[2])
        assert [row for row, _ in new.rows()] == [b'["a"]', b'["c"]']

    def test_every_row_may_leave(self, tmp_path: Path) -> None:
        old = _grown(tmp_path, [[["a"]]])
        assert old.restart(tmp_path / "new", [0], "all of it").root == merkle.EMPTY_ROOT

    @pytest.mark.parametrize(("leave", "reason"), [({3}, "why"), ({-1}, "why"), ({0}, ""), ({0}, "x" * 1_001)])
    def test_a_stranger_or_no_reason_is_refused(self, tmp_path: Path, leave: set[int], reason: str) -> None:
        with pytest.raises(InvalidInput):
            _grown(tmp_path, [[["a"], ["b"]]]).restart(tmp_path / "new", leave, reason)
        assert not (tmp_path / "new").exists()


class TestDamage:
    """A damaged file is refused where it is read, by name."""

    @pytest.mark.parametrize("kind", ["rows.jsonl", "salts", "commitments"])
    def test_a_flipped_byte_is_found(self, tmp_path: Path, kind: str) -> None:
        data = _grown(tmp_path, [[["a"], ["b"]]])
        path = data.folder / f"000000.{kind}"
        damaged = bytearray(path.read_bytes())
        damaged[3] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(VerificationFailed, match=f"000000.{kind}"):
            list(open_dataset(data.folder).rows())

    @few
    @given(st.data())
    def test_a_changed_document_is_refused_or_another_one(self, tmp_path: Path, data: st.DataObject) -> None:
        document = create(_fresh(tmp_path), ["a", "b"]).append([["x", 1]]).document
        whole = bytearray(document.to_bytes())
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
        try:
            assert DataDocument.from_bytes(bytes(whole)) != document
        except InvalidInput:
            pass

    @pytest.mark.parametrize(("data", "count"), [(b"[]\n[]", 2), (b"[]\n", 2), (b"[]\n[]\n", 1), (b"", 1)])
    def test_lines_of_another_number_are_refused(self, data: bytes, count: int) -> None:
        with pytest.raises(InvalidInput):
            split_rows(data, count)

    @given(st.binary(max_size=120))
    def test_any_bytes_are_a_proof_or_refused(self, data: bytes) -> None:
        for parse in (RowProof.from_bytes, DataDocument.from_bytes):
            with pytest.raises(InvalidInput):
                parse(data)
