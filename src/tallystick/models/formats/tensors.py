"""Tensors as evidence: a name, an element type, a shape, and the SHA-256 of the bytes, whatever file they came from.

Bytes are little-endian and row-major, as safetensors stores them. Element types bear the names that safetensors uses;
types that only ONNX knows follow the same fashion. Nothing here loads an array.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from tallystick.core import canonical
from tallystick.core.digest import check_digest
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import TENSOR_DIMENSION_MAX, TENSOR_RANK_MAX, TENSORS_MAX
from tallystick.core.names import check_name, sort_key

TENSOR_KIND = "tallystick/tensor/v1"

# Bits of one element; 0 for text, whose elements differ in length.
DTYPE_BITS: Final = {
    "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64,
    "F16": 16, "BF16": 16, "F32": 32, "F64": 64, "C64": 64, "C128": 128,
    "F8_E4M3": 8, "F8_E4M3FNUZ": 8, "F8_E5M2": 8, "F8_E5M2FNUZ": 8, "F8_E8M0": 8,
    "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4, "U4": 4, "I4": 4, "U2": 2, "I2": 2, "STRING": 0,
}  # fmt: skip


@dataclass(frozen=True)
class Tensor:
    """One tensor by name, element type, shape and the SHA-256 of its bytes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    sha256: bytes

    def __post_init__(self) -> None:
        check_name(self.name, "tensor name")
        check_shape(self.shape, self.dtype, self.name)
        check_digest(self.sha256, f"digest of {self.name}")

    def leaf(self) -> bytes:
        """Return the Merkle leaf entry; its kind keeps it from being valid in any other tree."""
        return canonical.encode({"kind": TENSOR_KIND, **self.to_dict()})

    def to_dict(self) -> dict[str, object]:
        """Return the tensor as JSON members."""
        return {"dtype": self.dtype, "name": self.name, "sha256": self.sha256.hex(), "shape": list(self.shape)}


def check_shape(shape: tuple[int, ...], dtype: str, name: str) -> None:
    """Return if the shape is within bounds and the element type is known.

    raises  InvalidInput "tensor.dtype" or "tensor.shape"
    """
    if dtype not in DTYPE_BITS:
        raise InvalidInput("tensor.dtype", f"tensor {name!a} has an unknown element type", got=ascii(dtype)[:40])
    if len(shape) > TENSOR_RANK_MAX or any(
        type(axis) is not int or not 0 <= axis <= TENSOR_DIMENSION_MAX for axis in shape
    ):
        raise InvalidInput(
            "tensor.shape",
            f"tensor {name!a} has an impossible shape",
            expected=f"at most {TENSOR_RANK_MAX} axes of 0 to 2**48",
            got=ascii(shape)[:120],
        )


def byte_size(shape: tuple[int, ...], dtype: str, name: str) -> int:
    """Return how many bytes such a tensor takes; elements below a byte are packed, the last byte padded.

    raises  InvalidInput "tensor.dtype", for text too, which has no fixed size
    """
    bits = DTYPE_BITS.get(dtype, 0)
    if bits == 0:
        raise InvalidInput("tensor.dtype", f"tensor {name!a} has no fixed element size", got=ascii(dtype)[:40])
    return -(-math.prod(shape) * bits // 8)


def sorted_tensors(tensors: Iterable[Tensor]) -> tuple[Tensor, ...]:
    """Return the tensors by the UTF-8 bytes of their names.

    raises  InvalidInput "tensors.duplicate" when a name stands twice, "tensors.many"
    """
    found = sorted(tensors, key=lambda tensor: sort_key(tensor.name))
    if len(found) > TENSORS_MAX:
        raise InvalidInput("tensors.many", "too many tensors", expected=f"≤ {TENSORS_MAX}", got=len(found))
    for left, right in itertools.pairwise(found):
        if left.name == right.name:
            raise InvalidInput(
                "tensors.duplicate",
                "two tensors have one name",
                got=ascii(left.name)[:200],
                hint="put variants of a model into folders of their own",
            )
    return tuple(found)
