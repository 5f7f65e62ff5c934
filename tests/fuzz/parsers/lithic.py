"""Parsers of `lithic`: integer models and decimal numbers."""

from __future__ import annotations

from tallystick.lithic.integer import decimals, document
from tests.fuzz.targets import Target, of_text
from tests.lithic import kernel_models

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
    Target("lithic.decimal", of_text(decimals.ratio), lambda: [b"0", b"-1.50", b"0.001", b"9" * 77]),
]
