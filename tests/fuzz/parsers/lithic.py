"""Parsers of `lithic`: integer models, kernels and decimal numbers."""

from __future__ import annotations

from tallystick.lithic.artifact import Artifact, SourceFile
from tallystick.lithic.integer import decimals, document
from tallystick.lithic.kernel import compile_integer
from tests.fuzz.targets import Target, of_text
from tests.lithic import kernel_models


def _kernels() -> list[bytes]:
    made = compile_integer(kernel_models.mlp(), registry=("0x5FbDB2315678afecb367f032d93F642f64180aa3", 7))
    whole = Artifact.of(made, quality={"auc": "0.9"}, source=SourceFile("model.onnx", bytes(32)))
    return [whole.to_bytes(), Artifact.of(compile_integer(kernel_models.trees())).to_bytes()]


TARGETS = [
    Target(
        "lithic.integer_model",
        document.from_bytes,
        lambda: [
            document.to_bytes(one) for one in (kernel_models.mlp(), kernel_models.trees(), kernel_models.menagerie())
        ],
        document.to_bytes,
        exact=True,
    ),
    Target("lithic.kernel", Artifact.from_bytes, _kernels, Artifact.to_bytes, exact=True),
    Target("lithic.decimal", of_text(decimals.ratio), lambda: [b"0", b"-1.50", b"0.001", b"9" * 77]),
]
