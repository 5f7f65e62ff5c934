"""A model's folder as evidence: every file by digest, every tensor, every configuration, and what cannot be seen into.

Files are told apart by suffix and held to what the suffix promises: a `.safetensors` file that is a pickle is refused.
Formats that only loading could read (pickles above all) are never opened: they are listed as opaque and stand in the
manifest alone.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import BLOB_BYTES_MAX, MODEL_CONFIG_BYTES_MAX
from tallystick.core.manifest import FileEntry, Manifest
from tallystick.models.formats import onnx, safetensors
from tallystick.models.formats.configs import CONFIG_NAMES, read_config
from tallystick.models.formats.tensors import Tensor, sorted_tensors
from tallystick.models.roots import Architecture, TensorList
from tallystick.store.blob_places import pieces_of
from tallystick.store.files import open_regular, read_bounded, walk_files

# Weights in forms that this project does not look into: pickles, archives of pickles, and formats not yet read.
OPAQUE_SUFFIXES: Final = frozenset(
    {
        ".bin", ".cbm", ".ckpt", ".dill", ".gguf", ".h5", ".hdf5", ".joblib", ".keras", ".mar", ".model", ".msgpack",
        ".npy", ".npz", ".pb", ".pickle", ".pkl", ".pt", ".pth", ".skops", ".tflite", ".torchscript", ".ubj", ".zip",
    }
)  # fmt: skip
_INDEX = ".safetensors.index.json"


@dataclass(frozen=True)
class ModelContent:
    """What a folder holds. `opaque` names the files that may hold weights but are only hashed."""

    manifest: Manifest
    tensors: TensorList
    architecture: Architecture
    opaque: tuple[str, ...]


def inspect(folder: Path) -> ModelContent:
    """Return what the model in `folder` is made of; reads every byte once, loads and runs nothing.

    raises  InvalidInput for links, special files, unsafe names, and files that are not what their suffix says, each
            naming the file; "folder.empty" when there is none
    """
    found = _Found()
    for name, path in walk_files(folder):
        try:
            found.files.append(found.read(folder, name, path))
        except InvalidInput as error:
            raise InvalidInput(
                error.code, f"{name}: {error.message}", expected=error.expected, got=error.got, hint=error.hint
            ) from None
    if not found.files:
        raise InvalidInput("folder.empty", f"{folder} holds no file", hint="name the folder with the model's files")
    for name, index in found.indices.items():
        place = name.rpartition("/")[0]
        safetensors.check_index(index, found.shards_in(place), name)
    tensors = TensorList(sorted_tensors(found.tensors))
    return ModelContent(
        Manifest.of(found.files), tensors, Architecture.of(tensors, found.configs), tuple(sorted(found.opaque))
    )


class _Found:
    """What was found so far."""

    def __init__(self) -> None:
        self.files: list[FileEntry] = []
        self.tensors: list[Tensor] = []
        self.configs: dict[str, Any] = {}
        self.opaque: list[str] = []
        self.shards: dict[str, list[str]] = {}
        self.indices: dict[str, dict[str, str]] = {}

    def read(self, root: Path, name: str, path: Path) -> FileEntry:
        """Take note of one file and return its manifest entry."""
        place, _, base = name.rpartition("/")
        suffix = "." + base.lower().rpartition(".")[2]
        if suffix == ".safetensors":
            entry, tensors = safetensors.read_file(path, name)
            self.shards[name] = [tensor.name for tensor in tensors]
            # a folder is a namespace of tensors: its shards share it, the parts of a composed model do not
            self.tensors += [
                Tensor(f"{place}/{tensor.name}", tensor.dtype, tensor.shape, tensor.sha256) if place else tensor
                for tensor in tensors
            ]
            return entry
        if suffix == ".onnx":
            entry, tensors, self.configs[name] = onnx.read_file(root, name)
            self.tensors += tensors
            return entry
        if base in CONFIG_NAMES or base.endswith(_INDEX):
            data = read_bounded(path, MODEL_CONFIG_BYTES_MAX)
            if base in CONFIG_NAMES:
                self.configs[name] = read_config(data, name)
            else:
                self.indices[name] = safetensors.read_index(data, name)
            return FileEntry(name, len(data), sha256(data))
        if suffix in OPAQUE_SUFFIXES:
            self.opaque.append(name)
        return FileEntry(name, *hash_sized(path))

    def shards_in(self, place: str) -> dict[str, list[str]]:
        """Return the safetensors files of one folder, by base name, each with its tensors."""
        return {name.rpartition("/")[2]: held for name, held in self.shards.items() if name.rpartition("/")[0] == place}


def hash_sized(path: Path) -> tuple[int, bytes]:
    """Return the size of a file and its SHA-256, of one reading.

    raises  InvalidInput "files.changed" when it grew or shrank meanwhile, and those of store.files
    """
    hasher, size = hashlib.sha256(), 0
    with open_regular(path) as file:
        for piece in pieces_of(file):
            hasher.update(piece)
            size += len(piece)
            if size > BLOB_BYTES_MAX:
                raise InvalidInput("files.size", f"{path} is too large", expected=f"≤ {BLOB_BYTES_MAX} bytes")
        if os.fstat(file.fileno()).st_size != size:
            hint = "try again when it is at rest"
            raise InvalidInput("files.changed", f"{path} changed while it was read", hint=hint)
    return size, hasher.digest()
