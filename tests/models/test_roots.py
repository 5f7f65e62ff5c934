"""The four roots: each change moves exactly the roots that the specification says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.contracts import Kind
from tallystick.core import canonical, merkle
from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput
from tallystick.models import dataset
from tallystick.models.formats import safetensors
from tallystick.models.formats.folder import inspect
from tallystick.models.formats.tensors import DTYPE_BITS, Tensor
from tallystick.models.roots import UNCHANGED, Architecture, Roots, TensorList, read_kinds
from tests.models.makers import Array, parts, raw_file, write_shards
from tests.models.story import table, weights, write_version

digests = st.binary(min_size=32, max_size=32)
tensors = st.lists(
    st.builds(
        Tensor,
        st.from_regex(r"[a-zä]{1,4}(/[a-z]{1,3})?", fullmatch=True),
        st.sampled_from(sorted(DTYPE_BITS)),
        st.lists(st.integers(0, 5), max_size=3).map(tuple),
        digests,
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda tensor: tensor.name,
)


def _sorted(items: list[Tensor]) -> TensorList:
    return TensorList(tuple(sorted(items, key=lambda tensor: tensor.name.encode())))


class TestTensorList:
    """The parameter root is an RFC 6962 tree over the tensors by name."""

    @given(tensors)
    def test_the_parameter_root_is_the_tree_over_canonical_leaves(self, items: list[Tensor]) -> None:
        listed = _sorted(items)
        leaves = [
            canonical.encode(
                {
                    "kind": "tallystick/tensor/v1", "name": tensor.name, "dtype": tensor.dtype,
                    "shape": list(tensor.shape), "sha256": tensor.sha256.hex(),
                }
            )
            for tensor in listed.tensors
        ]  # fmt: skip
        assert listed.root == merkle.root(merkle.leaf_hashes(leaves))

    @given(tensors)
    def test_a_list_survives_its_document(self, items: list[Tensor]) -> None:
        assert TensorList.from_bytes(_sorted(items).to_bytes()) == _sorted(items)

    @given(tensors, st.data())
    def test_each_tensor_is_proved_to_be_under_the_root(self, items: list[Tensor], data: st.DataObject) -> None:
        listed = _sorted(items)
        at = data.draw(st.integers(0, listed.count - 1))
        chosen = listed.tensors[at]
        assert listed.root is not None
        merkle.verify_inclusion(
            at, listed.count, merkle.leaf_hash(chosen.leaf()), listed.inclusion_path(chosen.name), listed.root
        )

    @given(tensors, st.data())
    def test_any_other_name_type_shape_or_content_is_another_root(
        self, items: list[Tensor], data: st.DataObject
    ) -> None:
        at = data.draw(st.integers(0, len(items) - 1))
        old = items[at]
        changed = data.draw(
            st.sampled_from(
                [
                    Tensor(old.name + "x", old.dtype, old.shape, old.sha256),
                    Tensor(old.name, "F32" if old.dtype != "F32" else "I32", old.shape, old.sha256),
                    Tensor(old.name, old.dtype, (*old.shape, 1), old.sha256),
                    Tensor(old.name, old.dtype, old.shape, sha256(old.sha256)),
                ]
            )
        )
        if changed.name not in {item.name for item in items} - {old.name}:
            assert _sorted([*items[:at], changed, *items[at + 1 :]]).root != _sorted(items).root

    def test_no_tensor_is_no_root(self) -> None:
        assert (TensorList(()).root, Architecture((), {}).root) == (None, None)

    @pytest.mark.parametrize("names", [["b", "a"], ["a", "a"]])
    def test_a_list_out_of_order_or_with_a_name_twice_is_refused(self, names: list[str]) -> None:
        items = tuple(Tensor(name, "U8", (1,), bytes(32)) for name in names)
        with pytest.raises(InvalidInput):
            TensorList(items)

    @given(tensors, st.data())
    def test_a_document_with_a_changed_byte_is_another_list_or_refused(
        self, items: list[Tensor], data: st.DataObject
    ) -> None:
        listed = _sorted(items)
        document = bytearray(listed.to_bytes())
        document[data.draw(st.integers(0, len(document) - 1))] ^= data.draw(st.integers(1, 255))
        try:
            assert TensorList.from_bytes(bytes(document)).root != listed.root
        except InvalidInput:
            pass


class TestArchitecture:
    """The architecture root is the digest of a document that it can be fetched by."""

    @given(tensors)
    def test_the_document_hashes_to_the_root_and_survives(self, items: list[Tensor]) -> None:
        made = Architecture.of(_sorted(items), {"config.json": {"layers": 2}})
        assert made.root == sha256(made.to_bytes())
        assert Architecture.from_bytes(made.to_bytes()) == made

    @pytest.mark.parametrize(
        "data",
        [
            b"", b"{}", b'{"config":{},"kind":"tallystick/architecture/v2","tensors":[]}',
            b'{"config":[],"kind":"tallystick/architecture/v1","tensors":[]}',
            b'{"config":{},"kind":"tallystick/architecture/v1","tensors":[["a","U8"]]}',
            b'{"config":{},"kind":"tallystick/architecture/v1","tensors":[["a","U8",[-1]]]}',
            b'{"config":{},"kind":"tallystick/architecture/v1","tensors":[["a","Q8",[1]]]}',
            b'{"config":{},"kind":"tallystick/architecture/v1","tensors":[[1,"U8",[1]]]}',
            b'{"config":{},"kind":"tallystick/architecture/v1","tensors":[["a","U8",[[]]]]}',
        ],
    )  # fmt: skip
    def test_a_document_of_another_shape_is_refused(self, data: bytes) -> None:
        with pytest.raises(InvalidInput):
            Architecture.from_bytes(data)


class TestPackaging:
    """How tensors are packed into files is no part of what they are."""

    @given(st.integers(1, 3), st.integers(1, 3), st.randoms(use_true_random=False))
    def test_sharding_and_header_order_move_the_manifest_root_alone(
        self, tmp_path: Path, before: int, after: int, random: object
    ) -> None:
        found = []
        for folder, shards in ((tmp_path / "a", before), (tmp_path / "b", after)):
            for old in folder.glob("*"):
                old.unlink()
            items = list(weights(1).items())
            random.shuffle(items)  # type: ignore[attr-defined]
            write_shards(folder, dict(items), shards)
            found.append(inspect(folder))
        assert found[0].tensors.root == found[1].tensors.root
        assert found[0].architecture.root == found[1].architecture.root
        if before != after:
            assert found[0].manifest.root != found[1].manifest.root

    def test_spaces_and_metadata_in_a_header_move_the_manifest_root_alone(self, tmp_path: Path) -> None:
        (tmp_path / "m.safetensors").write_bytes(safetensors.to_bytes(parts(weights(1))))
        before = inspect(tmp_path)
        data = (tmp_path / "m.safetensors").read_bytes()
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length]) | {"__metadata__": {"saved": "again"}}
        (tmp_path / "m.safetensors").write_bytes(raw_file(header, data[8 + length :]))
        after = inspect(tmp_path)
        assert (before.tensors, before.architecture) == (after.tensors, after.architecture)
        assert before.manifest.root != after.manifest.root


def _rewrite(folder: Path, **changes: Array) -> None:
    for old in folder.glob("*.safetensors*"):
        old.unlink()
    write_shards(folder, weights(1) | changes, shards=2)


def _config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


A, P, D, M = Kind.ARCHITECTURE, Kind.PARAMETERS, Kind.DATA, "manifest"
QUANTISED = {"first.weight": weights(1)["first.weight"].astype(np.float16)}

# The rows of the table in docs/spec/roots.md: what is done, rows added to the data log, which roots move.
CHANGES: dict[str, tuple[Callable[[Path], object], int, Kind]] = {
    "fine-tune on added data": (lambda folder: _rewrite(folder, **{"first.bias": np.zeros(4, np.float32)}), 4, P | D),
    "further training, same data": (lambda folder: _rewrite(folder, **{"first.bias": np.zeros(4, np.float32)}), 0, P),
    "quantise": (lambda folder: _rewrite(folder, **QUANTISED), 0, A | P),
    "add a layer": (lambda folder: _rewrite(folder, adapter=np.ones(2, np.float32)), 0, A | P),
    "rename a tensor": (lambda folder: _rewrite(folder, extra=weights(1)["first.bias"]), 0, A | P),
    "edit a canonical key": (lambda folder: _config(folder, hidden_size=99), 0, A),
    "edit a volatile key": (lambda folder: _config(folder, transformers_version="9"), 0, UNCHANGED),
    "edit the tokenizer": (lambda folder: (folder / "tokenizer.json").write_text("{}"), 0, UNCHANGED),
    "edit the licence": (lambda folder: (folder / "LICENSE").write_text("MIT"), 0, UNCHANGED),
    "add an opaque file": (lambda folder: (folder / "model.pkl").write_bytes(b"\x80\x04."), 0, UNCHANGED),
}


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_moves_exactly_the_roots_that_the_table_says(tmp_path: Path, change: str) -> None:
    edit, added, expected = CHANGES[change]
    folder = write_version(tmp_path / "model", 1)
    log = dataset.create(tmp_path / "data").append(table(0, 8))

    def roots() -> Roots:
        found = inspect(folder)
        return Roots(found.manifest.root, found.architecture.root, found.tensors.root, log.root, log.size)

    before = roots()
    edit(folder)
    if added:
        log = log.append(table(8, 8 + added))
    after = roots()
    assert after.changed_from(before) == expected
    assert after.manifest != before.manifest


def test_data_of_the_same_root_and_another_size_is_changed_data() -> None:
    old, new = (Roots(bytes([1]) * 32, data=bytes([2]) * 32, data_size=size) for size in (3, 4))
    assert new.changed_from(old) == Kind.DATA


def test_a_root_of_zero_is_not_a_root() -> None:
    with pytest.raises(InvalidInput):
        Roots(bytes([1]) * 32, parameters=bytes(32))


@given(st.integers(0, 31).map(Kind))
def test_kinds_survive_their_names(kinds: Kind) -> None:
    assert read_kinds(kinds.names) == kinds


@pytest.mark.parametrize("names", [["weights"], ["data", "data"], ["parameters", "data"], ["Data"]])
def test_names_of_kinds_are_known_single_and_in_order(names: list[str]) -> None:
    with pytest.raises(InvalidInput):
        read_kinds(names)
