"""A folder as evidence: every file hashed, every format held to its promise, nothing loaded that could run."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from tallystick.core.errors import InvalidInput
from tallystick.models.formats import safetensors
from tallystick.models.formats.folder import OPAQUE_SUFFIXES, inspect
from tests.models.makers import linear_model, parts, write_shards
from tests.models.story import weights, write_version


def test_a_folder_is_described_whole(tmp_path: Path) -> None:
    folder = write_version(tmp_path / "model", 1)
    (folder / "model.onnx").write_bytes(linear_model().SerializeToString())
    content = inspect(folder)
    names = sorted(path.name for path in folder.iterdir())
    assert [file.name for file in content.manifest.files] == names
    for file in content.manifest.files:
        data = (folder / file.name).read_bytes()
        assert (file.size, file.sha256) == (len(data), hashlib.sha256(data).digest())
    assert [tensor.name for tensor in content.tensors.tensors] == [
        "first.bias", "first.weight", "last.weight", "model.onnx/W", "model.onnx/b",
    ]  # fmt: skip
    assert sorted(content.architecture.configs) == ["config.json", "model.onnx"]
    assert content.opaque == ()


def test_a_folder_of_tensors_is_a_namespace_of_its_own(tmp_path: Path) -> None:
    for place in ("unet", "vae"):
        write_shards(tmp_path / place, weights(1), shards=2)
    names = [tensor.name for tensor in inspect(tmp_path).tensors.tensors]
    assert len(names) == 6
    assert {name.split("/")[0] for name in names} == {"unet", "vae"}


def test_one_tensor_in_two_files_of_a_folder_is_refused(tmp_path: Path) -> None:
    for name in ("model", "model.fp16"):
        (tmp_path / f"{name}.safetensors").write_bytes(safetensors.to_bytes(parts(weights(1))))
    with pytest.raises(InvalidInput) as caught:
        inspect(tmp_path)
    assert caught.value.code == "tensors.duplicate"


@pytest.mark.parametrize("suffix", sorted(OPAQUE_SUFFIXES))
def test_weights_that_only_loading_could_read_are_hashed_and_called_opaque(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"model{suffix.upper()}").write_bytes(b"anything")
    content = inspect(tmp_path)
    assert content.opaque == (f"model{suffix.upper()}",)
    assert (content.manifest.count, content.tensors.root, content.architecture.root) == (1, None, None)


class Bomb:
    """Leaves a mark when unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str, int]]:
        return os.mkdir, (str(self.mark), 0o700)


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "pytorch_model.bin", "model.pt", "notes.txt"])
def test_a_pickle_is_never_run(tmp_path: Path, name: str) -> None:
    mark, folder = tmp_path / "mark", tmp_path / "model"
    folder.mkdir()
    (folder / name).write_bytes(pickle.dumps(Bomb(mark)))
    assert inspect(folder).manifest.count == 1
    assert not mark.exists()


@pytest.mark.parametrize("name", ["model.safetensors", "model.onnx", "config.json", "model.safetensors.index.json"])
def test_a_pickle_under_a_name_that_promises_more_is_refused_by_name(tmp_path: Path, name: str) -> None:
    mark, folder = tmp_path / "mark", tmp_path / "model"
    folder.mkdir()
    (folder / name).write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(InvalidInput, match=name):
        inspect(folder)
    assert not mark.exists()


def test_links_are_refused_wherever_they_point(tmp_path: Path) -> None:
    folder = write_version(tmp_path / "model", 1)
    for target in (folder / "LICENSE", tmp_path / "nowhere", tmp_path):
        link = folder / "link"
        link.symlink_to(target)
        with pytest.raises(InvalidInput) as caught:
            inspect(folder)
        assert caught.value.code == "files.symlink"
        link.unlink()
    inspect(folder)


@pytest.mark.parametrize("name", ["a\\b", "a\nb", "e\u0301"])
def test_a_name_that_a_manifest_cannot_carry_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("x")
    with pytest.raises(InvalidInput) as caught:
        inspect(tmp_path)
    assert caught.value.code == "name.form"


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput) as caught:
        inspect(tmp_path)
    assert caught.value.code == "folder.empty"


def test_a_pipe_in_the_folder_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInput) as caught:
        inspect(tmp_path)
    assert caught.value.code == "files.special"


def test_an_index_that_names_a_missing_shard_is_refused(tmp_path: Path) -> None:
    write_shards(tmp_path, weights(1), shards=3)
    inspect(tmp_path)
    (tmp_path / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(InvalidInput, match="shard that is not there"):
        inspect(tmp_path)


def test_an_index_elsewhere_speaks_for_its_own_folder(tmp_path: Path) -> None:
    write_shards(tmp_path / "a", weights(1), shards=2)
    (tmp_path / "b").mkdir()
    index = (tmp_path / "a" / "model.safetensors.index.json").read_bytes()
    (tmp_path / "b" / "model.safetensors.index.json").write_bytes(index)
    with pytest.raises(InvalidInput, match="shard that is not there"):
        inspect(tmp_path)


def test_tensors_kept_beside_an_onnx_model_are_read_from_there(tmp_path: Path) -> None:
    model = linear_model()
    proto = model.graph.initializer[0]
    data = proto.raw_data
    proto.ClearField("raw_data")
    proto.data_location = 1
    proto.external_data.add(key="location", value="weights.data")
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    (tmp_path / "weights.data").write_bytes(data)
    before = inspect(tmp_path)
    (tmp_path / "weights.data").write_bytes(np.zeros(6, np.float32).tobytes())
    after = inspect(tmp_path)
    assert before.architecture.root == after.architecture.root
    assert before.tensors.root != after.tensors.root


def test_metadata_of_an_index_may_hold_numbers(tmp_path: Path) -> None:
    write_shards(tmp_path, weights(1), shards=1)
    path = tmp_path / "model.safetensors.index.json"
    document = json.loads(path.read_text()) | {"metadata": {"total_size": 1e9, "parts": 1}}
    path.write_text(json.dumps(document))
    assert inspect(tmp_path).tensors.count == 3
