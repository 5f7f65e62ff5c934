"""In what environment a version was made: the interpreter, the platform and the packages that bear on a model."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib import metadata
from typing import Final

# Packages whose version can change what training gives; those that are absent are left out.
PACKAGES: Final = (
    "catboost", "jax", "lightgbm", "numpy", "onnx", "onnxruntime", "pandas", "safetensors", "scikit-learn", "scipy",
    "skl2onnx", "tallystick", "tensorflow", "torch", "transformers", "xgboost",
)  # fmt: skip


def describe_environment(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Return the environment of this process as texts: `python`, `platform`, and `package NAME` for each installed."""
    found = {
        "platform": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }
    for name in packages:
        try:
            found[f"package {name}"] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
