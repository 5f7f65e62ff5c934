"""What of a version is served: its ONNX file, fetched by digest from the signed manifest."""

from __future__ import annotations

from tallystick.core.errors import InvalidInput
from tallystick.core.limits import MODEL_BYTES_MAX
from tallystick.core.manifest import Manifest
from tallystick.models.evidence import Evidence
from tallystick.store.blobs import BlobStore

DEFAULT = "model.onnx"


def load_onnx(blobs: BlobStore, statement: bytes) -> bytes:
    """Return the ONNX bytes of the version that the statement with this digest describes.

    raises  InvalidInput "model.onnx_file" unless the version has a `model.onnx` or exactly one other ONNX file;
            Unavailable "blobs.missing", VerificationFailed "blobs.digest"
    """
    manifest = Evidence(blobs, statement).manifest
    return blobs.get(manifest.entry(_onnx_name(manifest)).sha256, MODEL_BYTES_MAX)


def _onnx_name(manifest: Manifest) -> str:
    names = [file.name for file in manifest.files if file.name.endswith(".onnx")]
    if DEFAULT in names:
        return DEFAULT
    if len(names) != 1:
        raise InvalidInput(
            "model.onnx_file",
            "the version does not say which file to serve",
            expected=f"{DEFAULT}, or one ONNX file",
            got=", ".join(names) or "no ONNX file",
        )
    return names[0]
