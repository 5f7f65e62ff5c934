"""One node of a graph: its operator, its inputs as far as they are known, its attributes, each of the type asked for.

An attribute that an operator's reader never asked for is refused, for nobody knows what it changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tallystick.core.errors import InvalidInput
from tallystick.lithic.importers.functions import pair
from tallystick.lithic.importers.tensors import array_of
from tallystick.lithic.importers.values import Choice, Constant, Curve, Numbers, Unclear, Value

# AttributeProto.AttributeType → the field that holds the value
_FIELDS = {1: "f", 2: "i", 3: "s", 4: "t", 6: "floats", 7: "ints", 8: "strings"}
_GRAPHS = (5, 10)
_DOUBLE = 11  # TensorProto.DataType
_IDLE = frozenset({"consumed_inputs", "nodes_hitrates", "nodes_missing_value_tracks_true", "nodes_hitrates_as_tensor"})


class Node:
    """A node, as an operator's reader sees it."""

    def __init__(self, proto: Any, inputs: Sequence[Value | None], opset: int) -> None:
        self.operator = shown(f"{proto.domain}.{proto.op_type}" if proto.domain else proto.op_type)
        self.name = shown(proto.name or next((out for out in proto.output if out), ""))
        self.inputs = tuple(inputs)
        self.outputs = len(proto.output)
        self.opset = opset
        self._attributes: dict[str, Any] = {}
        for attribute in proto.attribute:
            if attribute.name in self._attributes:
                raise InvalidInput("onnx.attribute", f"{self} has an attribute twice", got=shown(attribute.name))
            self._attributes[attribute.name] = attribute
        self._read: set[str] = set()

    def __str__(self) -> str:
        return f"{self.operator} (node {self.name})"

    def unsupported(self, why: str, hint: str = "") -> InvalidInput:
        """Return the error that names the operator and the node."""
        return InvalidInput("onnx.unsupported", f"{self}: {why}", hint=hint)

    def check_attributes(self) -> None:
        """Return if every attribute was asked for; raises InvalidInput "onnx.unsupported"."""
        left = sorted(shown(name) for name in self._attributes.keys() - self._read - _IDLE)
        if left:
            raise self.unsupported(f"attribute {left[0]} is not supported")

    # inputs

    def value(self, place: int) -> Value | None:
        """Return the input at a place, None where it is left out; raises InvalidInput "onnx.unsupported"."""
        value = self.inputs[place] if place < len(self.inputs) else None
        if isinstance(value, Unclear):
            raise InvalidInput("onnx.unsupported", value.why, hint=value.hint)
        return value

    def given(self, place: int) -> Value:
        """Return the input at a place, which may not be left out."""
        value = self.value(place)
        if value is None:
            raise InvalidInput("onnx.graph", f"{self} lacks an input", got=f"input {place}")
        return value

    def tensor(self, place: int) -> Numbers | Constant:
        """Return an input that is affine or constant."""
        value = self.given(place)
        if isinstance(value, Numbers) and value.whole:
            raise self.unsupported(
                "computes with the whole part of a number",
                "only one-hot and label encoders take whole numbers; declare the input as float",
            )
        if isinstance(value, Curve) and value.kind == "softmax" and len(value.scores) == 2:
            return pair(value)
        if isinstance(value, Curve):
            raise self.unsupported(f"computes with a {value.kind} inside the graph", "it may only stand at the end")
        if isinstance(value, Choice):
            raise self.unsupported("computes with a label inside the graph")
        assert isinstance(value, Numbers | np.ndarray)
        return self._numeric(value) if isinstance(value, np.ndarray) else value

    def numbers(self, place: int) -> Numbers:
        """Return an input that depends on the model's input and is affine."""
        value = self.tensor(place)
        if not isinstance(value, Numbers):
            raise self.unsupported(f"input {place} does not depend on the model's input")
        return value

    def constant(self, place: int) -> Constant:
        """Return an input that does not depend on the model's input."""
        value = self.given(place)
        if not isinstance(value, np.ndarray):
            raise self.unsupported(f"input {place} depends on the model's input")
        return value

    def reals(self, place: int) -> Constant:
        """Return a constant input as float64."""
        return self._numeric(self.constant(place)).astype(np.float64)

    def whole(self, place: int) -> tuple[int, ...]:
        """Return a constant input as integers, flat."""
        value = self.constant(place)
        if value.dtype.kind not in "iu":
            raise InvalidInput("onnx.graph", f"{self} takes integers", got=f"{value.dtype} at input {place}")
        return tuple(int(number) for number in value.ravel())

    def _numeric(self, value: Constant) -> Constant:
        if value.dtype.kind not in "fiub":
            raise InvalidInput("onnx.graph", f"{self} takes numbers", got=value.dtype)
        return value.astype(np.int64) if value.dtype.kind == "b" else value

    # attributes

    def integer(self, name: str, default: int | None = None) -> int:
        """Return an INT attribute."""
        return int(self._attribute(name, 2, default))

    def real(self, name: str, default: float | None = None) -> float:
        """Return a FLOAT attribute."""
        return float(self._attribute(name, 1, default))

    def text(self, name: str, default: str | None = None) -> str:
        """Return a STRING attribute."""
        value = self._attribute(name, 3, default)
        return value if isinstance(value, str) else self._decoded(value)

    def integers(self, name: str, default: Sequence[int] | None = ()) -> tuple[int, ...]:
        """Return an INTS attribute."""
        return tuple(int(value) for value in self._attribute(name, 7, default))

    def floats(self, name: str, default: Sequence[float] | None = ()) -> Constant:
        """Return a FLOATS attribute, or NAME_as_tensor where that is set, as float64."""
        if f"{name}_as_tensor" in self._attributes:
            self._read.add(name)
            return self._numeric(self.array(f"{name}_as_tensor")).astype(np.float64).ravel()
        return np.array(self._attribute(name, 6, default), dtype=np.float64)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a STRINGS attribute."""
        return tuple(self._decoded(value) for value in self._attribute(name, 8, ()))

    def array(self, name: str) -> Constant:
        """Return a TENSOR attribute."""
        return array_of(self._attribute(name, 4, None), f"{self}@{shown(name)}")

    def is_double(self, name: str) -> bool:
        """Whether a TENSOR attribute holds double precision."""
        return bool(self._attribute(name, 4, None).data_type == _DOUBLE)

    def has(self, name: str) -> bool:
        """Whether an attribute is set."""
        return name in self._attributes

    def _attribute(self, name: str, kind: int, default: Any) -> Any:
        self._read.add(name)
        attribute = self._attributes.get(name)
        if attribute is None:
            if default is None:
                raise InvalidInput("onnx.attribute", f"{self} lacks an attribute", got=name)
            return default
        if attribute.type in _GRAPHS:
            raise self.unsupported("graphs within graphs are not supported")
        if attribute.type != kind or attribute.ref_attr_name:
            raise InvalidInput("onnx.attribute", f"{self}: {name} is of another type", got=attribute.type)
        return getattr(attribute, _FIELDS[kind])

    def _decoded(self, value: bytes) -> str:
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise InvalidInput("onnx.text", f"{self} holds text that is not UTF-8", got=ascii(value)[:80]) from None


def shown(name: object) -> str:
    """Return a stranger's name, fit for a message."""
    return ascii(name)[1:-1][:80] if isinstance(name, str) else ascii(name)[:80]
