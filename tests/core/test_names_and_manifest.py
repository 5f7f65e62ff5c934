"""Names that cannot climb, and the manifest that binds them to contents."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core import canonical, merkle
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.core.limits import NAME_BYTES_MAX, SAFE_INTEGER_MAX
from tallystick.core.manifest import FILE_KIND, MANIFEST_KIND, FileEntry, Manifest
from tallystick.core.names import check_name, sort_key
from tests.core.strategies import hashes, reference_root


def _is_name(text: str) -> bool:
    try:
        check_name(text)
    except InvalidInput:
        return False
    return True


names = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\\"), min_size=1, max_size=12
).filter(_is_name)
files = st.builds(FileEntry, names, st.integers(0, SAFE_INTEGER_MAX), hashes)
manifests = st.lists(files, max_size=20, unique_by=lambda file: file.name).map(Manifest.of)

MANIFEST = Manifest.of(FileEntry(name, len(name), bytes([at]) * 32) for at, name in enumerate(["b", "a/b", "a", "ä"]))


class TestNames:
    """Relative, `/`-separated, NFC."""

    @pytest.mark.parametrize(
        "name", ["a", "model.onnx", "a/b/c", "..a", "a..", ".hidden", "…", "ä", "模型/权重", "x" * 1024]
    )
    def test_plain_relative_names_are_taken(self, name: str) -> None:
        assert check_name(name) == name

    @pytest.mark.parametrize(
        "name",
        [
            "",
            "/",
            "/etc/passwd",
            "a/",
            "a//b",
            ".",
            "..",
            "../a",
            "a/../b",
            "a/..",
            "./a",
            "a\\b",
            "..\\a",
            "a\x00b",
            "a\nb",
            "a\x7f",
            "a\x85",
            "\ud800",
            "a\u0308",
            "\u212b",
            "x" * (NAME_BYTES_MAX + 1),
            "é" * (NAME_BYTES_MAX // 2 + 1),
            None,
            b"a",
            1,
        ],
    )
    def test_names_that_climb_hide_or_have_two_spellings_are_refused(self, name: object) -> None:
        with pytest.raises(InvalidInput) as refused:
            check_name(name)
        assert refused.value.code == "name.form"

    @given(st.text(max_size=12))
    def test_an_accepted_name_stays_inside_and_has_one_spelling(self, text: str) -> None:
        if not _is_name(text):
            return
        assert not text.startswith("/")
        assert not {"", ".", ".."} & set(text.split("/"))
        assert unicodedata.normalize("NFC", text) == text

    @given(st.lists(names, max_size=8))
    def test_the_order_is_that_of_utf8_bytes(self, drawn: list[str]) -> None:
        assert sorted(drawn, key=sort_key) == [raw.decode() for raw in sorted(name.encode() for name in drawn)]


class TestManifests:
    """The root binds every name, size and content."""

    @given(manifests)
    def test_a_manifest_reads_back_the_same(self, manifest: Manifest) -> None:
        again = Manifest.from_bytes(manifest.to_bytes())
        assert (again, again.root, again.count) == (manifest, manifest.root, len(manifest.files))

    @given(manifests)
    def test_the_root_is_rfc_6962_over_the_documented_leaves(self, manifest: Manifest) -> None:
        leaves = [
            canonical.encode({"kind": FILE_KIND, "name": file.name, "sha256": file.sha256.hex(), "size": file.size})
            for file in manifest.files
        ]
        assert manifest.root == reference_root(leaves)

    @given(st.lists(files, min_size=1, max_size=8, unique_by=lambda file: file.name), st.randoms())
    def test_the_order_in_which_files_are_found_does_not_matter(self, found: list[FileEntry], random: object) -> None:
        shuffled = list(found)
        random.shuffle(shuffled)  # type: ignore[attr-defined]
        assert Manifest.of(shuffled) == Manifest.of(found)

    @given(st.lists(files, min_size=1, max_size=8, unique_by=lambda file: file.name), files)
    def test_any_renamed_resized_or_altered_file_moves_the_root(self, found: list[FileEntry], other: FileEntry) -> None:
        first, *rest = found
        if other.name in {file.name for file in rest}:
            return
        for changed in (
            FileEntry(other.name, first.size, first.sha256),
            FileEntry(first.name, other.size, first.sha256),
            FileEntry(first.name, first.size, other.sha256),
        ):
            same = changed == first
            assert (Manifest.of([changed, *rest]).root == Manifest.of(found).root) == same

    @given(manifests.filter(lambda manifest: manifest.count > 0), st.data())
    def test_every_file_is_provable_and_no_other_is(self, manifest: Manifest, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, manifest.count - 1))
        file = manifest.files[at]
        path = manifest.inclusion_path(file.name)
        merkle.verify_inclusion(at, manifest.count, merkle.leaf_hash(file.leaf()), path, manifest.root)
        other = FileEntry(file.name, file.size, bytes([file.sha256[0] ^ 1]) + file.sha256[1:])
        with pytest.raises(VerificationFailed):
            merkle.verify_inclusion(at, manifest.count, merkle.leaf_hash(other.leaf()), path, manifest.root)

    def test_the_document_is_the_documented_one(self) -> None:
        manifest = Manifest.of([FileEntry("a", 1, bytes(32))])
        entry = b'{"name":"a","sha256":"' + b"0" * 64 + b'","size":1}'
        assert manifest.to_bytes() == b'{"files":[' + entry + b'],"kind":"tallystick/manifest/v1"}'
        assert manifest.files[0].leaf() == b'{"kind":"tallystick/file/v1",' + entry[1:]

    def test_files_are_sorted_by_bytes_not_by_letters(self) -> None:
        assert [file.name for file in MANIFEST.files] == ["a", "a/b", "b", "ä"]

    def test_a_file_is_found_by_its_name_and_an_absent_one_is_refused(self) -> None:
        assert MANIFEST.entry("b").size == 1
        for find in (MANIFEST.entry, MANIFEST.inclusion_path):
            with pytest.raises(InvalidInput) as refused:
                find("c")
            assert refused.value.code == "manifest.name"

    def test_a_name_may_stand_once(self) -> None:
        with pytest.raises(InvalidInput) as refused:
            Manifest.of([FileEntry("a", 1, bytes(32)), FileEntry("a", 2, bytes(32))])
        assert refused.value.code == "manifest.order"

    def test_files_in_another_order_are_refused(self) -> None:
        document = json.loads(MANIFEST.to_bytes())
        document["files"].reverse()
        with pytest.raises(InvalidInput) as refused:
            Manifest.from_bytes(canonical.encode(document))
        assert refused.value.code == "manifest.order"

    @pytest.mark.parametrize(
        "change",
        [
            {"name": "../a"},
            {"name": None},
            {"size": -1},
            {"size": "1"},
            {"size": True},
            {"sha256": "00"},
            {"sha256": "A" * 64},
            {"sha256": None},
            {"mode": 420},
        ],
        ids=str,
    )
    def test_a_malformed_file_is_refused(self, change: dict[str, object]) -> None:
        entry = {"name": "a", "sha256": "0" * 64, "size": 1} | change
        with pytest.raises(InvalidInput):
            Manifest.from_bytes(canonical.encode({"files": [entry], "kind": MANIFEST_KIND}))

    def test_another_kind_of_document_or_spelling_is_refused(self) -> None:
        for data, code in (
            (canonical.encode({"files": [], "kind": "tallystick/manifest/v2"}), "manifest.kind"),
            (b" " + MANIFEST.to_bytes(), "canonical.form"),
            (b"[]", "document.type"),
            (b"{}", "document.missing"),
        ):
            with pytest.raises(InvalidInput) as refused:
                Manifest.from_bytes(data)
            assert refused.value.code == code

    def test_no_more_files_than_the_bound_are_taken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tallystick.core.manifest.MANIFEST_FILES_MAX", 3)
        with pytest.raises(InvalidInput) as refused:
            Manifest(MANIFEST.files)
        assert refused.value.code == "manifest.size"
        with pytest.raises(InvalidInput) as refused:
            Manifest.from_bytes(MANIFEST.to_bytes())
        assert refused.value.code == "document.length"

    def test_an_empty_manifest_has_the_empty_root(self) -> None:
        assert Manifest.of([]).root == merkle.EMPTY_ROOT
